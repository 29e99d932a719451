"""What a run measures, and where it writes it: metrics.jsonl and TensorBoard event files."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath


@dataclasses.dataclass
class Window:
    """Sums over the steps since the last line of metrics.

    It goes into checkpoints, so that a run which is killed and resumed writes the same lines.

    Attributes:
      domain_nll: nats by domain, float64 [D].
      domain_tokens: int64 [D].
      grad_norms: of the good steps.
      steps, bad: how many, and how many of them were bad.
      timed, seconds, data_seconds: steps of this process, the time they took, and the part of it
        that was spent waiting for batches.
    """

    domain_nll: np.ndarray
    domain_tokens: np.ndarray
    grad_norms: list[float] = dataclasses.field(default_factory=list)
    steps: int = 0
    bad: int = 0
    timed: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0

    @classmethod
    def empty(cls, domains: int) -> Window:
        return cls(np.zeros(domains), np.zeros(domains, np.int64))

    def add(self, metrics: Mapping[str, np.ndarray], index: int) -> None:
        """Adds step `index` of the metrics [K, …] of a call; a bad step adds its count alone.

        The metrics may have room for more domains than there are.
        """
        self.steps += 1
        self.timed += 1
        if metrics["bad"][index]:
            self.bad += 1
            return
        domains = len(self.domain_nll)
        self.domain_nll += metrics["domain_nll"][index, :domains]
        self.domain_tokens += metrics["domain_tokens"][index, :domains]
        self.grad_norms.append(float(metrics["grad_norm"][index]))

    def line(self, domains: Sequence[str]) -> dict[str, float | int | None]:
        """Losses in nats per token, over the good steps: of all tokens, and of each domain seen."""
        tokens = int(self.domain_tokens.sum())
        line: dict[str, float | int | None] = {
            "loss": float(self.domain_nll.sum()) / tokens if tokens else None,
            "grad_norm": math.fsum(self.grad_norms) / len(self.grad_norms)
            if self.grad_norms
            else None,
            "bad_steps": self.bad,
        }
        for name, nll, count in zip(domains, self.domain_nll, self.domain_tokens, strict=True):
            if count:
                line[f"loss/{name}"] = float(nll) / int(count)
                line[f"tokens/{name}"] = int(count)
        return line

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint keeps: all but the clocks."""
        return {
            "domain_nll": self.domain_nll.tolist(),
            "domain_tokens": self.domain_tokens.tolist(),
            "grad_norms": self.grad_norms,
            "steps": self.steps,
            "bad": self.bad,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], domains: int) -> Window:
        """Inverse of `to_json`, with room for `domains`.

        A branch agrees with its stem on the domains seen so far, which come first, and may have
        more, or fewer, of those yet to come.
        """
        arrays = {
            "domain_nll": np.array(value["domain_nll"], np.float64),
            "domain_tokens": np.array(value["domain_tokens"], np.int64),
        }
        for array in arrays.values():
            array.resize(domains, refcheck=False)  # cut off, or filled up with zeros
        return cls(**{**value, **arrays})


class MetricsFile:
    """metrics.jsonl: one JSON object a line, each with its `step`; written by process 0 alone.

    On gs://, which cannot append, the file is kept whole in memory and written by `flush`.
    """

    def __init__(self, path: epath.Path, last_step: int) -> None:
        """Opens the file and drops what is beyond a step: a killed run's lines to be made again.

        Args:
          path: of the file.
          last_step: the step that training goes on from.
        """
        self.path = path
        self._remote = "://" in os.fspath(path)
        self.lines = [line for line in read_metrics(path) if line["step"] <= last_step]
        if self._remote:
            self.flush()
            return
        temporary = path.with_name(".tmp-" + path.name)
        temporary.write_text("".join(map(_encode, self.lines)))
        temporary.replace(path)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open while training)

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends a line in one piece."""
        self.lines.append(dict(line))
        if not self._remote:
            self._file.write(_encode(line))
            self._file.flush()

    def has_evaluation(self, step: int) -> bool:
        """Whether a step's evaluation is recorded."""
        return any(line["step"] == step and "evaluation" in line for line in self.lines)

    def flush(self) -> None:
        """Makes all lines so far outlast a crash of the machine; before a checkpoint is written."""
        if self._remote:
            self.path.write_text("".join(map(_encode, self.lines)))
        else:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flushes and closes."""
        self.flush()
        if not self._remote:
            self._file.close()


def read_metrics(path: epath.Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl; a last one that was cut off is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def _encode(line: Mapping[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"


class TensorBoard:
    """TensorBoard event files in a folder, local or gs://; on request only."""

    def __init__(self, folder: str, first_step: int) -> None:
        from tensorboardX import SummaryWriter  # not needed by those who turn it off

        # what an earlier process wrote beyond the step it was resumed from is hidden
        self._writer = SummaryWriter(folder, purge_step=first_step)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes the numbers among the values."""
        for name, value in values.items():
            if isinstance(value, int | float) and name != "step":
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Writes what is buffered."""
        self._writer.close()


