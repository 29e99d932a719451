"""pylint's own verdict on files, for `gristmill bench lint`; needs pylint, not Gristmill.

    PYTHON lint_anchor.py FILES.json RESULTS.jsonl

The first file holds a list of paths.  Every one is copied alone into an empty folder, as
SwallowCode does, and checked by one pylint process for all; a line of the results is

    {"path", "statements", "fatal", "messages": {symbol: count}, "score", "cpu_s"}

with `score` null where pylint gives none (nothing to rate).  Paths already in the results are
skipped.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter

# those SwallowCode switches off: what a file alone cannot be blamed for, and matters of taste
DISABLED = "E0401,C0114,C0301,C0103,C0116,C0411,R0903,W0511,C0412"


def check(path: str) -> dict:
    """The messages and the score of one file."""
    from pylint.lint import Run
    from pylint.reporters import CollectingReporter

    with open(path, "rb") as file:
        content = file.read()
    with tempfile.TemporaryDirectory() as folder:
        alone = os.path.join(folder, "tmp_sample.py")
        with open(alone, "wb") as file:
            file.write(content)
        reporter = CollectingReporter()
        start = time.process_time()
        with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
            run = Run([f"--disable={DISABLED}", "--persistent=n", alone], reporter, exit=False)
        seconds = time.process_time() - start
    stats = run.linter.stats
    note = stats.global_note if stats.statement else None
    return {
        "path": path,
        "statements": stats.statement,
        "fatal": stats.fatal,
        "messages": dict(Counter(message.symbol for message in reporter.messages)),
        "score": note,
        "cpu_s": seconds,
    }


def main() -> None:
    """Checks what is not in the results yet."""
    files, results = sys.argv[1:]
    with open(files, encoding="utf-8") as file:
        paths = json.load(file)
    done = set()
    with contextlib.suppress(FileNotFoundError), open(results, encoding="utf-8") as file:
        done = {json.loads(line)["path"] for line in file}
    from astroid import MANAGER

    with open(results, "a", encoding="utf-8") as file:
        for number, path in enumerate(path for path in paths if path not in done):
            if number % 40 == 0:
                MANAGER.clear_cache()  # else it holds every module that was ever imported
            file.write(json.dumps(check(path)) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
