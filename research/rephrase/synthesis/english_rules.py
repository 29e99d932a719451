"""Rules that say an English sentence otherwise, each only where it is safe to.

They are few and careful rather than many: what a rule might get wrong, it leaves.  No rule touches
a sentence with a negation (its scope would have to be known), with quotation marks (somebody said
it so), or one that looks like code.

    numbers    12 apples ↔ twelve apples        small whole numbers before a plural
    synonyms   in order to → to                 pairs that mean the same wherever they stand
    order      If A, B. → B if A.               where neither side has a pronoun to lose
    voice      The A was built by B. → B built the A.    verbs of a list, agents that are names

    >>> rewrite("If the water boils, the lid rattles.", "order")
    'The lid rattles if the water boils.'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_UNTOUCHED = re.compile(
    r"\b(?:not|no|never|none|nor|neither|nobody|nothing|nowhere|without|hardly|scarcely|barely|"
    r"cannot|unless|few|little|only)\b|n['’]t\b|[\"“”«»„{}<>=;|_\\]",
    re.IGNORECASE,
)
_BORDER = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_ABBREVIATED = re.compile(r"(?:^|[\s(])(?:[A-Z][a-z]{0,2}|[A-Za-z]|[A-Za-z.]+\.[a-z]|etc|approx|"
                          r"Brig|Prof|Capt|Sgt|Inc|Corp|Dept|Hon|figs?|vols?|eds?)\.$")  # fmt: skip
LEAST_WORDS = 5  # of a sentence that rules are tried on
LONGEST_SENTENCE = 2000  # characters; more is no sentence
LOOK_BACK = 24  # characters before a border that an abbreviation may stand in

# ---- numbers ------------------------------------------------------------------------------------

_ONES = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
         "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
         "nineteen")  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spell(number: int) -> str:
    """A number from 1 to 99 in words."""
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


_WORDS = {spell(number): str(number) for number in range(2, 100)}
_NUMBER_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
# no numbers of something: pages, dates, versions; nor parts of larger numbers
_LABELS = frozenset((
    "act", "age", "agent", "apollo", "april", "article", "august", "book", "chapter", "class",
    "day", "december", "division", "episode", "february", "figure", "formula", "grade", "group",
    "highway", "in", "january", "july", "june", "level", "line", "march", "may", "november",
    "october", "of", "oz", "page", "part", "phase", "psalm", "route", "season", "section",
    "september", "series", "stage", "step", "table", "title", "type", "verse", "version",
    "volume", "year", "and", "or", "to", "minus", "plus", "times", "by", "than",
))  # fmt: skip
_PARTS = (
    "thirds|fourths|fifths|sixths|eighths|tenths|quarters|halves|dozens|hundreds|thousands|"
    "millions|billions|others|is|was|has|plus|minus|times|less|versus|as|this|thus"
)
_PLURAL = rf"(?= (?!(?:{_PARTS})\b)[a-z]{{3,}}(?<!ss|us|is)s\b)"
_FIGURES = re.compile(rf"(?<=[a-z] )([2-9]|[1-9]\d){_PLURAL}")
_SPELLED = re.compile(rf"(?<=[a-z] )({_NUMBER_WORD}){_PLURAL}")


def _numbers(sentence: str) -> Iterator[tuple[int, int, str]]:
    for pattern in (_FIGURES, _SPELLED):
        for found in pattern.finditer(sentence):
            before = sentence[: found.start()].split()[-1].lower()
            if before not in _LABELS and before not in _WORDS:
                word = found[1]
                yield (*found.span(1), _WORDS[word] if word in _WORDS else spell(int(word)))


# ---- synonyms -----------------------------------------------------------------------------------

SYNONYMS = {
    "a large number of": "many",
    "almost": "nearly",
    "also known as": "also called",
    "approximately": "roughly",
    "around the world": "throughout the world",
    "attempted to": "tried to",
    "began to": "started to",
    "completely": "entirely",
    "despite the fact that": "although",
    "due to the fact that": "because",
    "entirely": "completely",
    "for example": "for instance",
    "for instance": "for example",
    "frequently": "often",
    "furthermore": "moreover",
    "in addition,": "additionally,",
    "additionally,": "in addition,",
    "in order to": "to",
    "in the event that": "if",
    "moreover": "furthermore",
    "nearly": "almost",
    "numerous": "many",
    "primarily": "mainly",
    "prior to": "before",
    "rapidly": "quickly",
    "started to": "began to",
    "throughout the world": "around the world",
    "tried to": "attempted to",
    "whereas": "while",
}
_SYNONYM = re.compile(
    r"(?:\b(?P<article>an?) )?(?<![\w-])(?P<word>"
    + "|".join(sorted(map(re.escape, SYNONYMS), key=len, reverse=True))
    + r")(?![\w-])",
    re.IGNORECASE,
)


def _synonyms(sentence: str) -> Iterator[tuple[int, int, str]]:
    for found in _SYNONYM.finditer(sentence):
        word, article = found["word"], found["article"]
        new = SYNONYMS.get(word.lower())
        first = found.start() == 0
        if new is None or (word != word.lower() and not (first and word[1:].islower())):
            continue  # part of a title
        if article:
            if new in ("many", "to", "if"):
                continue
            new = f"{'an' if new[0] in 'aeiou' else 'a'} {new}"
            new = _capital(new) if article[0].isupper() else new
        elif word[0].isupper():
            new = _capital(new)
        yield (*found.span(), new)


# ---- order --------------------------------------------------------------------------------------

_FRONTED = re.compile(
    r"(?P<how>When|If|While|Because|After|Before|Although|Whenever|Once|Until) "
    r"(?P<clause>[^,.:()]{8,90}), (?P<main>[^,.:()]{8,120})\."
)
_IN_A_YEAR = re.compile(r"(?P<how>In) (?P<clause>1[0-9]\d\d|20\d\d), (?P<main>[^,.:()]{8,90})\.")
_LOSES = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|this|that|these|those|such|who|"
    r"which|whose|where|one|ones|there|then|another|other|others|each|both|so|also|and|but|or|as|"
    r"than|because|when|if|while|until|after|before|since|I|we|you|my|our|your)\b",
    re.IGNORECASE,
)
# what a year at the end would seem to belong to: 'the first woman in space in 1963'
_CLINGS = re.compile(
    r"\b(?:first|second|third|last|latest|only|most|least|\w{3,}est|based|born|called|directed|made|"
    r"named|entitled|titled|written)\b"
)
_CLAUSE_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|could|may|might|must|will|would|should|does|do|did|"
    r"\w{2,}(?:ed|es|s))\b"
)


def _order(sentence: str) -> Iterator[tuple[int, int, str]]:
    for pattern in (_FRONTED, _IN_A_YEAR):
        found = pattern.fullmatch(sentence)
        if (
            not found
            or _ABBREVIATED.search(sentence)
            or _LOSES.search(found["clause"])
            or _LOSES.search(found["main"])
        ):
            continue
        # 'After the war, …' has no verb, and would do, but 'before dinner' might stand anywhere
        if pattern is _FRONTED and not _CLAUSE_VERB.search(found["clause"]):
            continue
        if pattern is _IN_A_YEAR and _CLINGS.search(found["main"]):
            continue
        main = _capital(found["main"])
        yield 0, len(sentence), f"{main} {found['how'].lower()} {found['clause']}."


# ---- voice --------------------------------------------------------------------------------------

# participle: past tense
_SAME = (
    "acquired", "built", "composed", "conquered", "created", "designed", "destroyed", "developed",
    "directed", "discovered", "edited", "established", "financed", "founded", "illustrated",
    "introduced", "invented", "led", "painted", "produced", "published", "translated", "won",
)  # fmt: skip
_VERBS = {verb: verb for verb in _SAME} | {
    "chosen": "chose",
    "drawn": "drew",
    "sung": "sang",
    "taken": "took",
    "written": "wrote",
}
_NAME = r"[A-Z][\w.'’-]+(?: (?:[A-Z][\w.'’-]+|of|de|von|van|and|the|la|del)){0,5}"
_PASSIVE = re.compile(
    r"(?P<subject>(?:The|A|An|This) [\w' -]{3,50}?) (?:was|were) "
    rf"(?P<verb>{'|'.join(_VERBS)}) by "
    rf"(?P<agent>{_NAME})(?P<when> in (?:1\d|20)\d\d)?\."
)
_NO_NOUN_GROUP = re.compile(r"\b(?:who|which|that|was|were|is|are|and|of whom)\b")


def _voice(sentence: str) -> Iterator[tuple[int, int, str]]:
    found = _PASSIVE.fullmatch(sentence)
    if not found or _ABBREVIATED.search(sentence) or _NO_NOUN_GROUP.search(found["subject"]):
        return
    agent, subject = found["agent"], found["subject"]
    if agent.split()[-1].islower():
        return
    subject = subject[0].lower() + subject[1:]
    yield 0, len(sentence), (f"{agent} {_VERBS[found['verb']]} {subject}{found['when'] or ''}.")


# ---- all of them --------------------------------------------------------------------------------

Rule = Callable[[str], Iterator[tuple[int, int, str]]]
# whole sentences first: the others look for their places in what is left
RULES: dict[str, Rule] = {
    "voice": _voice,
    "order": _order,
    "synonyms": _synonyms,
    "numbers": _numbers,
}


def rewrite(sentence: str, rule: str, wanted: Callable[[], bool] = lambda: True) -> str:
    """A sentence with what a rule finds in it replaced, wherever that is `wanted`."""
    if len(sentence) > LONGEST_SENTENCE or len(sentence.split()) < LEAST_WORDS:
        return sentence
    if _UNTOUCHED.search(sentence):
        return sentence
    for start, end, new in sorted(RULES[rule](sentence), reverse=True):
        if wanted():
            sentence = sentence[:start] + new + sentence[end:]
    return sentence


def sentences(line: str) -> list[str]:
    """The sentences of a line and what is between them, in turns; joined they are the line."""
    parts, start = [], 0
    for border in _BORDER.finditer(line):
        if not _ABBREVIATED.search(line[max(start, border.start() - LOOK_BACK) : border.start()]):
            parts += [line[start : border.start()], border[0]]
            start = border.end()
    return [*parts, line[start:]]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
