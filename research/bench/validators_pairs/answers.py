"""Final answers of solutions: the same in another form, or another."""

# ruff: noqa: E501 (texts are left as they are)
from __future__ import annotations

from research.bench.validators_pairs.case import Case

CASES = (
    Case(
        "final_answer",
        "Tom has 12 boxes of 8 pencils. He gives 20 away. 12 * 8 = 96, and 96 - 20 = 76.\n#### 76",
        good=(
            "There are 12 x 8 = 96 pencils. After giving away 20, Tom has 96 - 20 = 76.\n\nThe answer "
            "is 76.",
            "First I thought 12 * 8 = 86, so 66 would be left. Wait, 12 * 8 = 96, so the answer is "
            "$\\boxed{76}$.",
            "76 pencils are left, since 12 * 8 - 20 = 76.",
        ),
        bad=(
            "There are 12 * 8 = 96 pencils. 96 - 20 = 74.\n\nThe answer is 74.",
            "The answer is 76 boxes, and so each has 76 / 4 = 19 pencils. Final answer: 19.",
            "Tom has 12 boxes of 8 pencils and gives 20 away. How many are left?",
        ),
    ),
    Case(
        "final_answer",
        "Solve 4x = 3. Dividing by 4 gives $x = \\boxed{\\frac{3}{4}}$.",
        good=(
            "We divide both sides by 4 and get x = 3/4. The answer is 0.75.",
            "Dividing gives $x = \\dfrac34$, so the final answer is $\\boxed{\\tfrac{3}{4}}$.",
            "Both sides are divided by 4. Answer: 75%",
        ),
        bad=(
            "We divide both sides by 3 and get x = 4/3. The answer is 4/3.",
            "Both sides are divided by 4. Answer: .34",
        ),
    ),
    Case(
        "final_answer",
        "Expand (x + 1)^2. The answer is $x^2 + 2x + 1$.",
        good=(
            "Multiplying out gives x*x + x + x + 1. The answer is $1 + 2x + x^2$.",
            "A square stays a square: the answer is $\\boxed{(x+1)^2}$.",
        ),
        bad=(
            "Squaring both terms, the answer is $x^2 + 1$.",
            "The answer is $x^2 + 2x - 1$.",
        ),
    ),
    Case(
        "final_answer",
        "The price rises from 80 to 92 dollars. The increase is 12/80 = 15%.\nAnswer: 15%",
        good=("92 - 80 = 12, and 12 of 80 is 0.15. Answer: 15 percent",),
        bad=(
            "92 - 80 = 12, and 12 of 92 is 13%. Answer: 13%",
            "The increase is 12 dollars. Answer: 12",
        ),
    ),
    Case(
        "final_answer",
        "She earns $1,250 a month, so in a year she earns 12 * 1250 = 15000.\n#### 15,000",
        good=(
            "Twelve months of $1250 each make $15,000. Therefore, she earns **$15,000** a year.",
            "12 * 1,250 = 15 000. The final answer is 15000 dollars.",
        ),
        bad=(
            "Twelve months of $1,250 each make $1,500. The answer is $1,500.",
            "Ten months of $1,250 each make $12,500. The final answer is $12,500.",
        ),
    ),
    Case(
        "final_answer",
        "The diagonal of a square of side 3 is $\\boxed{3\\sqrt{2}}$.",
        good=(
            "By Pythagoras the diagonal is $\\sqrt{9+9}$. The answer is $\\boxed{\\sqrt{18}}$.",
            "The diagonal is $\\boxed{3\\cdot 2^{1/2}}$.",
        ),
        bad=(
            "By Pythagoras the diagonal is $\\boxed{2\\sqrt{3}}$.",
            "The diagonal is about $\\boxed{4.3}$.",
        ),
    ),
    Case(
        "final_answer",
        "A train runs 210 km in 2.5 hours. Its speed is 210 / 2.5 = 84 km/h. The answer is 84 km/h.",
        good=(
            "Dividing 210 km by 2.5 h, we get a speed of 84 km/h. So the answer is 84 kilometres per "
            "hour.",
            "In five hours the train would run 420 km; 420 / 5 = 84. #### 84",
        ),
        bad=(
            "Dividing 210 by 2.5, we get 525. The answer is 525 km/h.",
            "The answer is 84. But the train also stops for half an hour, so 210 / 3 = 70 and the "
            "final answer is 70 km/h.",
            "The train runs fast: 210 km in 2.5 hours is a good speed for a train.",
        ),
        held_out=True,
    ),
    Case(
        "final_answer",
        "The coin falls three times. Two heads: 3 of 8 outcomes, hence $\\boxed{\\dfrac{3}{8}}$.",
        good=(
            "There are 8 outcomes of three throws, and 3 of them have two heads. The probability is "
            "3/8.",
            "Three of eight outcomes: the answer is $\\boxed{0.375}$.",
            "The answer is 37.5%.",
        ),
        bad=(
            "There are 8 outcomes, of which 2 have two heads. The answer is $\\boxed{\\frac14}$.",
            "Three throws, two heads: the answer is $\\boxed{\\dfrac{8}{3}}$.",
            "The answer is 38%.",
        ),
        held_out=True,
    ),
    Case(
        "final_answer",
        "Differentiate x^3 - 2x. The derivative is $\\boxed{3x^2 - 2}$.",
        good=(
            "Term by term: 3x^2 and -2. The final answer is $\\boxed{-2 + 3x^2}$.",
            "The derivative is $\\boxed{3 x^{2}-2}$, because the power rule lowers each exponent.",
        ),
        bad=(
            "The derivative is $\\boxed{3x^2 - 2x}$.",
            "The derivative is $\\boxed{2x^3 - 2}$.",
        ),
        held_out=True,
    ),
    Case(
        "final_answer",
        "Which option is right? Options: (A) 12 (B) 15 (C) 18. 6 * 3 = 18, so the answer is (C).",
        good=(
            "Six times three is eighteen; thus the answer is C.",
            "6 * 3 is 18. Answer: (C) 18",
        ),
        bad=(
            "Six times three is fifteen; thus the answer is B.",
            "6 * 2 is 12. Answer: (A)",
        ),
        held_out=True,
    ),
    Case(
        "final_answer",
        "If a = 2b, then (a + b)(a - b) = 3b^2. The answer is $3b^2$.",
        good=("(2b + b)(2b - b) = 3b * b. The answer is $\\boxed{3b\\cdot b}$.",),
        bad=(
            "(2b + b)(2b - b) = 3b. The answer is $\\boxed{3b}$.",
            "The answer is $\\boxed{3a^2}$.",
        ),
        held_out=True,
    ),
    Case(
        "final_answer",
        "Er kauft 4 Äpfel zu je 0,75 Euro und zahlt 3 Euro. Die Antwort ist 3.",
        good=("Vier Äpfel zu je 0,75 Euro kosten 3 Euro. Antwort: 3,00 Euro",),
        bad=("Vier Äpfel zu je 0,75 Euro kosten 3,75 Euro. Antwort: 3,75 Euro",),
        held_out=True,
    ),
)
