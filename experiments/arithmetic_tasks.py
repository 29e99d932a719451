"""The SeqIO Tasks of `arithmetic_format`: a byte-level one for every corpus of `addition`."""

from __future__ import annotations

import itertools

from experiments.addition import DIGITS, FORMATS, VALIDATION_SHARE, corpus_name, sample_sizes
from research.registry.tasks import add_task

for _digits, _format in itertools.product(DIGITS, FORMATS):
    for _samples in sample_sizes(_digits):
        add_task(
            corpus_name(_digits, _format, _samples),
            corpus=corpus_name(_digits, _format, _samples),
            vocabulary="byte",
            validation_share=VALIDATION_SHARE,
        )
