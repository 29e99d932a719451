"""Word problems about amounts: steps, fractions, remainders, comparison, averages, ratios."""

from __future__ import annotations

from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.math_templates.words import (
    BAKED,
    CHEAP,
    COLOURS,
    CROPS,
    NAMES,
    PLACES,
    PLANTS,
    SMALL,
    TOWNS,
)
from research.rephrase.synthesis.problem import Problem, Template


def baked_and_sold(d: Draws) -> Problem:
    """Trays filled, some sold, the rest packed."""
    who, thing = d.choice(NAMES), d.choice(BAKED)
    box, boxes, trays = d.integer(3, 8), d.integer(2, 15), d.integer(3, 9)
    left = box * boxes
    each = left // trays + d.integer(4, 12)
    baked, sold = trays * each, trays * each - left
    return Problem(
        f"{who} bakes {trays} trays with {each} {thing} on each. By noon {sold} of the {thing} are "
        f"sold, and those that remain are packed into boxes of {box}. How many boxes does {who} "
        "need?",
        {"trays": trays, "on_each": each, "sold": sold, "in_a_box": box},
        (
            f"Baked were {trays} * {each} = {baked} {thing}.",
            f"After the sale {baked} - {sold} = {left} remain.",
            f"They fill {left} / {box} = {boxes} boxes.",
        ),
        "remaining = trays * on_each - sold\nanswer = remaining // in_a_box",
        boxes,
    )


def buses_needed(d: Draws) -> Problem:
    """A remainder that needs one more."""
    place, town = d.choice(PLACES), d.choice(TOWNS)
    seats, full = d.integer(18, 60), d.integer(2, 12)
    over, staff = d.integer(1, seats - 1), d.integer(2, 9)
    people = seats * full + over
    return Problem(
        f"{people - staff} visitors and {staff} guides travel from {town} to {place}. A bus has "
        f"{seats} seats for them. How many buses must be ordered so that everyone has a seat?",
        {"visitors": people - staff, "guides": staff, "seats": seats},
        (
            f"Seats are needed for {people - staff} + {staff} = {people} people.",
            f"{full} buses take {full} * {seats} = {full * seats} people.",
            f"Without a seat would be {people} - {full * seats} = {over}, so one more bus comes: "
            f"{full} + 1 = {full + 1}.",
        ),
        "people = visitors + guides\nanswer = (people + seats - 1) // seats",
        full + 1,
    )


def left_over(d: Draws) -> Problem:
    """What remains when equal groups are made."""
    who, thing = d.choice(NAMES), d.choice(SMALL)
    group, groups = d.integer(4, 17), d.integer(5, 25)
    rest = d.integer(0, group - 1)
    total = group * groups + rest
    first = d.integer(2, total - 2)
    return Problem(
        f"{who} has {first} {thing} in one jar and {total - first} in another. {who} mixes them "
        f"and makes as many heaps of {group} as possible. How many {thing} are in no heap?",
        {"first_jar": first, "second_jar": total - first, "heap": group},
        (
            f"Together there are {first} + {total - first} = {total} {thing}.",
            f"{groups} heaps use {groups} * {group} = {groups * group} of them.",
            f"In no heap are {total} - {groups * group} = {rest}.",
        ),
        "together = first_jar + second_jar\nanswer = together % heap",
        rest,
    )


