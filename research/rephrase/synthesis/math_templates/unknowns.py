"""Word problems with unknowns, sequences, common multiples, combinations and chances."""

from __future__ import annotations

from fractions import Fraction

from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.math_templates.words import (
    CHEAP,
    COLOURS,
    NAMES,
    PLACES,
    PLANTS,
    SMALL,
    TOWNS,
)
from research.rephrase.synthesis.problem import Problem, Template


def number_thought_of(d: Draws) -> Problem:
    """An equation in one unknown, undone step by step."""
    who, times, add = d.choice(NAMES), d.integer(2, 12), d.integer(3, 60)
    divisor = d.integer(2, 9)
    # times * number + add must be a multiple of the divisor
    number = d.integer(2, 40)
    add += -(times * number + add) % divisor
    inside = times * number + add
    result = inside // divisor
    return Problem(
        f"{who} thinks of a number, multiplies it by {times}, adds {add} and divides all that by "
        f"{divisor}. The result is {result}. Which number was it?",
        {"times": times, "added": add, "divisor": divisor, "result": result},
        (
            f"Before the division there was {result} * {divisor} = {inside}.",
            f"Before the addition there was {inside} - {add} = {times * number}.",
            f"So the number was {times * number} / {times} = {number}.",
        ),
        "answer = (result * divisor - added) // times",
        number,
    )


def ages_in_some_years(d: Draws) -> Problem:
    """Two ages, told by their sum at another time."""
    (a, b), years, apart = d.several(NAMES, 2), d.integer(2, 15), d.integer(2, 30)
    young = d.integer(4, 40)
    total = 2 * young + apart + 2 * years
    return Problem(
        f"{a} is {apart} years older than {b}. In {years} years their ages will add up to {total}. "
        f"How old is {b} now?",
        {"apart": apart, "years": years, "total": total},
        (
            f"Now their ages add up to {total} - 2 * {years} = {total - 2 * years}.",
            f"Twice the age of {b} is {total - 2 * years} - {apart} = {2 * young}.",
            f"{b} is {2 * young} / 2 = {young} years old.",
        ),
        "now = total - 2 * years\nanswer = (now - apart) // 2",
        young,
    )


def wheels_in_a_yard(d: Draws) -> Problem:
    """Two unknowns from two sums."""
    place, town, cars, bikes = d.choice(PLACES), d.choice(TOWNS), d.integer(3, 60), d.integer(3, 60)
    count, wheels = cars + bikes, 4 * cars + 2 * bikes
    return Problem(
        f"In front of {place} in {town} stand cars with 4 wheels and bicycles with 2 wheels: "
        f"{count} vehicles with {wheels} wheels. How many of them are cars?",
        {"vehicles": count, "wheels": wheels, "of_a_car": 4, "of_a_bicycle": 2},
        (
            f"If all were bicycles there would be {count} * 2 = {2 * count} wheels.",
            f"There are {wheels} - {2 * count} = {2 * cars} more.",
            f"A car adds 4 - 2 = 2 wheels, so there are {2 * cars} / 2 = {cars} cars.",
        ),
        "missing = wheels - vehicles * of_a_bicycle\nanswer = missing // (of_a_car - of_a_bicycle)",
        cars,
    )


def two_kinds_of_tickets(d: Draws) -> Problem:
    """Two unknown counts from a number and an amount."""
    who, thing, other = d.choice(NAMES), *d.several(CHEAP, 2)
    cheap = d.integer(2, 6)
    dear = cheap + d.integer(1, 7)
    x, y = d.integer(3, 30), d.integer(3, 30)
    paid = cheap * x + dear * y
    return Problem(
        f"{who} buys {x + y} presents, only {thing} for ${cheap} each and {other} for ${dear} "
        f"each, and pays ${paid} in total. How many {other} are among them?",
        {"presents": x + y, "cheap": cheap, "dear": dear, "paid": paid},
        (
            f"Were all of them {thing}, they would cost {x + y} * {cheap} = {(x + y) * cheap}.",
            f"Paid was {paid} - {(x + y) * cheap} = {paid - (x + y) * cheap} more than that.",
            f"The prices differ by {dear} - {cheap} = {dear - cheap} dollars.",
            f"So there are {paid - (x + y) * cheap} / {dear - cheap} = {y} {other}.",
        ),
        "more = paid - presents * cheap\nanswer = more // (dear - cheap)",
        y,
    )


