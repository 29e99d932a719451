"""`gristmill refine` on real pages."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.cli import main
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.curate.edits.line_scorer import LineModel, LineScorer
from research.errors import GristmillError

MENU = ("Home | News | Contact", "We use cookies. Accept", "Follow us on every network")


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Articles with lines of menus between, and the same without."""
    root = tmp_path_factory.mktemp("refine")
    wiki = [document for document in Corpus.open(sample_root, "wiki_sample").documents()][:40]
    clean, noisy = [], []
    for number, document in enumerate(wiki):
        lines = document.text[:3000].split("\n")
        clean.append(Document("\n".join(lines), document.id, "wiki", {}))
        for place, line in enumerate(MENU):
            lines.insert((number * 7 + 3 * place) % len(lines), f"{line} {number}")
        noisy.append(Document("\n".join(lines), document.id, "wiki", {}))
    other = [Document("A text of another corpus.\n", "other-1", "wiki", {})]
    for name, documents in (("noisy", noisy), ("clean", clean[1:]), ("other", other)):
        build_corpus(root, name, "1", [Unit(name, 0, lambda documents=documents: iter(documents))],
                     licence="CC BY-SA", definition={}, command="a test")  # fmt: skip
    return root


def test_compile_apply_train_propose(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs, model, proposed = (str(root / name) for name in ("p.jsonl", "m.npz", "q.jsonl"))
    gristmill = ["--root", str(root), "refine"]
    assert main([*gristmill, "compile", "noisy", "clean", "--out", programs]) == 0
    assert "39 programs for 40 documents" in capsys.readouterr().out
    assert main([*gristmill, "apply", "noisy", programs, "--out", "refined"]) == 0
    assert "; 0 programs refused" in capsys.readouterr().out
    clean = {document.id: document.text for document in Corpus.open(root, "clean").documents()}
    refined = {document.id: document.text for document in Corpus.open(root, "refined").documents()}
    assert len(refined) == 40 and all(refined[id] == text for id, text in clean.items())
    id = next(iter(clean))
    assert main(["--root", str(root), "curate", "explain", "refined", "--id", id]) == 0
    assert "passage(s) changed" in capsys.readouterr().out

    assert main([*gristmill, "train", "noisy", programs, "--out", model, "--seed", "1",
                 "--epochs", "20"]) == 0  # fmt: skip
    told = capsys.readouterr().out
    assert float(told.partition("F1 ")[2].partition(" ")[0]) > 0.6, told
    assert main([*gristmill, "propose", "noisy", model, "--out", proposed]) == 0
    chosen = [json.loads(line)["program"] for line in Path(proposed).read_text().splitlines()]
    assert len(chosen) == 40 and sum("remove_lines" in program for program in chosen) > 20
    scorer = LineScorer.load(Path(model))
    assert scorer("[000]" + MENU[1] + " 5\n[001]The empire fell in 1453 after a long siege.\n")


def test_programs_that_take_too_much_or_do_not_fit_are_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = list(Corpus.open(root, "noisy").documents())
    bad = ["remove_lines(0, 99999)", "eval('1')", "remove_str('no such string')", "drop_doc()"]
    whole = f"remove_lines(0, {len(documents[4].text.splitlines()) - 2})"
    entries = [{"id": document.id, "program": program}
               for document, program in zip(documents, [*bad, whole], strict=False)]  # fmt: skip
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(map(json.dumps, entries)))
    assert main(["--root", str(root), "refine", "apply", "noisy", str(path), "--out", "bad"]) == 0
    assert "4 programs refused" in capsys.readouterr().out
    made = {document.id: document for document in Corpus.open(root, "bad").documents()}
    assert documents[3].id not in made and len(made) == 39
    assert "numbered from 0" in made[documents[0].id].meta["edit_refused"]
    assert "expected one of keep_doc" in made[documents[1].id].meta["edit_refused"]
    assert "> 0.5 of the text" in made[documents[4].id].meta["edit_refused"]
    assert all(made[document.id].text == document.text for document in documents if
               document.id in made)  # fmt: skip
    path.write_text('{"id": "a", "program": "keep_doc()"}\n')
    assert main(["--root", str(root), "curate", "explain", "bad", "--id", documents[0].id]) == 0
    assert "has changed since this recipe was made" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compile", "noisy", "nothing", "--out", "x"], "no finished corpus nothing"),
        (["compile", "noisy", "other", "--out", "fits.jsonl"], "fits.jsonl was not written"),
        (["compile", "noisy", "clean", "--out", ""], "--out '': no regular file"),
        (["compile", "noisy", "clean", "--out", "fits.jsonl/x"], "cannot be written to"),
        (["apply", "noisy", "none.jsonl", "--out", "x"], "cannot be read"),
        (["apply", "noisy", "bad.jsonl", "--out", "x"], "line 1: no program; a line is"),
        (["apply", "noisy", "twice.jsonl", "--out", "x"], "two programs for one id"),
        (["apply", "noisy", "surrogate.jsonl", "--out", "x"], "line 2: a lone surrogate"),
        (["apply", "noisy", "pipe", "--out", "x"], "pipe: no regular file"),
        (["apply", "noisy", "empty.jsonl", "--out", "x"], "none of its 0 programs has the id"),
        (["apply", "noisy", "strange.jsonl", "--out", "x"], "none of its 1 programs has the id"),
        (["apply", "noisy", "fits.jsonl", "--out", "x", "--max-removed", "2"], "from 0 to 1"),
        (["train", "noisy", "strange.jsonl", "--out", "x", "--seed", "1"], "none of its 1 program"),
        (["train", "noisy", "fits.jsonl", "--out", ".", "--seed", "1"], "--out '.': no regular"),
        (["train", "noisy", "fits.jsonl", "--out", "x", "--seed", "1"], "fits.jsonl: the program"),
        (["propose", "noisy", "bad.jsonl", "--out", "x"], "no line scorer"),
        (["propose", "noisy", "pipe", "--out", "x"], "pipe: no regular file"),
    ],
)
def test_mistakes_get_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    line = '{"id": "a", "program": "keep_doc()"}\n'
    id = next(Corpus.open(root, "noisy").documents()).id
    fits = json.dumps({"id": id, "program": "no_such_call()"}) + "\n"
    files = {"bad": "[1]\n", "twice": line * 2, "strange": line, "empty": "", "fits": fits,
             "surrogate": line + r'{"id": "\ud800", "program": "keep_doc()"}'}  # fmt: skip
    for name, text in files.items():
        Path(f"{name}.jsonl").write_text(text)
    os.mkfifo("pipe")
    assert main(["--root", str(root), "refine", *arguments]) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert Path("fits.jsonl").read_text() == fits


