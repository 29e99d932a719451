"""The step: the same on every mesh, exact by domain, and harmless when it is bad."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest

from research.errors import GristmillError
from research.model.config import ModelConfig
from research.model.sharding import MeshSpec, make_mesh, param_shardings
from research.model.transformer import init_params
from research.train.run_spec import BadStepsConfig, ExecSpec, OptimizerConfig, RunSpec
from research.train.state_paths import flatten
from research.train.step import make_trainer

from .conftest import put, random_batches

MESHES = ["data=8", "fsdp=8", "data=2,fsdp=4", "data=2,fsdp=2,tensor=2", "slice=2,fsdp=2,tensor=2",
          "slice=2,data=2,fsdp=2"]  # fmt: skip


@functools.cache
def first_params(model: ModelConfig) -> dict:
    return jax.device_get(jax.jit(init_params, static_argnums=(0, 1))(model, 0))


def run_steps(run: RunSpec, execution: ExecSpec, mesh: str, batches: dict, calls: int = 1):
    """The state and metrics [K] after the steps of `batches`, in so many calls."""
    spec = MeshSpec.parse(mesh)
    size = int(np.prod(spec.sizes))
    mesh = make_mesh(spec, jax.devices()[:size])
    trainer = make_trainer(run, execution, mesh, 3)
    params = jax.device_put(first_params(run.model), param_shardings(run.model, mesh))
    state, found = trainer.begin(params), []
    for part in np.split(np.arange(len(batches["inputs"])), calls):
        now = {key: value[part] for key, value in batches.items()}
        state, metrics = trainer.steps(state, put(now, trainer.batch_sharding))
        found.append(jax.device_get(metrics))
    return state, {key: np.concatenate([m[key] for m in found]) for key in found[0]}


def assert_close(a, b, tolerance: float = 2e-5) -> None:
    for name, value in flatten(a).items():
        other = flatten(b)[name]
        np.testing.assert_allclose(
            np.asarray(value), np.asarray(other), rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_every_mesh_gives_the_same_losses_and_parameters(tiny_run, tiny_exec, kind) -> None:
    # eps far above the gradients' rounding: else AdamW's first steps are the rounding's sign
    run = dataclasses.replace(tiny_run, optimizer=OptimizerConfig(kind=kind, eps=1e-3))
    batches = random_batches(3)
    state, metrics = run_steps(run, tiny_exec, "data=1", batches)
    for mesh in MESHES if kind == "adamw" else MESHES[-2:]:
        other_state, other = run_steps(run, tiny_exec, mesh, batches)
        assert_close(metrics, other)
        assert_close(state["params"], other_state["params"], 1e-4)


def test_microbatches_change_rounding_only(tiny_run, tiny_exec) -> None:
    run = dataclasses.replace(tiny_run, optimizer=OptimizerConfig(eps=1e-3))
    batches = random_batches(2)
    state, metrics = run_steps(run, tiny_exec, "data=1", batches)
    for mesh, parts in (("data=1", 4), ("data=2,fsdp=2", 2)):
        execution = dataclasses.replace(tiny_exec, microbatches=parts)
        other_state, other = run_steps(run, execution, mesh, batches)
        assert_close(metrics, other)
        assert_close(state["params"], other_state["params"], 1e-4)


def test_steps_in_one_call_are_steps_one_by_one(tiny_run, tiny_exec) -> None:
    batches = random_batches(4)
    state, metrics = run_steps(tiny_run, tiny_exec, "data=1", batches)
    other_state, other = run_steps(tiny_run, tiny_exec, "data=1", batches, calls=4)
    for name, value in flatten((state, metrics)).items():
        np.testing.assert_array_equal(value, flatten((other_state, other))[name], err_msg=name)


def test_domain_sums_are_those_of_numpy(tiny_run, tiny_exec) -> None:
    batches = random_batches(2)
    _, metrics = run_steps(tiny_run, tiny_exec, "data=2,fsdp=2", batches)
    for k in range(2):
        weights, ids = batches["loss_weights"][k], batches["domain_ids"][k]
        counts = [int(weights[ids == d].sum()) for d in range(3)]
        assert metrics["domain_tokens"][k].tolist() == counts
        total = metrics["domain_nll"][k].sum() / sum(counts)
        np.testing.assert_allclose(metrics["loss"][k], total, rtol=1e-6)


def test_a_bad_step_changes_only_the_counters(tiny_run, tiny_exec) -> None:
    run = dataclasses.replace(
        tiny_run,
        optimizer=OptimizerConfig(kind="muon", ema=0.9),
        bad_steps=BadStepsConfig("skip", sigmas=6.0),
    )
    batches = random_batches(3)
    batches["loss_weights"][2, 3, 3] = np.nan
    states, found = [], []
    mesh = make_mesh(MeshSpec(), jax.devices()[:1])
    trainer = make_trainer(run, tiny_exec, mesh, 3)
    state = trainer.begin(jax.device_put(first_params(run.model), param_shardings(run.model, mesh)))
    for k in range(3):
        now = {key: value[k : k + 1] for key, value in batches.items()}
        state, metrics = trainer.steps(state, put(now, trainer.batch_sharding))
        states.append(jax.device_get(state))
        found.append(jax.device_get(metrics))
    good, bad = states[1:]
    metrics = {key: np.concatenate([m[key] for m in found]) for key in ("bad", "in_a_row")}
    assert metrics["bad"].tolist() == [False, False, True]
    assert metrics["in_a_row"].tolist() == [0, 0, 1]
    counters = {"step", "skipped", "in_a_row"}
    assert {name: int(bad[name]) for name in counters} == {"step": 3, "skipped": 1, "in_a_row": 1}
    for name, value in flatten(good).items():
        if name not in counters:
            np.testing.assert_array_equal(value, flatten(bad)[name], err_msg=name)


def test_a_leaping_loss_is_bad(tiny_run, tiny_exec) -> None:
    run = dataclasses.replace(tiny_run, bad_steps=BadStepsConfig("skip", sigmas=5.0), steps=100)
    one = random_batches(1)
    batches = {key: np.repeat(value, 80, axis=0) for key, value in one.items()}
    batches["targets"][75] = (batches["targets"][75] + 7) % 64
    _, metrics = run_steps(run, tiny_exec, "data=1", batches)
    assert np.flatnonzero(metrics["bad"]).tolist() == [75]


def test_runs_share_what_is_compiled_exactly_where_their_steps_are_the_same(
    tiny_run, tiny_exec
) -> None:
    mesh = make_mesh(MeshSpec(), jax.devices()[:1])
    trainer = make_trainer(tiny_run, tiny_exec, mesh, 3)
    data = dataclasses.replace(tiny_run.data, mixture="other", seed=9, max_epochs={"a": 1.0})
    other = dataclasses.replace(tiny_run, data=data, seed=5)
    elsewhere = dataclasses.replace(tiny_exec, directory="elsewhere")
    assert make_trainer(other, elsewhere, mesh, 3) is trainer
    for changes in (
        {"steps": 21},
        {"loss": dataclasses.replace(tiny_run.loss, z_loss=0.0)},
        {"learning_rate": dataclasses.replace(tiny_run.learning_rate, peak=1e-3)},
    ):
        changed = dataclasses.replace(tiny_run, **changes)
        assert make_trainer(changed, tiny_exec, mesh, 3) is not trainer
    assert make_trainer(tiny_run, tiny_exec, mesh, 4) is not trainer


def test_a_batch_that_does_not_divide_is_refused(tiny_run, tiny_exec) -> None:
    mesh = make_mesh(MeshSpec.parse("data=8"))
    execution = dataclasses.replace(tiny_exec, microbatches=2)
    with pytest.raises(GristmillError, match="multiple of 16"):
        make_trainer(tiny_run, execution, mesh, 3)


def test_a_model_learns_four_documents_by_heart(tiny_run, tiny_exec) -> None:
    run = dataclasses.replace(
        tiny_run,
        optimizer=OptimizerConfig(weight_decay=0.0),
        learning_rate=dataclasses.replace(tiny_run.learning_rate, peak=3e-2),
        loss=dataclasses.replace(tiny_run.loss, z_loss=0.0),
        steps=150,
    )
    four = {key: value[:, 1:5] for key, value in random_batches(1).items()}
    batches = {key: np.repeat(value, 150, axis=0) for key, value in four.items()}
    _, metrics = run_steps(run, tiny_exec, "data=1", batches)
    assert metrics["loss"][0] > 4
    assert metrics["loss"][-1] < 0.05
