"""The SeqIO Tasks of `curation_ladder`: a byte-level one for every rung, and the held-out text."""

from __future__ import annotations

from experiments.curation_ladder import HELD_OUT, RUNGS, WEB_TEXT, corpus_of, matched
from research.registry.mixtures import NATURAL, add_mixture
from research.registry.splits import SAMPLE_VALIDATION_SHARE
from research.registry.tasks import add_task

for _corpus in (*map(corpus_of, RUNGS), *map(matched, RUNGS[:-1]), WEB_TEXT):
    add_task(
        _corpus,
        corpus=_corpus,
        vocabulary="byte",
        validation_share=SAMPLE_VALIDATION_SHARE,
    )
add_mixture(HELD_OUT, dict.fromkeys((WEB_TEXT, "wiki_sample_bytes", "docs_sample_bytes"), NATURAL))
