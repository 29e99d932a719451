"""Token caches: a Task's documents as one memory-mapped array of tokens per split.

    <root>/caches/<task>/<fingerprint>/<split>/
        tokens.bin      uint16 or uint32 [T], EOS included
        index.npy       int64 [N+1], where each document begins
        domains.npy     uint16 [N], numbers into the manifest's `domains`
        bytes.npy       uint32 [N], UTF-8 bytes of each document's text
        ids.parquet     document ids, in order
        manifest.json   last

Documents keep the order of the corpus.  Each part of the corpus is tokenised by one process into
files of its own and can be resumed; when all are there they are joined.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import Corpus, read_batches
from research.errors import GristmillError
from research.part_pool import run_parts
from research.registry.preprocessors import resolve
from research.registry.specs import MixtureSpec, TaskSpec
from research.registry.splits import SPLITS, split_of
from research.registry.tokenizers import load_tokenizer

FILES = ("tokens.bin", "index.npy", "domains.npy", "bytes.npy", "ids.parquet")


def task_folder(root: Path, task: TaskSpec) -> Path:
    """Where the caches of a Task's two splits lie."""
    return root / "caches" / task.name / task.fingerprint[:16]


@dataclasses.dataclass(frozen=True)
class TokenCache:
    """One split of a Task, memory-mapped.

    Attributes:
      name: the Task's name.
      folder: where it lies.
      manifest: its manifest.
      tokens: uint16 or uint32 [T].
      offsets: int64 [N+1].
      domains: uint16 [N].
      document_bytes: uint32 [N].
    """

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    tokens: np.ndarray
    offsets: np.ndarray
    domains: np.ndarray
    document_bytes: np.ndarray

    @classmethod
    def open(cls, root: Path, task: TaskSpec, split: str, command: str) -> TokenCache:
        """Maps the cache of a Task.

        Args:
          root: the data root.
          task: the Task as it is defined now.
          split: 'train' or 'validation'.
          command: the command that makes the cache, for errors.

        Raises:
          GristmillError: not cached, cached with another definition, unfinished or damaged.
        """
        folder = task_folder(root, task) / split
        if not (folder / artefacts.MANIFEST).exists() and (change := _what_changed(root, task)):
            raise GristmillError(
                f"task {task.name} was cached with another definition ({change}); run: {command}"
            )
        manifest = artefacts.read_manifest(folder, "cache", command)
        for name, expected in manifest["files"].items():
            path = folder / name
            if not path.exists() or path.stat().st_size != expected["bytes"]:
                raise GristmillError(
                    f"{path} is missing or cut short; delete {folder.parent} and run: {command}"
                )

        if manifest["fingerprint"] != task.fingerprint:
            raise GristmillError(f"{folder} is not the cache of task {task.name}; run: {command}")

        def load(name: str) -> np.ndarray:
            try:
                # a plain view: numpy's memmap class makes every indexing slower
                return np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
            except ValueError:
                raise GristmillError(
                    f"{folder / name} is damaged; delete {folder.parent} and run: {command}"
                ) from None

        tokens = np.empty(0, manifest["dtype"])
        if manifest["tokens"]:  # an empty file cannot be mapped
            tokens = np.asarray(np.memmap(folder / "tokens.bin", manifest["dtype"], "r"))
        return cls(
            name=task.name,
            folder=folder,
            manifest=manifest,
            tokens=tokens,
            offsets=load("index.npy"),
            domains=load("domains.npy"),
            document_bytes=load("bytes.npy"),
        )

    def document_id(self, document: int) -> str:
        """The id, in the corpus, of a document of this cache."""
        with pq.ParquetFile(self.folder / "ids.parquet") as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if document < rows:
                    return file.read_row_group(group)["id"][document].as_py()
                document -= rows
        raise IndexError(document)


