"""Length, and the lines that pages have around their text."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

from research.corpora.document import Document
from research.curate.filters.words import words_of
from research.curate.steps import Change, Drop, Edited, Step, option, threshold
from research.errors import GristmillError

LONGEST_BOILERPLATE = 160  # characters: a longer line says something else too

# whole lines, in small letters, without marks at the end; our own list
BOILERPLATE: dict[str, str] = {
    "en": (
        r"skip to (main )?content|skip navigation|(back|return|go) to (the )?top|read more|"
        r"(log|sign) (in|up|out)( or register)?|register|all rights reserved|"
        r"share (this|on .{1,30})|(click|tap) here.{0,60}|(follow|like|find) us on .{1,40}|"
        r"subscribe.{0,60}|print this page|"
        r"(copyright|©|\(c\)).{0,100}|terms (of (use|service)|and conditions)|privacy policy|"
        r"(this|our) (web)?site uses cookies.{0,100}|accept( all)? cookies|advertisement|"
        r"loading|please (wait|enable javascript.{0,60})|(leave|post) a (comment|reply)|site ?map|"
        r"powered by .{1,60}|contact us|about us|home|search|menu|next|previous"
    ),
    "de": (
        r"zum (haupt)?inhalt springen|nach oben|mehr (lesen|erfahren)|weiterlesen|anmelden|"
        r"registrieren|alle rechte vorbehalten|datenschutz(erklärung)?|impressum|agb|startseite|"
        r"suche|menü|kontakt|diese (web)?seite verwendet cookies.{0,100}|anzeige|weiter|zurück"
    ),
    "fr": (
        r"aller au contenu( principal)?|haut de page|lire la suite|en savoir plus|se connecter|"
        r"connexion|s'inscrire|tous droits réservés.{0,60}|mentions légales|accueil|recherche|menu|"
        r"contact(ez-nous)?|politique de confidentialité|plan du site|suivant|précédent|publicité"
    ),
    "es": (
        r"saltar al contenido|volver arriba|leer más|iniciar sesión|registrarse|"
        r"todos los derechos reservados.{0,60}|política de (privacidad|cookies)|aviso legal|inicio|"
        r"buscar|menú|contacto|mapa del sitio|siguiente|anterior|publicidad"
    ),
    "it": (
        r"vai al contenuto|torna su|leggi (tutto|di più)|accedi|registrati|"
        r"tutti i diritti riservati.{0,60}|informativa sulla privacy|home|cerca|menu|contatti|"
        r"mappa del sito|avanti|indietro|pubblicità"
    ),
    "ru": (
        r"перейти к содержанию|наверх|читать (далее|дальше|полностью)|подробнее|войти|вход|"
        r"регистрация|все права защищены.{0,60}|главная|поиск|меню|контакты|карта сайта|реклама|"
        r"вперёд|вперед|назад|политика конфиденциальности"
    ),
    "hi": (
        r"मुख्य सामग्री पर जाएं|और पढ़ें|आगे पढ़ें|लॉग ?इन|साइन ?इन|सर्वाधिकार सुरक्षित.{0,60}|"
        r"गोपनीयता नीति|मुखपृष्ठ|होम|खोजें|संपर्क करें|विज्ञापन|अगला|पिछला"
    ),
}


@dataclasses.dataclass(frozen=True)
class Length(Step):
    """Drops texts that are too short or too long."""

    name: ClassVar[str] = "length"
    version: ClassVar[int] = 1

    min_characters: int = threshold(1, 0, 10**9, "characters without whitespace around them")
    max_characters: int = threshold(10**7, 1, 10**9, "characters without whitespace around them")
    min_words: int = threshold(0, 0, 10**9, "words, punctuation included")
    max_words: int = threshold(10**9, 1, 10**9, "words, punctuation included")

    def __call__(self, document: Document) -> Document | Drop:
        characters = len(document.text.strip())
        if characters < self.min_characters:
            return Drop("too_few_characters", f"{characters} < {self.min_characters}")
        if characters > self.max_characters:
            return Drop("too_many_characters", f"{characters} > {self.max_characters}")
        if self.min_words or self.max_words < 10**9:
            words = len(words_of(document.text).words)
            if words < self.min_words:
                return Drop("too_few_words", f"{words} < {self.min_words}")
            if words > self.max_words:
                return Drop("too_many_words", f"{words} > {self.max_words}")
        return document


@dataclasses.dataclass(frozen=True)
class BoilerplateLines(Step):
    """Removes lines that only navigate, ask for consent or claim rights."""

    name: ClassVar[str] = "boilerplate_lines"
    version: ClassVar[int] = 1

    languages: tuple[str, ...] = option(tuple(BOILERPLATE), "whose lists to use")
    max_share: float = threshold(0.8, 0, 1, "a text with more of its lines removed is dropped")

    def __post_init__(self) -> None:
        super().__post_init__()
        for language in self.languages:
            if language not in BOILERPLATE:
                raise GristmillError(
                    f"{self.name}.languages: no list for {language!r}; there are lists for: "
                    f"{', '.join(BOILERPLATE)}"
                )

    def __call__(self, document: Document) -> Document | Edited | Drop:
        pattern = _compiled(self.languages)
        kept: list[str] = []
        changes: list[Change] = []
        lines = 0
        for line in document.text.split("\n"):
            bare = line.strip(" \t\r\xa0•·*|»«›‹-–—.…:!>")
            lines += bool(bare)
            if 0 < len(bare) <= LONGEST_BOILERPLATE and pattern.fullmatch(bare.lower()):
                changes.append(Change("boilerplate", line))
            else:
                kept.append(line)
        if not changes:
            return document
        if (share := len(changes) / lines) > self.max_share:
            return Drop("only_boilerplate", f"{share:.3f} > {self.max_share}")
        return Edited(dataclasses.replace(document, text="\n".join(kept)), tuple(changes))


_COMPILED: dict[tuple[str, ...], re.Pattern[str]] = {}


def _compiled(languages: tuple[str, ...]) -> re.Pattern[str]:
    if languages not in _COMPILED:
        either = "|".join(BOILERPLATE[language] for language in languages)
        _COMPILED[languages] = re.compile(either or "(?!)")
    return _COMPILED[languages]
