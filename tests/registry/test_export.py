"""Definitions in SeqIO's registries, as plain specs: the same tokens, and every refusal."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.errors import GristmillError
from research.registry import export, modules, preprocessors, specs, tokenizers
from research.registry.export import export_mixture, seqio_token_stream
from research.registry.mixtures import NATURAL, add_mixture
from research.registry.preprocessors import normalize_unicode, strip_trailing_whitespace
from research.registry.seqio_quietly import seqio, tf
from research.registry.specs import load_mixture
from research.registry.splits import SPLITS, split_of
from research.registry.tasks import CorpusDataSource, add_task, targets_from_text
from research.registry.vocabularies import vocabulary

SAMPLES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")
TASK = {"corpus": "wiki_sample", "vocabulary": "demo_8k", "validation_share": 0.05}


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """Forgets what a test registers."""
    registered = [
        (registry, set(registry.names()))
        for registry in (seqio.TaskRegistry, seqio.MixtureRegistry)
    ]
    yield
    for registry, names in registered:
        for name in set(registry.names()) - names:
            registry.remove(name)


def assert_same_as_seqio(root: Path, name: str) -> None:
    """Every document of both splits, in order: equal to what SeqIO yields."""
    task = export_mixture(root, name).tasks[name]
    assert task.native
    tokenizer = tokenizers.load_tokenizer(root, task.vocabulary.name)
    steps = [preprocessors.resolve(step) for step in task.preprocessors]
    documents = list(Corpus.open(root, task.corpus).documents())
    for split in SPLITS:
        here = [d for d in documents if split_of(d.root_ids, task.validation_share) == split]
        found = list(seqio_token_stream(root, name, split))
        assert [document.id for document in here] == [document.id for document in found]
        texts = [document.text for document in here]
        for step in steps:
            texts = [step(text) for text in texts]
        for text, ids, theirs in zip(texts, tokenizer.encode_batch(texts), found, strict=True):
            np.testing.assert_array_equal(np.append(ids, task.vocabulary.eos_id), theirs.tokens)
            assert text == theirs.text


@pytest.mark.parametrize("sample", SAMPLES)
def test_ids_equal_seqios_on_every_document(root: Path, sample: str) -> None:
    assert_same_as_seqio(root, sample)


@pytest.mark.parametrize("name", ["byte", "hf_bpe", "tiktoken_bpe"])
def test_other_vocabularies_equal_seqios(root: Path, name: str) -> None:
    options = {**TASK, "vocabulary": name, "preprocessors": (strip_trailing_whitespace,)}
    add_task("other", **options)
    assert_same_as_seqio(root, "other")


@pytest.mark.parametrize("name", ["demo_8k", "byte", "hf_bpe", "tiktoken_bpe"])
def test_vocabulary_is_the_same_to_seqio(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))
    ours, theirs = tokenizers.load_tokenizer(root, name), vocabulary(name)
    assert theirs.vocab_size == ours.spec.size
    assert (theirs.eos_id, theirs.pad_id) == (ours.spec.eos_id, ours.spec.pad_id)
    for text in ("", "naïve  café\n\tx = 1", "</s> <|endoftext|>"):
        ids = ours.encode(text).tolist()
        assert list(theirs.encode(text)) == theirs.encode_tf(text).numpy().tolist() == ids
        assert theirs.decode(ids) == text
        if ids:
            assert theirs.decode_tf(tf.constant(ids)).numpy().decode() == text


def test_parts_make_up_the_whole(root: Path) -> None:
    parts = Corpus.open(root, "code_sample").parts
    assert len(parts) > 1
    whole = [d.id for d in seqio_token_stream(root, "code_sample_bytes", "train")]
    by_part = [d.id for part in parts
               for d in seqio_token_stream(root, "code_sample_bytes", "train", part)]  # fmt: skip
    assert by_part == whole


def test_shipped_mixtures(root: Path) -> None:
    demo = export_mixture(root, "demo")
    assert list(demo.tasks) == list(SAMPLES) and set(demo.shares.values()) == {None}
    assert set(export_mixture(root, "demo_stratified").shares.values()) == {0.2}
    assert export_mixture(root, "demo_bytes").tasks["web_sample_bytes"].vocabulary.kind == "byte"
    assert export_mixture(root, "wiki_sample").shares == {"wiki_sample": None}
    assert specs.MixtureSpec.from_json(demo.to_json()) == demo
    mixture = seqio.MixtureRegistry.get("demo")
    assert {task.name for task in mixture.tasks} == set(SAMPLES)


def test_two_splits_and_two_shares_have_two_fingerprints(root: Path) -> None:
    add_task("a", **TASK)
    add_task("same", **TASK)
    add_task("b", **{**TASK, "validation_share": 0.1})
    add_task("c", **TASK, preprocessors=(normalize_unicode,))
    add_task("d", **TASK, preprocessors=(functools.partial(normalize_unicode, form="NFKC"),))
    a, same, b, c, d = (export_mixture(root, n).tasks[n].fingerprint
                        for n in ("a", "same", "b", "c", "d"))  # fmt: skip
    assert a == same and len({a, b, c, d}) == 4


def test_plain_seqio_definitions_export(root: Path) -> None:
    """SeqIO's own TaskRegistry.add, MixtureRegistry.add and SentencePieceVocabulary."""
    model = str(root / "vocabularies" / "demo_8k" / "spm.model")
    for name, vocab in (("plain_a", seqio.SentencePieceVocabulary(model)),
                        ("plain_b", vocabulary("demo_8k"))):  # fmt: skip
        key_map = {"targets": "text", "id": "id"}
        seqio.TaskRegistry.add(
            name,
            source=CorpusDataSource("wiki_sample", validation_share=0.05),
            preprocessors=[
                strip_trailing_whitespace,
                functools.partial(seqio.preprocessors.rekey, key_map=key_map),
                seqio.preprocessors.tokenize_and_append_eos,
            ],
            output_features={"targets": seqio.Feature(vocab)},
        )
    seqio.MixtureRegistry.add("plain", [("plain_a", 2.0), ("plain_b", lambda task: 1.0)])
    seqio.MixtureRegistry.add("nested", [("plain", 3), ("wiki_sample", 1)])
    assert export_mixture(root, "plain").shares == {"plain_a": 2.0, "plain_b": 1.0}
    assert export_mixture(root, "nested").shares == {
        "plain_a": 2.0, "plain_b": 1.0, "wiki_sample": 1.0
    }  # fmt: skip
    assert_same_as_seqio(root, "plain_a")


