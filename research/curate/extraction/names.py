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

_ARTICLE_ID = re.compile(r"(?:entry|article|art)-content|article__content|article(?:-|__)?body|"
                         r"articleBody|body-text")  # fmt: skip
_ARTICLE_CLASS = re.compile(
    r"post[-_]text|post-body|post-?entry|post[-_]?content|postContent|post_inner_wrapper|"
    r"article-?text|articleText|(?:entry|page|text|article|art)-content|article__content|"
    r"article(?:-|__)?body|articleBody|ArticleContent|body-text|article__container"
)
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
    r"consent[-_]?(?:banner|manager|sdk)|borlabs|cookiebot|cmplz|onetrust|moove[-_]?gdpr",
    re.IGNORECASE,
)
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


def marks_of(attributes: Mapping[str, str]) -> int:
    """The bits of an element with these attributes; they do not depend on its tag."""
    get = attributes.get
    id, name = get("id"), get("class")
    style, role, hidden = get("style"), get("role"), get("aria-hidden")
    if "itemprop" in attributes or role or "data-component" in attributes:
        extra = (get("itemprop"), role, get("data-component"))
    else:
        extra = None
    if id and name:
        id_first = next(key for key in attributes if key == "id" or key == "class") == "id"
    else:
        id_first = bool(id)
    if style is not None and "hidden" not in style and "display" not in style:
        style = None
    if not (id or name or style or hidden or extra):
        return 0
    return _marks(id or "", name or "", style or "", hidden == "true", extra, id_first)


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)


@functools.lru_cache(1 << 14)
def _marks(
    id: str,
    name: str,
    style: str,
    hidden: bool,
    extra: tuple[str | None, ...] | None,
    id_first: bool,
) -> int:
    item, role, component = extra or (None, None, None)
    either = id if id_first else name
    marks = 0
    if (
        name in ("post", "entry") or item == "articleBody" or id == "articleContent"
        or _ARTICLE_ID.search(id) or _ARTICLE_CLASS.search(name)
    ):  # fmt: skip
        marks |= CONTENT[0]
    if (
        role == "article" or id in ("article", "story")
        or name in ("postarea", "art-postcontent", "text", "cell", "story")
        or _STORY_ID.search(id) or _STORY_CLASS.search(name)
    ):  # fmt: skip
        marks |= CONTENT[2]
    if (
        id == "content"
        or name == "content"
        or _CONTENT_ID.search(id)
        or _CONTENT_CLASS.search(name)
    ):
        marks |= CONTENT[3]
    if name.startswith("main") or id.startswith("main") or (role or "").startswith("main"):
        marks |= MAIN
    if (
        _has(id, _BOILERPLATE_ID) or id.startswith(_BOILERPLATE_ID_START)
        or _has(name, _BOILERPLATE_CLASS) or name.startswith(_BOILERPLATE_CLASS_START)
        or "cookie" in either or (role and "nav" in role.replace("N", "n"))
        or (component and "MostPopularStories" in component)
    ):  # fmt: skip
        marks |= BOILERPLATE
    if (
        hidden or name == "comments-title" or either.startswith("reply-")
        or "hidden" in (id if id else style) or "display:none" in style or "display: none" in style
        or "reader-comments" in id or "akismet" in id or _HIDDEN_CLASS.search(name)
    ):  # fmt: skip
        marks |= HIDDEN
    if "easer" in id or "easer" in name:
        low = f"{id} {name}".replace("T", "t")
        marks |= TEASER if "teaser" in low else 0
    if "omment" in id or "omment" in name or "comol" in id or "disqus" in id or "dsq" in id:
        marks |= _comment_marks(id, name, either)
    if id.startswith("social"):
        marks |= COMMENTS[3]
    if _CONSENT.search(id) or _CONSENT.search(name):
        marks |= CONSENT
    if "footer" in either:
        marks |= FOOTER
    if role in ("presentation", "none"):
        marks |= LAYOUT
    words = f"{name} {id}".lower() if name and id else (name or id).lower()
    if len(words) > 1 and _has(words, _UNLIKELY) and not _has(words, _MAYBE):
        marks |= UNLIKELY
    for attribute in (name.lower(), id.lower()):
        if attribute and _has(attribute, _NEGATIVE):
            marks |= NEGATIVE_TWICE if marks & NEGATIVE else NEGATIVE
        if attribute and _has(attribute, _POSITIVE):
            marks |= POSITIVE_TWICE if marks & POSITIVE else POSITIVE
    return marks


def _comment_marks(id: str, name: str, either: str) -> int:
    marks = 0
    if (
        "commentlist" in either or "comment-list" in either
        or _has(name, ("comment-page", "comments-content", "post-comments"))
    ):  # fmt: skip
        marks |= COMMENTS[0]
    if (
        either.startswith(("comments", "comment-")) or name.startswith("Comments")
        or "article-comments" in name
    ):  # fmt: skip
        marks |= COMMENTS[1]
    if id.startswith(("comol", "disqus_thread", "dsq-comments")):
        marks |= COMMENTS[2]
    if "comment" in name:
        marks |= COMMENTS[3]
    if _SECTION_ID.search(id) or _SECTION_CLASS.search(name):
        marks |= COMMENT_SECTION
    return marks


def weight_of(marks: int) -> int:
    """Readability's weight of an element's names: 25 for each that speaks for it or against."""
    weight = 25 * (bool(marks & POSITIVE) - bool(marks & NEGATIVE))
    return weight + 25 * (bool(marks & POSITIVE_TWICE) - bool(marks & NEGATIVE_TWICE))
