"""Word problems about money: prices, change, discounts, wages, savings."""

from __future__ import annotations

from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.math_templates.words import CHEAP, DEAR, NAMES, PLACES, TOWNS
from research.rephrase.synthesis.problem import Problem, Template, dollars


def change_from_a_note(d: Draws) -> Problem:
    """Two purchases paid with one note."""
    who, (first, second) = d.choice(NAMES), d.several(CHEAP, 2)
    a, b = d.integer(2, 9), d.integer(2, 9)
    price, other = dollars(d.multiple(5, 35, 495)), dollars(d.multiple(5, 35, 495))
    spent = a * price + b * other
    note = next(note for note in (10, 20, 50, 100) if note >= spent)
    asked = d.choice(("How much change does {} get?", "What does {} get back?",
                      "How many dollars come back to {}?")).format(who)  # fmt: skip
    return Problem(
        f"{who} buys {a} {first} at ${price} each and {b} {second} at ${other} each, and pays with "
        f"a ${note} note. {asked}",
        {"first_count": a, "first_price": price, "second_count": b, "second_price": other,
         "paid": note},
        (
            f"The {first} cost {a} * ${price} = ${a * price}.",
            f"The {second} cost {b} * ${other} = ${b * other}.",
            f"Together that is ${a * price} + ${b * other} = ${spent}.",
            f"The change is ${note} - ${spent} = ${note - spent}.",
        ),
        "spent = first_count * first_price + second_count * second_price\nanswer = paid - spent",
        note - spent,
    )  # fmt: skip


def discount(d: Draws) -> Problem:
    """A price after a percentage is taken off."""
    who, thing = d.choice(NAMES), d.choice(DEAR)
    percent, price = d.multiple(5, 5, 60), d.multiple(20, 40, 1980)
    off = price * percent // 100
    frame = d.choice((
        f"The regular price of a certain {thing} is ${price}. In the sale it is {percent}% "
        f"cheaper. How many dollars does {who} pay for it in the sale?",
        f"{who} has a voucher that takes {percent}% off the price. What does {who} pay, in "
        f"dollars, for one {thing} priced at ${price}?",
        f"A shop lowers the price of its last {thing}, ${price} until now, by {percent}%. {who} "
        "buys it. How many dollars is that?",
    ))  # fmt: skip
    return Problem(
        frame,
        {"price": price, "percent": percent},
        (
            f"The reduction is {percent}% of ${price}: {price} * {percent} / 100 = {off}.",
            f"So the price is {price} - {off} = {price - off} dollars.",
        ),
        "reduction = price * percent // 100\nanswer = price - reduction",
        price - off,
    )


def rise_then_fall(d: Draws) -> Problem:
    """One percentage up, another one down."""
    who, thing = d.choice(NAMES), d.choice(DEAR)
    up, down = d.multiple(10, 10, 50), d.multiple(10, 10, 50)
    price = d.multiple(100, 100, 2400)
    higher = price + price * up // 100
    lower = higher - higher * down // 100
    return Problem(
        f"In spring {who} sees a {thing} for ${price} in a window. Before the summer its price is "
        f"raised by {up}%, and in autumn the new price is lowered by {down}%. What is the price "
        "in dollars after that?",
        {"price": price, "up": up, "down": down},
        (
            f"The rise is {price} * {up} / 100 = {higher - price} dollars.",
            f"That makes {price} + {higher - price} = {higher} dollars.",
            f"The fall is counted from the new price: {higher} * {down} / 100 = {higher - lower}.",
            f"What is left is {higher} - {higher - lower} = {lower} dollars.",
        ),
        "raised = price + price * up // 100\nanswer = raised - raised * down // 100",
        lower,
    )


