"""Words and sentences as spaCy's English tokenizer splits them, many times faster.

The published thresholds of Gopher, C4 and FineWeb were set on datatrove's words, and those are
spaCy's.  A text is cut at whitespace into chunks; a chunk loses prefixes and suffixes (brackets,
quotes, full stops, units after digits) until nothing more comes off, and what is left is cut at
infixes (hyphens and the like between letters).  What a chunk becomes depends on the chunk alone, so
it is kept in a dictionary: nearly all chunks of a text have been seen before.

Different from spaCy: "letter" is Unicode's letter (spaCy lists the scripts it knows), and a chunk
of more than `LONGEST_ADDRESS` characters is never taken for a web address.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Iterator

import numpy as np
import regex

from research.curate.filters.word_rules import exceptions

CACHED_CHUNKS = 300_000  # about 100 MB
LONGEST_CACHED = 64  # characters; also more than any exception has
LONGEST_ADDRESS = 2048

_PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿"
_UNITS = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s "
    "km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см "
    "см² см³ мм мм² мм³ нм кг г мг м/с км/ч кПа Па мбар Кб КБ кб Мб МБ мб Гб ГБ гб Тб ТБ "
    "тбكم كم² كم³ م م² م³ سم سم² سم³ مم مم² مم³ كم غرام جرام جم كغ ملغ كوب اكواب"
)
_QUOTE_CLASS = regex.escape(_QUOTES)
# what has no case counts as both; in these blocks marks and signs count as letters too
_UNCASED = r"\p{Lo}\u0591-\u05f4\u0900-\u0dff\u2e80-\u2fdf\u3000-\u30ff"
_LOWER = rf"\p{{Ll}}{_UNCASED}"
_UPPER = rf"\p{{Lu}}{_UNCASED}"
_ALPHA = rf"\p{{Lu}}\p{{Ll}}{_UNCASED}"
_SINGLE_PREFIXES = frozenset("§%=—–" + _PUNCTUATION + _QUOTES + _CURRENCY)
_SINGLE_SUFFIXES = frozenset("—–" + _PUNCTUATION + _QUOTES)
_PREFIX = regex.compile(r"\.\.+|\+(?![0-9])|(?:US|C|A)\$|\p{So}")
_PLAIN_SUFFIXES = _SINGLE_SUFFIXES - {"…"}  # which never are the end of a longer one
_SUFFIX = regex.compile(  # of the last 8 characters, the longest first: as the leftmost match
    r"(?:……|'[sS]|’[sS]|\p{So}|(?<=[0-9])\+|(?<=°[FfCcKk])\."
    rf"|(?<=[0-9])(?:(?:US|C|A)\$|[{regex.escape(_CURRENCY)}])"
    rf"|(?<=[0-9])(?:{'|'.join(sorted(map(regex.escape, _UNITS.split()), key=len, reverse=True))})"
    rf"|(?<=[0-9{_LOWER}%²\-+{regex.escape(_PUNCTUATION)}{_QUOTE_CLASS}()?:|])\."
    rf"|(?<=[{_UPPER}][{_UPPER}])\.)$"
)
_INFIX = regex.compile(
    r"\.\.+|…|\p{So}"
    r"|(?<=[0-9])[+\-*^](?=[0-9-])"
    rf"|(?<=[{_LOWER}{_QUOTE_CLASS}])\.(?=[{_UPPER}{_QUOTE_CLASS}])"
    rf"|(?<=[{_ALPHA}]),(?=[{_ALPHA}])"
    rf"|(?<=[{_ALPHA}0-9])(?:---|--|——|[-–—~])(?=[{_ALPHA}])"
    rf"|(?<=[{_ALPHA}0-9])[:<>=/](?=[{_ALPHA}])"
)
_ADDRESS = regex.compile(  # every repetition is possessive: linear
    r"(?:[\w+\-.]{2,}+://)?"
    r"(?:(?!(?:10|127)(?:\.\d{1,3}){3})(?!(?:169\.254|192\.168)(?:\.\d{1,3}){2})"
    r"(?!172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})(?:[1-9]\d?|1\d\d|2[01]\d|22[0-3])(?:\.\d{1,3}){3}"
    r"|(?:[A-Za-z0-9\u00a1-\uffff](?:[A-Za-z0-9\u00a1-\uffff_-]{0,62}"
    rf"[A-Za-z0-9\u00a1-\uffff])?\.)+[{_LOWER}]{{2,63}})"
    r"(?::\d{2,5})?(?:[/?#]\S*)?"
)
_RULES = exceptions()
_LONGEST_RULE = max(map(len, _RULES))
_CHUNKS = regex.compile(r"\S+|\s\s+|[^\S ]")
# datatrove's end marks of all scripts (of which spaCy's sentencizer lacks a few of ancient ones)
_TERMINAL_CODE_POINTS = """
21 2e 3f 589 61d-61f 6d4 700-702 7f9 837 839 83d-83e 964-965 104a-104b 1362 1367-1368 166e
1735-1736 17d4-17d6 17d9-17da 1803 1809 1944-1945 1aa8-1aab 1b5a-1b5b 1b5e-1b5f 1b7d-1b7e
1c3b-1c3c 1c7e-1c7f 203c-203d 2047-2049 2e2e 2e3c 2e53-2e54 3002 a4ff a60e-a60f a6f3 a6f7
a876-a877 a8ce-a8cf a92f a9c8-a9c9 aa5d-aa5f aaf0-aaf1 abeb fe52 fe56-fe57 ff01 ff0e ff1f ff61
10a56-10a57 10f55-10f59 10f86-10f89 11047-11048 110be-110c1 11141-11143 111c5-111c6 111cd
111de-111df 11238-11239 1123b-1123c 112a9 1144b-1144c 115c2-115c3 115c9-115d7 11641-11642
1173c-1173e 11944 11946 11a42-11a43 11a9b-11a9c 11c41-11c42 11ef7-11ef8 11f43-11f44 16a6e-16a6f
16af5 16b37-16b38 16b44 16e98 1bc9f 1da88
"""
SENTENCE_TERMINALS = frozenset(
    chr(code)
    for low, _, high in (word.partition("-") for word in _TERMINAL_CODE_POINTS.split())
    for code in range(int(low, 16), int(high or low, 16) + 1)
)


class Words:
    """The words of one text, and what the filters ask about them.

    Attributes:
      words: all words in order, none with whitespace.
      text_length: characters of the text.
    """

    def __init__(self, text: str) -> None:
        self.text_length = len(text)
        self.words = list(
            itertools.chain.from_iterable(map(_CHUNK_WORDS.__getitem__, text.split()))
        )

    @functools.cached_property
    def _numbered(self) -> tuple[np.ndarray, list[str]]:
        first: dict[str, int] = {}
        positions = list(map(first.setdefault, self.words, itertools.count()))
        return np.array(positions, dtype=np.int64), list(first)

    @property
    def ids(self) -> np.ndarray:
        """For each word the position where it occurs first, int64 [N]."""
        return self._numbered[0]

    @property
    def vocabulary(self) -> list[str]:
        """The different words, in the order of their first occurrence."""
        return self._numbered[1]

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """How often each word of `vocabulary` occurs, int64 [V]."""
        counts = np.bincount(self.ids, minlength=len(self.words))
        return counts[counts > 0]

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Characters of each word, int64 [N]."""
        return np.fromiter(map(len, self.words), np.int64, len(self.words))


