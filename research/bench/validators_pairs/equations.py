"""Calculations written out in solutions: right ones, and wrong ones."""

# ruff: noqa: E501 (texts are left as they are)
from __future__ import annotations

from research.bench.validators_pairs.case import Case

_PENCILS = "Tom has 12 boxes of 8 pencils. He gives 20 away. How many are left?"
_SALE = "A coat of 80 dollars is sold for 15% less. What does it cost now?"
_TANK = "A tank holds 3/4 of its 200 litres. Half of that is used. How much is left?"
_TRIP = "Ana drives 150 km in 2 hours and then 90 km in 1.5 hours. What is her mean speed?"

CASES = (
    Case(
        "equations",
        _PENCILS,
        good=(
            "12 * 8 = 96 pencils, and 96 - 20 = 76 are left.",
            "There are $12 \\times 8 = 96$ pencils. After the gift, $96 - 20 = 76$.",
            "Let p be the number of pencils. p = 12 x 8, so p = 96 and p - 20 = 76.",
            "12 boxes with 8 each: 8 + 8 + 8 + 8 + 8 + 8 + 8 + 8 + 8 + 8 + 8 + 8 = 96. 96-20=76",
        ),
        bad=(
            "12 * 8 = 86 pencils, and 86 - 20 = 66 are left.",
            "12 * 8 = 96 pencils, and 96 - 20 = 74 are left.",
            "There are $12 \\times 8 = 92$ pencils, of which 72 are left.",
        ),
    ),
    Case(
        "equations",
        _SALE,
        good=(
            "15% of 80 is 0.15 * 80 = 12 dollars, so the coat costs $80 - $12 = $68.",
            "The new price is 85/100 * 80 = 68 dollars.",
            "1 - 0.15 = 0.85 and 0.85 × 80 = 68.00.",
        ),
        bad=(
            "15% of 80 is 0.15 * 80 = 15 dollars, so the coat costs $80 - $15 = $65.",
            "The new price is $80 - $12 = $78.",
        ),
    ),
    Case(
        "equations",
        _TANK,
        good=(
            "$\\frac{3}{4} \\cdot 200 = 150$ litres, and $150 / 2 = 75$ litres are left.",
            "3/4 * 200 = 600/4 = 150, then 150 ÷ 2 = 75.",
        ),
        bad=(
            "$\\frac{3}{4} \\cdot 200 = 160$ litres, and $160 / 2 = 80$ litres are left.",
            "3/4 * 200 = 600/4 = 120, then 120 ÷ 2 = 60.",
        ),
    ),
    Case(
        "equations",
        _TRIP,
        good=(
            "The way is 150 + 90 = 240 km and the time 2 + 1.5 = 3.5 hours. The mean speed is 240 / 3.5 = 68.57 km/h.",
            "240 / 3.5 ≈ 68.6, since 150 + 90 = 240 and 2 + 1.5 = 3.5.",
            "First she drives 150 / 2 = 75 km/h, then 90 / 1.5 = 60 km/h; (150 + 90) / (2 + 1.5) = 68 4/7.",
        ),
        bad=(
            "The way is 150 + 90 = 240 km and the time 2 + 1.5 = 4 hours. The mean speed is 240 / 4 = 60 km/h.",
            "The mean speed is (75 + 60) / 2 = 68.5 km/h.",
            "The mean speed is 240 / 3.5 = 70.2 km/h.",
        ),
        held_out=True,
    ),
    Case(
        "equations",
        "What is the area of a triangle with base 7 and height 6? And of a square of side 2.5?",
        good=(
            "Area = 1/2 * 7 * 6 = 21. The square: 2.5^2 = 6.25.",
            "The triangle has $\\frac{7 \\cdot 6}{2} = 21$ and the square $2.5 \\times 2.5 = 6.25$.",
        ),
        bad=(
            "Area = 1/2 * 7 * 6 = 42. The square: 2.5^2 = 6.25.",
            "The triangle has $\\frac{7 \\cdot 6}{2} = 21$ and the square $2.5 \\times 2.5 = 5$.",
            "Area = 7 + 6 = 13 / 2 = 6.5.",
        ),
        held_out=True,
    ),
    Case(
        "equations",
        "A school of 1,250 pupils has 2% more than last year. Class 3b has 26 pupils, class 3a has 24.",
        good=(
            "1,250 / 1.02 = 1,225.49, so last year there were about 1,225 pupils. Both classes: 26 + 24 = 50.",
            "In class 3a = 24 and class 3b = 26, together 24 + 26 = 50 pupils; 50 / 1,250 = 4%.",
        ),
        bad=(
            "1,250 / 1.02 = 1,275, so there were more pupils last year.",
            "Both classes: 26 + 24 = 60 pupils.",
            "The two classes are 26 + 24 = 50 pupils, that is 50 / 1,250 = 40% of the school.",
        ),
        held_out=True,
    ),
    Case(
        "equations",
        "Solve 2x + 6 = 20.",
        good=(
            "2x = 20 - 6 = 14, so x = 14 / 2 = 7. Check: 2 * 7 + 6 = 20.",
            "Subtract 6: 2x + 6 - 6 = 20 - 6, hence 2x = 14 and x = 7.",
        ),
        bad=(
            "2x = 20 - 6 = 12, so x = 12 / 2 = 6.",
            "x = 7. Check: 2 * 7 + 6 = 22.",
        ),
        held_out=True,
    ),
    Case(
        "equations",
        "A film begins at 7:45 and lasts 1 hour 50 minutes. Tickets are 9 euros; a family of 4 gets 10% off.",
        good=(
            "It ends at 7:45 + 1:50 = 9:35. The tickets cost 4 * 9 = 36 euros, less 10% that is 36 - 3.6 = 32.4.",
        ),
        bad=(
            "The tickets cost 4 * 9 = 32 euros.",
            "The tickets cost 4 * 9 = 36 euros, and with 10% off 36 * 0.9 = 34.2 euros.",
        ),
        held_out=True,
    ),
    Case(
        "equations",
        "Emily can peel 9 mushrooms a minute and saute 40 mushrooms in 16 minutes. How long will it "
        "take her to peel and saute 720 mushrooms?",
        good=(
            "720 mushrooms / 9 mushrooms/minute = 80 minutes and 720 mushrooms / 40 mushrooms/batch "
            "= 18 batches, so 18 batches * 16 minutes/batch = 288 minutes.",
            "Peeling takes 80 minutes / 60 = 1 hour 20 minutes.",
            "Peeling 80 minutes + frying 288 minutes + 0 minutes = 368 minutes.",
            "Half of 720 / 9 = 40 minutes. She needs sqrt(16 + 9) = 5 pans.",
            "288 minutes + 1 hour + 20 minutes = 368 minutes",
        ),
        bad=(
            "9 mushrooms * 16 minutes/mushroom = 124 minutes\n"
            "40 mushrooms * 16 minutes/mushroom = 64 minutes",
            "720 mushrooms / 9 mushrooms/minute = 90 minutes.",
            "80 long minutes + 288 short minutes = 386 minutes of work",
            "18 batches x 16 = 280 minutes",
        ),
    ),
)
