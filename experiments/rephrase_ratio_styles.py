"""The style of the shipped sweep of `rephrase_ratio`: WRAP's medium style, taken as it is written.

    gristmill rephrase docs_short --style experiments.rephrase_ratio_styles:AS_WRITTEN …

The instruction is that of `wikipedia`, so that answers which are in the store serve both.  The
checks are fewer: WRAP itself takes whatever its 7B model writes after the preamble, and a model of
135M fails most checks of facts.  Left out are those of names and numbers; what is all but a copy is
still rejected, for it is real text.
"""

from __future__ import annotations

import dataclasses

from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.language import SameLanguage
from research.rephrase.checks.length import LengthRatio
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.overlap import NotCopied
from research.rephrase.styles import STYLES

AS_WRITTEN = dataclasses.replace(
    STYLES["wikipedia"],
    name="wikipedia_as_written",
    version=1,
    about="wikipedia, whether or not names, numbers and facts are kept",
    checks=(
        NoRefusal(),
        NoFraming(),
        LengthRatio(0.3, 2.0),
        NoLoops(),
        SameLanguage(),
        NotCopied(0.95),
    ),
)
