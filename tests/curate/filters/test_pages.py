"""C4, FineWeb, language, addresses, lines and personal data on small texts."""

from __future__ import annotations

import re

import pytest

from research.corpora.document import Document
from research.curate.filters.language import Language
from research.curate.filters.lines import BoilerplateLines, Length
from research.curate.filters.personal_data import RedactPersonalData
from research.curate.filters.urls import Address, WordList
from research.curate.filters.web_rules import C4, FineWebQuality
from research.curate.report import apply
from research.curate.steps import Drop, Step

FIVE = "The first is here. Here is the second. A third follows it. So does a fourth. And the fifth."


def outcome(step: Step, text: str, **meta) -> tuple[str, list[str]]:
    """The text or the reason for the drop; and the reasons of the edits."""
    result, changes = apply(step, Document(text, "a", "s", meta))
    edits = [change.reason for change in changes]
    return (f"drop:{result.reason}" if isinstance(result, Drop) else result.text), edits


def test_c4_removes_lines_and_says_why() -> None:
    page = (
        f"Menu\n{FIVE} [1] Yes [edit].\nIt goes on and on...\nOnly two.\nWe use cookies on this "
        "site.\nPlease turn Javascript on now.\n" + "Q" * 1001 + " is a word."
    )
    kept, edits = outcome(C4(), page)
    assert kept == f"{FIVE}  Yes ."
    assert edits == ["no_terminal_punc", "citation", "no_terminal_punc", "too_few_words", "policy",
                     "javascript", "too_long_word"]  # fmt: skip
    assert outcome(C4(), f"{FIVE}\nIt says lorem ipsum here.")[0] == "drop:lorem_ipsum"
    assert outcome(C4(), f"{FIVE}\nif (x) {{ return; }} is code.")[0] == "drop:curly_bracket"
    assert outcome(C4(), "Only one sentence is here.")[0] == "drop:too_few_sentences"
    assert outcome(C4(), FIVE) == (FIVE, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n".join([FIVE, "Another long line that ends in a full stop, as it should."]), "kept"),
        ("a line that never ends in any mark at all\n" * 3, "line_punct_ratio"),
        ("Short.\n" * 9, "short_line_ratio"),
        (f"{FIVE}\n" * 2, "char_dup_ratio"),
        ("Onelongwordthatgoesonandonandonandon.\n\n\nAnotherverylongwordthatgoeson!", "list_ratio"),
    ],
)  # fmt: skip
def test_fineweb(text: str, expected: str) -> None:
    result = outcome(FineWebQuality(), text)[0]
    assert result == (text if expected == "kept" else f"drop:{expected}")


def test_language() -> None:
    kept, _ = apply(Language(("en",), 0.5), Document(FIVE, "a", "s"))
    assert kept.meta["language"] == "en" and kept.meta["language_score"] > 0.5
    german = "Der Hund und die Katze sind nicht in dem Haus mit den Kindern gewesen."
    assert outcome(Language(("en",)), german)[0] == "drop:other_language"
    assert outcome(Language(("de", "fr")), german)[0] == german
    assert outcome(Language(("en",), 1.0), FIVE)[0] == "drop:low_score"


def test_addresses_and_words() -> None:
    assert outcome(Address(), FIVE)[0] == FIVE
    assert outcome(Address(), FIVE, url="https://essex.org/adult-education")[0] == FIVE
    assert outcome(Address(), FIVE, url="http://x.org/xxx/1")[0] == "drop:hard_word"
    assert outcome(Address(), FIVE, url="http://x.org/sexy/dating")[0] == "drop:soft_words"
    step = Address(domains=("spam.org",))
    assert outcome(step, FIVE, url="http://a.b.spam.org/")[0] == "drop:domain"
    assert outcome(step, FIVE, url="http://notspam.org/")[0] == FIVE
    assert outcome(step, FIVE, url="http://[bad")[0] == "drop:bad_url"
    assert outcome(WordList(), f"{FIVE} Porn!")[0] == "drop:listed_word"


def test_lines() -> None:
    page = f"Skip to main content\n• Home »\n{FIVE}\nAlle Rechte vorbehalten.\n© 2014 Acme, Inc."
    kept, edits = outcome(BoilerplateLines(), page)
    assert kept == FIVE and len(edits) == 4
    assert outcome(BoilerplateLines(), "Home\nSearch\nMenu")[0] == "drop:only_boilerplate"
    assert outcome(Length(min_words=30), FIVE)[0] == "drop:too_few_words"


def test_personal_data_is_redacted_and_counted_and_not_in_the_report() -> None:
    secrets = {
        "email": ["ann.lee+x@mail.example.org", "b@c.de"],
        "ip": ["8.8.8.8", "2001:4860:4860::8888"],
        "phone": ["(866) 687-5415", "+49 30 123456", "555-123-4567"],
        "key": ["AKIAABCDEFGHIJKLMNOP", "sk-abcdefghijklmnopqrstuvwx"],
    }
    text = "; ".join(secret for found in secrets.values() for secret in found)
    plain = " but not 10.0.0.1, 1.2.3.4.5, 10:20:30, 2015-10-12, 1,000,000, a::b, @name."
    result, changes = apply(RedactPersonalData(), Document(text + plain, "a", "s"))
    counts = {kind: len(found) for kind, found in secrets.items()}
    assert result.meta["redacted"] == counts
    assert {kind: result.text.count(f"<{kind}>") for kind in counts} == counts
    assert result.text.endswith(plain)
    shown = " ".join(change.removed for change in changes)
    assert not re.search(r"[a-wyzA-Z0-8]", shown)
    assert outcome(RedactPersonalData(email=""), "b@c.de")[0] == "b@c.de"
