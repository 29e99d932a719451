"""Tags for sweeps over what data is made of: when a text was written, and what kind of place it is
from.

A Pretrainer's Guide (Longpre et al. 2023, https://arxiv.org/abs/2305.13169) trains on data of
different age, domain and quality.  The tags go to a document's meta, so that they can be the
domains of a Task (`domain_fields`), and `tagged` makes a corpus of the documents with some of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

from research.corpora.document import Document
from research.curate.steps import Drop, Step, option, threshold

EARLIEST = 1991  # of the World Wide Web
LOOKED_AT = 20_000  # characters from either end of a text
WRITTEN, CRAWLED = ("date", "published", "created", "year"), ("warc-date", "timestamp", "crawl")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_YEAR = r"((?:19|20)\d\d)"
_DATE = re.compile(
    rf"\b(?:{_YEAR}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
    rf"|{_MONTH} {{1,2}}\d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[ .-]{{1,2}}{_MONTH},?[ -]{{1,2}}{_YEAR}"
    rf"|(?:0?[1-9]|[12]\d|3[01])[/.](?:0?[1-9]|[12]\d|3[01])[/.]{_YEAR})(?!\d)",
    re.IGNORECASE,
)
_POSTED = re.compile(
    r"\b(?:posted|published|updated|modified|written|submitted|date|verfasst|publié|publicado)\b",
    re.IGNORECASE,
)
_COPYRIGHT = re.compile(
    rf"(?:©|\(c\)|copyright)[^\n\d]{{0,40}}(?:{_YEAR} ?[-–,] ?)?{_YEAR}(?!\d)", re.IGNORECASE
)
_URL_DATE = re.compile(rf"/{_YEAR}/(?:0?[1-9]|1[0-2])(?=[/-]|$)")
_URL_YEAR = re.compile(rf"(?<!\d){_YEAR}[-_/]?(?:0[1-9]|1[0-2])[-_/]?(?:0[1-9]|[12]\d|3[01])(?!\d)")
_URL_FOLDER = re.compile(rf"/{_YEAR}(?=/)")


@dataclasses.dataclass(frozen=True)
class Age(Step):
    """Notes the year in which a text was written, and by what evidence; drops nothing.

    The first that is found: a date in `meta`; a date or year in the address; a date beside a word
    such as 'posted'; the last year of a copyright line; the latest full date in the text, of which
    it cannot be older.  If there is nothing but the day a page was fetched, it is at most that
    old: evidence 'crawl'.
    """

    name: ClassVar[str] = "age"
    version: ClassVar[int] = 1

    latest: int = threshold(2030, EARLIEST, 2100, "year; a later one is no evidence")
    span: int = threshold(3, 1, 100, "years of the period that is noted beside the year")

    def __call__(self, document: Document) -> Document:
        for evidence, years in _evidence(document):
            if possible := [year for year in years if EARLIEST <= year <= self.latest]:
                year = max(possible)
                first = year - (year - EARLIEST) % self.span
                period = str(year) if self.span == 1 else f"{first}-{first + self.span - 1}"
                notes = {"year": year, "year_evidence": evidence, "period": period}
                return dataclasses.replace(document, meta={**document.meta, **notes})
        return document


def _evidence(document: Document) -> Iterator[tuple[str, list[int]]]:
    """Kinds of evidence, the best first, and the years each speaks for."""
    meta = {str(key).lower().rpartition(".")[2]: value for key, value in document.meta.items()}
    for key in WRITTEN:
        yield "meta", _years_of(meta.get(key))
    url = meta.get("url")
    if isinstance(url, str):
        for pattern in (_URL_DATE, _URL_YEAR, _URL_FOLDER):
            if found := pattern.search(url[:2048]):
                yield "url", [int(found[1])]
    text = document.text
    if len(text) > 2 * LOOKED_AT:
        text = f"{text[:LOOKED_AT]}\n{text[-LOOKED_AT:]}"
    dates = [(match.start(), int(next(filter(None, match.groups())))) for match in
             _DATE.finditer(text)]  # fmt: skip
    near = (year for start, year in dates if _POSTED.search(text, max(0, start - 40), start))
    yield "posted", list(near)[:1]
    yield "copyright", [int(match[2]) for match in _COPYRIGHT.finditer(text)]
    yield "latest_date", [year for _, year in dates]
    for key in CRAWLED:
        yield "crawl", _years_of(meta.get(key))


def _years_of(value: Any) -> list[int]:
    """The year that a value of meta begins with, if it does."""
    found = re.match(rf"\s*{_YEAR}(?!\d)", str(value)) if isinstance(value, str | int) else None
    return [int(found[1])] if found else []


# domain: what a host ends in, words of the host, words of the path
DOMAINS: dict[str, tuple[str, str, str]] = {
    "encyclopedia": ("wikipedia.org wikimedia.org wiktionary.org britannica.com fandom.com",
                     "wiki wikia encyclopedia encyclopaedia", "wiki"),
    "code": ("github.com gitlab.com bitbucket.org readthedocs.io readthedocs.org sourceforge.net "
             "pypi.org npmjs.com", "git svn docs developer developers api", "docs api reference"),
    "questions": ("stackoverflow.com stackexchange.com serverfault.com superuser.com quora.com "
                  "answers.com", "answers ask faq", "questions faq answers"),
    "social": ("reddit.com twitter.com facebook.com tumblr.com livejournal.com blogspot.com "
               "wordpress.com medium.com", "forum forums board blog blogs chat community",
               "forum forums blog thread viewtopic showthread topic community comments"),
    "biomedical": ("nih.gov who.int webmd.com mayoclinic.org biomedcentral.com plos.org",
                   "pubmed medical health clinic hospital med", "health medicine medical"),
    "academic": ("arxiv.org jstor.org springer.com sciencedirect.com semanticscholar.org acm.org "
                 "ieee.org .edu .ac.uk .edu.au", "journal journals university uni research",
                 "journal journals paper papers proceedings abstract"),
    "legal": ("justia.com findlaw.com law.cornell.edu eur-lex.europa.eu uspto.gov",
              "law legal court courts patent patents", "law statutes patent patents"),
    "government": (".gov .mil .gov.uk europa.eu un.org .gc.ca .gouv.fr", "", ""),
    "books": ("gutenberg.org archive.org goodreads.com", "book books library ebooks",
              "book books ebook ebooks"),
    "news": ("bbc.co.uk bbc.com cnn.com nytimes.com theguardian.com reuters.com spiegel.de "
             "lemonde.fr elpais.com", "news times post herald gazette tribune daily zeitung",
             "news article articles story press"),
    "shop": ("amazon.com ebay.com etsy.com aliexpress.com", "shop store buy cart mall outlet",
             "shop store product products cart catalog checkout category"),
}  # fmt: skip
SUFFIXES = {
    "code": "c cc cpp cs go h hpp java js jl kt lua php pl py r rb rs scala sh sql swift ts"
}
SOURCES = {"encyclopedia": "wiki wikipedia", "code": "code docs stack github", "math": "math",
           "books": "books gutenberg", "academic": "arxiv papers", "web": "crawl c4"}  # fmt: skip
_WORDS = re.compile(r"[a-z0-9]+")


@dataclasses.dataclass(frozen=True)
class Domain(Step):
    """Notes what kind of place a text is from, and by what evidence; drops nothing.

    The first that is found: the suffix of a file; the host's name, its words, the words of the
    path, each as `DOMAINS` lists them; the source's name; else 'web' for what has an address and
    'other' for what has none.  The list is ours and small.
    """

    name: ClassVar[str] = "domain"
    version: ClassVar[int] = 1

    def __call__(self, document: Document) -> Document:
        domain, evidence = _domain(document)
        notes = {"domain": domain, "domain_evidence": evidence}
        return dataclasses.replace(document, meta={**document.meta, **notes})


def _domain(document: Document) -> tuple[str, str]:
    path = document.meta.get("path")
    if isinstance(path, str):
        suffix = path.rpartition(".")[2].lower()
        for domain, suffixes in SUFFIXES.items():
            if suffix in suffixes.split():
                return domain, f"suffix .{suffix}"
    url = document.meta.get("url")
    if isinstance(url, str) and url:
        url = url[:2048].lower()
        try:
            parts = urlsplit(url if "//" in url else f"//{url}")
            host, path = parts.hostname or "", f"{parts.path} {parts.query}"
        except ValueError:
            return "web", "url"
        return _by_address(host, path) or ("web", "url")
    words = set(_WORDS.findall(document.source.lower()))
    for domain, names in SOURCES.items():
        if found := words.intersection(names.split()):
            return domain, f"source {min(found)}"
    return "other", "nothing"


def _by_address(host: str, path: str) -> tuple[str, str] | None:
    for domain, (ends, _, _) in DOMAINS.items():
        for end in ends.split():
            if host == end or host.endswith(end if end[0] == "." else f".{end}"):
                return domain, f"host {end}"
    for which, text in ((1, host), (2, path)):
        words = set(_WORDS.findall(text))
        for domain, lists in DOMAINS.items():
            if found := words.intersection(lists[which].split()):
                return domain, f"{'host' if which == 1 else 'path'} word {min(found)}"
    return None


@dataclasses.dataclass(frozen=True)
class Tagged(Step):
    """Keeps documents whose field of `meta` has one of some values, as a year or a bucket."""

    name: ClassVar[str] = "tagged"
    version: ClassVar[int] = 1

    field: str = option("domain", "of meta")
    values: tuple[str, ...] = option((), "as text; none keeps all that have the field")

    def __call__(self, document: Document) -> Document | Drop:
        if self.field not in document.meta:
            return Drop("no_value", f"no {self.field}")
        value = str(document.meta[self.field])
        if self.values and value not in self.values:
            return Drop("other_value", f"{self.field} {value[:80]}")
        return document
