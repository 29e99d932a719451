"""What the `id` and `class` of an element tell about it.

The names are those of trafilatura 2.3 (Barbaresi 2021, https://aclanthology.org/2021.acl-demo.15)
for content, boilerplate and comments, and those of readability for its scores.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

# bits: the element may hold the content (from the surest guess to the last), is boilerplate, …
CONTENT = tuple(1 << i for i in range(4))
MAIN = 1 << 4
BOILERPLATE, HIDDEN, TEASER = 1 << 5, 1 << 6, 1 << 7
COMMENTS = tuple(1 << i for i in range(8, 12))
COMMENT_SECTION = 1 << 12
CONSENT, FOOTER, UNLIKELY, NEGATIVE, POSITIVE = (1 << i for i in range(13, 18))
NEGATIVE_TWICE, POSITIVE_TWICE = 1 << 18, 1 << 19
LAYOUT = 1 << 20  # role=presentation
_MAYBE_ONE, _FIRST_ONLY = 1 << 21, 1 << 22  # only used here

_ARTICLE_ID = re.compile(r"(?:entry|article|art)-content|article__content|article(?:-|__)?body|"
                         r"articleBody|body-text")  # fmt: skip
_ARTICLE_CLASS = re.compile(
    r"post[-_]text|post-body|post-?entry|post[-_]?content|postContent|post_inner_wrapper|"
    r"article-?text|articleText|(?:entry|page|text|article|art)-content|article__content|"
    r"article(?:-|__)?body|articleBody|ArticleContent|body-text|article__container"
)
_ARTICLE_WORDS = ("post", "article", "ontent", "text", "ody")
_STORY_ID = re.compile(r"^primary|story-body")
_STORY_CLASS = re.compile(
    r"^article |post-bodycopy|story-?content|(?:theme|blog|section|single)-content|single-post|"
    r"main-column|wpb_text_column|story-body|field-body|(?i:fulltext)"
)
_CONTENT_ID = re.compile(r"content-main|content-body|contentBody|[Mm]ain-[Cc]ontent")
_CONTENT_CLASS = re.compile(
    r"content[-_]main|content(?:-|__)body|[Mm]ain-[Cc]ontent|[Pp]age-[Cc]ontent"
)
_BOTH = ("social", "viral", "newsletter", "syndication", "tags", "sidebar", "banner", "breadcrumb",
         "bread-crumb", "button", "author")  # fmt: skip
_BOILERPLATE_ID = (*_BOTH, "bmdh", "footer", "Footer", "share", "Share", "nav", "Nav", "menu",
                   "related", "message-container", "premium")  # fmt: skip
_BOILERPLATE_CLASS = (
    *_BOTH, "subnav", "avigation", "navbar", "navbox", "menu", "bar", " ad ", "-ad-", " ad-",
    "dfpad", "dfpAd", "outbrain", "taboola", "criteo", "paidcontent", "paid-content", "widget",
    "footer", "Footer", "byline", "Byline", "share-", "sociable", "embed", "tag-list", "consent",
    "modal-content", "permission", "elated", "next-", "-stories", "most-popular", "more-on", "meta",
    "rating", "attachment", "timestamp", "user-info", "user-profile", "-icon", "article-infos",
    "message-container", "slide", "viewport", "overlay", "options", "expand", "obfuscated",
    "blurred", "mol-factbox", "yin", "zlylin", "nfoline",
)  # fmt: skip
_BOILERPLATE_ID_START = ("shar", "jp-", "dpsp-content", "ad-")
_BOILERPLATE_CLASS_START = ("shar", "nav", "post-nav", "ZendeskForm", "ad-")
_HIDDEN_CLASS = re.compile(
    r"^hide-|comments-title|nocomments|-reply-|message|akismet|suggest-links|-hide-|hide-print|"
    r" hidden| hide|noprint|notloaded"
)
_CONSENT = re.compile(
    r"cookie[-_]?(?:banner|bar|consent|law|notice|policy|description)|notice[-_]{0,2}cookie|"
    r"consent[-_]?(?:banner|manager|sdk)|borlabs|cookiebot|cmplz|onetrust|moove[-_]?gdpr"
)
_CONSENT_WORDS = ("cookie", "consent", "borlabs", "cmplz", "onetrust", "gdpr")
_SECTION_ID = re.compile(r"^(?:[Cc]omment(?!ary)|comol|disqus_thread|dsq-comments)")
_SECTION_CLASS = re.compile(r"^[Cc]omment(?!ary)|(?:article|post)-comments")
_UNLIKELY = (
    "combx", "comment", "community", "disqus", "extra", "foot", "header", "menu", "remark", "rss",
    "shoutbox", "sidebar", "sponsor", "ad-break", "agegate", "pagination", "pager", "popup",
    "tweet", "twitter",
)  # fmt: skip
_MAYBE = ("and", "article", "body", "column", "content", "main", "shadow")
_POSITIVE = ("article", "body", "content", "entry", "hentry", "main", "page", "pagination", "post",
             "text", "blog", "story")  # fmt: skip
_NEGATIVE = (
    "button", "combx", "comment", "com-", "contact", "figure", "foot", "form", "input", "masthead",
    "media", "meta", "outbrain", "promo", "related", "scroll", "shoutbox", "sidebar", "sponsor",
    "shopping", "tags", "tool", "widget",
)  # fmt: skip


_DIGITS = re.compile(r"\d+")


def marks_of(attributes: Mapping[str, str]) -> int:
    """The bits of an element with these attributes; they do not depend on its tag."""
    get = attributes.get
    id, name = get("id"), get("class")
    marks = 0
    if id:
        marks = _id_marks(id if id.isalpha() else _DIGITS.sub("0", id))
    if name:
        marks |= _class_marks(name) if not marks else _both(marks, _class_marks(name))
    if len(attributes) > (id is not None) + (name is not None):
        style = get("style")
        if style and (
            ("hidden" in style and not id) or ("display" in style and _NONE_SHOWN(style))
        ):
            marks |= HIDDEN
        if get("aria-hidden") == "true":
            marks |= HIDDEN
        if role := get("role"):
            marks |= _role_marks(role)
        if get("itemprop") == "articleBody":
            marks |= CONTENT[0]
    if marks & _FIRST_ONLY:
        marks = _by_first(attributes, marks, id or "", name or "")
    return marks & ~_MAYBE_ONE


_NONE_SHOWN = re.compile(r"display: ?none").search


def _both(id_marks: int, class_marks: int) -> int:
    """Both attributes together: two weights add up, one hopeful name makes up for an unlikely."""
    marks = id_marks | class_marks
    if id_marks & class_marks & NEGATIVE:
        marks |= NEGATIVE_TWICE
    if id_marks & class_marks & POSITIVE:
        marks |= POSITIVE_TWICE
    return marks & ~UNLIKELY if marks & _MAYBE_ONE else marks


def _by_first(attributes: Mapping[str, str], marks: int, id: str, name: str) -> int:
    """Some rules look at the first of `id` and `class` only."""
    for key in attributes:
        if key == "id" or key == "class":
            first = id if key == "id" else name
            break
    marks &= ~_FIRST_ONLY
    if "cookie" in first:
        marks |= BOILERPLATE
    if first.startswith("reply-"):
        marks |= HIDDEN
    if "commentlist" in first or "comment-list" in first:
        marks |= COMMENTS[0]
    if first.startswith(("comments", "comment-")):
        marks |= COMMENTS[1]
    if "footer" in first:
        marks |= FOOTER
    return marks


def _has(text: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110 (any() of a generator takes twice the time)
        if word in text:
            return True
    return False


@functools.lru_cache(1 << 12)
def _role_marks(role: str) -> int:
    marks = BOILERPLATE if "nav" in role.replace("N", "n") else 0
    if role == "article":
        marks |= CONTENT[2]
    if role.startswith("main"):
        marks |= MAIN
    return marks | (LAYOUT if role in ("presentation", "none") else 0)


@functools.lru_cache(1 << 14)
def _id_marks(id: str) -> int:
    marks = _common_marks(id)
    if id == "articleContent" or _ARTICLE_ID.search(id):
        marks |= CONTENT[0]
    if id in ("article", "story") or _STORY_ID.search(id):
        marks |= CONTENT[2]
    if id == "content" or _CONTENT_ID.search(id):
        marks |= CONTENT[3]
    if id.startswith(_BOILERPLATE_ID_START) or _has(id, _BOILERPLATE_ID):
        marks |= BOILERPLATE
    if "hidden" in id or "reader-comments" in id or "akismet" in id:
        marks |= HIDDEN
    if id.startswith("social"):
        marks |= COMMENTS[3]
    if id.startswith(("comol", "disqus_thread", "dsq-comments")):
        marks |= COMMENTS[2]
    if _SECTION_ID.match(id):
        marks |= COMMENT_SECTION
    return marks


@functools.lru_cache(1 << 14)
def _class_marks(name: str) -> int:
    marks = _common_marks(name)
    if name in ("post", "entry") or (_has(name, _ARTICLE_WORDS) and _ARTICLE_CLASS.search(name)):
        marks |= CONTENT[0]
    if name in ("postarea", "art-postcontent", "text", "cell", "story") or _STORY_CLASS.search(
        name
    ):
        marks |= CONTENT[2]
    if name == "content" or _CONTENT_CLASS.search(name):
        marks |= CONTENT[3]
    if name.startswith(_BOILERPLATE_CLASS_START) or _has(name, _BOILERPLATE_CLASS):
        marks |= BOILERPLATE
    if name == "comments-title" or _HIDDEN_CLASS.search(name):
        marks |= HIDDEN
    if "omment" in name:
        if _has(name, ("comment-page", "comments-content", "post-comments")):
            marks |= COMMENTS[0]
        if name.startswith("Comments") or "article-comments" in name:
            marks |= COMMENTS[1]
        if "comment" in name:
            marks |= COMMENTS[3]
        if _SECTION_CLASS.search(name):
            marks |= COMMENT_SECTION
    return marks


def _common_marks(text: str) -> int:
    marks = 0
    if text.startswith("main"):
        marks |= MAIN
    if "easer" in text and "teaser" in text.replace("T", "t"):
        marks |= TEASER
    if "cookie" in text or "footer" in text or "omment" in text or text.startswith("reply-"):
        marks |= _FIRST_ONLY
    low = text.lower()
    if _has(low, _CONSENT_WORDS) and _CONSENT.search(low):
        marks |= CONSENT
    if _has(low, _MAYBE):
        marks |= _MAYBE_ONE
    elif len(low) > 1 and _has(low, _UNLIKELY):
        marks |= UNLIKELY
    if _has(low, _NEGATIVE):
        marks |= NEGATIVE
    if _has(low, _POSITIVE):
        marks |= POSITIVE
    return marks


def weight_of(marks: int) -> int:
    """Readability's weight of an element's names: 25 for each that speaks for it or against."""
    weight = 25 * (bool(marks & POSITIVE) - bool(marks & NEGATIVE))
    return weight + 25 * (bool(marks & POSITIVE_TWICE) - bool(marks & NEGATIVE_TWICE))