def fraction_of_a_harvest(d: Draws) -> Problem:
    """A fraction of the whole, then a fraction of the rest."""
    who, crop = d.choice(NAMES), d.choice(CROPS)
    a, b = d.integer(3, 8), d.integer(2, 6)
    x, y = d.integer(1, a - 1), d.integer(1, b - 1)
    total = a * b * d.integer(2, 15)
    sold = total // a * x
    rest = total - sold
    # `rest` is a multiple of b since `total` is one of a * b
    given = rest // b * y
    return Problem(
        f"{who} harvests {total} kilograms of {crop}. {x}/{a} of them are sold at the market, and "
        f"{y}/{b} of what is left then is given to neighbours. How many kilograms does {who} keep?",
        {"harvest": total, "sold_parts": x, "of": a, "given_parts": y, "of_rest": b},
        (
            f"Sold are {x}/{a} * {total} = {sold} kilograms.",
            f"That leaves {total} - {sold} = {rest} kilograms.",
            f"The neighbours get {y}/{b} * {rest} = {given} kilograms.",
            f"{who} keeps {rest} - {given} = {rest - given} kilograms.",
        ),
        "rest = harvest - harvest * sold_parts // of\n"
        "answer = rest - rest * given_parts // of_rest",
        rest - given,
    )


def three_collections(d: Draws) -> Problem:
    """Each amount is told by another one."""
    (a, b, c), thing = d.several(NAMES, 3), d.choice(CHEAP)
    first, more, times = d.integer(4, 60), d.integer(3, 40), d.integer(2, 6)
    second = first + more
    third = times * second
    total = first + second + third
    return Problem(
        f"{b} owns {more} {thing} more than {a}, and {c} owns {times} times as many as {b}. If {a} "
        f"has {first} {thing}, how many do the three have together?",
        {"first": first, "more": more, "times": times},
        (
            f"{b} has {first} + {more} = {second}.",
            f"{c} has {times} * {second} = {third}.",
            f"All three have {first} + {second} + {third} = {total} {thing}.",
        ),
        "second = first + more\nthird = times * second\nanswer = first + second + third",
        total,
    )


def difference_after_a_gift(d: Draws) -> Problem:
    """How far apart two amounts are after something changed hands."""
    (a, b), thing = d.several(NAMES, 2), d.choice(SMALL)
    gift = d.integer(2, 20)
    second = d.integer(5, 70)
    first = second + 2 * gift + d.integer(1, 40)
    return Problem(
        f"{a} has {first} {thing} and {b} has {second}. {a} gives {b} {gift} of them. How many "
        f"more {thing} than {b} does {a} have now?",
        {"first": first, "second": second, "gift": gift},
        (
            f"{a} keeps {first} - {gift} = {first - gift}.",
            f"{b} has {second} + {gift} = {second + gift}.",
            f"The difference is {first - gift} - {second + gift} = {first - second - 2 * gift}.",
        ),
        "answer = (first - gift) - (second + gift)",
        first - second - 2 * gift,
    )


def average_of_days(d: Draws) -> Problem:
    """The mean of some counts."""
    place, days = d.choice(PLACES), d.integer(3, 6)
    mean = d.integer(20, 90)
    offsets = [d.integer(-15, 15) for _ in range(days - 1)]
    counts = [mean + offset for offset in offsets]
    counts.append(mean * days - sum(counts))
    if counts[-1] < 1:
        counts = [mean] * days
    listed = ", ".join(map(str, counts[:-1])) + f" and {counts[-1]}"
    added = " + ".join(map(str, counts))
    total = sum(counts)
    return Problem(
        f"Somebody counts the visitors of {place} on {days} days and notes {listed}. How many "
        "visitors came on an average day?",
        {f"day{i}": count for i, count in enumerate(counts, 1)} | {"days": days},
        (
            f"All days together: {added} = {total}.",
            f"The average is {total} / {days} = {mean}.",
        ),
        f"answer = ({' + '.join(f'day{i}' for i in range(1, days + 1))}) // days",
        mean,
    )


