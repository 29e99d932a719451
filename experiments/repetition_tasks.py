"""The SeqIO Tasks of `repetition`: a byte-level one for every size of its corpus."""

from __future__ import annotations

from experiments.repetition import SIZES, corpus_name
from research.registry.splits import SAMPLE_VALIDATION_SHARE
from research.registry.tasks import add_task

for _size in SIZES:
    add_task(
        corpus_name(_size),
        corpus=corpus_name(_size),
        vocabulary="byte",
        validation_share=SAMPLE_VALIDATION_SHARE,
    )