@functools.lru_cache(maxsize=2)  # the steps of a recipe ask for the same text one after the other
def words_of(text: str) -> Words:
    """The words of a text."""
    return Words(text)


def count_sentences(text: str) -> int:
    """How many sentences spaCy's sentencizer finds: a sentence ends after a token that is a full
    stop or the like, with all punctuation that follows."""
    sentences, ended, some = 0, False, False
    for token in _tokens_with_whitespace(text):
        some = True
        if token in SENTENCE_TERMINALS:
            ended = True
        elif ended and not _is_punctuation(token):
            sentences += 1
            ended = False
    return sentences + some or 1


def _tokens_with_whitespace(text: str) -> Iterator[str]:
    for chunk in _CHUNKS.findall(text):
        if chunk[0].isspace():
            yield chunk
        else:
            yield from _CHUNK_WORDS[chunk]


def _is_punctuation(token: str) -> bool:
    return all(unicodedata.category(character)[0] == "P" for character in token)


class _ChunkWords(dict):
    """chunk -> its words; what is missing is worked out and kept."""

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        words = _split_chunk(chunk)
        if len(chunk) <= LONGEST_CACHED:
            if len(self) >= CACHED_CHUNKS:
                self.clear()
            self[chunk] = words
        return words


_CHUNK_WORDS = _ChunkWords()


def _split_chunk(chunk: str) -> tuple[str, ...]:
    if chunk in _RULES:
        return _RULES[chunk]
    if chunk.isalpha() or (chunk.isdigit() and chunk.isascii()):
        return (chunk,)
    # two common cases, ahead of the general one: a bracket or quote first, a mark last
    head, last = chunk[:-1], chunk[-1]
    if (
        last in ".,:;!?)"
        and head.isascii()
        and head not in _RULES
        and (head.isdigit() or (head.isalpha() and (last != "." or head[-1].islower())))
    ):
        return (head, last)
    if chunk[0] in '(["“' and (rest := chunk[1:]).isalpha() and rest not in _RULES:
        return (chunk[0], rest)
    return _merge_exceptions(_split_affixes(chunk, _RULES))


