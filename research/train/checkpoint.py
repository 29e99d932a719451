"""Checkpoints of a run: the state, its place in the data, and what it is a checkpoint of.

    checkpoints/<step>/state/   arrays by path ('params/embedding', …), written by Orbax
    checkpoints/<step>/meta/    JSON: fingerprint, spec, data state, checksums, metrics under way

Orbax writes under a temporary name that is moved when all is there, in a thread beside training.
On top of that every array has a checksum that does not depend on how it is sharded, so that a
checkpoint whose bytes have changed since is found out, on whatever mesh it is read.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from orbax.checkpoint import checkpoint_managers

from research.errors import GristmillError
from research.model import transformer
from research.model.sharding import param_shardings
from research.train.run_spec import RunSpec, read_spec
from research.train.state_paths import flatten, unflatten

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# how TensorStore words what the operating system calls by the numbers above
FULL_TEXTS = (*map(os.strerror, FULL), "RESOURCE_EXHAUSTED")


# Orbax logs every failure with a traceback, and then raises it: once is enough, and that is ours
logging.getLogger("absl").setLevel(logging.CRITICAL)
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def _quiet_writers(report: Callable[[Any], object] = sys.unraisablehook) -> None:
    """Keeps from the terminal what TensorStore's threads report when one write has failed.

    Orbax then ends the event loop of all the others, and each would print a traceback of its own.
    """

    def hook(unraisable: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            report(unraisable)

    sys.unraisablehook = hook


_quiet_writers()


class Checkpoints:
    """The checkpoints of one run directory; all processes call every method together."""

    def __init__(self, directory: str, *, keep_last: int, keep_every: int | None) -> None:
        """Args:
        directory: of the checkpoints, local or gs://.
        keep_last: how many to keep.
        keep_every: those at multiples of so many steps are kept for good; None for none.
        """
        policies: list[Any] = [checkpoint_managers.LatestN(keep_last)]
        if keep_every is not None:
            policies.append(checkpoint_managers.EveryNSteps(keep_every))
        self.directory = epath.Path(directory).absolute()
        self._manager = ocp.CheckpointManager(
            self.directory,
            item_names=("state", "meta"),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
                cleanup_tmp_directories=True,
                enable_async_checkpointing=True,
            ),
        )

    def steps(self) -> list[int]:
        """Steps of the checkpoints, newest first; the first one may still be on its way."""
        return sorted(self._manager.all_steps(), reverse=True)

    def save(self, step: int, state: Any, meta: Mapping[str, Any]) -> None:
        """Begins to save; returns when the arrays are copied and training may go on.

        Raises:
          GristmillError: the storage is full (now, or when the save before was written).
        """
        arrays = flatten(state)
        sums = jax.device_get(_checksums(arrays))
        meta = {**meta, "checksums": {name: int(value) for name, value in sums.items()}}
        with self._storage():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(arrays), meta=ocp.args.JsonSave(meta)
                ),
                force=True,
            )

    def wait(self) -> None:
        """Returns when every save is on storage.

        Raises:
          GristmillError: the storage is full.
        """
        with self._storage():
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def restore(
        self,
        abstract: Any,
        step: int | None = None,
        check: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> tuple[Any, dict[str, Any], list[str]] | None:
        """Reads the newest checkpoint that is undamaged.

        Those damaged are set aside as `damaged-<step>`, so that training can save again there.

        Args:
          abstract: shapes, dtypes and shardings of the state, on whatever mesh it shall lie.
          step: only this one, and nothing is set aside; None for the newest.
          check: raises GristmillError if the meta of a checkpoint is not what it should be.

        Returns:
          State, meta and a line for every damaged checkpoint passed over; None if there is none.

        Raises:
          GristmillError: there are checkpoints, but none is undamaged.
        """
        passed: list[str] = []
        steps = [s for s in self.steps() if step in (None, s)]
        for found in steps:
            try:
                state, meta = self._read(found, abstract, check)
            except (ValueError, OSError, KeyError, TypeError) as error:
                reason = " ".join(str(error).split())[:160]
                passed.append(f"the checkpoint of step {found} is damaged ({reason})")
                continue
            if step is None:
                self._set_aside(steps[: len(passed)])
            return state, meta, passed
        if passed:
            raise GristmillError(
                f"{self.directory}: {'; '.join(passed)}; no other is left: "
                "delete the run's directory and train again"
            )
        return None

    def read_meta(self, step: int) -> dict[str, Any]:
        """What was saved beside the state."""
        return self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))[
            "meta"
        ]

    def close(self) -> None:
        """Waits for saves to end and lets go of the directory."""
        with self._storage():
            self._manager.close()

    def _read(
        self, step: int, abstract: Any, check: Callable[[Mapping[str, Any]], None] | None
    ) -> tuple[Any, dict[str, Any]]:
        meta = self.read_meta(step)
        if check is not None:
            check(meta)
        arrays = _restore_arrays(self._manager, step, flatten(abstract))
        verify_checksums(arrays, meta["checksums"])
        return unflatten(arrays, abstract), meta

    def _set_aside(self, steps: list[int]) -> None:
        if jax.process_index() == 0:
            for step in steps:
                aside = self.directory / f"damaged-{step}"
                if aside.exists():
                    aside.rmtree()
                (self.directory / str(step)).rename(aside)
        if steps and jax.process_count() > 1:
            multihost_utils.sync_global_devices("damaged checkpoints are set aside")
        self._manager.reload()

    @contextlib.contextmanager
    def _storage(self) -> Iterator[None]:
        """Turns a full disk into one line."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            full = isinstance(error, OSError) and error.errno in FULL
            if not full and not any(text in str(error) for text in FULL_TEXTS):
                raise
            self._manager.reload()
            whole = ", ".join(map(str, self.steps())) or "none"
            raise GristmillError(
                f"{self.directory}: no space left while saving a checkpoint (whole ones: {whole}); "
                "make room and run the same command again"
            ) from None


