"""The numbers of a text: digits in any notation, and number words, as exact values.

A mention may be read in several ways ("3.450" is 3450 in German and 3.45 in English; "40%" is 40 or
0.4), so it is the set of its possible values.  Two mentions agree if they have one in common.
"""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction

# English, German, French and Spanish; further words of a line are others for the same number
_SMALL_WORDS = """
zero null cero
one eins un uno
two zwei zwo deux dos
three drei trois tres
four vier quatre cuatro
five fünf cinq cinco
six sechs seis
seven sieben sept siete
eight acht huit ocho
nine neun neuf nueve
ten zehn dix diez
eleven elf onze once
twelve zwölf douze doce
thirteen dreizehn treize trece
fourteen vierzehn quatorze catorce
fifteen fünfzehn quinze quince
sixteen sechzehn seize dieciséis
seventeen siebzehn diecisiete
eighteen achtzehn dieciocho
nineteen neunzehn diecinueve
twenty zwanzig vingt veinte"""
_TENS_WORDS = """
thirty dreißig trente treinta
forty vierzig quarante cuarenta
fifty fünfzig cinquante cincuenta
sixty sechzig soixante sesenta
seventy siebzig setenta
eighty achtzig ochenta
ninety neunzig noventa"""
_ORDINAL_WORDS = """
third
fourth
fifth
sixth
seventh
eighth
ninth
tenth
eleventh
twelfth
thirteenth
fourteenth
fifteenth
sixteenth
seventeenth
eighteenth
nineteenth
twentieth"""


def _values(lines: str, start: int, step: int) -> dict[str, int]:
    return {
        word: start + step * i
        for i, line in enumerate(lines.strip().split("\n"))
        for word in line.split()
    }


_SMALL = _values(_SMALL_WORDS, 0, 1)
_TENS = _values(_TENS_WORDS, 30, 10)
_ORDINALS = _values(_ORDINAL_WORDS, 3, 1) | {
    f"{word[:-1]}ieth": value for word, value in _TENS.items() if word.endswith("ty")
}
_SCALES = {"hundred": 100, "hundert": 100, "cent": 100, "cien": 100, "thousand": 1000,
           "tausend": 1000, "mille": 1000, "mil": 1000, "million": 10**6, "millions": 10**6,
           "millionen": 10**6, "millón": 10**6, "millones": 10**6, "mio": 10**6, "mn": 10**6,
           "billion": 10**9, "billions": 10**9, "bn": 10**9, "milliard": 10**9,
           "milliards": 10**9, "milliarde": 10**9, "milliarden": 10**9, "mrd": 10**9,
           "trillion": 10**12, "trillions": 10**12, "dozen": 12, "dutzend": 12}  # fmt: skip
# said without counting anything: neither missed where they are gone nor noticed where they are new
_IDLE = frozenset({"one", "un", "uno", "eins", "once", "null", "half", "quarter"})
_FRACTIONS = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5),
              "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8)}  # fmt: skip
_HALF = Fraction(1, 2)
_PARTS = {"half": _HALF, "quarter": _HALF / 2}
_MOST_DIGITS = 40  # a longer string of digits is an identifier, of which these are compared

