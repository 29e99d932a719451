"""Mixtures: Tasks and their shares of the training tokens, as real SeqIO Mixtures.

    add_mixture("more_maths", {"web_sample": 0.7, "math_sample": 0.3})

SeqIO itself reads rates as numbers of examples, so a Mixture run by SeqIO gives other token
shares than the ones written here; our own pipeline gives exactly these.
"""

from __future__ import annotations

import difflib
import itertools
import math
import sys
from collections.abc import Callable, Mapping, Sequence

from research.errors import GristmillError
from research.registry.seqio_quietly import seqio
from research.registry.specs import check_name
from research.registry.tasks import SAMPLES, CorpusDataSource


def natural(task: seqio.Task) -> float:
    """A rate that is the Task's own size: every document is seen equally often.

    For SeqIO that is the number of training documents; our pipeline takes the number of training
    tokens of the Task's cache, which comes to the same.
    """
    return float(task.num_input_examples("train"))


NATURAL = natural


def add_mixture(name: str, shares: Mapping[str, float | Callable]) -> seqio.Mixture:
    """Registers a SeqIO Mixture of Tasks.

    Args:
      name: the Mixture's name: letters, digits and '_ . : #', not '.', ':' or '#' first.
      shares: of every Task by its name: its share of the tokens, relative to the other shares
        (they need not sum to 1), or `NATURAL` for all of them.

    Returns:
      The Mixture, which `seqio.MixtureRegistry.get(name)` returns too.

    Raises:
      GristmillError: no Task, an unknown Task, a share that is negative or not finite, shares that
        sum to 0, natural and given shares together, Tasks of different vocabularies or validation
        shares, or a name that is taken or ill-formed.
    """
    check_name(name, "mixture")
    if name in seqio.TaskRegistry.names() or name in seqio.MixtureRegistry.names():
        raise GristmillError(f"mixture {name}: there is a Task or Mixture of that name already")
    for task in shares:
        if task not in seqio.TaskRegistry.names():
            raise GristmillError(f"mixture {name}: unknown Task {task}; {closest_tasks(task)}")
    check_shares(name, {task: None if share is NATURAL else share
                        for task, share in shares.items()})  # fmt: skip
    tasks = [seqio.TaskRegistry.get(task) for task in shares]
    check_alike(name, "vocabulary", {t.name: _vocabulary_name(t) for t in tasks})
    sources = {task.name: task.source for task in tasks}
    check_alike(
        name,
        "validation share",
        {t: s.validation_share for t, s in sources.items() if isinstance(s, CorpusDataSource)},
    )
    return seqio.MixtureRegistry.add(name, list(shares.items()))


def closest_tasks(name: str) -> str:
    """What to say to someone who misspelt a Task's name."""
    names = sorted(seqio.TaskRegistry.names())
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}"


def check_shares(mixture: str, shares: Mapping[str, float | None]) -> None:
    """Checks the shares of a mixture, None being the natural one.

    Raises:
      GristmillError: there is none, one is negative or not finite, they sum to 0, or only some
        are natural.
    """
    if not shares:
        raise GristmillError(f"mixture {mixture} has no Task; give it at least one")
    for task, share in shares.items():
        if share is None:
            continue
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 <= share <= sys.float_info.max:  # an int may be larger
            raise GristmillError(
                f"mixture {mixture}: the share of {task} is {share!r}; "
                "give a finite number that is not negative, or NATURAL"
            )
    given = {task: share for task, share in shares.items() if share is not None}
    if given and len(given) < len(shares):
        other = next(task for task in shares if task not in given)
        raise GristmillError(
            f"mixture {mixture}: the share of {other} is its size in tokens (NATURAL) but that of "
            f"{next(iter(given))} is a number; make all of them natural, or none"
        )
    if given and not 0 < (total := sum(map(float, given.values()))) < math.inf:
        raise GristmillError(f"mixture {mixture}: the shares of {', '.join(given)} sum to "
                             f"{total:g}; only their ratios count: give other numbers")  # fmt: skip


def check_alike(mixture: str, what: str, values: Mapping[str, object]) -> None:
    """Checks that all Tasks of a mixture agree.

    Different validation shares would let a rewrite into training while its page is held out.

    Raises:
      GristmillError: two of them differ.
    """
    for (task, value), (other, differs) in itertools.pairwise(values.items()):
        if value != differs:
            raise GristmillError(
                f"mixture {mixture}: Task {other} has {what} {differs} but {task} has {value}; "
                "all Tasks of a mixture need the same"
            )


def _vocabulary_name(task: seqio.Task) -> Sequence[str] | object:
    features: Mapping[str, seqio.Feature] = task.output_features
    found = next(iter(features.values())).vocabulary
    return getattr(found, "name", found)


add_mixture("demo", dict.fromkeys(SAMPLES, NATURAL))
add_mixture("demo_stratified", dict.fromkeys(SAMPLES, 1 / len(SAMPLES)))
add_mixture("demo_bytes", {f"{sample}_bytes": NATURAL for sample in SAMPLES})
