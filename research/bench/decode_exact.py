"""`gristmill bench decode_exact`: greedy answers with a cache are those without one.

A hundred prompts (pieces of real documents that the style `wikipedia` asks to rewrite) are answered
by SmolLM2-135M-Instruct in float32, in 32 slots together and one at a time, and the first of them
by llama.cpp, which is given the same weights in float32 and a cache in float32.  Then the model
that is trained reads each prompt with its answer at once, without any cache, and judges: each token
of an answer must have the largest logit there.  As each is judged after those before it, an answer
that passes is the greedy one.  Ours go on after the end of the text; llama.cpp's end with it, for
it could only be forbidden to choose it.

  mismatches      answers with a token whose logit is more than 0.001 below the largest; of all, and
                  of each way
  ties            answers that pass, but have a token with a logit below the largest: float32 sums
                  in another order decide such a place otherwise
  logprob_error   the most by which a token's log-probability differs from that without a cache
  differ          answers of llama.cpp from the quantised weights (Q4_1, multiplied with activations
                  rounded to 8 bits) that are others than ours: what its arithmetic changes, and no
                  mismatch

The server is run by the interpreter that $GRISTMILL_LLAMA_PYTHON names.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize

from research import artefacts
from research.bench.decode import MODEL, Prompts, real_prompts
from research.bench.figures import Figure
from research.bench.llama_client import LlamaServer, find_llama
from research.model import transformer
from research.model.config import ModelConfig
from research.model.generate import Completion, Generator, Prompt
from research.model.weights import load_weights
from research.terminal import progress

PROMPTS, LLAMA_PROMPTS = 100, 24
CHUNK_TOKENS, MOST_ANSWER_TOKENS = 64, 32
SLOTS, CONTEXT = 32, 512
ROW = 64  # rows of the judge have a multiple of so many places
TIE = 1e-3


def decode_exact(rounds: int) -> list[Figure]:
    """Answers that are not those of the model without a cache.

    Args:
      rounds: not used: greedy answers are the same each time.

    Raises:
      GristmillError: the weights, a corpus or llama.cpp is missing.
    """
    python, gguf = find_llama()
    root = artefacts.data_root()
    prompts = real_prompts(root, PROMPTS, CHUNK_TOKENS)
    prompts = [(tokens, min(count, MOST_ANSWER_TOKENS)) for tokens, count in prompts]
    config, params = load_weights(root, MODEL)
    config = dataclasses.replace(config, compute_dtype="float32")
    bar = progress(total=5, desc="decode_exact", unit="part")
    answers = {}
    for way, slots in (("batched", SLOTS), ("alone", 1)):
        answers[way] = _generate(params, config, prompts, slots)
        bar.update()
    for way, exact in (("llama.cpp", True), ("quantised", False)):
        answers[way] = _llama(python, gguf, prompts[:LLAMA_PROMPTS], exact)
        bar.update()
    ours = [answer.tokens for answer in answers["batched"]]
    quantised = [answer.tokens for answer in answers.pop("quantised")]
    differ = sum(
        theirs != mine[: len(theirs)] for theirs, mine in zip(quantised, ours, strict=False)
    )
    judge = _Judge(params, config)
    figures, total = [], 0
    for way, completions in answers.items():
        verdicts = [judge(prompt, answer)
                    for (prompt, _), answer in zip(prompts, completions, strict=False)]  # fmt: skip
        wrong = sum(gap > TIE for gap, _ in verdicts)
        total += wrong
        unit = f"of {len(verdicts)} answers"
        figures += [Figure("decode_exact", f"mismatches_{way}", float(wrong), unit),
                    Figure("decode_exact", f"ties_{way}",
                           float(sum(0 < gap <= TIE for gap, _ in verdicts)), unit)]  # fmt: skip
        if way != "llama.cpp":
            error = max(error for _, error in verdicts)
            figures.append(Figure("decode_exact", f"logprob_error_{way}", error, "nats"))
    bar.update()
    bar.close()
    tokens = sum(map(len, ours))
    return [Figure("decode_exact", "mismatches", float(total), f"{tokens} tokens of each way"),
            *figures,
            Figure("decode_exact", "differ", float(differ), f"of {LLAMA_PROMPTS} answers",
                   "llama.cpp Q4_1")]  # fmt: skip


def _generate(
    params: transformer.Params, config: ModelConfig, prompts: Prompts, slots: int
) -> list[Completion]:
    generator = Generator(params, config, stop_ids=[], slots=slots, context=CONTEXT)
    done = dict(generator.generate(Prompt(*prompt) for prompt in prompts))
    return [done[number] for number in range(len(prompts))]


def _llama(python: str, gguf: Path, prompts: Prompts, exact: bool) -> list[Completion]:
    """Its answers, with the end of the text where they have it."""
    with tempfile.TemporaryDirectory() as folder:
        if exact:
            gguf = write_float32(gguf, Path(folder) / "float32.gguf")
        with LlamaServer(python, gguf, slots=8, context=CONTEXT, exact=exact) as server:
            answers = server.answer(prompts, stop=True)
    return [Completion(tuple(tokens), (), "stop") for tokens in answers]


def write_float32(source: Path, target: Path) -> Path:
    """The same model with all its tensors in float32."""
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        about_it = field.name.startswith("GGUF.") or field.name in (
            "general.architecture", "general.file_type", "general.quantization_version",
        )  # fmt: skip
        if not about_it:
            kind, *inner = field.types
            of = inner[-1] if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, of)
    for tensor in reader.tensors:
        array = dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, np.asarray(array, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


class _Judge:
    """The model that is trained, reading a prompt with its answer at once."""

    def __init__(self, params: transformer.Params, config: ModelConfig) -> None:
        self._params = jax.device_put(params)
        self._seen: dict[tuple[int, ...], tuple[float, np.ndarray]] = {}

        @jax.jit
        def logits(params: transformer.Params, row_1xL: jax.Array, places_N: jax.Array):
            hidden_1xLxD = transformer.hidden_states(
                params, config, row_1xL, jnp.ones_like(row_1xL),
                jnp.arange(row_1xL.shape[1])[None], mesh=None, attention="plain", remat="none",
            )  # fmt: skip
            return transformer.logits(hidden_1xLxD[:, places_N], params, config)[0]

        self._logits = logits

    def __call__(self, prompt: Sequence[int], answer: Completion) -> tuple[float, float]:
        """By how much a logit of the answer is below the largest at its place, at most, and how far
        its log-probabilities are off, at most."""
        row = (*prompt, *answer.tokens)
        if row not in self._seen:
            self._seen[row] = self._read(row, len(answer.tokens))
        gap, logprobs_N = self._seen[row]
        error = np.abs(logprobs_N - answer.logprobs).max() if answer.logprobs else 0.0
        return gap, float(error)

    def _read(self, row: tuple[int, ...], new: int) -> tuple[float, np.ndarray]:
        """The largest gap, and the log-probabilities, of the last tokens of a row."""
        padded = np.zeros((1, -(-len(row) // ROW) * ROW), np.int32)
        padded[0, : len(row)] = row
        before = len(row) - new - 1 + np.arange(MOST_ANSWER_TOKENS)  # the place before each token
        logits_NxV = self._logits(self._params, padded, np.minimum(before, len(row) - 1))
        logits_NxV = np.asarray(logits_NxV, np.float64)[:new]
        own_N = logits_NxV[np.arange(new), list(row[-new:])]
        most_N = logits_NxV.max(1)
        total_N = most_N + np.log(np.exp(logits_NxV - most_N[:, None]).sum(1))
        return float((most_N - own_N).max()), own_N - total_N
