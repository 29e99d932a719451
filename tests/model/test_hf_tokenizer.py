"""Exported tokenizers give the ids that ours give."""

from __future__ import annotations

import base64
import inspect
import json
import textwrap
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
from tiny_families import write_tiny

from research.errors import GristmillError
from research.model.hf_tokenizer import write_tokenizer
from research.model.weights import export_hf, import_weights, load_weights, read_hf
from research.registry.make_vocabulary import TRAINER, import_vocabulary
from research.registry.tokenizers import load_tokenizer

TEXTS = [
    "def f(x):\n    return x * 2  # twice\n\n\tindented by a tab",
    "The  quick   brown fox; 1234567890 jumped over 3.14 dogs.",
    "Ünïcödé, 漢字, emoji 🎉 and a zero-width\u200bspace",
    " leading and trailing ",
    "    ",
    "",
    inspect.getsource(textwrap),
]


def check_same_ids(root: Path, name: str, folder: Path, score=None) -> None:
    """Ids are equal, or with `score`, texts have several best segmentations and these are two."""
    ours = load_tokenizer(root, name)
    exported = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS:
        ids = ours.encode(text).tolist()
        theirs = exported.encode(text, add_special_tokens=False).ids
        if theirs != ids:
            assert score is not None
            assert sum(map(score, theirs)) == pytest.approx(sum(map(score, ids)), abs=1e-3)
            assert sum(a != b for a, b in zip(theirs, ids, strict=True)) < 0.02 * len(ids)
        assert exported.decode(ids, skip_special_tokens=False) == ours.decode(ids)


def test_a_trained_vocabulary_gives_the_same_ids(tmp_path: Path) -> None:
    lines = inspect.getsource(textwrap) + inspect.getsource(json) + inspect.getsource(inspect)
    prefix = tmp_path / "spm"
    options = {**TRAINER, "num_threads": 1, "vocab_size": 900}
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(lines.splitlines(keepends=True)), model_prefix=str(prefix), **options
    )
    import_vocabulary(
        tmp_path, prefix.with_suffix(".model"), "spm", "sentencepiece", command="test"
    )
    out = tmp_path / "out"
    out.mkdir()
    special = write_tokenizer(tmp_path / "vocabularies" / "spm", out)
    assert special == {"bos_token_id": 3, "eos_token_id": 1, "pad_token_id": 0}
    settings = json.loads((out / "tokenizer_config.json").read_text())
    assert settings["eos_token"] == "</s>"
    processor = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    check_same_ids(tmp_path, "spm", out, processor.get_score)


def test_tiktoken_ranks_become_merges(tmp_path: Path) -> None:
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [b"th", b"  ", b"in", b"the", b" the", b"    ", b"ing", b"re", b"return", b" x"]
    ranks = [base64.b64encode(token) + f" {rank}".encode() for rank, token in enumerate(tokens)]
    (tmp_path / "x.tiktoken").write_bytes(b"\n".join(ranks))
    import_vocabulary(
        tmp_path,
        tmp_path / "x.tiktoken",
        "tik",
        "tiktoken",
        command="test",
        pattern=r"\p{N}{1,3}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        special_tokens={"<|endoftext|>": len(tokens)},
        eos_token="<|endoftext|>",
    )
    out = tmp_path / "out"
    out.mkdir()
    assert write_tokenizer(tmp_path / "vocabularies" / "tik", out)["eos_token_id"] == len(tokens)
    check_same_ids(tmp_path, "tik", out)


def test_the_byte_vocabulary_is_that_of_byt5(tmp_path: Path) -> None:
    assert write_tokenizer(tmp_path / "vocabularies" / "byte", tmp_path)["eos_token_id"] == 1
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "ByT5Tokenizer"


def test_a_tokenizer_travels_with_its_model(tmp_path: Path) -> None:
    folder = write_tiny("llama2", tmp_path / "hf")
    model = tokenizers.models.WordLevel({"a": 0, "b": 1, "</s>": 2}, unk_token="a")
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "</s>"}}))
    import_weights(tmp_path / "root", folder, "x", "test")
    config, params = load_weights(tmp_path / "root", "x")
    carried = tmp_path / "root" / "weights" / "x" / "tokenizer"
    files = export_hf(config, params, carried, tmp_path / "out")
    assert [file.name for file in files] == [
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["eos_token_id"] == 2


def test_a_vocabulary_that_is_too_large_is_refused(tmp_path: Path) -> None:
    _, config, params = read_hf(write_tiny("llama2", tmp_path / "hf"))
    model = tokenizers.models.WordLevel({str(id): id for id in range(49)}, unk_token="0")
    (tmp_path / "tokenizer").mkdir()
    tokenizers.Tokenizer(model).save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    with pytest.raises(GristmillError, match="has 49 ids, the model's vocabulary 48"):
        export_hf(config, params, tmp_path / "tokenizer", tmp_path / "out")
