"""Word problems: each is right in every account of it, and a wrong one does not pass."""

from __future__ import annotations

import ast
import itertools
import re
from fractions import Fraction

import pytest

from research import sandbox
from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.exact import Wrong, check_equations, run_program
from research.rephrase.synthesis.math_problems import MathTemplates
from research.rephrase.synthesis.math_templates import TEMPLATES
from research.rephrase.synthesis.problem import program, verify

ITEMS = 200  # of every template


def compute(written: str) -> Fraction:
    """An expression of plain numbers, by another way than `exact` goes."""

    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant():
                return Fraction(str(node.value))
            case ast.UnaryOp(op=ast.USub()):
                return -value(node.operand)
            case ast.BinOp():
                a, b = value(node.left), value(node.right)
                signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
                return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
                        "/": lambda: a / b}[signs[type(node.op)]]()  # fmt: skip
        raise ValueError(ast.dump(node))

    return value(ast.parse(written.replace("$", "").strip(), mode="eval").body)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_item_of_a_template_is_right(name: str) -> None:
    questions = set()
    for turn in range(ITEMS):
        problem = TEMPLATES[name](Draws(f"test/{name}/{turn}"))
        steps, answer = "\n".join(problem.steps), str(problem.answer)
        verify(problem.question, steps, program(problem), answer, problem.given)
        assert 0 <= problem.answer < 10**6
        # every equation once more, read and computed by other code
        sides = re.split(r" = ", steps)
        for left, right in itertools.pairwise(sides):
            before = re.search(r"[$\d(][\d$.()+*/ -]*$", left)[0].lstrip(". ")
            after = re.match(r"\$?\d+(\.\d+)?(/\d+)?", right)[0]
            assert compute(before) == compute(after), steps
        assert Fraction(answer) == problem.answer
        questions.add(problem.question)
    assert len(questions) > 0.95 * ITEMS


def test_python_prints_what_the_programs_are_said_to_print() -> None:
    documents = list(MathTemplates(style="program").items(3, 0, len(TEMPLATES), None))
    code = "\n".join(document.meta["code"] for document in documents)
    outcome = sandbox.run(code)
    assert outcome.ok, outcome.error
    assert outcome.stdout.split() == [document.meta["value"] for document in documents]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("steps", "= 12.", "= 13."), "is not"),
        (("steps", "12 - 5 = 7", "12 - 5 is 7"), "the steps end"),
        (("steps", "3 * 4", "x * 4"), "cannot be read"),
        (("code", "a * b", "a + b"), "prints 2"),
        (("code", "answer = ", "result = "), "KeyError"),
        (("code", "a * b", "__import__('os')"), "no arithmetic"),
        (("code", "a * b", "a ** b ** b ** b"), "exponent"),
        (("code", "a * b", "a / (b - 4)"), "whole numbers"),
        (("question", "3 trays", "three trays"), "a = 3 is not in the question"),
        (("answer", "7", "8"), "the answer is 8"),
    ],
)
def test_a_wrong_item_does_not_pass(change: tuple[str, str, str], said: str) -> None:
    item = {
        "question": "3 trays of 4 rolls, 5 sold: how many are left?",
        "steps": "There were 3 * 4 = 12.\nLeft are 12 - 5 = 7.",
        "code": "a = 3\nb = 4\nc = 5\nanswer = a * b - c\nprint(answer)",
        "answer": "7",
        "given": {"a": 3, "b": 4, "c": 5},
    }
    assert verify(**item) == 2
    field, old, new = change
    assert old in item[field]
    with pytest.raises(Wrong, match=said):
        verify(**item | {field: item[field].replace(old, new)})


def test_equations_and_programs_are_exact() -> None:
    assert check_equations("2/3 * 3 = 2, then 0.10 + 0.20 = 0.30 and 1/6 + 1/6 = 1/3.")[-1] == (
        Fraction(1, 3)
    )
    with pytest.raises(Wrong):
        check_equations("1/3 = 0.3333333333333333.")
    money = 'from decimal import Decimal\na = Decimal("0.10")\nanswer = a * 3\nprint(answer)'
    assert str(run_program(money)) == "0.30"


def test_a_templates_items_do_not_depend_on_the_others() -> None:
    alone = MathTemplates(templates=("discount",)).items(5, 0, 3, None)
    number = list(TEMPLATES).index("discount")
    among_all = [
        next(MathTemplates().items(5, index, index + 1, None))
        for index in range(number, 3 * len(TEMPLATES), len(TEMPLATES))
    ]
    assert [item.text for item in alone] == [item.text for item in among_all]
