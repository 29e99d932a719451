#!/usr/bin/env python3
"""Makes, prepares, starts, watches and deletes TPU pods: see README.md beside this file.

    tpu/launch.py create --name mill --type v5litepod-256 --spot
    tpu/launch.py setup  --name mill --type v5litepod-256
    tpu/launch.py watch  --name mill --type v5litepod-256 --spot \\
        --gin_file gin_configs/runs/llama_1b_v5e.gin --run_directory gs://BUCKET/RUN
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tpu import remote, source, topologies
from tpu.gcloud import Gcloud, LaunchError, say
from tpu.pod import Pod
from tpu.watch import Job, Patience, Watch, expect, fetch_logs, is_finished, new_launch, start
from tpu.watch import summary as summarise

NAME = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
BUCKET_PATH = r"gs://[A-Za-z0-9][A-Za-z0-9._/=+,@-]*[A-Za-z0-9]"
SECRET = r"(?i)token|secret|passw|credential|api_?key|private_?key"


class Launch:
    """One invocation: the options, and what the commands make of them."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        """Checks the options.

        Args:
          args: parsed options.
          folder: for temporary files.

        Raises:
          LaunchError: an option is wrong.
        """
        self.args = args
        self.folder = folder
        matches("--name", args.name, NAME, "lower-case letters, digits and hyphens")
        for option, value in (("--run_directory", args.run_directory), ("--data", args.data)):
            matches(option, value, BUCKET_PATH, "gs://BUCKET/PATH, for workers come and go")
        for option, values in (("--gin", args.gin), ("--env", args.env)):
            for value in values:
                matches(option, value, r"[^\x00-\x1f\x7f]*", "text without control characters")
        accelerator = None
        if args.type is not None:
            try:
                accelerator = topologies.find(args.type)
            except ValueError as error:
                raise LaunchError(str(error)) from None
        self.gcloud = Gcloud(args.timeout, args.dry_run)
        place = (
            *self._place("project", args.project, "project"),
            *self._place("zone", args.zone, "compute/zone"),
        )
        self.pod = Pod(self.gcloud, args.name, args.slices, accelerator, place, args.poll_seconds)

    def _place(self, option: str, given: str | None, key: str) -> tuple[str, ...]:
        """--project or --zone for gcloud, from the options or from gcloud's own settings."""
        if not given and not self.args.dry_run:
            given = self.gcloud("config", "get-value", key).out.strip()
            if not given or given == "(unset)":
                value = option.upper()
                raise LaunchError(
                    f"no {option}: give --{option}, or run: gcloud config set {key} {value}"
                )
        matches(f"--{option}", given, r"[a-z][a-z0-9.:-]*", "a name")
        return (f"--{option}={given}",) if given else ()

    # ---- parts of the commands ------------------------------------------------------------------

    def ask(self) -> None:
        """Asks for the TPU."""
        self.pod.create(self.args.runtime_version, self.args.spot)

    def preparation(self) -> tuple[source.Source, Callable[[], None]]:
        """The source, and what brings that very source to the workers, however often."""
        args = self.args
        code = source.current(args.allow_dirty)

        def prepare() -> None:
            self.pod.copy(source.write_archive(code, self.folder, args.dry_run))
            script = remote.setup(code.id, code.archive_name, args.data)
            said = self.pod.on_workers(script, args.setup_timeout)
            expect(said, "ready", "setup failed")
            if not args.dry_run:
                say(f"source {code.id} is set up on {len(said)} workers")

        return code, prepare

    def job(self, code: source.Source) -> Job:
        """The job that the options describe.

        Raises:
          LaunchError: the options do not describe one.
        """
        args = self.args
        if not args.gin_file:
            raise LaunchError("what is to run? Give --gin_file FILE")
        if not args.run_directory:
            raise LaunchError("where is the run kept? Give --run_directory gs://BUCKET/PATH")
        if any(re.match(r"\s*exec\.directory\b", binding) for binding in args.gin):
            raise LaunchError("give exec.directory as --run_directory")
        environment = {}
        for text in args.env:
            name, equals, value = text.partition("=")
            if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                raise LaunchError(f"--env {text!r} is not NAME=VALUE")
            if re.search(SECRET, name):
                raise LaunchError(
                    f"--env {name}: a secret would show in process lists and logs; let the TPU's "
                    "service account fetch it"
                )
            environment[name] = value
        paths = source.gin_paths(args.gin_file)
        return Job(code.id, paths, tuple(args.gin), environment, args.run_directory)

    # ---- the commands ---------------------------------------------------------------------------

    def create(self) -> None:
        """Asks for a TPU and waits until it is active."""
        self.ask()
        self.pod.wait_active(self.args.wait_seconds)

    def setup(self) -> None:
        """Brings the current commit to all workers and installs it."""
        self.preparation()[1]()

    def run(self) -> None:
        """Starts training on all workers, detached."""
        job = self.job(source.current(self.args.allow_dirty))
        start(self.pod, job, "LAUNCH" if self.args.dry_run else new_launch())
        if not self.args.dry_run:
            say(f"training has started; its run is {job.directory}")

    def watch(self) -> None:
        """Keeps the run alive until it is finished."""
        args = self.args
        code, prepare = self.preparation()
        patience = Patience(
            grace=args.grace_seconds,
            wait=args.wait_seconds,
            delete=args.delete_seconds,
            retries=args.retries,
            backoff=args.backoff_seconds,
            silence=args.silence_seconds,
        )
        if self.pod.type is None:
            raise LaunchError("which type is to be made again? Give --type")
        watch = Watch(self.pod, self.job(code), patience, self.ask, prepare, self._logs())
        if args.dry_run:
            watch.plan()
            return
        source.write_archive(code, self.folder, False)  # what is watched now is what resumes later
        try:
            watch.run()
        finally:
            if args.delete_at_end and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                self.delete()
        if not args.delete_at_end:
            say(f"the TPU is still there, and costs: launch.py delete --name {args.name}")

    def stop(self) -> None:
        """Ends the job on all workers; it saves a checkpoint first."""
        expect(self.pod.on_workers(remote.STOP), "stopped", "the job did not stop")

    def logs(self) -> None:
        """Fetches the logs of all workers."""
        count = fetch_logs(self.pod, self._logs(), self.args.lines)
        if not self.args.dry_run:
            print(f"logs of {count} workers are in {self._logs()}")
            if not count:
                raise LaunchError("no worker answered")

    def status(self) -> None:
        """Shows the TPU, its slices, its workers and its run."""
        state = self.pod.state()
        print(f"{self.args.name}: {state.name} {state.reason}".rstrip())
        if state.name == "ACTIVE":
            for node, node_state in self.pod.node_states().items():
                print(f"{node}: {node_state}")
            print(summarise(self.pod.on_workers(remote.STATUS)))
        if self.args.run_directory:
            done = is_finished(self.pod, self.args.run_directory)
            print(f"{self.args.run_directory}: {'finished' if done else 'not finished'}")

    def delete(self) -> None:
        """Deletes the TPU; its run directory stays."""
        existed = self.pod.delete(self.args.delete_seconds)
        if not self.args.dry_run:
            say(f"{self.args.name} is deleted" if existed else f"there is no {self.args.name}")

    def _logs(self) -> Path:
        return Path(self.args.out or f"{self.args.name}-logs")


