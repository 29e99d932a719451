"""Keeps a run alive: what a preemption took away is made again, and training resumes.

Each look at the TPU asks, in this order: is result.json there (done)? is the resource there and
whole (else it is made again)? do all workers train (else, once that has lasted for the grace
period, they are started again, or the run is given up)?  The order matters: a preempted worker's
process ends before the cloud says that the worker is gone.
"""

from __future__ import annotations

import collections
import dataclasses
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from tpu import remote
from tpu.gcloud import LaunchError, say
from tpu.pod import LOST, NODE_LOST, WAITING, Pod, Worker
from tpu.remote import Said

HEALTHY_SECONDS = 600  # a life of this length shows that what went wrong before is over
LONGEST_PAUSE = 1800


@dataclasses.dataclass(frozen=True)
class Job:
    """What runs on the TPU.

    Attributes:
      source_id: of the code.
      gin_files: paths in the source.
      gin: bindings.
      environment: variables.
      directory: of the run, gs://…
    """

    source_id: str
    gin_files: tuple[str, ...]
    gin: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str

    def script(self, launch: str) -> str:
        """What starts it on a worker."""
        gin = (*self.gin, f"exec.directory={self.directory!r}")
        return remote.run(launch, self.source_id, self.gin_files, gin, self.environment)


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long is waited for what.

    Attributes:
      grace: seconds for which something must be wrong before it is acted upon.
      wait: seconds for a TPU to become active.
      delete: seconds for a deletion.
      retries: new starts in a row that may fail.
      backoff: seconds before the second one in a row; doubled from one to the next.
      silence: seconds for which the cloud or a worker may not answer.
    """

    grace: float
    wait: float
    delete: float
    retries: int
    backoff: float
    silence: float


def new_launch() -> str:
    """An id for one start of the job."""
    return uuid.uuid4().hex[:12]


def start(pod: Pod, job: Job, launch: str) -> None:
    """Starts the job on all workers.

    Raises:
      LaunchError: it did not start on all of them; the workers are named.
    """
    expect(pod.on_workers(job.script(launch)), "started", "the job did not start")


def expect(said: Mapping[Worker, Said], word: str, what: str, lines: int = 30) -> None:
    """Checks that all workers said `word`.

    Raises:
      LaunchError: some did not; what they wrote last is printed, and they are named.
    """
    bad = {worker: answer for worker, answer in said.items() if answer.word != word}
    if not bad:
        return
    for worker, answer in list(bad.items())[:3]:
        print(f"---- {worker}: {answer.word} {answer.detail}".rstrip())
        for line in answer.text.splitlines()[-lines:]:
            if not line.startswith(remote.SAYS):
                print(f"  {line}")
    raise LaunchError(f"{what} on {names(bad)}: {next(iter(bad.values())).detail}")


def names(workers: Mapping[Worker, Said]) -> str:
    """Workers by name, the first few of many."""
    shown = ", ".join(map(str, list(workers)[:5]))
    return shown if len(workers) <= 5 else f"{shown} and {len(workers) - 5} more"


def is_finished(pod: Pod, directory: str) -> bool:
    """Whether the run has its result.json.

    Raises:
      LaunchError: the cloud did not say.
    """
    answer = pod.gcloud("storage", "ls", f"{directory}/result.json")
    if answer.status == 0:
        return True
    if "matched no objects" in answer.err:
        return False
    raise LaunchError(f"{directory}/result.json: {answer.reason}")


def summary(said: Mapping[Worker, Said]) -> str:
    """How many workers are in which state, and worker 0's last words."""
    counts = collections.Counter(f"{s.word} {s.detail}".strip() for s in said.values())
    first = next(iter(said.values()), None)
    last = first.text.splitlines()[:-1] if first else []
    words = last[-1].strip()[:160] if last else ""
    return ", ".join(f"{n} {state}" for state, n in counts.items()) + (words and f": {words}")


