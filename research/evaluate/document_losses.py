"""What a run's model makes of documents of any corpus: the nats of each of their tokens.

Documents are scored as `domains` does: whole, in windows of at most L tokens that do not see each
other, every token predicted once, EOS included.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research import artefacts
from research.corpora.document import Document
from research.errors import GristmillError
from research.evaluate.domains import token_losses
from research.model.sharding import MeshSpec, check_mesh, make_mesh
from research.registry.specs import load_mixture
from research.registry.tokenizers import load_tokenizer
from research.train.checkpoint import load_params
from research.train.run_spec import ExecSpec, RunSpec

CHUNK = 256  # documents tokenised at a time
Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class DocumentLosses:
    """A checkpoint of a run, ready to score documents.

    Attributes:
      run: what was trained.
      step: of the checkpoint.
      length: tokens of a window.
      rows: windows' rows that are scored at a time.
      params: the model's parameters.
      losses: nats of a batch's targets.
      encode: token ids of some texts.
      pad_id, bos_id, eos_id: of the vocabulary.
    """

    run: RunSpec
    step: int
    length: int
    rows: int
    params: Any
    losses: Callable[[Any, Batch], jax.Array]
    encode: Callable[[list[str]], Sequence[Any]]
    pad_id: int
    bos_id: int
    eos_id: int

    @classmethod
    def open(
        cls, directory: Path, step: int | None, *, length: int | None, rows: int, attention: str
    ) -> DocumentLosses:
        """Loads a checkpoint on the first device.

        Args:
          directory: of the run.
          step: of the checkpoint; None for the newest.
          length: tokens of a window; None for the run's own.
          rows: windows' rows to score at a time.
          attention: see `ExecSpec`.

        Raises:
          GristmillError: no such run or checkpoint, or a window too long for the model.
        """
        mesh = make_mesh(MeshSpec(), jax.devices()[:1])
        params, run, step = load_params(os.fspath(directory), mesh, step)
        check_mesh(run.model, MeshSpec(*mesh.devices.shape))
        length = length or run.data.length
        if length > run.model.max_length:
            raise GristmillError(
                f"--length is {length}, more than model.max_length ({run.model.max_length})"
            )
        trained = load_mixture(artefacts.data_root(), run.data.mixture, run.data.modules)
        vocabulary = next(iter(trained.tasks.values())).vocabulary
        encode = load_tokenizer(artefacts.data_root(), vocabulary.name).encode_batch
        losses = token_losses(run.model, mesh, attention, ExecSpec.loss_chunk)
        return cls(run, step, length, rows, params, losses, encode, vocabulary.pad_id,
                   vocabulary.bos_id, vocabulary.eos_id)  # fmt: skip

    def of(self, documents: Iterable[Document]) -> Iterator[tuple[Document, np.ndarray]]:
        """Each document with the nats of its tokens, float64 [T]."""
        documents = iter(documents)
        while chunk := list(itertools.islice(documents, CHUNK)):
            found = self.encode([document.text for document in chunk])
            ids = [np.append(tokens, self.eos_id) for tokens in found]
            windows = windows_of(ids, self.length, self.bos_id)
            nll = score(self.params, self.losses, windows, self.length, self.rows, self.pad_id)
            yield from zip(chunk, nll, strict=True)


def windows_of(
    ids: Sequence[np.ndarray], length: int, bos_id: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Cuts documents into windows: (document, inputs, targets), each of at most `length` tokens.

    The first input of a window is the token before it, or bos_id.
    """
    for number, targets in enumerate(ids):
        inputs = np.append(bos_id, targets[:-1])
        for start in range(0, len(targets), length):
            window = slice(start, start + length)
            yield number, inputs[window], targets[window]


def score(
    params: Any,
    losses: Callable[[Any, Batch], jax.Array],
    windows: Iterator[tuple[int, np.ndarray, np.ndarray]],
    length: int,
    rows: int,
    pad_id: int,
) -> list[np.ndarray]:
    """Nats of the tokens of each document, in order.

    Windows are laid into rows of `length` tokens one after another, as segments of their own.
    """
    found: dict[int, list[np.ndarray]] = {}
    places: list[tuple[int, int, int, int]] = []  # document, row, begin, end
    batch, row, column, segment = _blank(rows, length, pad_id), 0, 0, 0

    def finish() -> None:
        nll_BxL = np.asarray(jax.device_get(losses(params, batch)), np.float64)
        for document, at, begin, end in places:
            found.setdefault(document, []).append(nll_BxL[at, begin:end])

    for document, inputs, targets in windows:
        if column + len(targets) > length:
            row, column, segment = row + 1, 0, 0
        if row == rows:
            finish()
            places.clear()
            batch, row = _blank(rows, length, pad_id), 0
        span = slice(column, column + len(targets))
        segment += 1
        batch["inputs"][row, span] = inputs
        batch["targets"][row, span] = targets
        batch["segment_ids"][row, span] = segment
        batch["positions"][row, span] = np.arange(len(targets))
        batch["loss_weights"][row, span] = 1
        places.append((document, row, span.start, span.stop))
        column = span.stop
    if places:
        finish()
    return [np.concatenate(found[document]) for document in sorted(found)]


def _blank(rows: int, length: int, pad_id: int) -> Batch:
    zeros = np.zeros((rows, length), np.int32)
    batch = {key: zeros.copy() for key in ("segment_ids", "positions")}
    batch |= {key: zeros + pad_id for key in ("inputs", "targets")}
    return batch | {"loss_weights": np.zeros((rows, length), np.float32)}
