"""Quality models on disk: `<root>/quality/<name>/` with weights, manifest and fingerprint."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save

from research import artefacts
from research.corpora.document import NAME, NAMING, Document
from research.curate.quality.examples import Examples, folds, places
from research.curate.quality.linear import Head, LinearModel
from research.curate.quality.ratings import DOMAIN_HEAD
from research.curate.word_hashes import string_hashes
from research.errors import GristmillError

KIND = "quality_model"
FORMAT = 1  # raised when the same weights would give other scores
WEIGHTS = "model.safetensors"


@dataclasses.dataclass(frozen=True)
class QualityModel:
    """A trained model.

    Attributes:
      linear: the model of every fold, or one for all.
      seen: hashes of the texts they were trained or calibrated on, uint64, ascending.
      seen_fold: the fold of each of these, uint8.
      manifest: what it was made of and how good it is.
    """

    linear: tuple[LinearModel, ...]
    seen: np.ndarray
    seen_fold: np.ndarray
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What users call it."""
        return self.manifest["name"]

    @property
    def heads(self) -> tuple[Head, ...]:
        """What it predicts."""
        return self.linear[0].heads

    @functools.cached_property
    def domains(self) -> dict[str, int]:
        """The heads of a student that tell domains, by their names."""
        names = {head.name: number for number, head in enumerate(self.heads)}
        return {name.removeprefix(DOMAIN_HEAD): number for name, number in names.items()
                if name.startswith(DOMAIN_HEAD)}  # fmt: skip

    @property
    def fingerprint(self) -> str:
        """Of the weights."""
        return self.manifest["fingerprint"]

    def head(self, name: str) -> int:
        """The number of a head; the first, if none is named.

        Raises:
          GristmillError: there is none of that name.
        """
        names = [head.name for head in self.heads]
        if name and name not in names:
            raise GristmillError(
                f"model {self.name} has no head {name!r}; it has: {', '.join(names)}"
            )
        return names.index(name) if name else 0

    def values(self, document: Document) -> tuple[np.ndarray, bool]:
        """The expected levels of all heads, float64 [O], by the model of the document's fold; and
        whether that model was fitted to this very text, as a copy in another fold."""
        seed = self.manifest["definition"]["training"]["seed"]
        fold = int(folds(places([document.id], [document.roots], seed))[0])
        column = pa.array([document.text], pa.large_string())
        values = self.linear[fold % len(self.linear)].score(column)[0]
        hashed = string_hashes(column)[0]
        place = int(np.searchsorted(self.seen, hashed))
        known = place < len(self.seen) and self.seen[place] == hashed
        seen = known and (len(self.linear) == 1 or self.seen_fold[place] != fold)
        return values, bool(seen)

    @classmethod
    def open(cls, root: Path, name: str) -> QualityModel:
        """Reads a model.

        Raises:
          GristmillError: there is none, it is damaged, or another version of Gristmill made it.
        """
        folder = model_folder(root, name)
        manifest = read_manifest(root, name)
        if manifest["format"] != FORMAT:
            raise GristmillError(
                f"model {name} has format {manifest['format']}, and this version of Gristmill "
                f"reads format {FORMAT}: train it again under another name, by "
                f"{manifest['made_by']['command']}"
            )
        try:
            data = (folder / WEIGHTS).read_bytes()
            if hashlib.sha256(data).hexdigest() != manifest["files"][WEIGHTS]["sha256"]:
                raise OSError("other contents than when it was written")
            tensors = load_tensors(data)
            heads = tuple(Head(**head) for head in manifest["heads"])
            linear = tuple(
                LinearModel(heads, weights, thresholds)
                for weights, thresholds in zip(
                    tensors["weights"], tensors["thresholds"], strict=True
                )
            )
            return cls(linear, tensors["seen"], tensors["seen_fold"], manifest)
        except (OSError, SafetensorError, KeyError) as error:
            raise GristmillError(
                f"{folder / WEIGHTS} is missing or damaged ({str(error).splitlines()[0]}); "
                f"delete {folder} and run: {manifest['made_by']['command']}"
            ) from None


