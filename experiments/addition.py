"""The data of `arithmetic_format`: sums in each format of `research.rephrase.synthesis.sums`.

Each document is a sum; EOS before and after it stands for the `$` of Lee et al. (2023).  There are
no padding zeros.

A sum is held out by the hash of its two numbers, whichever comes first, so a+b and b+a in all
formats and corpora are on the same side.  In meta: `prompt` (up to the '=') and `answer`, the last
line of what follows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.errors import GristmillError
from research.registry.splits import TRAIN, VALIDATION, split_of
from research.rephrase.synthesis.sums import FORMATS, carries, document, root

DIGITS = (2, 3, 4, 5)  # of the longer number, at most
SAMPLES = (125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
HELD_OUT = 1000
VALIDATION_SHARE = 0.1
SEED = 0
TRIES = 1000  # draws without an unseen sum of a kind after which there is likely none

Sum = tuple[int, int]


def sample_sizes(digits: int) -> tuple[int, ...]:
    """Of SAMPLES, those that numbers of so many digits have enough sums for."""
    return tuple(size for size in SAMPLES if size <= 100**digits // 2)


def corpus_name(digits: int, format: str, samples: int) -> str:
    """Of the corpus, and of the Task over it.

    Raises:
      GristmillError: there is no such Task.
    """
    for what, value, known in (
        ("digits", digits, DIGITS),
        ("formats", format, FORMATS),
        ("samples", samples, sample_sizes(digits)),
    ):
        if value not in known:
            raise GristmillError(
                f"arithmetic_format.{what}: {value!r} is none of {', '.join(map(str, known))}"
            )
    return f"addition{digits}_{format}_{samples}"


def side(a: int, b: int) -> str | None:
    """'train' or 'validation'."""
    return split_of([root(a, b)], VALIDATION_SHARE)


def training_sums(digits: int, seed: int) -> Iterator[Sum]:
    """Distinct sums that are not held out, balanced as in the paper (section 3), without end: take
    no more than `sample_sizes` allows.  A smaller set is the beginning of a larger one.

    Of numbers of up to 3 digits 90% of the sums have a number of three, 9% one of two and 1% one
    of one digit as their longer (in the paper: 9000, 900 and all 100 of 10,000), and for each of
    these lengths every number of carries is drawn equally often.

    Args:
      digits: of the longer number, at most.
      seed: of the draws.
    """
    # only random() is promised to give the same numbers in every version of Python
    draw = random.Random(seed).random
    seen: set[Sum] = set()
    while True:
        length = len(str(int(draw() * 10**digits)))
        wanted = int(draw() * (length + 1))
        for _ in range(TRIES):
            a, b = int(draw() * 10**length), int(draw() * 10**length)
            if (
                len(str(max(a, b))) == length
                and carries(a, b) == wanted
                and (a, b) not in seen
                and side(a, b) == TRAIN
            ):
                seen.add((a, b))
                yield a, b
                break


def held_out_sums(digits: int, count: int, seed: int) -> list[Sum]:
    """Distinct sums of the held-out side, drawn uniformly from all pairs of numbers."""
    draw = random.Random(f"held out {seed}").random
    found: dict[Sum, None] = {}
    while len(found) < count:
        a, b = int(draw() * 10**digits), int(draw() * 10**digits)
        if side(a, b) == VALIDATION:
            found[a, b] = None
    return list(found)


def build(data_root: Path, digits: int, format: str, samples: int) -> Corpus:
    """The corpus of so many training sums and the held-out ones, built if it is not there."""

    def read() -> Iterator[Document]:
        sums = training_sums(digits, SEED)
        for _ in range(samples):
            yield document(*next(sums), format)
        for a, b in held_out_sums(digits, held_out(digits), SEED):
            yield document(a, b, format)

    definition = {
        "digits": digits,
        "format": format,
        "samples": samples,
        "held_out": held_out(digits),
        "validation_share": VALIDATION_SHARE,
        "seed": SEED,
        "version": 1,  # of what is written for a sum, and of how sums are drawn
    }
    return build_corpus(
        data_root,
        corpus_name(digits, format, samples),
        "1",
        [Unit("sums", definition, read)],
        licence="CC0-1.0",
        definition=definition,
        command="gristmill sweep experiments.arithmetic_format",
    )


def held_out(digits: int) -> int:
    """How many sums there are to evaluate on; a tenth of all are on their side."""
    return min(HELD_OUT, 100**digits // 20)