class Recorder:
    """Turns the metrics of steps into lines, in process 0 into files too.

    Attributes:
      window: the steps since the last line.
      bad_steps: of the whole run.
      productive: seconds spent on steps that count, in all processes this run had.
      latest: the last line.
    """

    def __init__(
        self,
        domains: Sequence[str],
        meta: Mapping[str, Any],
        *,
        log_every: int,
        tokens: int,
        flops: float,
        peak: float | None,
        created: float,
    ) -> None:
        """Args:
        domains: names.
        meta: of the checkpoint that the run goes on from (`state_json`), or {}.
        log_every: steps that a line sums up.
        tokens: of a step.
        flops: of a step, by the model's definition.
        peak: FLOP/s of all devices together, None if not known.
        created: Unix time at which the run first started.
        """
        self.domains, self.log_every, self.created = list(domains), log_every, created
        self.tokens, self.flops, self.peak = tokens, flops, peak
        self.window = Window.empty(max(1, len(self.domains)))
        if meta.get("window"):
            self.window = Window.from_json(meta["window"], len(domains))
        self.bad_steps = int(meta.get("bad_steps", 0))
        self.productive = float(meta.get("productive", 0.0))
        self.latest: dict[str, Any] = {}
        self.file: MetricsFile | None = None
        self.board: TensorBoard | None = None

    def open(self, directory: epath.Path, step: int, tensorboard: bool) -> None:
        """Begins to write files, for a run that goes on from `step`."""
        self.file = MetricsFile(directory / "metrics.jsonl", step)
        if tensorboard:
            self.board = TensorBoard(os.fspath(directory / "tensorboard"), step + 1)

    def add(
        self, step: int, metrics: Mapping[str, np.ndarray], index: int, seconds: float, last: bool
    ) -> None:
        """Adds a step, and writes a line when one is due.

        Args:
          step: steps done, this one included.
          metrics: of a call, [K, …].
          index: which of its K steps.
          seconds: that the step took.
          last: whether the run ends with it.
        """
        window = self.window
        window.seconds += seconds
        self.productive += seconds
        self.bad_steps += bool(metrics["bad"][index])
        window.add(metrics, index)
        if step % self.log_every and not last:
            return
        rate = window.timed / max(window.seconds, 1e-9)
        now = max(time.time() - self.created, self.productive)
        line = {
            **window.line(self.domains),
            "learning_rate": float(metrics["learning_rate"][index]),
            "tokens_per_s": rate * self.tokens,
            "mfu": rate * self.flops / self.peak if self.peak else None,
            "data_wait": window.data_seconds / max(window.seconds, 1e-9),
            "goodput": self.productive / now,
        }
        self.latest = {"step": step, **line}
        self.window = Window.empty(len(window.domain_nll))
        if self.file is not None:
            self.file.write(self.latest)
        if self.board is not None:
            self.board.write(step, line)

    def add_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Writes a line for an evaluation, in one piece."""
        if self.file is not None:
            self.file.write({"step": step, "evaluation": dict(values)})
        if self.board is not None:
            self.board.write(step, values)

    def state_json(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a resumed run writes the lines it would have written."""
        return {
            "window": self.window.to_json(),
            "bad_steps": self.bad_steps,
            "productive": self.productive,
        }

    def flush(self) -> None:
        """Makes the lines so far outlast a crash of the machine."""
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        """Closes the files."""
        for file in (self.file, self.board):
            if file is not None:
                file.close()
