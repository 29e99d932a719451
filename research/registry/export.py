"""From SeqIO's registries to plain specs, and what SeqIO itself yields, to compare with.

A Task is *native* if it is made of our text preprocessors, the vocabulary and EOS alone: token
caches then run it without TensorFlow.  Any other Task over a `CorpusDataSource` is exported too,
and its cache is filled from `seqio_token_stream`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research import artefacts
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry import mixtures, modules, preprocessors, source_hash, tasks, vocabularies
from research.registry.definitions import SUFFIX, TaskDefinition, read_definitions
from research.registry.seqio_quietly import seqio, stderr_withheld, tf
from research.registry.specs import MixtureSpec, PreprocessorSpec, TaskSpec, check_name
from research.registry.tasks import TARGETS, CorpusDataSource

SHIPPED = tuple(
    f"research.registry.{name}"
    for name in (
        "definitions",
        "export",
        "mixtures",
        "preprocessors",
        "source_hash",
        "splits",
        "tasks",
        "vocabularies",
    )
)
_APPEND = seqio.preprocessors.append_eos
_TOKENIZE = seqio.preprocessors.tokenize
_TOKENIZE_AND_APPEND = seqio.preprocessors.tokenize_and_append_eos
_defined: dict[str, TaskDefinition | Mapping[str, float | None]] = {}  # by files of definitions


def registered_names(user_modules: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Names of all Tasks and of all Mixtures.

    Raises:
      GristmillError: a module cannot be imported, or definitions are at fault.
    """
    for module in user_modules:
        if module.endswith(SUFFIX):
            _define(module)
        else:
            modules.import_module(module)
    return sorted(seqio.TaskRegistry.names()), sorted(seqio.MixtureRegistry.names())


def _define(name: str) -> None:
    """Registers what a file of definitions has and no file before had.

    Raises:
      GristmillError: the file is at fault, or defines otherwise what is registered already.
    """
    found = read_definitions(artefacts.data_root(), name)
    for task, definition in found.tasks.items():
        if _is_new(name, task, definition):
            tasks.add_task(task, **dataclasses.asdict(definition))
            _defined[task] = definition
    for mixture, shares in found.mixtures.items():
        if _is_new(name, mixture, shares):
            given = {t: mixtures.NATURAL if share is None else share for t, share in shares.items()}
            mixtures.add_mixture(mixture, given)
            _defined[mixture] = shares


def _is_new(file: str, name: str, definition: TaskDefinition | Mapping[str, float | None]) -> bool:
    if _defined.get(name, definition) != definition:
        raise GristmillError(
            f"{file}: {name} is not what this process had it defined as: start a new process"
        )
    return name not in _defined


def export_mixture(root: Path, name: str, user_modules: Sequence[str] = ()) -> MixtureSpec:
    """The plain description of a Mixture, or of a Task as a mixture of one.

    Args:
      root: the data root, where corpora and vocabularies lie.
      name: of a Mixture or Task.
      user_modules: modules to import first, beside the shipped Tasks and Mixtures.

    Raises:
      GristmillError: nothing of that name, a definition that is at fault, or a corpus or
        vocabulary that is missing.
    """
    user_modules = [modules.canonical_name(module) for module in user_modules]
    task_names, mixture_names = registered_names(user_modules)
    if name in mixture_names:
        shares = _shares(seqio.MixtureRegistry.get(name))
    elif name in task_names:
        shares = {name: None}
    else:
        names = [*mixture_names, *task_names]
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}"
        raise GristmillError(f"no Mixture or Task {name}: {hint} "
                             "(--modules names Python modules that define more)")  # fmt: skip
    mixtures.check_shares(name, shares)
    with _data_root(root):
        specs = {task: export_task(root, seqio.TaskRegistry.get(task)) for task in shares}
    sha256 = {task: spec.vocabulary.sha256 for task, spec in specs.items()}
    if len(set(sha256.values())) > 1:
        names = {task: spec.vocabulary.name for task, spec in specs.items()}
        mixtures.check_alike(name, "vocabulary", names)
        mixtures.check_alike(name, "vocabulary sha256", sha256)
    mixtures.check_alike(
        name, "validation share", {task: spec.validation_share for task, spec in specs.items()}
    )
    return MixtureSpec(name, specs, shares, tuple(user_modules), _sources(specs, user_modules))


