"""SeqIO vocabularies over the same files as `tokenizers.py`, with the same ids for every text."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from research import artefacts
from research.errors import GristmillError
from research.registry import tokenizers
from research.registry.seqio_quietly import seqio, tf
from research.registry.specs import VocabularySpec


def vocabulary(name: str) -> RegisteredVocabulary:
    """The vocabulary `<root>/vocabularies/<name>`, or 'byte', for the Feature of a SeqIO Task.

    Nothing is read until it is used, so that Tasks can be defined before the vocabulary is made.
    """
    return RegisteredVocabulary(name)


class RegisteredVocabulary(seqio.Vocabulary):
    """A vocabulary known by its name, found below the data root when it is first used."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    @property
    def spec(self) -> VocabularySpec:
        """The vocabulary as it is on disk now.

        Raises:
          GristmillError: there is no such vocabulary, or its files are damaged.
        """
        return tokenizers.vocabulary_spec(artefacts.data_root(), self.name)

    @property
    def inner(self) -> seqio.Vocabulary:
        """The SeqIO vocabulary that does the work."""
        spec = self.spec
        return _inner(artefacts.data_root().resolve(), self.name, spec.kind, spec.sha256)

    @property
    def bos_id(self) -> int:
        return self.spec.bos_id

    @property
    def eos_id(self) -> int:
        return self.spec.eos_id

    @property
    def pad_id(self) -> int:
        return self.spec.pad_id

    @property
    def unk_id(self) -> int | None:
        return self.inner.unk_id

    @property
    def _base_vocab_size(self) -> int:
        return self.spec.size

    def _encode(self, s: str) -> Sequence[int]:
        return self.inner.encode(s)

    def _decode(self, ids: Iterable[int]) -> str:
        return self.inner.decode(ids)

    def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
        return self.inner.encode_tf(s)

    def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
        return self.inner.decode_tf(ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RegisteredVocabulary) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return f"RegisteredVocabulary({self.name})"


@functools.lru_cache(maxsize=16)
def _inner(root: Path, name: str, kind: str, sha256: str) -> seqio.Vocabulary:
    if kind == tokenizers.BYTE:
        return seqio.ByteVocabulary()
    if kind == "sentencepiece":
        model = tokenizers.vocabularies_folder(root) / name / tokenizers.MODEL_FILES[kind]
        return seqio.SentencePieceVocabulary(str(model))
    return TokenizerVocabulary(tokenizers.load_tokenizer(root, name))


class TokenizerVocabulary(seqio.Vocabulary):
    """SeqIO's interface to one of our tokenizers, for the kinds SeqIO has no class for."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    @property
    def bos_id(self) -> int:
        return self.tokenizer.spec.bos_id

    @property
    def eos_id(self) -> int:
        return self.tokenizer.spec.eos_id

    @property
    def pad_id(self) -> int:
        return self.tokenizer.spec.pad_id

    @property
    def unk_id(self) -> None:
        return None

    @property
    def _base_vocab_size(self) -> int:
        return self.tokenizer.spec.size

    def _encode(self, s: str) -> Sequence[int]:
        return self.tokenizer.encode(s).tolist()

    def _decode(self, ids: Iterable[int]) -> str:
        return self.tokenizer.decode(ids)

    def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
        def encode(text: bytes | np.ndarray) -> np.ndarray:
            text = text if isinstance(text, bytes) else text.item()  # an array when run eagerly
            return self.tokenizer.encode(text.decode())

        ids = tf.numpy_function(encode, [tf.convert_to_tensor(s)], tf.int32)
        return tf.ensure_shape(ids, [None])

    def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
        def decode(rows: np.ndarray) -> np.ndarray:
            if rows.ndim == 1:
                return np.array(self.tokenizer.decode(rows).encode(), object)
            return np.array([self.tokenizer.decode(row).encode() for row in rows], object)

        return tf.numpy_function(decode, [ids], tf.string)


def spec_of(found: seqio.Vocabulary, where: str) -> VocabularySpec:
    """The plain description of the vocabulary of a Feature, ours or one of SeqIO's own.

    Raises:
      GristmillError: it is not below the data root, where later stages find it.
    """
    root = artefacts.data_root()
    if isinstance(found, RegisteredVocabulary):
        return found.spec
    if isinstance(found, seqio.ByteVocabulary) and not found.extra_ids:
        return tokenizers.BYTE_SPEC
    remedy = "use research.registry.vocabularies.vocabulary(NAME)"
    if isinstance(found, seqio.SentencePieceVocabulary):
        for name in tokenizers.list_vocabularies(root):
            spec = tokenizers.vocabulary_spec(root, name)
            if spec.kind == "sentencepiece" and spec.eos_id == found.eos_id:
                ours = _inner(root.resolve(), name, spec.kind, spec.sha256)
                if ours.sp_model == found.sp_model:
                    return spec
        path = found.sentencepiece_model_file
        remedy = f"run: gristmill vocab import {path} --format sentencepiece --name NAME"
    raise GristmillError(f"{where}: its vocabulary {found} is none of those in "
                         f"{tokenizers.vocabularies_folder(root)}; {remedy}")  # fmt: skip
