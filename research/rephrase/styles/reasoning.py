"""Solutions and the thinking behind them, told in other ways.

- MathCoder2 (Lu et al. 2024, https://arxiv.org/abs/2410.08196): steps of reasoning, each with a
  program that does it and what it prints; here the programs are run.
- Thinking-augmented pre-training (Wang et al. 2025, https://arxiv.org/abs/2509.20186): an expert's
  thoughts about a text, put after the text.
- "Advancing Mathematical Reasoning in Language Models" (Chen et al. 2025,
  https://arxiv.org/abs/2501.14002) compares four ways to make more of solved problems: other
  solutions (response diversification), other problems (query expansion), a wrong turn taken back
  (retrospective enhancement), and a mistake that a teacher finds (tutorship amplification).
- MIND (Akter et al. 2024, https://arxiv.org/abs/2410.12881): conversations about mathematical text.
"""

from __future__ import annotations

from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.answers import AnswerKept
from research.rephrase.checks.equations import EquationsHold
from research.rephrase.checks.execution import BlocksRun
from research.rephrase.checks.language import SameLanguage
from research.rephrase.checks.length import LengthRatio
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.overlap import NotCopied, NotInvented
from research.rephrase.style import Style
from research.rephrase.styles.parsing import dialogue, question_answers, text_with_code

ADVANCING = "Chen et al. 2025"
_ANY = (NoRefusal(), NoFraming(), NoLoops(repeated=0.4), SameLanguage())

CODE_STEPS = Style(
    name="mathcoder_steps",
    version=1,
    about="steps of reasoning with programs and their output, run (MathCoder2, Lu et al. 2024)",
    instruction=(
        "You explain the mathematics of a text in steps. For each step write one or two sentences, "
        "then a short Python program that does the calculation and prints the result, in a block "
        "that begins with ```python, then what it prints, in a block that begins with ```output. "
        "Programs may use what earlier ones have defined."
    ),
    question="Explain the mathematics of this text in steps:\n\n{text}",
    answer_tokens=3.0,
    least_answer_tokens=400,
    parse=text_with_code,
    checks=(NoRefusal(), NoFraming(), LengthRatio(0.2, 6.0), BlocksRun(), NotInvented(0.1)),
)

THINKING = Style(
    name="thinking",
    version=1,
    about="an expert's thoughts about a text, put after it (Wang et al. 2025)",
    instruction=(
        "You are an expert who reads a text and thinks aloud. Say what is being claimed, why it "
        "should be true, what it follows from, which terms a beginner must know, and where one "
        "could go wrong. Think step by step, about this text only. Do not repeat its sentences."
    ),
    question="Think about this text:\n\n{text}",
    answer_tokens=3.0,
    least_answer_tokens=300,
    checks=(*_ANY, LengthRatio(0.2, 5.0), NotCopied(0.6), NotInvented(0.15)),
    placement="after",
)

TUTORSHIP = Style(
    name="tutorship",
    version=1,
    about=f"a student's mistake, found and put right by a teacher ({ADVANCING})",
    instruction=(
        "You write how a problem is learned. First write 'Problem:' and the problem. Then write "
        "'Student:' and a solution in which exactly one step is wrong. Then write 'Teacher:': "
        "which step is wrong, why it is tempting, and the right solution from there on. End with "
        "'The answer is' and the right answer."
    ),
    question="Write this for the following problem and its solution:\n\n{text}",
    chunking="whole",
    answer_tokens=4.0,
    least_answer_tokens=400,
    parse=dialogue,
    checks=(*_ANY, LengthRatio(0.8, 6.0), NotInvented(), AnswerKept()),
)

OTHER_SOLUTION = Style(
    name="other_solution",
    version=1,
    about=f"the problem solved another way (response diversification, {ADVANCING})",
    instruction=(
        "You solve a problem again in another way than the one shown. Write the problem first, "
        "then your solution step by step, with every calculation, as 3 * 4 = 12. End with 'The "
        "answer is' and the answer."
    ),
    question="Solve this in another way:\n\n{text}",
    chunking="whole",
    answer_tokens=3.0,
    least_answer_tokens=400,
    checks=(*_ANY, LengthRatio(0.4, 4.0), NotCopied(0.85), NotInvented(), AnswerKept(),
            EquationsHold()),
)  # fmt: skip

