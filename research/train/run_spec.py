"""What a run is: `RunSpec` holds what changes its result, `ExecSpec` what must not.

A run is configured by sections of fields, one dataclass each:

    run.steps = 2000            model.width = 256        data.mixture = 'demo'
    optimizer.kind = 'muon'     learning_rate.peak = 3e-3     exec.mesh = 'data=1,fsdp=8'

Gin files and --gin options resolve to exactly one RunSpec and one ExecSpec.  The fingerprint of a
RunSpec is the identity of its result; `differences` says field by field how two runs differ.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from etils import epath

from research import artefacts, gin_bindings
from research.errors import GristmillError
from research.input_pipeline.batches import DataSpec
from research.input_pipeline.mixture_plan import Schedule
from research.model.config import ModelConfig
from research.train.schedules import LearningRate

FORMAT = 1


def refuse_unless(condition: bool, message: str) -> None:
    """Raises GristmillError with `message` unless the condition holds."""
    if not condition:
        raise GristmillError(message)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What the model reads.

    Attributes:
      mixture: a Mixture or Task of the registry.
      length: L, targets in a row.
      batch: B, rows in a step, over all devices.
      seed: of the order of documents, rows and slots.
      schedule: ((step, {source: share}), …) in place of the mixture's own shares.
      schedule_kind: 'step' holds each point's shares until the next, 'linear' ramps.
      max_epochs: caps by source.
      on_cap: what a source at its cap does.
      packer: how documents fill rows.
      across_documents: if True, documents of a row attend and predict across their borders.
      modules: what defines the mixture beside the shipped modules, as in `load_mixture` (no part of
        the fingerprint: the sources they define are compared instead).
    """

    mixture: str
    length: int
    batch: int
    seed: int
    schedule: tuple[tuple[int, Mapping[str, float]], ...] | None = None
    schedule_kind: Literal["step", "linear"] = "step"
    max_epochs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    on_cap: Literal["redistribute", "stop", "error"] = "redistribute"
    packer: Literal["concat", "best_fit"] = "concat"
    across_documents: bool = False
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("length", "batch"):
            value = getattr(self, name)
            refuse_unless(value >= 1, f"data.{name} is {value}; it must be at least 1")

    def data_spec(self, shares: Schedule, steps: int) -> DataSpec:
        """The input pipeline's description of these batches.

        Args:
          shares: the mixture's own, used where no schedule is given.
          steps: of the whole run.
        """
        given = None if self.schedule is None else Schedule(self.schedule, self.schedule_kind)
        return DataSpec(
            schedule=given or shares,
            steps=steps,
            batch=self.batch,
            length=self.length,
            seed=self.seed,
            packer=self.packer,
            max_epochs=self.max_epochs,
            on_cap=self.on_cap,
            across_documents=self.across_documents,
        )


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How gradients become updates.

    Attributes:
      kind: 'adamw', or 'muon' for the hidden matrices with AdamW for all else.
      b1, b2, eps: of AdamW.
      weight_decay: independent of the peak learning rate: a step shrinks matrices by
        weight_decay × (learning rate / its peak).  Norms and biases do not decay.
      clip: the global norm that gradients are scaled down to; None for no limit.
      momentum: of Muon, with Nesterov's correction.
      newton_schulz_steps: of Muon's orthogonalisation.
      ema: decay per step of the averaged parameters that evaluations use; None for no average.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    b1: float = 0.9
    b2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 1e-4
    clip: float | None = 1.0
    momentum: float = 0.95
    newton_schulz_steps: int = 5
    ema: float | None = None

    def __post_init__(self) -> None:
        for name in ("b1", "b2", "momentum", "ema"):
            value = getattr(self, name)
            fits = value is None or 0 <= value < 1
            refuse_unless(fits, f"optimizer.{name} is {value}; it must be at least 0 and below 1")
        decay = self.weight_decay
        refuse_unless(0 <= decay < 1, f"optimizer.weight_decay is {decay}; it is a share a step")
        positive = self.clip is None or self.clip > 0
        refuse_unless(positive, f"optimizer.clip is {self.clip}; it must be above 0, or None")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Attributes:
    z_loss: weight of the squared log-sum-exp of the logits (PaLM's auxiliary loss).
    """

    z_loss: float = 0.0

    def __post_init__(self) -> None:
        refuse_unless(self.z_loss >= 0, f"loss.z_loss is {self.z_loss}; it is at least 0")


@dataclasses.dataclass(frozen=True)
class BadStepsConfig:
    """What happens at a step whose loss or gradient is NaN or infinite, or whose loss leaps.

    Either way the step changes neither parameters nor optimizer.

    Attributes:
      policy: 'stop' ends the run with an error, 'skip' goes on with the next batch and counts.
      sigmas: a loss this many standard deviations above its running mean is bad too; None: never.
      most_in_a_row: with 'skip', more bad steps than this in succession end the run.
    """

    policy: Literal["stop", "skip"] = "stop"
    sigmas: float | None = None
    most_in_a_row: int = 20

    def __post_init__(self) -> None:
        good = self.sigmas is None or self.sigmas > 0
        refuse_unless(good, f"bad_steps.sigmas is {self.sigmas}; it must be above 0, or None")


@dataclasses.dataclass(frozen=True)
class EvalsConfig:
    """What is measured along the way, on the validation splits of mixtures.

    Attributes:
      mixtures: names of those whose loss is measured.
      exact_match: {name of the value: mixture} of those whose documents hold a prompt and an
        answer, which greedy completions are compared with.
      every: steps between evaluations; None evaluates at the end only.
      documents: of each source, the first so many; None for all.
      length: tokens that a document's tokens are scored with, or a prompt and its completion have,
        at most; None: data.length.
    """

    mixtures: tuple[str, ...] = ()
    exact_match: Mapping[str, str] = dataclasses.field(default_factory=dict)
    every: int | None = None
    documents: int | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        for name in ("every", "documents", "length"):
            value = getattr(self, name)
            refuse_unless(
                value is None or value >= 1, f"evals.{name} is {value}; it must be at least 1"
            )
        for name in self.exact_match:  # it becomes part of a file's name
            fits = re.fullmatch(r"\w[\w.-]*", name) is not None
            refuse_unless(fits, f"evals.exact_match: {name!r} has more than letters, digits, '_-.'")


@dataclasses.dataclass(frozen=True)
class InitConfig:
    """What a run begins with.

    Attributes:
      kind: 'seed' draws parameters by run.seed.  'weights' takes the parameters of another run,
        or imported ones, and begins at step 0 with a fresh optimizer and the
        learning rate's own warm-up (re-warming, as in Ibrahim et al., "Simple and scalable
        strategies to continually pre-train large language models", 2024).  'branch' takes the
        whole state of another run's checkpoint and goes on at its step.
      path: the other run's directory, or the name of imported weights (no part of the
        fingerprint).
      step: of the other run's checkpoint.
      fingerprint: of the other run; filled in when the configuration is resolved.
    """

    kind: Literal["seed", "weights", "branch"] = "seed"
    path: str | None = None
    step: int | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        if self.kind == "seed":
            unset = self.path is None and self.step is None
            refuse_unless(unset, "init.path and init.step are of no use with init.kind 'seed'")
        else:
            refuse_unless(bool(self.path), f"init.path is not set; init.kind {self.kind!r} asks it")
        if self.kind == "branch":
            refuse_unless(self.step is not None, "init.step is not set: say where to branch off")


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """The section `run`.

    Attributes:
      seed: of the initial parameters.
      steps, tokens: the length of the run, by one of the two.
    """

    seed: int
    steps: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        one = (self.steps is None) != (self.tokens is None)
        refuse_unless(one, "run.steps or run.tokens: set one of the two")
        length = self.steps if self.tokens is None else self.tokens
        refuse_unless((length or 0) >= 1, "run.steps or run.tokens must be at least 1")


@dataclasses.dataclass(frozen=True)
class RunSpec:
    """All that decides the result of a run, but for the contents of its sources.

    Attributes:
      model: the transformer.
      data, optimizer, learning_rate, loss, bad_steps, evals, init: see their classes.
      steps: of the whole run.
      seed: of the initial parameters.
    """

    model: ModelConfig
    data: DataConfig
    optimizer: OptimizerConfig
    learning_rate: LearningRate
    loss: LossConfig
    bad_steps: BadStepsConfig
    evals: EvalsConfig
    init: InitConfig
    steps: int
    seed: int

    def __post_init__(self) -> None:
        self.learning_rate.check(self.steps)

    @property
    def tokens(self) -> int:
        """Targets of the whole run, padding included."""
        return self.steps * self.data.batch * self.data.length

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` is the inverse."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunSpec:
        """Inverse of `to_json`.

        Raises:
          GristmillError: a field is missing, unknown or of the wrong type.
        """
        return gin_bindings.build(cls, value, "run")

    def identity(self) -> dict[str, Any]:
        """What the fingerprint is made from: all fields but places in the file system."""
        value = self.to_json()
        del value["data"]["modules"], value["init"]["path"]
        return {"format": FORMAT, **value}

    @property
    def fingerprint(self) -> str:
        """Equal for two runs exactly when all that decides their results is equal."""
        return artefacts.fingerprint(self.identity())


@dataclasses.dataclass(frozen=True)
class ExecSpec:
    """How and where a run is computed; nothing here may change its result beyond rounding.

    Attributes:
      directory: of the run; None: <data root>/runs/<name of the gin file>/seed<run.seed>.
      mesh: sizes of the mesh axes, as 'data=1,fsdp=256'; None: data over all devices.
      attention: the implementation, 'auto' for the best one of the platform.
      remat: what the backward pass computes again: 'none', 'dots' or 'full'.
      loss_chunk: tokens of a device whose logits exist at one time.
      microbatches: parts of a batch whose gradients are accumulated one after another.
      steps_per_call: steps in one compiled call, at most.
      eval_batch: rows of an evaluation batch; None: data.batch.
      hosts, coordinator, process: of a run of several processes that no TPU metadata describes:
        their number, host:port of the first, and the number of this one.
      threads: that build batches.
      prefetch: batches kept ready.
      checkpoint_every: steps between checkpoints.
      keep_last: checkpoints kept.
      keep_every: checkpoints at multiples of so many steps are kept for good; None: none.
      log_every: steps that a line of metrics sums up.
      tensorboard: whether to write TensorBoard event files too.
      compile_cache: folder of compiled programs, for fast restarts; None: <data root>/compiled;
        '' for none.
    """

    directory: str | None = None
    mesh: str | None = None
    attention: str = "auto"
    remat: str = "none"
    loss_chunk: int = 1024
    microbatches: int = 1
    steps_per_call: int = 1
    eval_batch: int | None = None
    hosts: int | None = None
    coordinator: str | None = None
    process: int | None = None
    threads: int = 1
    prefetch: int = 4
    checkpoint_every: int = 1000
    keep_last: int = 2
    keep_every: int | None = None
    log_every: int = 10
    tensorboard: bool = True
    compile_cache: str | None = None

    def __post_init__(self) -> None:
        for name in ("loss_chunk", "microbatches", "steps_per_call", "eval_batch", "hosts",
                     "checkpoint_every", "keep_last", "keep_every", "log_every"):  # fmt: skip
            value = getattr(self, name)
            refuse_unless(
                value is None or value >= 1, f"exec.{name} is {value}; it must be at least 1"
            )
        for name in ("threads", "prefetch"):
            refuse_unless(getattr(self, name) >= 0, f"exec.{name} is negative")
        together = len({self.coordinator is None, self.process is None}) == 1
        refuse_unless(together, "exec.coordinator and exec.process are set together")
        if self.coordinator is not None:
            refuse_unless(self.hosts is not None, "exec.hosts is not set, exec.coordinator is")


SECTIONS = {
    "model": ModelConfig,
    "data": DataConfig,
    "optimizer": OptimizerConfig,
    "learning_rate": LearningRate,
    "loss": LossConfig,
    "bad_steps": BadStepsConfig,
    "evals": EvalsConfig,
    "init": InitConfig,
    "run": RunSettings,
    "exec": ExecSpec,
}


def resolve(gin_files: Sequence[str], options: Sequence[str]) -> tuple[RunSpec, ExecSpec]:
    """The run that gin files and --gin options describe.

    Raises:
      GristmillError: a binding at fault, with its file and line; or a field that is not set.
    """
    run, execution, _ = resolve_with(gin_files, options, {})
    return run, execution


def resolve_with(
    gin_files: Sequence[str], options: Sequence[str], more: Mapping[str, type]
) -> tuple[RunSpec, ExecSpec, dict[str, Any]]:
    """Like `resolve`, of files that bind more sections than a run's.

    Args:
      gin_files, options: as in `resolve`.
      more: the dataclass of each further section.

    Returns:
      The run, and what the further sections hold, by section.
    """
    refuse_unless(bool(gin_files or options), "no configuration: give --gin_file FILE")
    sections = {**SECTIONS, **more}
    bindings = gin_bindings.read(gin_files, options, sections)
    made: dict[str, Any] = {}
    for section, cls in sections.items():
        values = {name: binding.value for name, binding in bindings[section].items()}
        try:
            made[section] = gin_bindings.build(cls, values, section)
        except GristmillError as error:
            raise gin_bindings.placed(error, bindings) from None
    settings: RunSettings = made.pop("run")
    execution: ExecSpec = made.pop("exec")
    others = {section: made.pop(section) for section in more}
    data: DataConfig = made["data"]
    steps = settings.steps
    if steps is None:
        steps = math.ceil((settings.tokens or 0) / (data.batch * data.length))
    made["init"] = _identified(made["init"])
    try:
        run = RunSpec(**made, steps=steps, seed=settings.seed)
    except GristmillError as error:
        raise gin_bindings.placed(error, bindings) from None
    if execution.directory is None:
        name = Path(gin_files[0]).stem if gin_files else run.fingerprint[:12]
        directory = artefacts.data_root() / "runs" / name / f"seed{run.seed}"
        execution = dataclasses.replace(execution, directory=str(directory))
    return run, execution, others


def _identified(init: InitConfig) -> InitConfig:
    """`init` with the fingerprint of the run it begins from."""
    if init.kind == "seed" or init.fingerprint:
        return init
    spec = Path(init.path or "") / "spec.json"
    if spec.exists():
        return dataclasses.replace(init, fingerprint=read_spec(spec.parent)["fingerprint"])
    refuse_unless(init.kind == "weights", f"init.path: {init.path} is no run (it has no spec.json)")
    refuse_unless(init.step is None, "init.step is of use with a run only, not with weights")
    folder = artefacts.data_root() / "weights" / (init.path or "")
    remedy = f"gristmill weights import DIR --name {init.path} (or name a run's directory)"
    manifest = artefacts.read_manifest(folder, "weights", remedy)
    return dataclasses.replace(init, fingerprint=manifest["fingerprint"])


def read_spec(directory: Path | epath.Path) -> dict[str, Any]:
    """The contents of a run directory's spec.json: run, fingerprint, sources.

    Raises:
      GristmillError: there is none, or it is damaged.
    """
    path = directory / "spec.json"
    try:
        value = json.loads(path.read_text())
        if not isinstance(value["run"], dict) or not isinstance(value["fingerprint"], str):
            raise TypeError
        return value
    except (FileNotFoundError, NotADirectoryError):
        raise GristmillError(f"{directory} is no run directory (it has no spec.json)") from None
    except (ValueError, KeyError, TypeError):
        raise GristmillError(f"{path} is damaged; delete {directory} and train again") from None


def differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    """'field: value there, value here' for every field in which two JSON objects differ."""
    lines = []
    for key in dict.fromkeys([*there, *here]):
        a, b = there.get(key, "unset"), here.get(key, "unset")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            lines += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            lines.append(f"{prefix}{key}: {json.dumps(a)} there, {json.dumps(b)} here")
    return lines
