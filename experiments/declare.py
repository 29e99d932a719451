"""From an experiment module and Gin files to a sweep: every cell with its run and its directory."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.arms import Arm
from experiments.cells import Cell, Sweep, SweepSettings
from research import artefacts, gin_bindings
from research.analyse.sweep_record import ArmRecord, CellRecord, SweepRecord
from research.errors import GristmillError
from research.input_pipeline.batches import BatchSource
from research.input_pipeline.loader import open_caches
from research.model.config import ModelConfig, flops_per_token, parameters
from research.registry.modules import import_module
from research.registry.specs import load_mixture
from research.terminal import human
from research.train import overview
from research.train.loop import open_data
from research.train.run_spec import (
    SECTIONS,
    ExecSpec,
    InitConfig,
    RunSpec,
    refuse_unless,
    resolve_with,
)

MODELS = Path(__file__).parent.parent / "gin_configs" / "models"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_FILES = {"sweep.json", "report.html", "results.csv", "results.parquet", "workers.log"}
_OWN_FIELDS = {"run.steps": "steps", "run.seed": "seed"}  # of the RunSpec itself


def declare(
    experiment: str, gin_files: Sequence[str], options: Sequence[str], directory: str | None
) -> Sweep:
    """The sweep that an experiment module makes of Gin files.

    Args:
      experiment: dotted name of the module, or a .py file.
      gin_files, options: as of `resolve`; they may bind the section `sweep` and one named like
        the module.
      directory: of the sweep, in place of sweep.directory.

    Raises:
      GristmillError: the module, a binding, an arm or a size is at fault.
    """
    module = import_module(experiment)
    file = experiment.endswith(".py")
    section = Path(experiment).stem if file else experiment.rpartition(".")[2]
    settings_class = _provided(module, experiment, "Settings")
    if not dataclasses.is_dataclass(settings_class):
        raise GristmillError(f"experiment {experiment}: its Settings is no dataclass")
    run, execution, sections = resolve_with(
        gin_files, options, {"sweep": SweepSettings, section: settings_class}
    )
    settings: SweepSettings = sections["sweep"]
    name = settings.name or (Path(gin_files[0]).stem if gin_files else section)
    chosen = directory or settings.directory or artefacts.data_root() / "sweeps" / name
    refuse_unless("://" not in str(chosen), f"{chosen}: a sweep's folder is a mounted one")
    folder = Path(chosen).absolute()
    if hasattr(module, "prepare"):
        _call(experiment, "prepare", module.prepare, sections[section])
    made = _call(experiment, "arms", _provided(module, experiment, "arms"), run, sections[section])
    if not isinstance(made, Iterable):
        raise GristmillError(f"experiment {experiment}: arms() returns a list of Arm")
    arms = _call(experiment, "arms", list, made)  # of a generator, its body runs here
    _check_arms(experiment, arms)
    models = _models(run.model, settings.sizes, gin_files)
    metric = settings.metric
    if metric is None:
        refuse_unless(bool(run.evals.mixtures), "evals.mixtures is empty: name what to measure on")
        metric = f"{run.evals.mixtures[0]}/all/bits_per_byte"
    cells, mixtures = _cells(folder, run, execution, arms, models, settings.seeds)
    _check_metric(metric, cells)
    record = SweepRecord(
        name=name,
        experiment=experiment,
        question=next(iter((module.__doc__ or "").strip().splitlines()), ""),
        command=_command(experiment, gin_files, options, directory),
        metric=metric,
        better=settings.better,
        arms=tuple(
            ArmRecord(
                arm.name, arm.description, dict(arm.changes), arm.baseline, mixtures[arm.name]
            )
            for arm in arms
        ),
        sizes=tuple(models),
        seeds=settings.seeds,
        cells=tuple(cell.record for cell in cells),
        made_by=artefacts.tool_versions("jax", "numpy"),
    )
    return Sweep(folder, settings, record, tuple(cells))


def _command(
    experiment: str, gin_files: Sequence[str], options: Sequence[str], directory: str | None
) -> str:
    """The command that runs the sweep again."""
    words = ["gristmill", "sweep", experiment]
    words += [word for file in gin_files for word in ("--gin_file", str(file))]
    words += [word for option in options for word in ("--gin", option)]
    words += ["--directory", directory] if directory else []
    return shlex.join(words)


# ---- the module ---------------------------------------------------------------------------------


def _provided(module: types.ModuleType, experiment: str, name: str) -> Any:
    if not hasattr(module, name):
        raise GristmillError(
            f"experiment {experiment} has no {name}; see experiments/arms.py for what it provides"
        )
    return getattr(module, name)


def _call(experiment: str, name: str, function: Any, *arguments: Any) -> Any:
    """Calls a function of the module; what it raises becomes one line."""
    if not callable(function):
        raise GristmillError(f"experiment {experiment}: {name} is no function")
    try:
        return function(*arguments)
    except GristmillError as error:
        raise GristmillError(f"experiment {experiment}: {error}") from None
    except (Exception, SystemExit) as error:
        said = _said(error)
        raise GristmillError(
            f"experiment {experiment}: {name}() raised {type(error).__name__}"
            + (f": {said}" if said else "")
        ) from None


def _said(error: BaseException) -> str:
    """The message of an exception, in one line; '' where it has none that can be had."""
    try:
        return " ".join(str(error).split())
    except Exception:
        return ""


def _check_arms(experiment: str, arms: Sequence[Any]) -> None:
    """Raises GristmillError unless these are arms, of different names, one of them a baseline."""
    if not all(isinstance(arm, Arm) for arm in arms):
        raise GristmillError(f"experiment {experiment}: arms() returns a list of Arm")
    by_name: dict[str, Arm] = {}
    for arm in arms:
        _check_arm(arm)
        if arm.name in by_name:
            raise GristmillError(f"experiment {experiment} has two arms {arm.name}")
        same = [name for name in by_name if name.lower() == arm.name.lower()]
        if same:
            raise GristmillError(
                f"experiment {experiment}: the names of arms {same[0]} and {arm.name} differ only "
                "by case, which some file systems do not tell apart; rename one"
            )
        by_name[arm.name] = arm
    if not by_name:
        raise GristmillError(f"experiment {experiment} has no arms")
    baselines = [arm.name for arm in arms if arm.baseline]
    if len(baselines) != 1:
        raise GristmillError(
            f"experiment {experiment} has {' and '.join(baselines) or 'no arm'} as baseline; "
            "mark one arm with baseline=True"
        )
    for arm in arms:
        if (arm.branch_of is None) != (arm.branch_at is None):
            raise GristmillError(f"arm {arm.name}: branch_of and branch_at are set together")
        if arm.branch_of is not None:
            stem = by_name.get(arm.branch_of)
            if stem is None or stem.branch_of is not None:
                raise GristmillError(
                    f"arm {arm.name}: branch_of is {arm.branch_of}, which is "
                    + ("no arm" if stem is None else "a branch itself; name the stem")
                )


def _check_arm(arm: Arm) -> None:
    """Raises GristmillError unless the fields of an arm are what they should be."""
    if not isinstance(arm.name, str) or not _NAME.fullmatch(arm.name):
        raise GristmillError(
            f"arm {arm.name!r}: a name has letters, digits, '_', '-' and '.' only, and begins "
            "with none of the last two"
        )
    if arm.name.lower() in _FILES:
        raise GristmillError(f"arm {arm.name}: a file in the sweep's folder has this name")
    if not isinstance(arm.changes, Mapping) or not all(isinstance(f, str) for f in arm.changes):
        raise GristmillError(
            f"arm {arm.name}: its changes are a mapping of fields such as 'data.schedule'"
        )
    for field, kind, what in (
        ("description", str, "text"),
        ("baseline", bool, "True or False"),
        ("branch_of", str | None, "the name of an arm"),
        ("branch_at", int | None, "a step"),
    ):
        if not isinstance(getattr(arm, field), kind):
            raise GristmillError(f"arm {arm.name}: its {field} must be {what}")


# ---- the cells ----------------------------------------------------------------------------------


def _models(
    model: ModelConfig, sizes: Sequence[str], gin_files: Sequence[str]
) -> dict[str, ModelConfig]:
    """The model of every size, smallest first."""
    if not sizes:
        return {human(parameters(model)): model}
    beside = [Path(file).parent.parent / "models" for file in gin_files[:1]]
    models = {}
    for size in sizes:
        if not _NAME.fullmatch(size):
            raise GristmillError(f"sweep.sizes: {size!r} is no name of a file of models")
        paths = [folder / f"{size}.gin" for folder in (*beside, MODELS)]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            there = ", ".join(sorted(file.stem for file in paths[-1].parent.glob("*.gin")))
            raise GristmillError(f"sweep.sizes: there is no model {size} (there are: {there})")
        bindings = gin_bindings.read([str(path)], [], {"model": ModelConfig})["model"]
        values = {name: binding.value for name, binding in bindings.items()}
        models[size] = gin_bindings.build(ModelConfig, dataclasses.asdict(model) | values, "model")
    return dict(sorted(models.items(), key=lambda item: parameters(item[1])))


def changed(run: RunSpec, arm: Arm) -> RunSpec:
    """A run with an arm's changes.

    Raises:
      GristmillError: an arm changes a field that there is not, or to what it cannot be.
    """
    values = {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}
    sections: dict[str, dict[str, Any]] = {}
    tokens = None
    try:
        for path, value in arm.changes.items():
            section, _, field = path.partition(".")
            if path in _OWN_FIELDS:
                values[_OWN_FIELDS[path]] = gin_bindings.convert(value, int, path)
            elif path == "run.tokens":
                tokens = gin_bindings.convert(value, int, path)
            elif section in SECTIONS and section not in ("run", "exec") and field:
                sections.setdefault(section, {})[field] = value
            else:
                known = ", ".join(name for name in SECTIONS if name != "exec")
                raise GristmillError(f"{path} is no field of a run (section.field; {known})")
        for section, fields in sections.items():
            plain = dataclasses.asdict(values[section]) | fields
            values[section] = gin_bindings.build(SECTIONS[section], plain, section)
        if tokens is not None:
            values["steps"] = math.ceil(tokens / (values["data"].batch * values["data"].length))
        return RunSpec(**values)
    except GristmillError as error:
        raise GristmillError(f"arm {arm.name}: {error}") from None


def _cells(
    folder: Path,
    run: RunSpec,
    execution: ExecSpec,
    arms: Sequence[Arm],
    models: Mapping[str, ModelConfig],
    seeds: Sequence[int],
) -> tuple[list[Cell], dict[str, str]]:
    """All cells, and what the plan of every arm prints as."""
    cells: dict[tuple[str, str, int], Cell] = {}
    plans: dict[tuple[str, str, int], BatchSource] = {}
    mixtures: dict[str, str] = {}
    several = len(models) > 1
    for arm in sorted(arms, key=lambda arm: arm.branch_of is not None):  # stems first
        for size, model in models.items():
            for seed in seeds:
                coupled = dataclasses.replace(
                    run, model=model, seed=seed, data=dataclasses.replace(run.data, seed=seed)
                )
                made = changed(coupled, arm)
                key = (arm.name, size, seed)
                plans[key] = source = _plan(arm, made)
                mixtures.setdefault(arm.name, overview.plan(made, source))
                stem = None
                if arm.branch_of is not None:
                    stem = cells[arm.branch_of, size, seed]
                    before = plans[arm.branch_of, size, seed]
                    made = _branched(folder, arm, made, stem, source, before)
                cells[key] = _cell(folder, execution, key, several, made, source, stem, arm)
    by_run: dict[str, CellRecord] = {}
    for cell in cells.values():
        other = by_run.setdefault(cell.record.fingerprint, cell.record)
        if other is not cell.record:
            raise GristmillError(
                f"arm {cell.record.arm} changes nothing: its run {cell.record.directory} is the "
                f"same as {other.directory}"
            )
    in_order = [cells[arm.name, size, k] for arm in arms for size in models for k in seeds]
    return [_kept(cell, arms) for cell in in_order], mixtures


def _check_metric(metric: str, cells: Sequence[Cell]) -> None:
    """Raises GristmillError if a cell's run will not measure the metric."""
    known: dict[str, set[str]] = {}
    for cell in cells:
        if (evals := repr(cell.run.evals)) not in known:
            known[evals] = _metrics(cell.run)
        if metric not in known[evals]:
            raise GristmillError(
                f"sweep.metric: arm {cell.record.arm} has no {metric}; "
                + gin_bindings.closest(metric, known[evals])
            )


