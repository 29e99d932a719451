"""Personal data: e-mail and IP addresses, telephone numbers, secret keys."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from research.corpora.document import Document
from research.curate.steps import Change, Edited, Step, option

# Every repetition is bounded, so that no text takes more than linear time.  Where a pattern begins
# with a set of characters, `re` looks for those alone; what must not stand before is asked after.
_EMAIL = re.compile(
    r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}"
    r"[A-Za-z]{2,24}(?![\w-])"
)
_IPV4 = re.compile(r"[0-9](?<![\w.].)\d{0,2}\.(?:\d{1,3}\.){2}\d{1,3}(?!\w|\.\d)")
_IPV6_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])")
_PHONE = re.compile(
    r"[+(0-9](?<![\w.+-].)(?:(?<=\+)\d(?:[ .()/-]{0,2}\d){7,14}|(?<=\()\d{3}\) ?\d{3}[ .-]\d{4}"
    r"|(?<=1)[ .-](?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}|(?<=\d)\d{2}[ .-]\d{3}[ .-]\d{4})"
    r"(?![\w-]|\.\d)"
)
_KEY_HINTS = ("AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "AIza", "xox", "sk-", "sk_",
              "PRIVATE KEY")  # fmt: skip
_KEY = re.compile(
    r"(?<!\w)(?:A(?:KIA|SIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,255}|AIza[0-9A-Za-z_-]{35}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,255}|sk-[A-Za-z0-9_-]{20,255}|sk_live_[A-Za-z0-9]{16,255})(?!\w)"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]{1,8192}-----END [A-Z ]{0,20}PRIVATE KEY-----"
)


@dataclasses.dataclass(frozen=True)
class RedactPersonalData(Step):
    """Puts a word such as `<email>` where personal data stood.

    The numbers are in `meta["redacted"]`, so that text and report can be held against each other;
    examples in reports show the shape of what was taken out (x for a letter, 9 for a digit), not
    the data.  As in datatrove, IP addresses that belong to nobody (private, loopback) stay.
    """

    name: ClassVar[str] = "personal_data"
    version: ClassVar[int] = 1

    email: str = option("<email>", "in place of an e-mail address; empty leaves them")
    ip: str = option("<ip>", "in place of a public IP address; empty leaves them")
    phone: str = option("<phone>", "in place of a telephone number; empty leaves them")
    key: str = option("<key>", "in place of a secret key; empty leaves them")

    def __call__(self, document: Document) -> Document | Edited:
        text = document.text
        changes: list[Change] = []
        for kind, inserted, pattern, valid, possible in (
            ("key", self.key, _KEY, None, any(hint in text for hint in _KEY_HINTS)),
            ("email", self.email, _EMAIL, None, "@" in text),
            ("ip", self.ip, _IPV4, _is_public, True),
            ("ip", self.ip, _IPV6, _is_public, _IPV6_HINT.search(text)),
            ("phone", self.phone, _PHONE, None, True),
        ):
            if inserted and possible:
                text = _replace(text, kind, inserted, pattern, valid, changes)
        if not changes:
            return document
        counts = Counter(change.reason for change in changes)
        meta = {**document.meta, "redacted": dict(sorted(counts.items()))}
        return Edited(dataclasses.replace(document, text=text, meta=meta), tuple(changes))


def _replace(
    text: str,
    kind: str,
    inserted: str,
    pattern: re.Pattern[str],
    valid: Callable[[str], bool] | None,
    changes: list[Change],
) -> str:
    def redact(match: re.Match[str]) -> str:
        if valid and not valid(match[0]):
            return match[0]
        changes.append(Change(kind, shape(match[0]), inserted))
        return inserted

    return pattern.sub(redact, text)


def shape(secret: str) -> str:
    """'ann.1@b.org' -> 'xxx.9@x.xxx'"""
    return re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "x", secret))


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
