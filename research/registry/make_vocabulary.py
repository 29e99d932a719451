"""Makes vocabularies: trains SentencePiece on corpora, imports published models; no TensorFlow."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from research import artefacts
from research.corpora.document import Corpus, read_batches
from research.errors import GristmillError
from research.registry import tokenizers
from research.registry.specs import VocabularySpec, check_length
from research.registry.splits import TRAIN, VALIDATION, check_validation_share, hash_unit, split_of
from research.registry.tokenizers import MODEL_FILES, Settings

NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
PROBE = "".join(map(chr, range(128))) + "  naïve\n\n\t é e\u0301 漢字 🎉 \u200b\u00a0\ufeff١٢ "
MAX_SENTENCE_BYTES = 1 << 20  # of what the trainer is fed; it skips longer ones without a word
# In order of preference where a tokenizer has several and its files do not say which it means.
EOS_TOKENS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "[EOS]")
BOS_TOKENS = ("<s>", "<|begin_of_text|>", "<bos>", "<|startoftext|>", "[BOS]")
PAD_TOKENS = ("<pad>", "<|padding|>", "[PAD]")

TRAINER = {
    "model_type": "unigram",
    "byte_fallback": True,  # every text can be encoded, and a tab is one byte piece
    "pad_id": 0,
    "eos_id": 1,
    "unk_id": 2,
    "bos_id": 3,
    # Code must come back as it was: no Unicode mapping, and every space kept.
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "add_dummy_prefix": False,
    "allow_whitespace_only_pieces": True,  # indentation is one piece
    "split_digits": True,
    "max_sentence_length": 4 * MAX_SENTENCE_BYTES,  # hard cuts count characters, this bytes
    "num_threads": 4,  # part of the result: the order in which floats are summed
    "minloglevel": 2,
}
MIN_SIZE = 4 + 256 + 1  # special pieces, bytes and a character


@dataclasses.dataclass(frozen=True)
class Made:
    """What making a vocabulary came to: the vocabulary, and whether it was there already."""

    spec: VocabularySpec
    manifest: Mapping[str, Any]
    already_there: bool


def train_sentencepiece(
    root: Path,
    corpora: Sequence[str],
    size: int,
    name: str,
    *,
    validation_share: float,
    command: str,
    max_bytes: int = 200_000_000,
) -> Made:
    """Trains a unigram SentencePiece vocabulary (Kudo 2018, https://arxiv.org/abs/1804.10959).

    Text whose roots are held out for validation is not looked at.  Where there is more than
    `max_bytes` of text, documents are chosen by the hash of their id, from the whole of every
    corpus alike.  The same definition gives the same model, bit for bit.

    Args:
      root: the data root.
      corpora: names of corpora, with or without '@version'.
      size: number of pieces, the 4 special ones and the 256 bytes included.
      name: the vocabulary's name.
      validation_share: that of the Tasks that will use the vocabulary.
      command: what the user ran, for the manifest and for remedies.
      max_bytes: of text to train on, about.

    Raises:
      GristmillError: no such corpus, a size that the text cannot support, no text to train on, or
        the name is taken by a vocabulary of another definition.
    """
    if not MIN_SIZE <= size <= tokenizers.MAX_IDS:
        raise GristmillError(
            f"vocabulary {name} of {size} pieces: special pieces and bytes alone need at least "
            f"{MIN_SIZE} pieces, and {tokenizers.MAX_IDS} are the most; give another --size"
        )
    check_validation_share(validation_share, f"vocabulary {name}")
    opened = sorted({(c := Corpus.open(root, corpus)).name: c for corpus in corpora}.items())
    inputs = [{"name": n, "fingerprint": c.manifest["fingerprint"]} for n, c in opened]
    definition = {
        "kind": "sentencepiece",
        "size": size,
        "trainer": TRAINER,
        "corpora": [corpus["fingerprint"] for corpus in inputs],
        "validation_share": validation_share,
        "max_bytes": max_bytes,
    }

    def make() -> tuple[bytes, Settings, int]:
        texts = sampled_texts([corpus for _, corpus in opened], validation_share, max_bytes)
        if (first := next(texts, None)) is None:
            raise GristmillError(
                f"vocabulary {name}: no text of {', '.join(n for n, _ in opened)} is left to train "
                f"on; give more than --max-bytes {max_bytes}, or less than --validation-share "
                f"{validation_share}"
            )
        model = _train(itertools.chain([first], texts), size, name)
        processor = tokenizers.sentencepiece_processor(model, name)
        return model, Settings("sentencepiece", eos_id=1, bos_id=3, pad_id=0), len(processor)

    return _publish(root, name, definition, make, command, inputs, ["sentencepiece"])


def sampled_texts(
    corpora: Sequence[Corpus], validation_share: float, max_bytes: int, split: str = TRAIN
) -> Iterator[str]:
    """Texts of one split, about `max_bytes` of them in all, chosen by the hash of their ids."""
    side = validation_share if split == VALIDATION else 1 - validation_share
    fraction = max_bytes / max(1, side * sum(corpus.manifest["bytes"] for corpus in corpora))
    for corpus in corpora:
        for part in corpus.parts:
            for batch in read_batches(corpus.folder / part, ["id", "text", "roots"]):
                for row in batch.to_pylist():
                    chosen = hash_unit("vocabulary sample", row["id"]) < fraction
                    if chosen and split_of(row["roots"] or (row["id"],), validation_share) == split:
                        yield row["text"]


def _sentences(texts: Iterator[str]) -> Iterator[str]:
    """Texts in pieces the trainer accepts, cut after a line's end where there is one."""
    for text in texts:
        start = 0
        while len(text) - start > MAX_SENTENCE_BYTES:
            end = text.rfind("\n", start, start + MAX_SENTENCE_BYTES) + 1
            end = end or start + MAX_SENTENCE_BYTES
            yield text[start:end]
            start = end
        yield text[start:]


def _train(texts: Iterator[str], size: int, name: str) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=_sentences(texts), model_writer=model, vocab_size=size, **TRAINER
        )
    except RuntimeError as error:
        message = str(error)
        if found := re.search(r"Please set it to a value <= (\d+)", message):
            limit = f"the text supports at most {found[1]} pieces"
        elif found := re.search(r"\d+ vs (\d+)", message):
            limit = f"its characters and the bytes alone need at least {found[1]} pieces"
        else:
            limit = f"the trainer fails ({message.splitlines()[0]})"
        raise GristmillError(
            f"vocabulary {name} of {size} pieces: {limit}; give another --size or more --corpora"
        ) from None
    return model.getvalue()