def _shares(mixture: seqio.Mixture) -> dict[str, float | None]:
    """Token shares of all Tasks of a Mixture, those of Mixtures inside it included."""
    rates = mixture.rate_per_task_name
    if all(task in seqio.TaskRegistry.names() for task in rates):
        return {task: _share(mixture.name, task, rate) for task, rate in rates.items()}
    for task in mixture.tasks:  # an inner Mixture's shares are scaled to sum to its own rate
        if _is_natural_within(mixture, task):
            raise GristmillError(
                f"mixture {mixture.name}: {task.name} is NATURAL inside a Mixture of this Mixture; "
                "list its Tasks here instead, or give numbers"
            )
    return {task.name: float(mixture.get_rate(task)) for task in mixture.tasks}


def _share(mixture: str, task: str, rate: Any) -> float | None:
    if rate is mixtures.NATURAL:
        return None
    if callable(rate):
        rate = rate(seqio.TaskRegistry.get(task))
    try:
        return float(rate)
    except (TypeError, ValueError):
        raise GristmillError(f"mixture {mixture}: the share of {task} is {rate!r}, no number; "
                             "give a number or NATURAL") from None  # fmt: skip


def _is_natural_within(mixture: seqio.Mixture, task: seqio.Task) -> bool:
    rates = mixture.rate_per_task_name
    return rates.get(task.name) is mixtures.NATURAL or any(
        _is_natural_within(seqio.MixtureRegistry.get(inner), task)
        for inner in rates
        if inner in seqio.MixtureRegistry.names()
    )


def export_task(root: Path, task: seqio.Task) -> TaskSpec:
    """The plain description of one Task.

    Raises:
      GristmillError: its source is no corpus, its features are not just 'targets', a step of it
        cannot be described, or its corpus or vocabulary is missing.
    """
    where = f"Task {check_name(task.name, 'Task')}"
    source = task.source
    if type(source) is not CorpusDataSource:  # one that overrides it may read anything
        raise GristmillError(
            f"{where} reads from a {type(source).__name__}, which is no corpus: run "
            "gristmill corpora import first, and give the Task a CorpusDataSource itself over it"
        )
    if list(task.output_features) != [TARGETS]:
        raise GristmillError(f"{where} has the features {', '.join(task.output_features)}; "
                             "pre-training needs 'targets' and no other")  # fmt: skip
    feature = task.output_features[TARGETS]
    corpus = Corpus.open(root, source.corpus)
    steps = [step for step in task.preprocessors
             if not isinstance(step, seqio.CacheDatasetPlaceholder)]  # fmt: skip
    text_steps, appends_eos = _native_steps(steps)
    native = text_steps is not None
    described = [_describe(step, where) for step in (text_steps if native else steps)]
    return TaskSpec(
        name=task.name,
        corpus=corpus.name,
        named_corpus=source.corpus,
        corpus_fingerprint=corpus.manifest["fingerprint"],
        preprocessors=tuple(described),
        vocabulary=vocabularies.spec_of(feature.vocabulary, where),
        add_eos=feature.add_eos and (appends_eos or not native),
        domain_fields=source.domain_fields,
        validation_share=source.validation_share,
        native=native,
    )


def _native_steps(steps: Sequence[Callable]) -> tuple[list[Callable] | None, bool]:
    """The text preprocessors of a Task and whether it appends EOS; None if it is not native."""
    text_steps = []
    rest = list(steps)
    while rest and isinstance(_function(rest[0]), preprocessors.TextPreprocessor):
        text_steps.append(rest.pop(0))
    if not rest or not _copies_text_to_targets(rest.pop(0)):
        return None, False
    functions = [_function(step) for step in rest]
    with_eos = any(getattr(step, "keywords", {}).get("with_eos") for step in rest)
    if functions == [_TOKENIZE, _APPEND] and not with_eos:
        return text_steps, True
    if functions == [_TOKENIZE_AND_APPEND]:
        return text_steps, True
    if functions == [_TOKENIZE]:
        return text_steps, with_eos
    return None, False


def _function(step: Callable) -> Callable:
    return step.func if isinstance(step, functools.partial) else step


def _copies_text_to_targets(step: Callable) -> bool:
    if step is tasks.targets_from_text:
        return True
    key_map = getattr(step, "keywords", {}).get("key_map") or {}
    return (
        _function(step) is seqio.preprocessors.rekey
        and key_map.get(TARGETS) == preprocessors.TEXT
        and not step.args
    )