def load_params(directory: str, mesh: Mesh, step: int | None = None) -> tuple[Any, RunSpec, int]:
    """The parameters of a run, averaged ones where it kept an average.

    Args:
      directory: of the run.
      mesh: to lay them out on.
      step: of which checkpoint; None for the newest undamaged one.

    Returns:
      Parameters, the run, and the step of the checkpoint.

    Raises:
      GristmillError: no run, no checkpoint (of that step), or damaged ones only.
    """
    run = RunSpec.from_json(read_spec(epath.Path(directory))["run"])
    abstract = jax.tree.map(
        lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s),
        transformer.abstract_params(run.model),
        param_shardings(run.model, mesh),
    )
    key = "params" if run.optimizer.ema is None else "ema"
    checkpoints = Checkpoints(f"{directory}/checkpoints", keep_last=1 << 30, keep_every=None)
    try:
        found = checkpoints.restore({key: abstract}, step)
        if found is None:
            steps = ", ".join(map(str, checkpoints.steps())) or "none"
            wanted = "" if step is None else f" of step {step}"
            raise GristmillError(f"{directory} has no checkpoint{wanted} (steps: {steps})")
    finally:
        checkpoints.close()
    state, meta, _ = found
    return state[key], run, int(meta["data"]["step"])


def _restore_arrays(
    manager: ocp.CheckpointManager, step: int, abstract: dict[str, Any]
) -> dict[str, Any]:
    """The named arrays of a checkpoint, which may hold others too."""
    restore = ocp.args.PyTreeRestore(
        item=abstract,
        restore_args=ocp.checkpoint_utils.construct_restore_args(abstract),
        partial_restore=True,
    )
    return manager.restore(step, args=ocp.args.Composite(state=restore))["state"]


def verify_checksums(arrays: Mapping[str, jax.Array], expected: Mapping[str, int]) -> None:
    """Raises ValueError naming the arrays whose bits are not those that were saved."""
    sums = jax.device_get(_checksums(dict(arrays)))
    wrong = [name for name, value in sums.items() if int(value) != expected[name]]
    if wrong:
        raise ValueError(f"other contents than were saved in {', '.join(wrong[:3])}")


@jax.jit
def _checksums(arrays: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """uint32 of each array: the sum of its words as integers, modulo 2^32.

    Sums of integers have no rounding, so neither the mesh nor the order matters; any change that
    is confined to one word is seen for certain.
    """
    return {name: _words(array).sum(dtype=jnp.uint32) for name, array in arrays.items()}


def _words(array: jax.Array) -> jax.Array:
    dtype = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[np.dtype(array.dtype).itemsize]
    return jax.lax.bitcast_convert_type(array, dtype).astype(jnp.uint32)