class Watch:
    """Watches one run to its end."""

    def __init__(
        self,
        pod: Pod,
        job: Job,
        patience: Patience,
        create: Callable[[], None],
        prepare: Callable[[], None],
        logs: Path,
    ) -> None:
        """Prepares to watch.

        Args:
          pod: where the run runs.
          job: the run.
          patience: how long is waited for what.
          create: asks for the TPU.
          prepare: sets it up.
          logs: folder for logs, should the run fail.
        """
        self.pod = pod
        self.job = job
        self.patience = patience
        self.create = create
        self.prepare = prepare
        self.logs = logs
        self.failures = 0  # new starts in a row that did not live long
        self.born = time.monotonic()
        self.silent_since: float | None = None
        self.wrong_since: float | None = None
        self.shown = ""

    def run(self) -> None:
        """Returns when the run has its result.

        Raises:
          LaunchError: the run failed, or could not be kept alive.
        """
        while not self._look():
            time.sleep(self.pod.poll_seconds)

    def _look(self) -> bool:
        """One look; True if the run is finished."""
        try:
            if is_finished(self.pod, self.job.directory):
                say(f"finished: {self.job.directory}/result.json")
                return True
            state = self.pod.state()
            whole = state.name == "ACTIVE"
            lost = {n: s for n, s in self.pod.node_states().items() if whole and s in NODE_LOST}
        except LaunchError as error:
            self._silence(str(error))
            return False
        self.silent_since = None
        if state.name in WAITING:
            self._wait(state.name)
        elif state.name == "ABSENT":
            raise LaunchError(f"{self.pod.name} does not exist; run: launch.py create")
        elif state.name == "DELETING":
            raise LaunchError(f"{self.pod.name} is being deleted by another command")
        elif state.name in LOST or lost:
            what = ", ".join(f"{node} {s}" for node, s in lost.items()) or state.name
            say(f"lost: {what} {state.reason}".rstrip())
            self._again(anew=True)
        else:
            self._look_at_workers()
        return False

    def _silence(self, reason: str) -> None:
        """The cloud does not answer: the run may go on well without us, for a while."""
        now = time.monotonic()
        if self.silent_since is None:
            self.silent_since = now
            say(f"cannot see: {reason}")
        if now - self.silent_since > self.patience.silence:
            raise LaunchError(f"no answer for {now - self.silent_since:.0f} s: {reason}")

    def _wait(self, state: str) -> None:
        """The TPU has been asked for, by a command that did not wait to its end."""
        if state != self.shown:
            self.shown = state
            say(f"{self.pod.name}: {state}")
        if time.monotonic() - self.born > self.patience.wait:
            raise LaunchError(f"{self.pod.name} is still {state} (--wait_seconds)")

    def _look_at_workers(self) -> None:
        said = self.pod.on_workers(remote.STATUS)
        text = summary(said)
        if text != self.shown:
            self.shown = text
            say(text)
        words = {answer.word for answer in said.values()}
        if words == {"running"}:
            self.wrong_since = None
            return
        if words == {"absent"}:  # a watch that was cut short after it had made the TPU
            self._again(anew=False)
            return
        now = time.monotonic()
        if self.wrong_since is None:
            self.wrong_since = now
        if now - self.wrong_since < self.patience.grace:
            return
        self._judge(said)

    def _judge(self, said: Mapping[Worker, Said]) -> None:
        """Something is wrong on workers that are there: an error of the program, or of fate."""
        # 128 + n is death by signal n, such as the SIGTERM of a maintenance event, or the abort
        # of the others after one has gone
        failed = {w: s for w, s in said.items() if s.word == "exited" and 0 < int(s.detail) < 128}
        ended = {w: s for w, s in said.items() if s.word == "exited" and s.detail == "0"}
        if failed or len(ended) == len(said):
            self._give_up(failed)
        unreachable = {w: s for w, s in said.items() if s.word == "unreachable"}
        if unreachable:
            if time.monotonic() - (self.wrong_since or 0) < self.patience.silence:
                return
            reason = next(iter(unreachable.values())).detail
            raise LaunchError(f"cannot reach {names(unreachable)}, though the TPU is up: {reason}")
        say("the job ended on some workers for no error of its own; it starts again on all")
        self._again(anew=False)

    def _give_up(self, failed: Mapping[Worker, Said]) -> None:
        self.pod.on_workers(remote.STOP)
        fetch_logs(self.pod, self.logs, None)
        if not failed:
            raise LaunchError(
                f"the job ended everywhere, yet {self.job.directory}/result.json does not exist; "
                f"logs are in {self.logs}"
            )
        tails = self.pod.on_workers(remote.logs(25))
        worker, answer = next(iter(failed.items()))
        if worker in tails:
            print(f"---- {worker}")
            print("\n".join(f"  {line}" for line in tails[worker].text.splitlines()[-27:-2]))
        raise LaunchError(
            f"the job failed with status {answer.detail} on {names(failed)}; its logs are in "
            f"{self.logs}"
        )

    def _again(self, anew: bool) -> None:
        """Starts the job again, on a new TPU if the old one is lost.

        Raises:
          LaunchError: too many starts in a row did not live.
        """
        if time.monotonic() - self.born > HEALTHY_SECONDS:
            self.failures = 0
        while True:
            if self.failures >= self.patience.retries:
                raise LaunchError(
                    f"gave up after {self.failures} starts in a row that did not live for "
                    f"{HEALTHY_SECONDS} s (--retries); the run resumes where it was saved: create "
                    "a TPU and watch again"
                )
            if self.failures:
                pause = min(self.patience.backoff * 2 ** (self.failures - 1), LONGEST_PAUSE)
                say(f"pausing for {pause:g} s")
                time.sleep(pause)
            self.failures += 1
            try:
                if anew:
                    self.pod.delete(self.patience.delete)
                    self.create()
                    self.pod.wait_active(self.patience.wait)
                else:
                    expect(self.pod.on_workers(remote.STOP), "stopped", "the job did not stop")
                self.prepare()
                start(self.pod, self.job, new_launch())
            except LaunchError as error:
                say(f"start {self.failures} failed: {error}")
                anew = anew or self._is_lost()
                continue
            self.born = time.monotonic()
            self.wrong_since = None
            say(f"training goes on in {self.job.directory}")
            return

    def _is_lost(self) -> bool:
        try:
            state = self.pod.state().name
            return state in LOST or bool(NODE_LOST & set(self.pod.node_states().values()))
        except LaunchError:
            return False

    def plan(self) -> None:
        """Prints the commands of a watch, for a dry run."""
        print(f"# every {self.pod.poll_seconds:g} s: is it done, is the TPU there, do they train?")
        is_finished(self.pod, self.job.directory)
        self.pod.state()
        self.pod.node_states()
        self.pod.on_workers(remote.STATUS)
        print("# if the TPU was taken away:")
        self.pod.delete(self.patience.delete)
        self.create()
        self.pod.wait_active(self.patience.wait)
        self.prepare()
        start(self.pod, self.job, "LAUNCH")
        print("# if the job failed:")
        self.pod.on_workers(remote.STOP)
        fetch_logs(self.pod, self.logs, None)


def fetch_logs(pod: Pod, folder: Path, lines: int | None) -> int:
    """Writes every worker's logs into a folder.

    Args:
      pod: whose workers.
      folder: made if need be.
      lines: of each log, the last so many; None for all.

    Returns:
      The number of workers that sent theirs.
    """
    said = pod.on_workers(remote.logs(lines))
    if pod.gcloud.dry_run:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for worker, answer in said.items():
        if answer.word == "logs":
            text = answer.text.rpartition(f"\n{remote.SAYS}")[0]
            path = folder / f"slice{worker.slice}-worker{worker.number}.log"
            path.write_text(text, encoding="utf-8")
            count += 1
    return count
