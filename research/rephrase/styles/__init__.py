"""The styles of rewriting that come with Gristmill.

    STYLES["wikipedia"].messages(piece)                what the model is asked
    STYLES["wikipedia"].judge(piece, answer, finish)   the rewrite, or why there is none

One file a family, each naming the paper whose idea it is.  The prompts are our own: short and
concrete, so that small models have a chance.
"""

from __future__ import annotations

from research.rephrase.style import Style
from research.rephrase.styles import bonito, finephrase, multilingual, reasoning, swallow, wrap

_FAMILIES = (wrap, finephrase, swallow, reasoning, multilingual, bonito)
STYLES: dict[str, Style] = {style.name: style for family in _FAMILIES for style in family.STYLES}