def import_vocabulary(
    root: Path,
    path: Path,
    name: str,
    kind: str,
    *,
    command: str,
    eos_token: str | None = None,
    bos_token: str | None = None,
    pattern: str | None = None,
    special_tokens: Mapping[str, int] | None = None,
) -> Made:
    """Copies a published model below the data root, with the settings its file does not hold.

    Args:
      root: the data root.
      path: the model file; for 'hf' a `tokenizer.json` or the folder that holds one.
      name: the vocabulary's name.
      kind: 'sentencepiece', 'hf' or 'tiktoken'.
      command: what the user ran, for the manifest and for remedies.
      eos_token: the token that ends a document, where the files do not say.
      bos_token: the token that begins one; EOS where there is none.
      pattern: for tiktoken: the regular expression that splits the text.
      special_tokens: for tiktoken: ids of special tokens; one that has none follows the ranks.

    Raises:
      GristmillError: the model cannot be read, no EOS token is found, a pattern is missing or does
        not match every character, an id is given that the file decides, or the name is taken by
        another vocabulary.
    """
    if kind != "tiktoken" and (special_tokens or pattern):
        raise GristmillError(
            f"{path}: --eos-id, --bos-id and --pattern are for tiktoken; a {kind} file itself says "
            "what they are: leave them out"
        )
    if kind == "hf" and path.is_dir():
        path = path / "tokenizer.json"
    if not path.is_file():
        raise GristmillError(f"{path}: no such file; give the {kind} model to import")
    model = path.read_bytes()
    if kind == "sentencepiece":
        settings, size = _describe_sentencepiece(model, path, eos_token, bos_token)
    elif kind == "hf":
        settings, size = _describe_hf(model, path, eos_token, bos_token)
    else:
        settings, size = _describe_tiktoken(
            model, path, eos_token, bos_token, pattern, dict(special_tokens or {})
        )
    definition = {"settings": dataclasses.asdict(settings),
                  "model": hashlib.sha256(model).hexdigest()}  # fmt: skip
    tool = {"hf": "tokenizers"}.get(kind, kind)
    return _publish(root, name, definition, lambda: (model, settings, size), command, [], [tool])


def _no_eos(path: Path, token: str | None, option: str = "--eos-token") -> GristmillError:
    problem = f"has no token {token!r}" if token else "does not say which token ends a document"
    return GristmillError(f"{path} {problem}; name one of its tokens with {option}")


def _describe_sentencepiece(
    model: bytes, path: Path, eos_token: str | None, bos_token: str | None
) -> tuple[Settings, int]:
    processor = tokenizers.sentencepiece_processor(model, str(path))

    def find(token: str | None, declared: int, option: str) -> int:
        if token is None:
            return declared
        id = processor.PieceToId(token)
        if processor.IdToPiece(id) != token:  # an unknown piece is given the id of <unk>
            raise _no_eos(path, token, option)
        return id

    eos = find(eos_token, processor.eos_id(), "--eos-token")
    if eos < 0:
        raise _no_eos(path, None)
    bos = find(bos_token, processor.bos_id(), "--bos-token")
    pad = processor.pad_id()
    settings = Settings("sentencepiece", eos, bos if bos >= 0 else eos, pad if pad >= 0 else eos)
    return settings, len(processor)