def shout(dataset: tf.data.Dataset, mark: str) -> tf.data.Dataset:
    """A preprocessor that only SeqIO can run."""
    return dataset.map(lambda ex: {**ex, "text": tf.strings.upper(ex["text"]) + mark})


def test_tensorflow_preprocessors_are_not_native(root: Path) -> None:
    for name, mark in (("loud", "!"), ("louder", "!!")):
        add_task(name, **TASK, preprocessors=(functools.partial(shout, mark=mark),))
    loud, louder = (export_mixture(root, name).tasks[name] for name in ("loud", "louder"))
    assert not loud.native and loud.fingerprint != louder.fingerprint
    document = next(iter(seqio_token_stream(root, "loud", "train")))
    assert document.text.startswith("ANARCHISM IS A") and document.text.endswith("!")
    assert document.tokens[-1] == loud.vocabulary.eos_id


def shuffled(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Random numbers of three kinds: of an operation, of a dataset, and those that SeqIO seeds."""

    def on_example(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        words = tf.random.shuffle(tf.strings.split(tf.strings.substr(example["text"], 0, 300)))
        return {**example, "text": tf.strings.reduce_join(words, separator=" ")}

    return dataset.map(on_example, num_parallel_calls=tf.data.AUTOTUNE).shuffle(4)


@seqio.map_over_dataset(num_seeds=1)
def numbered(example: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
    number = tf.random.stateless_uniform([], seed, 0, 99, tf.int32)
    return {**example, "text": example["text"] + tf.strings.as_string(number)}


def test_random_steps_do_not_depend_on_what_was_read_before(root: Path) -> None:
    for name in ("one", "other"):
        add_task(name, **TASK, preprocessors=(shuffled, numbered))
    assert not export_mixture(root, "one").tasks["one"].native

    def read(name: str) -> list[tuple[str, str]]:
        return [(found.id, found.text) for found in seqio_token_stream(root, name, "train")]

    first = read("one")
    assert read("other") != first
    assert read("one") == first


def test_natural_rate_is_the_number_of_documents_to_seqio(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))
    task = seqio.TaskRegistry.get("wiki_sample")
    documents = Corpus.open(root, "wiki_sample").documents()
    train = sum(split_of(document.root_ids, 0.05) == "train" for document in documents)
    assert seqio.MixtureRegistry.get("demo").get_rate(task) == train == NATURAL(task)


def test_a_rewrite_is_never_trained_on_while_its_page_is_held_out(
    root: Path, tmp_path: Path
) -> None:
    """Through SeqIO itself: the two Tasks' splits share no page."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    pages = list(Corpus.open(root, "wiki_sample").documents())

    def read() -> Iterator[Document]:
        for one, two in zip(pages, pages[1:] + pages[:1], strict=True):
            yield one.derive(f"A summary of {one.text[:200]}", f"{one.id}/short", "rewrites")
            roots = (one.id, two.id)
            yield Document(
                one.text[:99] + two.text[:99], f"{one.id}+{two.id}", "x", {}, roots, roots
            )

    build_corpus(tmp_path, "rewrites", "1", [Unit("u", 1, read)], licence="x", definition={},
                 command="x")  # fmt: skip
    for corpus in ("wiki_sample", "rewrites"):
        add_task(f"{corpus}_third", corpus=corpus, vocabulary="byte", validation_share=0.3)
    pages_of = {
        split: {d.id for d in seqio_token_stream(tmp_path, "wiki_sample_third", split)}
        for split in SPLITS
    }
    kept = 0
    for split in SPLITS:
        for rewrite in seqio_token_stream(tmp_path, "rewrites_third", split):
            roots = rewrite.id.removesuffix("/short").split("+")
            assert set(roots) <= pages_of[split]
            kept += 1
    assert len(pages) < kept < 2 * len(pages)  # some have roots on both sides: in neither split


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "has no Task"),
        ({"wiki_smple": 1.0}, "unknown Task wiki_smple; did you mean wiki_sample"),
        ({"wiki_sample": float("nan")}, "share of wiki_sample is nan"),
        ({"wiki_sample": float("inf")}, "share of wiki_sample is inf"),
        ({"wiki_sample": -1.0}, r"share of wiki_sample is -1\.0"),
        ({"wiki_sample": "1"}, "share of wiki_sample is '1'"),
        ({"wiki_sample": 0.0, "web_sample": 0}, "wiki_sample, web_sample sum to 0"),
        ({"wiki_sample": 1e308, "web_sample": 1e308}, "wiki_sample, web_sample sum to inf"),
        ({"wiki_sample": 10**400}, "share of wiki_sample is 1000"),
        ({"wiki_sample": NATURAL, "web_sample": 0.5}, "make all of them natural"),
        ({"wiki_sample": 1, "web_sample_bytes": 1}, "web_sample_bytes has vocabulary byte but"),
        ({"wiki_sample": 1, "tenth": 1}, r"tenth has validation share 0\.1 but wiki_sample"),
    ],
)
def test_mixtures_that_are_refused(shares: dict, message: str) -> None:
    add_task("tenth", **{**TASK, "validation_share": 0.1})
    with pytest.raises(GristmillError, match=f"mixture broken.*{message}"):
        add_mixture("broken", shares)


