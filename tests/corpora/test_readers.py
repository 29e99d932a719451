"""Every format's reader on small real text, by way of `gristmill corpora import`."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from research.corpora.web_archives import write_response

POEM = [
    {"id": "a", "content": {"text": "Tyger Tyger, burning bright,"}, "year": 1794, "tags": ["x"]},
    {"id": "b", "content": {"text": "In the forests of the night;"}, "year": 1794, "tags": []},
    {"id": "c", "content": {"text": "Was für ein Auge, 何の手が?"}, "year": 1795, "tags": []},
]
LINES = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in POEM).encode()


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst", ".zstd"])
def test_jsonl(gristmill, compress, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"poem.jsonl{suffix}"
    path.write_bytes(compress(suffix, LINES))
    options = ("--text-field", "content.text", "--meta-fields", "year,tags")
    assert gristmill.import_("poem", "jsonl", "--path", path, *options)[0] == 0
    documents = gristmill.documents("poem")
    assert [document.text for document in documents] == [r["content"]["text"] for r in POEM]
    assert documents[0].meta == {"year": 1794, "tags": ["x"]}
    assert documents[0].source == "poem"
    assert documents[2].id == f"poem/poem.jsonl{suffix}#3"


def test_ids_trace_to_file_and_line_and_never_to_the_machine(gristmill, tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "a/1.jsonl", "a/.hidden.jsonl", "a/notes.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"\n" + LINES)
    options = ("--text-field", "content.text")
    by_glob = gristmill.import_("glob", "jsonl", "--path", tmp_path / "data/*/?.jsonl", *options)
    by_folder = gristmill.import_("folder", "jsonl", "--path", tmp_path / "data", *options)
    assert by_glob[0] == by_folder[0] == 0
    expected = [f"{name}#{line}" for name in ("a/1.jsonl", "b/2.jsonl") for line in (2, 3, 4)]
    for corpus in ("glob", "folder"):
        ids = [document.id for document in gristmill.documents(corpus)]
        assert ids == [f"{corpus}/{place}" for place in expected]


def test_id_field_and_plain_values_as_meta(gristmill, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(LINES)
    options = ("--text-field", "content.text", "--id-field", "id", "--limit", "2")
    gristmill.import_("x", "jsonl", "--path", tmp_path / "x.jsonl", *options)
    documents = gristmill.documents("x")
    assert [(document.id, document.meta) for document in documents] == [
        ("a", {"year": 1794}),
        ("b", {"year": 1794}),
    ]


def test_parquet_local_and_by_address(gristmill, tmp_path: Path) -> None:
    table = pa.table({
        "text": pa.array([record["content"]["text"] for record in POEM]),
        "url": [f"https://example.org/{i}" for i in range(3)],
        "scores": [[0.5], [0.25], []],
    })  # fmt: skip
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=2)
    (tmp_path / "x.parquet").write_bytes(buffer.getvalue())
    fsspec.filesystem("memory").pipe("/bucket/x.parquet", buffer.getvalue())
    for name, path in (("local", tmp_path / "x.parquet"), ("remote", "memory://bucket/*.parquet")):
        assert gristmill.import_(name, "parquet", "--path", path)[0] == 0
        documents = gristmill.documents(name)
        assert [document.text for document in documents] == table["text"].to_pylist()
        assert documents[2].id == f"{name}/x.parquet#3"
        assert documents[2].meta == {"url": "https://example.org/2"}


def test_parquet_takes_nested_text_and_sets_aside_invalid_utf8(gristmill, tmp_path: Path) -> None:
    text = pa.array([b"good", b"bad \xff", b"good too"], pa.binary()).view(pa.string())
    table = pa.table({"content": pa.StructArray.from_arrays([text], ["text"])})
    pq.write_table(table, tmp_path / "x.parquet")
    options = ("--path", tmp_path / "x.parquet", "--text-field", "content.text")
    assert gristmill.import_("x", "parquet", *options)[0] == 0
    assert [document.text for document in gristmill.documents("x")] == ["good", "good too"]
    assert [(bad["reason"], bad["where"]) for bad in gristmill.quarantine("x")] == [
        ("invalid UTF-8", "x.parquet:2")
    ]


def warc(pages: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    for i, (content_type, body) in enumerate(pages):
        write_response(
            out,
            url=f"https://example.org/{i}",
            date="2024-02-29T12:00:00Z",
            record_id=f"urn:test:{i}",
            content_type=content_type,
            body=body,
        )
    return out.getvalue()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_warc(gristmill, compress, tmp_path: Path, suffix: str) -> None:
    page = "<html><head>{}<title>t</title><script>no()</script></head><p>{}</p><p>zwei</p></html>"
    meta = '<meta charset="shift_jis">'
    archive = warc([
        ("text/html; charset=iso-8859-1", page.format("", "größe").encode("latin-1")),
        ("text/html", page.format(meta, "日本語の文章です").encode("shift_jis")),
        ("image/png", b"\x89PNG"),
        ("text/html; charset=nonsense", page.format("", "größe").encode()),
    ]).replace(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=n",
               b"HTTP/1.1 404 OK\r\nContent-Type: text/html; charset=n")  # fmt: skip
    archive += warc([("text/html; charset=nonsense", page.format("", "größe").encode())])
    (tmp_path / f"crawl.warc{suffix}").write_bytes(compress(suffix, archive))
    assert gristmill.import_("crawl", "warc", "--path", tmp_path)[0] == 0
    documents = gristmill.documents("crawl")
    texts = ["größe\n\nzwei", "日本語の文章です\n\nzwei", "größe\n\nzwei"]
    assert [document.text for document in documents] == texts
    assert documents[1].meta == {
        "url": "https://example.org/1",
        "date": "2024-02-29T12:00:00Z",
        "record_id": "<urn:test:1>",
    }
    assert documents[2].id == f"crawl/crawl.warc{suffix}#5"
    assert gristmill.corpus("crawl").manifest["quarantined"] == {
        "not HTML but image/png": 1,
        "HTTP status 404": 1,
    }
    assert gristmill.import_("raw", "warc_html", "--path", tmp_path)[0] == 0
    raw = gristmill.documents("raw")
    assert [document.text for document in raw] == [
        page.format("", "größe"), page.format(meta, "日本語の文章です"), page.format("", "größe")
    ]  # fmt: skip
    assert raw[1].meta == {**documents[1].meta, "format": "html"}


def test_html_files_of_any_encoding(gristmill, tmp_path: Path) -> None:
    page = '<meta charset="{}"><p>größe</p>'
    for charset in ("utf-8", "iso-8859-1"):
        (tmp_path / f"{charset}.html").write_bytes(page.format(charset).encode(charset))
    assert gristmill.import_("pages", "files", "--path", tmp_path)[0] == 0
    texts = {document.text for document in gristmill.documents("pages")}
    assert texts == {page.format("utf-8"), page.format("iso-8859-1")}


def test_wet(gristmill, tmp_path: Path) -> None:
    body = b"Als Gregor Samsa eines Morgens erwachte"
    record = (
        b"WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: https://example.org/\r\n"
        b"WARC-Date: 2024-02-29T12:00:00Z\r\nWARC-Record-ID: <urn:x:%d>\r\n"
        b"WARC-Identified-Content-Language: deu\r\nContent-Type: text/plain\r\n"
        b"Content-Length: %d\r\n\r\n%s\r\n\r\n"
    )
    data = record % (b"warcinfo", 0, 2, b"x\n") + record % (b"conversion", 1, len(body), body)
    (tmp_path / "crawl.wet.gz").write_bytes(gzip.compress(data))
    assert gristmill.import_("wet", "wet", "--path", tmp_path / "*.wet.gz")[0] == 0
    (document,) = gristmill.documents("wet")
    assert document.text == body.decode()
    assert document.id == "wet/crawl.wet.gz#2"
    assert document.meta["language"] == "deu"


def test_files(gristmill, tmp_path: Path) -> None:
    contents = {
        "pkg/main.py": b"print('hi')\n",
        "pkg/lib.rs": b"fn main() {}\n",
        ".git/config": b"[core]\n",
        "pkg/logo.png": b"\x89PNG\0\0",
        "pkg/latin.txt": "größe".encode("latin-1"),
    }
    for name, data in contents.items():
        (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / name).write_bytes(data)
    assert gristmill.import_("repo", "files", "--path", tmp_path / "repo")[0] == 0
    assert [(document.id, document.meta) for document in gristmill.documents("repo")] == [
        ("repo/pkg/lib.rs", {"path": "pkg/lib.rs", "language": "rust"}),
        ("repo/pkg/main.py", {"path": "pkg/main.py", "language": "python"}),
    ]
    assert [(bad["reason"], bad["where"]) for bad in gristmill.quarantine("repo")] == [
        ("invalid UTF-8", "pkg/latin.txt"),
        ("binary file", "pkg/logo.png"),
    ]


def test_parents_give_roots(gristmill, tmp_path: Path) -> None:
    def write(name: str, *records: dict) -> Path:
        (tmp_path / name).write_text("".join(json.dumps(record) + "\n" for record in records))
        return tmp_path / name

    pages = write("pages.jsonl", {"id": "p1", "text": "one"}, {"id": "p2", "text": "two"})
    first = write("first.jsonl", {"id": "r1", "text": "uno", "from": "p1"})
    second = write(
        "second.jsonl",
        {"id": "s1", "text": "un et deux", "from": ["r1", "p2"]},
        {"id": "s2", "text": "d'où?", "from": ["nowhere"]},
        {"id": "s3", "text": "sans"},
        {"id": "s4", "text": "original", "from": []},
    )
    parents = ("--id-field", "id", "--parents-field", "from", "--parent-corpora")
    assert gristmill.import_("pages", "jsonl", "--path", pages, "--id-field", "id")[0] == 0
    assert gristmill.import_("first", "jsonl", "--path", first, *parents, "pages")[0] == 0
    assert gristmill.import_("second", "jsonl", "--path", second, *parents, "first,pages")[0] == 0
    rewritten, original = gristmill.documents("second")
    assert (rewritten.parents, rewritten.root_ids) == (("r1", "p2"), ("p1", "p2"))
    assert (original.parents, original.root_ids) == ((), ("s4",))
    assert gristmill.corpus("second").manifest["quarantined"] == {
        "its parent is in none of the corpora": 1,
        "no field 'from'": 1,
    }
    options = ("--path", first, *parents[:-1])
    status, _, error = gristmill.import_("alone", "jsonl", *options)
    assert status == 1 and "--parents-field needs either --parent-corpora A,B" in error
    assert gristmill.import_("alone", "jsonl", *options, "--parents-are-roots")[0] == 0
    assert gristmill.documents("alone")[0].root_ids == ("p1",)
    made_by = gristmill.corpus("alone").manifest["made_by"]["command"]
    assert made_by.endswith("--parents-are-roots")
    status, _, error = gristmill.import_("no", "jsonl", "--path", first, *parents, "absent")
    assert status == 1 and "no finished corpus absent" in error


def test_parents_must_be_ids_and_ids_of_one_document(gristmill, tmp_path: Path) -> None:
    good = {"id": 0, "text": "good", "from": ["p", 7]}
    bad = [None, "", [None], ["p", ""], {"id": "p"}, [["p"]], 1.5, True]
    records = [good, *({"id": i, "text": "x", "from": value} for i, value in enumerate(bad, 1))]
    records += [{"id": id, "text": "y", "from": "p"} for id in ("", {"a": 1}, False)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    options = ("--id-field", "id", "--parents-field", "from")
    path = ("--path", tmp_path / "x.jsonl")
    assert gristmill.import_("x", "jsonl", *path, *options, "--parents-are-roots")[0] == 0
    (document,) = gristmill.documents("x")
    assert (document.id, document.parents) == ("0", ("p", "7"))
    no_id = "is no id (neither an integer nor a string that is not empty)"
    assert gristmill.corpus("x").manifest["quarantined"] == {
        f"field 'from' {no_id}": 7, f"field 'id' {no_id}": 3, "field 'from' is null": 1,
    }  # fmt: skip

    (tmp_path / "y.jsonl").write_text('{"id": "0", "text": "another text"}\n')
    gristmill.import_("y", "jsonl", "--path", tmp_path / "y.jsonl", "--id-field", "id")
    status, _, error = gristmill.import_("z", "jsonl", *path, *options, "--parent-corpora", "x,y")
    assert status == 1 and "the id 0 in y@1 is also that of a document with other roots" in error


def test_links_are_followed_and_pipes_left_out(gristmill, tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for path in (data / "a/1.jsonl", elsewhere / "2.jsonl", elsewhere / "sub/3.jsonl"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"text": path.name}))
    (data / "a/link.jsonl").symlink_to(elsewhere / "2.jsonl")
    (data / "b").symlink_to(elsewhere / "sub")
    (data / "b/loop").symlink_to(data)
    os.mkfifo(data / "a/pipe.jsonl")
    expected = {"a/1.jsonl": "1.jsonl", "a/link.jsonl": "2.jsonl", "b/3.jsonl": "3.jsonl"}
    for number, pattern in enumerate((data, data / "*/*.jsonl", data / "**/*.jsonl")):
        name = f"x{number}"
        assert gristmill.import_(name, "jsonl", "--path", pattern)[0] == 0
        assert {document.id: document.text for document in gristmill.documents(name)} == {
            f"{name}/{file}#1": text for file, text in expected.items()
        }
    status, _, error = gristmill.import_("x", "jsonl", "--path", data / "a/pipe.jsonl")
    assert status == 1 and "pipe.jsonl is a pipe or device; name a file" in error
    (data / "a/gone.jsonl").symlink_to(tmp_path / "nowhere")
    for pattern in (data, data / "*/*.jsonl", data / "a/gone.jsonl"):
        status, _, error = gristmill.import_("x", "jsonl", "--path", pattern)
        assert status == 1 and error.count("\n") == 1
        assert f"{data}/a/gone.jsonl is a link that leads nowhere; restore" in error


def test_meta_fields_that_no_record_has(gristmill, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "a", "url": "u"}\n{"text": "b", "n": {"m": 1}}\n')
    command = ("x", "jsonl", "--path", tmp_path / "x.jsonl", "--meta-fields", "n.m,ulr,nn,url")
    status, output, _ = gristmill.import_(*command)
    assert status == 0
    warning = "  warning: no record has the --meta-fields ulr, nn"
    assert output.endswith(f"{warning}; they have: n, text, url\n")
    assert gristmill.import_(*command)[1].endswith(f"{warning}\n")
    command = ("y", *command[1:-1], "n.m,url")
    assert "warning" not in gristmill.import_(*command)[1]
