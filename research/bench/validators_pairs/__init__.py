"""Texts with rewrites made by hand, good and bad, that the checks are measured by."""

from __future__ import annotations

from research.bench.validators_pairs import (
    answers,
    equations,
    language_and_repetition,
    numbers_and_names,
    overlap,
    programs,
    refusals_and_framing,
)

CASES = (
    *refusals_and_framing.CASES,
    *language_and_repetition.CASES,
    *overlap.CASES,
    *numbers_and_names.CASES,
    *answers.CASES,
    *equations.CASES,
    *programs.CASES,
)
