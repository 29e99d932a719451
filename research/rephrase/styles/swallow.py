"""Code and maths made fit to learn from (SwallowCode and SwallowMath: Fujii et al. 2025,
https://arxiv.org/abs/2505.02881).

Code is rewritten in two rounds: by the rules of a style guide, then so that it stands by itself and
runs fast.  Maths loses what is not maths and gains the steps that are missing.
"""

from __future__ import annotations

from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.answers import AnswerKept
from research.rephrase.checks.equations import EquationsHold
from research.rephrase.checks.execution import CodeRuns
from research.rephrase.checks.language import SameLanguage
from research.rephrase.checks.length import LengthRatio
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.overlap import NotInvented
from research.rephrase.checks.programs import CodeChanged, CodeParses, PublicNamesKept
from research.rephrase.checks.undefined_names import NamesDefined
from research.rephrase.style import Style
from research.rephrase.styles.parsing import program

SWALLOW = "Fujii et al. 2025"
_CODE = (CodeParses(), CodeChanged(), PublicNamesKept(), NamesDefined(), CodeRuns())

STYLE_GUIDE = Style(
    name="swallow_style_guide",
    version=1,
    about=f"Python by the rules of a style guide (SwallowCode, {SWALLOW})",
    instruction=(
        "You improve Python code without changing what it does. Give variables telling names, add "
        "type hints and docstrings, keep functions short, handle errors, write comments where the "
        "reason is not plain. Keep the names and parameters of all functions and classes. Answer "
        "with one block of Python and nothing else."
    ),
    question="Improve this code:\n\n```python\n{text}\n```",
    chunking="code",
    chunk_tokens=700,
    answer_tokens=2.5,
    least_answer_tokens=200,
    parse=program,
    checks=(LengthRatio(0.4, 4.0), *_CODE),
    rejected="keep_piece",
)

SELF_CONTAINED = Style(
    name="swallow_self_contained",
    version=1,
    about=f"Python that stands by itself and runs fast (SwallowCode, {SWALLOW})",
    instruction=(
        "You rewrite Python code so that it stands by itself, runs fast and teaches something. "
        "Replace what it needs from elsewhere, use a better algorithm where there is one, turn "
        "trivial code into a useful example. Keep the names and parameters of its public functions "
        "and classes. Answer with one block of Python and nothing else."
    ),
    question="Rewrite this code:\n\n```python\n{text}\n```",
    chunking="code",
    chunk_tokens=1200,
    answer_tokens=2.5,
    least_answer_tokens=300,
    parse=program,
    checks=(LengthRatio(0.2, 5.0), *_CODE),
    rejected="drop_document",
)

MATHS = Style(
    name="swallow_math",
    version=1,
    about=f"a page of maths without its clutter, the steps written out (SwallowMath, {SWALLOW})",
    instruction=(
        "You turn pages about mathematics into clean lessons. Leave out names of users, dates, "
        "links and all that is no mathematics. Write first the problem with all that it says, then "
        "the solution step by step, with every calculation. Keep the answer of the page. Answer "
        "with the lesson only."
    ),
    question="Rewrite this page:\n\n{text}",
    chunk_tokens=800,
    least_answer_tokens=300,
    checks=(
        NoRefusal(),
        NoFraming(),
        LengthRatio(0.2, 3.0),
        NoLoops(repeated=0.4),
        SameLanguage(),
        NotInvented(),
        AnswerKept(),
        EquationsHold(),
    ),
)

STYLES = (STYLE_GUIDE, SELF_CONTAINED, MATHS)
