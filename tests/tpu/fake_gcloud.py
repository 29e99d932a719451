"""Plays the Google Cloud CLI and the cloud behind it; conftest.py installs it as `gcloud`.

The cloud is the folder $FAKE_CLOUD: cloud.json (resources, and the play: what is to happen),
calls.jsonl (every call), bucket/ (gs://bucket), homes/NODE/WORKER (the workers' home folders, in
which remote commands really run).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLOUD = Path(os.environ["FAKE_CLOUD"])
WORKERS = 2  # of every slice, as of v4-16


@contextlib.contextmanager
def cloud() -> Iterator[dict[str, Any]]:
    """The cloud's state, locked; what is changed is written back."""
    with open(CLOUD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads((CLOUD / "cloud.json").read_text())
        yield state
        (CLOUD / "cloud.json").write_text(json.dumps(state))


def fail(text: str, status: int = 1) -> int:
    print(f"ERROR: (gcloud.fake) {text}", file=sys.stderr)
    return status


def option(arguments: list[str], name: str) -> str | None:
    return next((a.partition("=")[2] for a in arguments if a.startswith(f"--{name}=")), None)


def step() -> int:
    """How far training is: what its stand-in has written into the bucket."""
    steps = list((CLOUD / "bucket").rglob("step"))
    return int(steps[0].read_text() or 0) if steps else 0


def end_jobs(homes: Path, number: int) -> None:
    for pid in homes.rglob("job/pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.killpg(int(pid.read_text()), number)


# ---- queued resources ----------------------------------------------------------------------------


def create(state: dict, name: str, arguments: list[str]) -> int:
    play = state["play"]
    if play.get("quota", 0) > 0:
        play["quota"] -= 1
        return fail("RESOURCE_EXHAUSTED: Quota limit 'TPUV4sPreemptiblePodPerProjectPerZoneForTPU"
                    "API' has been exceeded. Limit: 8 in zone us-central2-b.", 1)  # fmt: skip
    if name in state["resources"]:
        return fail(f"ALREADY_EXISTS: Resource '{name}' already exists")
    count = option(arguments, "node-count")
    nodes = [f"{name}-{n}" for n in range(int(count))] if count else [option(arguments, "node-id")]
    thresholds = play.get("preempt_at", [])[state["lives"] :]
    if thresholds:  # training waits there for its end, however slow the watch is to look
        (CLOUD / "limit").write_text(str(thresholds[0]))
    else:
        (CLOUD / "limit").unlink(missing_ok=True)
    state["lives"] += 1
    state["resources"][name] = {"looks": 0, "state": "ACCEPTED", "nodes": nodes}
    for node in nodes:
        for worker in range(WORKERS):
            (CLOUD / "homes" / node / str(worker)).mkdir(parents=True)
    return 0


def preempt(state: dict, resource: dict) -> None:
    """Takes the machines away once training is as far as the play says for this life."""
    thresholds, life = state["play"].get("preempt_at", []), state["lives"] - 1
    if resource["state"] != "ACTIVE" or life >= len(thresholds) or step() < thresholds[life]:
        return
    if not resource.get("warned"):  # the processes end before the cloud says why
        resource["warned"] = True
        for node in resource["nodes"]:
            end_jobs(CLOUD / "homes" / node, signal.SIGTERM)
        return
    resource["state"] = "PREEMPTED" if "node_only" in state["play"] else "SUSPENDED"
    for node in resource["nodes"]:
        end_jobs(CLOUD / "homes" / node, signal.SIGKILL)
        shutil.rmtree(CLOUD / "homes" / node, ignore_errors=True)


def describe(state: dict, name: str) -> int:
    resource = state["resources"].get(name)
    if resource is None:
        return fail(f"NOT_FOUND: Resource '{name}' was not found")
    resource["looks"] += 1
    stages = ["WAITING_FOR_RESOURCES", "PROVISIONING", state["play"].get("becomes", "ACTIVE")]
    if resource["state"] in ("ACCEPTED", *stages[:2]):
        resource["state"] = stages[min(resource["looks"], 3) - 1]
    preempt(state, resource)
    shown = {"state": "ACTIVE" if resource["state"] == "PREEMPTED" else resource["state"]}
    if shown["state"] == "FAILED":
        shown["failedData"] = {"error": {"code": 8, "message": "no capacity\nin this zone"}}
    print(json.dumps({"name": name, "state": shown}))
    return 0


def delete(state: dict, name: str) -> int:
    resource = state["resources"].pop(name, None)
    if resource is None:
        return fail(f"NOT_FOUND: Resource '{name}' was not found")
    for node in resource["nodes"]:
        end_jobs(CLOUD / "homes" / node, signal.SIGKILL)
        shutil.rmtree(CLOUD / "homes" / node, ignore_errors=True)
    return 0


def node_state(state: dict, node: str) -> str | None:
    for resource in state["resources"].values():
        if node in resource["nodes"]:
            return {"ACTIVE": "READY"}.get(resource["state"], resource["state"])
    return None


# ---- workers -------------------------------------------------------------------------------------


def remote(home: Path, command: str) -> tuple[int, str]:
    environment = {
        "HOME": str(home),
        "PATH": f"{CLOUD / 'stubs'}:/usr/bin:/bin",
        "FAKE_CLOUD": str(CLOUD),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def ssh(node: str, arguments: list[str]) -> int:
    command, folder = option(arguments, "command"), option(arguments, "output-directory")
    with cloud() as state:
        drop = state["play"].get("drop", 0) if "setsid" in command else 0
        state["play"]["drop"] = max(0, state["play"].get("drop", 0) - bool(drop))
    status = 0
    for worker in range(WORKERS):
        code, text = remote(CLOUD / "homes" / node / str(worker), command)
        if drop and worker == 1:  # the command has run, but its answer never comes
            code, text = 255, "client_loop: send disconnect: Broken pipe\n"
        Path(folder, f"{worker}.log").write_text(text)
        if code:
            print(f"##### Command execution on worker {worker} failed with exit status {code}. "
                  "Continuing.", file=sys.stderr)  # fmt: skip
            status = code
    return status


def scp(path: str, target: str) -> int:
    node, _, name = target.partition(":")
    for worker in range(WORKERS):
        shutil.copyfile(path, CLOUD / "homes" / node / str(worker) / name)
    return 0


def main(arguments: list[str]) -> int:
    with open(CLOUD / "calls.jsonl", "a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    words = [a for a in arguments if not a.startswith("--")]
    if words[:2] == ["config", "get-value"]:
        with cloud() as state:
            print(state["config"].get(words[2], ""))
        return 0
    if words[:2] == ["storage", "ls"]:
        path = CLOUD / "bucket" / words[2].removeprefix("gs://bucket/")
        return 0 if path.exists() else fail("One or more URLs matched no objects.")
    with cloud() as state:
        hangs = words[3] in state["play"].get("hang", [])
    if hangs:
        (CLOUD / "hanging").write_text(str(os.getpid()))
        time.sleep(60)
    name = words[4]
    if words[3] == "scp":
        return scp(words[4], words[5])
    if words[3] == "ssh":
        with cloud() as state:
            found = node_state(state, name)
        if found != "READY":
            return fail(f"NOT_FOUND: {name} is {found}")
        return ssh(name, arguments)
    with cloud() as state:
        if words[2] == "tpu-vm":
            found = node_state(state, name)
            print(found or "")
            return 0 if found else fail(f"NOT_FOUND: {name} was not found")
        if words[3] == "create":
            return create(state, name, arguments)
        return describe(state, name) if words[3] == "describe" else delete(state, name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
