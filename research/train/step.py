"""One training step as a pure function: (state, batch) -> (state, metrics).

The state is one pytree, sharded over the mesh:

    params    float32, the tree of `transformer.init_params`
    opt       of the optimizer, each array lying as its parameter does
    step      int32, the batches seen; the next batch is `source[step]`
    skipped   int32, bad steps that changed nothing
    in_a_row  int32, of them since the last good one
    ema       averaged parameters (with optimizer.ema)
    spikes    running mean and variance of the loss (with bad_steps.sigmas)
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.errors import GristmillError
from research.model import transformer
from research.model.config import ModelConfig
from research.model.sharding import batch_sharding, param_shardings
from research.train.loss import cross_entropy
from research.train.optimizer import apply_updates, make_optimizer
from research.train.run_spec import BadStepsConfig, ExecSpec, LossConfig, OptimizerConfig, RunSpec
from research.train.schedules import LearningRate

State = dict[str, Any]
Batch = Mapping[str, jax.Array]
Metrics = dict[str, jax.Array]

SPIKE_MEMORY = 0.99  # of the running mean and variance of the loss, per step
SPIKE_WARMUP = 64  # steps before the variance is trusted
MOST_TRAINERS = 8  # whose compiled programs a process keeps


@dataclasses.dataclass(frozen=True)
class StepSpec:
    """All that the functions of a run are made from: runs that agree in it share their programs.

    Attributes:
      model, optimizer, learning_rate, loss, bad_steps, steps: of the RunSpec.
      attention, remat, loss_chunk, microbatches: of the ExecSpec.
      mesh: of `sharding.make_mesh`.
      domains: D, number of domains that losses are summed by.
    """

    model: ModelConfig
    optimizer: OptimizerConfig
    learning_rate: LearningRate
    loss: LossConfig
    bad_steps: BadStepsConfig
    steps: int
    attention: str
    remat: str
    loss_chunk: int
    microbatches: int
    mesh: Mesh
    domains: int


@dataclasses.dataclass(frozen=True)
class Trainer:
    """The functions of a run on a mesh.

    Attributes:
      abstract: shapes and dtypes of the state, with their shardings.
      init: seed -> state, its parameters drawn by the seed.
      begin: params -> state, at step 0 with a fresh optimizer.
      steps: jitted (state, batches [K, B, L]) -> (state, metrics [K, …]): K steps in one call.  The
        state given is used up.
      batch_sharding: of the arrays of `batches`.
      programs: compiled `steps`, by the shape of the batches.
    """

    abstract: State
    init: Callable[[int], State]
    begin: Callable[[Any], State]
    steps: jax.stages.Wrapped
    batch_sharding: NamedSharding
    programs: dict[tuple[int, ...], jax.stages.Compiled] = dataclasses.field(default_factory=dict)

    def compiled(self, batches: Batch) -> jax.stages.Compiled:
        """`steps` for batches of these shapes, compiled the first time.

        It is compiled by the abstract state, so that a resumed run finds it in the cache on disk.
        """
        shape = batches["inputs"].shape
        if shape not in self.programs:
            self.programs[shape] = self.steps.lower(self.abstract, batches).compile()
        return self.programs[shape]


def make_trainer(run: RunSpec, execution: ExecSpec, mesh: Mesh, domains: int) -> Trainer:
    """The functions of a run; nothing is computed or compiled yet.

    Runs whose functions are the same get the same Trainer, with what it has compiled so far.

    Args:
      run, execution: the run.
      mesh: of `sharding.make_mesh`.
      domains: number of the data's domains.

    Raises:
      GristmillError: the batch does not divide into microbatches over the mesh.
    """
    rows = mesh.devices.size // mesh.shape["tensor"] * execution.microbatches
    if run.data.batch % rows:
        raise GristmillError(
            f"data.batch is {run.data.batch}; over mesh {dict(mesh.shape)} with "
            f"exec.microbatches={execution.microbatches} it must be a multiple of {rows}"
        )
    return _make_trainer(
        StepSpec(
            model=run.model,
            optimizer=run.optimizer,
            learning_rate=run.learning_rate,
            loss=run.loss,
            bad_steps=run.bad_steps,
            steps=run.steps,
            attention=execution.attention,
            remat=execution.remat,
            loss_chunk=execution.loss_chunk,
            microbatches=execution.microbatches,
            mesh=mesh,
            domains=domains,
        )
    )


@functools.lru_cache(MOST_TRAINERS)
def _make_trainer(spec: StepSpec) -> Trainer:
    model, mesh = spec.model, spec.mesh
    axes = transformer.logical_axes(model)
    optimizer = make_optimizer(spec.optimizer, axes)
    replicated = NamedSharding(mesh, PartitionSpec())
    begin = functools.partial(_begin, spec, optimizer)
    params = transformer.abstract_params(model)
    shardings = _state_shardings(
        jax.eval_shape(begin, params), param_shardings(model, mesh), replicated
    )
    abstract = jax.tree.map(
        lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s),
        jax.eval_shape(begin, params),
        shardings,
    )
    # [K, B, L]: steps whole, rows over slice × data × fsdp
    stacked = NamedSharding(mesh, PartitionSpec(None, *batch_sharding(mesh).spec))
    step = functools.partial(train_step, spec=spec, optimizer=optimizer, axes=axes)

    @functools.partial(jax.jit, out_shardings=shardings)
    def draw(seed: jax.Array) -> State:
        return begin(transformer.init_params(model, seed))

    return Trainer(
        abstract=abstract,
        init=lambda seed: draw(np.uint32(seed % 2**32)),  # all that jax uses of a seed
        begin=jax.jit(begin, out_shardings=shardings),
        steps=jax.jit(
            lambda state, batches: jax.lax.scan(step, state, batches),
            in_shardings=(shardings, stacked),
            out_shardings=(shardings, replicated),
            donate_argnums=0,
        ),
        batch_sharding=stacked,
    )


def train_step(
    state: State,
    batch: Batch,
    *,
    spec: StepSpec,
    optimizer: optax.GradientTransformation,
    axes: Any,
) -> tuple[State, Metrics]:
    """One step.

    Args:
      state: of the module's docstring.
      batch: arrays [B, L] by the keys of `input_pipeline.batches`.
      spec: of the run.
      optimizer: of `make_optimizer`.
      axes: logical axes of every parameter.

    Returns:
      The next state, and metrics: `loss` in nats per token, `grad_norm` before clipping,
      `learning_rate`, `bad` (bool), `in_a_row`, `domain_nll` float32 [D] (sums in nats) and
      `domain_tokens` int32 [D].
    """
    weights_BxL = batch["loss_weights"]
    tokens = jnp.maximum(weights_BxL.sum(), 1.0)
    grads, loss_sum, nll_BxL = _gradients(state["params"], batch, spec)
    grads = jax.tree.map(lambda g: g / tokens, grads)
    norm = optax.global_norm(grads)
    domain_nll, domain_tokens = _by_domain(batch["domain_ids"], weights_BxL, nll_BxL, spec.domains)
    loss = domain_nll.sum() / tokens

    good = jnp.isfinite(loss_sum) & jnp.isfinite(norm)
    if spec.bad_steps.sigmas is not None:
        good &= ~_is_spike(state["spikes"], loss, spec.bad_steps.sigmas)
    if spec.optimizer.clip is not None:
        scale = jnp.minimum(1.0, spec.optimizer.clip / jnp.maximum(norm, 1e-30))
        grads = jax.tree.map(lambda g: g * scale, grads)
    directions, opt = optimizer.update(grads, state["opt"], state["params"])
    share = spec.learning_rate.share(state["step"], spec.steps)
    params = apply_updates(
        state["params"],
        directions,
        axes,
        rate=spec.learning_rate.peak * share,
        decay=spec.optimizer.weight_decay * share,
    )
    new = {"params": params, "opt": opt}
    if spec.optimizer.ema is not None:
        decay = spec.optimizer.ema
        new["ema"] = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, state["ema"], params)
    if spec.bad_steps.sigmas is not None:
        new["spikes"] = _follow(state["spikes"], loss)
    # a bad step leaves everything as it was but for the counters
    new = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, {key: state[key] for key in new})
    in_a_row = jnp.where(good, 0, state["in_a_row"] + 1)
    new |= {
        "step": state["step"] + 1,
        "skipped": state["skipped"] + ~good,
        "in_a_row": in_a_row,
    }
    return new, {
        "loss": loss,
        "grad_norm": norm,
        "learning_rate": spec.learning_rate.peak * share,
        "bad": ~good,
        "in_a_row": in_a_row,
        "domain_nll": domain_nll,
        "domain_tokens": domain_tokens,
    }


def _begin(spec: StepSpec, optimizer: optax.GradientTransformation, params: Any) -> State:
    """The state before the first step."""
    zero = jnp.zeros((), jnp.int32)
    state = {
        "params": params,
        "opt": optimizer.init(params),
        "step": zero,
        "skipped": zero,
        "in_a_row": zero,
    }
    if spec.optimizer.ema is not None:
        state["ema"] = params
    if spec.bad_steps.sigmas is not None:
        state["spikes"] = {
            "mean": jnp.zeros(()),
            "variance": jnp.zeros(()),
            "count": zero,
        }
    return state


def _gradients(params: Any, batch: Batch, spec: StepSpec) -> tuple[Any, jax.Array, jax.Array]:
    """Gradient of the summed loss, that sum, and the negative log-likelihoods float32 [B, L].

    Microbatches are summed and not averaged, so the tokens of all count alike however they are
    spread.
    """

    def objective(params: Any, part: Batch) -> tuple[jax.Array, jax.Array]:
        hidden_BxLxD = transformer.hidden_states(
            params,
            spec.model,
            part["inputs"],
            part["segment_ids"],
            part["positions"],
            mesh=spec.mesh,
            attention=spec.attention,
            remat=spec.remat,
        )
        return cross_entropy(
            hidden_BxLxD,
            transformer.output_projection(params, spec.model),
            part["targets"],
            part["loss_weights"],
            mesh=spec.mesh,
            chunk=spec.loss_chunk,
            z_loss=spec.loss.z_loss,
            soft_cap=spec.model.logit_soft_cap,
        )

    differentiate = jax.value_and_grad(objective, has_aux=True)
    parts = spec.microbatches
    if parts == 1:
        (loss_sum, nll_BxL), grads = differentiate(params, batch)
        return grads, loss_sum, nll_BxL

    # row i·parts + m goes to microbatch m: every device keeps the rows it has
    sharding = NamedSharding(spec.mesh, PartitionSpec(None, *batch_sharding(spec.mesh).spec))

    def split(x_BxL: jax.Array) -> jax.Array:
        split_MxBxL = x_BxL.reshape(-1, parts, x_BxL.shape[1]).swapaxes(0, 1)
        return jax.lax.with_sharding_constraint(split_MxBxL, sharding)

    def accumulate(carry: Any, part: Batch) -> tuple[Any, jax.Array]:
        (loss_sum, nll), grads = differentiate(params, part)
        return jax.tree.map(jnp.add, carry, (grads, loss_sum)), nll

    zeros = (jax.tree.map(jnp.zeros_like, params), jnp.zeros(()))
    (grads, loss_sum), nll_MxBxL = jax.lax.scan(accumulate, zeros, jax.tree.map(split, dict(batch)))
    return grads, loss_sum, nll_MxBxL.swapaxes(0, 1).reshape(batch["inputs"].shape)


def _by_domain(
    domains_BxL: jax.Array, weights_BxL: jax.Array, nll_BxL: jax.Array, domains: int
) -> tuple[jax.Array, jax.Array]:
    """Sums of nats float32 [D] and numbers of tokens int32 [D].

    Summed within rows first, where they lie, so that nothing but [D] crosses devices.
    """
    sums = jax.vmap(functools.partial(jax.ops.segment_sum, num_segments=domains))
    nll_BxD = sums(weights_BxL * nll_BxL, domains_BxL)
    tokens_BxD = sums((weights_BxL > 0).astype(jnp.int32), domains_BxL)
    return nll_BxD.sum(0), tokens_BxD.sum(0)


def _is_spike(spikes: Mapping[str, jax.Array], loss: jax.Array, sigmas: float) -> jax.Array:
    high = spikes["mean"] + sigmas * jnp.sqrt(spikes["variance"])
    return (spikes["count"] >= SPIKE_WARMUP) & (loss > high)


def _follow(spikes: Mapping[str, jax.Array], loss: jax.Array) -> dict[str, jax.Array]:
    """The running mean and variance with one more loss, unbiased from the first step on."""
    count = spikes["count"] + 1
    keep = jnp.minimum(SPIKE_MEMORY, 1 - 1 / count)
    mean = keep * spikes["mean"] + (1 - keep) * loss
    deviation = (loss - spikes["mean"]) * (loss - mean)
    variance = keep * spikes["variance"] + (1 - keep) * deviation
    return {"mean": mean, "variance": variance, "count": count}


def _state_shardings(state: Any, params: Any, replicated: NamedSharding) -> Any:
    """Shardings of a state: an array whose path ends as a parameter's does lies as that does."""
    of_path = {path: sharding for path, sharding in jax.tree_util.tree_flatten_with_path(params)[0]}
    longest = max(map(len, of_path))

    def sharding_of(path: tuple, _: Any) -> NamedSharding:
        for size in range(min(longest, len(path)), 0, -1):
            if path[-size:] in of_path:
                return of_path[path[-size:]]
        return replicated

    return jax.tree_util.tree_map_with_path(sharding_of, state)
