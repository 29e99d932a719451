"""Runs by the command line: killed, stopped, moved to other meshes and hosts, branched, refused."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import TINY_GIN, read_lines

Start = Callable[..., subprocess.Popen]
Command = Callable[..., tuple[int, str, str]]
CLOCKS = {"tokens_per_s", "mfu", "data_wait", "goodput"}


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def train(gristmill: Start, gin: Path, directory: Path, *options: str, **kwargs) -> tuple:
    bindings = [f"exec.directory='{directory}'", *options]
    arguments = [part for option in bindings for part in ("--gin", option)]
    return finish(gristmill("train", "--gin-file", str(gin), *arguments, **kwargs))


def losses(directory: Path) -> list[dict]:
    """The lines without what a clock decides."""
    return [{k: v for k, v in line.items() if k not in CLOCKS} for line in read_lines(directory)]


@pytest.fixture(scope="module")
def whole(gristmill: Start, tiny_gin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed, with all its checkpoints."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    options = ("exec.keep_every=4", "evals.mixtures=['demo']", "evals.documents=2", "evals.every=8")
    code, out, err = train(gristmill, tiny_gin, directory, *options)
    assert code == 0, err
    assert "starting at step 0 of 24" in out and "layers/mlp/gate" in out
    return directory


EVALS = ("evals.mixtures=['demo']", "evals.documents=2", "evals.every=8")


def test_a_run_leaves_what_the_docstring_says(whole: Path) -> None:
    lines = read_lines(whole)
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == [3, 6, 9, 12, 15, 18, 21, 24]
    assert [line["step"] for line in lines if "evaluation" in line] == [8, 16, 24]
    result = json.loads((whole / "result.json").read_text())
    assert result["step"] == 24 and result["loss"] == lines[-2]["loss"]
    assert result["evaluation"]["demo/all/bits_per_byte"] > 0
    assert lines[0]["loss"] > lines[-2]["loss"]
    for line in lines:
        if "loss" in line:
            tokens = {k: v for k, v in line.items() if k.startswith("tokens/")}
            assert sum(tokens.values()) == 3 * 8 * 32
            total = sum(line[k.replace("tokens/", "loss/")] * n for k, n in tokens.items())
            assert total / sum(tokens.values()) == pytest.approx(line["loss"])
    assert (whole / "evaluations" / "demo-24.parquet").exists()


def test_a_finished_run_is_not_trained_again(gristmill: Start, tiny_gin: Path, whole: Path) -> None:
    before = (whole / "metrics.jsonl").read_bytes()
    code, out, _ = train(gristmill, tiny_gin, whole, *EVALS)
    assert code == 0 and "is finished already" in out
    assert (whole / "metrics.jsonl").read_bytes() == before


def test_another_run_in_its_place_is_refused_field_by_field(
    gristmill: Start, tiny_gin: Path, whole: Path
) -> None:
    code, _, err = train(gristmill, tiny_gin, whole, *EVALS, "optimizer.b2=0.9", "run.seed=7")
    assert code == 1 and err.count("\n") == 1
    assert "optimizer.b2: 0.95 there, 0.9 here" in err and "seed: 2 there, 7 here" in err


def interrupt(gristmill: Start, gin: Path, directory: Path, number: int, *options: str) -> int:
    """Starts a run, sends it a signal once it has a checkpoint, and returns its status."""
    bindings = [f"exec.directory='{directory}'", *options]
    arguments = [part for option in bindings for part in ("--gin", option)]
    process = gristmill("train", "--gin-file", str(gin), *arguments)
    deadline = time.time() + 300
    while not (directory / "checkpoints" / "4").exists() and time.time() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.send_signal(number)
    return finish(process)[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_run_ends_bit_for_bit_as_an_undisturbed_one(
    gristmill: Start, tiny_gin: Path, whole: Path, tmp_path: Path, number: int
) -> None:
    directory = tmp_path / "run"
    status = interrupt(gristmill, tiny_gin, directory, number, *EVALS)
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 128 + signal.SIGTERM)
    assert not (directory / "result.json").exists()
    code, out, err = train(gristmill, tiny_gin, directory, *EVALS)
    assert code == 0, err
    assert "going on at step" in out
    assert losses(directory) == losses(whole)


def from_checkpoint(whole: Path, directory: Path, step: int) -> Path:
    """A copy of the whole run as it was just after a checkpoint, with lines beyond it."""
    shutil.copytree(whole, directory)
    (directory / "result.json").unlink()
    for path in (directory / "checkpoints").iterdir():
        if path.name.isdigit() and int(path.name) > step:
            shutil.rmtree(path)
    return directory


def close(found: list[dict], expected: list[dict], tolerance: float) -> None:
    assert [line["step"] for line in found] == [line["step"] for line in expected]
    for a, b in zip(found, expected, strict=True):
        values = [(a.get("evaluation", a), b.get("evaluation", b))]
        for one, other in values:
            assert one.keys() == other.keys()
            for key, value in one.items():
                assert value == pytest.approx(other[key], rel=tolerance, abs=tolerance), key


def test_it_goes_on_upon_another_mesh(
    gristmill: Start, tiny_gin: Path, whole: Path, tmp_path: Path
) -> None:
    directory = from_checkpoint(whole, tmp_path / "run", 12)
    options = (*EVALS, "exec.mesh='data=2,fsdp=2,tensor=2'", "exec.steps_per_call=4")
    code, out, err = train(gristmill, tiny_gin, directory, *options, devices=8)
    assert code == 0, err
    assert "going on at step 12" in out
    close(losses(directory), losses(whole), 1e-3)


def test_steps_per_call_and_threads_change_nothing(
    gristmill: Start, tiny_gin: Path, whole: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    options = (*EVALS, "exec.steps_per_call=4", "exec.threads=0", "exec.checkpoint_every=8")
    code, _, err = train(gristmill, tiny_gin, directory, *options)
    assert code == 0, err
    assert losses(directory) == losses(whole)


def test_an_unfinished_evaluation_is_made_good(
    gristmill: Start, tiny_gin: Path, whole: Path, tmp_path: Path
) -> None:
    directory = from_checkpoint(whole, tmp_path / "run", 16)
    path = directory / "metrics.jsonl"
    kept = [t for t in path.read_text().splitlines() if '"step": 16, "evaluation"' not in t]
    path.write_text("\n".join(kept) + '\n{"step": 24, "los')
    code, _, err = train(gristmill, tiny_gin, directory, *EVALS)
    assert code == 0, err
    by_step = [line["step"] for line in read_lines(directory) if "evaluation" in line]
    assert by_step == [8, 16, 24]
    assert losses(directory) == losses(whole)


def test_an_unchanged_branch_is_the_stem_and_a_changed_one_is_not(
    gristmill: Start, tiny_gin: Path, whole: Path, tmp_path: Path
) -> None:
    branch = (*EVALS, "init.kind='branch'", f"init.path='{whole}'", "init.step=16")
    code, _, err = train(gristmill, tiny_gin, tmp_path / "same", *branch)
    assert code == 0, err
    end = [line for line in losses(whole) if line["step"] > 16]
    assert [line for line in losses(tmp_path / "same") if line["step"] > 16] == end
    other = "data.schedule=[(0, {'wiki_sample': 1})]"
    code, _, err = train(gristmill, tiny_gin, tmp_path / "other", *branch, other)
    assert code == 1 and "saw other batches" in err and err.count("\n") == 1


def test_weights_of_a_run_begin_another(
    gristmill: Start, tiny_gin: Path, whole: Path, tmp_path: Path
) -> None:
    weights = ("init.kind='weights'", f"init.path='{whole}'", "learning_rate.initial=0.1")
    code, out, err = train(gristmill, tiny_gin, tmp_path / "run", *weights)
    assert code == 0, err
    assert f"parameters of step 24 of {whole}" in out
    assert losses(tmp_path / "run")[0]["loss"] < losses(whole)[0]["loss"] - 0.5


def test_imported_weights_begin_a_run_as_those_of_the_run_they_came_from(
    gristmill: Start, command: Command, tiny_gin: Path, whole: Path, tmp_path: Path
) -> None:
    folder = str(tmp_path / "hf")
    status, _, err = command("weights", "export", str(whole), "--out", folder)
    assert status == 0, err
    status, _, err = command("weights", "import", folder, "--name", "returned")
    assert status == 0, err
    begun = {}
    for path in (str(whole), "returned"):
        directory = tmp_path / Path(path).name
        options = ("init.kind='weights'", f"init.path='{path}'", "run.steps=3")
        code, out, err = train(gristmill, tiny_gin, directory, *options)
        assert code == 0, err
        begun[path] = losses(directory)
    assert "parameters of weights returned" in out
    assert begun["returned"] == begun[str(whole)]


def test_a_diverging_run_ends_with_one_line(
    gristmill: Start, tiny_gin: Path, tmp_path: Path
) -> None:
    code, _, err = train(gristmill, tiny_gin, tmp_path / "run", "learning_rate.peak=1e30")
    assert code == 1 and err.count("\n") == 1
    assert "is bad: loss" in err and "bad_steps.policy is 'stop'" in err
    skip = ("learning_rate.peak=1e30", "bad_steps.policy='skip'", "bad_steps.most_in_a_row=2")
    code, out, err = train(gristmill, tiny_gin, tmp_path / "skip", *skip)
    assert code == 1 and "skipped, 2 in a row" in out and "3 in a row" in err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("exec.mesh='data=3'", "devices"),
        ("exec.mesh='rows=1'", "'rows' is no axis"),
        ("data.mixture='nothing_such'", "nothing_such"),
        ("data.mixture='demo_stratified_2'", "demo_stratified_2"),
        ("model.vocabulary_size=100", "set model.vocabulary_size to at least"),
        ("data.length=128", "more than model.max_length"),
        ("exec.microbatches=3", "multiple of 24"),
        ("exec.attention='magic'", "attention is one of"),
        ("exec.remat='some'", "remat is one of"),
        ("data.max_epochs={'web': 1.0}", "max_epochs names web"),
        ("evals.length=128", "evals.length is 128"),
        ("init.path='/nowhere'", "init.path"),
    ],
)
def test_bad_input_gets_one_line(
    command: Command, tiny_gin: Path, tmp_path: Path, option: str, message: str
) -> None:
    options = [f"exec.directory='{tmp_path / 'run'}'", "evals.mixtures=['demo']", option]
    if not option.startswith("exec.mesh"):
        options.append("exec.mesh='data=8'")
    arguments = [part for binding in options for part in ("--gin", binding)]
    code, _, err = command("train", "--gin-file", str(tiny_gin), *arguments)
    assert code == 1 and "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("gristmill: ") and message in last


def test_a_dry_run_says_what_would_be_done(command: Command, tiny_gin: Path) -> None:
    bindings = ("--gin", "exec.mesh='data=8'")
    code, out, err = command("train", "--gin_file", str(tiny_gin), "--dry_run", *bindings)
    assert code == 0, err
    assert "6.14k tokens: 24 steps × 8 rows × 32 tokens" in out
    assert "wiki_sample" in out and "parameters" in out and "FLOPs" in out


def two_processes(
    gristmill: Start, gin: Path, directory: Path, *options: str
) -> list[subprocess.Popen]:
    """A run on two hosts of four devices; returns once it has saved step 8."""
    gin.write_text(TINY_GIN.replace("'data=1'", "'data=2,fsdp=2,tensor=2'"))
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    bindings = [f"exec.directory='{directory}'", *options, "exec.hosts=2",
                f"exec.coordinator='localhost:{port}'"]  # fmt: skip
    processes = []
    for number in range(2):
        own = [*bindings, f"exec.process={number}"]
        arguments = [part for binding in own for part in ("--gin", binding)]
        processes.append(gristmill("train", "--gin-file", str(gin), *arguments, devices=4))
    deadline = time.time() + 300
    while max(saved_steps(directory), default=0) < 8 and time.time() < deadline:
        assert not any(p.poll() for p in processes), processes[0].communicate()[1]
        time.sleep(0.005)
    return processes


def saved_steps(directory: Path) -> list[int]:
    return [int(path.name) for path in directory.glob("checkpoints/*") if path.name.isdigit()]


def test_two_processes_one_killed_and_then_one_process(
    gristmill: Start, tmp_path: Path, whole: Path
) -> None:
    gin, directory = tmp_path / "tiny.gin", tmp_path / "run"
    # the second dies, the first cannot go on without it
    for process in two_processes(gristmill, gin, directory, *EVALS)[::-1]:
        process.kill()
        process.communicate(timeout=60)
    assert max(saved_steps(directory)) >= 8
    code, out, err = train(gristmill, gin, directory, *EVALS, "exec.mesh='data=1'")
    assert code == 0, err
    assert "going on at step" in out
    close(losses(directory), losses(whole), 1e-3)


def test_sigterm_in_one_of_two_processes_stops_and_saves_in_both(
    gristmill: Start, tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    processes = two_processes(gristmill, tmp_path / "tiny.gin", directory, "run.steps=100_000")
    processes[1].send_signal(signal.SIGTERM)
    ends = [finish(process) for process in processes]
    for code, _, err in ends:
        assert code == 128 + signal.SIGTERM, err
        stopped = re.search(r"stopped by SIGTERM after step (\d+), which is saved", err)
        assert stopped and int(stopped[1]) == max(saved_steps(directory))


def test_full_storage_while_saving_is_one_line(
    gristmill: Start, tiny_gin: Path, tmp_path: Path
) -> None:
    options = [f"exec.directory='{tmp_path / 'run'}'", "exec.compile_cache=''"]
    arguments = [part for option in options for part in ("--gin", option)]
    process = gristmill("train", "--gin-file", str(tiny_gin), *arguments)
    # no file may become longer than a checkpoint's arrays
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (40 << 10, 40 << 10))
    code, _, err = finish(process)
    said = [line for line in err.replace("\r", "\n").splitlines() if "step/s" not in line]
    assert code == 1 and len(said) == 1, err
    assert said[0].startswith("gristmill: ")
    assert "no space left while saving a checkpoint (whole ones: none)" in said[0]
