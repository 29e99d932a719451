"""Every kind of vocabulary: nothing of a text is lost, and bad files end in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from research.cli import main
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry import make_vocabulary, tokenizers

EOS = "<|endoftext|>"
KINDS = ("demo_8k", "byte", "hf_bpe", "tiktoken_bpe")
SAMPLES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")
AWKWARD = [
    "",
    " ",
    "\n\n\t x\r\n\n    indented\t\t\n",
    "  two  leading, three   inside, trailing   ",
    "\x00 null, \u200b zero width, \ufeff mark, e\u0301 combining, 🎉 漢字",
    "</s> <pad> <s> <unk> <0x0A> <|endoftext|>",
]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_comes_back_and_holds_no_special_id(root: Path, name: str, text: str) -> None:
    tokenizer = tokenizers.load_tokenizer(root, name)
    ids = tokenizer.encode(text)
    spec = tokenizer.spec
    assert tokenizer.decode(ids) == text
    assert not {spec.eos_id, spec.bos_id, spec.pad_id} & set(ids.tolist())
    assert all(0 <= id < spec.size for id in ids)


@pytest.mark.parametrize("sample", SAMPLES)
def test_sentencepiece_gives_back_every_document(root: Path, sample: str) -> None:
    tokenizer = tokenizers.load_tokenizer(root, "demo_8k")
    texts = [document.text for document in Corpus.open(root, sample).documents()]
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        # its own sign for a space is the one character it cannot tell from a space
        assert tokenizer.decode(ids) == text.replace("\u2581", " ")


def test_hf_and_tiktoken_agree_on_real_text(root: Path) -> None:
    """The same merges through two libraries, and back."""
    texts = [document.text for document in Corpus.open(root, "math_sample").documents()][:300]
    one, other = (tokenizers.load_tokenizer(root, name) for name in ("hf_bpe", "tiktoken_bpe"))
    for text, a, b in zip(texts, one.encode_batch(texts), other.encode_batch(texts), strict=True):
        np.testing.assert_array_equal(a, b)
        assert one.decode(a) == other.decode(b) == text
    assert one.spec.eos_id == other.spec.eos_id
    assert one.spec.sha256 != other.spec.sha256


def test_hf_ignores_the_truncation_a_file_asks_for(root: Path, tmp_path: Path) -> None:
    import tokenizers as hf

    model = hf.Tokenizer.from_file(str(root / "published" / "tokenizer.json"))
    model.enable_truncation(8)
    model.enable_padding(length=8)
    (tmp_path / "tokenizer.json").write_text(model.to_str(), encoding="utf-8")
    make_vocabulary.import_vocabulary(tmp_path, tmp_path, "short", "hf", command="x")
    text = "a long text of more than eight tokens, all of them kept " * 3
    tokenizer = tokenizers.load_tokenizer(tmp_path, "short")
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_hf_eos_that_its_file_does_not_call_special(root: Path, tmp_path: Path) -> None:
    model = json.loads((root / "published" / "tokenizer.json").read_text(encoding="utf-8"))
    model["added_tokens"][0]["special"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(model), encoding="utf-8")
    made = make_vocabulary.import_vocabulary(
        tmp_path, tmp_path, "v", "hf", command="x", eos_token=EOS
    )
    ids = tokenizers.load_tokenizer(tmp_path, "v").encode(f"a page that says {EOS}")
    assert made.spec.eos_id not in ids


def test_training_is_deterministic_and_blind_to_held_out_text(small_root: Path) -> None:
    options = {"size": 500, "max_bytes": 300_000}
    shutil.rmtree(small_root / "vocabularies" / "demo_8k")
    corpora = ["wiki_sample"]

    def train(name: str, share: float) -> str:
        made = make_vocabulary.train_sentencepiece(
            small_root, corpora, name=name, validation_share=share, command="x", **options
        )
        return made.spec.sha256

    first = train("first", 0.5)
    assert train("second", 0.5) == first
    corpus = Corpus.open(small_root, "wiki_sample")
    sampled = list(make_vocabulary.sampled_texts([corpus], 0.5, 10**9))
    held_out = list(make_vocabulary.sampled_texts([corpus], 0.5, 10**9, "validation"))
    assert sampled and held_out and not set(sampled) & set(held_out)
    assert len(sampled) + len(held_out) == corpus.manifest["documents"]


def test_same_definition_is_there_already_another_is_refused(small_root: Path) -> None:
    def train(size: int) -> make_vocabulary.Made:
        return make_vocabulary.train_sentencepiece(
            small_root,
            ["wiki_sample"],
            size,
            "v",
            validation_share=0.5,
            command="gristmill vocab train --size 400",
            max_bytes=200_000,
        )

    first, again = train(400), train(400)
    assert not first.already_there and again.already_there and first.spec == again.spec
    with pytest.raises(GristmillError, match=r"another definition, made by: .*--size 400.*--name"):
        train(401)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (50_000, r"at most \d+ pieces.*--size"),
        (265, r"at least \d+ pieces.*--size"),
        (1, r"at least 261 pieces.*--size"),
        (10**12, r"are the most; give another --size"),
    ],
)
def test_a_size_the_text_cannot_support(small_root: Path, size: int, message: str) -> None:
    with pytest.raises(GristmillError, match=message):
        make_vocabulary.train_sentencepiece(
            small_root, ["wiki_sample"], size, "v", validation_share=0, command="x",
            max_bytes=100_000,
        )  # fmt: skip
    assert "v" not in tokenizers.list_vocabularies(small_root)


def test_a_long_line_is_not_skipped() -> None:
    """The trainer drops sentences over its limit without a word: none is that long."""
    text = "ab\n" * 10 + "x" * (3 * make_vocabulary.MAX_SENTENCE_BYTES) + "\nend"
    pieces = list(make_vocabulary._sentences(iter([text])))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= make_vocabulary.MAX_SENTENCE_BYTES
    assert make_vocabulary.TRAINER["max_sentence_length"] >= 4 * make_vocabulary.MAX_SENTENCE_BYTES


def test_unknown_missing_and_altered_vocabularies(small_root: Path) -> None:
    with pytest.raises(GristmillError, match=r"did you mean demo_8k.*there are byte, demo_8k"):
        tokenizers.load_tokenizer(small_root, "demo_9k")
    model = small_root / "vocabularies" / "demo_8k" / "spm.model"
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(GristmillError, match=r"sha256 differs.*delete .* and run"):
        tokenizers.load_tokenizer(small_root, "demo_8k")
    model.unlink()
    with pytest.raises(GristmillError, match=r"spm.model is missing; delete"):
        tokenizers.vocabulary_spec(small_root, "demo_8k")


def _import(root: Path, content: str | bytes, kind: str, **options: object) -> None:
    path = root / {"hf": "tokenizer.json"}.get(kind, "model")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    make_vocabulary.import_vocabulary(root, path, "v", kind, command="x", **options)


def test_imports_that_cannot_be_read(root: Path, tmp_path: Path) -> None:
    ranks = (root / "published" / "bpe.tiktoken").read_bytes()
    model = json.loads((root / "published" / "tokenizer.json").read_text(encoding="utf-8"))
    full = {"eos_token": EOS, "pattern": "(?s:.)"}
    for content, kind, options, message in [
        (b"{}", "hf", {}, "not a readable tokenizer.json"),
        (b"no model", "sentencepiece", {}, "not a readable SentencePiece model"),
        (b"%% 3\n", "tiktoken", {"eos_token": EOS, "pattern": "."}, r"model:1 is not a token"),
        (b"YQ== 3\n", "tiktoken", {"eos_token": EOS, "pattern": "."}, "255 of the 256 bytes"),
        (ranks, "tiktoken", {"eos_token": EOS}, "--pattern"),
        (ranks, "tiktoken", {"eos_token": EOS, "pattern": "("}, r"pattern '\('"),
        (ranks, "tiktoken", {"pattern": "."}, "--eos-token"),
        (json.dumps(model), "hf", {"eos_token": "<end>"}, "no token '<end>'.*--eos-token"),
        (json.dumps({**model, "added_tokens": []}), "hf", {}, "which token ends.*--eos-token"),
        (json.dumps(model), "hf", {"special_tokens": {EOS: 77}}, "--eos-id.*are for tiktoken"),
        (b"YQ== 99999999999\n", "tiktoken", {}, "model:1: the id 99999999999 is not"),
        (ranks, "tiktoken", {**full, "special_tokens": {EOS: -5}}, "id -5 is not at least 0"),
        (ranks, "tiktoken", {**full, "special_tokens": {EOS: 2000, "b": 2000}}, "one id"),
    ]:
        with pytest.raises(GristmillError, match=message) as caught:
            _import(tmp_path, content, kind, **options)
        assert "\n" not in str(caught.value)
    (tmp_path / "tokenizer_config.json").write_text("[]")
    with pytest.raises(GristmillError, match=r"tokenizer_config\.json is not a JSON object"):
        _import(tmp_path, json.dumps(model), "hf")
    with pytest.raises(GristmillError, match="no such file"):
        make_vocabulary.import_vocabulary(tmp_path, tmp_path / "no", "v", "hf", command="x")


def test_a_tiktoken_pattern_that_leaves_text_out(root: Path, tmp_path: Path) -> None:
    """tiktoken itself drops such text without a word."""
    ranks = (root / "published" / "bpe.tiktoken").read_bytes()
    with pytest.raises(GristmillError, match=r"does not match \d+ of \d+ bytes.*--pattern"):
        _import(tmp_path, ranks, "tiktoken", eos_token=EOS, pattern=r"\w+|\s+")
    # one that passes at import is found out by the text
    pattern = r"[^☃]+"
    _import(tmp_path, ranks, "tiktoken", eos_token=EOS, pattern=pattern)
    tokenizer = tokenizers.load_tokenizer(tmp_path, "v")
    assert tokenizer.decode(tokenizer.encode("a man")) == "a man"
    with pytest.raises(GristmillError, match="vocabulary v: its pattern does not match 3 of 12"):
        tokenizer.encode_batch(["a man", "a snow☃man"])


def test_hf_takes_eos_from_tokenizer_config(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "published" / "tokenizer.json", tmp_path)
    config = {"eos_token": {"content": "the"}, "bos_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    made = make_vocabulary.import_vocabulary(tmp_path, tmp_path, "v", "hf", command="x")
    assert tokenizers.load_tokenizer(tmp_path, "v").piece(made.spec.eos_id) == "the"
    assert made.spec.bos_id == made.spec.eos_id


def test_a_published_sentencepiece_model(root: Path, tmp_path: Path) -> None:
    model = (root / "vocabularies" / "demo_8k" / "spm.model").read_bytes()
    _import(tmp_path, model, "sentencepiece")
    ours, imported = (tokenizers.load_tokenizer(r, n).spec
                      for r, n in ((root, "demo_8k"), (tmp_path, "v")))  # fmt: skip
    assert ours.sha256 == imported.sha256
    with pytest.raises(GristmillError, match="another definition"):
        _import(tmp_path, model, "sentencepiece", eos_token="<s>")


def test_commands(small_root: Path, capsys: pytest.CaptureFixture) -> None:
    base = ["--root", str(small_root), "vocab"]
    train = ["train", "--corpora", "wiki_sample", "--size", "400", "--name", "tiny",
             "--max-bytes", "200k"]  # fmt: skip
    assert main([*base, *train]) == 0
    out = capsys.readouterr().out
    assert "made: tiny, sentencepiece, 400 ids" in out and "held-out text" in out
    assert main([*base, *train]) == 0
    assert "already there: tiny" in capsys.readouterr().out
    assert main([*base, "list"]) == 0
    assert "wiki_sample@" in capsys.readouterr().out
    assert main([*base, "show", "tiny", "--text", "a\tb"]) == 0
    assert "<0x09>" in capsys.readouterr().out
    assert main([*base, "show", "tiny", "--text", "\udcff"]) == 1
    assert "--text '\\udcff' is not valid UTF-8" in capsys.readouterr().err
    for option, value in (("--max-bytes", "1"), ("--validation-share", "0.9999")):
        assert main([*base, *train[:-2], option, value, "--name", "none"]) == 1
        assert "no text of wiki_sample@" in capsys.readouterr().err
    assert main([*base, *train, "--name", "n" * 300]) == 1
    assert "at most 128 bytes" in capsys.readouterr().err
    assert main([*base, "show", "none"]) == 1
    assert "no vocabulary none" in capsys.readouterr().err


def test_light_modules_leave_tensorflow_alone(root: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "import research.registry, research.registry.commands, research.registry.specs\n"
        "from research.registry import make_vocabulary, preprocessors, splits, tokenizers\n"
        f"[tokenizers.load_tokenizer(pathlib.Path({str(root)!r}), n) for n in {KINDS!r}]\n"
        "assert not {'tensorflow', 'seqio'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
