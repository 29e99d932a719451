"""What is wrong with an input is said in one line, or quarantined and counted; nothing is lost."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from research import cli
from research.corpora.web_archives import write_response

ROWS = [{"text": f"Line {i} says " + " ".join(str(i**k % 7919) for k in range(2, 30))}
        for i in range(12_000)]  # fmt: skip
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def one_line(error: str) -> str:
    """The message, having checked that it is a single line."""
    assert error.startswith("gristmill: ") and error.count("\n") == 1, error
    return error


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_truncated_file(gristmill, compress, tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / f"2.jsonl{suffix}"
    first.write_bytes(LINES[:100_000])
    whole = compress(suffix, LINES)
    second.write_bytes(whole[: len(whole) * 2 // 3])
    command = ("cut", "jsonl", "--path", tmp_path / "?.jsonl*")
    status, _, error = gristmill.import_(*command)
    assert status == 1
    assert f"{second} is damaged or cut off after record " in one_line(error)
    assert "fetch it again" in error and "--keep-damaged" in error
    assert not (gristmill.root / "corpora/cut/1/manifest.json").exists()

    assert gristmill.import_("kept", *command[1:], "--keep-damaged")[0] == 0
    kept = gristmill.corpus("kept").manifest
    assert kept["quarantined"]["damaged: the file could not be read from here on"] == 1
    last = gristmill.documents("kept")[-1]
    assert f"after record {last.id.partition('#')[2]} " in error

    second.write_bytes(whole)
    assert gristmill.import_(*command)[0] == 0
    assert gristmill.import_("whole", *command[1:])[0] == 0
    texts = [document.text for document in gristmill.documents("cut")]
    assert texts == [document.text for document in gristmill.documents("whole")]
    assert texts[-len(ROWS) :] == [row["text"] for row in ROWS]


def test_truncated_warc(gristmill, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.warc.gz", "wb") as out:
        for i in range(200):
            page = {"url": f"https://example.org/{i}", "record_id": f"urn:x:{i}"}
            body = f"<p>{'page ' * i}</p>".encode()
            date = "2024-01-01T00:00:00Z"
            write_response(out, date=date, content_type="text/html", body=body, **page)
    whole = (tmp_path / "x.warc.gz").read_bytes()
    (tmp_path / "x.warc.gz").write_bytes(whole[: len(whole) // 2])
    status, _, error = gristmill.import_("x", "warc", "--path", tmp_path / "x.warc.gz")
    assert status == 1 and "x.warc.gz is damaged or cut off after record" in one_line(error)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_compressed_file_without_a_byte_is_damaged(gristmill, compress, tmp_path, suffix) -> None:
    for name, data in {f"1.jsonl{suffix}": b"", "2.jsonl": b'{"text": "x"}\n'}.items():
        (tmp_path / name).write_bytes(data)
    command = ("x", "jsonl", "--path", tmp_path)
    status, _, error = gristmill.import_(*command)
    assert status == 1
    said = f"1.jsonl{suffix} cannot be read as jsonl (it holds no bytes at all)"
    assert said in one_line(error)
    assert gristmill.import_(*command, "--keep-damaged")[0] == 0
    assert sum(gristmill.corpus("x").manifest["quarantined"].values()) == 1
    (tmp_path / f"1.jsonl{suffix}").write_bytes(compress(suffix, b""))
    assert gristmill.import_("y", *command[1:])[1].startswith("y@1 imported: 1 documents")


@pytest.mark.parametrize(
    ("format", "name"),
    [("jsonl", "x.jsonl.gz"), ("jsonl", "x.zst"), ("parquet", "x.parquet"), ("warc", "x.warc")],
)
def test_file_of_another_kind(gristmill, tmp_path: Path, format: str, name: str) -> None:
    (tmp_path / name).write_bytes(LINES)
    status, _, error = gristmill.import_("x", format, "--path", tmp_path / name)
    assert status == 1
    assert f"{tmp_path / name} cannot be read as {format}" in one_line(error)


def test_bad_records_are_quarantined_with_their_places(gristmill, tmp_path: Path) -> None:
    good = [b'{"id": "1", "text": "good"}', b'{"id": "2", "text": "too"}']
    bad = {
        "invalid UTF-8": b'{"id": "3", "text": "\xff"}',
        "invalid JSON": b'{"id": "4", "text": ',
        "not a JSON object": b'["text"]',
        "no field 'text'": b'{"id": "5", "body": "?"}',
        "field 'text' is null": b'{"id": "6", "text": null}',
        "field 'text' is not a string but int": b'{"id": "7", "text": 7}',
        "empty text": b'{"id": "8", "text": " \\n"}',
        "not valid Unicode (lone surrogate)": b'{"id": "9", "text": "\\ud800"}',
        "no field 'id'": b'{"text": "nameless"}',
        "meta not valid Unicode (lone surrogate)": b'{"id": "m", "text": "x", "u": "\\ud800"}',
        "id (or the file name it is made of) not valid Unicode (lone surrogate)":
            b'{"id": "\\udfff", "text": "x"}',
        "nested too deeply":
            b'{"id": "n", "text": null, "u": ' + b"[" * 950 + b"]" * 950 + b"}",
        "id seen before": b'{"id": "1", "text": "again"}',
    }  # fmt: skip
    (tmp_path / "x.jsonl").write_bytes(b"\n".join([good[0], *bad.values(), good[1]]))
    command = ("x", "jsonl", "--path", tmp_path / "x.jsonl", "--id-field", "id")
    status, output, _ = gristmill.import_(*command)
    assert status == 0 and "2 documents" in output and "13 quarantined" in output
    assert [document.text for document in gristmill.documents("x")] == ["good", "too"]
    assert gristmill.corpus("x").manifest["quarantined"] == dict.fromkeys(bad, 1)
    found = gristmill.quarantine("x")
    assert [item["reason"] for item in found] == list(bad)
    assert [item["where"] for item in found[:6]] == [f"x.jsonl:{i}" for i in range(2, 8)]
    assert found[3]["excerpt"] == "the record has: id, body"
    assert found[-1]["where"] == "x.jsonl: 1"


def test_huge_line_is_set_aside_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(b'{"text": "before"}\n{"text": "')
        for _ in range(200):
            out.write(b"a" * 1_000_000)
        out.write(b'"}\n{"text": "after"}\n')
    script = (
        "import sys; from research.cli import main; status = main(sys.argv[1:]);"
        "peak = [x for x in open('/proc/self/status') if x.startswith('VmHWM')];"
        "print(peak[0].split()[1]); sys.exit(status)"
    )
    options = ("--format", "jsonl", "--licence", "CC0-1.0", "--path", str(path))
    command = ("--root", str(tmp_path), "corpora", "import", "x", *options)
    result = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=True
    )
    assert "2 documents" in result.stdout
    assert "quarantined: 1 × record larger than 64 MiB" in result.stdout
    assert int(result.stdout.split()[-1]) < 400 << 10  # KiB


def test_nothing_usable_names_the_fields_seen(gristmill, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"body": "a", "url": "b"}\n' * 3)
    command = ("x", "jsonl", "--path", tmp_path / "x.jsonl")
    status, _, error = gristmill.import_(*command)
    assert status == 1
    assert "no usable document in 1 input(s): 3 × no field 'text'" in one_line(error)
    assert "the record has: body, url" in error
    assert gristmill.import_(*command, "--text-field", "body")[0] == 0
    (tmp_path / "empty.jsonl").touch()
    status, _, error = gristmill.import_("e", "jsonl", "--path", tmp_path / "empty.jsonl")
    assert status == 1 and "no usable document" in one_line(error)


def test_parquet_without_the_column(gristmill, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"content": ["a"], "score": [1]}), path)
    status, _, error = gristmill.import_("x", "parquet", "--path", path)
    assert status == 1 and "has no column 'text'; it has: content, score" in one_line(error)
    status, _, error = gristmill.import_("x", "parquet", "--path", path, "--text-field", "score")
    assert status == 1 and "column 'score' is int64, not text" in one_line(error)
    path.write_bytes(path.read_bytes()[:-20])
    status, _, error = gristmill.import_("x", "parquet", "--path", path)
    assert status == 1 and "cannot be read as parquet" in one_line(error)


def test_addresses_that_lead_nowhere(gristmill, tmp_path: Path) -> None:
    for path, said in {
        tmp_path / "*.jsonl": "no file matches",
        tmp_path: "no file (.jsonl, .json, .ndjson) matches",
        "nonsense://x/*.jsonl": "Protocol not known",
        "": "the path or address is empty",
        "https://user:secret@localhost:1/x.jsonl?token=secret": "https://localhost:1/x.jsonl",
    }.items():
        status, _, error = gristmill.import_("x", "jsonl", "--path", path)
        assert status == 1 and said in one_line(error) and "secret" not in error
    assert gristmill.run("corpora", "build", "nonsense")[0] == 1
    for name in ("nonsense", "..", "../..", "/", "x@..", "n" * 300, ""):
        status, _, error = gristmill.run("corpora", "show", name)
        assert status == 1 and ("is no name of a corpus" in one_line(error) or name == "nonsense")
    for arguments in (["x", "--format", "docx"], ["a/b", "--format", "jsonl"],
                      ["n" * 129, "--format", "jsonl"]):  # fmt: skip
        with pytest.raises(SystemExit, match="2"):
            cli.main(["corpora", "import", *arguments, "--path", "x", "--licence", "x"])


@pytest.mark.parametrize(("format", "name"), [("jsonl", "x.jsonl.gz"), ("warc", "x.warc.gz")])
def test_broken_connection_is_not_damage(gristmill, monkeypatch, format: str, name: str) -> None:
    fsspec.filesystem("memory").pipe(f"/{name}", gzip.compress(LINES))

    def read(*_: object) -> bytes:
        raise ConnectionError("connection reset by peer")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.read", read)
    path = f"memory://{name}"
    status, _, error = gristmill.import_("x", format, "--path", path, "--keep-damaged")
    assert status == 1
    assert "broke off: connection reset by peer; run the same command again" in one_line(error)


def test_manifest_holds_no_credentials(gristmill, tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/data/x.jsonl", LINES[:500])
    fsspec.filesystem("memory").pipe("/user:secret@data/x.jsonl", LINES[:500])
    path = "memory://user:secret@data/x.jsonl"
    assert gristmill.import_("x", "jsonl", "--path", path)[0] == 0
    folder = gristmill.corpus("x").folder
    assert "secret" not in (folder / "manifest.json").read_text()
    assert "secret" not in gristmill.documents("x")[0].id


def test_nested_meta(gristmill, tmp_path: Path) -> None:
    deep = b'{"text": "deep", "m": ' + b"[" * 900 + b"]" * 900 + b"}\n"
    (tmp_path / "x.jsonl").write_bytes(deep + b'{"text": "flat", "m": [[1]]}\n')
    command = ("x", "jsonl", "--path", tmp_path / "x.jsonl", "--meta-fields", "m")
    assert gristmill.import_(*command)[0] == 0
    assert [document.meta for document in gristmill.documents("x")] == [{"m": [[1]]}]
    assert gristmill.corpus("x").manifest["quarantined"] == {"nested too deeply": 1}


def test_file_name_that_is_no_unicode(gristmill, tmp_path: Path) -> None:
    for name in (b"caf\xe9.txt", b"tea.txt"):
        path = tmp_path / "files" / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("text")
    command = ("x", "files", "--path", path.parent)
    assert gristmill.import_(*command)[0] == 0
    reason = "id (or the file name it is made of) not valid Unicode (lone surrogate)"
    assert gristmill.corpus("x").manifest["quarantined"] == {reason: 1}
    assert gristmill.import_(*command)[1].startswith("x@1 built before: 1 documents")
    assert gristmill.run("corpora", "list")[0] == 0
