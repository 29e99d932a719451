"""Real and rewritten text: what is mixed, at what ratio, how often it is read, what is held out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import rephrase_ratio as ratio
from experiments.declare import SweepSettings, changed
from research.analyse.results import read_results
from research.cli import main
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry.specs import load_mixture
from research.registry.splits import TRAIN, VALIDATION, split_of
from research.train.loop import open_data
from research.train.run_spec import resolve_with

GIN = Path(__file__).parents[2] / "gin_configs" / "sweeps" / "rephrase_ratio_cpu.gin"
SERVER = Path(__file__).parents[2] / "research" / "bench" / "fault_server.py"
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
STYLES = """
import dataclasses
from research.rephrase.style import Style

REVERSED = Style(
    name="reversed", version=1, about="the words in reverse",
    instruction="Write the words in reverse.", chunk_tokens=200, answer_tokens=3.0,
)
BY_PIECES = dataclasses.replace(REVERSED, name="by_pieces", chunk_tokens=50)
"""
SHARE = 0.2
REWRITTEN = {  # corpus: what it is made of, and how
    "docs_reversed": ("docs_sample", "REVERSED", "150"),
    "docs_by_pieces": ("docs_sample", "BY_PIECES", "60"),
    "math_reversed": ("math_sample", "REVERSED", "100"),
}
SETTINGS = ratio.Settings(
    name="two_sources",
    sources=("docs_sample", "math_sample"),
    rewritten=tuple(REWRITTEN),
    ratios=("3:1", "1:1", "0.5:2"),
    others=("wiki_sample",),
    validation_share=SHARE,
)
OPTIONS = [
    "rephrase_ratio.name='two_sources'",
    "rephrase_ratio.sources=['docs_sample', 'math_sample']",
    f"rephrase_ratio.rewritten={list(REWRITTEN)}",
    "rephrase_ratio.ratios=['3:1', '1:1', '0.5:2']",
    "rephrase_ratio.others=['wiki_sample']",
    f"rephrase_ratio.validation_share={SHARE}",
    "data.length=64",
    "evals.mixtures=['two_sources_heldout']",
]


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root where documents of two samples were rewritten over HTTP, and all is prepared."""
    root = tmp_path_factory.mktemp("ratio")
    (root / "corpora").mkdir()
    for name in ("docs_sample", "math_sample", "wiki_sample"):
        (root / "corpora" / name).symlink_to(sample_root / "corpora" / name)
    (root / "styles.py").write_text(STYLES, encoding="utf-8")
    server = subprocess.Popen(
        [sys.executable, str(SERVER), "--slots", "16", "--seconds", "0.001"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        for name, (source, style, limit) in REWRITTEN.items():
            words = ["rephrase", source, "--style", f"{root}/styles.py:{style}", "--limit", limit]
            words += ["--engine", "http", "--url", url, "--out", name]
            assert main(["--root", str(root), *words]) == 0
    finally:
        server.kill()
        server.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRISTMILL_ROOT", str(root))
        ratio.prepare(SETTINGS)
    return root


@pytest.fixture(autouse=True)
def on_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))


def test_real_text_is_what_was_rewritten(root: Path) -> None:
    parents = {
        parent
        for name in REWRITTEN
        for document in Corpus.open(root, name).documents()
        for parent in document.parents
    }
    real = list(Corpus.open(root, "two_sources_real").documents())
    assert {document.id for document in real} == parents and len(real) == 250
    texts = {d.id: d.text for name in SETTINGS.sources for d in Corpus.open(root, name).documents()}
    assert all(document.text == texts[document.id] for document in real)
    rewritten = list(Corpus.open(root, "two_sources_rewritten").documents())
    assert len(rewritten) == sum(Corpus.open(root, n).manifest["documents"] for n in REWRITTEN)
    assert {d.meta["style"] for d in rewritten} == {"reversed", "by_pieces"}


