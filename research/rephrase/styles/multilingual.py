"""Web text rewritten in its own language, or in another (after Pieler et al. 2024, "Rephrasing
natural text data with different languages and quality levels", https://arxiv.org/abs/2410.20796,
which takes WRAP beyond English).
"""

from __future__ import annotations

from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.language import InLanguage, SameLanguage
from research.rephrase.checks.length import LengthRatio
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.numbers import NumbersKept
from research.rephrase.checks.overlap import NotCopied, NotInvented
from research.rephrase.style import Style

SOURCE = "Pieler et al. 2024"
LANGUAGES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French",
    "hi": "Hindi", "it": "Italian", "ja": "Japanese", "nl": "Dutch", "pl": "Polish",
    "pt": "Portuguese", "ru": "Russian", "tr": "Turkish", "zh": "Chinese",
}  # fmt: skip

OWN_LANGUAGE = Style(
    name="own_language",
    version=1,
    about=f"clear prose in whatever language the text has ({SOURCE})",
    instruction=(
        "You rewrite texts of any language in clear, correct prose of the same language; you never "
        "translate. Keep every fact, name and number, and add none. Answer with the new text only."
    ),
    question="Rewrite this text in its own language:\n\n{text}",
    checks=(NoRefusal(), NoFraming(), LengthRatio(0.4, 2.0), NoLoops(), SameLanguage(),
            NotCopied(), NotInvented(), NumbersKept(lost=0.5, invented=1)),
)  # fmt: skip


def into(code: str, language: str) -> Style:
    """The style that says a text again in one language.

    Args:
      code: ISO 639-1, for the check.
      language: its English name, for the model.
    """
    # a Chinese sentence has a third of the letters of an English one, and the other way round
    return Style(
        name=f"into_{code}",
        version=1,
        about=f"the text in clear {language} ({SOURCE})",
        instruction=(
            f"You write texts again in {language}, whatever language they are in, as a good writer "
            f"of {language} would put them. Keep every fact, name and number, and add none. Answer "
            f"with the {language} text only."
        ),
        question=f"Write this text in {language}:\n\n{{text}}",
        answer_tokens=3.0,
        checks=(NoRefusal(), NoFraming(), LengthRatio(0.2, 4.0), NoLoops(), InLanguage(code),
                NumbersKept(lost=0.67, invented=1)),
    )  # fmt: skip


STYLES = (OWN_LANGUAGE, *(into(code, language) for code, language in LANGUAGES.items()))
