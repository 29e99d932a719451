"""Sweeps of tiny cells by the command line: finished, killed, stopped, failing, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.runners import shares_of_cores
from research.analyse import sweep_record
from research.analyse.cell_state import hold, state_of
from research.cli import main

GIN = """
sweep.seeds = [0, 1]
sweep.backoff = 0.1
sweep.attempts = 2
model.vocabulary_size = 2000
model.layers = 1
model.width = 8
model.heads = 2
model.kv_heads = 1
model.head_dim = 4
model.mlp_width = 16
model.max_length = 64
model.compute_dtype = 'float32'
data.mixture = 'demo'
data.length = 32
data.batch = 4
data.seed = 0
run.seed = 0
run.steps = 24
learning_rate.peak = 1e-2
learning_rate.warmup_steps = 2
evals.mixtures = ['demo']
evals.documents = 1
exec.checkpoint_every = 10
exec.log_every = 4
exec.tensorboard = False
"""
HEAD = '''"""Is all text equal?"""
import dataclasses
from experiments.arms import Arm

@dataclasses.dataclass(frozen=True)
class Settings:
    share: float = 1.0

WIKI = {"data.schedule": ((0, {"wiki_sample": 1.0}),)}
LATE = {"data.schedule": ((0, {"wiki_sample": 1.0}), (16, {"code_sample": 1.0}))}
PLAIN = Arm("plain", {}, "as the files say", baseline=True)

'''
ARMS = """def arms(run, settings):
    return [PLAIN, Arm("wiki", WIKI), Arm("same", WIKI, branch_of="wiki", branch_at=16),
            Arm("late", LATE, branch_of="wiki", branch_at=16)]
"""
CLOCKS = {"tokens_per_s", "mfu", "data_wait", "goodput", "training_seconds"}
# compiling is most of the work of a tiny run
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@pytest.fixture(autouse=True)
def on_demo_data(demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(demo_root).items():
        monkeypatch.setenv(name, value)


def environment(root: Path) -> dict[str, str]:
    return {"GRISTMILL_ROOT": str(root), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": FLAGS}


def write(folder: Path, arms: str, gin: str = GIN) -> list[str]:
    """Writes an experiment and its Gin file; returns the arguments that run it."""
    (folder / "equal.py").write_text(HEAD + arms)
    (folder / "equal.gin").write_text(gin)
    return ["sweep", str(folder / "equal.py"), "--gin_file", str(folder / "equal.gin"),
            "--directory", str(folder / "sweep")]  # fmt: skip


def start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "research.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(folder: Path) -> dict[str, Any]:
    """What every cell found, without what a clock decides."""
    found = {}
    for cell in sweep_record.read(folder).cells:
        directory = folder / cell.directory
        lines = [json.loads(line) for line in (directory / "metrics.jsonl").open()]
        lines.append(json.loads((directory / "result.json").read_text()))
        found[cell.directory] = [
            {k: v for k, v in line.items() if k not in CLOCKS} for line in lines
        ]
    return found


@pytest.fixture(scope="module")
def undisturbed(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sweep of 4 arms × 2 seeds, branches among them, that ran in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(demo_root).items():
            patch.setenv(name, value)
        process = start([*write(folder, ARMS), "--workers", "2"])
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "0 of 8 cells are finished" in out and "plain/seed1 finished, demo/all/bits" in out
    assert "less that of plain" in out and f"report: {folder / 'sweep/report.html'}" in out
    yield folder


def test_a_sweep_leaves_what_its_record_says(undisturbed: Path) -> None:
    folder = undisturbed / "sweep"
    record = sweep_record.read(folder)
    assert record.question == "Is all text equal?" and record.baseline.name == "plain"
    assert record.metric == "demo/all/bits_per_byte" and len(record.cells) == 8
    for cell in record.cells:
        assert state_of(folder, cell).state == "finished"
        spec = json.loads((folder / cell.directory / "spec.json").read_text())
        assert spec["fingerprint"] == cell.fingerprint
        assert spec["run"]["seed"] == spec["run"]["data"]["seed"] == cell.seed
        assert "starting at step" in (folder / cell.directory / "log.txt").read_text() or cell.after


def test_an_unchanged_branch_is_its_stem_and_another_is_not(undisturbed: Path) -> None:
    found = results(undisturbed / "sweep")
    for seed in (0, 1):
        stem, branch = found[f"wiki/seed{seed}"], found[f"same/seed{seed}"]
        late = [line for line in stem[:-1] if line["step"] > 16]
        assert late and [line for line in branch[:-1] if line["step"] > 16] == late
        assert branch[-1]["evaluation"] == stem[-1]["evaluation"]
        assert branch[-1]["fingerprint"] != stem[-1]["fingerprint"]
        last = [line for line in found[f"late/seed{seed}"][:-1] if "loss" in line][-1]
        assert "loss/code_sample" in last and "loss/wiki_sample" not in last


def test_a_finished_sweep_runs_nothing(undisturbed: Path, capsys: pytest.CaptureFixture) -> None:
    folder = undisturbed / "sweep"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json*")}
    assert main(write(undisturbed, ARMS)) == 0
    assert "8 of 8 cells are finished" in capsys.readouterr().out
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json*")}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {"sweep.json"}


def wait_for(process: subprocess.Popen, folder: Path, pattern: str) -> None:
    """Returns when a sweep has written a file of that kind."""
    deadline = time.time() + 300
    while not any(folder.glob(pattern)) and time.time() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def kill_a_worker(folder: Path) -> None:
    """Kills the first worker of this process that has begun to train."""
    deadline = time.time() + 300
    while time.time() < deadline:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = path.joinpath("stat").read_text().rpartition(")")[2].split()[1]
                command = path.joinpath("cmdline").read_bytes()
                opened = [os.readlink(link) for link in path.joinpath("fd").iterdir()]
            except OSError:
                continue
            ours = int(parent) == os.getpid() and b"experiments.worker" in command
            if ours and any(name.endswith("log.txt") for name in opened):
                os.kill(int(path.name), signal.SIGKILL)
                return
        time.sleep(0.01)


def test_a_disturbed_sweep_ends_as_an_undisturbed_one(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder, arguments = tmp_path / "sweep", [*write(tmp_path, ARMS), "--workers", "2"]
    stopped = start([*arguments, "--gin", "sweep.seeds=[0]"])  # the sweep grows afterwards
    wait_for(stopped, folder, "*/seed*/log.txt")
    stopped.terminate()
    _, err = stopped.communicate(timeout=120)
    assert stopped.returncode == 128 + signal.SIGTERM and err.count("\n") == 1, err
    assert "run the same command again" in err
    killed = start(arguments)
    wait_for(killed, folder, "*/seed*/checkpoints/[0-9]*")
    killed.kill()
    killed.communicate()
    killer = threading.Thread(target=kill_a_worker, args=(folder,))
    killer.start()
    assert main(arguments) == 0
    killer.join()
    assert "its worker process was killed by SIGKILL" in capsys.readouterr().out
    assert results(folder) == results(undisturbed / "sweep")
    assert not list(folder.rglob("failure.json"))


def test_failures_stop_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arms = """def arms(run, settings):
    return [Arm("diverges", {"learning_rate.peak": 1e30}), PLAIN,
            Arm("fails", {"evals.length": 1000}), Arm("wiki", WIKI),
            Arm("late", LATE, branch_of="fails", branch_at=16)]