def test_ratios_are_of_tokens_and_matched_text_is_read_equally_often() -> None:
    sections = {"sweep": SweepSettings, "rephrase_ratio": ratio.Settings}
    run, _, found = resolve_with([str(GIN)], OPTIONS, sections)
    assert found["rephrase_ratio"] == SETTINGS
    arms = {arm.name: arm for arm in ratio.arms(run, SETTINGS)}
    assert arms["real"].baseline and sum(arm.baseline for arm in arms.values()) == 1
    names = ["real", "rewritten", "both_3to1", "both_1to1", "both_0.5to2"]
    assert list(arms)[:5] == names and 9 <= len(arms) <= 10  # the smaller kind alone is not cut
    whole = {kind: arms[kind] for kind in ratio.KINDS}
    unique = min(_tokens(changed(run, arm)) for arm in whole.values())
    for name, real in zip(names, (1, 0, 0.75, 0.5, 0.2), strict=True):
        for arm in filter(None, (arms[name], arms.get(f"{name}_matched"))):
            source = open_data(changed(run, arm), None)
            rows = dict(
                zip(source.plan.sources, source.plan.totals(source.plan.steps), strict=True)
            )
            assert sum(rows.values()) == run.steps * run.data.batch
            of_real = sum(n for task, n in rows.items() if task.startswith("two_sources_real"))
            assert abs(of_real - real * sum(rows.values())) <= 1
            if arm.name.endswith("_matched"):
                assert _tokens(changed(run, arm)) == pytest.approx(unique, rel=0.03)
                epochs = [rows[c.name] * run.data.length / len(c.tokens) for c in source.caches]
                assert max(epochs) == pytest.approx(min(epochs), rel=0.05)
    again = ratio.Settings(**{**vars(SETTINGS), "variants": ("matched",)})
    assert len(ratio.arms(run, again)) == 5 and ratio.arms(run, again)[0].baseline


def _tokens(run) -> int:
    return sum(len(cache.tokens) for cache in open_data(run, None).caches)


def test_a_matched_document_has_one_form_and_none_is_trained_on_that_is_held_out(
    root: Path,
) -> None:
    scored = {
        root_id
        for name in ("two_sources_real", "two_sources_rewritten")
        for document in Corpus.open(root, name).documents()
        for root_id in document.root_ids
        if split_of(document.root_ids, SHARE) == VALIDATION
    }
    assert len(scored) > 20
    held_out = load_mixture(root, "two_sources_heldout", ["two_sources.json"])
    assert len(held_out.tasks) == 6
    for blend in ratio.blends(SETTINGS)[2:]:
        read = {}
        for kind in ratio.KINDS:
            whole = ratio.task_of(SETTINGS, kind)
            cut = list(Corpus.open(root, ratio.task_of(SETTINGS, kind, blend)).documents())
            texts = {
                document.id: document.text for document in Corpus.open(root, whole).documents()
            }
            assert cut and all(texts[document.id] == document.text for document in cut)
            assert {split_of(document.root_ids, SHARE) for document in cut} == {TRAIN}
            read[kind] = {root_id for document in cut for root_id in document.root_ids}
        assert not read["real"] & read["rewritten"]
        assert not (read["real"] | read["rewritten"]) & scored
    for name in ("two_sources_both_1to1", "two_sources_both_1to1_matched", "two_sources_heldout"):
        tasks = load_mixture(root, name, ["two_sources.json"]).tasks.values()
        assert {task.validation_share for task in tasks} == {SHARE}


