"""A run's directory: whose it is, and what is in it when the run is finished."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from research.errors import GristmillError
from research.train.run_spec import RunSpec, differences, read_spec


def claim(directory: epath.Path, run: RunSpec, sources: Mapping[str, str], write: bool) -> None:
    """Makes the directory this run's, or checks that it is.

    Args:
      directory: of the run.
      run: what is to be trained.
      sources: fingerprint of every source's tokens.
      write: whether this process writes spec.json where there is none.

    Raises:
      GristmillError: it is another run's; every differing field is named.
    """
    if (directory / "spec.json").exists():
        check_identity(read_spec(directory), run, sources, str(directory))
    elif write:
        directory.mkdir(parents=True, exist_ok=True)
        spec = {
            "fingerprint": run.fingerprint,
            "created": time.time(),
            "run": run.to_json(),
            "sources": dict(sources),
        }
        write_json(directory / "spec.json", spec)


def check_identity(
    there: Mapping[str, Any], run: RunSpec, sources: Mapping[str, str], where: str
) -> None:
    """Checks that a spec.json, or what a checkpoint says, is of this run.

    Raises:
      GristmillError: it is of another; every differing field is named.
    """
    if there["fingerprint"] == run.fingerprint and there["sources"] == dict(sources):
        return
    other = {**there["run"], "sources": there["sources"]}
    lines = differences(other, {**run.to_json(), "sources": dict(sources)})
    raise GristmillError(
        f"{where} is of another run ({'; '.join(lines) or 'of another version of Gristmill'}); "
        "set these fields as they were, or train into another exec.directory"
    )


def read_result(directory: epath.Path) -> dict[str, Any] | None:
    """result.json, or None if the run is not finished.

    Raises:
      GristmillError: the file is damaged.
    """
    path = directory / "result.json"
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise GristmillError(
            f"{path} is damaged; delete it and run the same command again"
        ) from None


def summarise(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last losses, the last evaluation and the median speed of a run's metrics."""
    training = [line for line in lines if "evaluation" not in line]
    evaluations = [line["evaluation"] for line in lines if "evaluation" in line]
    speeds = sorted(line["tokens_per_s"] for line in training)
    last = training[-1] if training else {}
    return {
        "loss": last.get("loss"),
        "losses": {k.removeprefix("loss/"): v for k, v in last.items() if k.startswith("loss/")},
        "evaluation": evaluations[-1] if evaluations else {},
        "tokens_per_s": speeds[len(speeds) // 2] if speeds else None,
    }


def write_json(path: epath.Path, value: Mapping[str, Any]) -> None:
    """Writes indented JSON in one piece."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if "://" in os.fspath(path):  # an object appears whole or not at all
        path.write_text(text)
        return
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    temporary.write_text(text)
    temporary.replace(path)