@pytest.mark.parametrize(
    ("option", "value"),
    [("--workers", "0"), ("--workers", "-1"), ("--seed", "-1"), ("--seed", "9" * 42),
     ("--seed", str(2**31)), ("--epochs", "0"), ("--epochs", "-2")],
)  # fmt: skip
def test_numbers_out_of_bounds_are_wrong_usage(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    action = "apply" if option == "--workers" else "train"
    with pytest.raises(SystemExit) as stopped:
        main(["refine", action, "noisy", "p.jsonl", "--out", "x", f"{option}={value}"])
    assert stopped.value.code == 2
    assert f"argument {option}: '{value}' is no number from" in capsys.readouterr().err


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line scorer that has learned nothing, which is as whole as any."""
    path = tmp_path_factory.mktemp("model") / "m.npz"
    LineScorer(nnx.state(LineModel(nnx.Rngs(0)), nnx.Param), 0.5).save(path, {})
    assert LineScorer.load(path).threshold == 0.5
    return path


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"about": np.frombuffer(b"[1]", np.uint8)}, "about is no JSON object"),
        ({"about": np.frombuffer(b'{"threshold": NaN}', np.uint8)}, "a threshold of nan"),
        ({"logit/bias": np.zeros(2, np.float32)}, r"logit/bias is float32\[2\], not float32\[1\]"),
        ({"logit/bias": np.full(1, np.nan, np.float32)}, "logit/bias has values that are not"),
    ],
)
def test_models_with_wrong_contents_are_refused(
    model: Path, tmp_path: Path, changed: dict[str, np.ndarray], told: str
) -> None:
    path = tmp_path / "m.npz"
    with np.load(model) as arrays:
        np.savez(path, **{**arrays, **changed})
    with pytest.raises(GristmillError, match=f"{told}.*; make one with gristmill refine train"):
        LineScorer.load(path)


@pytest.mark.parametrize("bytes_kept", [0, 1, 1000, 100_000])
def test_models_cut_short_are_refused(model: Path, tmp_path: Path, bytes_kept: int) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(model.read_bytes()[:bytes_kept])
    with pytest.raises(GristmillError, match=r"no line scorer .*; make one with"):
        LineScorer.load(path)


@pytest.mark.filterwarnings("error")
def test_chances_of_extreme_logits_do_not_overflow(model: Path) -> None:
    scorer = LineScorer.load(model)
    scorer.weights["logit"]["bias"][...] = jnp.full(1, -1e4)
    assert scorer.chances("a line\n") == [0.0]
