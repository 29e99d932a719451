"""`gristmill bench edit_programs`: deletions of real documents, compiled, written, read, replayed.

Documents of the five samples, some with awkward passages put in (commas, quotes, brackets, "=",
escapes, Unicode, CR/LF, lines that are there twice), lose lines, passages and single characters.
  replay_failures         of 10,000, those whose program does not give exactly the text it was
                          compiled for, after writing and parsing
  operations_per_deletion the operations of a program for each deletion made
  programs_per_cpu_s      compiled, written, parsed and replayed
"""

from __future__ import annotations

import random
import time

from research import artefacts
from research.bench.figures import Figure
from research.corpora.document import Corpus
from research.curate.edits.compile import compile_program
from research.curate.edits.execute import execute
from research.curate.edits.program import parse, write
from research.terminal import progress

SAMPLES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")
DIFFS = 10_000
LONGEST = 100_000  # characters of a document
AWKWARD = (
    'a, "b", (c) = [d]', "remove_str(\"x\", 3)", "it's \\n not\\t a \\\\ line", "=", ",,", "((",
    "))", '"""', "'''", "\\", "é→‽ 漢字 🦉 ﷽", "\u2028", "\u00a0 \u200b", "\t", "\r", "\r\n",
    "\x0b\x0c",
    "a\u0301a\u0301", "#", "[001]", "drop_doc()", " ", "\n\n\n",
)  # fmt: skip


def edit_programs(rounds: int) -> list[Figure]:
    """Generates the deletions and replays their programs; `rounds` makes no difference.

    Raises:
      GristmillError: a sample is missing.
    """
    rng = random.Random(1)
    failures = deletions = operations = 0
    seconds = 0.0
    with progress(total=DIFFS, desc="edit_programs", unit="diff") as bar:
        for name in SAMPLES:
            texts = [document.text[:LONGEST] for document
                     in Corpus.open(artefacts.data_root(), name).documents()]  # fmt: skip
            for _ in range(DIFFS // len(SAMPLES)):
                original = awkward(rng.choice(texts), rng)
                rewritten, made = with_deletions(original, rng)
                start = time.process_time()
                program = compile_program(original, rewritten).program
                replayed = execute(parse(write(program)), original)
                seconds += time.process_time() - start
                failures += replayed != (rewritten if rewritten.strip() else None)
                deletions += made
                operations += len(program)
                bar.update()
    return [
        Figure("edit_programs", "replay_failures", float(failures), f"of {DIFFS}"),
        Figure("edit_programs", "operations_per_deletion", operations / deletions, "operations"),
        Figure("edit_programs", "programs_per_cpu_s", DIFFS / seconds, "programs/cpu-s"),
    ]


def awkward(text: str, rng: random.Random) -> str:
    """The text, in two of three cases with what is hard to quote or to tell apart."""
    kind = rng.randrange(6)
    if kind == 0:
        return text.replace("\n", "\r\n")
    if kind == 1:
        lines = text.splitlines(keepends=True)
        return "".join(line * rng.choice((1, 1, 2, 3)) for line in lines)
    if kind in (2, 3):
        for _ in range(rng.randint(1, 8)):
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(AWKWARD) + text[at:]
    return text


def with_deletions(text: str, rng: random.Random) -> tuple[str, int]:
    """The text without one to six passages, and how many were taken."""
    made = 0
    for _ in range(rng.randint(1, 6)):
        if not text:
            break
        if rng.random() < 0.4:
            lines = text.splitlines(keepends=True)
            at = rng.randrange(len(lines))
            del lines[at : at + rng.randint(1, 5)]
            text = "".join(lines)
        else:
            at = rng.randrange(len(text))
            text = text[:at] + text[at + rng.choice((1, 2, rng.randint(1, 80))) :]
        made += 1
    return text, made
