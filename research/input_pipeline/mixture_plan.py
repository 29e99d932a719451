"""Which source each row of each step comes from: token shares made exact.

Every row has L tokens, so counts of rows are counts of tokens.  `MixturePlan` turns a `Schedule`
of shares into whole rows by error diffusion: with constant or ramping shares every source is within
one row of its target after every step.  A step's counts depend on the shares up to that step alone,
so the past of a plan does not change with its future.  (For the same reason no rule can promise the
one row across sudden changes of share, by the schedule or by a cap; `largest_error` says what a
plan attains.)
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from research.errors import GristmillError
from research.input_pipeline.permutation import permutation

_BLOCK = 64  # steps between stored running totals
_DUST = 1e-9  # rows: below this a debt is rounding of float64


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Shares of the tokens over the steps of a run.

    Attributes:
      points: (step, {source: share}) in order, the first at step 0; shares are relative to each
        other, and a source that is not named has share 0.
      kind: 'step' holds each point's shares until the next; 'linear' ramps between them and holds
        the last.
    """

    points: tuple[tuple[int, Mapping[str, float]], ...]
    kind: Literal["step", "linear"] = "step"

    def __post_init__(self) -> None:
        """Raises GristmillError for shares or steps that make no schedule."""
        if self.kind not in ("step", "linear"):
            raise GristmillError(f"schedule: kind is 'step' or 'linear', not {self.kind!r}")
        steps = [step for step, _ in self.points]
        if steps[:1] != [0] or any(a >= b for a, b in itertools.pairwise(steps)):
            raise GristmillError(f"schedule: its steps must rise from 0, and are {steps}")
        for step, shares in self.points:
            for source, share in shares.items():
                if not (math.isfinite(share) and share >= 0):
                    raise GristmillError(
                        f"schedule, step {step}: the share of {source} is {share}; "
                        "it must be a number of at least 0"
                    )
            if not 0 < sum(shares.values()) < math.inf:
                raise GristmillError(
                    f"schedule, step {step}: the shares sum to {sum(shares.values()):g}"
                )

    @classmethod
    def constant(cls, shares: Mapping[str, float]) -> Schedule:
        """The same shares throughout."""
        return cls(((0, shares),))

    @property
    def sources(self) -> list[str]:
        """Names in the order in which sources first get a share, then by name.

        A source that joins later comes after those already there, so that adding it leaves
        everything before it, numbering included, as it was.
        """
        first: dict[str, tuple[int, str]] = {}
        for number, (step, shares) in enumerate(self.points):
            for source, share in shares.items():
                if share > 0 and source not in first:
                    ramp = self.kind == "linear" and number > 0
                    first[source] = (self.points[number - 1][0] + 1 if ramp else step, source)
        return sorted(first, key=first.__getitem__)

    def shares(self, steps: int) -> Iterator[list[float]]:
        """For each step the shares of `sources`, summing to 1."""
        table = [
            _normalised([shares.get(source, 0.0) for source in self.sources])
            for _, shares in self.points
        ]
        starts = [step for step, _ in self.points] + [steps]
        for now, start in enumerate(starts[:-1]):
            ramp = self.kind == "linear" and now + 1 < len(table)
            for step in range(start, min(starts[now + 1], steps)):
                if ramp:
                    t = (step - start) / (starts[now + 1] - start)
                    pairs = zip(table[now], table[now + 1], strict=True)
                    yield _normalised([(1 - t) * a + t * b for a, b in pairs])
                else:
                    yield table[now]


def _normalised(shares: Sequence[float]) -> list[float]:
    total = math.fsum(shares)  # exactly rounded: the same on every machine
    return [share / total for share in shares]


