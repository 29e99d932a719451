"""The language of edit programs, their execution, and their compilation."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from research.bench.edit_programs import awkward, with_deletions
from research.corpora.document import Corpus
from research.curate.edits.chunks import chunks, joined, refine, removed_lines
from research.curate.edits.compile import compile_program
from research.curate.edits.execute import Lines, execute
from research.curate.edits.program import (
    DropDoc,
    KeepChunk,
    KeepDoc,
    Normalize,
    ProgramError,
    RemoveLines,
    RemoveStr,
    parse,
    write,
)

TEXT = "Home | About\nThe cat, the “cat”.\n\nShare\nShare\nEnd"


def test_programs_are_read_and_written() -> None:
    source = "  remove_lines( 0 , 1 )\n\nremove_str('it\\'s', 3, 2)\r\nnormalize(\"“\",'\"')\n"
    program = parse(source)
    assert program == (RemoveLines(0, 1), RemoveStr("it's", 3, 2), Normalize("“", '"'))
    assert parse(write(program)) == program
    strange = (RemoveStr('a, "b" (c) = [d] \\n \n\r\t\x0b\u2028\U0001f989'),)
    assert write(strange).count("\n") == 0 and parse(write(strange)) == strange
    assert parse("keep_chunk()") == (KeepChunk(),) and parse("drop_doc()") == (DropDoc(),)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "an empty program"),
        ("delete(1)", "line 1, column 1 of the program: expected one of keep_doc"),
        ("keep_doc()\nremove_lines(1, 2)", "keep_doc() must stand alone"),
        ("remove_lines(1)", "expected 2 argument(s) of remove_lines, found ')'"),
        ("remove_lines(2, 1)", "expected lines in order, not 2 to 1"),
        ("remove_lines(1, 2, 3)", "expected ) after 2 argument(s) of remove_lines"),
        ("remove_lines('1', 2)", "expected a number as argument 1 of remove_lines"),
        ("remove_str(1)", "expected a string in quotes as argument 1"),
        ("remove_str('')", "expected a string that is not empty"),
        ("remove_str('a", "column 12 of the program: expected a string that ends with '"),
        ("keep_doc()\nremove_str(\"\\x41\")", "line 2, column 13 of the program: expected an esc"),
        ("remove_str('\\ud800')", "expected a character of Unicode"),
        ("keep_doc() keep_doc()", "column 11 of the program: expected one call a line"),
        ("remove_lines(-1, 2)", "expected an argument or )"),
        ("__import__('os')", "expected one of keep_doc"),
        ("remove_str(" + "(" * 50_000, "expected a number or a string"),
        ("a" * (2 << 20), "at most"),
    ],
)  # fmt: skip
def test_what_is_no_program_is_told_with_its_place(source: str, told: str) -> None:
    with pytest.raises(ProgramError) as error:
        parse(source)
    message = str(error.value)
    assert told in message and "\n" not in message and len(message) < 300


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("keep_doc()", TEXT),
        ("drop_doc()", None),
        ("remove_lines(0, 0)", TEXT[13:]),
        ("remove_lines(5, 5)", TEXT[:-3]),
        ("remove_str(', the “cat”')", TEXT.replace(", the “cat”", "")),
        ("remove_str('Share\\n', 4)", TEXT.replace("Share\nShare", "Share")),
        ("remove_str('cat', 1, 1)", TEXT.replace("“cat”", "“”")),
        ("remove_lines(3, 4)\nremove_lines(4, 5)", TEXT[:34]),
        ("normalize('“', '\"')\nnormalize('”', '')", TEXT.replace("“", '"').replace("”", "")),
        ("normalize('Share', 'S')\nremove_lines(3, 3)", TEXT[:34] + "S\nEnd"),
    ],
)
def test_execution(source: str, result: str | None) -> None:
    assert execute(parse(source), TEXT) == result


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("remove_lines(5, 6)", "the text has 6 lines, numbered from 0"),
        ("remove_str('dog')", "there is no 'dog'"),
        ("remove_str('cat')", "'cat' is there several times; name its line"),
        ("remove_str('Share', 2)", "there is no 'Share' in line 2"),
        ("remove_str('cat', 1, 2)", "there is no 'cat' number 2 in line 1"),
        ("remove_str('cat', 9)", "there is no line 9"),
        ("normalize('dog', 'cat')", "there is no 'dog'"),
        ("normalize('Share', 'S')\nremove_str('hare\\nS')", "two operations change"),
    ],
)
def test_programs_that_do_not_fit_are_refused(source: str, told: str) -> None:
    with pytest.raises(ProgramError, match=told.replace("(", r"\(")):
        execute(parse(source), TEXT)


def test_deletions_of_real_documents_replay_exactly(sample_root: Path) -> None:
    rng = random.Random(7)
    deletions = operations = 0
    for name in ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample"):
        documents = Corpus.open(sample_root, name).documents()
        texts = [next(documents).text[:20_000] for _ in range(20)]
        for _ in range(30):
            original = awkward(rng.choice(texts), rng)
            rewritten, made = with_deletions(original, rng)
            compiled = compile_program(original, rewritten)
            assert compiled.exact and parse(write(compiled.program)) == compiled.program
            expected = rewritten if rewritten.strip() else None
            assert execute(compiled.program, original) == expected
            deletions, operations = deletions + made, operations + len(compiled.program)
    assert operations <= 1.2 * deletions


@pytest.mark.parametrize(
    ("rewritten", "source", "exact"),
    [
        (TEXT, "keep_doc()", True),
        ("", "drop_doc()", True),
        (TEXT.replace("Share\nShare\n", ""), "remove_lines(3, 4)", True),
        (TEXT.replace("Home | ", ""), 'remove_str("Home | ")', True),
        (TEXT.replace("“cat”", "“”"), 'remove_str("cat", 1, 1)', True),
        # insertions are left out, what was replaced stays, and deletions beside them are kept
        (TEXT + "\nAnother line", "keep_doc()", False),
        (TEXT.replace("cat, the", "dog, a"), "keep_doc()", False),
        (TEXT.replace("Home | About\n", "").replace("End", "Fin"), "remove_lines(0, 0)", False),
    ],
)
def test_compiled_programs_are_short_and_only_delete(
    rewritten: str, source: str, exact: bool
) -> None:
    compiled = compile_program(TEXT, rewritten)
    assert (write(compiled.program), compiled.exact) == (source, exact)
    left = iter(TEXT)
    assert all(any(one == other for other in left) for one in compiled.text or "")


def test_chunks_and_back() -> None:
    text = "".join(f"line {number}\n" for number in range(50)) + "x" * 300
    parts = chunks(text, 100)
    assert "".join(part.text for part in parts) == text
    assert all(len(part.text) <= 100 for part in parts[:-1])
    assert parts[1].numbered().startswith(f"[000]line {parts[1].first_line}\n[001]")

    def refiner(numbered: str) -> str:
        if "line 5\n" in numbered:
            return "remove_lines(0, 1)\nremove_str('ine 4')"
        if "line 20\n" in numbered:
            return "drop_doc()"
        return "no program" if "line 30\n" in numbered else "keep_chunk()"

    program, wrong = refine(text, refiner, 100)
    assert len(wrong) == 1 and "expected one of keep_doc" in wrong[0]
    dropped = next(part for part in parts if "line 20\n" in part.text)
    expected = text.replace(dropped.text, "").replace("line 0\nline 1\n", "")
    assert execute(program, text) == expected.replace("line 4\n", "l\n", 1)
    gone = removed_lines(program, len(Lines(text)))
    assert gone[:3] == [True, True, False] and gone[20]
    with pytest.raises(ProgramError, match="other chunks have that string too"):
        joined(text, parts[:1], [parse("normalize('line', '')")])
    assert joined(text, parts, [(DropDoc(),)] * len(parts)) == (DropDoc(),)
    assert joined(text, parts, [(KeepChunk(),)] * len(parts)) == (KeepDoc(),)
