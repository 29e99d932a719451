"""Checkpoints: damaged ones are found out, full storage is one line, arrays come back alike."""

from __future__ import annotations

import errno
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.errors import GristmillError
from research.train.checkpoint import Checkpoints

MESH = Mesh(np.array(jax.devices()).reshape(2, 4), ("a", "b"))


def state(seed: int) -> dict:
    rng = np.random.default_rng(seed)
    matrix = jnp.asarray(rng.normal(size=(8, 64)), jnp.float32)
    return {
        "params": {"w": jax.device_put(matrix, NamedSharding(MESH, PartitionSpec("a", "b")))},
        "step": jnp.int32(seed),
    }


def abstract(spec: PartitionSpec) -> dict:
    sharding = NamedSharding(MESH, spec)
    return {
        "params": {"w": jax.ShapeDtypeStruct((8, 64), jnp.float32, sharding=sharding)},
        "step": jax.ShapeDtypeStruct((), jnp.int32, sharding=NamedSharding(MESH, PartitionSpec())),
    }


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoints:
    checkpoints = Checkpoints(str(tmp_path), keep_last=2, keep_every=4)
    for step in (2, 4, 6, 8, 9):
        checkpoints.save(step, state(step), {"note": step})
    checkpoints.wait()
    return checkpoints


def data_files(checkpoints: Checkpoints, step: int) -> list[Path]:
    """The files that hold the bytes of arrays, the largest last."""
    folder = Path(checkpoints.directory) / str(step) / "state"
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name == "d"]
    return sorted(files, key=lambda path: path.stat().st_size)


def test_the_last_and_the_kept_remain(saved: Checkpoints) -> None:
    assert saved.steps() == [9, 8, 4]


def test_arrays_come_back_on_another_sharding(saved: Checkpoints) -> None:
    for spec in (PartitionSpec(), PartitionSpec(("a", "b")), PartitionSpec(None, "a")):
        found = saved.restore(abstract(spec))
        assert found is not None
        restored, meta, damaged = found
        assert meta["note"] == 9 and damaged == [] and restored["params"]["w"].sharding.spec == spec
        np.testing.assert_array_equal(restored["params"]["w"], state(9)["params"]["w"])


def test_without_checkpoints_there_is_nothing(tmp_path: Path) -> None:
    assert Checkpoints(str(tmp_path), keep_last=1, keep_every=None).restore({}) is None


@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(saved: Checkpoints, harm: str) -> None:
    for path in data_files(saved, 9):
        content = bytearray(path.read_bytes())
        if harm == "flip":
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        elif harm == "cut":
            path.write_bytes(content[: len(content) // 2])
        else:
            path.unlink()
    found = saved.restore(abstract(PartitionSpec("a")))
    assert found is not None
    restored, meta, damaged = found
    assert meta["note"] == 8 and len(damaged) == 1
    assert "the checkpoint of step 9 is damaged" in damaged[0] and "\n" not in damaged[0]
    np.testing.assert_array_equal(restored["params"]["w"], state(8)["params"]["w"])
    assert saved.steps() == [8, 4]
    saved.save(9, state(9), {"note": "again"})
    saved.wait()
    assert saved.steps()[0] == 9


def test_when_all_are_damaged_it_says_so(saved: Checkpoints) -> None:
    for step in saved.steps():
        for path in data_files(saved, step):
            path.unlink()
    with pytest.raises(GristmillError, match="no other is left"):
        saved.restore(abstract(PartitionSpec()))


def test_what_orbax_has_not_finished_is_no_checkpoint(saved: Checkpoints, tmp_path: Path) -> None:
    half = tmp_path / "12.orbax-checkpoint-tmp"
    half.mkdir()
    (half / "state").mkdir()
    assert saved.steps()[0] == 9
    assert Checkpoints(str(tmp_path), keep_last=2, keep_every=4).steps()[0] == 9


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), ValueError("RESOURCE_EXHAUSTED: writing")],
)
def test_full_storage_is_one_line(saved: Checkpoints, monkeypatch, error: Exception) -> None:
    def fail(*args, **kwargs) -> None:
        raise error

    monkeypatch.setattr(saved._manager, "save", fail)
    with pytest.raises(GristmillError, match=r"no space left .* \(whole ones: 9, 8, 4\)"):
        saved.save(10, state(10), {})
