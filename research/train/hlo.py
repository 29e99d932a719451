"""What crosses the network in a compiled program, read from the text of its HLO.

Loops are followed with their trip counts, so that a collective in the body of a scan over layers
counts once for every layer. The TPU compiler writes some collectives in ways of its own:

* a reduce-scatter may be a fusion named `all-reduce-scatter`, holding an all-reduce;
* an asynchronous collective is spread over several fusions, which all repeat it: only the one with
  `AsyncCollectiveStart` counts;
* a product of a gathered operand may be a loop of collective-permutes ("windowed einsum").
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections import defaultdict

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
_BYTES = {"pred": 1, "s4": 0.5, "u4": 0.5, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2,
          "bf16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8,
          "f8e4m3fn": 1, "f8e5m2": 1}  # fmt: skip
_HEADER = re.compile(r"^(ENTRY )?%(\S+) \(.*\{$")
_COLLECTIVE = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(-start)?\(")
_SHAPE = re.compile(r"\b([a-z]+\d*(?:e\dm\d\w*)?)\[([\d,]*)\]")
_CALLS = re.compile(r" (?:fusion|async-start|call)\(.*?(?:calls|to_apply)=%([\w.\-]+)")
_WHILE = re.compile(r" while\(%?([\w.\-]+)\), condition=%([\w.\-]+), body=%([\w.\-]+)")
_BRANCHES = re.compile(r" conditional\(.*?branch_computations=\{([^}]*)\}")


@dataclasses.dataclass(frozen=True)
class Traffic:
    """All collectives of one kind.

    Attributes:
      kind: of KINDS.
      count: how many run.
      operand_bytes: of the arrays being moved, whole: what a gather makes, what a reduction takes.
      sent_bytes: what each device sends, by the algorithms that send least: (n-1)/n of those bytes
        in groups of n, and twice that for an all-reduce.
    """

    kind: str
    count: int
    operand_bytes: float
    sent_bytes: float


def collectives(text: str) -> list[Traffic]:
    """The traffic of one run of a compiled module, by kind; kinds that do not occur are left out.

    Args:
      text: of `compiled.as_text()`.
    """
    module = _Module(text)
    totals: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for (kind, whole, sent), count in module.found(module.entry).items():
        total = totals[kind]
        total[0] += count
        total[1] += count * whole
        total[2] += count * sent
    return [Traffic(kind, *totals[kind]) for kind in KINDS if kind in totals]


class _Module:
    """The computations of a module, by name, each a list of lines."""

    def __init__(self, text: str) -> None:
        self.entry, self.lines = "", {}
        name = None
        for line in text.splitlines():
            if header := _HEADER.match(line):
                name = header[2]
                self.lines[name] = []
                if header[1]:
                    self.entry = name
            elif name:  # up to the next header: a lone } may also end a kernel's text
                self.lines[name].append(line)
        devices = re.search(r"num_partitions=(\d+)", text)
        self.devices = int(devices[1]) if devices else 1
        self.found = functools.cache(self._found)

    def _found(self, computation: str) -> dict[tuple[str, float, float], int]:
        """(kind, whole bytes, sent bytes) of every collective below a computation: how often."""
        counts: dict[tuple[str, float, float], int] = defaultdict(int)

        def add(name: str, times: int) -> None:
            for key, count in self.found(name).items():
                counts[key] += times * count

        lines = self.lines.get(computation, [])
        repeated = "async_collective_fusion" in computation or any(
            '"AsyncCollectiveDone"' in line for line in lines
        )
        for line in lines:
            if (match := _COLLECTIVE.search(line)) and not repeated:
                kind = match[2]
                if kind == "all-reduce" and computation.startswith("all-reduce-scatter"):
                    kind = "reduce-scatter"
                    counts[self._reduced(match[1], line, kind)] += 1
                elif kind in ("all-reduce", "reduce-scatter"):
                    counts[self._reduced(match[1], line, kind, match[2] == kind)] += 1
                else:
                    counts[self._moved(match[1], line, kind, bool(match[3]))] += 1
            elif match := _WHILE.search(line):
                add(match[3], self._trips(computation, *match.groups()))
            elif match := _BRANCHES.search(line):
                for name in match[1].split(","):
                    add(name.strip().lstrip("%"), 1)
            elif match := _CALLS.search(line):
                add(match[1], 1)
        return counts

    def _reduced(
        self, shape: str, line: str, kind: str, by_result: bool = False
    ) -> tuple[str, float, float]:
        size, whole = self._group_size(line), sum(_sizes(shape))
        if kind == "reduce-scatter" and by_result:
            whole *= size
        rounds = 2 if kind == "all-reduce" else 1
        return kind, whole, rounds * whole * (size - 1) / max(size, 1)

    def _moved(self, shape: str, line: str, kind: str, start: bool) -> tuple[str, float, float]:
        sizes = _sizes(shape)
        if kind == "collective-permute":
            whole = sizes[0]
            return kind, whole, whole
        # the start of an asynchronous gather gives its operands and its results
        whole = max(sizes) if start else sum(sizes)
        size = self._group_size(line)
        return kind, whole, whole * (size - 1) / max(size, 1)

    def _group_size(self, line: str) -> int:
        if match := re.search(r"replica_groups=\{\{([\d,]*)\}", line):
            return match[1].count(",") + 1
        if match := re.search(r"replica_groups=\[\d+,(\d+)\]", line):
            return int(match[1])
        if match := re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", line):
            sizes = dict(re.findall(r"'(\w+)'=(\d+)", match[1]))
            return math.prod(int(sizes[axis]) for axis in re.findall(r"'(\w+)'", match[2]))
        return self.devices

    def _trips(self, computation: str, operand: str, condition: str, body: str) -> int:
        """How often a counting loop runs: (bound - start) / step."""
        lines = "\n".join(self.lines.get(condition, []))
        compare = re.search(
            r"ROOT .* compare\(%([\w.\-]+), %([\w.\-]+)\), direction=(LT|GT)", lines
        )
        if not compare:
            return 1
        counter, bound = compare[1], _constant(lines, compare[2])
        index = re.search(rf"%{re.escape(counter)} = .*get-tuple-element\(.*index=(\d+)", lines)
        if bound is None or not index:
            return 1
        inside = "\n".join(self.lines[body])
        step = _step(inside, int(index[1]))
        outside = "\n".join(self.lines[computation])
        start = _constant(outside, _tuple_operand(outside, operand, int(index[1]))) or 0
        return max(1, math.ceil((bound - start) / step))


def _sizes(shape: str) -> list[float]:
    """Bytes of every array of a shape, or of a tuple of shapes."""
    return [
        _BYTES[dtype] * math.prod(map(int, filter(None, dims.split(","))))
        for dtype, dims in _SHAPE.findall(shape)
        if dtype in _BYTES
    ]


def _constant(lines: str, name: str | None) -> int | None:
    match = name and re.search(rf"%{re.escape(name)} = .* constant\((-?\d+)\)", lines)
    return int(match[1]) if match else None


def _tuple_operand(lines: str, name: str, index: int) -> str | None:
    """The name of an operand of a tuple instruction."""
    match = re.search(rf"%{re.escape(name)} = .* tuple\((.*?)\)(?:,|$)", lines, re.MULTILINE)
    operands = re.findall(r"%([\w.\-]+)", match[1]) if match else []
    return operands[index] if index < len(operands) else None


def _step(lines: str, index: int) -> int:
    """What a loop's body adds to a counter of its tuple."""
    root = re.search(r"ROOT %([\w.\-]+) = .* tuple\(", lines)
    name = _tuple_operand(lines, root[1], index) if root else None
    add = name and re.search(rf"%{re.escape(name)} = .* add\(%([\w.\-]+), %([\w.\-]+)\)", lines)
    steps = [_constant(lines, operand) for operand in add.groups()] if add else []
    return next((step for step in steps if step), 1)