def test_definitions_that_are_refused(root: Path) -> None:
    with pytest.raises(GristmillError, match="a Task or Mixture of that name already"):
        add_task("wiki_sample", **TASK)
    with pytest.raises(GristmillError, match="a name has letters"):
        add_task("no spaces", **TASK)
    with pytest.raises(GristmillError, match="begins with a letter, digit or '_'"):
        add_task("..", **TASK)  # its cache would lie outside the folder of caches
    with pytest.raises(GristmillError, match="at most 128 bytes, this has 300"):
        add_mixture("m" * 300, {"wiki_sample": 1})
    with pytest.raises(GristmillError, match="validation share 1"):
        add_task("all_held_out", **{**TASK, "validation_share": 1})
    with pytest.raises(GristmillError, match="define it at the top of a module"):
        preprocessors.text_preprocessor(lambda text: text)
    with pytest.raises(GristmillError, match="no Mixture or Task dmo: did you mean demo"):
        export_mixture(root, "dmo")

    feature = {"targets": seqio.Feature(vocabulary("byte"))}
    foreign = seqio.FunctionDataSource(lambda split, shuffle_files: None, splits=["train"])
    seqio.TaskRegistry.add("foreign", source=foreign, output_features=feature)
    with pytest.raises(GristmillError, match=r"FunctionDataSource.*gristmill corpora import"):
        export_mixture(root, "foreign")

    class Shouting(CorpusDataSource):
        def get_dataset(self, *args: object, **options: object) -> tf.data.Dataset:
            return super().get_dataset(*args, **options).map(str.upper)

    shouting = Shouting("wiki_sample", validation_share=0.05)
    seqio.TaskRegistry.add("shouting", source=shouting, output_features=feature)
    with pytest.raises(GristmillError, match=r"reads from a Shouting.*a CorpusDataSource itself"):
        export_mixture(root, "shouting")

    source = CorpusDataSource("wiki_sample", validation_share=0.05)
    both = {**feature, "inputs": seqio.Feature(vocabulary("byte"))}
    seqio.TaskRegistry.add("pairs", source=source, output_features=both)
    with pytest.raises(GristmillError, match="features inputs, targets"):
        export_mixture(root, "pairs")

    stranger = {"targets": seqio.Feature(seqio.ByteVocabulary(extra_ids=7))}
    seqio.TaskRegistry.add("stranger", source=source, output_features=stranger)
    with pytest.raises(GristmillError, match="none of those in"):
        export_mixture(root, "stranger")

    add_task("opaque", **TASK, preprocessors=(functools.partial(shout, mark=threading.Lock()),))
    with pytest.raises(GristmillError, match="cannot be described"):
        export_mixture(root, "opaque")

    rekey = functools.partial(seqio.preprocessors.rekey, key_map={"targets": "text"})
    seqio.TaskRegistry.add(
        "no_id",
        source=source,
        preprocessors=[rekey, seqio.preprocessors.tokenize],
        output_features=feature,
    )
    assert not export_mixture(root, "no_id").tasks["no_id"].add_eos
    with pytest.raises(GristmillError, match="drop the feature 'id'"):
        next(seqio_token_stream(root, "no_id", "train"))

    add_task("no_corpus", **{**TASK, "corpus": "nowhere"})
    with pytest.raises(GristmillError, match="no finished corpus nowhere"):
        export_mixture(root, "no_corpus")
    add_task("no_vocabulary", **{**TASK, "vocabulary": "demo_9k"})
    with pytest.raises(GristmillError, match="did you mean demo_8k"):
        export_mixture(root, "no_vocabulary")