def weekly_savings(d: Draws) -> Problem:
    """Weeks until enough is saved."""
    who, thing = d.choice(NAMES), d.choice(DEAR)
    have, weekly, spends = d.integer(5, 90), d.integer(12, 60), d.integer(2, 9)
    weeks = d.integer(3, 30)
    price = have + weeks * (weekly - spends)
    return Problem(
        f"{who} wants a new {thing} for ${price} and has ${have} already. Every week {who} earns "
        f"${weekly} by helping neighbours and spends ${spends} of that on bus tickets. After how "
        f"many weeks is there enough money for the {thing}?",
        {"price": price, "have": have, "earned": weekly, "spent": spends},
        (
            f"Still missing are {price} - {have} = {price - have} dollars.",
            f"Each week brings {weekly} - {spends} = {weekly - spends} dollars.",
            f"That takes {price - have} / {weekly - spends} = {weeks} weeks.",
        ),
        "missing = price - have\nweekly = earned - spent\nanswer = missing // weekly",
        weeks,
    )


def overtime_wages(d: Draws) -> Problem:
    """Hours beyond a limit are paid more."""
    who, place = d.choice(NAMES), d.choice(PLACES)
    normal, wage, extra = d.multiple(5, 20, 40), d.multiple(2, 12, 38), d.integer(2, 12)
    over = wage * 3 // 2
    return Problem(
        f"{who} works at {place} for ${wage} an hour. Hours beyond {normal} in one week are paid "
        f"with ${over} each. What does {who} earn, in dollars, in a week of {normal + extra} "
        "hours?",
        {"wage": wage, "limit": normal, "higher_wage": over, "hours": normal + extra},
        (
            f"{normal} hours bring {normal} * {wage} = {normal * wage} dollars.",
            f"Beyond them are {normal + extra} - {normal} = {extra} hours.",
            f"Those bring {extra} * {over} = {extra * over} dollars.",
            f"In all that is {normal * wage} + {extra * over} = {normal * wage + extra * over}.",
        ),
        "beyond = hours - limit\nanswer = limit * wage + beyond * higher_wage",
        normal * wage + extra * over,
    )


def cheaper_offer(d: Draws) -> Problem:
    """Two packs compared for the same number of pieces."""
    who, thing = d.choice(NAMES), d.choice(CHEAP)
    small, large = d.integer(3, 6), d.integer(8, 15)
    low, high = d.integer(2, 8), d.integer(1, 7)
    # per piece the small pack costs more
    small_price, large_price = small * (low + high), large * low
    packs = d.integer(2, 5)
    wanted = small * large * packs
    a, b = wanted // small * small_price, wanted // large * large_price
    return Problem(
        f"{thing.capitalize()} are sold in packs of {small} for ${small_price} and in packs of "
        f"{large} for ${large_price}. {who} needs exactly {wanted}. How many dollars does {who} "
        "save by buying only large packs instead of only small ones?",
        {"wanted": wanted, "small": small, "small_price": small_price, "large": large,
         "large_price": large_price},
        (
            f"Small packs needed: {wanted} / {small} = {wanted // small}.",
            f"They cost {wanted // small} * {small_price} = {a} dollars.",
            f"Large packs needed: {wanted} / {large} = {wanted // large}.",
            f"They cost {wanted // large} * {large_price} = {b} dollars.",
            f"The difference is {a} - {b} = {a - b} dollars.",
        ),
        "in_small_packs = wanted // small * small_price\n"
        "in_large_packs = wanted // large * large_price\n"
        "answer = in_small_packs - in_large_packs",
        a - b,
    )  # fmt: skip


def simple_interest(d: Draws) -> Problem:
    """Interest that is paid out every year."""
    who = d.choice(NAMES)
    capital, rate, years = d.multiple(100, 200, 9000), d.integer(2, 9), d.integer(2, 12)
    yearly = capital * rate // 100
    total = capital + yearly * years
    return Problem(
        f"{who} lends ${capital} to a cooperative, which pays {rate}% of that sum as interest at "
        f"the end of each year and returns the loan after {years} years. How many dollars does "
        f"{who} receive in all, the loan included?",
        {"loan": capital, "rate": rate, "years": years},
        (
            f"The interest of a year is {capital} * {rate} / 100 = {yearly} dollars.",
            f"In {years} years that makes {years} * {yearly} = {years * yearly} dollars.",
            f"With the loan it is {capital} + {years * yearly} = {total} dollars.",
        ),
        "yearly = loan * rate // 100\nanswer = loan + years * yearly",
        total,
    )