def _metrics(run: RunSpec) -> set[str]:
    """What a run measures: its loss, and the values of its evaluations."""
    root, names = artefacts.data_root(), {"loss"}
    for name in run.evals.mixtures:
        caches = open_caches(root, load_mixture(root, name, run.data.modules), "validation")
        domains = {domain for cache in caches.values() for domain in cache.manifest["domains"]}
        for domain in (*domains, "all"):
            names |= {f"{name}/{domain}/loss", f"{name}/{domain}/bits_per_byte"}
    return names | {f"{name}/exact_match" for name in run.evals.exact_match}


def _plan(arm: Arm, run: RunSpec) -> BatchSource:
    try:
        return open_data(run, None)
    except GristmillError as error:
        raise GristmillError(f"arm {arm.name}: {error}") from None


def _branched(
    folder: Path, arm: Arm, run: RunSpec, stem: Cell, source: BatchSource, before: BatchSource
) -> RunSpec:
    """The run of a branch, which begins with its stem's checkpoint."""
    step = arm.branch_at or 0
    if not 0 < step < min(stem.record.steps, len(source)):
        raise GristmillError(
            f"arm {arm.name}: branch_at is {step}; {arm.branch_of} has {stem.record.steps} steps, "
            f"this arm {len(source)}"
        )
    if source.state(step) != before.state(step):
        raise GristmillError(
            f"arm {arm.name} sees other batches before step {step} than {arm.branch_of}, which it "
            "branches off: change data.schedule from that step on alone"
        )
    path = str(folder / stem.record.directory)
    init = InitConfig("branch", path, step, fingerprint=stem.record.fingerprint)
    return dataclasses.replace(run, init=init)


