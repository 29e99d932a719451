"""The contenders of `gristmill bench filters`, each in a Python that has it.

    PYTHON filters_contenders.py NAME TEXTS.json

prints a JSON object: the verdict on every text ('kept' or 'filter/reason') and the CPU-seconds.  It
stands alone: the Python of datatrove need not have Gristmill.
"""

import json
import sys
import time
from collections.abc import Callable

NAMES = ("gopher_repetition", "gopher_quality", "c4", "fineweb_quality")


def gristmill() -> Callable[[str], str]:
    """The recipe `fineweb_rules`."""
    from research.corpora.document import Document
    from research.curate.recipes import find_recipe
    from research.curate.report import apply
    from research.curate.steps import Drop

    steps = find_recipe("fineweb_rules")
    assert tuple(step.name for step in steps) == NAMES

    def judge(text: str) -> str:
        document = Document(text, "0", "bench")
        for step in steps:
            outcome, _ = apply(step, document)
            if isinstance(outcome, Drop):
                return f"{step.name}/{outcome.reason}"
            document = outcome
        return "kept"

    return judge


def datatrove() -> Callable[[str], str]:
    """The same four filters, as datatrove's recipe for FineWeb sets them."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    filters = (
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    )

    def judge(text: str) -> str:
        document = Document(text=text, id="0")
        for name, step in zip(NAMES, filters, strict=True):
            verdict = step.filter(document)
            if verdict is not True:
                return f"{name}/{verdict[1]}"
        return "kept"

    return judge


if __name__ == "__main__":
    name, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        texts = json.load(file)
    judge = {"gristmill": gristmill, "datatrove": datatrove}[name]()
    judge("The word tokenizer is loaded before the clock runs, that is what this is for. " * 9)
    start = time.process_time()
    verdicts = [judge(text) for text in texts]
    print(json.dumps({"verdicts": verdicts, "cpu_s": time.process_time() - start}))
