"""Four structured forms for educational web text (FinePhrase: the data set HuggingFaceFW/finephrase
and its report "The Synthetic Data Playbook", Niklaus et al. 2026): a maths problem, a table with a
question, questions that readers ask, a tutorial.
"""

from __future__ import annotations

from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.equations import EquationsHold
from research.rephrase.checks.language import SameLanguage
from research.rephrase.checks.length import LengthRatio
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.names import NamesKept
from research.rephrase.checks.numbers import NumbersKept
from research.rephrase.checks.overlap import NotCopied, NotInvented
from research.rephrase.style import Style
from research.rephrase.styles.parsing import (
    question_answers,
    several_questions,
    steps,
    table_and_question,
)

FINEPHRASE = "FinePhrase, Niklaus et al. 2026"
_ANY = (NoRefusal(), NoFraming(), SameLanguage())

MATHS = Style(
    name="finephrase_math",
    version=1,
    about=f"a word problem about the text, with its solution ({FINEPHRASE})",
    instruction=(
        "You write a word problem in mathematics about a text. It uses things and numbers of the "
        "text and needs two or more steps. Write 'Problem:' and the problem, then 'Solution:' and "
        "the solution step by step. Write out every calculation, as 3 * 4 = 12. End with 'The "
        "answer is' and the answer."
    ),
    question="Write a word problem about this text:\n\n{text}",
    parse=question_answers,
    least_answer_tokens=400,
    checks=(
        *_ANY,
        LengthRatio(0.1, 4.0),
        NoLoops(repeated=0.4),
        EquationsHold(),
        NotInvented(0.15),
    ),
)

TABLE = Style(
    name="finephrase_table",
    version=1,
    about=f"the facts as a table, then a question about it ({FINEPHRASE})",
    instruction=(
        "You put the facts of a text into a table. Write the table in Markdown, with a row of "
        "headings. Use only what the text says. After it write a line beginning with 'Question:' "
        "with a question that the table answers, and a line beginning with 'Answer:' with the "
        "answer. Write nothing else."
    ),
    question="Put this text into a table:\n\n{text}",
    parse=table_and_question,
    checks=(*_ANY, LengthRatio(0.15, 2.0), NoLoops(repeated=0.4), NotInvented(),
            NumbersKept(lost=0.67), NamesKept(lost=0.67)),
)  # fmt: skip

FAQ = Style(
    name="finephrase_faq",
    version=1,
    about=f"what readers ask, from simple to hard, with answers ({FINEPHRASE})",
    instruction=(
        "You write the list of frequently asked questions for a text: three to six questions that "
        "readers would ask, the simplest first, each with an answer that can be understood without "
        "the text. Begin questions with 'Question:' and answers with 'Answer:'. Use only what the "
        "text says."
    ),
    question="Write the questions and answers for this text:\n\n{text}",
    parse=several_questions,
    checks=(*_ANY, LengthRatio(0.3, 3.0), NoLoops(repeated=0.4), NotInvented(),
            NumbersKept(lost=0.67), NamesKept(lost=0.67)),
)  # fmt: skip

TUTORIAL = Style(
    name="finephrase_tutorial",
    version=1,
    about=f"a lesson in numbered steps ({FINEPHRASE})",
    instruction=(
        "You turn a text into a lesson for beginners. First say in one sentence what is learned. "
        "Then explain it in numbered steps, beginning with the easiest, each with its reason. Use "
        "only what the text says. Answer with the lesson only."
    ),
    question="Turn this text into a lesson:\n\n{text}",
    parse=steps,
    checks=(*_ANY, LengthRatio(0.3, 2.5), NoLoops(), NotCopied(), NotInvented(),
            NumbersKept(lost=0.67), NamesKept(lost=0.67)),
)  # fmt: skip

STYLES = (MATHS, TABLE, FAQ, TUTORIAL)