COMMANDS = {
    name: getattr(Launch, name)
    for name in ("create", "setup", "run", "watch", "status", "logs", "stop", "delete")
}


def matches(option: str, value: str | None, pattern: str, what: str) -> None:
    """Checks the form of an option's value, if there is one.

    Raises:
      LaunchError: it has another form.
    """
    if value is not None and not re.fullmatch(pattern, value):
        raise LaunchError(f"{option} {value!r} is not of the form: {what}")


def seconds(text: str) -> float:
    """A duration (argparse reports a ValueError)."""
    value = float(text)
    if not 0 < value < 1e8:
        raise ValueError(text)
    return value


def count(text: str) -> int:
    """A whole number of at least 1 (argparse reports a ValueError)."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def build_parser() -> argparse.ArgumentParser:
    """One parser for all commands, so that one line of options serves them all."""
    what = "\n".join(f"  {name:8}{do.__doc__.splitlines()[0]}" for name, do in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="launch.py",
        description=f"Trains on Cloud TPU pods. Commands:\n{what}\n\n"
        "All commands take all options. Underscores and hyphens are the same.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    add = parser.add_argument
    add("--name", required=True, help="of the TPU (a queued resource)")
    add("--type", help="accelerator type of a slice, such as v5litepod-256")
    add("--slices", type=count, default=1, help="joined by the data-centre network (default: 1)")
    add("--spot", action="store_true", help="cheaper, and may be taken away")
    add("--project", help="(default: gcloud's)")
    add("--zone", help="(default: gcloud's)")
    add("--runtime-version", help="(default: the generation's)")
    add("--gin-file", action="append", default=[], metavar="FILE", help="may be repeated")
    add("--gin", action="append", default=[], metavar="BINDING", help="may be repeated")
    add("--run-directory", metavar="gs://…", help="of the run: where it is kept and resumes from")
    add("--data", metavar="gs://…", help="copied to the workers' data folder by setup")
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    add("--allow-dirty", action="store_true", help="send uncommitted changes of tracked files too")
    add("--dry-run", action="store_true", help="only print the commands")
    add("--out", metavar="DIR", help="for logs (default: NAME-logs)")
    add("--lines", type=count, help="of each log, the last so many (default: all)")
    add("--delete-at-end", action="store_true", help="watch: delete the TPU when it ends")
    for option, default, text in (
        ("timeout", 300, "for a gcloud command"),
        ("setup-timeout", 1800, "for an installation"),
        ("wait-seconds", 86400, "for a TPU to become active"),
        ("delete-seconds", 1800, "for a deletion"),
        ("poll-seconds", 30, "between two looks"),
        ("grace-seconds", 120, "watch: for which something is wrong before it is acted upon"),
        ("silence-seconds", 1800, "watch: without an answer before it ends"),
        ("backoff-seconds", 30, "watch: before a second start in a row; then doubled"),
    ):
        add(f"--{option}", type=seconds, default=default, metavar="S",
            help=f"{text} (default: {default})")  # fmt: skip
    add("--retries", type=count, default=10,
        help="watch: starts in a row that may fail (default: 10)")  # fmt: skip
    return parser


def spell(argument: str) -> str:
    """--gin_file is --gin-file."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    args = build_parser().parse_args([spell(a) for a in (sys.argv[1:] if argv is None else argv)])
    try:
        with tempfile.TemporaryDirectory(prefix="gristmill-") as folder:
            COMMANDS[args.command](Launch(args, Path(folder)))
        return 0
    except LaunchError as error:
        print(f"launch.py: {error}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"launch.py: {error.strerror}{where}", file=sys.stderr)
    except KeyboardInterrupt:
        print(
            "launch.py: interrupted; nothing was deleted: the TPU, if there is one, goes on and "
            f"costs (launch.py status --name {args.name})",
            file=sys.stderr,
        )
        return 128 + signal.SIGINT
    return 1


if __name__ == "__main__":
    sys.exit(main())