def seats_row_by_row(d: Draws) -> Problem:
    """The sum of an arithmetic sequence."""
    place, town = d.choice(PLACES), d.choice(TOWNS)
    first, step, rows = d.integer(8, 30), d.integer(2, 6), d.integer(5, 24)
    last = first + (rows - 1) * step
    total = rows * (first + last) // 2
    return Problem(
        f"The hall of {place} in {town} has {rows} rows of seats. The first row has {first} "
        f"seats, and each row after it has {step} more than the one before. How many seats does "
        "the hall have?",
        {"rows": rows, "first": first, "step": step},
        (
            f"The last row has {first} + {rows - 1} * {step} = {last} seats.",
            f"First and last row together have {first} + {last} = {first + last} seats.",
            f"All rows have {rows} * {first + last} / 2 = {total} seats.",
        ),
        "last = first + (rows - 1) * step\nanswer = rows * (first + last) // 2",
        total,
    )


def doubling_every_week(d: Draws) -> Problem:
    """A geometric sequence."""
    who, town = d.choice(NAMES), d.choice(TOWNS)
    what = d.choice(("duckweed plants", "water fleas", "yeast colonies"))
    start, times, weeks = d.integer(2, 30), d.integer(2, 4), d.integer(3, 6)
    counts = [start * times**week for week in range(weeks + 1)]
    steps = tuple(
        f"After week {week}: {counts[week - 1]} * {times} = {counts[week]}."
        for week in range(1, weeks + 1)
    )
    return Problem(
        f"A pond near {town} holds {start} {what}, and {who} notes that after every week there are "
        f"{times} times as many as before it. How many are there after {weeks} weeks?",
        {"start": start, "times": times, "weeks": weeks},
        steps,
        "answer = start * times ** weeks",
        counts[-1],
    )


def bells_at_the_same_time(d: Draws) -> Problem:
    """The least common multiple of two periods."""
    who, (a, b), common = d.choice(NAMES), d.several(TOWNS, 2), d.integer(2, 9)
    x, y = d.choice(((2, 3), (2, 5), (2, 7), (3, 4), (3, 5), (3, 7), (4, 5), (4, 7), (5, 6)))
    first, second = common * x, common * y
    return Problem(
        f"The bell of {a} rings every {first} minutes and that of {b} every {second} minutes. "
        f"{who} has just heard them together. After how many minutes will they ring together "
        "again?",
        {"first": first, "second": second},
        (
            f"Both numbers are multiples of {common}: {first} / {common} = {x} and "
            f"{second} / {common} = {y}, which have no common divisor but 1.",
            f"The least common multiple is {common} * {x} * {y} = {common * x * y} minutes.",
        ),
        "answer = first * second // gcd(first, second)",
        common * x * y,
    )


def largest_equal_bunches(d: Draws) -> Problem:
    """The greatest common divisor of two counts."""
    who, (first, second) = d.choice(NAMES), d.several(PLANTS, 2)
    x, y = d.choice(((2, 3), (2, 5), (2, 7), (3, 4), (3, 5), (4, 5), (4, 9), (5, 8), (7, 9)))
    bunches = d.integer(3, 30)
    a, b = bunches * x, bunches * y
    return Problem(
        f"{who} has {a} {first} twigs and {b} {second} twigs and wants to make as many bunches as "
        "possible, all alike and with no twig left over. How many bunches can there be?",
        {"first": a, "second": b},
        (
            f"{bunches} divides both numbers: {a} / {bunches} = {x} and {b} / {bunches} = {y}.",
            f"{x} and {y} have no common divisor but 1, so no larger number does: "
            f"{a} / {x} = {bunches}.",
        ),
        "answer = gcd(first, second)",
        bunches,
    )


