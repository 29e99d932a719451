"""A data root with the samples and a small vocabulary of every kind."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest
import tokenizers as hf

from research.corpora.document import Corpus
from research.registry import make_vocabulary

EOS = "<|endoftext|>"
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


@pytest.fixture(scope="session")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five samples and the vocabularies demo_8k, hf_bpe and tiktoken_bpe; do not write."""
    root = tmp_path_factory.mktemp("registry")
    shutil.copytree(sample_root, root, dirs_exist_ok=True)
    make_vocabulary.train_sentencepiece(
        root,
        ["code_sample", "wiki_sample"],
        2000,
        "demo_8k",
        validation_share=0.05,
        command="x",
        max_bytes=1_000_000,
    )
    model = train_bpe(root)
    source = root / "published"
    source.mkdir()
    (source / "tokenizer.json").write_text(model.to_str(), encoding="utf-8")
    ranks = bpe_as_ranks(model)
    (source / "bpe.tiktoken").write_bytes(ranks)
    make_vocabulary.import_vocabulary(root, source, "hf_bpe", "hf", command="x")
    make_vocabulary.import_vocabulary(
        root,
        source / "bpe.tiktoken",
        "tiktoken_bpe",
        "tiktoken",
        command="x",
        eos_token=EOS,
        pattern=GPT2_PATTERN,
        special_tokens={EOS: model.token_to_id(EOS)},
    )
    return root


def train_bpe(root: Path) -> hf.Tokenizer:
    """A byte-level BPE as GPT-2's, on real text."""
    model = hf.Tokenizer(hf.models.BPE())
    model.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = hf.decoders.ByteLevel()
    trainer = hf.trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=[EOS],
        initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [document.text for document in Corpus.open(root, "wiki_sample").documents()]
    model.train_from_iterator(texts[:20], trainer)
    return model


def bpe_as_ranks(model: hf.Tokenizer) -> bytes:
    """The same BPE in the format of tiktoken: merges are in the order of their ids."""
    alphabet = hf.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelling = {alphabet.pre_tokenize_str(chr(b))[0][0]: b for b in range(128)}
    for lead in range(0xC2, 0xF5):  # bytes above 127 are spelt as parts of longer characters
        follow = {0xE0: 0xA0, 0xF0: 0x90}.get(lead, 0x80)
        tail = [follow, 0x80, 0x80][: 1 + (lead >= 0xE0) + (lead >= 0xF0)]
        raw = bytes([lead, *tail])
        spelling.update(zip(alphabet.pre_tokenize_str(raw.decode())[0][0], raw, strict=True))
    for trail in range(0x80, 0xC0):
        raw = bytes([0xC2, trail])
        spelling.update(zip(alphabet.pre_tokenize_str(raw.decode())[0][0], raw, strict=True))
    vocabulary = json.loads(model.to_str())["model"]["vocab"]
    # the bytes that no UTF-8 text holds have spellings too: give them those that are left
    missing = sorted(set(range(256)) - set(spelling.values()))
    unused = sorted(piece for piece in vocabulary if len(piece) == 1 and piece not in spelling)
    spelling.update(zip(unused, missing, strict=True))
    lines = [
        base64.b64encode(bytes(spelling[letter] for letter in piece)) + f" {id}".encode()
        for piece, id in vocabulary.items()
        if piece != EOS
    ]
    return b"\n".join(lines) + b"\n"


@pytest.fixture
def small_root(root: Path, tmp_path: Path) -> Path:
    """A copy with one corpus and the vocabularies, to write to."""
    shutil.copytree(root / "vocabularies", tmp_path / "vocabularies")
    shutil.copytree(root / "corpora" / "wiki_sample", tmp_path / "corpora" / "wiki_sample")
    return tmp_path