def score_to_reach_an_average(d: Draws) -> Problem:
    """What the last of some results must be."""
    who, tests = d.choice(NAMES), d.integer(4, 8)
    before = d.integer(50, 85)
    target = before + d.integer(-5, (100 - before) // tests)
    last = before + (target - before) * tests
    return Problem(
        f"The average of the first {tests - 1} quiz results of {who} is {before} points. How many "
        f"points must the next result have so that the average of all {tests} is {target}?",
        {"done": tests - 1, "average": before, "tests": tests, "target": target},
        (
            f"The first {tests - 1} add up to {tests - 1} * {before} = {before * (tests - 1)}.",
            f"All {tests} must add up to {tests} * {target} = {target * tests}.",
            f"The next result must be {target * tests} - {before * (tests - 1)} = {last}.",
        ),
        "answer = tests * target - done * average",
        last,
    )


def shared_by_a_ratio(d: Draws) -> Problem:
    """An amount divided by a ratio."""
    (a, b), crop = d.several(NAMES, 2), d.choice(CROPS)
    x, y = d.several(range(2, 10), 2)
    part = d.integer(3, 40)
    total = part * (x + y)
    return Problem(
        f"{a} and {b} share {total} bags of {crop} in the ratio {x}:{y}. How many bags does {b} "
        "get?",
        {"bags": total, "first_share": x, "second_share": y},
        (
            f"There are {x} + {y} = {x + y} shares.",
            f"One share is {total} / {x + y} = {part} bags.",
            f"{b} gets {y} * {part} = {y * part} bags.",
        ),
        "share = bags // (first_share + second_share)\nanswer = second_share * share",
        y * part,
    )


def recipe_for_more(d: Draws) -> Problem:
    """A recipe scaled to more people."""
    who, thing = d.choice(NAMES), d.choice(BAKED)
    serves, factor = d.integer(2, 8), d.integer(2, 9)
    grams = serves * d.multiple(5, 15, 90)
    wanted = serves * factor + d.integer(1, serves - 1)
    one = grams // serves
    return Problem(
        f"A recipe takes {grams} grams of flour for {serves} {thing}. How many grams of flour does "
        f"{who} need for {wanted} {thing}?",
        {"grams": grams, "made": serves, "wanted": wanted},
        (
            f"One takes {grams} / {serves} = {one} grams.",
            f"For {wanted} it is {wanted} * {one} = {wanted * one} grams.",
        ),
        "answer = grams // made * wanted",
        wanted * one,
    )


def part_in_percent(d: Draws) -> Problem:
    """Which percentage a part is."""
    tree, other = d.several(PLANTS, 2)
    percent = d.integer(3, 96)
    scale = d.integer(1, 12)
    first, second = percent * scale, (100 - percent) * scale
    return Problem(
        f"An orchard has {first} {tree} trees and {second} {other} trees, and no others. What "
        f"percentage of its trees are {tree} trees?",
        {"first": first, "second": second},
        (
            f"It has {first} + {second} = {100 * scale} trees.",
            f"Of these the {tree} trees are {first} * 100 / {100 * scale} = {percent} percent.",
        ),
        "answer = first * 100 // (first + second)",
        percent,
    )


def whole_from_percent(d: Draws) -> Problem:
    """The whole, where a percentage of it is known."""
    who, place, colour = d.choice(NAMES), d.choice(PLACES), d.choice(COLOURS)
    percent = d.choice((5, 10, 15, 20, 25, 30, 35, 40, 45, 60, 65, 70, 75, 80))
    whole = d.multiple(20, 40, 1200)
    part = whole * percent // 100
    return Problem(
        f"{percent}% of the chairs in {place} are {colour}. {who} counts {part} {colour} chairs. "
        "How many chairs are of another colour?",
        {"percent": percent, "part": part},
        (
            f"All chairs together are {part} * 100 / {percent} = {whole}.",
            f"Of another colour are {whole} - {part} = {whole - part} chairs.",
        ),
        "chairs = part * 100 // percent\nanswer = chairs - part",
        whole - part,
    )


QUANTITIES: tuple[Template, ...] = (
    baked_and_sold,
    buses_needed,
    left_over,
    fraction_of_a_harvest,
    three_collections,
    difference_after_a_gift,
    average_of_days,
    score_to_reach_an_average,
    shared_by_a_ratio,
    recipe_for_more,
    part_in_percent,
    whole_from_percent,
)