def outfits_to_choose(d: Draws) -> Problem:
    """Independent choices multiplied."""
    who, colour = d.choice(NAMES), d.choice(COLOURS)
    shirts, scarves, hats, not_allowed = (d.integer(3, 12) for _ in range(4))
    hats, not_allowed = hats + 1, min(not_allowed, hats)
    total = shirts * scarves * hats
    fewer = shirts * scarves * not_allowed
    return Problem(
        f"{who} owns {shirts} shirts, {scarves} scarves and {hats} hats, {not_allowed} of them "
        f"{colour}, and wears one of each. In how many ways can that be done without a {colour} "
        "hat?",
        {"shirts": shirts, "scarves": scarves, "hats": hats, "left_out": not_allowed},
        (
            f"With all hats there are {shirts} * {scarves} * {hats} = {total} ways.",
            f"With a {colour} hat there are {shirts} * {scarves} * {not_allowed} = {fewer}.",
            f"Without one {total} - {fewer} = {total - fewer} ways remain.",
        ),
        "answer = shirts * scarves * (hats - left_out)",
        total - fewer,
    )


def chance_of_a_colour(d: Draws) -> Problem:
    """The probability of one draw, in lowest terms."""
    thing, (a, b, c) = d.choice(SMALL), d.several(COLOURS, 3)
    x, y, z = d.integer(1, 14), d.integer(2, 14), d.integer(2, 14)
    total = x + y + z
    chance = Fraction(y + z, total)
    if chance.denominator == total:  # the fraction shall have something to reduce
        x, y, z = 2 * x, 2 * y, 2 * z
        total *= 2
    return Problem(
        f"A bag holds {x} {a}, {y} {b} and {z} {c} {thing}. One of the {thing} is drawn without "
        f"looking. What is the probability that it is not {a}, as a fraction in lowest terms?",
        {"first": x, "second": y, "third": z},
        (
            f"In the bag there are {x} + {y} + {z} = {total} {thing}.",
            f"Not {a} are {y} + {z} = {y + z} of them.",
            f"The probability is {y + z}/{total} = {chance}.",
        ),
        "favourable = second + third\nanswer = Fraction(favourable, first + favourable)",
        chance,
    )


def two_drawn_in_a_row(d: Draws) -> Problem:
    """The probability of two draws without putting back."""
    who, thing, (a, b) = d.choice(NAMES), d.choice(SMALL), d.several(COLOURS, 2)
    x, y = d.integer(3, 20), d.integer(2, 20)
    total = x + y
    chance = Fraction(x * (x - 1), total * (total - 1))
    return Problem(
        f"{who} draws two {thing}, one after the other and without putting the first back, from a "
        f"bag with {x} {a} and {y} {b} ones. What is the probability that both are {a}, as a "
        "fraction in lowest terms?",
        {"wanted": x, "others": y},
        (
            f"At first {x} of {x} + {y} = {total} {thing} are {a}, and after one such draw {x - 1} "
            f"of {total} - 1 = {total - 1}.",
            f"The probability is {x}/{total} * {x - 1}/{total - 1} = {chance}.",
        ),
        "total = wanted + others\n"
        "answer = Fraction(wanted, total) * Fraction(wanted - 1, total - 1)",
        chance,
    )


UNKNOWNS: tuple[Template, ...] = (
    number_thought_of,
    ages_in_some_years,
    wheels_in_a_yard,
    two_kinds_of_tickets,
    seats_row_by_row,
    doubling_every_week,
    bells_at_the_same_time,
    largest_equal_bunches,
    outfits_to_choose,
    chance_of_a_colour,
    two_drawn_in_a_row,
)
