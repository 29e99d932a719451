"""Programs that would do harm, and cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from research import sandbox
from research.sandbox import Containment, Limits, Outcome

FALLBACK = Containment(False, True, True, os.getuid() == 0)  # for where namespaces are forbidden


@pytest.fixture(params=["strongest", "without_namespaces"])
def run(request: pytest.FixtureRequest):
    """Runs a program as it is run here, and as it would be run in most containers."""
    level = sandbox.containment()
    if request.param == "without_namespaces":
        level = FALLBACK
        if not sandbox._run(level, "pass", {}, "", Limits(wall_seconds=60.0)).ok:
            pytest.skip("the kernel has no Landlock, or Python is where only root may enter")

    def run_(program: str, files: dict | None = None, stdin: str = "", **limits) -> Outcome:
        limits = {"wall_seconds": 60.0, **limits}
        return sandbox._run(level, program, files or {}, stdin, Limits(**limits))

    return run_


def test_a_program_reads_computes_and_writes(run) -> None:
    program = (
        "import sys, helper\nopen('a', 'w').write('x')\nprint(helper.f(int(input())), sys.argv)"
    )
    outcome = run(program, {"helper.py": "def f(x): return x * 2"}, "21\n")
    assert outcome.ok and outcome.stdout.startswith("42 ")
    assert run("import sys; sys.exit(3)").code == 3
    assert run("1 / 0").error == "ZeroDivisionError: division by zero"


def test_time_memory_and_output_are_limited(run) -> None:
    assert run("while True: pass", cpu_seconds=1).ended == "cpu time"
    assert run("import time\nwhile True: time.sleep(9)", wall_seconds=3.0).ended == "wall time"
    assert run("x = bytearray(1 << 40)").error == "MemoryError"
    outcome = run("while True: print('x' * 5000)", output_bytes=10_000)
    assert outcome.ended == "output" and len(outcome.stdout) == 10_000


def test_a_fork_bomb_is_bounded_and_leaves_nothing(run) -> None:
    bomb = (
        "import os, time\nforks = 0\ntry:\n    while True:\n        if os.fork() == 0:\n"
        "            time.sleep(600)\n        forks += 1\nexcept OSError:\n    print(forks)"
    )
    outcome = run(bomb, processes=5)
    assert outcome.ok and 1 <= int(outcome.stdout) <= 6
    assert outcome.seconds < 60  # it did not wait for what it had started


def test_files_can_be_written_in_its_folder_only(run, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    outcome = run(f"open({str(tmp_path / 'evil')!r}, 'w')")
    assert not outcome.ok and "Error" in outcome.error and not list(tmp_path.iterdir())
    outcome = run("f = open('a', 'wb')\nwhile True: f.write(b'x' * 65536)", file_bytes=1 << 20)
    assert not outcome.ok and outcome.ended in ("exit", "signal")
    kept = tmp_path / "kept"
    kept.write_text("x")
    kept.chmod(0o666)
    assert not run(f"import os; os.unlink({str(kept)!r})").ok
    assert not run(f"open({str(kept)!r}, 'a').write('y')").ok
    assert kept.read_text() == "x"


def test_there_is_no_network(run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")
    assert not outcome.ok and "Error" in outcome.error


def test_secrets_stay_secret(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_KEY", "sesame")
    secret = tmp_path / "secret"
    secret.write_text("sesame")
    program = (
        "import os, glob\nprint(dict(os.environ))\n"
        f"places = [{str(secret)!r}, *glob.glob('/proc/*/environ')]\n"
        "for place in places:\n    try:\n        print(open(place).read())\n"
        "    except OSError:\n        pass\n"
    )
    outcome = run(program)
    assert outcome.ok and "sesame" not in outcome.stdout and "HOME" in outcome.stdout


def test_other_processes_cannot_be_touched(run) -> None:
    outcome = run(f"import os; os.kill({os.getpid()}, 0)")
    assert not outcome.ok and "Error" in outcome.error
    assert not run("import os; os.setsid()").ok


def test_what_is_not_text_is_replaced(run) -> None:
    outcome = run("import os; os.write(1, b'\\xff\\xfe ok')")
    assert outcome.ok and outcome.stdout.endswith(" ok")
    assert run("print('\ud800')").code == 1  # a lone surrogate in a program is the program's error


def test_paths_of_files_stay_inside() -> None:
    for name in ("../x", "/etc/x", "main.py"):
        with pytest.raises(ValueError, match="no path"):
            sandbox.run("pass", files={name: ""})
    holds = sandbox.containment()
    assert holds.network and holds.files
