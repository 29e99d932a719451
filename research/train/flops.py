"""What a program computes and moves, counted from its jaxpr.

XLA's own `cost_analysis` counts the body of a loop once, however often it runs; here the body of a
scan counts as often as it runs. Matrix products and Pallas kernels are counted, on all devices
together; element-wise work is not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jax.extend import core


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one run of a program, on all its devices.

    Attributes:
      flops: of matrix products and kernels.
      bytes: of their operands and results, as if each were read or written in HBM once.
    """

    flops: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def __rmul__(self, times: float) -> Cost:
        return Cost(times * self.flops, times * self.bytes)


# of a kernel's name and grid, the share of the grid that does any work
KernelShare = Callable[[str, Sequence[int]], float]


def count(
    jaxpr: core.Jaxpr | core.ClosedJaxpr, kernel_share: KernelShare = lambda name, grid: 1.0
) -> Cost:
    """The cost of one run of a program.

    A branch counts as the most expensive of its alternatives, a `while` of unknown length once.

    Args:
      jaxpr: of `jax.make_jaxpr`, or `jax.jit(f).trace(...).jaxpr`.
      kernel_share: of a Pallas kernel that states no cost, the share of its grid that does any
        work: the blocks that an attention mask leaves.
    """
    total = Cost()
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        parameters = equation.params
        match equation.primitive.name:
            case "dot_general":
                total += Cost(_dot_flops(equation), _bytes(equation))
            case "scan":
                total += parameters["length"] * count(parameters["jaxpr"], kernel_share)
            case "cond":
                branches = [count(branch, kernel_share) for branch in parameters["branches"]]
                total += max(branches, key=lambda cost: cost.flops)
            case "shard_map":  # its shapes are those of one device, along the axes it takes over
                mesh, axes = parameters["mesh"], parameters["newly_manual_axes"]
                devices = math.prod(mesh.shape[axis] for axis in axes)
                total += devices * count(parameters["jaxpr"], kernel_share)
            case "pallas_call":
                total += Cost(_kernel_flops(parameters, kernel_share), _bytes(equation))
            case _:
                for inner in _jaxprs(parameters):
                    total += count(inner, kernel_share)
    return total


def _dot_flops(equation: core.JaxprEqn) -> float:
    left, right = (operand.aval for operand in equation.invars)
    (_, contracted), (_, batch) = equation.params["dimension_numbers"]
    kept = set(range(right.ndim)) - {*contracted, *batch}
    return 2.0 * math.prod(left.shape) * math.prod(right.shape[axis] for axis in kept)


def _bytes(equation: core.JaxprEqn) -> float:
    avals = [variable.aval for variable in (*equation.invars, *equation.outvars)]
    return float(sum(aval.size * aval.dtype.itemsize for aval in avals))


def _kernel_flops(parameters: dict[str, Any], share: KernelShare) -> float:
    if (cost := parameters.get("cost_estimate")) is not None:
        return float(cost.flops)
    grid = parameters["grid_mapping"].grid
    runs = share(parameters["name"] or "", grid) * math.prod(grid)
    return runs * count(parameters["jaxpr"]).flops


def _jaxprs(parameters: dict[str, Any]) -> Iterator[core.Jaxpr | core.ClosedJaxpr]:
    for value in parameters.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, (core.Jaxpr, core.ClosedJaxpr)):
                yield item
