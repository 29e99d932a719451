"""Word problems about rates, time and units: speed, work, tanks, clocks, conversion."""

from __future__ import annotations

from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.math_templates.words import CHEAP, CROPS, NAMES, PLACES, TOWNS
from research.rephrase.synthesis.problem import Problem, Template


def two_legs(d: Draws) -> Problem:
    """A way in two parts with different speeds."""
    who, (a, b, c) = d.choice(NAMES), d.several(TOWNS, 3)
    slow, fast = d.integer(12, 28), d.multiple(5, 40, 95)
    first, second = d.integer(2, 5), d.integer(2, 6)
    total = slow * first + fast * second
    return Problem(
        f"{who} cycles from {a} to {b} at {slow} kilometres per hour, which takes {first} hours, "
        f"and goes on to {c} by train at {fast} kilometres per hour for {second} hours. How many "
        "kilometres is the whole way?",
        {"bicycle": slow, "bicycle_hours": first, "train": fast, "train_hours": second},
        (
            f"By bicycle it is {slow} * {first} = {slow * first} kilometres.",
            f"By train it is {fast} * {second} = {fast * second} kilometres.",
            f"The whole way is {slow * first} + {fast * second} = {total} kilometres.",
        ),
        "answer = bicycle * bicycle_hours + train * train_hours",
        total,
    )


def meeting_on_the_way(d: Draws) -> Problem:
    """Two who move towards each other."""
    (p, q), (a, b) = d.several(NAMES, 2), d.several(TOWNS, 2)
    x, y, hours = d.integer(4, 28), d.integer(4, 28), d.integer(2, 9)
    way = (x + y) * hours
    return Problem(
        f"The road from {a} to {b} is {way} kilometres long. At the same moment {p} leaves {a} at "
        f"{x} kilometres per hour and {q} leaves {b} at {y} kilometres per hour, towards each "
        f"other. How many kilometres from {a} do they meet?",
        {"way": way, "first": x, "second": y},
        (
            f"Each hour brings them {x} + {y} = {x + y} kilometres closer.",
            f"They meet after {way} / {x + y} = {hours} hours.",
            f"In that time {p} has come {x} * {hours} = {x * hours} kilometres.",
        ),
        "hours = way // (first + second)\nanswer = first * hours",
        x * hours,
    )


def catching_up(d: Draws) -> Problem:
    """One follows another with a head start."""
    (p, q), town = d.several(NAMES, 2), d.choice(TOWNS)
    slow, head = d.integer(3, 14), d.integer(2, 5)
    hours = d.integer(2, 6)
    # slow * (head + hours) == fast * hours must hold in whole numbers
    head *= hours
    fast = slow * (head + hours) // hours
    return Problem(
        f"{p} sets out from {town} at {slow} kilometres per hour. {head} hours later {q} follows "
        f"on the same road at {fast} kilometres per hour. After how many hours of riding does {q} "
        f"reach {p}?",
        {"slow": slow, "head_start": head, "fast": fast},
        (
            f"When {q} leaves, {p} is {slow} * {head} = {slow * head} kilometres ahead.",
            f"Every hour the distance shrinks by {fast} - {slow} = {fast - slow} kilometres.",
            f"It takes {slow * head} / {fast - slow} = {hours} hours.",
        ),
        "ahead = slow * head_start\nanswer = ahead // (fast - slow)",
        hours,
    )


def machines_together(d: Draws) -> Problem:
    """Several machines with their own rates."""
    thing, place = d.choice(CHEAP), d.choice(TOWNS)
    fast, slow, many = d.integer(12, 60), d.integer(5, 40), d.integer(2, 6)
    hours = d.integer(3, 16)
    rate = fast + many * slow
    total = rate * hours
    return Problem(
        f"A workshop in {place} has one new machine that makes {fast} {thing} an hour, and {many} "
        f"old ones that make {slow} an hour each. An order asks for {total} {thing}. How many "
        "hours do all machines together take for it?",
        {"new": fast, "old_machines": many, "old": slow, "order": total},
        (
            f"The old machines make {many} * {slow} = {many * slow} an hour.",
            f"All of them make {fast} + {many * slow} = {rate} an hour.",
            f"The order takes {total} / {rate} = {hours} hours.",
        ),
        "rate = new + old_machines * old\nanswer = order // rate",
        hours,
    )


def workers_and_days(d: Draws) -> Problem:
    """More hands, fewer days."""
    who, crop, town = d.choice(NAMES), d.choice(CROPS), d.choice(TOWNS)
    a, b, k = d.integer(2, 9), d.integer(2, 8), d.integer(2, 5)
    b += b >= k  # not as many people as before
    workers, days = a * k, b * k
    others = a * b
    work = workers * days
    # work == a * b * k * k, so `others` divides it
    return Problem(
        f"{workers} people need {days} days to bring in the {crop} of {who}'s farm near {town}. "
        f"How many days would {others} people need, if all work equally fast?",
        {"workers": workers, "days": days, "others": others},
        (
            f"The work is {workers} * {days} = {work} days of one person.",
            f"{others} people need {work} / {others} = {work // others} days.",
        ),
        "answer = workers * days // others",
        work // others,
    )


