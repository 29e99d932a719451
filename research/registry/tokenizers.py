"""Tokenizers: SentencePiece, bytes, Hugging Face `tokenizer.json`, tiktoken; no TensorFlow.

A vocabulary is the artefact `<root>/vocabularies/<name>/`: the model file, as it was trained or
published, and a manifest with the settings that the file does not hold.  'byte' is built in.
`vocabularies.py` wraps the same files for SeqIO, with the same ids for every text.
"""

from __future__ import annotations

import abc
import base64
import binascii
import dataclasses
import difflib
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research import artefacts
from research.errors import GristmillError
from research.registry.specs import VocabularySpec

BYTE = "byte"
MODEL_FILES = {"sentencepiece": "spm.model", "hf": "tokenizer.json", "tiktoken": "ranks.tiktoken"}
MAX_IDS = 1 << 24  # of any vocabulary that a model could have rows for
MAKE_REMEDY = "gristmill vocab train (or gristmill vocab import)"


class Tokenizer(abc.ABC):
    """Text to ids and back.

    Encoding adds neither EOS nor BOS, and text that spells a special token stays text: a web page
    that says `</s>` cannot end a document.
    """

    def __init__(self, spec: VocabularySpec) -> None:
        self.spec = spec

    @abc.abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of every text, as integer arrays; in this thread alone."""

    @abc.abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; what is no valid UTF-8 becomes U+FFFD."""

    def encode(self, text: str) -> np.ndarray:
        """The ids of one text."""
        return self.encode_batch([text])[0]

    @abc.abstractmethod
    def piece(self, id: int) -> str:
        """How an id is shown to people."""


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece model (https://arxiv.org/abs/1808.06226).

    SentencePiece writes a space as U+2581, so a text's own U+2581 comes back as a space.  Its
    release must be before 0.2.2, which breaks ties between equally likely pieces otherwise than
    TensorFlow Text, hence SeqIO, does.
    """

    def __init__(self, spec: VocabularySpec, processor: Any) -> None:
        super().__init__(spec)
        self.processor = processor

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        batch = self.processor.Encode(list(texts), num_threads=1)
        return [np.array(ids, np.int32) for ids in batch]

    def decode(self, ids: Iterable[int]) -> str:
        return self.processor.Decode([int(id) for id in ids])

    def piece(self, id: int) -> str:
        return self.processor.IdToPiece(int(id))


class ByteTokenizer(Tokenizer):
    """UTF-8 bytes after three special ids, as in ByT5 (https://arxiv.org/abs/2105.13626)."""

    OFFSET = 3

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [
            np.frombuffer(text.encode(), np.uint8).astype(np.int32) + self.OFFSET for text in texts
        ]

    def decode(self, ids: Iterable[int]) -> str:
        values = (int(id) - self.OFFSET for id in ids)
        return bytes(value for value in values if 0 <= value < 256).decode(errors="replace")

    def piece(self, id: int) -> str:
        names = {0: "<pad>", 1: "</s>", 2: "<unk>"}
        return names.get(int(id)) or repr(bytes([int(id) - self.OFFSET]))[2:-1]


class HfTokenizer(Tokenizer):
    """A `tokenizer.json` read by the `tokenizers` library."""

    def __init__(self, spec: VocabularySpec, tokenizer: Any) -> None:
        super().__init__(spec)
        self.tokenizer = tokenizer

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def decode(self, ids: Iterable[int]) -> str:
        return self.tokenizer.decode([int(id) for id in ids], skip_special_tokens=False)

    def piece(self, id: int) -> str:
        return self.tokenizer.id_to_token(int(id)) or f"<{int(id)}>"


class TiktokenTokenizer(Tokenizer):
    """Byte-pair ranks read by the `tiktoken` library.

    It drops, without a word, what the splitting pattern does not match: such text is refused.
    """

    def __init__(self, spec: VocabularySpec, encoding: Any) -> None:
        super().__init__(spec)
        self.encoding = encoding
        tokens = encoding.token_byte_values()
        ids = [encoding.encode_single_token(token) for token in tokens]
        self._bytes = np.zeros(max(ids) + 1, np.int32)  # of every id that text is encoded to
        self._bytes[ids] = [len(token) for token in tokens]

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> np.ndarray:
        ids = self.encoding.encode_to_numpy(text, disallowed_special=()).astype(np.int32)
        size = len(text.encode())
        if (kept := int(self._bytes[ids].sum())) != size:
            raise GristmillError(
                f"vocabulary {self.spec.name}: its pattern does not match {size - kept} of {size} "
                f"bytes of the text {text[:40]!r}, which tiktoken would drop; import the model "
                "with a --pattern that matches every character"
            )
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return self.encoding.decode([int(id) for id in ids], errors="replace")

    def piece(self, id: int) -> str:
        try:
            return repr(self.encoding.decode_single_token_bytes(int(id)))[2:-1]
        except KeyError:
            return f"<{int(id)}>"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides the ids beside the model file; kept in the manifest.

    Attributes:
      kind: 'sentencepiece', 'hf' or 'tiktoken'.
      eos_id, bos_id, pad_id: special ids; bos_id and pad_id equal eos_id where there is no other.
      pattern: tiktoken's splitting pattern.
      special_tokens: tiktoken's special tokens, which its file of ranks does not hold.
    """

    kind: str
    eos_id: int
    bos_id: int
    pad_id: int
    pattern: str = ""
    special_tokens: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def sha256(self, model_sha256: str) -> str:
        """The identity of a vocabulary with these settings and that model file."""
        return artefacts.fingerprint({"model": model_sha256, **dataclasses.asdict(self)})


def vocabularies_folder(root: Path) -> Path:
    """Where vocabularies lie below the data root."""
    return root / "vocabularies"


def list_vocabularies(root: Path) -> list[str]:
    """Names of the finished vocabularies, the built-in one included."""
    found = vocabularies_folder(root).glob(f"*/{artefacts.MANIFEST}")
    return sorted({BYTE, *(path.parent.name for path in found)})


def read_vocabulary(root: Path, name: str) -> dict[str, Any]:
    """The manifest of a vocabulary (not of 'byte', which has none).

    Raises:
      GristmillError: there is none of that name, or it is unfinished or damaged.
    """
    folder = vocabularies_folder(root) / name
    if not (folder / artefacts.MANIFEST).exists():
        there = list_vocabularies(root)
        close = difflib.get_close_matches(name, there, n=1)
        raise GristmillError(
            f"no vocabulary {name} in {vocabularies_folder(root)}: "
            + (f"did you mean {close[0]}? " if close else "")
            + f"there are {', '.join(there)}; to make it, run: gristmill vocab train --name {name}"
            " --corpora CORPORA --size SIZE (or gristmill vocab import)"
        )
    return artefacts.read_manifest(folder, "vocabulary", MAKE_REMEDY)


def _read_model(root: Path, name: str) -> tuple[VocabularySpec, Settings, bytes]:
    """Reads a vocabulary and checks its model file against the manifest."""
    manifest = read_vocabulary(root, name)
    folder = vocabularies_folder(root) / name
    again = f"delete {folder} and run: {manifest['made_by']['command']}"
    settings = Settings(**manifest["settings"])
    path = folder / MODEL_FILES[settings.kind]
    try:
        model = path.read_bytes()
    except FileNotFoundError:
        raise GristmillError(f"{path} is missing; {again}") from None
    if hashlib.sha256(model).hexdigest() != manifest["files"][path.name]["sha256"]:
        raise GristmillError(f"{path} is not the file its manifest names (sha256 differs); {again}")
    return VocabularySpec(**{**manifest["vocabulary"], "name": name}), settings, model


def vocabulary_spec(root: Path, name: str) -> VocabularySpec:
    """The vocabulary as it is on disk now: its model file is hashed again.

    Raises:
      GristmillError: no such vocabulary, a model file that is missing or not the manifest's.
    """
    return BYTE_SPEC if name == BYTE else _read_model(root, name)[0]


def load_tokenizer(root: Path, name: str) -> Tokenizer:
    """The tokenizer of `<root>/vocabularies/<name>`, or the built-in 'byte'.

    Raises:
      GristmillError: no such vocabulary, a model file that is missing, unreadable or not the
        manifest's.
    """
    if name == BYTE:
        return ByteTokenizer(BYTE_SPEC)
    spec, settings, model = _read_model(root, name)
    where = str(vocabularies_folder(root) / name / MODEL_FILES[settings.kind])
    if settings.kind == "sentencepiece":
        return SentencePieceTokenizer(spec, sentencepiece_processor(model, where))
    if settings.kind == "hf":
        tokenizer = hf_tokenizer(model, where)
        added = tokenizer.get_added_tokens_decoder()
        mine = {spec.eos_id, spec.bos_id, spec.pad_id} & set(added)
        # a file may hold them as ordinary added tokens, which text that spells them would become
        tokenizer.add_special_tokens([added[id].content for id in mine])
        return HfTokenizer(spec, tokenizer)
    return TiktokenTokenizer(spec, tiktoken_encoding(model, settings, where))


def sentencepiece_processor(model: bytes, where: str) -> Any:
    """A SentencePiece processor of the model file's bytes.

    Raises:
      GristmillError: they are no SentencePiece model.
    """
    import sentencepiece

    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        if processor.GetPieceSize() > 0:
            return processor
    except (RuntimeError, ValueError):
        pass
    raise GristmillError(f"{where} is not a readable SentencePiece model")


def hf_tokenizer(model: bytes, where: str) -> Any:
    """A `tokenizers.Tokenizer` that neither truncates, nor pads, nor reads special tokens in text.

    Raises:
      GristmillError: the bytes are no `tokenizer.json` that the library can read.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # we parallelise by process
    import tokenizers

    try:
        tokenizer = tokenizers.Tokenizer.from_str(model.decode())
    except Exception as error:  # the library raises bare Exception
        reason = str(error).splitlines()[0]
        raise GristmillError(f"{where} is not a readable tokenizer.json ({reason})") from None
    # a published file may say "truncate at 512": here that would lose the rest of every document
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def check_id(id: int, where: str) -> int:
    """Returns the id.

    Raises:
      GristmillError: no vocabulary can have it.
    """
    if not 0 <= id < MAX_IDS:
        raise GristmillError(f"{where}: the id {id} is not at least 0 and less than {MAX_IDS}")
    return id


def tiktoken_ranks(model: bytes, where: str) -> dict[bytes, int]:
    """Reads the `.tiktoken` format: on every line a token in base64 and its rank.

    Raises:
      GristmillError: a line is something else, a token or rank repeats, or one of the 256 single
        bytes has no rank (some text could then not be encoded).
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(model.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = check_id(int(rank), f"{where}:{number}")
        except (ValueError, binascii.Error):
            raise GristmillError(
                f"{where}:{number} is not a token in base64 and its rank"
            ) from None
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise GristmillError(f"{where} has no rank for {len(missing)} of the 256 bytes")
    if len(set(ranks.values())) != len(ranks):
        raise GristmillError(f"{where} gives one rank to several tokens")
    return ranks


def tiktoken_encoding(model: bytes, settings: Settings, where: str) -> Any:
    """A `tiktoken.Encoding` of a file of ranks; nothing is read from the network.

    Raises:
      GristmillError: the file or the pattern cannot be read.
    """
    import tiktoken

    ranks = tiktoken_ranks(model, where)
    try:
        return tiktoken.Encoding(
            where,
            pat_str=settings.pattern,
            mergeable_ranks=ranks,
            special_tokens=dict(settings.special_tokens),
        )
    except ValueError as error:
        reason = str(error).splitlines()[-1].strip()
        raise GristmillError(f"{where}: pattern {settings.pattern!r}: {reason}") from None


BYTE_SPEC = VocabularySpec(
    name=BYTE,
    kind=BYTE,
    sha256=Settings(BYTE, eos_id=1, bos_id=1, pad_id=0).sha256("utf-8, offset 3"),
    size=259,
    pad_id=0,
    bos_id=1,
    eos_id=1,
)