NEW_PROBLEM = Style(
    name="new_problem",
    version=1,
    about=f"a like problem with its solution (query expansion, {ADVANCING})",
    instruction=(
        "You write a new problem that is like the one shown but has other numbers and another "
        "story, and you solve it. Write 'Problem:' and the problem, then 'Solution:' and the "
        "solution step by step, with every calculation, as 3 * 4 = 12. End with 'The answer is' "
        "and the answer."
    ),
    question="Write a new problem like this one:\n\n{text}",
    chunking="whole",
    answer_tokens=3.0,
    least_answer_tokens=400,
    parse=question_answers,
    checks=(*_ANY, LengthRatio(0.4, 4.0), NotCopied(0.6), EquationsHold()),
)

TAKEN_BACK = Style(
    name="taken_back",
    version=1,
    about=f"a wrong turn that is taken back (retrospective enhancement, {ADVANCING})",
    instruction=(
        "You rewrite a solution as someone thinks it out. Once, begin a step that comes too early "
        "or is wrong, notice it, write 'Wait, this is wrong.', and go on correctly. All other "
        "steps are right. End with 'The answer is' and the answer."
    ),
    question="Rewrite this problem and its solution:\n\n{text}",
    chunking="whole",
    answer_tokens=3.0,
    least_answer_tokens=400,
    checks=(*_ANY, LengthRatio(0.5, 4.0), NotInvented(), AnswerKept(), EquationsHold(wrong=1)),
)

STUDENTS = Style(
    name="mind_two_students",
    version=1,
    about="two students work a mathematical text out together (MIND, Akter et al. 2024)",
    instruction=(
        "You turn a text about mathematics into a conversation. Two students, Ana and Ben, work it "
        "out together: they ask each other, explain every step and correct each other. Begin each "
        "turn on a new line with 'Ana:' or 'Ben:'. Use all numbers and formulas of the text."
    ),
    question="Turn this text into a conversation:\n\n{text}",
    answer_tokens=3.0,
    least_answer_tokens=400,
    parse=dialogue,
    checks=(*_ANY, LengthRatio(0.5, 4.0), NotCopied(), NotInvented(), AnswerKept()),
)

TEACHER = Style(
    name="mind_teacher",
    version=1,
    about="a teacher leads a student through a mathematical text (MIND, Akter et al. 2024)",
    instruction=(
        "You turn a text about mathematics into a lesson in conversation. A student asks about "
        "what is hard, and a teacher explains it step by step with the numbers of the text. Begin "
        "each turn on a new line with 'Student:' or 'Teacher:'."
    ),
    question="Turn this text into a lesson in conversation:\n\n{text}",
    answer_tokens=3.0,
    least_answer_tokens=400,
    parse=dialogue,
    checks=(*_ANY, LengthRatio(0.5, 4.0), NotCopied(), NotInvented(), AnswerKept()),
)

INTERVIEW = Style(
    name="mind_interview",
    version=1,
    about="an expert is interviewed about a mathematical text (MIND, Akter et al. 2024)",
    instruction=(
        "You turn a text about mathematics into an interview. The interviewer asks short, exact "
        "questions; the expert answers from the text and gives the reason of every step. Begin "
        "each turn on a new line with 'Interviewer:' or 'Expert:'."
    ),
    question="Turn this text into an interview:\n\n{text}",
    answer_tokens=3.0,
    least_answer_tokens=400,
    parse=dialogue,
    checks=(*_ANY, LengthRatio(0.5, 4.0), NotCopied(), NotInvented(), AnswerKept()),
)

STYLES = (CODE_STEPS, THINKING, TUTORSHIP, OTHER_SOLUTION, NEW_PROBLEM, TAKEN_BACK, STUDENTS,
          TEACHER, INTERVIEW)  # fmt: skip