def filling_a_tank(d: Draws) -> Problem:
    """Water flows in and out."""
    inflow, leak = d.integer(15, 60), d.integer(2, 12)
    minutes, there = d.integer(5, 60), d.multiple(10, 20, 300)
    full = there + minutes * (inflow - leak)
    place = d.choice(PLACES)
    return Problem(
        f"The water tank of {place} holds {full} litres and contains {there} litres now. A pump "
        f"adds {inflow} litres a minute, while {leak} litres a minute run off. After how many "
        "minutes is the tank full?",
        {"capacity": full, "contents": there, "inflow": inflow, "outflow": leak},
        (
            f"Missing are {full} - {there} = {full - there} litres.",
            f"Each minute adds {inflow} - {leak} = {inflow - leak} litres.",
            f"That takes {full - there} / {inflow - leak} = {minutes} minutes.",
        ),
        "missing = capacity - contents\nanswer = missing // (inflow - outflow)",
        minutes,
    )


def minutes_on_the_train(d: Draws) -> Problem:
    """Time between two readings of a clock."""
    (a, b), who = d.several(TOWNS, 2), d.choice(NAMES)
    hour, minute = d.integer(6, 14), d.integer(1, 59)
    later, other = hour + d.integer(2, 7), d.integer(1, 59)
    stop = d.integer(3, 25)
    begin, end = 60 * hour + minute, 60 * later + other
    ride = end - begin - stop
    return Problem(
        f"{who}'s train leaves {a} when it is {minute} minutes past {hour} o'clock and arrives in "
        f"{b} on the same day at {other} minutes past {later} o'clock (the clock has 24 hours). On "
        f"the way it stands still for {stop} minutes. For how many minutes is it moving?",
        {"hour": hour, "minute": minute, "end_hour": later, "end_minute": other, "stop": stop},
        (
            f"It leaves {hour} * 60 + {minute} = {begin} minutes after midnight.",
            f"It arrives {later} * 60 + {other} = {end} minutes after midnight.",
            f"Between these are {end} - {begin} = {end - begin} minutes.",
            f"Without the stop it is {end - begin} - {stop} = {ride} minutes.",
        ),
        "begin = hour * 60 + minute\nend = end_hour * 60 + end_minute\nanswer = end - begin - stop",
        ride,
    )


def lengths_in_other_units(d: Draws) -> Problem:
    """Metres and centimetres in one sum."""
    who, pieces = d.choice(NAMES), d.integer(3, 14)
    each = d.multiple(5, 15, 90)
    metres = pieces * each // 100 + d.integer(2, 6)
    left = metres * 100 - pieces * each
    return Problem(
        f"From a rope of {metres} metres {who} cuts {pieces} pieces of {each} centimetres each. "
        "How many centimetres of rope are left?",
        {"metres": metres, "pieces": pieces, "each": each},
        (
            f"The rope has {metres} * 100 = {metres * 100} centimetres.",
            f"The pieces take {pieces} * {each} = {pieces * each} centimetres.",
            f"Left are {metres * 100} - {pieces * each} = {left} centimetres.",
        ),
        "answer = metres * 100 - pieces * each",
        left,
    )


def soap_for_days(d: Draws) -> Problem:
    """Litres, millilitres and days."""
    who, place, litres = d.choice(NAMES), d.choice(PLACES), d.integer(2, 12)
    uses, portion = d.choice((10, 20, 50, 100)), d.choice((2, 5))
    daily = uses * portion
    return Problem(
        f"{who} has bought {litres} litres of liquid soap for {place}. The dispenser there gives "
        f"{portion} millilitres at a time and is used {uses} times a day. For how many days does "
        "the soap last?",
        {"litres": litres, "portion": portion, "uses": uses},
        (
            f"There are {litres} * 1000 = {litres * 1000} millilitres.",
            f"A day takes {uses} * {portion} = {daily} millilitres.",
            f"The soap lasts {litres * 1000} / {daily} = {litres * 1000 // daily} days.",
        ),
        "answer = litres * 1000 // (uses * portion)",
        litres * 1000 // daily,
    )


def fuel_for_a_trip(d: Draws) -> Problem:
    """Fuel by distance, and what it costs."""
    who, (a, b) = d.choice(NAMES), d.several(TOWNS, 2)
    per, hundreds, price = d.integer(4, 14), d.integer(2, 12), d.integer(2, 4)
    litres = per * hundreds
    return Problem(
        f"{who}'s van burns {per} litres of fuel on 100 kilometres. It drives from {a} to {b}, "
        f"{hundreds * 50} kilometres, and back. One litre costs ${price}. How many dollars does "
        "the fuel for both ways cost?",
        {"litres": per, "distance": hundreds * 50, "price": price},
        (
            f"Both ways are 2 * {hundreds * 50} = {hundreds * 100} kilometres.",
            f"They take {hundreds * 100} / 100 * {per} = {litres} litres.",
            f"The fuel costs {litres} * {price} = {litres * price} dollars.",
        ),
        "answer = 2 * distance * litres // 100 * price",
        litres * price,
    )


RATES: tuple[Template, ...] = (
    two_legs,
    meeting_on_the_way,
    catching_up,
    machines_together,
    workers_and_days,
    filling_a_tank,
    minutes_on_the_train,
    lengths_in_other_units,
    soap_for_days,
    fuel_for_a_trip,
)
