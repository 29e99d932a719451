"""`gristmill bench compile`: memory and traffic of compiled steps, against MaxText's.

Three cases with full rematerialisation, each compiled ahead of time in a process of its own.
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


def compile(rounds: int) -> list[Figure]:
    """Temporary memory and sent bytes of every case; compiling twice gives the same numbers.

    Args:
      rounds: not used.

    Raises:
      GristmillError: libtpu is not installed.
    """
    figures = []
    for name, case in progress(CASES.items(), desc="compile", unit="case"):
        found = _estimate(name)
        temporary, sent = found["temporary"] / 1e9, found["sent_bytes"] / 1e9
        anchor = "maxtext", case.temporary_gb, temporary / case.temporary_gb
        figures.append(Figure("compile", f"temporary_gb_{name}", temporary, "GB", *anchor))
        theirs = () if case.sent_gb is None else ("maxtext", case.sent_gb, sent / case.sent_gb)
        figures.append(Figure("compile", f"collective_gb_{name}", sent, "GB sent", *theirs))
        ratio = found["flops"] / found["model_flops"]
        figures.append(Figure("compile", f"flops_{name}", ratio, "x 6ND + causal attention"))
    return figures


def _estimate(name: str) -> dict[str, float]:
    command = [sys.executable, "-m", "research.bench.compile_step", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GristmillError(f"compile {name}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def _compile_one(name: str) -> None:
    from research.model.sharding import MeshSpec
    from research.train.aot import compile_step
    from research.train.run_spec import resolve

    case = CASES[name]
    bindings = [f"model.{field} = {value!r}" for field, value in case.model.items()]
    bindings += [
        "data.mixture = 'demo'", f"data.batch = {case.batch}", f"data.length = {case.length}",
        "data.seed = 0", "run.seed = 0", "run.steps = 10000", "learning_rate.peak = 3e-4",
        "learning_rate.warmup_steps = 100", "loss.z_loss = 1e-4", "exec.remat = 'full'",
    ]  # fmt: skip
    run, execution = resolve([], bindings)
    estimate = compile_step(run, execution, case.topology, MeshSpec(fsdp=case.fsdp))
    fields = ("temporary", "peak", "arguments", "flops", "model_flops", "sent_bytes")
    print(json.dumps({field: getattr(estimate, field) for field in fields}))


if __name__ == "__main__":
    _compile_one(sys.argv[1])
