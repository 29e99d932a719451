"""Mathematics: a quick look for its signs, and a score of how much of a text it is.

The order is that of OpenWebMath (Paster et al. 2023, https://arxiv.org/abs/2310.06786) and of
InfiMM-WebMath-40B (Han et al. 2024, https://arxiv.org/abs/2409.12568): a cheap look at the source
of a page, then its extraction with LaTeX kept, then a score of the text.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import ClassVar

from research.corpora.document import Document
from research.curate.steps import Drop, Step, threshold

MARKS = (
    "<math", "MathJax", "mathjax", "katex", "KaTeX", "math/tex", "math/mml", "mwe-math",
    "latex.php", "codecogs", "mimetex", "cht=tx", "data-latex", 'class="math', "\\begin{",
    "\\frac", "\\sum", "\\int", "\\alpha", "\\mathbb", "\\left(", "\\sqrt", "$$", "\\(", "\\[",
)  # fmt: skip
TERMS = re.compile(
    r"\b(?:theorems?|lemmas?|corollar(?:y|ies)|proofs?|axioms?|conjectures?|equations?|inequalit"
    r"(?:y|ies)|polynomials?|quadratic|derivatives?|integrals?|differential|integers?|rational|"
    r"matri(?:x|ces)|vectors?|eigenvalues?|determinants?|algebra(?:ic)?|geometry|geometric|"
    r"trigonomet\w+|calculus|arithmetic|mathematic\w*|maths?|probabilit(?:y|ies)|variance|"
    r"covariance|standard deviation|logarithms?|exponents?|exponential|numerators?|denominators?|"
    r"fractions?|divisors?|multiples?|multipl(?:y|ied|ication)|divid(?:e|ed|ing) by|subtract\w*|"
    r"sum of|product of|square roots?|prime numbers?|sets? of|subsets?|functions?|continuous|"
    r"convergen(?:t|ce)|converges|sequences?|series|limits?|finite|infinite|bounded|topolog\w+|"
    r"manifolds?|isomorph\w+|homomorph\w+|permutations?|combinations?|graphs?|vert(?:ex|ices)|"
    r"triangles?|circles?|angles?|perpendicular|parallel|hypotenuse|radius|diameter|perimeter|"
    r"coefficients?|variables?|linear|nonlinear|orthogonal|symmetric|solve for|therefore|hence|"
    r"suppose|let [a-z]\b|if and only if|such that|percent(?:age)?|ratios?|how many|how much|"
    r"altogether|in total)\b",
    re.IGNORECASE,
)
# between dollars only with a sign of LaTeX: prices have dollars too
_FORMULA = re.compile(r"\$[^$\n]{0,200}[\\^_=][^$\n]{0,200}\$|\\\(|\\\[|\\begin\{")
_COMMAND = re.compile(r"\\[a-zA-Z]{2,}")
_RELATION = re.compile(r"[\w)\]}] ?[=<>≤≥≈≠+×÷*^−] ?[\w(\[{\\]|[∑∫√±∞∂∇∈⊂∀∃]")
_CODE = re.compile(r"[;{}]\s*$|^\s*(?:def|class|import|return|if|for|#include|function|var)\b",
                   re.MULTILINE)  # fmt: skip
LOOKED_AT = 100_000  # characters; the score of more is that of these
# weights of the logarithms of (1 + occurrences in 100 words): formulas, LaTeX commands, terms,
# relations, lines of code; then the constant.  Fitted by logistic regression on half of 758 texts
# of mathematics (SciPy's and NumPy's documentation with formulas, word problems of math_sample) and
# 1,515 others (web_pages, wiki_sample, docs_sample, code_sample); area under the curve on the other
# half .994.
_WEIGHTS = (2.00, 0.82, 2.79, 2.67, -2.86)
_CONSTANT = -4.07


@dataclasses.dataclass(frozen=True)
class MathSigns(Step):
    """Keeps pages and texts with a sign of formulas in their source, or with several terms of
    mathematics: a cheap look before extraction."""

    name: ClassVar[str] = "math_signs"
    version: ClassVar[int] = 1

    min_terms: int = threshold(5, 0, 10**6, "terms of mathematics, where there is no formula")

    def __call__(self, document: Document) -> Document | Drop:
        text = document.text
        if any(mark in text for mark in MARKS):
            return document
        for number, _ in enumerate(TERMS.finditer(text)):
            if number + 1 >= self.min_terms:
                return document
        return Drop("no_sign_of_mathematics", f"no formula and fewer than {self.min_terms} terms")


@dataclasses.dataclass(frozen=True)
class Mathematics(Step):
    """Keeps texts whose score of mathematics is high; notes it in `meta` as `math_score`.

    The thresholds are OpenWebMath's: a text with LaTeX needs less.
    """

    name: ClassVar[str] = "mathematics"
    version: ClassVar[int] = 1

    min_score: float = threshold(0.8, 0, 1, "probability of mathematics, without LaTeX")
    min_score_with_latex: float = threshold(0.17, 0, 1, "the same of a text with LaTeX")

    def __call__(self, document: Document) -> Document | Drop:
        score = math_score(document.text)
        latex = bool(_COMMAND.search(document.text)) and bool(_FORMULA.search(document.text))
        least = self.min_score_with_latex if latex else self.min_score
        if score < least:
            kind = "with LaTeX" if latex else "without LaTeX"
            return Drop("little_mathematics", f"{score:.3f} < {least} {kind}")
        return dataclasses.replace(document, meta={**document.meta, "math_score": round(score, 4)})


def math_score(text: str) -> float:
    """How likely a text is mathematics, from 0 to 1."""
    text = text[:LOOKED_AT]
    hundreds = max(len(text.split()), 20) / 100
    patterns = (_FORMULA, _COMMAND, TERMS, _RELATION, _CODE)
    total = _CONSTANT
    for weight, pattern in zip(_WEIGHTS, patterns, strict=True):
        total += weight * math.log1p(sum(1 for _ in pattern.finditer(text)) / hundreds)
    return 1 / (1 + math.exp(-total))
