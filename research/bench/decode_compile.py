"""`gristmill bench decode_compile`: the decoding step, compiled for TPUs that are not here.

Two shapes on v5e:4x4, each split by tensor over a group of its chips, with as many groups as there
is room for: 2 chips hold the 1.5B shape (Qwen2.5's), 8 chips the 8B shape (Llama 3's).  A group
works on its own slots of 2,048 tokens.  Each is compiled in a process of its own.

  peak_gb    memory of a chip that the program needs: weights, cache and what it computes with
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

from research.bench.figures import Figure
from research.errors import GristmillError
from research.terminal import progress

TOPOLOGY, CONTEXT = "v5e:4x4", 2048


@dataclasses.dataclass(frozen=True)
class Case:
    """A model that generates.

    Attributes:
      model: its shape.
      tensor: chips of a group.
      slots: of a group.
    """

    model: dict[str, float | bool]
    tensor: int
    slots: int


CASES = {
    "1.5b": Case({
        "vocabulary_size": 151936, "layers": 28, "width": 1536, "heads": 12, "kv_heads": 2,
        "head_dim": 128, "mlp_width": 8960, "max_length": 32768, "rope_base": 1e6,
        "qkv_bias": True, "tied_embeddings": True,
    }, tensor=2, slots=64),
    "8b": Case({
        "vocabulary_size": 128256, "layers": 32, "width": 4096, "heads": 32, "kv_heads": 8,
        "head_dim": 128, "mlp_width": 14336, "max_length": 8192, "rope_base": 5e5,
    }, tensor=8, slots=64),
}  # fmt: skip


def decode_compile(rounds: int) -> list[Figure]:
    """Peak memory of a chip, of every case.

    Args:
      rounds: not used: compiling twice gives the same numbers.

    Raises:
      GristmillError: libtpu is not installed, or a case does not fit.
    """
    figures = []
    for name in progress(CASES, desc="decode_compile", unit="case"):
        command = [sys.executable, "-m", "research.bench.decode_compile", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["?"])[-1]
            raise GristmillError(f"compiling the decoding of {name} for {TOPOLOGY}: {last}")
        found = json.loads(done.stdout.splitlines()[-1])
        unit = f"GB of {found['memory'] / 1e9:.1f}"
        figures.append(Figure("decode_compile", f"peak_gb_{name}", found["peak"] / 1e9, unit))
    return figures


def compile_case(case: Case) -> dict[str, float]:
    """Bytes of a chip: `peak`, which the program needs, and `memory`, which there are.

    Raises:
      GristmillError: libtpu is not installed.
      DoesNotFit: there is too little memory.
    """
    import jax

    from research.model.config import ModelConfig
    from research.model.generate import Generator
    from research.model.sharding import MeshSpec, make_mesh
    from research.model.transformer import abstract_params
    from research.train.aot import DoesNotFit, parse_exhausted, topology_devices  # first: libtpu
    from research.train.hardware import hardware_of

    devices = topology_devices(TOPOLOGY)[: case.tensor]
    config = ModelConfig(**case.model)
    generator = Generator(
        abstract_params(config), config, stop_ids=[2], slots=case.slots, context=CONTEXT,
        mesh=make_mesh(MeshSpec(tensor=case.tensor), devices),
    )  # fmt: skip
    memory = hardware_of(devices[0]).memory
    try:
        compiled = generator.lower_decode().compile()
    except jax.errors.JaxRuntimeError as error:
        needed, available = parse_exhausted(str(error))
        if needed is None:
            raise
        raise DoesNotFit(
            f"{case.slots} slots of {CONTEXT} on {case.tensor} chips need {needed / 1e9:.1f} GB of "
            f"the {memory / 1e9:.1f} GB of a chip", needed, available,
        ) from None  # fmt: skip
    return {"peak": compiled.memory_analysis().peak_memory_in_bytes, "memory": memory}


if __name__ == "__main__":
    try:
        print(json.dumps(compile_case(CASES[sys.argv[1]])))
    except GristmillError as error:
        sys.exit(str(error))
