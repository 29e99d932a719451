"""Evaluators by their descriptions: for a run under way, and for one that has been trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from etils import epath
from jax.sharding import Mesh

from research import artefacts
from research.errors import GristmillError
from research.evaluate.domains import DomainLoss, Sums
from research.evaluate.exact_match import ExactMatch, read_items
from research.input_pipeline.loader import open_caches
from research.model.sharding import MeshSpec, check_mesh, make_mesh
from research.registry.specs import MixtureSpec, VocabularySpec, load_mixture
from research.registry.tokenizers import load_tokenizer
from research.train.checkpoint import load_params
from research.train.run_directory import write_json
from research.train.run_spec import ExecSpec, RunSpec, read_spec


def make_evaluators(run: RunSpec, execution: ExecSpec, mesh: Mesh) -> list[DomainLoss | ExactMatch]:
    """What run.evals asks for, for `train.loop.train`.

    Raises:
      GristmillError: a mixture is not cached, has another vocabulary than the run's, or has no
        prompts and answers.
    """
    length = run.evals.length or run.data.length
    batch = execution.eval_batch or run.data.batch
    folder = epath.Path(execution.directory or "") / "evaluations"
    losses = [
        domain_loss(
            name,
            run,
            mesh,
            modules=run.data.modules,
            length=length,
            batch=batch,
            documents=run.evals.documents,
            attention=execution.attention,
            chunk=execution.loss_chunk,
            folder=folder,
        )
        for name in run.evals.mixtures
    ]
    root = artefacts.data_root()
    matches = []
    for name, mixture_name in run.evals.exact_match.items():
        mixture, vocabulary = of_same_vocabulary(mixture_name, run, run.data.modules)
        tokenizer = load_tokenizer(root, vocabulary.name)
        matches.append(
            ExactMatch(
                name,
                run.model,
                read_items(root, mixture, tokenizer, run.evals.documents),
                tokenizer,
                length=length,
                batch=batch,
                mesh=mesh,
                attention=execution.attention,
                folder=folder,
            )
        )
    return [*losses, *matches]


def of_same_vocabulary(
    name: str, run: RunSpec, modules: Sequence[str]
) -> tuple[MixtureSpec, VocabularySpec]:
    """A mixture to evaluate on, and its vocabulary.

    Raises:
      GristmillError: there is no such mixture, or it has another vocabulary than the run's.
    """
    root = artefacts.data_root()
    mixture = load_mixture(root, name, modules)
    vocabulary = next(iter(mixture.tasks.values())).vocabulary
    trained = load_mixture(root, run.data.mixture, run.data.modules)
    of_run = next(iter(trained.tasks.values())).vocabulary
    if vocabulary.sha256 != of_run.sha256:
        raise GristmillError(
            f"mixture {name} has vocabulary {vocabulary.name}, the run {of_run.name}: "
            "a model scores only tokens of its own vocabulary"
        )
    return mixture, vocabulary


def domain_loss(
    name: str,
    run: RunSpec,
    mesh: Mesh,
    *,
    modules: Sequence[str],
    length: int,
    batch: int,
    documents: int | None,
    attention: str,
    chunk: int,
    folder: epath.Path | None,
) -> DomainLoss:
    """An evaluator of the validation splits of a mixture; for arguments see `DomainLoss`.

    Raises:
      GristmillError: the mixture is not cached, or has another vocabulary than the run's.
    """
    mixture, vocabulary = of_same_vocabulary(name, run, modules)
    return DomainLoss(
        name,
        run.model,
        open_caches(artefacts.data_root(), mixture, "validation"),
        bos_id=vocabulary.bos_id,
        pad_id=vocabulary.pad_id,
        length=length,
        batch=batch,
        limit=documents,
        mesh=mesh,
        attention=attention,
        chunk=chunk,
        folder=folder,
    )


def evaluate_run(
    directory: Path,
    mixture: str,
    *,
    modules: Sequence[str],
    step: int | None,
    documents: int | None,
    length: int | None,
    batch: int,
    mesh: str,
    attention: str,
) -> tuple[dict[str, Sums], Path]:
    """Scores a checkpoint of a run on the validation splits of a mixture.

    Writes `evaluations/<mixture>-<step>.json`, with the sums of every domain, and a table of all
    documents beside it.

    Args:
      directory: of the run.
      mixture: a Mixture or Task.
      modules: Python modules that define it, beside the run's own.
      step: of a checkpoint; None for the newest.
      documents: of each source; None for all.
      length: of a window; None for the run's.
      batch: rows at a time.
      mesh: sizes of the mesh axes.
      attention: kind of attention kernel.

    Returns:
      Sums by domain, and the path of the table.

    Raises:
      GristmillError: no run, no such checkpoint, or the mixture is not cached.
    """
    run = RunSpec.from_json(read_spec(directory)["run"])
    made = make_mesh(MeshSpec.parse(mesh))
    check_mesh(run.model, MeshSpec(*made.devices.shape))
    evaluator = domain_loss(
        mixture,
        run,
        made,
        modules=[*run.data.modules, *modules],
        length=length or run.evals.length or run.data.length,
        batch=batch,
        documents=documents,
        attention=attention,
        chunk=ExecSpec.loss_chunk,
        folder=epath.Path(os.fspath(directory)) / "evaluations",
    )
    params, _, step = load_params(os.fspath(directory), made, step)
    values = dict(evaluator.evaluate(params, step))
    name = f"{mixture}-{step}"
    write_json(
        epath.Path(os.fspath(directory)) / "evaluations" / f"{name}.json",
        {"mixture": mixture, "step": step, "values": values},
    )
    return evaluator.sums, directory / "evaluations" / f"{name}.parquet"