def test_a_damaged_part_is_one_line(small_root: Path) -> None:
    corpus = Corpus.open(small_root, "wiki_sample")
    part = corpus.folder / corpus.parts[0]
    part.write_bytes(part.read_bytes()[:5000])
    with pytest.raises(GristmillError, match=r"part-00000.parquet is missing") as caught:
        list(seqio_token_stream(small_root, "wiki_sample", "train"))
    assert "\n" not in str(caught.value)


def test_targets_may_hold_what_text_does_not(root: Path) -> None:
    """SeqIO's order of steps is kept: a text step after the copy is not native."""
    steps = [targets_from_text, strip_trailing_whitespace, seqio.preprocessors.tokenize]
    seqio.TaskRegistry.add(
        "late",
        source=CorpusDataSource("wiki_sample", validation_share=0.05),
        preprocessors=steps,
        output_features={"targets": seqio.Feature(vocabulary("byte"))},
    )
    assert not export_mixture(root, "late").tasks["late"].native


USER_MODULE = """
from research.registry.mixtures import add_mixture
from research.registry.preprocessors import text_preprocessor
from research.registry.tasks import add_task

MARKER = "{marker}"

def helper(text):
    return text + MARKER

@text_preprocessor
def marked(text):
    return helper(text)

add_task("mine", corpus="wiki_sample", vocabulary="demo_8k", validation_share=0.05,
         preprocessors=(marked,))
add_mixture("my_mixture", {{"mine": {share}, "wiki_sample": 1.0}})
"""
LOAD = """
import sys, pathlib
from research.registry import preprocessors, specs
spec = specs.load_mixture(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
step = spec.tasks["mine"].preprocessors[0]
print(spec.shares["mine"], "tensorflow" in sys.modules, spec.tasks["mine"].fingerprint)
print(preprocessors.resolve(step)("text"))
"""


