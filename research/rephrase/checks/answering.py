"""Answers in which the model speaks of itself or of its task, instead of doing it.

Both checks look for phrases that assistants use, in the languages they are asked in most, and only
where such phrases stand: a refusal at the beginning of an answer, talk about the task at its two
ends.  What the source says itself is never held against a rewrite.
"""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

from research.rephrase.checks.words import words
from research.rephrase.style import Check, Rejection

BEGINNING = 300  # characters of a rewrite that may hold a refusal or an announcement
END = 400  # characters that may hold a farewell or a note

_DO = (
    r"(?:help|assist|comply|continue|complete|fulfil|fulfill|provide|rewrite|rephrase|create|"
    r"generate|"
    r"produce|write|answer|respond|discuss|engage|translate|summari[sz]e|offer|share|do (?:that|"
    r"this)|"
    r"process|access|see|view|find|read)"
)
_UNABLE = (
    r"(?:can(?:not|['’]t| not)|could(?:n['’]t| not)|am (?:un|not )able to|['’]m (?:un|not )able to|"
    r"must decline to|have to decline to|won['’]t|will not be able to|don['’]t feel comfortable|"
    r"am not allowed to|['’]m not allowed to)"
)
_REFUSAL = re.compile(
    "|".join(
        (
            # the model's excuse, and what it will not do
            rf"\A\W*(?:(?:i['’]?m|i am) (?:very |so |really )?sorry|sorry|my apologies|"
            rf"i apologi[sz]e|"
            rf"unfortunately)\b[^.!?\n]{{0,60}}?\bi ?{_UNABLE}\b(?:[^.!?\n]{{0,30}}? )?{_DO}",
            rf"\A\W*i ?{_UNABLE} {_DO}\b",
            r"\A\W*i must decline\b",
            rf"\bi (?:do not|don['’]t) have (?:access|the ability)\b[^.\n]{{0,80}}\b{_DO}\b",
            # what it is
            r"\A\W*(?:[^.!?\n]{0,40}, )?(?:as|i am|i['’]m) an? (?:ai|artificial intelligence|"
            r"(?:large )?language model|virtual assistant)\b",
            r"\b(?:against|violates?|violating) (?:my|our|the) [^.\n]{0,30}?"
            r"(?:guidelines|programming|principles)\b",
            r"\bviolates? (?:content|usage|safety) polic(?:y|ies)\b",
            # nothing to rewrite
            r"\bno (?:text|document|passage|input) (?:was |has been |is |is being )?(?:provided|"
            r"given|"
            r"included|attached)\b",
            r"\b(?:please|could you|can you)[^.\n]{0,20}? (?:provide|share|paste|send|"
            r"give)[^.\n]{0,20}? "
            r"(?:the|your|me|a|more) [^.\n]{0,30}?(?:text|document|passage|information|context|"
            r"content)\b",
            # German, French, Spanish, Italian, Portuguese, Russian, Chinese, Japanese
            r"\A\W*(?:es )?tut mir leid,? [^.\n]{0,40}\bich\b[^.\n]{0,20}\b(?:kann|darf)\b",
            r"\A\W*ich kann (?:dabei|ihnen|dir|diese|diesen|dieser)\b[^.\n]{0,80}\bnicht\b",
            r"\A\W*als (?:ki|künstliche intelligenz|sprachmodell)\b",
            r"\A\W*(?:je suis )?(?:désolée?|navrée?)\b[^.\n]{0,40}\bje ne (?:peux|suis)\b",
            r"\A\W*en tant (?:que modèle|qu['’]ia|qu['’]intelligence)\b",
            r"\A\W*lo siento\b[^.\n]{0,40}\bno puedo\b",
            r"\A\W*como (?:modelo de lenguaje|una? (?:ia|inteligencia))\b",
            r"\A\W*mi dispiace\b[^.\n]{0,40}\bnon posso\b",
            r"\A\W*(?:desculpe|lamento|sinto muito)\b[^.\n]{0,40}\bnão posso\b",
            r"\A\W*(?:извините|к сожалению|простите)\b[^.\n]{0,40}\bя не могу\b",
            r"\A\W*как (?:языковая модель|искусственный интеллект)\b",
            r"\A\W*(?:对不起|抱歉|很抱歉|对不起)[，,]?[^。\n]{0,10}?我?(?:无法|不能)",
            r"\A\W*(?:作为|身为)(?:一个|一名|一款)?(?:人工智能|ai|语言模型|大型语言模型)",
            r"\A\W*申し訳(?:ありません|ございません)が[^。\n]{0,40}(?:できません|致しかねます)",
        )
    ),
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class NoRefusal(Check):
    """Rewrites that are no refusals, excuses, or questions for the text."""

    name: ClassVar[str] = "refusal"
    version: ClassVar[int] = 1

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        found = _REFUSAL.search(rewrite[:BEGINNING])
        if found is None or _says(source, found[0]):
            return None
        return Rejection("refusal", " ".join(found[0].split())[:80])


_TEXT = r"(?:text|version|passage|paragraph|article|document|rewrite|summary|translation|content)"
_MADE = (
    r"(?:re-?written|rephrased|paraphrased|revised|simplified|reworded|translated|requested|"
    r"improved)"
)
_ANNOUNCED = re.compile(
    "|".join(
        (
            r"\A\W*(?:sure|certainly|of course|absolutely|okay|ok|alright|understood|got it|great)"
            r"(?:\W*\Z|[!:.]|, (?:i|here|let|so|below|this|the (?:user|text))\b)",
            rf"\A\W*(?:here(?:['’]s| is| are)|below is|below you will find|the following is|"
            rf"this is) "
            rf"(?:the|a|an|my|your|our) [^.:\n]{{0,40}}?(?:{_MADE}[^.:\n]{{0,20}}?)?\b{_TEXT}\b"
            rf"(?:[^.:\n]{{0,40}}?\b{_MADE}\b|[^.:\n]{{0,60}}:\s)",
            rf"\A\W*here(?:['’]s| is| are) (?:the|a|an|my|your|our) [^.:\n]{{0,30}}?\b{_MADE}\b",
            rf"\A\W*(?:the )?{_MADE}(?: {_TEXT})?\W{{0,3}}:",
            r"\A\W*(?:rewrite|rewriting|paraphrase|rephrase|revision|output|response|"
            r"summary)\W{0,3}:",
            rf"\A\W*(?:please )?(?:rewrite|rephrase|paraphrase|summari[sz]e) (?:(?:this|the) )?"
            rf"(?:following )?{_TEXT}\b(?:\W{{0,3}}:| (?:to|so|in|by|as|for)\b)",
            rf"\b(?:the )?(?:original|following|given) {_TEXT} (?:is|reads|was)\b[^.\n]{{0,40}}:",
            rf"\b{_TEXT} (?:to be {_MADE}|to (?:rewrite|rephrase))\b",
            rf"\A\W*i(?:['’]ve| have) (?:just |now )?{_MADE} (?:the|this|your) {_TEXT}\b",
            rf"\A\W*(?:in|for) (?:this|the|my) {_MADE} {_TEXT}\b",
            rf"\A\W*(?:this|the) {_MADE} {_TEXT} (?:is|has|keeps|uses|maintains|preserves|aims)\b",
            r"\A\W*(?:as (?:you )?requested|as per your request)\b",
            r"\A\W*(?:okay|ok|so|first|alright|hmm)?\W*(?:the user|i need to|i have to|let me|"
            r"i will now|"
            r"i['’]ll now) (?:wants?|needs?|asks?|asked|is asking|rewrite|rephrase|write|start|"
            r"think)\b",
            r"\A\W*(?:hier ist|hier kommt|im folgenden finden sie|natürlich[,!]|gerne?[,!]|"
            r"gern geschehen)"
            r"[^.\n]{0,60}?(?::|\b(?:text|version|fassung)\b)",
            r"\A\W*(?:(?:bien sûr|d['’]accord|certainement)\s?[!,:]|voici (?:le|la|une|"
            r"un) [^.\n]{0,40}"
            r"(?:texte|version|réécri|reformul)[^.\n]{0,40}\s?:)",
            r"\A\W*(?:(?:claro|por supuesto|desde luego)\s?[!,:]|aquí (?:tienes|está|"
            r"tiene) [^.\n]{0,60}:)",
            r"\A\W*(?:ecco (?:il|la|una) [^.\n]{0,60}:|certo\s?[!,:])",
            r"\A\W*(?:aqui está [^.\n]{0,60}:|com certeza\s?[!,:])",
            r"\A\W*(?:вот (?:переписанный|перефразированный|текст)|конечно\s?[!,:])[^.\n]{0,60}",
            r"\A\W*(?:以下是|这是|下面是)[^。\n]{0,20}(?:改写|重写|翻译|版本|文本)[^。\n]{0,20}[：:]",
            r"\A\W*(?:好的|当然)[，,！!。]",
            r"\A\W*(?:以下は|こちらが)[^。\n]{0,30}(?:です|文章|テキスト)[。：:]",
        )
    ),
    re.IGNORECASE,
)
_FAREWELL = re.compile(
    "|".join(
        (
            r"\bi hope (?:this|that|it) (?:helps|is helpful|meets|works)\b",
            r"\b(?:please )?let me know if (?:you|there|this|that|it)\b",
            r"\b(?:feel free|do not hesitate|don['’]t hesitate) to (?:ask|reach|contact|let me|"
            r"modify|adjust)\b",
            r"\bwould you like me to\b",
            r"\bis there (?:anything|something) else\b",
            rf"\b(?:this|the|in this|in the) {_MADE} {_TEXT}\b",
            r"\bnote:? (?:that )?(?:i|this (?:version|rewrite)|the (?:rewrite|rewritten|above))\b",
            r"\bi(?:['’]ve| have) (?:rewritten|rephrased|kept|changed|simplified|used|made|tried|"
            r"preserved|maintained|removed|translated)\b[^.\n]{0,80}\b(?:text|fact|facts|sentence|"
            r"sentences|words|"
            r"meaning|tone|style|information|original|vocabulary|structure|version)\b",
            rf"\[?\bend of (?:the )?(?:{_MADE} )?{_TEXT}\b",
            r"\b(?:explanation of|summary of|list of) (?:the )?changes\b",
            r"\b(?:changes|modifications) made:",
            r"\bich hoffe,? (?:das|dies|diese)\b[^.\n]{0,20}\b(?:hilft|hilfreich)\b",
            r"\b(?:j['’]espère que (?:cela|ça|ce)|n['’]hésitez pas)\b",
            r"\b(?:espero que (?:esto|te|le|isso)|no dudes? en)\b",
            r"\b(?:надеюсь, (?:это|что)|дайте (?:мне )?знать)\b",
            r"希望(?:这|以上|对你|对您)",
        )
    ),
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class NoFraming(Check):
    """Rewrites without announcements, notes on what was changed, farewells and offers."""

    name: ClassVar[str] = "framing"
    version: ClassVar[int] = 2

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        for pattern, part in ((_ANNOUNCED, rewrite[:BEGINNING]), (_FAREWELL, rewrite[-END:])):
            for found in pattern.finditer(part):
                if not _says(source, found[0]):
                    return Rejection("talk about the task", " ".join(found[0].split())[:80])
        return None


def _says(source: str, phrase: str) -> bool:
    """Whether the source has most of the words of a phrase close together; all of a short one."""
    wanted, said = words(phrase), words(source)
    if len(wanted) < 3:
        return phrase.strip().lower() in source.lower()
    width = len(wanted) + 4
    return any(
        len(set(wanted).intersection(said[at : at + width])) >= 0.75 * len(set(wanted))
        for at in range(0, max(1, len(said) - 3), 2)
    )
