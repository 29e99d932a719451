"""What is each source worth late in training, where it costs a tenth of a run to find out?

    gristmill sweep experiments.late_upsampling \\
        --gin_file gin_configs/sweeps/late_upsampling_cpu.gin --workers 2

One run, the stem, is trained to its end on the mixture as it is.  Branches take its whole state
(parameters, optimizer, place in the data) at a late step and go on with one source upweighted, at
the learning rates that the stem has there: after Blakeney et al., "Does your data spark joy?
Performance gains from domain upsampling at the end of training" (2024, arXiv 2406.03476), who
branch over the last 5 to 30% of training.

    stem                   the mixture's own shares throughout; the baseline
    more_SOURCE_lastN      from the last N percent on with a source's share multiplied, and the
                           others sharing the rest in proportion
    unchanged_lastN        (unchanged = True) goes on as the stem did: the same bits at the end

A branch shares with its stem, seed by seed, every batch before it, so that a difference between
the two is of the last steps alone.

18 cells: about 12 minutes of one core.  Seen, in bits per byte of all held-out documents less the
stem's, with a fifth of the run upweighted, seeds 0, 1, 2: web +0.001 [-0.010, +0.011], wiki -0.001
[-0.018, +0.017], code -0.019 [-0.041, +0.002], maths +0.020 [-0.007, +0.048], docs +0.027 [+0.010,
+0.044]; after correction for five comparisons none is decided.  The intervals are a tenth as wide
as those between whole runs of other mixtures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from experiments.arms import Arm
from research import artefacts
from research.errors import GristmillError
from research.input_pipeline.loader import mixture_schedule, open_caches
from research.registry.specs import load_mixture
from research.train.run_spec import RunSpec

Shares = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The section `late_upsampling`.

    Attributes:
      last: shares of the steps, from the end, that branches take.
      sources: those to upweight; None: each.
      factor: what the share of a source is multiplied by.
      unchanged: whether to train branches that change nothing, too, as a check.
    """

    last: tuple[float, ...] = (0.2,)
    sources: tuple[str, ...] | None = None
    factor: float = 2.0
    unchanged: bool = False

    def __post_init__(self) -> None:
        if not self.last or not all(0 < share < 1 for share in self.last):
            raise GristmillError(f"late_upsampling.last is {self.last}; give shares in (0, 1)")
        if not self.factor > 0:
            raise GristmillError(f"late_upsampling.factor is {self.factor}; it must be above 0")


def arms(run: RunSpec, settings: Settings) -> list[Arm]:
    """The stem, and its branches.

    Raises:
      GristmillError: the mixture is not cached or has no such source, a source has no room for
        its share, or the run's schedule changes too late or ramps.
    """
    root = artefacts.data_root()
    mixture = load_mixture(root, run.data.mixture, run.data.modules)
    points = run.data.schedule
    if points is None:
        points = mixture_schedule(mixture, open_caches(root, mixture, "train")).points
    points = tuple((step, _scaled(shares)) for step, shares in points)
    last_step, shares = points[-1]
    for source in settings.sources or ():
        if source not in shares:
            raise GristmillError(
                f"late_upsampling.sources names {source}; with a share are {', '.join(shares)}"
            )
    text = f"the shares of mixture {mixture.name} to the end"
    made = [Arm("stem", {"data.schedule": points}, text, baseline=True)]
    for last in settings.last:
        step, percent = round(run.steps * (1 - last)), f"{100 * last:g}"
        if last_step >= step or (run.data.schedule_kind == "linear" and len(points) > 1):
            raise GristmillError(
                f"data.schedule changes at step {last_step} or ramps to there, and the branches of "
                f"the last {percent}% begin at step {step}: late_upsampling needs shares that are "
                "constant from before that step on"
            )
        branches = {f"more_{source}": source for source in settings.sources or shares}
        if settings.unchanged:
            branches["unchanged"] = None
        for name, source in branches.items():
            after = shares if source is None else _upweighted(shares, source, settings.factor)
            what = "unchanged" if source is None else f"{settings.factor:g} times {source}"
            made.append(
                Arm(
                    f"{name}_last{percent}",
                    {"data.schedule": (*points, (step, after))},
                    f"{what} over the last {percent}% of the steps",
                    branch_of="stem",
                    branch_at=step,
                )
            )
    return made


def _upweighted(shares: Shares, source: str, factor: float) -> dict[str, float]:
    """Shares with one multiplied, and the others in their proportions beside it."""
    share = factor * shares[source]
    rest = 1 - shares[source]
    if share > 1 or not rest:
        raise GristmillError(
            f"late_upsampling: {factor:g} times {source} is {share:.0%} of the tokens; "
            "name other sources, or a smaller factor"
        )
    scale = (1 - share) / rest
    return {name: share if name == source else scale * s for name, s in shares.items()}


def _scaled(shares: Shares) -> dict[str, float]:
    """Shares that sum to 1, without the sources that have none."""
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items() if share}