def _what_changed(root: Path, task: TaskSpec) -> str:
    """Which fields of the newest cache of a Task differ from its present definition."""
    manifests = (root / "caches" / task.name).glob(f"*/*/{artefacts.MANIFEST}")
    newest = max(manifests, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        return ""
    then = json.loads(newest.read_text(encoding="utf-8")).get("task", {})
    now = json.loads(json.dumps(task.semantics()))
    changes = []
    for key in now:
        if isinstance(now[key], dict):
            changes += [f"{key}.{k}" for k in now[key] if then.get(key, {}).get(k) != now[key][k]]
        elif then.get(key) != now[key]:
            changes.append(key)
    return f"{', '.join(changes)} changed since" if changes else ""


def build_caches(
    root: Path,
    mixture: MixtureSpec,
    *,
    workers: int,
    command: str,
    progress: Callable[..., Any],
) -> dict[str, int]:
    """Tokenises every Task of a mixture that is not cached yet.

    Interrupted work goes on at the part of a corpus.  Work is shared by `workers` processes over
    the parts of all Tasks.

    Args:
      root: the data root.
      mixture: exported from the registry.
      workers: processes; 1 works in this one.
      command: recorded in the manifests.
      progress: makes a progress bar, as `tqdm` is called.

    Returns:
      For each Task that was built, how many of its parts were found finished already.

    Raises:
      GristmillError: another process builds one of the caches, a worker died, or a corpus or
        vocabulary is not what the mixture was exported with.
    """
    todo = [task for task in mixture.tasks.values() if not _finished(root, task)]
    reused: dict[str, int] = {}
    with artefacts.exclusive_all([task_folder(root, task) for task in todo]):
        todo = [task for task in todo if not _finished(root, task)]  # perhaps built meanwhile
        units = []
        for task in todo:
            work = task_folder(root, task) / "parts"
            work.mkdir(exist_ok=True)
            artefacts.remove_temporaries(work)
            parts = range(len(Corpus.open(root, task.corpus).parts))
            missing = [part for part in parts if not (work / f"{part:05d}.json").exists()]
            units += [(root, task, part, mixture.modules) for part in missing]
            reused[task.name] = len(parts) - len(missing)
        with progress(total=len(units), unit="part", desc="tokenising") as bar:
            for done in run_parts(tokenise_part, units, workers, f"run again: {command}"):
                bar.set_postfix_str(done)
                bar.update()
        for task in progress(todo, unit="task", desc="joining"):
            for split in SPLITS:
                _join(root, task, split, command)
            shutil.rmtree(task_folder(root, task) / "parts")
    return reused


def parts_to_build(root: Path, task: TaskSpec) -> tuple[int, int, int]:
    """Parts of the Task's corpus still to be tokenised, all its parts, and its bytes of text."""
    manifest = Corpus.open(root, task.corpus).manifest
    folder, parts = task_folder(root, task) / "parts", len(manifest["parts"])
    done = sum((folder / f"{part:05d}.json").exists() for part in range(parts))
    return 0 if _finished(root, task) else parts - done, parts, manifest["bytes"]


def _finished(root: Path, task: TaskSpec) -> bool:
    return all((task_folder(root, task) / s / artefacts.MANIFEST).exists() for s in SPLITS)


def tokenise_part(root: Path, task: TaskSpec, part: int, modules: Sequence[str]) -> str:
    """Writes the tokens of one part of the Task's corpus, both splits, to the `parts` folder, and
    returns what to call it.

    Files: `<part>.<split>.bin` and `<part>.<split>.npz`, then `<part>.json`, whose presence means
    that the part is finished.
    """
    corpus = Corpus.open(root, task.corpus)
    if corpus.manifest["fingerprint"] != task.corpus_fingerprint:
        raise GristmillError(f"corpus {task.corpus} changed while its cache was being built")
    folder = task_folder(root, task) / "parts"
    dtype = token_dtype(task)
    lengths: dict[str, list[int]] = {split: [] for split in SPLITS}
    domains: dict[str, list[str]] = {split: [] for split in SPLITS}
    sizes: dict[str, list[int]] = {split: [] for split in SPLITS}
    ids: dict[str, list[str]] = {split: [] for split in SPLITS}
    dropped, fields = 0, set()  # the fields that some document's meta has
    with (
        artefacts.atomic_file(folder / f"{part:05d}.train.bin") as train,
        artefacts.atomic_file(folder / f"{part:05d}.validation.bin") as validation,
    ):
        files = {"train": train, "validation": validation}
        for row, split, tokens, size in _encoded(root, task, corpus, part, modules):
            if split is None:
                dropped += 1
                continue
            tokens = np.asarray(tokens)
            if len(tokens) and not 0 <= tokens.min() <= tokens.max() < task.vocabulary.size:
                raise GristmillError(
                    f"task {task.name}, document {row['id']}: token ids from {tokens.min()} to "
                    f"{tokens.max()}, in a vocabulary of {task.vocabulary.size}; mend its "
                    "preprocessors"
                )
            files[split].write(tokens.astype(dtype).tobytes())
            lengths[split].append(len(tokens))
            domains[split].append(_domain(row, task.domain_fields, fields))
            sizes[split].append(size)
            ids[split].append(row["id"])
    for split in SPLITS:
        names = sorted(set(domains[split]))
        number = {name: i for i, name in enumerate(names)}
        with artefacts.atomic_file(folder / f"{part:05d}.{split}.npz") as file:
            np.savez(
                file,
                lengths=np.array(lengths[split], np.int64),
                domains=np.array([number[name] for name in domains[split]], np.uint32),
                bytes=np.array(sizes[split], np.uint32),
            )
        artefacts.write_json(
            folder / f"{part:05d}.{split}.json", {"domains": names, "ids": ids[split]}
        )
    state = {"dropped": dropped, "fields": sorted(fields)}
    artefacts.write_json(folder / f"{part:05d}.json", state)
    return f"{task.name} part {part}"


def token_dtype(task: TaskSpec) -> np.dtype:
    """uint16 where every id of the vocabulary fits, else uint32."""
    return np.dtype(np.uint16 if task.vocabulary.size <= 1 << 16 else np.uint32)


def _encoded(
    root: Path, task: TaskSpec, corpus: Corpus, part: int, modules: Sequence[str]
) -> Iterator[tuple[Mapping[str, Any], str | None, Sequence[int], int]]:
    """Yields (row of the corpus, split, token ids, UTF-8 bytes tokenised) for a part's documents.

    A split of None is a document with roots on both sides of the validation split.
    """
    name = corpus.parts[part]
    if artefacts.describe_files(corpus.folder, [name])[name] != corpus.manifest["files"][name]:
        raise GristmillError(
            f"{corpus.folder / name} is not what the corpus was finished with; "
            f"run: gristmill verify {corpus.folder}"
        )
    rows = _rows(corpus.folder / name)
    if not task.native:
        from research.registry.export import seqio_token_stream  # TensorFlow, for such Tasks alone

        by_id = {row["id"]: row for row in rows}
        for row in by_id.values():
            if split_of(row["roots"] or [row["id"]], task.validation_share) is None:
                yield row, None, (), 0
        for split in SPLITS:
            for found in seqio_token_stream(root, task.name, split, name, modules):
                if (row := by_id.get(found.id)) is None:
                    raise GristmillError(
                        f"task {task.name}: its preprocessors make a document {found.id}, which "
                        f"is not in {task.corpus}; they must keep the feature 'id' as it is"
                    )
                text = row["text"] if found.text is None else found.text
                yield row, split, found.tokens, len(text.encode())
        return
    tokenizer = load_tokenizer(root, task.vocabulary.name)
    if tokenizer.spec != task.vocabulary:
        raise GristmillError(
            f"vocabulary {task.vocabulary.name} changed while a cache was being built with it"
        )
    steps = [resolve(spec) for spec in task.preprocessors]
    eos = np.array([task.vocabulary.eos_id] if task.add_eos else [], np.int32)
    while batch := list(itertools.islice(rows, 256)):
        texts = [_preprocessed(row, steps, task) for row in batch]
        for row, text, ids in zip(batch, texts, tokenizer.encode_batch(texts), strict=True):
            split = split_of(row["roots"] or [row["id"]], task.validation_share)
            yield row, split, np.concatenate([ids, eos]), len(text.encode())


def _preprocessed(
    row: Mapping[str, Any], steps: Sequence[Callable[[str], str]], task: TaskSpec
) -> str:
    """The text of a document after the Task's preprocessors."""
    text = row["text"]
    for step, spec in zip(steps, task.preprocessors, strict=True):
        try:
            text = step(text)
            text.encode()
        except Exception as error:  # a user's function may raise anything
            raise GristmillError(
                f"task {task.name}: preprocessor {spec.function} fails on document {row['id']} of "
                f"{task.corpus}: {type(error).__name__}: {error}"
            ) from None
    return text


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    for batch in read_batches(path, ("id", "text", "source", "meta", "roots")):
        yield from batch.to_pylist()


def _domain(row: Mapping[str, Any], fields: Sequence[str], present: set[str]) -> str:
    """`source`, or `source/field=value/…` where the Task tells domains apart by fields of meta.

    Values are percent-encoded, so that different ones stay apart; a field that is missing or null
    stands without a value.  `present` collects the fields that are not.
    """
    if not fields:
        return row["source"]
    meta = json.loads(row["meta"])
    found = [name for name in fields if meta.get(name) is not None]
    present.update(found)
    values = {name: urllib.parse.quote(str(meta[name]), safe=" ") for name in found}
    return "/".join([row["source"], *(f"{n}={values[n]}" if n in values else n for n in fields)])


def _join(root: Path, task: TaskSpec, split: str, command: str) -> None:
    """Joins the parts of one split into the cache, its manifest last."""
    folder = task_folder(root, task)
    target = folder / split
    target.mkdir(exist_ok=True)
    artefacts.remove_temporaries(target)
    parts = range(len(Corpus.open(root, task.corpus).parts))
    stems = [f"{part:05d}" for part in parts]
    states = [
        json.loads((folder / "parts" / f"{stem}.json").read_text(encoding="utf-8"))
        for stem in stems
    ]
    seen = {name for state in states for name in state["fields"]}
    if unknown := [name for name in task.domain_fields if name not in seen]:
        raise GristmillError(
            f"task {task.name}: domain_fields names {', '.join(unknown)}, which no document of "
            f"{task.corpus} has in its meta; mend the Task and run: {command}"
        )
    listed, lengths, domains, sizes = [], [], [], []
    with artefacts.atomic_file(target / "tokens.bin") as tokens:
        for stem in stems:
            prefix = folder / "parts" / f"{stem}.{split}"
            with open(f"{prefix}.bin", "rb") as part:
                shutil.copyfileobj(part, tokens, 1 << 24)
            with np.load(f"{prefix}.npz", allow_pickle=False) as arrays:
                lengths.append(arrays["lengths"])
                domains.append(arrays["domains"])
                sizes.append(arrays["bytes"])
            listed.append(json.loads(Path(f"{prefix}.json").read_text(encoding="utf-8")))
    names = sorted({name for part in listed for name in part["domains"]})
    if len(names) > 1 << 16:
        raise GristmillError(
            f"task {task.name}: {len(names)} domains by {', '.join(task.domain_fields)}; "
            "at most 65536 can be told apart: choose domain_fields with fewer values"
        )
    number = {name: i for i, name in enumerate(names)}
    tables = [np.array([number[n] for n in part["domains"]], np.uint16) for part in listed]
    domains = [table[local] for table, local in zip(tables, domains, strict=True)]
    index = np.concatenate([[0], *lengths]).astype(np.int64).cumsum()
    for name, array in (
        ("index.npy", index),
        ("domains.npy", np.concatenate(domains).astype(np.uint16)),
        ("bytes.npy", np.concatenate(sizes).astype(np.uint32)),
    ):
        with artefacts.atomic_file(target / name) as file:
            np.save(file, array, allow_pickle=False)
    with artefacts.atomic_file(target / "ids.parquet") as file:
        ids = pa.table({"id": pa.array([i for part in listed for i in part["ids"]], pa.string())})
        pq.write_table(ids, file, compression="zstd", row_group_size=1 << 14)
    domain_documents = np.bincount(np.concatenate(domains), minlength=len(names))
    artefacts.write_manifest(
        target,
        {
            "kind": "cache",
            "name": task.name,
            "split": split,
            "fingerprint": task.fingerprint,
            "task": task.semantics(),
            "corpus": task.corpus,
            "vocabulary": task.vocabulary.name,
            "dtype": token_dtype(task).name,
            "documents": len(index) - 1,
            "tokens": int(index[-1]),
            "bytes": int(np.concatenate(sizes).sum(dtype=np.int64)),
            "domains": names,
            "domain_documents": domain_documents.tolist(),
            "dropped": {
                "roots on both sides of the validation split": sum(s["dropped"] for s in states)
            },
            "files": artefacts.describe_files(target, list(FILES)),
            "made_by": {
                "command": command,
                "inputs": [{"name": task.corpus, "fingerprint": task.corpus_fingerprint}],
                "tools": artefacts.tool_versions("sentencepiece", "tokenizers", "tiktoken"),
            },
        },
    )