def test_the_loss_on_every_style_is_in_the_report(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    options = [
        *OPTIONS, "sweep.seeds=[0]", "sweep.metric='two_sources_heldout/docs_sample/bits_per_byte'",
        "rephrase_ratio.variants=['matched']", "rephrase_ratio.ratios=['1:1']",
        "model.layers=1", "model.width=8", "model.heads=2", "model.kv_heads=1", "model.head_dim=4",
        "model.mlp_width=16", "data.batch=4", "run.steps=22", "evals.documents=3",
        "exec.tensorboard=False",
    ]  # fmt: skip
    options.remove("rephrase_ratio.ratios=['3:1', '1:1', '0.5:2']")
    options[0] = "rephrase_ratio.name='one_ratio'"
    options = [option.replace("two_sources", "one_ratio") for option in options]
    command = ["sweep", "experiments.rephrase_ratio", "--gin_file", str(GIN)]
    command += ["--directory", str(folder)]
    command += [word for option in options for word in ("--gin", option)]
    ran = subprocess.run(
        [sys.executable, "-m", "research.cli", *command],
        capture_output=True, text=True, env={**os.environ, "XLA_FLAGS": FLAGS},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    results = read_results(folder)
    assert len(results.finished) == 3
    assert results.domains("one_ratio_heldout") == [
        "docs_sample/style=reversed",
        "docs_sample/style=by_pieces",
        "math_sample/style=reversed",
        "docs_sample",
        "math_sample",
        "wiki_sample",
    ]
    for domain in results.domains("one_ratio_heldout"):
        values = results.last_values(f"one_ratio_heldout/{domain}/bits_per_byte")
        assert len(values) == 3 and values.between(1, 9).all()
    trained = {m for m in results.metrics() if m.startswith("loss/")}
    assert {"loss/docs_sample", "loss/math_sample/style=reversed"} <= trained
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "style=by_pieces" in page and "50% real : 50% rewritten" in page


def test_what_makes_no_sweep_is_told_in_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({"id": "a", "text": "Of nobody.", "from": "nowhere"}) + "\n")
    made = ["corpora", "import", "stray", "--format", "jsonl", "--path", str(lines)]
    assert main([*made, "--licence", "CC0-1.0", "--parents-field", "from",
                 "--parents-are-roots"]) == 0  # fmt: skip
    for option, message in (
        ("rewritten=['docs_faq']", "no rewritten corpus docs_faq yet; make it, half an hour or so"),
        ("ratios=['0:1']", "'0:1' is no ratio of real to rewritten tokens, both above 0"),
        ("ratios=['-1:1']", "'-1:1' is no ratio"),
        ("ratios=['1:1', '2:2']", "['1:1', '2:2'] names one twice"),
        ("rewritten=['math_reversed']", "math_reversed@1 was rewritten from math_sample@"),
        ("rewritten=['stray']", "of stray@1 was made of no document of rephrase_ratio.sources"),
        ("rewritten=['docs_sample']", "names docs_sample, which is real text"),
        ("sources=[]", "rephrase_ratio.sources names at least one corpus"),
        ("name='a-b'", "use letters, digits and '_', at most 64"),
        ("validation_share=0.0001", "leaves no document of docs_reversed@1 to evaluate on"),
        ("variants=['equal']", "name some of equal_tokens, matched"),
    ):
        capsys.readouterr()
        command = ["sweep", "experiments.rephrase_ratio", "--gin_file", str(GIN), "--dry-run"]
        command += ["--gin", f"rephrase_ratio.{option}"]
        command += ["--gin", "rephrase_ratio.others=['wiki_sample']"]
        if not option.startswith("sources"):
            command += ["--gin", "rephrase_ratio.sources=['docs_sample']"]
        if not option.startswith("rewritten"):
            command += ["--gin", "rephrase_ratio.rewritten=['docs_reversed']"]
        assert main(command) == 1, option
        told = capsys.readouterr().err  # with progress bars, where caches were made
        (line,) = [line for line in told.splitlines() if line.startswith("gristmill: ")]
        assert message in line, told
    with pytest.raises(GristmillError, match=r"gristmill weights import FILE\.gguf --name smollm2"):
        ratio.prepare(ratio.Settings(sources=("docs_sample",), rewritten=("docs_faq",), others=()))