_DIGITS = r"\d{1,3}(?:[\u00a0\u202f\u2009 '’]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*"
_MENTION = re.compile(
    rf"(?<![^\W_])(?P<digits>{_DIGITS})"
    r"(?:\s?(?P<half>[½⅓⅔¼¾⅕⅛⅜⅝⅞])|\s(?P<over>\d+/\d+)(?![\d/]))?"
    r"(?:/(?P<below>\d+)(?![\d/]))?(?:st|nd|rd|th)?(?P<percent>\s?%|\s?percent|\s?per cent)?"
    r"|(?P<only>[½⅓⅔¼¾⅕⅛⅜⅝⅞])"
    r"|(?P<word>[^\W\d_]+(?:-[^\W\d_]+)*)",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Mention:
    """A number in a text.

    Attributes:
      text: as it stands there.
      values: what it may be.
      idle: it may be there without counting anything, as in "one of the".
      item: it only numbers an item of a list.
    """

    text: str
    values: frozenset[Fraction]
    idle: bool = False
    item: bool = False


def mentions(text: str) -> list[Mention]:
    """The numbers of a text, in order."""
    found: list[Mention] = []
    tokens = list(_MENTION.finditer(text))
    i = 0
    while i < len(tokens):
        if tokens[i]["word"] is None:
            mention = _of_digits(text, tokens[i])
            scale = tokens[i + 1]["word"] if i + 1 < len(tokens) else None
            between = text[tokens[i].end() : tokens[i + 1].start()] if scale else "x"
            if scale and scale.lower() in _SCALES and between in (" ", "\u00a0", "-", ""):
                factor = _SCALES[scale.lower()]
                scaled = frozenset(value * factor for value in mention.values)
                mention = Mention(f"{mention.text} {scale}", scaled)
                i += 1
            found.append(mention)
            i += 1
            continue
        taken, mention = _of_words(text, tokens, i)
        if mention:
            found.append(mention)
        i += taken
    return found


def _of_digits(text: str, token: re.Match[str]) -> Mention:
    if token["only"]:
        return Mention(token[0], frozenset({Fraction(*_FRACTIONS[token["only"]])}))
    values = _readings(token["digits"])
    if token["half"]:
        values = {value + Fraction(*_FRACTIONS[token["half"]]) for value in values}
    for group in (token["over"], token["below"] and f"1/{token['below']}"):
        if group:
            above, _, below = group.partition("/")
            if len(above + below) < _MOST_DIGITS and int(below):
                part = Fraction(int(above), int(below))
                values = {v + part if group == token["over"] else v * part for v in values}
    if token["percent"]:
        values |= {value / 100 for value in values}
    line = text[text.rfind("\n", 0, token.start()) + 1 : token.start()]
    after = text[token.end() : token.end() + 1]
    # "3." and "Step 3:" at the beginning of a line
    item = bool(re.fullmatch(r"[\s#*>(\-]*(?:\w+ )?", line)) and after in tuple(".):*]")
    following = text[token.end() : token.end() + 2]
    item = item and not re.fullmatch(r"[.:]\d", following) and len(token["digits"]) <= 2
    return Mention(token[0], frozenset(values), item=item)


def _readings(digits: str) -> set[Fraction]:
    plain = re.sub(r"[\u00a0\u202f\u2009 '’]", "", digits)
    marks = [c for c in plain if c in ".,"]
    whole = re.sub(r"[.,]", "", plain)
    if len(whole) > _MOST_DIGITS:
        return {Fraction(int(whole[:_MOST_DIGITS]))}
    if not marks:
        return {Fraction(int(whole))}
    groups = re.split(r"[.,]", plain)
    grouped = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    readings = set()
    if grouped and len(set(marks)) == 1:
        readings.add(Fraction(int(whole)))
    if len(marks) == 1:
        readings.add(Fraction(f"{groups[0]}.{groups[1]}"))
    elif len(set(marks)) == 2 and marks[-1] not in marks[:-1]:  # 1,234.5 or 1.234,5
        readings.add(Fraction(f"{''.join(groups[:-1])}.{groups[-1]}"))
    return readings or {Fraction(int(group)) for group in groups}  # 2.4.1, 1,2,3


def _of_words(text: str, tokens: list[re.Match[str]], start: int) -> tuple[int, Mention | None]:
    """The longest number that words from a place on spell: how many they are, and the number."""
    if part := _PARTS.get(tokens[start]["word"].lower()):
        return 1, Mention(tokens[start]["word"], frozenset({part}), idle=True)
    total, current, last = Fraction(0), None, 0
    ordinal = False
    end = start
    parts: list[str] = []
    i = start
    while i < len(tokens) and tokens[i]["word"] is not None:
        gap = text[tokens[i - 1].end() : tokens[i].start()] if i > start else " "
        if not re.fullmatch(r"[\s\-]{1,2}", gap):
            break
        pieces = tokens[i]["word"].lower().split("-")
        joined = current is not None and pieces[0] in ("and", "und", "y", "et")
        if joined:
            half = [token["word"] for token in tokens[i + 1 : i + 3]]
            if half[:2] in (["a", "half"], ["one", "half"]):
                current, end, i = current + _HALF, i + 3, i + 3
                parts += ["and", "a", "half"]
                continue
            follows = tokens[i + 1]["word"] if i + 1 < len(tokens) else None
            # "one hundred and five", but "three and four" are two numbers
            small = follows and follows.lower().split("-")[0] in _SMALL | _TENS
            if last not in (100, 1000) or not small:
                break
            i += 1
            continue
        fine = True
        for piece in pieces:
            value = _single(piece)
            if value is not None and (current is None or _fits(current, value)):
                current = (current or 0) + value
            elif piece in _SCALES and (current is not None or piece in ("dozen", "dutzend")):
                factor = _SCALES[piece]
                if factor >= 1000:
                    total, current = total + (current or 1) * factor, Fraction(0)
                else:
                    current = (current or 1) * factor
                value = factor
            elif piece in _ORDINALS and (current is None or _fits(current, _ORDINALS[piece])):
                value = _ORDINALS[piece]
                current, ordinal = (current or 0) + value, True
            else:
                fine = False
                break
            last = int(value)
        if not fine:
            break
        parts += pieces
        i += 1
        end = i
        if ordinal:
            break
    if current is None or end == start:
        return 1, None
    said = text[tokens[start].start() : tokens[end - 1].end()]
    values = {total + current}
    if re.match(
        r"\s?(?:percent|per cent|prozent|por ciento|%)", text[tokens[end - 1].end() :][:12]
    ):
        values |= {value / 100 for value in values}
    return end - start, Mention(said, frozenset(values), idle=len(parts) == 1 and parts[0] in _IDLE)


def _single(word: str) -> Fraction | None:
    value = _SMALL.get(word, _TENS.get(word))
    if value is None and "und" in word:  # einundzwanzig
        small, _, tens = word.partition("und")
        small = {"ein": "eins"}.get(small, small)
        if small in _SMALL and _SMALL[small] < 10 and (tens in _TENS or tens == "zwanzig"):
            value = _SMALL[small] + (_TENS.get(tens) or 20)
    return None if value is None else Fraction(value)


def _fits(current: Fraction, value: int | Fraction) -> bool:
    """Whether a number word can follow: "twenty one", "hundred five", not "three four"."""
    if current == 0:
        return True
    if value < 10:
        return current % 10 == 0 and current >= 20
    return value < 100 and current >= 100 and current % 100 == 0
