"""Word problems about lengths, areas, volumes, angles and maps."""

from __future__ import annotations

from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.math_templates.words import COLOURS, CROPS, NAMES, PLACES, TOWNS
from research.rephrase.synthesis.problem import Problem, Template


def fence_with_a_gate(d: Draws) -> Problem:
    """The perimeter of a rectangle, and what a part of it costs."""
    who, crop = d.choice(NAMES), d.choice(CROPS)
    length, width, gate = d.integer(9, 60), d.integer(6, 40), d.integer(2, 5)
    price = d.integer(4, 19)
    around = 2 * (length + width)
    return Problem(
        f"{who} fences a rectangular field of {crop}, {length} metres long and {width} metres "
        f"wide, and leaves an opening of {gate} metres for a gate. A metre of fence costs "
        f"${price}. How many dollars does the fence cost?",
        {"length": length, "width": width, "gate": gate, "price": price},
        (
            f"Once around the field is 2 * ({length} + {width}) = {around} metres.",
            f"Without the gate it is {around} - {gate} = {around - gate} metres.",
            f"The fence costs {around - gate} * {price} = {(around - gate) * price} dollars.",
        ),
        "fence = 2 * (length + width) - gate\nanswer = fence * price",
        (around - gate) * price,
    )


def tiles_on_a_floor(d: Draws) -> Problem:
    """Square tiles that cover a rectangle."""
    who, place, colour = d.choice(NAMES), d.choice(PLACES), d.choice(COLOURS)
    side = d.choice((20, 25, 40, 50))
    per_metre = {20: 5, 25: 4, 40: 5, 50: 2}[side]
    step = {20: 1, 25: 1, 40: 2, 50: 1}[side]  # metres of so many whole tiles
    length, width = step * d.integer(3, 9), step * d.integer(2, 8)
    across, down = length * 100 // side, width * 100 // side
    assert across == length // step * per_metre
    return Problem(
        f"A room in {place} is {length} metres long and {width} metres wide. {who} "
        f"covers its floor with square {colour} tiles whose sides are {side} centimetres. How many "
        f"tiles does {who} need?",
        {"length": length, "width": width, "side": side},
        (
            f"Along the length lie {length} * 100 / {side} = {across} tiles.",
            f"Along the width lie {width} * 100 / {side} = {down} tiles.",
            f"Needed are {across} * {down} = {across * down} tiles.",
        ),
        "answer = (length * 100 // side) * (width * 100 // side)",
        across * down,
    )


def path_around_a_pond(d: Draws) -> Problem:
    """The area between two rectangles."""
    town, stone = d.choice(TOWNS), d.choice(COLOURS)
    length, width, path = d.integer(6, 40), d.integer(5, 30), d.integer(1, 5)
    outer = (length + 2 * path) * (width + 2 * path)
    inner = length * width
    return Problem(
        f"A rectangular pond in {town} measures {length} by {width} metres. All around it runs a "
        f"path of {stone} gravel; pond and path together form a rectangle that reaches {path} "
        "metres farther on each side. How many square metres does the path cover?",
        {"length": length, "width": width, "path": path},
        (
            f"The outer rectangle is {length} + 2 * {path} = {length + 2 * path} metres long.",
            f"It is {width} + 2 * {path} = {width + 2 * path} metres wide.",
            f"Its area is {length + 2 * path} * {width + 2 * path} = {outer} square metres.",
            f"The pond takes {length} * {width} = {inner} square metres.",
            f"For the path {outer} - {inner} = {outer - inner} square metres remain.",
        ),
        "outer = (length + 2 * path) * (width + 2 * path)\nanswer = outer - length * width",
        outer - inner,
    )


def boxes_in_a_crate(d: Draws) -> Problem:
    """How often a volume fits into another one."""
    who, colour = d.choice(NAMES), d.choice(COLOURS)
    a, b, c = d.integer(2, 12), d.integer(2, 12), d.integer(2, 12)
    x, y, z = d.integer(2, 6), d.integer(2, 6), d.integer(2, 5)
    return Problem(
        f"{who} stacks {colour} boxes of {a} by {b} by {c} centimetres in a crate that is {a * x} "
        f"centimetres long, {b * y} wide and {c * z} high inside, all boxes turned the same way. "
        "How many boxes fill the crate?",
        {"a": a, "b": b, "c": c, "length": a * x, "width": b * y, "height": c * z},
        (
            f"Lengthwise {a * x} / {a} = {x} boxes fit.",
            f"Across {b * y} / {b} = {y} boxes fit.",
            f"On top of each other {c * z} / {c} = {z} boxes fit.",
            f"In all that makes {x} * {y} * {z} = {x * y * z} boxes.",
        ),
        "answer = (length * width * height) // (a * b * c)",
        x * y * z,
    )


def third_angle(d: Draws) -> Problem:
    """Angles of a triangle, one told by another."""
    who, colour, times = d.choice(NAMES), d.choice(COLOURS), d.integer(2, 4)
    first = d.integer(10, 170 // (times + 1))
    second = times * first
    third = 180 - first - second
    return Problem(
        f"{who} sews a {colour} triangular flag. One of its corners has an angle of {first} "
        f"degrees, and the angle at the second corner is {times} times as large. How many degrees "
        "does the third angle have?",
        {"first": first, "times": times},
        (
            f"The second angle has {times} * {first} = {second} degrees.",
            f"Together the two have {first} + {second} = {first + second} degrees.",
            f"All three make 180 degrees, so the third has 180 - {first + second} = {third}.",
        ),
        "second = times * first\nanswer = 180 - first - second",
        third,
    )


def distance_on_a_map(d: Draws) -> Problem:
    """Centimetres on a map, kilometres on the ground."""
    (a, b, c), who = d.several(TOWNS, 3), d.choice(NAMES)
    scale = d.choice((2, 4, 5, 10, 20, 25))
    first, second = d.integer(3, 40), d.integer(3, 40)
    total = (first + second) * scale
    return Problem(
        f"On the map that {who} uses, 1 centimetre stands for {scale} kilometres. The road from "
        f"{a} to {b} is {first} centimetres long on it, and that from {b} to {c} {second} "
        f"centimetres. How many kilometres is it from {a} to {c} by way of {b}?",
        {"scale": scale, "first": first, "second": second},
        (
            f"On the map it is {first} + {second} = {first + second} centimetres.",
            f"On the ground it is {first + second} * {scale} = {total} kilometres.",
        ),
        "answer = (first + second) * scale",
        total,
    )


def width_from_area(d: Draws) -> Problem:
    """A side and the perimeter, where area and other side are known."""
    place, length, width = d.choice(PLACES), d.integer(7, 60), d.integer(4, 40)
    colour = d.choice(COLOURS)
    return Problem(
        f"The {colour} carpet in {place} is rectangular, covers {length * width} square metres and "
        f"is {length} metres long. A seam is sewn once around its whole edge. How many metres long "
        "is the seam?",
        {"area": length * width, "length": length},
        (
            f"The carpet is {length * width} / {length} = {width} metres wide.",
            f"Length and width together are {length} + {width} = {length + width} metres.",
            f"The edge is 2 * {length + width} = {2 * (length + width)} metres.",
        ),
        "width = area // length\nanswer = 2 * (length + width)",
        2 * (length + width),
    )


FIGURES: tuple[Template, ...] = (
    fence_with_a_gate,
    tiles_on_a_floor,
    path_around_a_pond,
    boxes_in_a_crate,
    third_angle,
    distance_on_a_map,
    width_from_area,
)
