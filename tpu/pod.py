"""A TPU in the cloud: one queued resource, of one slice or several, and its workers."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tpu import remote
from tpu.gcloud import Answer, Gcloud, LaunchError, Raw, TimedOut, say
from tpu.topologies import Slice

# https://cloud.google.com/tpu/docs/reference/rest/v2/projects.locations.queuedResources
WAITING = {"STATE_UNSPECIFIED", "CREATING", "ACCEPTED", "WAITING_FOR_RESOURCES", "PROVISIONING"}
LOST = {"SUSPENDING", "SUSPENDED", "FAILED"}
# https://cloud.google.com/tpu/docs/reference/rest/v2/projects.locations.nodes
NODE_LOST = {"PREEMPTED", "TERMINATED", "STOPPING", "STOPPED", "DELETING", "HIDDEN", "ABSENT"}
ATTEMPTS = 3  # of a script on workers that do not answer
HICCUPS = 5  # looks in a row that may fail while a TPU is awaited


@dataclasses.dataclass(frozen=True)
class Worker:
    """A virtual machine of the TPU.

    Attributes:
      slice: number of its slice.
      number: within the slice.
      of: number of slices.
    """

    slice: int
    number: int
    of: int

    def __str__(self) -> str:
        alone = f"worker {self.number}"
        return alone if self.of == 1 else f"slice {self.slice} {alone}"


@dataclasses.dataclass(frozen=True)
class State:
    """State of the queued resource, and why it is in it."""

    name: str
    reason: str = ""


class Pod:
    """A queued resource and what can be done with it.

    Attributes:
      name: of the queued resource.
      type: of its slices, None if not known here.
      slices: their number.
      nodes: names of the slices.
    """

    def __init__(
        self,
        gcloud: Gcloud,
        name: str,
        slices: int,
        accelerator: Slice | None,
        place: tuple[str, ...],
        poll_seconds: float,
    ) -> None:
        """Describes a TPU that exists or is to be made.

        Args:
          gcloud: runs commands.
          name: of the queued resource.
          slices: their number.
          accelerator: type of each.
          place: --project and --zone, as gcloud takes them.
          poll_seconds: between two looks at a state that is to change.
        """
        self.gcloud = gcloud
        self.name = name
        self.slices = slices
        self.type = accelerator
        self.place = place
        self.poll_seconds = poll_seconds
        self.nodes = [name] if slices == 1 else [f"{name}-{n}" for n in range(slices)]

    def _resource(self, verb: str, *arguments: str) -> Answer:
        words = ("compute", "tpus", "queued-resources", verb, self.name, *arguments)
        return self.gcloud(*words, *self.place, "--quiet")

    # ---- the queued resource --------------------------------------------------------------------

    def create(self, runtime: str | None, spot: bool) -> None:
        """Asks for the TPU; it comes when there is room for it.

        Args:
          runtime: version; None for the generation's own.
          spot: whether it may be taken away again, for a lower price.

        Raises:
          LaunchError: the request was refused.
        """
        if self.type is None:
            raise LaunchError("which type? Give --type, such as v5litepod-256")
        nodes = (f"--node-id={self.name}",)
        if self.slices > 1:
            nodes = (f"--node-count={self.slices}", f"--node-prefix={self.name}")
        answer = self._resource(
            "create",
            *nodes,
            f"--accelerator-type={self.type.accelerator_type}",
            f"--runtime-version={runtime or self.type.chip.runtime}",
            *(("--spot",) if spot else ()),
        )
        if answer.status:
            raise LaunchError(remedy(answer.reason, self.name))

    def state(self) -> State:
        """Asks for the state; 'ABSENT' if there is no such resource.

        Raises:
          LaunchError: the cloud did not say.
        """
        answer = self._resource("describe", "--format=json")
        if self.gcloud.dry_run:
            return State("ACTIVE")
        if answer.not_found:
            return State("ABSENT")
        if answer.status:
            raise LaunchError(remedy(answer.reason, self.name))
        return parse_state(answer.out)

    def wait_active(self, seconds: float) -> None:
        """Waits for the TPU, saying how its request fares.

        Raises:
          LaunchError: it will not come, or did not within `seconds`.
        """
        began = time.monotonic()
        before = ""
        hiccups = 0
        while True:
            try:
                state = self.state()
                hiccups = 0
            except LaunchError:
                hiccups += 1
                if hiccups > HICCUPS:
                    raise
                time.sleep(self.poll_seconds)
                continue
            waited = time.monotonic() - began
            if self.gcloud.dry_run:
                return
            if state.name != before:
                before = state.name
                say(f"{self.name}: {state.name}")
            elif sys.stdout.isatty():
                print(f"\r{self.name}: {state.name} for {waited:.0f} s ", end="\r", flush=True)
            if state.name == "ACTIVE":
                return
            if state.name not in WAITING:
                raise LaunchError(self._why_not(state))
            if waited > seconds:
                raise LaunchError(
                    f"{self.name} is {state.name} after {waited:.0f} s (--wait_seconds); its "
                    "request stays in the queue: launch.py watch waits on, launch.py delete "
                    "withdraws it"
                )
            time.sleep(self.poll_seconds)

    def _why_not(self, state: State) -> str:
        if state.name == "FAILED":
            return remedy(f"{self.name} FAILED: {state.reason or 'no reason given'}", self.name)
        if state.name == "ABSENT":
            return f"{self.name} does not exist; run: launch.py create"
        return (
            f"{self.name} is {state.name} {state.reason}".rstrip() + ": its machines were taken "
            "back; delete it, then create it again, or without --spot"
        )

    def node_states(self) -> dict[str, str]:
        """State of every slice; 'ABSENT' for one that does not exist.

        Raises:
          LaunchError: the cloud did not say.
        """
        return {node: self._node_state(node) for node in self.nodes}

    def _node_state(self, node: str) -> str:
        words = ("compute", "tpus", "tpu-vm", "describe", node, "--format=value(state)")
        answer = self.gcloud(*words, *self.place, "--quiet")
        if self.gcloud.dry_run:
            return "READY"
        if answer.not_found:
            return "ABSENT"
        if answer.status:
            raise LaunchError(remedy(answer.reason, self.name))
        return answer.out.strip() or "STATE_UNSPECIFIED"

    def delete(self, seconds: float) -> bool:
        """Deletes the TPU with all its slices and waits until it is gone.

        Returns:
          False if there was none.

        Raises:
          LaunchError: it is still there after `seconds`.
        """
        answer = self._resource("delete", "--force", "--async")
        if answer.not_found:
            return False
        deleting = re.search("being deleted|DELETING", answer.err)
        if answer.status and not deleting:
            raise LaunchError(remedy(answer.reason, self.name))
        deadline = time.monotonic() + seconds
        while self.state().name != "ABSENT" and not self.gcloud.dry_run:
            if time.monotonic() > deadline:
                raise LaunchError(
                    f"{self.name} is not gone {seconds:g} s after its deletion was asked for; it "
                    "may still cost money: run launch.py delete again"
                )
            time.sleep(self.poll_seconds)
        return True

    # ---- its workers ----------------------------------------------------------------------------

    def on_workers(self, script: str, timeout: float | None = None) -> dict[Worker, remote.Said]:
        """Runs a script on all workers, again on slices where one did not answer.

        Args:
          script: one that can be repeated, see `remote`.
          timeout: in seconds; None for the usual.

        Returns:
          What every worker said last.
        """
        said: dict[Worker, remote.Said] = {}
        left = list(range(self.slices))
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(min(5.0, self.poll_seconds))
            for answers in self._each(lambda n: self._on_slice(n, script, timeout), left):
                said.update(answers)
            left = sorted({w.slice for w, s in said.items() if s.word == "unreachable"})
            if not left:
                break
        return said

    def _each(self, do: Any, slices: list[int]) -> list[Any]:
        """Does something for all of several slices at once; in order for a dry run."""
        if len(slices) == 1 or self.gcloud.dry_run:
            return [do(number) for number in slices]
        with ThreadPoolExecutor(len(slices)) as threads:
            try:
                return list(threads.map(do, slices))
            except BaseException:
                self.gcloud.stop()
                raise

    def _on_slice(
        self, number: int, script: str, timeout: float | None
    ) -> dict[Worker, remote.Said]:
        """Runs a script on the workers of one slice."""
        words = ("compute", "tpus", "tpu-vm", "ssh", self.nodes[number], "--worker=all")
        command = (*self.place, "--quiet", f"--command={script}")
        if self.gcloud.dry_run:
            self.gcloud(*words, Raw('--output-directory="$(mktemp -d)"'), *command)
            return {}
        with tempfile.TemporaryDirectory(prefix="gristmill-") as folder:
            try:
                answer = self.gcloud(
                    *words, f"--output-directory={folder}", *command, timeout=timeout
                )
                reason = answer.reason if answer.status else "the connection broke"
            except TimedOut as error:  # what the quick ones answered stands
                reason = str(error)
            texts = {
                int(path.stem): path.read_text(encoding="utf-8", errors="replace")
                for path in Path(folder).glob("*.log")
            }
        workers = set(texts) | set(range(self.type.hosts if self.type else 1))
        return {
            Worker(number, n, self.slices): remote.parse(texts.get(n, ""))
            or remote.Said("unreachable", reason, texts.get(n, ""))
            for n in sorted(workers)
        }

    def copy(self, path: Path) -> None:
        """Copies a file to the home folder of all workers.

        Raises:
          LaunchError: it did not get everywhere.
        """
        self._each(lambda n: self._copy_to_slice(n, path), list(range(self.slices)))

    def _copy_to_slice(self, number: int, path: Path) -> None:
        node = self.nodes[number]
        words = ("compute", "tpus", "tpu-vm", "scp", str(path), f"{node}:{path.name}")
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(min(5.0, self.poll_seconds))
            answer = self.gcloud(*words, "--worker=all", *self.place, "--quiet")
            if not answer.status:
                return
            reason = answer.reason
        raise LaunchError(f"copying {path.name} to the workers of {node} failed: {reason}")


def parse_state(text: str) -> State:
    """The state in a description of a queued resource.

    Raises:
      LaunchError: it is none.
    """
    try:
        state = json.loads(text)["state"]
        reasons = (value.get("error") for value in state.values() if isinstance(value, Mapping))
        reason = next((each["message"] for each in reasons if each), "")
        return State(str(state["state"]), " ".join(str(reason).split()))
    except (ValueError, KeyError, TypeError):
        raise LaunchError(f"gcloud describes the TPU unintelligibly: {text[:200]!r}") from None


def remedy(reason: str, name: str) -> str:
    """gcloud's reason, with what to do about it."""
    for pattern, advice in (
        (
            r"(?i)quota|RESOURCE_EXHAUSTED",
            "delete queued resources that are no longer needed (suspended and failed ones count "
            "too; see: gcloud compute tpus queued-resources list), take another --zone or a "
            "smaller --type, or ask for more at https://console.cloud.google.com/iam-admin/quotas",
        ),
        (
            r"(?i)ALREADY_EXISTS|already exists",
            f"take another --name, go on with it by launch.py watch, or first run: "
            f"launch.py delete --name {name}",
        ),
        (
            r"(?i)active account|credential|gcloud auth login|UNAUTHENTICATED",
            "run: gcloud auth login",
        ),
        (
            r"(?i)SERVICE_DISABLED|has not been used|is disabled",
            "run: gcloud services enable tpu.googleapis.com",
        ),
        (r"(?i)PERMISSION_DENIED|permission", "your account needs the role roles/tpu.admin"),
        (r"(?i)FAILED", "delete it, then create it again, perhaps in another --zone"),
    ):
        if re.search(pattern, reason):
            return f"{reason.rstrip('. ')}; {advice}"
    return reason
