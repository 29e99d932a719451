"""What is each source of a mixture worth: what if it is left out, or given more room?

    gristmill sweep experiments.domain_mixture \\
        --gin_file gin_configs/sweeps/domain_mixture_cpu.gin --workers 2

36 runs of the demo's model on 410k tokens each: 55 CPU-minutes beside other jobs, half an hour on
2 cores.

The arms, each with the same evaluation:

    stratified   an equal share of the tokens from every source
    natural      the mixture's own shares
    no_SOURCE    the baseline without a source; the others share its place in proportion
    more_SOURCE  the baseline with a source's share multiplied, then scaled to sum to 1

The baseline is `stratified`.  There every source has the same share, so that leaving one out, or
giving it more, moves the same number of tokens whichever it is, and the arms can be compared with
each other; of a natural mixture a small source could only show a small effect.

Seen with seeds 0, 1, 2, in bits per byte of all held-out documents less those of `stratified`:

    natural            -0.11 [-0.27, +0.05]  cannot tell (about 12 more seeds)

                       left out                       twice the share
    web_sample         +0.75 [+0.31, +1.26]  worse    -0.05 [-0.16, +0.05]  cannot tell
    wiki_sample        -0.03 [-0.14, +0.09]           +0.03 [-0.04, +0.10]
    code_sample        +0.44 [+0.27, +0.62]  worse    -0.00 [-0.10, +0.10]
    math_sample        -0.04 [-0.12, +0.04]           +0.07 [-0.02, +0.17]
    docs_sample        -0.02 [-0.17, +0.12]           +0.13 [-0.11, +0.37]

Web pages and code are missed when they are left out, for nothing else here is like them; of the
other sources, and of more of any, three seeds tell nothing after correction for eleven comparisons.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from experiments.arms import Arm
from research import artefacts
from research.errors import GristmillError
from research.input_pipeline.loader import mixture_schedule, open_caches
from research.registry.specs import load_mixture
from research.train.run_spec import RunSpec


@dataclasses.dataclass(frozen=True)
class Settings:
    """The section `domain_mixture`.

    Attributes:
      baseline: what arms are made from, and compared with.
      leave_out: sources to make an arm without; None: each.
      upweight: sources to make an arm with more of; None: each.
      factor: what the share of such a source is multiplied by.
    """

    baseline: Literal["stratified", "natural"] = "stratified"
    leave_out: tuple[str, ...] | None = None
    upweight: tuple[str, ...] | None = None
    factor: float = 2.0

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise GristmillError(f"domain_mixture.factor is {self.factor}; it must be above 0")


def arms(run: RunSpec, settings: Settings) -> list[Arm]:
    """The arms for the sources of the run's mixture.

    Raises:
      GristmillError: the mixture is not cached, or has no such source.
    """
    root = artefacts.data_root()
    mixture = load_mixture(root, run.data.mixture, run.data.modules)
    caches = open_caches(root, mixture, "train")
    ((_, own),) = mixture_schedule(mixture, caches).points
    sources = list(mixture.tasks)
    shares = {
        "stratified": _scaled(dict.fromkeys(sources, 1.0)),
        "natural": _scaled(own),
    }
    about = {
        "stratified": "equal shares of all sources",
        "natural": f"the own shares of mixture {mixture.name}",
    }
    made = [
        _arm(name, shares[name], about[name], baseline=name == settings.baseline) for name in shares
    ]
    base = shares[settings.baseline]
    for source in _named(settings.leave_out, sources, "leave_out"):
        without = {name: share for name, share in base.items() if name != source}
        made.append(_arm(f"no_{source}", _scaled(without), f"{settings.baseline} without {source}"))
    for source in _named(settings.upweight, sources, "upweight"):
        more = base | {source: settings.factor * base[source]}
        text = f"{settings.baseline} with {settings.factor:g} times the share of {source}"
        made.append(_arm(f"more_{source}", _scaled(more), text))
    return made


def _arm(name: str, shares: Mapping[str, float], description: str, baseline: bool = False) -> Arm:
    return Arm(name, {"data.schedule": ((0, shares),)}, description, baseline)


def _scaled(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares that sum to 1, to six digits; sources without a share are left out.

    Raises:
      GristmillError: nothing is left.
    """
    total = sum(shares.values())
    if not total:
        raise GristmillError("a mixture of one source cannot do without it: set leave_out = []")
    return {name: round(share / total, 6) for name, share in shares.items() if share}


def _named(chosen: tuple[str, ...] | None, sources: list[str], field: str) -> list[str]:
    for name in chosen or ():
        if name not in sources:
            raise GristmillError(
                f"domain_mixture.{field} names {name}; the sources are {', '.join(sources)}"
            )
    return sources if chosen is None else list(chosen)
