"""Every style asks, reads and judges; a user's own needs a page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from research.rephrase.checks.evaluation import NoEvaluationItems, decontaminated
from research.rephrase.style import Rejection, Style
from research.rephrase.styles import STYLES
from research.rephrase.styles.parsing import dialogue, program, question_answers, table_and_question

TEXT = (
    "Beavers fell trees with their teeth and build dams from the trunks. Behind the dam a pond "
    "forms, deep enough that it does not freeze to the bottom in winter. The lodge stands in the "
    "pond, and its entrance lies under water, where wolves cannot follow. In 1900 there were 1200 "
    "beavers left in Europe; today there are more than a million."
)
OWN = '''
"""A style of a user's own."""

import dataclasses

from research.rephrase.checks.length import LengthRatio
from research.rephrase.style import Check, Rejection, Style


@dataclasses.dataclass(frozen=True)
class Rhymes(Check):
    """Rewrites of lines that end alike, two by two."""

    name = "rhymes"
    version = 1

    letters: int = 2

    def __call__(self, source, rewrite):
        ends = [line.rstrip(".,!?")[-self.letters:] for line in rewrite.splitlines() if line]
        if ends[::2] != ends[1::2]:
            return Rejection("no rhyme", " ".join(ends))
        return None


POEM = Style(
    name="poem",
    version=1,
    about="couplets",
    instruction="Write the text again as a poem of couplets. Answer with the poem only.",
    checks=(LengthRatio(0.1, 2.0), Rhymes()),
)
'''


def test_a_prompt_that_is_said_again_is_no_rewrite() -> None:
    style = Style("s", 1, "about", "Use short words for all of it.", question="Say so:\n{text}")
    assert style.judge("A text.", "A word. Use short words for all of it!", "stop") == Rejection(
        "prompt said again", "Use short words for all of it."
    )
    told = "Use short words for all of it, they say."
    assert style.judge(told, told, "stop") == told


def test_every_style_describes_itself_and_asks() -> None:
    assert len(STYLES) >= 35 and all(name == style.name for name, style in STYLES.items())
    prompts = set()
    for style in STYLES.values():
        described = json.loads(json.dumps(style.describe()))
        assert described["about"] and described["checks"]
        first, *_, last = style.messages(TEXT)
        assert first.role == "system" and TEXT in last.content and "{" not in first.content
        prompts.add((first.content, style.question))
        names = [check.name for check in style.checks]
        assert len(names) == len(set(names))
    assert len(prompts) == len(STYLES)


@pytest.mark.parametrize(
    ("style", "good", "bad", "reason"),
    [
        (
            "wikipedia",
            "Sure, here is the text:\n\nDams of tree trunks, which they cut with their teeth, are "
            "built by beavers. The pond behind is too deep to freeze through in winter and holds "
            "the lodge, whose way in, under water, keeps wolves away. Europe had 1,200 beavers in "
            "1900 and has more than a million today.",
            "Beavers build dams. In 1900 there were 1500 beavers left in Europe, which lived in "
            "ponds behind their dams, in lodges with an entrance under water that wolves cannot "
            "reach; today more than a million are there.",
            "number made up",
        ),
        (
            "question_answer",
            "**Q1:** What do beavers build?\n**A1:** Dams, behind which a pond forms.\n\n"
            "**Q2:** How many beavers lived in Europe in 1900?\n**A2:** 1200; today there are more "
            "than a million.",
            "Beavers build dams from the trunks of trees, and there are a million of them today.",
            "no question and answer",
        ),
        (
            "finephrase_table",
            "| year | beavers in Europe |\n|---|---|\n| 1900 | 1200 |\n| today | more than a "
            "million |\n\nQuestion: How many beavers were left in 1900?\nAnswer: 1200",
            "year: 1900, beavers: 1200\n\nQuestion: How many?\nAnswer: 1200",
            "no table",
        ),
        (
            "task_extract",
            "Question: From what do beavers build dams?\nAnswer: the trunks",
            "Question: From what do beavers build dams?\nAnswer: stones and mud",
            "answer not in the text",
        ),
        (
            "task_choice",
            "Question: Who cannot follow into the lodge of the beavers?\nA) wolves\nB) otters\nC) "
            "fish\nD) trees\nAnswer: A) wolves",
            "Question: Who cannot follow into the lodge of the beavers?\nA) wolves\nB) otters\nC) "
            "fish\nD) trees\nAnswer: E) bears",
            "answer not among the choices",
        ),
        (
            "into_de",
            "Biber fällen Bäume mit den Zähnen und bauen Dämme. Im Teich dahinter steht ihr Bau, "
            "dessen Eingang unter Wasser liegt. 1900 gab es in Europa noch 1.200 Biber, heute sind "
            "es mehr als eine Million.",
            TEXT,
            "another language",
        ),
    ],
)
def test_styles_take_good_answers_and_say_why_not(
    style: str, good: str, bad: str, reason: str
) -> None:
    taken = STYLES[style].judge(TEXT, good, "stop")
    assert isinstance(taken, str) and "Sure" not in taken
    rejected = STYLES[style].judge(TEXT, bad, "stop")
    assert isinstance(rejected, Rejection) and rejected.reason == reason
    assert STYLES[style].judge(TEXT, good, "length") == Rejection("cut short")


def test_tutorship_and_steps_are_verified() -> None:
    solved = "Tom has 12 boxes of 8 pencils and gives 20 away. 12 * 8 = 96, 96 - 20 = 76.\n#### 76"
    lesson = (
        "Problem:\nTom has 12 boxes of 8 pencils and gives 20 away. How many are left?\n"
        "Student: 12 * 8 = 86 pencils, and 86 - 20 = 66 are left.\n"
        "Teacher: Check the product: 12 boxes of 8 are 96 pencils, so 96 - 20 = 76 are left. "
        "The answer is {}."
    )
    style = STYLES["tutorship"]
    assert isinstance(style.judge(solved, lesson.format(76), "stop"), str)
    assert style.judge(solved, lesson.format(66), "stop").reason == "another answer"
    steps = (
        "First the pencils in all boxes:\n\n```python\npencils = 12 * 8\nprint(pencils)\n```\n\n"
        "```output\n96\n```\n\nThen those that are left after Tom gives 20 away:\n\n```python\n"
        "print(pencils - 20)\n```\n\n```output\n{}\n```\n"
    )
    style = STYLES["mathcoder_steps"]
    assert isinstance(style.judge(solved, steps.format(76), "stop"), str)
    assert style.judge(solved, steps.format(74), "stop").reason == "other output"


def test_code_styles_keep_what_a_program_offers() -> None:
    documented = '"""\n    >>> mean([1, 2, 3])\n    2.0\n    """'
    source = f"def mean(xs):\n    {documented}\n    return sum(xs) / len(xs)\n"
    style = STYLES["swallow_style_guide"]
    good = (
        "def mean(xs: list[float]) -> float:\n    '''Their mean.'''\n    return sum(xs) / len(xs)"
    )
    answer = f"Here is the code:\n\n```python\n{good}\n```\n\nIt has type hints now."
    assert style.judge(source, answer, "stop") == good
    wrong = answer.replace("/ len(xs)", "// (len(xs) + 1)")
    assert style.judge(source, wrong, "stop").reason == "fails tests"
    assert style.judge(source, answer.replace("def mean", "def average"), "stop").reason == (
        "public name lost"
    )


def test_parsers_read_what_models_write() -> None:
    assert question_answers("", "1. Question: a?\nAnswer: b\n2. Question: c?\nAnswer: d") == (
        "Question: a?\nAnswer: b\n\nQuestion: c?\nAnswer: d"
    )
    assert question_answers("", "Question: a?") == Rejection("no question and answer")
    assert program("", "Text\n```python\nx = 1\n```\nand\n```\ny = 1\nz = 2\n```") == "y = 1\nz = 2"
    assert program("", "no code at all, I fear") == Rejection("no code")
    assert dialogue("", "Ana: a\nBen: b\n**Ana:** c").startswith("Ana: a")
    assert dialogue("", "Ana: a\nAna: b\nAna: c") == Rejection("no dialogue")
    assert table_and_question("", "") == Rejection("empty answer")


def test_a_style_of_ones_own_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    command = [sys.executable, "-m", "research.cli", "rephrase", "styles", f"{path}:POEM"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "couplets" in shown.stdout and '"rhymes"' in shown.stdout


def test_decontamination_is_one_more_check(tmp_path: Path) -> None:
    item = {
        "question": "Marguerite harvests 48 crates of apricots and ferries half of them across "
        "the Garonne each Thursday; how many crates remain in her orchard after three Thursdays?",
        "answer": "Six crates remain.",
        "id": "apricots",
    }
    path = tmp_path / "exam.jsonl"
    path.write_text(json.dumps(item))
    style = decontaminated(STYLES["new_problem"], (str(path),))
    assert isinstance(style.checks[-1], NoEvaluationItems)
    check = style.checks[-1]
    assert check("", f"Problem: {item['question']}").reason == "evaluation item"
    assert check("", TEXT) is None
    before = json.dumps(style.describe())
    path.write_text(json.dumps({**item, "answer": "Seven."}))
    again = decontaminated(STYLES["new_problem"], (str(tmp_path / "." / "exam.jsonl"),))
    assert before == json.dumps(style.describe()) and again.checks[-1].sets