def ticket_income(d: Draws) -> Problem:
    """Two prices, and costs to be covered."""
    place = d.choice(PLACES)
    adults, children = d.integer(20, 180), d.integer(15, 160)
    child = d.integer(2, 8)
    adult = child + d.integer(2, 9)
    income = adults * adult + children * child
    costs = d.integer(40, income - 20)
    return Problem(
        f"A concert at {place} is heard by {adults} adults, who pay ${adult} each, and {children} "
        f"children, who pay ${child} each. The hire of the instruments costs ${costs}. How many "
        "dollars are left?",
        {"adults": adults, "adult_price": adult, "children": children, "child_price": child,
         "costs": costs},
        (
            f"Adults pay {adults} * {adult} = {adults * adult} dollars.",
            f"Children pay {children} * {child} = {children * child} dollars.",
            f"The income is {adults * adult} + {children * child} = {income} dollars.",
            f"After the costs {income} - {costs} = {income - costs} dollars are left.",
        ),
        "income = adults * adult_price + children * child_price\nanswer = income - costs",
        income - costs,
    )  # fmt: skip


def shared_bill(d: Draws) -> Problem:
    """A bill with a tip, shared equally."""
    who, town = d.choice(NAMES), d.choice(TOWNS)
    people, percent = d.integer(3, 9), d.multiple(5, 10, 20)
    bill = 20 * people * d.integer(1, 3)
    tip = bill * percent // 100
    total = bill + tip
    return Problem(
        f"{who} and {people - 1} friends eat together in {town}. The bill is ${bill}; they add a "
        f"tip of {percent}% and share the whole equally among all {people} of them. How many "
        "dollars does each of them pay?",
        {"bill": bill, "percent": percent, "people": people},
        (
            f"The tip is {bill} * {percent} / 100 = {tip} dollars.",
            f"With it they pay {bill} + {tip} = {total} dollars.",
            f"Each of them pays {total} / {people} = {total // people} dollars.",
        ),
        "total = bill + bill * percent // 100\nanswer = total // people",
        total // people,
    )


def profit_on_a_batch(d: Draws) -> Problem:
    """Bought at one price, some spoiled, the rest sold at another."""
    who, thing = d.choice(NAMES), d.choice(CHEAP)
    count, cost = d.multiple(10, 40, 300), d.integer(2, 6)
    spoiled, price = d.integer(2, count // 5), d.integer(9, 15)
    sold = count - spoiled
    return Problem(
        f"{who} buys {count} {thing} for ${cost} each to sell them at a fair. Because of rain "
        f"{spoiled} of them are ruined; all others are sold for ${price} each. What is the profit "
        "in dollars?",
        {"bought": count, "cost": cost, "ruined": spoiled, "price": price},
        (
            f"Buying them costs {count} * {cost} = {count * cost} dollars.",
            f"Sold are {count} - {spoiled} = {sold} {thing}.",
            f"They bring {sold} * {price} = {sold * price} dollars.",
            f"The profit is {sold * price} - {count * cost} = {sold * price - count * cost}.",
        ),
        "sold = bought - ruined\nanswer = sold * price - bought * cost",
        sold * price - count * cost,
    )


MONEY: tuple[Template, ...] = (
    change_from_a_note,
    discount,
    rise_then_fall,
    weekly_savings,
    overtime_wages,
    cheaper_offer,
    simple_interest,
    ticket_income,
    shared_bill,
    profit_on_a_batch,
)