@functools.lru_cache(maxsize=2)
def load(root: Path, name: str, fingerprint: str) -> QualityModel:
    """A model kept in memory for the step that asks for it document by document.

    Raises:
      GristmillError: it is not there, or another than it was.
    """
    model = QualityModel.open(root, name)
    if model.fingerprint != fingerprint:
        raise GristmillError(
            f"model {name} is another than the one this recipe was settled with; give it another "
            "name, or make the corpus again under another name"
        )
    return model


def model_folder(root: Path, name: str) -> Path:
    """Where a model lies below the data root.

    Raises:
      GristmillError: the name is none.
    """
    if not NAME.fullmatch(name):
        raise GristmillError(f"{name[:200]!r} is no name of a quality model: use {NAMING}")
    return root / "quality" / name


def read_manifest(root: Path, name: str) -> dict[str, Any]:
    """What a model was made of and how good it is.

    Raises:
      GristmillError: there is no such model, or its manifest is damaged.
    """
    folder = model_folder(root, name)
    if not (folder / artefacts.MANIFEST).exists():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{artefacts.MANIFEST}"))
        raise GristmillError(
            f"no quality model {name} in {folder.parent}; there are: {', '.join(known) or 'none'} "
            "(gristmill quality train makes one)"
        )
    return artefacts.read_manifest(folder, KIND, "gristmill quality train")


def check_unmade(root: Path, name: str, definition: Mapping[str, Any]) -> bool:
    """Whether a model is still to be made.

    Raises:
      GristmillError: there is another of that name.
    """
    folder = model_folder(root, name)
    if not (folder / artefacts.MANIFEST).exists():
        return True
    old, new = read_manifest(root, name)["definition"], json.loads(json.dumps(definition))
    if old == new:
        return False
    keys = ", ".join(key for key in {**old, **new} if old.get(key) != new.get(key))
    raise GristmillError(
        f"{folder} already holds a model made otherwise (differing in {keys}); give this one "
        "another --out, or delete that folder"
    )


def save_model(
    root: Path,
    name: str,
    linear: Sequence[LinearModel],
    examples: Examples,
    definition: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    inputs: Sequence[Mapping[str, Any]],
    command: str,
) -> None:
    """Writes a model.

    Args:
      root: the data root.
      name: what users will call it.
      linear: the model of every fold, or one for all.
      examples: what they were fitted to.
      definition: what decides the weights.
      facts: what is known of it: documents, metrics, telling n-grams.
      inputs: name, version and fingerprint of every corpus.
      command: that makes it.
    """
    folder = model_folder(root, name)
    with artefacts.exclusive(folder):
        artefacts.remove_temporaries(folder)
        seen, first = np.unique(examples.hashes[~examples.test], return_index=True)
        tensors = {
            "weights": np.stack([model.weights for model in linear]),
            "thresholds": np.stack([model.thresholds for model in linear]),
            "seen": seen,
            "seen_fold": examples.fold[~examples.test][first].astype(np.uint8),
        }
        with artefacts.atomic_file(folder / WEIGHTS) as file:
            file.write(save(tensors))
        files = artefacts.describe_files(folder, [WEIGHTS])
        heads = [dataclasses.asdict(head) for head in linear[0].heads]
        manifest = {
            "kind": KIND,
            "name": name,
            "format": FORMAT,
            "fingerprint": artefacts.fingerprint([FORMAT, heads, files[WEIGHTS]["sha256"]]),
            "heads": heads,
            "definition": dict(definition),
            **facts,
            "files": files,
            "made_by": {
                "command": command,
                "inputs": list(inputs),
                "tools": artefacts.tool_versions("numba", "numpy", "safetensors", "scipy"),
            },
        }
        artefacts.write_manifest(folder, manifest)