""".replace('branch_of="fails"', 'branch_of="stem"').replace(
        'Arm("wiki", WIKI)', 'Arm("wiki", WIKI), Arm("stem", WIKI | {"evals.length": 999})'
    )
    arguments = write(tmp_path, arms, GIN.replace("[0, 1]", "[0]"))
    folder = tmp_path / "sweep"
    with hold(folder / "wiki/seed0"):
        assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert "plain/seed0 finished" in out and out.count("fails/seed0 failed: ") == 2
    assert out.count("diverges/seed0 diverged: step 2 is bad") == 1
    assert "fails/seed0 is not finished: evals.length is 1000" in err
    assert "late/seed0 is not finished: stem/seed0, which it branches off" in err
    assert "wiki/seed0 is not finished: another process is at it" in err
    assert main(["sweep", "status", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "fails/seed0 failed (2 attempts): evals.length is 1000" in out
    assert "1 diverged, 2 failed, 1 finished, 2 waiting" in out
    (folder / "plain/seed0/result.json").write_text("{")
    assert main(["sweep", "status", str(folder)]) == 1
    assert "result.json is damaged; delete" in capsys.readouterr().out


def test_a_dry_run_says_what_would_be_run(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([*write(tmp_path, ARMS), "--dry_run", "--hardware", "v5e:4x4"]) == 0
    out = capsys.readouterr().out
    assert "16-24" in out and "8 cells" in out and "are left on v5e:4x4" in out
    assert "wiki_sample  100.000%" in out and not (tmp_path / "sweep").exists()
    assert main([*write(undisturbed, ARMS), "--dry_run"]) == 0
    assert "measured on the finished cells" in capsys.readouterr().out


def test_sizes_take_the_models_place(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    gin = GIN + "sweep.sizes = ['3m', '1m']\n"
    gin = gin.replace("size = 2000", "size = 8192")
    assert main([*write(tmp_path, ARMS, gin), "--dry_run"]) == 0
    out = capsys.readouterr().out
    assert "16 cells" in out and out.index(" 1m ") < out.index(" 3m ")


def arms_of(text: str) -> str:
    return f"def arms(run, settings):\n    return [{text}]\n"


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        (arms_of("PLAIN, Arm('b', {})"), "arm b changes nothing: its run b/seed0 is the same as"),
        (arms_of("PLAIN, PLAIN"), "two arms plain"),
        (arms_of("Arm('a', {})"), "no arm as baseline"),
        (arms_of("PLAIN, Arm('b', WIKI, baseline=True)"), "has plain and b as baseline"),
        (arms_of(""), "has no arms"),
        (arms_of("PLAIN, Arm('b', {'optimizer.weigth_decay': 1})"),
         "arm b: optimizer.weigth_decay: unknown; did you mean weight_decay"),
        (arms_of("PLAIN, Arm('b', {'optimiser.b1': 1})"), "arm b: optimiser.b1 is no field"),
        (arms_of("PLAIN, Arm('b', {'exec.mesh': 'data=1'})"), "arm b: exec.mesh is no field"),
        (arms_of("PLAIN, Arm('b', {'optimizer.b1': 'x'})"), "arm b: optimizer.b1 is 'x'"),
        (arms_of("PLAIN, Arm('../b', WIKI)"), "arm '../b': a name has"),
        (arms_of("PLAIN, Arm('b', WIKI, branch_of='plain', branch_at=16)"),
         "arm b sees other batches before step 16 than plain"),
        (arms_of("PLAIN, Arm('b', WIKI, branch_of='plain', branch_at=24)"), "branch_at is 24"),
        (arms_of("PLAIN, Arm('b', WIKI, branch_of='c', branch_at=1)"), "c, which is no arm"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def arms(run, settings):\n    raise KeyError('web')\n", "arms() raised KeyError: 'web'"),
        (arms_of("PLAIN, Arm('sweep.json', WIKI)"), "a file in the sweep's folder has this name"),
        (arms_of("PLAIN, Arm('Plain', WIKI)"), "arms plain and Plain differ only by case"),
        (arms_of("PLAIN, Arm(5, WIKI)"), "arm 5: a name has"),
        (arms_of("PLAIN, Arm('b', {5: 5})"), "arm b: its changes are a mapping"),
        (arms_of("PLAIN, Arm('b', WIKI, branch_at='x')"), "arm b: its branch_at must be a step"),
        ("def arms(run, settings):\n    yield Arm('b', WIKI)\n", "no arm as baseline"),
        ("def arms(run, settings):\n    raise SystemExit(0)\n", "arms() raised SystemExit: 0"),
        ("def arms(run, settings):\n    raise ValueError('two\\nlines')\n", "Error: two lines"),
        ("class Mute(Exception):\n    def __str__(self):\n        return 1 / 0\n"
         "def arms(run, settings):\n    raise Mute\n", "arms() raised Mute"),
        ("arms = 5", "arms is no function"),
        ("", "has no arms; see"),
        ("del Settings", "has no Settings"),
        ("import nothing_such", "nothing_such"),
    ],
)  # fmt: skip
def test_bad_experiments_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, arms: str, message: str
) -> None:
    assert main(write(tmp_path, arms)) == 1
    err = capsys.readouterr().err
    assert err.startswith("gristmill: ") and err.count("\n") == 1 and message in err
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("gin", "message"),
    [
        ("sweep.seed = [1]", "equal.gin:27: sweep has no field seed; did you mean seeds"),
        ("equal.shares = 1", "equal.gin:27: equal has no field shares; did you mean share"),
        ("equals.share = 1", "equal.gin:27: unknown section equals; did you mean equal"),
        ("equal.share = 'x'", "equal.gin:27: equal.share is 'x'"),
        ("sweep.metric = 'demo/all/bits_per_bite'", "did you mean demo/all/bits_per_byte"),
        ("sweep.sizes = ['2m']", "there is no model 2m (there are: "),
    ],
)
def test_bad_bindings_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, gin: str, message: str
) -> None:
    assert main(write(tmp_path, ARMS, GIN + gin)) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err


def test_the_folder_of_another_sweep_is_refused(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = str(undisturbed / "sweep")
    arguments = [*write(tmp_path, ARMS)[:-1], folder]
    assert main([*arguments, "--gin", "optimizer.b2=0.9"]) == 1
    err = capsys.readouterr().err
    assert "optimizer.b2: 0.95 there, 0.9 here" in err and err.count("\n") == 1
    assert main([*arguments, "--gin", "sweep.seeds=[0]"]) == 1
    assert "it has plain/seed1" in capsys.readouterr().err
    assert main([*arguments[:-1], "/proc/sweep"]) == 1  # where nothing can be written
    assert "/proc/sweep" in capsys.readouterr().err
    record = Path(folder, "sweep.json")
    whole = record.read_text()
    record.write_text(whole.replace('"format": 1', '"format": 99'))
    assert main(arguments) == 1
    assert "is of version 99" in capsys.readouterr().err
    record.write_text(whole)


def test_no_module_of_that_name(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    gin = write(tmp_path, ARMS)[3]
    assert main(["sweep", "experiments.nothing_such", "--gin_file", gin]) == 1
    assert "no module experiments.nothing_such" in capsys.readouterr().err
    assert main(["sweep", "status", str(tmp_path)]) == 1
    assert "is no sweep's folder" in capsys.readouterr().err


def test_cores_are_shared_evenly() -> None:
    assert shares_of_cores([0, 1, 2, 3, 4], 2) == [[0, 1], [2, 3, 4]]
    assert shares_of_cores([3, 5], 2) == [[3], [5]]
    assert shares_of_cores([3, 5], 3) == [[3], [5], [3]]