def _describe(step: Callable, where: str) -> PreprocessorSpec:
    """A step of a Task by its import path, arguments and source."""
    function, keywords = _function(step), getattr(step, "keywords", {})
    if getattr(step, "args", ()):
        raise GristmillError(f"{where}: give the arguments of {_name(function)} by keyword")
    if isinstance(function, preprocessors.TextPreprocessor):
        return preprocessors.describe(function, keywords)
    name = _name(function)
    arguments = {
        key: source_hash.describe(value, f"{where}: the argument {key} of {name}")
        for key, value in keywords.items()
    }
    return PreprocessorSpec(
        f"{modules.name_of(function)}:{name}", arguments, source_hash.source_sha256(function)
    )


def _name(function: Callable) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _sources(specs: Mapping[str, TaskSpec], user_modules: Sequence[str]) -> dict[str, str]:
    """SHA-256 of every module that decides what the mixture is."""
    names = set(SHIPPED)
    if user_modules:  # with all they import, so that a file beside them counts too
        names |= {*user_modules, *modules.user_files()}
    for spec in specs.values():
        names |= {step.function.rpartition(":")[0] for step in spec.preprocessors}
    hashes = {name: modules.module_sha256(name) for name in sorted(names)}
    return {name: sha256 for name, sha256 in hashes.items() if sha256}


class SeqioDocument(NamedTuple):
    """What SeqIO makes of a document.

    Attributes:
      id: the document's id.
      tokens: int32, as SeqIO yields them: whole, with EOS where the Task appends it.
      text: the text that was tokenised; None if the Task does not keep it.
    """

    id: str
    tokens: np.ndarray
    text: str | None


def seqio_token_stream(
    root: Path,
    task_name: str,
    split: str,
    part: str | None = None,
    user_modules: Sequence[str] = (),
) -> Iterator[SeqioDocument]:
    """What SeqIO itself yields for a Task, in the order of the corpus, nothing trimmed.

    TensorFlow's random numbers are seeded by the Task, split and part: a part comes out the same
    whenever, and after whatever else, it is read.

    Args:
      root: the data root.
      task_name: the Task.
      split: 'train' or 'validation'.
      part: one part of the corpus; all of them if None.
      user_modules: modules to import first.

    Raises:
      GristmillError: the Task drops the feature 'id', without which tokens cannot be traced to
        documents, or it fails on a document.
    """
    registered_names(user_modules)
    task = seqio.TaskRegistry.get(task_name)
    # all files are looked up while the dataset is being made; SentencePiece logs then and at the
    # first document that it normalises nothing
    seed = hashlib.blake2b(f"{task_name}\0{split}\0{part}".encode(), digest_size=4).digest()
    seed = int.from_bytes(seed, "little") >> 1  # whatever was built before in this process
    with _data_root(root), stderr_withheld():
        tf.random.set_seed(seed)
        tf.config.experimental.enable_op_determinism()  # else parallel steps share random numbers
        shard = None
        if part is not None:
            parts = list(task.source.list_shards(split))
            shard = seqio.ShardInfo(index=parts.index(part), num_shards=len(parts))
        dataset = task.get_dataset(
            sequence_length=None,
            split=split,
            shuffle=False,
            seed=seed,
            shard_info=shard,
            trim_output_features=False,
            try_in_mem_cache=False,
        )
    if "id" not in dataset.element_spec:
        raise GristmillError(
            f"Task {task_name}: its preprocessors drop the feature 'id', so that tokens cannot be "
            "traced to documents; keep it (in rekey: key_map={'id': 'id', ...})"
        )
    text_key = f"{TARGETS}_pretokenized"
    wanted = [key for key in ("id", TARGETS, text_key) if key in dataset.element_spec]
    dataset = dataset.map(lambda example: {key: example[key] for key in wanted})
    examples = dataset.as_numpy_iterator()
    last = None
    try:
        with stderr_withheld():
            first = next(examples, None)
        for example in itertools.chain([] if first is None else [first], examples):
            last = example["id"].decode()
            text = example[text_key].decode() if text_key in example else None
            yield SeqioDocument(last, example[TARGETS], text)
    except tf.errors.OpError as error:
        found = re.search(r"^(\w+Error): (.*)$", error.message, re.MULTILINE)
        reason = found[0] if found else error.message.splitlines()[0]
        raise GristmillError(
            f"Task {task_name}, {split}, soon after document {last}: {reason}"
        ) from None


@contextlib.contextmanager
def _data_root(root: Path) -> Iterator[None]:
    """Registered Tasks look below `artefacts.data_root()`: makes that the given root."""
    before = os.environ.get("GRISTMILL_ROOT")
    os.environ["GRISTMILL_ROOT"] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ["GRISTMILL_ROOT"]
        else:
            os.environ["GRISTMILL_ROOT"] = before