def test_a_users_module_and_what_makes_its_export_stale(small_root: Path) -> None:
    module = small_root / "my_data.py"

    def load(*modules: str) -> list[str]:
        command = [sys.executable, "-c", LOAD, str(small_root), "my_mixture", *modules]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert not done.stderr
        return done.stdout.split()

    module.write_text(USER_MODULE.format(marker="A", share=2.0))
    share, tensorflow, first, text = load(str(module))
    assert (share, tensorflow, text) == ("2.0", "True", "textA")
    code = (
        "import sys, pathlib; from research.registry import specs; "
        f"specs.load_mixture(pathlib.Path({str(small_root)!r}), 'my_mixture'); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # the written export is enough
    module.write_text(USER_MODULE.format(marker="B", share=3.0))
    share, tensorflow, second, text = load()  # the module need not be named again
    assert (share, tensorflow, text) == ("3.0", "True", "textB")
    assert first != second  # a constant that a helper of the preprocessor uses has changed


def test_export_is_read_again_until_something_changes(
    small_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = []

    def count(*args: object) -> specs.MixtureSpec:
        exported.append(args)
        return export_mixture(*args)

    monkeypatch.setattr(export, "export_mixture", count)
    first = load_mixture(small_root, "wiki_sample")
    assert load_mixture(small_root, "wiki_sample") == first and len(exported) == 1

    shutil.rmtree(small_root / "vocabularies" / "demo_8k")
    with pytest.raises(GristmillError, match="no vocabulary demo_8k"):
        load_mixture(small_root, "wiki_sample")
    shutil.copytree(small_root / "vocabularies" / "hf_bpe", small_root / "vocabularies" / "demo_8k")
    again = load_mixture(small_root, "wiki_sample")
    assert again.tasks["wiki_sample"].vocabulary.kind == "hf"
    assert again.tasks["wiki_sample"].fingerprint != first.tasks["wiki_sample"].fingerprint

    (small_root / "mixtures" / "wiki_sample.json").write_text("{")
    assert load_mixture(small_root, "wiki_sample") == again


def test_an_export_that_was_edited_is_made_again(small_root: Path) -> None:
    add_mixture("edited", {"wiki_sample": 2})
    spec = load_mixture(small_root, "edited")
    path = small_root / "mixtures" / "edited.json"
    written = path.read_text()
    path.write_text(json.dumps({**json.loads(written), "shares": {"wiki_sample": 99}}))
    assert load_mixture(small_root, "edited") == spec and path.read_text() == written


def test_an_export_does_without_its_file_where_it_cannot_write(
    small_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_with(number: int) -> None:
        refuse = mock.Mock(side_effect=OSError(number, "refused"))
        monkeypatch.setattr(specs.artefacts, "write_json", refuse)

    for number in (errno.EROFS, errno.EACCES):
        refuse_with(number)
        assert load_mixture(small_root, "wiki_sample").name == "wiki_sample"
    refuse_with(errno.ENOSPC)
    with pytest.raises(OSError, match="refused"):
        load_mixture(small_root, "wiki_sample")


def test_a_second_version_of_a_corpus_makes_its_bare_name_ambiguous(small_root: Path) -> None:
    load_mixture(small_root, "wiki_sample")
    versions = small_root / "corpora" / "wiki_sample"
    first = next(versions.iterdir())
    shutil.copytree(first, versions / "2")
    for _ in range(2):  # with the written export, and without
        with pytest.raises(GristmillError, match=r"has versions .*name one"):
            load_mixture(small_root, "wiki_sample")
        shutil.rmtree(small_root / "mixtures", ignore_errors=True)


HELPED = """
import aside
from research.registry.mixtures import add_mixture
add_mixture("helped", {"wiki_sample": aside.SHARE, "wiki_sample": 1.0 + aside.SHARE})
"""
SHOW = """
import sys, pathlib
from research.cli import main
from research.registry import specs
try:
    print(specs.load_mixture(pathlib.Path(sys.argv[1]), "helped", sys.argv[2:]).shares)
except Exception as error:
    print(error)
"""


def test_what_a_users_module_imports_and_where_it_lies_count(small_root: Path) -> None:
    def show(*named: str) -> str:
        code = [sys.executable, "-c", SHOW, str(small_root), *named]
        path = ":".join([str(small_root), *filter(None, sys.path)])
        return subprocess.check_output(code, text=True, env={**os.environ, "PYTHONPATH": path})

    module, aside = small_root / "helped_data.py", small_root / "aside.py"
    module.write_text(HELPED)
    for named in (str(module), "helped_data"):
        shutil.rmtree(small_root / "mixtures", ignore_errors=True)
        aside.write_text("SHARE = 1\n")
        assert show(named) == "{'wiki_sample': 2.0}\n"
        aside.write_text("SHARE = 2\n")
        assert show() == "{'wiki_sample': 3.0}\n"

    shutil.rmtree(small_root / "mixtures")
    show(str(module))
    shutil.copy(module, small_root / "copied.py")
    copied = show(str(small_root / "copied.py"))
    assert "name already" in copied and f"remembers {module}: delete" in copied
    module.unlink()
    assert f"made with {module}, which is there no more: say with --modules" in show()
    assert show(str(small_root / "copied.py")) == "{'wiki_sample': 3.0}\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import math\n\nx = 1 / 0\n", r"broken\.py:3: ZeroDivisionError: division by zero"),
        ("x = (\n", r"broken\.py:1: SyntaxError"),
        ("import no_such_module\n", r"broken\.py:1: No module named 'no_such_module'"),
        (
            "from research.registry.mixtures import add_mixture\nadd_mixture('m', {'x': 1})\n",
            r"broken\.py:2: mixture m: unknown Task x",
        ),
        ("import sys\nsys.exit(0)\n", r"broken\.py:2: SystemExit: 0"),
        ("x = 1\0\n", r"broken\.py: (SyntaxError|ValueError): source code .* null bytes"),
    ],
)
def test_a_module_that_raises_is_one_line(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "broken.py").write_text(source)
    with pytest.raises(GristmillError, match=message) as caught:
        load_mixture(tmp_path, "demo", [str(tmp_path / "broken.py")])
    assert "\n" not in str(caught.value)


def test_modules_that_are_not_there(tmp_path: Path) -> None:
    for module in ("no_such_module", str(tmp_path / "none.py"), ".", "..x", "a b"):
        with pytest.raises(GristmillError, match=r"no module .*give a dotted name"):
            load_mixture(tmp_path, "demo", [module])
    with pytest.raises(GristmillError, match="a name has letters"):
        load_mixture(tmp_path, "../demo")


def test_an_interrupt_that_an_import_swallows_is_raised_again(tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "    [x for x in range(10**9)]\nexcept BaseException:\n    pass\n"
    )
    with pytest.raises(KeyboardInterrupt):
        modules.import_module(str(tmp_path / "swallows.py"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
