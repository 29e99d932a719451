"""The shell scripts that run on every worker.

A worker keeps everything in ~/gristmill:

    installed          id of the source that is set up; written last
    source/  venv/     the code and its environment
    data/              vocabularies and token caches ($GRISTMILL_ROOT)
    setup.log
    job/lock           held by the kernel for as long as the job lives, however it ends
    job/launch         id of the start, so that a start that is repeated is done once
    job/pid  job/exit  of the job: its session, and its status once it has ended by itself
    job/log

Each script can be repeated, since connections break, and says how it went in its last line:
`gristmill-worker: WORD DETAIL`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from shlex import quote

UV = "uv==0.13.9"
SAYS = "gristmill-worker: "
PYTHON = "3.11"  # what constraints.txt is tested with; uv fetches it where there is none


@dataclasses.dataclass(frozen=True)
class Said:
    """The last line of a script on one worker.

    Attributes:
      word: how it went; 'unreachable' if the script did not get to its last line.
      detail: more on it.
      text: all that the worker wrote.
    """

    word: str
    detail: str = ""
    text: str = ""


def parse(text: str) -> Said | None:
    """What a worker's output says, or None if its script was cut off."""
    found = re.findall(r"^gristmill-worker: (\w+) ?(.*)$", text, re.MULTILINE)
    return Said(*found[-1], text) if found else None


def setup(source_id: str, archive: str, data: str | None) -> str:
    """Installs a source that lies in the home folder as `archive`.

    Args:
      source_id: of the source.
      archive: file name.
      data: gs:// folder to copy vocabularies and caches from; None copies nothing.
    """
    here = quote(source_id)
    lines = [
        'if [ "$(cat installed)" != ' + here + " ]; then",
        "  rm -rf installed source venv",
        f'  mkdir source && tar -xzf "$HOME"/{quote(archive)} -C source',
        f"  [ -x uv/bin/uv ] || python3 -m pip install --quiet --target uv {UV}",
        f"  uv/bin/uv venv --quiet --python {PYTHON} venv",
        "  uv/bin/uv pip install --quiet --python venv/bin/python \\",
        "    --constraint source/constraints.txt --editable './source[gcs,tpu]'",
        f"  echo {here} > installed",
        "fi",
        f'rm -f "$HOME"/{quote(archive)}',
    ]
    if data:
        lines.append(f"mkdir -p data && gcloud storage rsync --recursive {quote(data)} data")
    steps = "\n".join(lines)
    return f"""\
mkdir -p ~/gristmill/job && cd ~/gristmill && touch installed || exit 1
exec 8> setup.lock
if ! flock --nonblock 8; then
  echo 'gristmill-worker: failed another setup is running'; exit 1
fi
if ! flock --nonblock job/lock true; then
  echo "gristmill-worker: failed a job runs as process $(cat job/pid); end it by: launch.py stop"
  exit 1
fi
cat > steps << 'STEPS'
{steps}
STEPS
if bash -eu steps > setup.log 2>&1 < /dev/null; then
  echo 'gristmill-worker: ready'
else
  tail -n 30 setup.log
  echo 'gristmill-worker: failed the end of ~/gristmill/setup.log is above'; exit 1
fi"""


def run(
    launch: str,
    source_id: str,
    gin_files: Sequence[str],
    gin: Sequence[str],
    environment: Mapping[str, str],
) -> str:
    """Starts `gristmill train` in a session of its own.

    Args:
      launch: id of this start; a second start with the same id does nothing.
      source_id: what must be installed.
      gin_files: paths in the source.
      gin: bindings.
      environment: variables of the job.
    """
    words = ["train"]
    for path in gin_files:
        words += ["--gin_file", path]
    for binding in gin:
        words += ["--gin", binding]
    arguments = " ".join(map(quote, words))
    exports = "".join(f"export {name}={quote(value)}\n" for name, value in environment.items())
    return f"""\
cd ~/gristmill/job 2> /dev/null && [ "$(cat ../installed)" = {quote(source_id)} ] || {{
  echo 'gristmill-worker: failed source {source_id} is not installed; run: launch.py setup'; exit 1
}}
exec 9> lock
if ! flock --timeout 2 9; then  # a look at the job holds it for a moment
  if [ "$(cat launch)" = {quote(launch)} ]; then echo 'gristmill-worker: started'; exit 0; fi
  echo "gristmill-worker: failed a job runs as process $(cat pid); end it by: launch.py stop"
  exit 1
fi
if [ "$(cat launch 2> /dev/null)" = {quote(launch)} ] && [ -e pid ]; then
  echo 'gristmill-worker: started'; exit 0
fi
rm -f pid exit
cat > command << 'JOB'
echo $$ > pid
date '+---- started %F %T'
cd ../source
export GRISTMILL_ROOT="$HOME/gristmill/data"
{exports}status=0
../venv/bin/gristmill {arguments} || status=$?
echo $status > ../job/exit
JOB
echo {quote(launch)} > launch
setsid nohup bash command >> log 2>&1 < /dev/null &
echo 'gristmill-worker: started'"""


STATUS = """\
cd ~/gristmill/job 2> /dev/null && [ -e launch ] || { echo 'gristmill-worker: absent'; exit 0; }
tail -c 400 log 2> /dev/null | tr '\\r' '\\n' | tail -n 1
if ! flock --nonblock lock true; then echo 'gristmill-worker: running'
elif [ -e exit ]; then echo "gristmill-worker: exited $(cat exit)"
else echo 'gristmill-worker: killed'; fi"""

# the lock outlives the shell that holds it by the job's own processes, so that it says when
# the last of them, which saves a checkpoint on SIGTERM, has ended
STOP = """\
cd ~/gristmill/job 2> /dev/null || { echo 'gristmill-worker: stopped'; exit 0; }
if ! flock --nonblock lock true; then
  kill -TERM -- "-$(cat pid)"
  if ! flock --timeout 120 lock true; then
    kill -KILL -- "-$(cat pid)"
    flock --timeout 20 lock true || { echo 'gristmill-worker: failed cannot be killed'; exit 1; }
  fi
fi
echo 'gristmill-worker: stopped'"""


def logs(lines: int | None) -> str:
    """Prints the logs, or their last lines."""
    count = "+1" if lines is None else str(lines)
    return f"tail -n {count} ~/gristmill/setup.log ~/gristmill/job/log 2> /dev/null\n\
echo\necho 'gristmill-worker: logs'"
