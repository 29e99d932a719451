"""Plain descriptions of Tasks and Mixtures: all that later stages need, and no TensorFlow.

`export` writes them from SeqIO's registries; token caches and batches are made from them alone.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from research import artefacts
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry import modules as modules_lib

_NAME = re.compile(r"\w[\w.:#]*")
_MAX_NAME_BYTES = 128  # names become those of files, with something before and after
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}


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
    """A pure Python function `text -> text` (with keyword arguments), by its import path.

    In a Task that is not native it may be any step of the Task, which only SeqIO can run.
    """

    function: str  # 'package.module:function' or '/path/file.py:function'
    arguments: Mapping[str, Any]
    source_sha256: str


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """A Task over a corpus.

    Attributes:
      name: the Task's name, the *source* of mixtures.
      corpus: 'name@version'.
      named_corpus: as the Task names it, perhaps without a version: then there must be one alone.
      corpus_fingerprint: of the corpus's contents.
      preprocessors: run on the text, in order, before tokenising.
      vocabulary: what tokenises.
      add_eos: whether every document ends with eos_id.
      domain_fields: a document's domain is its source followed by these fields of its meta.
      validation_share: share of root ancestors whose documents are held out (splits.py).
      native: False if the Task has TensorFlow preprocessors, which only SeqIO itself can run.
    """

    name: str
    corpus: str
    named_corpus: str
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
        for name in ("name", "corpus", "named_corpus", "native"):
            del fields[name]
        del fields["vocabulary"]["name"]
        for preprocessor in fields["preprocessors"]:  # wherever its file lies
            preprocessor["function"] = preprocessor["function"].rpartition(":")[2]
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
      modules: the user's Python modules the registries were filled from, as they were named.
      sources: SHA-256 of the file of every module that decides what the mixture is.
    """

    name: str
    tasks: Mapping[str, TaskSpec]
    shares: Mapping[str, float | None]
    modules: tuple[str, ...]
    sources: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The mixture as JSON values, with their fingerprint."""
        fields = dataclasses.asdict(self)
        return {"fingerprint": artefacts.fingerprint(fields), **fields}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MixtureSpec:
        """Inverse of `to_json`.

        Raises:
          ValueError: the fingerprint is not that of the other values.
        """
        value = dict(value)
        if value.pop("fingerprint") != artefacts.fingerprint(value):
            raise ValueError("not the values that were written")
        tasks = {name: _task_from_json(task) for name, task in value["tasks"].items()}
        return cls(value["name"], tasks, value["shares"], tuple(value["modules"]), value["sources"])


def _task_from_json(value: Mapping[str, Any]) -> TaskSpec:
    preprocessors = tuple(PreprocessorSpec(**step) for step in value["preprocessors"])
    return TaskSpec(
        **{
            **value,
            "preprocessors": preprocessors,
            "vocabulary": VocabularySpec(**value["vocabulary"]),
            "domain_fields": tuple(value["domain_fields"]),
        }
    )


def load_mixture(root: Path, name: str, modules: Sequence[str] = ()) -> MixtureSpec:
    """The plain description of a Mixture, or of a Task as a mixture of one.

    It is read from `<root>/mixtures/<name>.json` while everything it was made from is unchanged:
    the modules, the vocabulary, the corpora, and itself.  Else it is exported anew from SeqIO's
    registries, which imports TensorFlow (some seconds), and written there if that can be.

    Args:
      root: the data root.
      name: of a Mixture or Task.
      modules: what defines data beside the shipped modules: dotted names of Python modules, `.py`
        files, or `.json` definitions of the data root (definitions.py).  Those the file was last
        made with need not be named again.

    Raises:
      GristmillError: nothing of that name, or a definition, module, corpus or vocabulary at fault.
    """
    check_name(name, "mixture")
    modules = [modules_lib.canonical_name(module) for module in modules]
    path = root / "mixtures" / f"{name}.json"
    written = _read_mixture(path)
    if written and set(modules) <= set(written.modules) and _is_current(root, written):
        return written
    spec = _export(root, name, modules, written.modules if written else (), path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        artefacts.write_json(path, spec.to_json())
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:  # then it is exported each time
            raise
    return spec


def check_name(name: str, what: str) -> str:
    """Returns the name of a Task or Mixture.

    Raises:
      GristmillError: it is not fit to be part of a file's name.
    """
    if not _NAME.fullmatch(name):
        raise GristmillError(f"{what} {name!r}: a name has letters, digits and '_ . : #' only, and "
                             "begins with a letter, digit or '_'")  # fmt: skip
    return check_length(name, what)


def check_length(name: str, what: str) -> str:
    """Returns the name.

    Raises:
      GristmillError: it is longer than what can be part of a file's name.
    """
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise GristmillError(f"{what} {name[:16]}…: a name has at most {_MAX_NAME_BYTES} bytes, "
                             f"this has {len(name.encode())}")  # fmt: skip
    return name


def _export(
    root: Path, name: str, modules: Sequence[str], remembered: Sequence[str], path: Path
) -> MixtureSpec:
    """Exports a mixture from the modules named now and those its file remembers."""
    from research.registry import export

    there = [module for module in remembered if modules_lib.module_sha256(module)]
    gone = [module for module in remembered if module not in there]
    beside = [module for module in there if module not in modules]
    try:
        all_modules = list(dict.fromkeys([*there, *modules]))
        if gone and not any(name in names for names in export.registered_names(all_modules)):
            raise GristmillError(f"mixture {name} was made with {', '.join(gone)}, which is there "
                                 "no more: say with --modules where it is now")  # fmt: skip
        return export.export_mixture(root, name, all_modules)
    except GristmillError as error:
        if not beside:
            raise
        raise GristmillError(
            f"{error} ({path} remembers {', '.join(beside)}: delete that file to forget it)"
        ) from None


def _read_mixture(path: Path) -> MixtureSpec | None:
    """A written mixture; None if there is none, or one this version cannot read."""
    try:
        return MixtureSpec.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_current(root: Path, spec: MixtureSpec) -> bool:
    """Whether the modules, vocabularies and corpora are still what the mixture was made from."""
    from research.registry import tokenizers

    if any(modules_lib.module_sha256(module) != sha for module, sha in spec.sources.items()):
        return False
    try:
        return all(
            (corpus := Corpus.open(root, task.named_corpus)).name == task.corpus
            and corpus.manifest["fingerprint"] == task.corpus_fingerprint
            and tokenizers.vocabulary_spec(root, task.vocabulary.name) == task.vocabulary
            for task in spec.tasks.values()
        )
    except GristmillError:
        return False  # the export then says what is missing


def registered_names(modules: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Names of all Tasks and of all Mixtures; imports TensorFlow.

    Raises:
      GristmillError: a module cannot be imported.
    """
    from research.registry import export

    return export.registered_names(modules)
