"""The five samples, and the catalogue's mappings on small files of the real schemas."""

from __future__ import annotations

import dataclasses
import gzip
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from research.corpora import catalog
from research.corpora.document import Corpus, Document

EXPECTED = {  # documents, something that is in the text, something that must not be
    "web_sample": (954, "Sign in", "<div"),
    "wiki_sample": (106, "political philosophy", "[["),
    "code_sample": (None, "def __init__(self", None),
    "math_sample": (6800, "The answer is", "####"),
    "docs_sample": (6002, "Parameters:", "<p>"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_sample(sample_root: Path, name: str) -> None:
    documents, wanted, unwanted = EXPECTED[name]
    corpus = Corpus.open(sample_root, name)
    texts = [document.text for document in corpus.documents()]
    assert len(texts) == len(set(document.id for document in corpus.documents()))
    assert documents in (None, len(texts))
    assert any(wanted in text for text in texts)
    if unwanted:
        assert sum(unwanted in text for text in texts) <= len(texts) / 200
    entry = catalog.find(name)
    assert entry.bytes in (None, corpus.manifest["bytes"])
    assert corpus.manifest["licence"] == entry.licence
    assert corpus.manifest["made_by"]["inputs"][0]["name"].startswith("package ")
    assert str(Path(sys.prefix)) not in (corpus.folder / "manifest.json").read_text()


def test_samples_come_out_the_same_and_import_no_package(tmp_path: Path, sample_root: Path) -> None:
    script = (
        "import sys; from research.cli import main; status = main(sys.argv[1:]);"
        "assert not {'formasaurus', 'reasoning_gym', 'gensim', 'tensorflow'} & set(sys.modules);"
        "sys.exit(status)"
    )
    command = ("--root", str(tmp_path), "corpora", "build", "web_sample", "math_sample")
    subprocess.run([sys.executable, "-c", script, *command], check=True)
    for name in command[-2:]:
        again, before = (Corpus.open(root, name).manifest for root in (tmp_path, sample_root))
        assert again["fingerprint"] == before["fingerprint"]


def test_missing_package_is_named_with_its_command(gristmill, monkeypatch) -> None:
    def version(name: str) -> str:
        return "9.9" if name == "formasaurus" else metadata.distribution(name).version

    monkeypatch.setattr("research.corpora.installed.metadata.version", version)
    status, _, error = gristmill.run("corpora", "build", "web_sample")
    assert status == 1 and error.count("\n") == 1
    assert "9.9 is installed" in error
    assert "-m pip install --no-deps formasaurus==0.10.0" in error


def test_list_and_show(sample_root: Path, gristmill, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "one"}\n')
    gristmill.import_("mine", "jsonl", "--path", tmp_path / "x.jsonl")
    status, output, _ = gristmill.run("corpora", "list")
    rows = {line.split()[0]: line for line in output.splitlines()[1:] if line}
    assert status == 0 and set(catalog.CATALOG) < set(rows)
    assert " no " in rows["fineweb"] and "hf://datasets/HuggingFaceFW/fineweb" in rows["fineweb"]
    assert " yes " in rows["mine"] and "gristmill corpora import mine" in rows["mine"]
    status, output, _ = gristmill.run("corpora", "build", "--dry-run", "math_sample", "docs_sample")
    assert status == 0 and "math_sample@0.1.25 (Apache-2.0): 1 input(s)" in output
    command = ("--root", sample_root, "corpora", "show", "wiki_sample", "--examples", "3")
    status, output, _ = gristmill.run(*command)
    assert status == 0 and "quarantined: 100 × redirect page" in output
    assert output.count("\n--- wiki_sample/") == 3


def read(name: str, files: Path, **changes) -> list[Document]:
    """What a catalogue entry makes of local files."""
    entry = catalog.find(name)
    fields = dataclasses.replace(entry.fields, **changes)
    local = dataclasses.replace(entry, source=str(files), fields=fields)
    return [item for unit in local.open_units(keep_damaged=False) for item in unit.read()]


PAGE = {"text": "Some page.", "url": "https://example.org"}


def test_web_schemas(tmp_path: Path) -> None:
    fineweb = PAGE | {
        "id": "<urn:uuid:1>", "dump": "CC-MAIN-2024-10", "date": "2024-02-29T12:00:00Z",
        "file_path": "s3://x", "language": "en", "language_score": 0.97, "token_count": 3,
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist([fineweb]), tmp_path / "fineweb.parquet")
    for name in ("fineweb", "fineweb_10bt"):
        (document,) = read(name, tmp_path / "fineweb.parquet")
        assert (document.id, document.source) == ("<urn:uuid:1>", name)
        assert document.meta == {k: v for k, v in fineweb.items() if k not in ("text", "id")}

    nested = {"text": "Some page.", "id": "1", "metadata": {"url": "u", "dump": "d", "score": 3.5}}
    pq.write_table(pa.Table.from_pylist([nested]), tmp_path / "dedup.parquet")
    (document,) = read("fineweb_edu_dedup", tmp_path / "dedup.parquet")
    assert document.meta == {"metadata.url": "u", "metadata.dump": "d", "metadata.score": 3.5}

    dclm = PAGE | {
        "bff_contained_ngram_count_before_dedupe": 1, "warcinfo": "robots: classic",
        "language_id_whole_page_fasttext": {"en": 0.9}, "previous_word_count": 2,
        "metadata": {"WARC-Date": "2016-12-03T06:54:19Z", "WARC-Record-ID": "<urn:uuid:2>"},
    }  # fmt: skip
    path = tmp_path / "shard_00000000_processed.jsonl.zstd"
    path.write_bytes(zstandard.compress(json.dumps(dclm).encode()))
    (document,) = read("dclm", path)
    assert document.id == f"dclm/{path.name}#1"
    assert document.meta == {
        "url": "https://example.org",
        "metadata.WARC-Date": "2016-12-03T06:54:19Z",
        "metadata.WARC-Record-ID": "<urn:uuid:2>",
    }

    path = tmp_path / "c4-train.00000-of-01024.json.gz"
    path.write_bytes(gzip.compress(json.dumps(PAGE | {"timestamp": "2019-04-25"}).encode()))
    (document,) = read("c4", path)
    assert document.meta == {"url": "https://example.org", "timestamp": "2019-04-25"}


def test_code_whose_text_lies_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content/1").write_bytes(gzip.compress("# größe\n".encode("latin-1")))
    (tmp_path / "content/2").write_bytes(b"no gzip")
    rows = [
        {"blob_id": blob, "path": f"/{blob}.py", "src_encoding": "ISO-8859-1", "int_score": 3}
        for blob in ("1", "2", "3")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    address = f"{tmp_path}/content/{{blob_id}}"
    found = read("stack_edu_python", tmp_path / "x.parquet", text_address=address)
    assert (found[0].id, found[0].text) == ("1", "# größe\n")
    assert found[0].meta == {"path": "/1.py", "src_encoding": "ISO-8859-1", "int_score": 3}
    assert [item.reason for item in found[1:]] == [
        "the text at its address is damaged",
        "its text is not at its address",
    ]


def test_tfds_with_the_structure_of_c4(gristmill, tmp_path: Path, monkeypatch) -> None:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    folder = tmp_path / "c4/en/3.1.0"
    folder.mkdir(parents=True)
    names = ("text", "url", "content-type", "content-length", "timestamp")
    features = tfds.features.FeaturesDict({name: tfds.features.Text() for name in names})
    for shard in range(2):
        path = folder / f"c4-train.tfrecord-{shard:05d}-of-00002"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for i in range(3):
                example = dict.fromkeys(names, "x") | {"text": f"größe {shard} {i}"}
                writer.write(features.serialize_example(features.encode_example(example)))
    template = tfds.core.ShardedFileTemplate(
        dataset_name="c4", data_dir=str(folder), filetype_suffix="tfrecord"
    )
    train = tfds.core.SplitInfo(
        name="train", shard_lengths=[3, 3], num_bytes=0, filename_template=template
    )
    tfds.folder_dataset.write_metadata(
        data_dir=str(folder), features=features, split_infos=[train], filename_template=template
    )

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert gristmill.run("corpora", "build", "c4_tfds")[0] == 0
    documents = gristmill.documents("c4_tfds")
    assert [document.text for document in documents] == [
        f"größe {shard} {i}" for shard in range(2) for i in range(3)
    ]
    assert documents[3].id == "c4_tfds/c4-train.tfrecord-00001-of-00002#1"
    assert documents[3].meta == dict.fromkeys(names[1:], "x")

    for options, said in {
        ("--text-field", "body"): "has no feature 'body'; it has: ",
        ("--split", "test"): "has no split 'test'; it has: train",
    }.items():
        status, _, error = gristmill.import_("x", "tfds", "--path", tmp_path, *options)
        assert status == 1 and said in error
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 20)
    status, _, error = gristmill.import_("x", "tfds", "--path", tmp_path)
    assert status == 1 and f"{path} is damaged or cut off after record 2" in error