class MixturePlan:
    """Counts of rows per step and source, computed once.

    Memory: 2 bytes per step and source (4 beyond 65,535 rows a step).

    Attributes:
      sources: names, in the order of `Schedule.sources`.
      steps: how many steps there are (fewer than asked for only with on_cap='stop').
      batch: rows in a step, of all hosts together.
      exhausted: {source: step} of the sources whose cap was reached, and when.
      largest_error: the furthest any source ever is from its target after a step, in rows.
    """

    def __init__(
        self,
        schedule: Schedule,
        steps: int,
        batch: int,
        max_rows: Mapping[str, int],
        on_cap: Literal["redistribute", "stop", "error"],
    ) -> None:
        """Makes the plan.

        Args:
          schedule: the shares.
          steps: number of steps.
          batch: rows in a step.
          max_rows: caps, for the sources that have one.
          on_cap: a source at its cap gives its share to the others in proportion ('redistribute'),
            ends the run before that step ('stop') or is an error ('error').

        Raises:
          GristmillError: the caps leave too few rows, or on_cap is 'error' and one is reached.
        """
        self.sources = schedule.sources
        self.batch = batch
        self.exhausted: dict[str, int] = {}
        self.largest_error = 0.0
        counts = np.zeros((steps, len(self.sources)), np.uint16 if batch < 1 << 16 else np.uint32)
        self.steps = self._fill(counts, schedule, max_rows, on_cap)
        self._counts = counts[: self.steps]
        sums = [
            self._counts[a : a + _BLOCK].sum(0, dtype=np.int64)
            for a in range(0, self.steps, _BLOCK)
        ]
        self._totals = np.cumsum([np.zeros(len(self.sources), np.int64), *sums], axis=0)

    def _fill(
        self, counts: np.ndarray, schedule: Schedule, max_rows: Mapping[str, int], on_cap: str
    ) -> int:
        """Writes the rows of every step into `counts` and returns how many steps there are."""
        caps = {d: max_rows[name] for d, name in enumerate(self.sources) if name in max_rows}
        given = dict.fromkeys(caps, 0)
        debt = [0.0] * len(self.sources)  # rows due and not yet given, each in (-1, 1)
        for step, shares in enumerate(schedule.shares(len(counts))):
            due = [share * self.batch for share in shares]
            for d in _limit(due, {d: caps[d] - given[d] - debt[d] for d in caps}):
                name = self.sources[d]
                if name in self.exhausted:
                    continue
                if on_cap == "stop":
                    return step
                if on_cap == "error":
                    raise GristmillError(
                        f"source {name} reaches its cap of {caps[d]} rows at step {step} of "
                        f"{len(counts)}: allow more epochs, lower its share, train fewer steps, "
                        "or set on_cap to 'redistribute' or 'stop'"
                    )
                self.exhausted[name] = step
            if math.fsum(due) < self.batch - _DUST:
                raise GristmillError(
                    f"the epoch caps suffice for {step} of {len(counts)} steps: at step {step} "
                    f"every source with a share is used up ({', '.join(self.exhausted)}); "
                    f"allow more epochs, or train on at most {step * self.batch} rows"
                )
            counts[step] = rows = _whole_rows(debt, due, self.batch)
            self.largest_error = max(self.largest_error, max(debt), -min(debt))
            for d in caps:
                given[d] += rows[d]
        return len(counts)

    def totals(self, step: int) -> np.ndarray:
        """Rows of each source before `step`, int64 [D]; `totals(steps)` is the whole run."""
        block = step // _BLOCK
        return self._totals[block] + self._counts[block * _BLOCK : step].sum(0, dtype=np.int64)

    def rows(self, step: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a step in the order of the global batch.

        Args:
          step: 0 … steps - 1.
          seed: of the order of the rows within the batch.

        Returns:
          Number of the source and number of the row within it, both int64 [B].
        """
        counts = self._counts[step].astype(np.int64)
        source = np.repeat(np.arange(len(counts)), counts)
        first = self.totals(step) - (np.cumsum(counts) - counts)
        row = np.arange(self.batch) + np.repeat(first, counts)
        order = permutation(self.batch, "slots", seed, step)
        return source[order], row[order]

    def prefix_hash(self, step: int, identity: Mapping[str, object], settings: object) -> str:
        """SHA-256 of all that decided the batches before `step`.

        Args:
          step: the first step that does not count.
          identity: what each source's rows are made of.
          settings: row length, packer, seed: whatever else decides the contents of rows (JSON).
        """
        used = sorted(np.flatnonzero(self.totals(step)), key=lambda d: self.sources[d])
        names = [self.sources[d] for d in used]
        header = [self.batch, settings, [[name, identity[name]] for name in names]]
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for a in range(0, step, 1 << 14):
            digest.update(self._counts[a : min(a + (1 << 14), step), used].astype("<u4").tobytes())
        return digest.hexdigest()


def _limit(due: list[float], room: Mapping[int, float]) -> list[int]:
    """Cuts `due` to the room left under each cap and gives the excess to the other sources.

    Returns:
      The sources that were cut.  `due` sums to less than before only if no other was left.
    """
    cut: list[int] = []
    while over := [d for d, rows in room.items() if d not in cut and due[d] > rows + _DUST]:
        excess = math.fsum(due[d] - room[d] for d in over)
        for d in over:
            due[d] = room[d]
        cut += over
        free = [d for d in range(len(due)) if due[d] > 0 and d not in cut]
        total = math.fsum(due[d] for d in free)
        for d in free:
            due[d] *= 1 + excess / total
    return cut


def _whole_rows(debt: list[float], due: list[float], batch: int) -> list[int]:
    """Rounds a step's due rows to whole ones that sum to `batch`; `debt` keeps what is left.

    What is owed in full is given; the remaining rows go to the sources that would be owed a whole
    row soonest.  Earliest deadline first is optimal for unit jobs, and Tijdeman ("The chairman
    assignment problem", 1980) shows that with constant shares no source then ever strays from its
    target by a whole row.
    """
    rows, spare = [], []
    for d, new in enumerate(due):
        debt[d] += new
        rows.append(int(debt[d] + _DUST) if debt[d] > 0 else 0)
        debt[d] -= rows[d]
        if debt[d] > _DUST:
            spare.append(((1 - debt[d]) / new if new > _DUST else math.inf, -debt[d], d))
    left = batch - sum(rows)
    for _, _, d in sorted(spare)[: max(left, 0)]:
        rows[d] += 1
        debt[d] -= 1
    for _ in range(-left):  # too much owed at once: only when shares leap, step after step
        d = min((d for d in range(len(rows)) if rows[d]), key=debt.__getitem__)
        rows[d] -= 1
        debt[d] += 1
    return rows
