"""`gristmill bench first_batch`: from process start to the first batch, caches on disk."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

from research import artefacts
from research.bench.figures import Figure
from research.errors import GristmillError
from research.input_pipeline.loader import open_caches
from research.registry.specs import load_mixture
from research.terminal import progress

OURS = """
import sys
from research import artefacts
from research.input_pipeline.batches import BatchSource, DataSpec
from research.input_pipeline.loader import load, mixture_schedule, open_caches
from research.registry.specs import load_mixture
root = artefacts.data_root()
mixture = load_mixture(root, "demo")
caches = open_caches(root, mixture, "train")
spec = DataSpec(mixture_schedule(mixture, caches), 1000, 64, 1024, 0, "concat", {}, "error")
batch = next(load(BatchSource(spec, caches, 3, 0), 500, threads=1))
assert batch["targets"].shape == (64, 1024)
assert "tensorflow" not in sys.modules and "seqio" not in sys.modules
"""
SEQIO = """
from research.registry import mixtures
from research.registry.seqio_quietly import seqio
dataset = seqio.get_dataset(
    "demo_stratified", {"targets": 1024}, seqio.DecoderFeatureConverter(pack=True),
    shuffle=True, num_epochs=None, batch_size=64, seed=0,
)
batch = next(dataset.as_numpy_iterator())
assert batch["decoder_target_tokens"].shape == (64, 1024)
"""


def first_batch(rounds: int) -> list[Figure]:
    """Our first batch (of step 500) against SeqIO's, of the demo mixture, in turns.

    Raises:
      GristmillError: the demo mixture is not cached below the data root.
    """
    root = artefacts.data_root()
    try:
        open_caches(root, load_mixture(root, "demo"), "train")
    except GristmillError as error:
        raise GristmillError(f"first_batch needs the demo mixture (make demo): {error}") from None
    seconds: dict[str, list[tuple[float, float]]] = {OURS: [], SEQIO: []}
    for _ in progress(range(rounds), desc="first_batch", unit="round"):
        for code, times in seconds.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
            wall = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            times.append((wall, cpu))
    figures = []
    for figure, index in (("seconds", 0), ("cpu_seconds", 1)):
        ours, theirs = ([times[index] for times in seconds[code]] for code in (OURS, SEQIO))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        values = statistics.median(ours), "s", "seqio", statistics.median(theirs), ratio
        figures.append(Figure("first_batch", figure, *values))
    return figures
