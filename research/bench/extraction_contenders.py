"""The contenders of `gristmill bench extraction`, each in a Python that has it.

    PYTHON extraction_contenders.py NAME PAGES.json OUT.json

writes the text of every page and the CPU-seconds of the extraction alone.  It stands alone: the
Python of trafilatura need not have Gristmill.
"""

import json
import sys
import time
from collections.abc import Callable


def gristmill() -> Callable[[str], str]:
    """The step `extract`."""
    from research.corpora.document import Document
    from research.curate.extraction.step import Extract
    from research.curate.report import apply
    from research.curate.steps import Drop

    step = Extract()

    def extract(html: str) -> str:
        outcome, _ = apply(step, Document(html, "0", "bench", {"format": "html"}))
        return "" if isinstance(outcome, Drop) else outcome.text

    return extract


def trafilatura() -> Callable[[str], str]:
    """trafilatura with its own settings."""
    import trafilatura

    return lambda html: trafilatura.extract(html) or ""


def resiliparse() -> Callable[[str], str]:
    """resiliparse's main content."""
    from resiliparse.extract.html2text import extract_plain_text

    return lambda html: extract_plain_text(html, main_content=True)


def main() -> None:
    """Extracts, after one page to warm up."""
    name, pages_path, out = sys.argv[1:]
    extract = {"gristmill": gristmill, "trafilatura": trafilatura, "resiliparse": resiliparse}[
        name
    ]()
    with open(pages_path, encoding="utf-8") as file:
        pages = json.load(file)
    extract(pages[0])
    start = time.process_time()
    texts = [extract(page) for page in pages]
    seconds = time.process_time() - start
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"texts": texts, "cpu_s": seconds}, file)


if __name__ == "__main__":
    main()