def _split_affixes(chunk: str, rules: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """spaCy's algorithm, on a window of the chunk: a long one is not copied at each step."""
    start, end = 0, len(chunk)
    prefixes: list[str] = []
    suffixes: list[str] = []

    def is_rule(start: int, end: int) -> bool:
        return 0 < end - start <= _LONGEST_RULE and chunk[start:end] in rules

    # while no exception can be met, single marks come off without looking for one
    while end - start > LONGEST_CACHED and chunk[start] in _SINGLE_PREFIXES:
        prefixes.append(chunk[start])
        start += 1
    while end - start > LONGEST_CACHED and chunk[end - 1] in _PLAIN_SUFFIXES:
        suffixes.append(chunk[end - 1])
        end -= 1
    while start < end and not is_rule(start, end):
        prefix = _prefix_length(chunk, start, end)
        if prefix and is_rule(start + prefix, end):
            prefixes.append(chunk[start : start + prefix])
            start += prefix
            break
        suffix = _suffix_length(chunk, start + prefix, end)
        if suffix and is_rule(start, end - suffix):
            suffixes.append(chunk[end - suffix : end])
            end -= suffix
            break
        if not prefix and not suffix:
            break
        if prefix:
            prefixes.append(chunk[start : start + prefix])
            start += prefix
        if suffix:
            suffixes.append(chunk[end - suffix : end])
            end -= suffix
    middle = chunk[start:end]
    inside = (rules.get(middle) or _split_infixes(middle)) if middle else ()
    return (*prefixes, *inside, *reversed(suffixes))


def _prefix_length(chunk: str, start: int, end: int) -> int:
    first = chunk[start]
    if first in _SINGLE_PREFIXES:
        return 1
    if first.isalnum() and first not in "UCA":
        return 0
    match = _PREFIX.match(chunk, start, end)
    return match.end() - start if match else 0


def _suffix_length(chunk: str, start: int, end: int) -> int:
    if start >= end:
        return 0
    last = chunk[end - 1]
    if last in _PLAIN_SUFFIXES:
        return 1
    window = chunk[max(start, end - 8) : end]
    if window.isalpha():
        return 0
    if window.endswith(".."):
        dots = 2
        while end - dots > start and chunk[end - dots - 1] == ".":
            dots += 1
        return dots
    if match := _SUFFIX.search(window):
        return len(window) - match.start()
    return 1 if last in _SINGLE_SUFFIXES else 0


def _split_infixes(middle: str) -> tuple[str, ...]:
    if middle.isalnum():
        return (middle,)
    if len(middle) <= LONGEST_ADDRESS and "." in middle:
        host = middle[middle.rfind("@") + 1 :] or middle
        if _ADDRESS.fullmatch(host) or _ADDRESS.fullmatch(middle):
            return (middle,)
    pieces: list[str] = []
    start = 0
    for match in _INFIX.finditer(middle):
        if match.start() == 0:
            continue
        if match.start() > start:
            pieces.append(middle[start : match.start()])
        pieces.append(match[0])
        start = match.end()
    if start < len(middle):
        pieces.append(middle[start:])
    return tuple(pieces)


def _mergeable() -> dict[tuple[str, ...], tuple[str, ...]]:
    """Exceptions that the affixes take apart: the tokens they fall into, and those they must be."""
    falls = {whole: _split_affixes(whole, {}) for whole in _RULES}
    return {
        tokens: _RULES[whole]
        for whole, tokens in falls.items()
        if len(tokens) > 1 and (_prefix_length(whole, 0, len(whole))
                                or _suffix_length(whole, 0, len(whole))
                                or _INFIX.search(whole))
    }  # fmt: skip


_MERGEABLE = _mergeable()
_MERGEABLE_LENGTHS = sorted({len(tokens) for tokens in _MERGEABLE}, reverse=True)
_MERGEABLE_PAIRS = {tokens[:2] for tokens in _MERGEABLE}


def _merge_exceptions(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Finds exceptions among the tokens of a chunk, as ':)' at the end of a word.

    The longest are taken first; a shorter one that begins or ends inside of it is not.
    """
    pairs = itertools.pairwise(tokens)
    starts = [i for i, pair in enumerate(pairs) if pair in _MERGEABLE_PAIRS]
    if not starts:
        return tokens
    taken: dict[int, tuple[int, tuple[str, ...]]] = {}
    seen: set[int] = set()
    for length in _MERGEABLE_LENGTHS:
        for start in starts:
            pieces = _MERGEABLE.get(tokens[start : start + length])
            if pieces is None or start + length > len(tokens):
                continue
            if start not in seen and start + length - 1 not in seen:
                taken[start] = (length, pieces)
            seen.update(range(start, start + length))
    if not taken:
        return tokens
    merged: list[str] = []
    position = 0
    while position < len(tokens):
        length, pieces = taken.get(position, (1, tokens[position : position + 1]))
        merged += pieces
        position += length
    return tuple(merged)
