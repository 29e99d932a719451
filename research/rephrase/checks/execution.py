"""Programs and blocks of code in rewrites, run in the sandbox (`research.sandbox`)."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import secrets
from pathlib import Path
from typing import Any, ClassVar

from research import artefacts, sandbox
from research.rephrase.checks import run_blocks, run_tests
from research.rephrase.python_source import parse
from research.rephrase.style import Check, Rejection

_TEST = re.compile(
    r"^[ \t]*>>> |^assert\b|^def test|^class \w+\([^)\n]{0,200}TestCase\)", re.MULTILINE
)
_FENCE = re.compile(
    r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
_TELLING = 200  # characters that may stand between a block and its output


@dataclasses.dataclass(frozen=True)
class CodeRuns(Check):
    """Programs that still do what the tests of their source ask.

    The tests are doctests, functions `test_…` without parameters, TestCases and assertions at top
    level.  Those of the source are run against the rewrite, and so are the rewrite's own.  Nothing
    is judged where the source has no tests, or does not pass them here itself (a package is
    missing, say).

    Attributes:
      cpu_seconds: of one run.
    """

    name: ClassVar[str] = "code_runs"
    version: ClassVar[int] = 1

    cpu_seconds: int = 4

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        if not _TEST.search(source) or parse(source) is None or not self._passes(source):
            return None
        if parse(rewrite) is None:
            return Rejection("does not parse")
        result = _test(rewrite, (source, rewrite), self.cpu_seconds)
        if not result["ran"]:
            return Rejection("does not run", result["detail"])
        return Rejection("fails tests", result["detail"]) if result["failed"] else None

    def _passes(self, source: str) -> bool:
        result = _test(source, (source,), self.cpu_seconds)
        return result["ran"] and bool(result["tests"]) and not result["failed"]


def _test(module: str, tests: tuple[str, ...], cpu_seconds: int) -> dict[str, Any]:
    names = [f"tests_{i}.py" for i in range(len(tests))]
    files = {"module_under_test.py": module, **dict(zip(names, tests, strict=True))}
    return _told(
        Path(run_tests.__file__).read_text("utf-8"),
        {"module": "module_under_test.py", "tests": names},
        files,
        cpu_seconds,
    ) or {"ran": False, "tests": 0, "failed": 1, "detail": "it was stopped"}


@dataclasses.dataclass(frozen=True)
class BlocksRun(Check):
    """Steps with code whose blocks run one after the other and give the output that is shown.

    A fenced block after a Python block, if it is no Python itself, is what the latter prints.
    White space does not matter, nor the last digits of fractions.  At least one block must show its
    output.

    Attributes:
      cpu_seconds: of all blocks together.
      relative: difference that numbers with a fraction may have.
    """

    name: ClassVar[str] = "blocks_run"
    version: ClassVar[int] = 1

    cpu_seconds: int = 4
    relative: float = 1e-6

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        blocks = code_blocks(rewrite)
        if not blocks:
            return Rejection("no code")
        if all(shown is None for _, shown in blocks):
            return Rejection("no output shown")
        if any(parse(code) is None for code, _ in blocks):
            return Rejection("does not parse")
        result = _told(
            Path(run_blocks.__file__).read_text("utf-8"),
            {"blocks": [code for code, _ in blocks]},
            {},
            self.cpu_seconds,
        )
        if result is None or result["error"]:
            return Rejection("does not run", result["error"] if result else "it was stopped")
        for (_, shown), printed in zip(blocks, result["outputs"], strict=True):
            if shown is not None and not same_output(shown, printed, self.relative):
                said = " ".join(printed.split())[:60]
                return Rejection("other output", f"{said} for {' '.join(shown.split())[:60]}")
        return None


def code_blocks(text: str) -> list[tuple[str, str | None]]:
    """The fenced Python blocks of a text, each with the output shown after it, if there is one."""
    blocks: list[tuple[str, str | None]] = []
    end = 0  # of a Python block that waits for its output
    for fence in _FENCE.finditer(text):
        language, body = fence[1].lower(), fence[2]
        if language in ("python", "py", "python3"):
            blocks.append((body, None))
            end = fence.end()
        elif end and fence.start() - end <= _TELLING:
            blocks[-1] = (blocks[-1][0], body)
            end = 0
    return blocks


def same_output(shown: str, printed: str, relative: float) -> bool:
    """Whether two outputs are alike but for white space and rounding errors."""
    a, b = shown.split(), printed.split()
    return len(a) == len(b) and all(_alike(x, y, relative) for x, y in zip(a, b, strict=True))


def _alike(a: str, b: str, relative: float) -> bool:
    if a == b:
        return True
    if _NUMBER.sub("0", a) != _NUMBER.sub("0", b):
        return False
    pairs = zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
    return all(x == y or _close(x, y, relative) for x, y in pairs)


def _close(a: str, b: str, relative: float) -> bool:
    fractions = any(mark in a + b for mark in ".eE")
    return fractions and math.isclose(float(a), float(b), rel_tol=relative)


_TOLD: dict[str, dict[str, Any] | None] = {}  # a job judges an answer more than once


def _told(
    program: str, job: dict[str, Any], files: dict[str, str], cpu_seconds: int
) -> dict[str, Any] | None:
    """What a program of ours tells from inside of the sandbox; None if it did not get to it."""
    key = artefacts.fingerprint([program, job, files, cpu_seconds])
    if key not in _TOLD:
        word = secrets.token_hex(8)
        outcome = sandbox.run(
            program,
            files=files,
            stdin=json.dumps({**job, "word": word}) + "\n",
            # the wall is far off, so that a busy machine judges as an idle one does
            limits=sandbox.Limits(cpu_seconds=cpu_seconds, wall_seconds=10.0 * cpu_seconds + 30),
        )
        _TOLD[key] = _found(outcome.stdout, word)
    return _TOLD[key]


def _found(stdout: str, word: str) -> dict[str, Any] | None:
    for line in reversed(stdout.splitlines()):
        if line.startswith(word):
            try:
                return json.loads(line.removeprefix(word))
            except ValueError:
                return None
    return None
