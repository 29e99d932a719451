"""The training loop, top to bottom: processes, data, directory, checkpoint, steps, result.

What a run leaves in its directory:

    spec.json       the RunSpec, its fingerprint, and the fingerprints of its sources
    metrics.jsonl   a line for every `log_every` steps, and one for every evaluation
    tensorboard/    the same numbers as event files
    checkpoints/    see `checkpoint.py`
    result.json     last: the run is finished
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh
from tqdm import tqdm

from research import artefacts
from research.errors import GristmillError
from research.input_pipeline.batches import BatchSource
from research.input_pipeline.loader import load, mixture_schedule, open_caches, rows_of_sharding
from research.model.config import flops_per_token, parameters
from research.model.sharding import (
    MeshSpec,
    batch_sharding,
    check_mesh,
    make_mesh,
    param_shardings,
)
from research.model.weights import load_weights
from research.registry.specs import load_mixture
from research.terminal import human, progress
from research.train import overview, run_directory
from research.train.checkpoint import Checkpoints, load_params
from research.train.hardware import hardware_of
from research.train.metrics import Recorder
from research.train.processes import (
    Preempted,
    agree,
    start_processes,
    stop_signals,
    synchronise,
    to_devices,
)
from research.train.run_spec import ExecSpec, RunSpec, differences, read_spec
from research.train.step import State, Trainer, make_trainer

# losses are summed by a multiple of so many domains: arms with other sources share their programs
DOMAIN_SLOTS = 16


class Evaluator(Protocol):
    """Measures parameters; see `evaluate.domains` for one."""

    def evaluate(self, params: Any, step: int) -> Iterable[tuple[str, float]]:
        """Yields (name, value); every process runs it, and gets the same."""
        ...


MakeEvaluators = Callable[[RunSpec, ExecSpec, Mesh], Sequence[Evaluator]]


class Diverged(GristmillError):
    """A run ended at a bad step (see `BadStepsConfig`)."""


def train(run: RunSpec, execution: ExecSpec, make_evaluators: MakeEvaluators) -> dict[str, Any]:
    """Trains a run to its end, from its newest checkpoint if there is one.

    Args:
      run: what to train.
      execution: how, and in which directory.
      make_evaluators: makes what measures the run.

    Returns:
      The contents of result.json.

    Raises:
      GristmillError: anything the user can mend.
      Diverged: a bad step ended the run.
      Preempted: SIGTERM or SIGINT came; a checkpoint was saved.
    """
    began = time.time()

    # ---- processes and devices ------------------------------------------------------------------
    start_processes(execution)
    use_compile_cache(execution)
    mesh = open_mesh(run, execution)
    first = jax.process_index() == 0
    directory = epath.Path(execution.directory or "").absolute()

    # ---- data -----------------------------------------------------------------------------------
    rows = rows_of_sharding(batch_sharding(mesh), run.data.batch, run.data.length)
    source = open_data(run, rows)
    steps = len(source)  # fewer than run.steps where a cap stops the run
    sources = {cache.name: cache.manifest["fingerprint"] for cache in source.caches}

    with contextlib.ExitStack() as stack:
        # ---- the run's directory ----------------------------------------------------------------
        if first and "://" not in os.fspath(directory):
            stack.enter_context(artefacts.exclusive(Path(directory)))
        run_directory.claim(directory, run, sources, write=first)
        if (result := run_directory.read_result(directory)) is not None:
            say(f"{directory} is finished already")
            return result
        synchronise("the directory is claimed")
        created = read_spec(directory)["created"]

        # ---- model and where to begin -----------------------------------------------------------
        slots = DOMAIN_SLOTS * max(1, math.ceil(len(source.domains) / DOMAIN_SLOTS))
        trainer = make_trainer(run, execution, mesh, slots)
        say(overview.hello(run, execution, mesh))
        say(overview.parameter_table(trainer.abstract["params"]))
        say(overview.plan(run, source))
        checkpoints = Checkpoints(
            os.fspath(directory / "checkpoints"),
            keep_last=execution.keep_last,
            keep_every=execution.keep_every,
        )
        stack.callback(checkpoints.close)
        state, meta = begin(run, trainer, checkpoints, mesh, source, sources)
        step = dispatched = source.resume(meta["data"])
        evaluators = make_evaluators(run, execution, mesh)

        # ---- metrics ----------------------------------------------------------------------------
        tokens = run.data.batch * run.data.length
        hardware = hardware_of(mesh.devices.flat[0])
        recorder = Recorder(
            source.domains,
            meta,
            log_every=execution.log_every,
            tokens=tokens,
            flops=flops_per_token(run.model, run.data.length) * tokens,
            peak=None if hardware is None else hardware.flops * mesh.size,
            created=created,
        )
        stack.callback(recorder.close)
        if first:
            recorder.open(directory, step, execution.tensorboard)
        say(f"{'going on' if step else 'starting'} at step {step} of {steps}, "
            f"{time.time() - began:.1f} s after the start")  # fmt: skip

        def save() -> None:
            recorder.flush()
            if step not in checkpoints.steps():
                identity = {
                    "fingerprint": run.fingerprint,
                    "run": run.to_json(),
                    "sources": sources,
                }
                checkpoints.save(
                    step,
                    state,
                    {**identity, "data": source.state(step), **recorder.state_json()},
                )

        def evaluate() -> None:
            """Measures a due step, unless that was done before the process was restarted."""
            file = recorder.file
            if agree(file is not None and file.has_evaluation(step)):
                return
            params = state.get("ema", state["params"])
            values: dict[str, float] = {}
            for evaluator in evaluators:
                for name, value in evaluator.evaluate(params, step):
                    values[name] = value
                    if stop.number and jax.process_count() == 1:
                        return  # it is done after the restart
            recorder.add_evaluation(step, values)
            for name, value in values.items():
                say(f"step {step}: {name} {value:.4f}")

        # ---- steps ------------------------------------------------------------------------------
        def evaluation_due() -> bool:
            every = run.evals.every
            return bool(evaluators) and (
                step == steps or (every is not None and step > 0 and step % every == 0)
            )

        stop = stack.enter_context(stop_signals())
        bar = stack.enter_context(
            progress(total=steps, initial=step, unit="step", disable=None if first else True)
        )
        stack.enter_context(jax.transfer_guard("disallow"))
        per_call = steps_per_call(run, execution)
        batches = device_batches(source, step, per_call, trainer, execution, run.data.batch)
        stack.callback(batches.close)
        running: collections.deque[tuple[int, Any]] = collections.deque()
        resumed_at = step
        if evaluation_due():
            evaluate()
        clock = time.perf_counter()
        while step < steps:
            # one call is computed while the one before is looked at
            if dispatched < steps:
                waiting = time.perf_counter()
                count, batch = next(batches)
                recorder.window.data_seconds += time.perf_counter() - waiting
                compiling, known = time.perf_counter(), len(trainer.programs)
                program = trainer.compiled(batch)
                if len(trainer.programs) > known:
                    compiling = time.perf_counter() - compiling
                    clock += compiling  # no part of the steps' time
                    say(f"compiled a call of {count} steps in {compiling:.1f} s")
                state, metrics = program(state, batch)
                running.append((count, metrics))
                dispatched += count
            drain = dispatched == steps or is_boundary(dispatched, run, execution)
            drain = stop.reached(dispatched) or drain
            while len(running) > (0 if drain else 1):
                count, metrics = running.popleft()
                metrics = jax.device_get(metrics)
                seconds, clock = time.perf_counter() - clock, time.perf_counter()
                for i in range(count):
                    step += 1
                    recorder.add(step, metrics, i, seconds / count, last=step == steps)
                    if metrics["bad"][i]:
                        judge_bad_step(run, step, metrics, i, checkpoints)
                bar.update(count)
                if (loss := recorder.latest.get("loss")) is not None:
                    speed = human(recorder.latest["tokens_per_s"], " tokens/s")
                    bar.set_postfix_str(f"loss {loss:.4f}, {speed}", refresh=False)
                if step - count == resumed_at:
                    say(f"the first call of {count} steps was done {time.time() - began:.1f} s "
                        "after the start")  # fmt: skip
            if not drain:
                continue

            # ---- between steps: save, measure, perhaps stop -------------------------------------
            if step % execution.checkpoint_every == 0 or stop.number:
                save()
            if evaluation_due() and not stop.number:
                evaluate()
            if stop.number:
                save()
                checkpoints.wait()
                raise Preempted(stop.number, step)
            clock = time.perf_counter()

        # ---- result -----------------------------------------------------------------------------
        save()
        checkpoints.wait()
        result = {
            "fingerprint": run.fingerprint,
            "step": step,
            "tokens": step * tokens,
            "parameters": parameters(run.model),
            "bad_steps": recorder.bad_steps,
            "training_seconds": recorder.productive,
        }
        if recorder.file is not None:
            result |= run_directory.summarise(recorder.file.lines)
            recorder.flush()
            run_directory.write_json(directory / "result.json", result)
        synchronise("the result is written")
        return result


# ---- processes and devices ----------------------------------------------------------------------


def use_compile_cache(execution: ExecSpec) -> None:
    """Keeps compiled programs on disk, so that a restart does not compile again."""
    folder = execution.compile_cache
    if folder is None:
        folder = os.fspath(artefacts.data_root() / "compiled")
    if folder:
        remote = "://" in folder
        jax.config.update(
            "jax_compilation_cache_dir", folder if remote else os.path.abspath(folder)
        )
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def open_mesh(run: RunSpec, execution: ExecSpec) -> Mesh:
    """The mesh of a run.

    Raises:
      GristmillError: it does not divide the devices or the model.
    """
    mesh = make_mesh(MeshSpec.parse(execution.mesh or "data=-1"))
    check_mesh(run.model, MeshSpec(*mesh.devices.shape))
    return mesh


def say(text: str) -> None:
    """Prints from process 0, without tearing the progress bar."""
    if jax.process_index() == 0:
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()


# ---- data ---------------------------------------------------------------------------------------


def open_data(run: RunSpec, rows: np.ndarray | None) -> BatchSource:
    """The batches of a run.

    Args:
      run: the run.
      rows: of the global batch, those that this process provides; None for all.

    Raises:
      GristmillError: the mixture is not cached, or does not fit the model.
    """
    root, data, model = artefacts.data_root(), run.data, run.model
    mixture = load_mixture(root, data.mixture, data.modules)
    vocabulary = next(iter(mixture.tasks.values())).vocabulary
    if vocabulary.size > model.vocabulary_size:
        raise GristmillError(
            f"vocabulary {vocabulary.name} has {vocabulary.size} ids, the model "
            f"{model.vocabulary_size}: set model.vocabulary_size to at least {vocabulary.size}"
        )
    if data.length > model.max_length:
        raise GristmillError(
            f"data.length is {data.length}, more than model.max_length ({model.max_length})"
        )
    caches = open_caches(root, mixture, "train")
    spec = data.data_spec(mixture_schedule(mixture, caches), run.steps)
    return BatchSource(spec, caches, vocabulary.bos_id, vocabulary.pad_id, rows)


def device_batches(
    source: BatchSource,
    start: int,
    per_call: int,
    trainer: Trainer,
    execution: ExecSpec,
    rows: int,
) -> Generator[tuple[int, dict[str, jax.Array]], None, None]:
    """(K, global arrays [K, B, L]) for calls of K steps, which begin at multiples of `per_call`;
    the steps left at the end go one by one."""
    steps = len(source)
    stream = load(source, start, threads=execution.threads, prefetch=execution.prefetch)
    step = start
    try:
        while step < steps:
            whole = step % per_call == 0 and step + per_call <= steps
            count = per_call if whole else 1
            parts = [next(stream) for _ in range(count)]
            stacked = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
            shape = (count, rows, source.spec.length)
            yield count, to_devices(stacked, trainer.batch_sharding, shape)
            step += count
    finally:
        stream.close()  # its threads end


def steps_per_call(run: RunSpec, execution: ExecSpec) -> int:
    """The most steps, up to exec.steps_per_call, that no checkpoint or evaluation interrupts."""
    every = run.evals.every or execution.checkpoint_every
    return max(
        k
        for k in range(1, execution.steps_per_call + 1)
        if execution.checkpoint_every % k == 0 and every % k == 0
    )


def is_boundary(step: int, run: RunSpec, execution: ExecSpec) -> bool:
    """Whether a checkpoint or an evaluation is due after `step` steps."""
    every = run.evals.every or execution.checkpoint_every
    return step % execution.checkpoint_every == 0 or step % every == 0


# ---- state --------------------------------------------------------------------------------------


def begin(
    run: RunSpec,
    trainer: Trainer,
    checkpoints: Checkpoints,
    mesh: Mesh,
    source: BatchSource,
    sources: Mapping[str, str],
) -> tuple[State, dict[str, Any]]:
    """The state to go on from, and what was saved beside it.

    It is the newest undamaged checkpoint of the run; without one, what run.init says.

    Raises:
      GristmillError: a checkpoint is of another run, or there is nothing to begin with.
    """

    def check(meta: Mapping[str, Any]) -> None:
        run_directory.check_identity(meta, run, sources, os.fspath(checkpoints.directory))

    if (found := checkpoints.restore(trainer.abstract, check=check)) is not None:
        state, meta, damaged = found
        for line in damaged:
            say(f"{line}; going on from step {meta['data']['step']}")
        return state, meta
    fresh = {"data": source.state(0)}
    if run.init.kind == "seed":
        return trainer.init(run.seed), fresh
    path = run.init.path or ""
    if run.init.kind == "weights":
        if (epath.Path(path) / "spec.json").exists():
            params, other, step = load_params(path, mesh, run.init.step)
            model, what = other.model, f"step {step} of {path}"
        else:
            model, arrays = load_weights(artefacts.data_root(), path)
            params, what = jax.device_put(arrays, param_shardings(model, mesh)), f"weights {path}"
        if dataclasses.replace(model, compute_dtype=run.model.compute_dtype) != run.model:
            there, here = dataclasses.asdict(model), dataclasses.asdict(run.model)
            lines = "; ".join(differences(there, here, "model."))
            raise GristmillError(f"init.path: {what} is of another model ({lines})")
        say(f"parameters of {what}")
        return trainer.begin(params), fresh
    stem = Checkpoints(os.path.join(path, "checkpoints"), keep_last=1 << 30, keep_every=None)
    try:
        found = stem.restore(trainer.abstract, run.init.step)
        if found is None:
            steps = ", ".join(map(str, stem.steps())) or "none"
            raise GristmillError(
                f"init.step: {path} has no checkpoint of step {run.init.step} (there are: {steps})"
            )
    finally:
        stem.close()
    state, meta, _ = found
    return state, {key: meta[key] for key in ("data", "window", "bad_steps", "productive")}


def judge_bad_step(
    run: RunSpec, step: int, metrics: Mapping[str, Any], index: int, checkpoints: Checkpoints
) -> None:
    """Reports a step that changed nothing, and ends the run where the policy says so.

    Raises:
      Diverged: the policy is 'stop', or too many were bad in a row.
    """
    what = (
        f"step {step} is bad: loss {metrics['loss'][index]:.4g}, "
        f"gradient norm {metrics['grad_norm'][index]:.4g}"
    )
    policy, in_a_row = run.bad_steps, int(metrics["in_a_row"][index])
    if policy.policy == "skip" and in_a_row <= policy.most_in_a_row:
        say(f"{what}; skipped, {in_a_row} in a row")
        return
    checkpoints.wait()
    newest = max(checkpoints.steps(), default=None)
    kept = "no checkpoint was saved yet" if newest is None else f"step {newest} is saved"
    why = "bad_steps.policy is 'stop'" if policy.policy == "stop" else f"{in_a_row} in a row"
    raise Diverged(
        f"{what}; the run ends ({why}; {kept}): lower learning_rate.peak, or skip such steps"
    )
