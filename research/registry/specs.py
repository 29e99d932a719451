"""Plain descriptions of Tasks and Mixtures: all that later stages need, and no TensorFlow.

`export` writes them from SeqIO's registries; token caches and batches are made from them alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from research import artefacts


@dataclasses.dataclass(frozen=True)
class VocabularySpec:
    """A vocabulary as a Task was defined with it.

    Attributes:
      name: folder below `<root>/vocabularies`, or 'byte'.
      kind: 'sentencepiece', 'byte', 'hf' or 'tiktoken'.
      sha256: of the model file and of the settings that change ids.
      size: number of ids, pad_id, bos_id and eos_id included.
      pad_id, bos_id, eos_id: special ids; bos_id equals eos_id where there is no other.
    """

    name: str
    kind: str
    sha256: str
    size: int
    pad_id: int
    bos_id: int
    eos_id: int


@dataclasses.dataclass(frozen=True)
class PreprocessorSpec:
    """A pure Python function `text -> text` (with keyword arguments), by its import path."""

    function: str  # 'package.module:function'
    arguments: Mapping[str, Any]
    source_sha256: str


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """A Task over a corpus.

    Attributes:
      name: the Task's name, the *source* of mixtures.
      corpus: 'name@version'.
      corpus_fingerprint: of the corpus's contents.
      preprocessors: run on the text, in order, before tokenising.
      vocabulary: what tokenises.
      add_eos: whether every document ends with eos_id.
      domain_fields: a document's domain is its source followed by these fields of its meta.
      validation_share: share of root ancestors whose documents are held out for validation.
      native: False if the Task has TensorFlow preprocessors, which only SeqIO itself can run.
    """

    name: str
    corpus: str
    corpus_fingerprint: str
    preprocessors: tuple[PreprocessorSpec, ...]
    vocabulary: VocabularySpec
    add_eos: bool
    domain_fields: tuple[str, ...]
    validation_share: float
    native: bool = True

    def semantics(self) -> dict[str, Any]:
        """What decides the tokens of the cache: the fields its fingerprint is made from."""
        fields = dataclasses.asdict(self)
        for name in ("name", "corpus", "native"):
            del fields[name]
        del fields["vocabulary"]["name"]
        return {"format": 1, **fields}

    @property
    def fingerprint(self) -> str:
        """Equal for two Tasks exactly when their caches hold the same tokens."""
        return artefacts.fingerprint(self.semantics())


@dataclasses.dataclass(frozen=True)
class MixtureSpec:
    """Tasks and their shares.

    Attributes:
      name: the Mixture's (or the single Task's) name.
      tasks: by name, in the order of declaration.
      shares: of the tokens, relative (they need not sum to 1).  A share of None is the number of
        training tokens of the Task: the natural mixture.
      modules: file and SHA-256 of the Python modules the registries were filled from.
    """

    name: str
    tasks: Mapping[str, TaskSpec]
    shares: Mapping[str, float | None]
    modules: Mapping[str, str]