def _describe_hf(
    model: bytes, path: Path, eos_token: str | None, bos_token: str | None
) -> tuple[Settings, int]:
    tokenizer = tokenizers.hf_tokenizer(model, str(path))
    ids = tokenizer.get_vocab(with_added_tokens=True)
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    beside = _tokenizer_config(path.with_name("tokenizer_config.json"))

    def find(given: str | None, role: str, usual: Sequence[str]) -> int | None:
        named = given or beside.get(role)
        if named is not None:
            if named not in ids:
                raise _no_eos(path, named, f"--{role.replace('_', '-')}")
            return ids[named]
        return next((ids[token] for token in usual if token in special), None)

    eos = find(eos_token, "eos_token", EOS_TOKENS)
    if eos is None:
        raise _no_eos(path, None)
    bos = find(bos_token, "bos_token", BOS_TOKENS)
    pad = next((ids[token] for token in PAD_TOKENS if token in special), eos)
    return Settings("hf", eos, eos if bos is None else bos, pad), max(ids.values()) + 1


def _tokenizer_config(path: Path) -> dict[str, str]:
    """The special tokens that a `tokenizer_config.json` names, where there is one."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise GristmillError(f"{path} is not readable JSON; mend or remove it") from None
    if not isinstance(config, dict):
        raise GristmillError(f"{path} is not a JSON object; mend or remove it")
    tokens = {}
    for role in ("eos_token", "bos_token"):
        token = config.get(role)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str):
            tokens[role] = token
    return tokens


def _describe_tiktoken(
    model: bytes,
    path: Path,
    eos_token: str | None,
    bos_token: str | None,
    pattern: str | None,
    special: dict[str, int],
) -> tuple[Settings, int]:
    ranks = tokenizers.tiktoken_ranks(model, str(path))
    if not pattern:
        raise GristmillError(
            f"{path}: a tiktoken file does not hold the regular expression that splits the text; "
            "give it with --pattern"
        )
    if not eos_token:
        raise _no_eos(path, None)
    for token, id in special.items():
        tokenizers.check_id(id, f"{path}: {token!r}")
    for token in filter(None, (eos_token, bos_token)):
        special.setdefault(token, max([*ranks.values(), *special.values()]) + 1)
    if taken := {token for token, id in special.items() if id in ranks.values()}:
        raise GristmillError(f"{path}: the id of {taken.pop()!r} is the rank of another token")
    if len(set(special.values())) != len(special):
        raise GristmillError(f"{path}: {' and '.join(map(repr, special))} are given one id; give "
                             "each its own, or name one token for both")  # fmt: skip
    eos = special[eos_token]
    bos = special[bos_token] if bos_token else eos
    size = max([*ranks.values(), *special.values()]) + 1
    settings = Settings("tiktoken", eos, bos, eos, pattern, special)
    encoding = tokenizers.tiktoken_encoding(model, settings, str(path))
    spec = VocabularySpec(str(path), "tiktoken", "", size, pad_id=eos, bos_id=bos, eos_id=eos)
    tokenizers.TiktokenTokenizer(spec, encoding).encode(PROBE)
    return settings, size


def _publish(
    root: Path,
    name: str,
    definition: Mapping[str, Any],
    make: Any,
    command: str,
    inputs: Sequence[Mapping[str, Any]],
    tools: Sequence[str],
) -> Made:
    """Writes model and manifest, unless a vocabulary of the same definition is there."""
    if not NAME.fullmatch(name) or name == tokenizers.BYTE:
        raise GristmillError(
            f"--name {name}: a vocabulary's name has letters, digits, '.', '_' and '-', and is not "
            f"'{tokenizers.BYTE}', which is built in"
        )
    check_length(name, "vocabulary")
    folder = tokenizers.vocabularies_folder(root) / name
    with artefacts.exclusive(folder):
        if (folder / artefacts.MANIFEST).exists():
            manifest = tokenizers.read_vocabulary(root, name)
            if manifest["definition"] != json.loads(json.dumps(definition)):
                raise GristmillError(
                    f"{folder} already holds a vocabulary of another definition, made by: "
                    f"{manifest['made_by']['command']}; give this one another --name, or delete "
                    "that folder (caches made with it will then be refused)"
                )
            return Made(tokenizers.vocabulary_spec(root, name), manifest, already_there=True)
        artefacts.remove_temporaries(folder)
        model, settings, size = make()
        file_name = MODEL_FILES[settings.kind]
        with artefacts.atomic_file(folder / file_name) as file:
            file.write(model)
        spec = VocabularySpec(
            name=name,
            kind=settings.kind,
            sha256=settings.sha256(hashlib.sha256(model).hexdigest()),
            size=size,
            pad_id=settings.pad_id,
            bos_id=settings.bos_id,
            eos_id=settings.eos_id,
        )
        manifest = {
            "kind": "vocabulary",
            "name": name,
            "fingerprint": spec.sha256,
            "vocabulary": dataclasses.asdict(spec),
            "settings": dataclasses.asdict(settings),
            "files": artefacts.describe_files(folder, [file_name]),
            "definition": dict(definition),
            "made_by": {
                "command": command,
                "inputs": list(inputs),
                "tools": artefacts.tool_versions(*tools),
            },
        }
        artefacts.write_manifest(folder, manifest)
        return Made(spec, manifest, already_there=False)
