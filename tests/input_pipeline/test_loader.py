"""Global arrays on a mesh: eight simulated devices, and two real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from research.errors import GristmillError
from research.input_pipeline.batches import BatchSource, DataSpec
from research.input_pipeline.loader import load, open_caches, rows_of_sharding, to_global
from research.input_pipeline.mixture_plan import Schedule
from research.registry.specs import load_mixture

SPEC = DataSpec(
    schedule=Schedule.constant({"web_sample": 1.0, "docs_sample": 1.0}),
    steps=12,
    batch=8,
    length=128,
    seed=0,
    packer="concat",
    max_epochs={},
    on_cap="error",
)


@pytest.mark.parametrize("shape", [(8, 1), (4, 2), (1, 8)])
def test_global_arrays_hold_the_batch(demo_root: Path, shape: tuple[int, int]) -> None:
    caches = open_caches(demo_root, load_mixture(demo_root, "demo"), "train")
    mesh = jax.make_mesh(shape, ("data", "tensor"))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    rows = rows_of_sharding(sharding, SPEC.batch, SPEC.length)
    source = BatchSource(SPEC, caches, 3, 0, rows)
    for step, local in enumerate(load(source, 0, threads=1)):
        batch = to_global(local, sharding, SPEC.batch)
        for key, value in source[step].items():
            assert batch[key].sharding == sharding
            assert (np.asarray(batch[key]) == value).all()


def test_a_batch_that_does_not_divide_among_devices_is_refused() -> None:
    sharding = NamedSharding(jax.make_mesh((8,), ("data",)), PartitionSpec("data"))
    with pytest.raises(GristmillError, match="batch of 12 rows does not divide"):
        rows_of_sharding(sharding, 12, 16)


PROCESS = """
import sys, jax, numpy as np
from pathlib import Path
from jax.sharding import NamedSharding, PartitionSpec
sys.path.insert(0, sys.argv[4])
from test_loader import SPEC
from research.input_pipeline.batches import BatchSource
from research.input_pipeline.loader import open_caches, rows_of_sharding, to_global
from research.registry.specs import load_mixture
jax.distributed.initialize(f"127.0.0.1:{sys.argv[2]}", 2, int(sys.argv[1]))
root = Path(sys.argv[3])
caches = open_caches(root, load_mixture(root, "demo"), "train")
# the processes' devices alternate along the data axis: their rows are no contiguous block
devices = np.array(jax.devices()).reshape(2, 4).T.reshape(8)
sharding = NamedSharding(jax.sharding.Mesh(devices, ("data",)), PartitionSpec("data"))
rows = rows_of_sharding(sharding, SPEC.batch, SPEC.length)
assert rows.tolist() == list(range(jax.process_index(), 8, 2)), rows
local = BatchSource(SPEC, caches, 3, 0, rows)[5]
batch = to_global(local, sharding, SPEC.batch)
replicated = NamedSharding(sharding.mesh, PartitionSpec())
whole = jax.jit(lambda x: x, out_shardings=replicated)(batch)
expected = BatchSource(SPEC, caches, 3, 0)[5]
assert all((np.asarray(whole[key]) == expected[key]).all() for key in expected)
assert "tensorflow" not in sys.modules
print("same")
"""


def test_two_processes_make_one_batch(demo_root: Path) -> None:
    load_mixture(demo_root, "demo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    here = str(Path(__file__).parent)
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(i), port, str(demo_root), here],
            env={**os.environ, **flags},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert out.strip().endswith("same"), err
