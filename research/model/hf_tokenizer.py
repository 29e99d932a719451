"""Tokenizer files as `transformers` reads them, from a vocabulary of ours or from their like."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research import artefacts
from research.errors import GristmillError
from research.model.weights import copy_tokenizer

BYTE = "byte"  # the built-in vocabulary, which has no folder
SPACE = "▁"


def write_tokenizer(source: Path, out: Path) -> dict[str, int]:
    """Writes tokenizer files.

    Args:
      source: a vocabulary artefact, `…/byte` for the built-in one, or a folder of files that
        `transformers` reads already.
      out: an existing folder.

    Returns:
      What config.json says of it: bos_token_id, eos_token_id, pad_token_id.

    Raises:
      GristmillError: the folder holds no tokenizer that can be written so.
    """
    if source.name == BYTE and not source.exists():
        write_settings(out, "ByT5Tokenizer", {}, {"extra_ids": 0})
        return {"pad_token_id": 0, "eos_token_id": 1}
    if not (source / artefacts.MANIFEST).exists():
        copy_tokenizer(source, out)
        return special_ids(out)
    manifest = artefacts.read_manifest(source, "vocabulary", "gristmill vocab train")
    settings = manifest["settings"]
    if settings["kind"] == "hf":
        tokenizer = _read(source / "tokenizer.json")
    elif settings["kind"] == "tiktoken":
        tokenizer = _from_ranks(source / "ranks.tiktoken", settings)
    else:
        tokenizer = _from_sentencepiece(source / "spm.model", settings)
        if tokenizer is None:
            shutil.copyfile(source / "spm.model", out / "tokenizer.model")
    ids = {f"{role}_token": settings[f"{role}_id"] for role in ("bos", "eos", "pad")}
    if tokenizer is None:
        write_settings(out, "LlamaTokenizer", {}, {"add_bos_token": False})
    else:
        names = {role: tokenizer.id_to_token(id) for role, id in ids.items()}
        tokenizer.save(str(out / "tokenizer.json"))
        write_settings(out, "PreTrainedTokenizerFast", names, {})
    return {f"{role}_id": id for role, id in ids.items()}


def write_settings(
    out: Path, tokenizer_class: str, special: Mapping[str, str | None], more: Mapping[str, Any]
) -> None:
    """Writes tokenizer_config.json; `special` maps roles ('eos_token') to tokens."""
    found = {role: token for role, token in special.items() if token is not None}
    settings = {
        "tokenizer_class": tokenizer_class,
        "clean_up_tokenization_spaces": False,
        **found,
        **more,
    }
    artefacts.write_json(out / "tokenizer_config.json", settings)


def special_ids(folder: Path) -> dict[str, int]:
    """Ids of the special tokens that a folder's tokenizer_config.json names."""
    path = folder / "tokenizer_config.json"
    if not (path.exists() and (folder / "tokenizer.json").exists()):
        return {}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise GristmillError(f"{path} is no JSON") from None
    tokenizer = _read(folder / "tokenizer.json")
    found = {}
    for role in ("bos_token", "eos_token", "pad_token"):
        token = settings.get(role)
        token = token.get("content") if isinstance(token, Mapping) else token
        id = tokenizer.token_to_id(token) if isinstance(token, str) else None
        if id is not None:
            found[f"{role}_id"] = id
    return found


def byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in byte-level BPE (GPT-2)."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {
        byte: chr(256 + place) for place, byte in enumerate(hidden)
    }


def _read(path: Path) -> Any:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise GristmillError(f"{path} is no tokenizer.json ({error})") from None


def _from_sentencepiece(path: Path, settings: Mapping[str, Any]) -> Any:
    """A unigram model that maps no characters, as `gristmill vocab train` makes it; else None.

    The ids are SentencePiece's, except that of equally likely segmentations (runs of spaces have
    them) the other may be taken: the two libraries round their sums otherwise.
    """
    from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    normal = proto.normalizer_spec
    if (
        proto.trainer_spec.model_type != proto.trainer_spec.UNIGRAM
        or normal.precompiled_charsmap
        or normal.add_dummy_prefix
        or normal.remove_extra_whitespaces
    ):
        return None
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    unknown = proto.trainer_spec.unk_id
    tokenizer = Tokenizer(models.Unigram(pieces, unknown, proto.trainer_spec.byte_fallback))
    tokenizer.normalizer = normalizers.Replace(Regex(" "), SPACE)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    processor = SentencePieceProcessor(model_file=str(path))
    control = [piece for id, (piece, _) in enumerate(pieces) if processor.IsControl(id)]
    tokenizer.add_special_tokens(
        [AddedToken(piece, special=True, normalized=False) for piece in control]
    )
    return tokenizer


def _from_ranks(path: Path, settings: Mapping[str, Any]) -> Any:
    """Byte-level BPE with the merges that tiktoken's ranks imply."""
    import base64

    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    lines = (line.split() for line in path.read_bytes().splitlines() if line.strip())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    shown = byte_characters()

    def text(token: bytes) -> str:
        return "".join(shown[byte] for byte in token)

    merges = [
        tuple(map(text, parts))
        for token in sorted(ranks, key=ranks.__getitem__)
        if len(parts := _parts(token, ranks)) == 2
    ]
    vocabulary = {text(token): rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(settings["pattern"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = sorted(settings["special_tokens"].items(), key=lambda item: item[1])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token, _ in special])
    for token, id in special:
        if tokenizer.token_to_id(token) != id:
            raise GristmillError(
                f"{path}: special token {token} has id {id}, which leaves a gap after the ranks; "
                "tokenizer.json cannot say that"
            )
    return tokenizer


def _parts(token: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """What merging makes of a token's bytes with the tokens ranked before it.

    Two parts are the merge that makes the token.  Of more, no merge makes it: tiktoken, and
    `ignore_merges`, find it only where it is a whole piece of the split text.
    """
    limit = ranks[token]
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 1:
        pairs = [ranks.get(a + b, limit) for a, b in itertools.pairwise(parts)]
        if min(pairs) >= limit:
            break
        place = pairs.index(min(pairs))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts
