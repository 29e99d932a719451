"""Which evaluation items a text holds: rare n-grams find them, an alignment judges them.

Seeds.  Every n-gram of an item's words (4; 8 in programs) is in a hash table, unless it occurs in
many items.  Hits in a text are grouped by item and place; where the words they cover are worth a
part of the item, the item is aligned with the text around.

Alignment (expansion).  Smith and Waterman's local alignment (1981), in bits: a word that agrees
earns what it tells, a gap costs its opening and a little for every word in it.  So an item counts
as found with words changed, left out or put in, and with the choices between question and answer.

Rarity.  What a word tells is -log2 of its probability after the word before it, in the other items
(bigrams, Witten-Bell smoothing, Bell, Cleary and Witten 1990): the words of "which of the following
best describes" earn little, a name earns much.

A question, or question and answer together, is found if its alignment has at least `min_coverage`
of its bits, and at least `min_bits`; an answer alone, which may be no more than a common phrase, if
it has twice as many.  Items worth less cannot be told from chance and are never reported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numba
import numpy as np

from research.curate.evaluation_sets import Item
from research.curate.word_hashes import code_table, mix, scan, text_table, word_hashes
from research.errors import GristmillError

MOST_BITS = 16.0  # a single word may tell: one never seen would tell too much
GAP_OPEN, GAP_WORD = 5.0, 0.25  # bits
SEED_COVERAGE = 0.2  # of an item's bits in hits, from which it is aligned
MOST_ITEMS = 64  # with an n-gram that still is a seed
PARTS = ("question", "answer", "both")


@dataclasses.dataclass(frozen=True)
class Matching:
    """When an item counts as found.

    Attributes:
      seed_words: words of a seed in running text.
      seed_tokens: tokens of a seed in programs.
      min_coverage: share of a question's or answer's bits that must be found.
      min_bits: bits that must be found in any case.
    """

    seed_words: int = 4
    seed_tokens: int = 8
    min_coverage: float = 0.75
    min_bits: float = 55.0

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
          GristmillError: one is out of its range.
        """
        if not 0 < self.min_coverage <= 1:
            raise GristmillError(f"--min-coverage is {self.min_coverage}: use more than 0, up to 1")
        if not 10 <= self.min_bits <= 10_000:
            raise GristmillError(f"--min-bits is {self.min_bits}: use 10 to 10000")


@dataclasses.dataclass(frozen=True)
class Index:
    """Items of one kind, text or code, as arrays.

    Attributes:
      items: number of each item in the list they came from, int64 [E].
      words: hashes of the words of all, question before answer, uint64.
      bits: what each word tells, float32.
      starts: where each item's words begin, int64 [E+1].
      answers: where its answer's words begin, int64 [E].
      slots: open-addressed table of seeds, uint64, 0 where empty.
      first: where the postings of the seed in each slot begin and end, int64 [slots, 2].
      postings: entry and place in it of every seed, int32 [P, 2].
      seed: words of a seed.
    """

    items: np.ndarray
    words: np.ndarray
    bits: np.ndarray
    starts: np.ndarray
    answers: np.ndarray
    slots: np.ndarray
    first: np.ndarray
    postings: np.ndarray
    seed: np.ndarray

    @classmethod
    def build(cls, items: Sequence[Item], code: bool, matching: Matching) -> Index:
        """Indexes those parts of the items that are programs, or those that are not."""
        table = code_table() if code else text_table()
        numbers, words, answers = [], [np.empty(0, np.uint64)], []
        for number, item in enumerate(items):
            parts = [
                word_hashes(text if (name in item.code) == code else "", table)
                for name, text in (("question", item.question), ("answer", item.answer))
            ]
            if len(parts[0]) + len(parts[1]):
                numbers.append(number)
                words.append(np.concatenate(parts))
                answers.append(len(parts[0]))
        starts = np.cumsum([len(part) for part in words])
        joined = np.concatenate(words)
        seed = matching.seed_tokens if code else matching.seed_words
        return cls(
            np.array(numbers, np.int64),
            joined,
            _bits(joined, starts),
            starts,
            starts[:-1] + np.array(answers, np.int64),
            *_seed_table(joined, starts, seed),
            np.array([seed], np.int64),
        )

    def save(self, folder: Path) -> None:
        """Writes the arrays, for the processes that will read them."""
        folder.mkdir(exist_ok=True)
        for field in dataclasses.fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Index:
        """Reads what `save` wrote."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.load(folder / f"{name}.npy") for name in names))

    def part_bits(self) -> tuple[np.ndarray, np.ndarray]:
        """Bits of every question and every answer, float64 [E] each."""
        total = np.concatenate([[0], np.cumsum(self.bits, dtype=np.float64)])
        at_answer, at_end = total[self.answers], total[self.starts[1:]]
        return at_answer - total[self.starts[:-1]], at_end - at_answer

    def decidable(self, matching: Matching) -> np.ndarray:
        """Which items say enough to be recognised, bool [E]."""
        questions, answers = self.part_bits()
        least = np.where(questions > 0, matching.min_bits, 2 * matching.min_bits)
        return questions + answers >= least

    def find(
        self, data: np.ndarray, offsets: np.ndarray, code: bool, matching: Matching
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items found in the texts that Arrow holds as `data` and `offsets`.

        Returns:
          (text, entry, part of `PARTS`, first byte, byte after the last) of each, the bytes counted
          from the text's beginning, int64 [F, 5]; and (bits, coverage), float64 [F, 2].
        """
        if not len(self.items):
            return np.empty((0, 5), np.int64), np.empty((0, 2))
        questions, answers = self.part_bits()
        return _find(
            data, offsets, code_table() if code else text_table(), self.words, self.bits,
            self.starts, self.answers, questions, answers, self.slots, self.first, self.postings,
            int(self.seed[0]), matching.min_coverage, matching.min_bits,
        )  # fmt: skip


def _bits(words: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """What every word tells after the one before it, by the other items, float32."""
    if not len(words):
        return np.empty(0, np.float32)
    _, word, counts = np.unique(words, return_inverse=True, return_counts=True)
    kinds = len(counts)
    chance = (counts + 1) / (counts.sum() + kinds + 1)
    unigram = (counts[word] - 1 + chance[word] * kinds) / (len(words) - 1 + kinds)
    pairs = word[:-1].astype(np.int64) * kinds + word[1:]
    inside = np.ones(len(words), bool)
    inside[starts[:-1]] = False  # the first word of an item follows none
    _, pair, pair_counts = np.unique(pairs, return_inverse=True, return_counts=True)
    followers = np.bincount(np.unique(pairs) // kinds, minlength=kinds)
    after = np.bincount(word[:-1], minlength=kinds)
    probability = unigram.copy()
    probability[1:] = (pair_counts[pair] - 1 + followers[word[:-1]] * unigram[1:]) / (
        after[word[:-1]] - 1 + followers[word[:-1]]
    )
    probability = np.where(inside, probability, unigram)
    return np.clip(-np.log2(probability), 0, MOST_BITS).astype(np.float32)


def _seed_table(
    words: np.ndarray, starts: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The hash table of all n-grams within items: slots, bounds, postings."""
    grams = _grams(words, n)
    entry = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[: len(grams)]
    place = np.arange(len(grams)) - starts[entry]
    whole = place + n <= np.diff(starts)[entry]
    grams, entry, place = grams[whole], entry[whole], place[whole]
    order = np.argsort(grams, kind="stable")
    grams, entry, place = grams[order], entry[order], place[order]
    unique, begin, counts = np.unique(grams, return_index=True, return_counts=True)
    rare = counts <= MOST_ITEMS
    bounds = np.stack([begin, begin + counts], 1)[rare]
    size = 1 << max(4, int(2 * rare.sum()).bit_length())
    slots, first = _hash_table(unique[rare], bounds, size)
    return slots, first, np.stack([entry, place], 1).astype(np.int32)


@numba.njit(cache=True)
def _gram(words, i, n):
    h = np.uint64(0)
    for k in range(n):
        h = h * np.uint64(0x9E3779B97F4A7C15) + words[i + k]
    h = mix(h)
    return h if h != 0 else np.uint64(1)


@numba.njit(cache=True)
def _grams(words, n):
    out = np.empty(max(0, len(words) - n + 1), np.uint64)
    for i in range(len(out)):
        out[i] = _gram(words, i, n)
    return out


@numba.njit(cache=True)
def _hash_table(grams, bounds, size):
    slots = np.zeros(size, np.uint64)
    first = np.zeros((size, 2), np.int64)
    for g in range(len(grams)):
        slot = np.int64(grams[g] & np.uint64(size - 1))
        while slots[slot] != 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = grams[g]
        first[slot] = bounds[g]
    return slots, first


@numba.njit(cache=True)
def align(item, bits, text):
    """The best local alignment of an item's words with a text's.

    Args:
      item: hashes of the item's words, uint64 [L].
      bits: what each tells, [L].
      text: hashes of the text's words, uint64 [W].

    Returns:
      Its bits, and the first and the last word of the text in it; (0, -1, -1) if there is none.
    """
    size = len(text)
    # of alignments that end with the word in each place: agreeing in it, or in a gap
    met, gap = np.full(size + 1, -1e9), np.full(size + 1, -1e9)
    met_from, gap_from = np.zeros(size + 1, np.int64), np.zeros(size + 1, np.int64)
    best, first, last = 0.0, -1, -1
    for i in range(len(item)):
        diagonal_met, diagonal_met_from = met[0], met_from[0]
        diagonal_gap, diagonal_gap_from = gap[0], gap_from[0]
        for j in range(1, size + 1):
            up_met, up_met_from, up_gap, up_gap_from = met[j], met_from[j], gap[j], gap_from[j]
            if item[i] == text[j - 1]:
                score, begin = 0.0, j - 1
                if diagonal_met > score:
                    score, begin = diagonal_met, diagonal_met_from
                if diagonal_gap > score:
                    score, begin = diagonal_gap, diagonal_gap_from
                met[j], met_from[j] = score + bits[i], begin
                if met[j] > best:
                    best, first, last = met[j], begin, j - 1
            else:
                met[j] = -1e9
            gap[j], gap_from[j] = up_gap - GAP_WORD, up_gap_from
            if gap[j - 1] - GAP_WORD > gap[j]:
                gap[j], gap_from[j] = gap[j - 1] - GAP_WORD, gap_from[j - 1]
            opened = max(up_met, met[j - 1]) - GAP_OPEN
            if opened > gap[j]:
                gap[j] = opened
                gap_from[j] = up_met_from if up_met >= met[j - 1] else met_from[j - 1]
            diagonal_met, diagonal_met_from = up_met, up_met_from
            diagonal_gap, diagonal_gap_from = up_gap, up_gap_from
    return best, first, last


@numba.njit(cache=True)
def _find(
    data, offsets, table, words, bits, starts, answers, question_bits, answer_bits, slots, first,
    postings, n, min_coverage, min_bits,
):  # fmt: skip
    longest = 0
    for t in range(len(offsets) - 1):
        longest = max(longest, offsets[t + 1] - offsets[t])
    text = np.empty(longest, np.uint64)
    begins, ends = np.empty(longest, np.int64), np.empty(longest, np.int64)
    hits = np.empty((1024, 3), np.int64)  # entry, place in the text, place in the entry
    seen = np.full(len(words), -1, np.int64)
    stamp = 0
    found = np.empty((64, 5), np.int64)
    scores = np.empty((64, 2))
    count = 0
    mask = len(slots) - 1
    for t in range(len(offsets) - 1):
        size = scan(data, offsets[t], offsets[t + 1], table, False, text, begins, ends)
        used = 0
        for i in range(size - n + 1):
            gram = _gram(text, i, n)
            slot = np.int64(gram & np.uint64(mask))
            while slots[slot] != 0 and slots[slot] != gram:
                slot = (slot + 1) & mask
            if slots[slot] == 0:
                continue
            for p in range(first[slot, 0], first[slot, 1]):
                if used == len(hits):
                    larger = np.empty((2 * used, 3), np.int64)
                    larger[:used] = hits
                    hits = larger
                hits[used, 0], hits[used, 1], hits[used, 2] = postings[p, 0], i, postings[p, 1]
                used += 1
        if used == 0:
            continue
        order = np.argsort(hits[:used, 0], kind="mergesort")  # stable: places stay in order
        at = 0
        before, done = -1, 0  # the last entry, and the word of the text up to which it was found
        while at < used:
            entry = hits[order[at], 0]
            if entry != before:
                before, done = entry, 0
            start, answer, stop = starts[entry], answers[entry], starts[entry + 1]
            length = stop - start
            place = hits[order[at], 1]
            low = max(done, place - hits[order[at], 2] * 5 // 4 - 8)
            high = min(size, low + length + length // 2 + 48)
            stamp += 1
            in_question = in_answer = 0.0
            beyond = at
            while beyond < used:
                hit = order[beyond]
                if hits[hit, 0] != entry or hits[hit, 1] >= high:
                    break
                for k in range(start + hits[hit, 2], start + hits[hit, 2] + n):
                    if seen[k] != stamp:
                        seen[k] = stamp
                        if k < answer:
                            in_question += bits[k]
                        else:
                            in_answer += bits[k]
                beyond += 1
            until = place + max(8, length // 4)  # the next window, if nothing is found in this one
            question, reply = question_bits[entry], answer_bits[entry]
            if in_question + in_answer >= SEED_COVERAGE * min_bits and (
                in_question >= SEED_COVERAGE * question or in_answer >= SEED_COVERAGE * reply
            ):
                window = text[low:high]
                best, part, coverage = 0.0, -1, 0.0
                a = b = -1
                for which in range(3):
                    left = answer if which == 1 else start
                    right = answer if which == 0 else stop
                    total = question + reply if which == 2 else reply if which else question
                    least = 2 * min_bits if which == 1 else min_bits
                    if right == left or total < least:
                        continue
                    if which == 2 and (reply == 0 or question == 0):
                        continue
                    score, c, d = align(words[left:right], bits[left:right], window)
                    if score >= least and score >= min_coverage * total:
                        best, part, coverage = score, which, score / total
                        a = c if a < 0 else min(a, c)
                        b = max(b, d)
                if part >= 0:
                    if count == len(found):
                        more, more_scores = (
                            np.empty((2 * count, 5), np.int64),
                            np.empty((2 * count, 2)),
                        )
                        more[:count], more_scores[:count] = found, scores
                        found, scores = more, more_scores
                    found[count, 0], found[count, 1], found[count, 2] = t, entry, part
                    found[count, 3] = begins[low + a] - offsets[t]
                    found[count, 4] = ends[low + b] - offsets[t]
                    scores[count, 0], scores[count, 1] = best, coverage
                    count += 1
                    until = done = low + b + 1
            at += 1
            while at < used and hits[order[at], 0] == entry and hits[order[at], 1] < until:
                at += 1
    return found[:count].copy(), scores[:count].copy()
