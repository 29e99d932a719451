"""A cloud in a folder, and a checkout to launch from: see fake_gcloud.py."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent.parent

# What the workers have on their PATH.  Training counts steps into its run directory, a step at a
# time, on worker 0; the others wait for the result.
STUBS = {
    "python3": """\
#!/bin/sh
[ -e "$HOME/broken" ] && { echo 'fetching uv'; echo 'No space left on device'; exit 1; }
mkdir -p uv/bin && cp "$FAKE_CLOUD/stubs/uv" uv/bin/uv
""",
    "uv": """\
#!/bin/sh
echo "$*" >> "$FAKE_CLOUD/installations"
mkdir -p venv/bin && cp "$FAKE_CLOUD/stubs/gristmill" venv/bin/gristmill
""",
    "gcloud": """\
#!/bin/sh
cp -r "$FAKE_CLOUD/bucket/${4#gs://bucket/}/." "$5"
""",
    "gristmill": """\
#!/bin/sh
for last; do :; done
run="$FAKE_CLOUD/bucket/$(echo "$last" | sed "s/.*gs:..bucket.//; s/'$//")"
mkdir -p "$run"
{ echo "$(basename "$HOME") at $(cat "$run/step" 2> /dev/null)"; } >> "$FAKE_CLOUD/starts"
for word; do printf '%s\\n' "$word"; done > "$HOME/words"
env > "$HOME/environment"
trap 'echo saved; exit 143' TERM
step=$(cat "$run/step" 2> /dev/null || echo 0)
while ! [ -e "$run/result.json" ]; do
  sleep 0.05
  [ -e "$FAKE_CLOUD/crash" ] && [ "$(basename "$HOME")" = 1 ] && { echo 'loss is NaN'; exit 1; }
  [ "$(basename "$HOME")" = 0 ] || continue
  [ -e "$FAKE_CLOUD/limit" ] && [ $step -ge "$(cat "$FAKE_CLOUD/limit")" ] && continue
  step=$((step + 1)); echo $step > "$run/step.new"; mv "$run/step.new" "$run/step"
  echo "step $step"
  if [ $step -ge "$(cat "$FAKE_CLOUD/steps")" ]; then echo '{}' > "$run/result.json"; fi
done
""",
}


@dataclasses.dataclass
class Done:
    """A finished launch.py."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of its error."""
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("launch.py: "), self.err
        return lines[0]


@dataclasses.dataclass
class Cloud:
    """A cloud of one test.

    Attributes:
      folder: see fake_gcloud.py.
      checkout: a git repository with tpu/ in it.
    """

    folder: Path
    checkout: Path

    def play(self, **events: Any) -> None:
        """Says what is to happen."""
        state = self.state()
        state["play"].update(events)
        (self.folder / "cloud.json").write_text(json.dumps(state))

    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "cloud.json").read_text())

    def calls(self, *words: str) -> list[list[str]]:
        """Calls of gcloud that have all the words."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [c for c in map(json.loads, lines) if set(words) <= set(c)]

    def starts(self) -> list[str]:
        """'WORKER at STEP' for every time that training began on a worker."""
        path = self.folder / "starts"
        return path.read_text().splitlines() if path.exists() else []

    def home(self, worker: int, node: str = "mill") -> Path:
        return self.folder / "homes" / node / str(worker)

    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        return {**os.environ, "PATH": path, "FAKE_CLOUD": str(self.folder)}

    def launch(self, command: str, *options: str, name: str = "mill") -> Done:
        """Runs launch.py, quickly."""
        line = [sys.executable, str(self.checkout / "tpu" / "launch.py"), command, "--name", name]
        quick = ["--poll_seconds", "0.1", "--grace_seconds", "0.3", "--backoff_seconds", "0.05"]
        done = subprocess.run(
            [*line, *quick, *options],
            env=self.environment(),
            cwd=self.checkout,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean git repository with the launcher and a gin file; do not write."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "tpu").mkdir()
    for path in (REPOSITORY / "tpu").glob("*.py"):
        shutil.copyfile(path, root / "tpu" / path.name)
    (root / "proxy.gin").write_text("run.steps = 10\n")
    (root / ".gitignore").write_text("__pycache__/\n*-logs/\n")
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "start"]):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    return root


@pytest.fixture
def cloud(tmp_path: Path, checkout: Path) -> Iterator[Cloud]:
    """An empty cloud with a project and a zone; training takes ten steps."""
    folder = tmp_path / "cloud"
    for name in ("bin", "stubs", "bucket", "homes"):
        (folder / name).mkdir(parents=True)
    for name, text in STUBS.items():
        (folder / "stubs" / name).write_text(text)
        (folder / "stubs" / name).chmod(0o755)
    program = folder / "bin" / "gcloud"
    fake = Path(__file__).with_name("fake_gcloud.py").read_text()
    program.write_text(f"#!{sys.executable} -SE\n{fake}")
    program.chmod(0o755)
    config = {"project": "proj", "compute/zone": "us-central2-b"}
    state = {"resources": {}, "lives": 0, "play": {}, "config": config}
    (folder / "cloud.json").write_text(json.dumps(state))
    (folder / "steps").write_text("10")
    yield Cloud(folder, checkout)
    for pid in (folder / "homes").rglob("job/pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.killpg(int(pid.read_text()), signal.SIGKILL)