def _cell(
    folder: Path,
    execution: ExecSpec,
    key: tuple[str, str, int],
    several: bool,
    run: RunSpec,
    source: BatchSource,
    stem: Cell | None,
    arm: Arm,
) -> Cell:
    name, size, seed = key
    directory = "/".join((name, size, f"seed{seed}") if several else (name, f"seed{seed}"))
    tokens = len(source) * run.data.batch * run.data.length
    record = CellRecord(
        arm=name,
        size=size,
        seed=seed,
        directory=directory,
        fingerprint=run.fingerprint,
        steps=len(source),
        tokens=tokens,
        flops=flops_per_token(run.model, run.data.length) * tokens,
        parameters=parameters(run.model),
        after=None if stem is None else stem.record.directory,
        first_step=0 if stem is None else arm.branch_at or 0,
    )
    placed = dataclasses.replace(execution, directory=str(folder / directory))
    sources = {cache.name: cache.manifest["fingerprint"] for cache in source.caches}
    return Cell(record, run, placed, sources)


def _kept(cell: Cell, arms: Sequence[Arm]) -> Cell:
    """The cell, which saves and keeps the checkpoints that arms branch off from."""
    steps = [arm.branch_at for arm in arms if arm.branch_of == cell.record.arm]
    if not steps:
        return cell
    common = math.gcd(*(step or 0 for step in steps))
    execution = cell.execution
    most, together = execution.checkpoint_every, execution.steps_per_call
    divisors = [d for d in range(1, min(common, most) + 1) if common % d == 0]
    # of the intervals that meet every branch, one that whole calls fit into, then the longest
    every = max(divisors, key=lambda d: (math.gcd(d, together), d))
    saved = dataclasses.replace(execution, checkpoint_every=every, keep_every=common)
    return dataclasses.replace(cell, execution=saved)
