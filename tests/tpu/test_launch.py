"""launch.py against a cloud that plays preemptions, failures and silence."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

TYPE = ["--type", "v4-16", "--spot"]
RUN = ["--gin_file", "proxy.gin", "--run_directory", "gs://bucket/run"]
ALL = [*TYPE, *RUN]


def bring_up(cloud) -> None:
    for command in ("create", "setup", "run"):
        done = cloud.launch(command, *ALL)
        assert done.status == 0, done.err


def test_a_life_from_creation_to_deletion(cloud) -> None:
    done = cloud.launch("create", *ALL)
    assert done.status == 0, done.err
    states = re.findall(r"mill: (\w+)", done.out)
    assert states == ["WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE"]
    (create,) = cloud.calls("create")
    assert {"--node-id=mill", "--accelerator-type=v4-16", "--spot"} <= set(create)
    assert "--runtime-version=tpu-ubuntu2204-base" in create
    assert {"--project=proj", "--zone=us-central2-b"} <= set(create)

    assert "not installed; run: launch.py setup" in cloud.launch("run", *ALL).err
    assert cloud.launch("setup", *ALL).status == 0
    assert cloud.launch("setup", *ALL).status == 0
    installed = (cloud.folder / "installations").read_text().splitlines()
    assert Counter(line.split()[0] for line in installed) == {"venv": 2, "pip": 2}  # once a worker
    assert "--constraint source/constraints.txt --editable ./source[gcs,tpu]" in installed[1]
    assert (cloud.home(1) / "gristmill" / "source" / "proxy.gin").exists()
    assert not list(cloud.home(1).glob("*.tar.gz"))

    (cloud.folder / "steps").write_text("1000000")
    assert cloud.launch("run", *ALL).status == 0
    again = cloud.launch("run", *ALL)
    assert again.status == 1
    assert "did not start on worker 0, worker 1: a job runs as process" in again.error
    assert "a job runs" in cloud.launch("setup", *ALL).error
    status = cloud.launch("status", *ALL).out
    assert "mill: ACTIVE" in status and "2 running: step" in status and "not finished" in status

    (cloud.folder / "steps").write_text("1")
    done = cloud.launch("watch", *ALL, "--delete-at-end")
    assert done.status == 0, done.err
    assert "finished: gs://bucket/run/result.json" in done.out
    assert sorted(cloud.starts()) == ["0 at ", "1 at "]
    assert "there is no mill" in cloud.launch("delete").out
    assert cloud.launch("delete").status == 0
    assert "mill: ABSENT" in cloud.launch("status").out


def test_a_watch_survives_two_preemptions(cloud) -> None:
    cloud.play(preempt_at=[4, 8])
    bring_up(cloud)
    done = cloud.launch("watch", *ALL)
    assert done.status == 0, done.out + done.err
    assert cloud.state()["lives"] == 3
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d lost: ", done.out)) == 2
    starts = cloud.starts()
    assert len(starts) == 3 * 2  # every life, every worker, once
    resumed = [line.split(" at ")[1] for line in starts if line.startswith("0")]
    assert resumed == ["", "4", "8"]
    assert len(list((cloud.folder / "bucket").iterdir())) == 1  # the same run directory
    assert "launch.py delete --name mill" in done.out


def test_a_machine_may_be_gone_while_its_resource_is_said_to_be_active(cloud) -> None:
    cloud.play(preempt_at=[4], node_only=True)
    bring_up(cloud)
    done = cloud.launch("watch", *ALL)
    assert done.status == 0, done.out + done.err
    assert "lost: mill PREEMPTED" in done.out
    assert len(cloud.starts()) == 2 * 2


def test_the_workers_of_several_slices_are_told_apart(cloud) -> None:
    sliced = [*ALL, "--slices", "2"]
    assert cloud.launch("create", *sliced).status == 0
    assert {"--node-count=2", "--node-prefix=mill"} <= set(cloud.calls("create")[0])
    (cloud.home(1, "mill-1") / "broken").touch()
    done = cloud.launch("setup", *sliced)
    assert "setup failed on slice 1 worker 1: " in done.error
    (cloud.home(1, "mill-1") / "broken").unlink()
    assert cloud.launch("setup", *sliced).status == 0
    assert cloud.launch("run", *sliced).status == 0
    done = cloud.launch("logs", *sliced, "--out", str(cloud.folder / "logs"))
    assert "logs of 4 workers" in done.out
    assert len(list((cloud.folder / "logs").iterdir())) == 4


def test_a_worker_that_fails_to_set_up_is_named(cloud) -> None:
    assert cloud.launch("create", *ALL).status == 0
    (cloud.home(1) / "broken").touch()
    done = cloud.launch("setup", *ALL)
    assert done.status == 1
    assert "setup failed on worker 1: " in done.error
    assert "---- worker 1: failed" in done.out and "  No space left on device" in done.out
    assert "worker 0" not in done.out + done.err


def test_a_connection_that_breaks_starts_nothing_twice(cloud) -> None:
    cloud.play(drop=1)
    (cloud.folder / "steps").write_text("1000000")
    bring_up(cloud)
    deadline = time.monotonic() + 10
    while len(cloud.starts()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(cloud.starts()) == ["0 at ", "1 at "]
    assert cloud.state()["play"]["drop"] == 0


def test_data_and_environment_and_bindings_reach_the_job_as_they_are(cloud) -> None:
    folder = cloud.folder / "bucket" / "data" / "caches"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    nasty = """data.mixture='a b'; touch "$HOME/pwned" `touch $HOME/pwned` $(touch $HOME/pwned)"""
    options = [*ALL, "--data", "gs://bucket/data", "--gin", nasty, "--env", f"FLAGS={nasty}"]
    for command in ("create", "setup", "run"):
        done = cloud.launch(command, *options)
        assert done.status == 0, done.err
    assert cloud.launch("watch", *options).status == 0
    home = cloud.home(0)
    assert (home / "gristmill" / "data" / "caches" / "manifest.json").exists()
    words = (home / "words").read_text().splitlines()
    directory = "exec.directory='gs://bucket/run'"
    assert words == ["train", "--gin_file", "proxy.gin", "--gin", nasty, "--gin", directory]
    environment = (home / "environment").read_text().splitlines()
    assert f"FLAGS={nasty}" in environment
    assert f"GRISTMILL_ROOT={home}/gristmill/data" in environment
    assert not (home / "pwned").exists()


def test_a_job_that_fails_is_ended_everywhere_and_its_logs_are_fetched(cloud) -> None:
    (cloud.folder / "steps").write_text("1000000")
    bring_up(cloud)
    (cloud.folder / "crash").touch()
    logs = cloud.folder / "logs"
    done = cloud.launch("watch", *ALL, "--out", str(logs))
    assert done.status == 1
    assert "the job failed with status 1 on worker 1; its logs are in" in done.error
    assert "  loss is NaN" in done.out
    assert "loss is NaN" in (logs / "slice0-worker1.log").read_text()
    assert "saved" in (logs / "slice0-worker0.log").read_text()
    assert len(cloud.starts()) == 2
    assert cloud.state()["resources"]  # what it costs is for the user to end


def test_a_job_that_was_killed_starts_again_on_the_same_machines(cloud) -> None:
    (cloud.folder / "steps").write_text("1000000")
    bring_up(cloud)
    assert cloud.launch("stop").status == 0
    assert "2 killed" in cloud.launch("status", *TYPE).out
    (cloud.folder / "steps").write_text("3")
    done = cloud.launch("watch", *ALL)
    assert done.status == 0, done.err
    assert "it starts again on all" in done.out
    assert len(cloud.starts()) == 4 and len(cloud.calls("create")) == 1


def test_a_watch_gives_up_after_so_many_starts(cloud) -> None:
    cloud.play(preempt_at=[0] * 9)
    (cloud.folder / "steps").write_text("1000000")
    bring_up(cloud)
    done = cloud.launch("watch", *ALL, "--retries", "2")
    assert done.status == 1
    assert "gave up after 2 starts in a row" in done.error
    assert cloud.state()["lives"] == 3


def test_a_watch_overcomes_a_quota_that_is_not_free_at_once(cloud) -> None:
    cloud.play(preempt_at=[2])
    bring_up(cloud)
    cloud.play(quota=2)
    done = cloud.launch("watch", *ALL)
    assert done.status == 0, done.err
    assert done.out.count("has been exceeded") == 2
    assert "finished" in done.out


def test_a_watch_outlives_an_interrupted_creation(cloud) -> None:
    done = cloud.launch("create", *ALL, "--wait_seconds", "0.01", "--poll_seconds", "0.01")
    assert "is PROVISIONING after" in done.error or "is WAITING_FOR_RESOURCES after" in done.error
    done = cloud.launch("watch", *ALL)
    assert done.status == 0, done.err
    assert len(cloud.starts()) == 2


def test_silence_is_borne_for_a_while(cloud) -> None:
    cloud.play(hang=["describe"])
    done = cloud.launch("watch", *ALL, "--timeout", "0.5", "--silence_seconds", "0.7")
    assert done.status == 1
    assert "cannot see: gcloud compute tpus queued-resources describe mill did not" in done.out
    assert re.search(r"no answer for \d s: gcloud compute", done.error)


def test_a_hang_is_cut_off(cloud) -> None:
    cloud.play(hang=["create"])
    began = time.monotonic()
    done = cloud.launch("create", *ALL, "--timeout", "0.5")
    assert time.monotonic() - began < 10
    assert done.status == 1
    assert "gcloud compute tpus queued-resources create mill did not answer in 0.5 s" in done.error
    with pytest.raises(ProcessLookupError):
        os.kill(int((cloud.folder / "hanging").read_text()), 0)


def test_an_interrupt_ends_the_watch_and_nothing_else(cloud) -> None:
    (cloud.folder / "steps").write_text("1000000")
    bring_up(cloud)
    line = [sys.executable, str(cloud.checkout / "tpu" / "launch.py"), "watch", "--name", "mill"]
    with subprocess.Popen(
        [*line, *ALL, "--poll_seconds", "0.1", "--delete_at_end"],
        env=cloud.environment(),
        cwd=cloud.checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watch:
        assert "2 running" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        _, error = watch.communicate(timeout=20)
    assert watch.returncode == 128 + signal.SIGINT
    assert error.count("\n") == 1 and "interrupted; nothing was deleted" in error
    assert "2 running" in cloud.launch("status", *TYPE).out


@pytest.mark.parametrize(
    ("play", "message"),
    [
        ({"quota": 1}, r"Quota limit 'TPUV4s\w+' has been exceeded.*; delete queued resources"),
        ({"becomes": "FAILED"}, "mill FAILED: no capacity in this zone; delete it, then create"),
        ({"becomes": "SUSPENDED"}, "mill is SUSPENDED: its machines were taken back; delete it"),
    ],
)
def test_why_there_is_no_tpu(cloud, play: dict, message: str) -> None:
    cloud.play(**play)
    done = cloud.launch("create", *ALL)
    assert done.status == 1
    assert re.search(message, done.error)


def test_a_name_that_is_taken(cloud) -> None:
    assert cloud.launch("create", *ALL).status == 0
    done = cloud.launch("create", *ALL)
    assert "already exists; take another --name, go on with it by launch.py watch" in done.error


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("create", [], "which type? Give --type"),
        ("create", ["--type", "v5e-256"], "unknown accelerator type 'v5e-256'; there are v4- 8"),
        ("create", [*TYPE, "--zone", "a; b"], "--zone 'a; b' is not of the form"),
        ("run", TYPE, "what is to run? Give --gin_file"),
        ("run", ["--gin_file", "proxy.gin"], "where is the run kept? Give --run_directory gs://"),
        ("run", [*RUN, "--gin_file", "absent.gin"], "absent.gin: no such gin file"),
        ("run", [*RUN, "--gin_file", "/etc/hostname"], "/etc/hostname is outside "),
        ("run", ["--run_directory", "/tmp/run"], "'/tmp/run' is not of the form: gs://BUCKET"),
        ("run", ["--run_directory", "gs://b/'x"], "is not of the form: gs://BUCKET"),
        ("run", [*RUN, "--gin", "a=1\nJOB"], "is not of the form: text without control"),
        ("run", [*RUN, "--gin", "exec.directory='x'"], "give exec.directory as --run_directory"),
        ("run", [*RUN, "--env", "HF_TOKEN=hf_1"], "--env HF_TOKEN: a secret would show"),
        ("run", [*RUN, "--env", "A B=1"], "--env 'A B=1' is not NAME=VALUE"),
        ("watch", RUN, "which type is to be made again? Give --type"),
        ("watch", ALL, "mill does not exist; run: launch.py create"),
    ],
)
def test_mistakes_get_a_line(cloud, command: str, options: list[str], message: str) -> None:
    done = cloud.launch(command, *options)
    assert done.status == 1
    assert message in done.error
    assert not cloud.calls("create") and "hf_1" not in done.err


def test_a_name_has_a_form(cloud) -> None:
    assert "--name 'A;b' is not of the form" in cloud.launch("status", name="A;b").error


def test_what_gcloud_must_know(cloud) -> None:
    state = (cloud.folder / "cloud.json").read_text()
    (cloud.folder / "cloud.json").write_text(state.replace('"project": "proj"', '"project": ""'))
    assert "no project: give --project, or run: gcloud config set" in cloud.launch("status").error
    (cloud.folder / "bin" / "gcloud").unlink()
    shadow = cloud.folder / "path"  # the tools but gcloud, wherever that is
    shadow.mkdir()
    (shadow / "git").symlink_to(shutil.which("git"))
    line = [sys.executable, str(cloud.checkout / "tpu" / "launch.py"), "status", "--name", "mill"]
    environment = {**cloud.environment(), "PATH": str(shadow)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "gcloud is not on PATH; install it" in done.stderr


@pytest.fixture
def own_checkout(cloud, tmp_path: Path):
    """The cloud, with a checkout that the test may change."""
    cloud.checkout = Path(shutil.copytree(cloud.checkout, tmp_path / "own"))
    return cloud


def test_uncommitted_changes_are_refused_or_sent(own_checkout) -> None:
    cloud = own_checkout
    (cloud.checkout / "proxy.gin").write_text("run.steps = 20\n")
    (cloud.checkout / "new.gin").write_text("")
    done = cloud.launch("setup", *ALL)
    assert done.status == 1
    assert "uncommitted changes (proxy.gin, new.gin); commit them, or" in done.error
    fresh = ["--gin_file", "new.gin", "--run_directory", "gs://bucket/run", "--allow_dirty"]
    assert "new.gin is not under version control" in cloud.launch("run", *fresh).error
    assert cloud.launch("create", *ALL).status == 0
    done = cloud.launch("setup", *ALL, "--allow_dirty")
    assert done.status == 0, done.err
    assert re.search(r"source \w{12}-dirty-\w{8} is set up on 2 workers", done.out)
    sent = cloud.home(0) / "gristmill" / "source"
    assert (sent / "proxy.gin").read_text() == "run.steps = 20\n"
    assert not (sent / "new.gin").exists()
    left = subprocess.run(
        ["git", "-C", str(cloud.checkout), "stash", "list"], capture_output=True, text=True
    )
    assert left.stdout == ""


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("create", ["queued-resources create mill", "queued-resources describe mill"]),
        ("setup", ["git archive", "tpu-vm scp", "tpu-vm ssh mill --worker=all"]),
        ("run", ["tpu-vm ssh mill --worker=all", "setsid nohup"]),
        ("watch", ["storage ls gs://bucket/run/result.json", "queued-resources describe",
                   "tpu-vm describe", "queued-resources delete mill --force --async",
                   "queued-resources create", "tpu-vm scp", "setsid", "kill -TERM"]),
        ("status", ["queued-resources describe", "tpu-vm describe", "tpu-vm ssh", "storage ls"]),
        ("logs", ["tail -n +1 ~/gristmill/setup.log"]),
        ("stop", ["kill -TERM"]),
        ("delete", ["queued-resources delete mill --force --async", "describe mill"]),
    ],
)  # fmt: skip
def test_a_dry_run_prints_and_does_nothing(cloud, command: str, shown: list[str]) -> None:
    options = [*ALL, "--gin", "model.name='it''s'", "--env", "FLAGS=--a=1 --b"]
    done = cloud.launch(command, *options, "--dry-run")
    assert done.status == 0, done.err
    assert not cloud.calls() and not cloud.starts()
    for text in shown:
        assert text in done.out
    # what is printed is what bash reads: one command after another, quotes closed
    assert subprocess.run(["bash", "-n"], input=done.out, text=True).returncode == 0
    for words in re.split(r"^(?=gcloud )", done.out, flags=re.MULTILINE):
        script = [w for w in shlex.split(words, comments=True) if w.startswith("--command=")]
        for text in script:
            check = subprocess.run(["bash", "-n", "-c", text.removeprefix("--command=")])
            assert check.returncode == 0
