"""`gristmill bench compile`: memory and traffic of compiled steps, against MaxText's.

Three cases with full rematerialisation and two variants of the first, each compiled ahead of time
in a process of its own.
MaxText's figures were recorded once, of the same models, batches and meshes, from the same compiler
(libtpu 0.0.51). Traffic is what a chip sends: (n-1)/n of what a gather or a reduce-scatter over n
chips moves, and twice that for an all-reduce. Of MaxText's, 28,976 MB of all-gathers and 15,010 MB
of all-reduces were recorded for 8B on 256 chips; the other cases have no anchor.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence

from research.bench.figures import Figure
from research.errors import GristmillError
from research.terminal import progress


@dataclasses.dataclass(frozen=True)
class Case:
    """A model on a topology.

    Attributes:
      topology, fsdp, batch, length: what is compiled.
      model: as `gin_configs/models`.
      temporary_gb: MaxText's temporary memory.
      gathered_mb, reduced_mb: MaxText's all-gathers and all-reduces of a step, where recorded.
    """

    topology: str
    fsdp: int
    batch: int
    length: int
    model: dict[str, float | bool]
    temporary_gb: float
    gathered_mb: float | None = None
    reduced_mb: float | None = None

    @property
    def sent_gb(self) -> float | None:
        """What one chip sends in a step of MaxText's."""
        if self.gathered_mb is None or self.reduced_mb is None:
            return None
        return (self.fsdp - 1) / self.fsdp * (self.gathered_mb + 2 * self.reduced_mb) / 1e3


ONE = {
    "vocabulary_size": 32768, "layers": 22, "width": 2048, "heads": 32, "kv_heads": 8,
    "head_dim": 64, "mlp_width": 5632, "max_length": 2048,
}  # fmt: skip
EIGHT = {
    "vocabulary_size": 128256, "layers": 32, "width": 4096, "heads": 32, "kv_heads": 8,
    "head_dim": 128, "mlp_width": 14336, "max_length": 8192, "rope_base": 5e5,
}  # fmt: skip
CASES = {
    "1.2b_v5e_4x4": Case("v5e:4x4", 16, 64, 2048, ONE, 2.75),
    "8b_v6e_16x16": Case("v6e:16x16", 256, 256, 8192, EIGHT, 7.68, 28_976, 15_010),
    "8b_v5p_8x8x8": Case("v5p:8x8x8", 512, 512, 8192, EIGHT, 8.55),
}


LONG = "1.2b_v5e_4x4_8k"  # as many tokens as the first case, in rows four times as long


def compile(rounds: int) -> list[Figure]:
    """Temporary memory, sent bytes and FLOPs of every case, FLOPs without rematerialisation, and
    what rows of 8k tokens need against rows of 2k; compiling twice gives the same numbers.

    Args:
      rounds: not used.

    Raises:
      GristmillError: libtpu is not installed.
    """
    figures, temporaries = [], {}
    first, case = next(iter(CASES.items()))
    long = dataclasses.replace(
        case, batch=case.batch // 4, length=8192, model={**case.model, "max_length": 8192}
    )
    bar = progress(total=len(CASES) + 2, desc="compile", unit="case")
    for name, case in CASES.items():
        found = _estimate(case, "full")
        bar.update()
        temporary, sent = found["temporary"] / 1e9, found["sent_bytes"] / 1e9
        temporaries[name] = temporary
        anchor = "maxtext", case.temporary_gb, temporary / case.temporary_gb
        figures.append(Figure("compile", f"temporary_gb_{name}", temporary, "GB", *anchor))
        theirs = () if case.sent_gb is None else ("maxtext", case.sent_gb, sent / case.sent_gb)
        figures.append(Figure("compile", f"collective_gb_{name}", sent, "GB sent", *theirs))
        figures.append(_flops(name, found))
    few = dataclasses.replace(CASES[first], batch=16)  # so that it fits
    figures.append(_flops(f"{first}_no_remat", _estimate(few, "none")))
    bar.update()
    temporary = _estimate(long, "full")["temporary"] / 1e9
    bar.update()
    anchor = "rows of 2k tokens", temporaries[first], temporary / temporaries[first]
    figures.append(Figure("compile", f"temporary_gb_{LONG}", temporary, "GB", *anchor))
    return figures


def _flops(name: str, found: dict[str, float]) -> Figure:
    ratio = found["flops"] / found["model_flops"]
    return Figure("compile", f"flops_{name}", ratio, "x 6ND + causal attention")


def _estimate(case: Case, remat: str) -> dict[str, float]:
    bindings = [f"model.{field} = {value!r}" for field, value in case.model.items()]
    return estimate(
        case.topology, f"fsdp={case.fsdp}", [], case.batch, case.length, remat, bindings
    )


def estimate(
    topology: str,
    mesh: str,
    gin_files: Sequence[str],
    batch: int,
    length: int,
    remat: str,
    bindings: Sequence[str] = (),
) -> dict[str, float]:
    """The fields of `train.aot.Estimate` that are numbers, of a step compiled in its own process.

    Args:
      topology, mesh: to compile for.
      gin_files, bindings: of the model.
      batch, length: of a step.
      remat: as exec.remat.

    Raises:
      GristmillError: it cannot be compiled, or does not fit.
    """
    bindings = [
        *bindings, "data.mixture = 'demo'", f"data.batch = {batch}", f"data.length = {length}",
        "data.seed = 0", "run.seed = 0", "run.steps = 10000", "learning_rate.peak = 3e-4",
        "learning_rate.warmup_steps = 100", "loss.z_loss = 1e-4", f"exec.remat = {remat!r}",
    ]  # fmt: skip
    arguments = json.dumps([topology, mesh, list(gin_files), bindings])
    command = [sys.executable, "-m", "research.bench.compile_step", arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        raise GristmillError(f"compiling for {topology}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def _compile_one(topology: str, mesh: str, gin_files: list[str], bindings: list[str]) -> None:
    from research.model.sharding import MeshSpec
    from research.train.aot import compile_step
    from research.train.run_spec import resolve

    run, execution = resolve(gin_files, bindings)
    found = compile_step(run, execution, topology, MeshSpec.parse(mesh))
    fields = ("temporary", "peak", "arguments", "flops", "model_flops", "sent_bytes", "devices")
    values = {field: getattr(found, field) for field in fields}
    best, worst = found.mfu
    values |= {"memory": found.hardware.memory, "mfu": best, "mfu_without_overlap": worst}
    print(json.dumps(values))


if __name__ == "__main__":
    _compile_one(*json.loads(sys.argv[1]))
