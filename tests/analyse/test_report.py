"""The report: its contents, by the command line; what it says of sweeps that lack something."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from research import cli
from research.analyse import sweep_record
from research.analyse.report import write_report

from .conftest import part

SECTIONS = ["question", "answer", "verdicts", "curves", "domains", "pareto", "arms", "cost",
            "missing", "noise", "reproduce"]  # fmt: skip
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)  # fmt: skip
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--enable-logging=stderr"]  # fmt: skip
PROBE = """<script>
addEventListener("load", () => {
  const box = (e) => { const r = e.getBoundingClientRect(); return [r.width, r.height]; };
  const found = {
    sections: [...document.querySelectorAll("header, section")].map((e) => [e.id, ...box(e)]),
    figures: [...document.querySelectorAll("figure svg")].map(box),
    wider: [...document.querySelectorAll("body *")]
      .filter((e) => !e.closest("svg, .scroll, pre, details"))
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    requests: performance.getEntriesByType("resource").length,
  };
  document.body.innerHTML = "";
  document.body.dataset.found = JSON.stringify(found);
});
</script></body>"""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["report", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def sections(page: str) -> list[str]:
    return re.findall(r'<(?:section|header) id="([\w-]+)"', page)


def test_a_finished_sweep(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, sweep)
    assert (code, err) == (0, "")
    assert "no_code" in out and f"report: {sweep}/report.html" in out
    page = (sweep / "report.html").read_text()
    assert sections(page) == SECTIONS
    for name in ("natural", "stratified", "no_code", "code_sample", "Which source is worth its"):
        assert name in page
    for cell in sweep_record.read(sweep).cells:
        assert cell.fingerprint[:16] in page
    # it needs nothing but itself
    assert "<script" not in page and "@import" not in page
    assert all(a.startswith(("#", "data:")) for a in re.findall(r'(?:href|src)="([^"]*)', page))
    assert all(a.startswith("#") for a in re.findall(r"url\(([^)]*)", page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    table = pd.read_parquet(sweep / "results.parquet")
    assert set(table["arm"]) == {"natural", "stratified", "no_code"}
    assert len(pd.read_csv(sweep / "results.csv")) == len(table)


def test_an_unfinished_sweep_says_what_is_missing(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sweep / "no_code/large/seed2/result.json").unlink()
    shutil.rmtree(sweep / "stratified/large/seed2")
    code, _, err = run(capsys, sweep)
    assert (code, err) == (0, "")
    page = (sweep / "report.html").read_text()
    assert sections(page) == ["question", "unfinished", *SECTIONS[1:]]
    assert "7 of 9 cells are finished, 2 waiting" in page
    banner = page[page.index('id="unfinished"') : page.index('id="answer"')]
    assert sweep_record.read(sweep).command in banner
    missing = page[page.index('id="missing"') : page.index('id="noise"')]
    assert "no_code/large/seed2" in missing and "stratified/large/seed2" in missing


def test_one_seed_has_no_interval(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part(finished, tmp_path / "sweep", seeds=(1,))
    code, out, err = run(capsys, tmp_path / "sweep")
    assert (code, err) == (0, "") and "one seed: no interval" in out
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert page.count("One seed gives no interval") == 2 and "noise" not in sections(page)
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL).lower()


def test_several_sizes_and_other_choices(
    two_sizes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "elsewhere" / "page.html"
    options = ("--metric", "demo/code_sample/bits_per_byte", "--baseline", "no_code", "--out", out)
    code, text, err = run(capsys, two_sizes, *options)
    assert (code, err) == (0, "") and "less that of no_code" in text
    page = out.read_text()
    assert "sizes" in sections(page) and "Decision accuracy" in page
    assert "bits per byte of demo: code_sample" in page
    assert f"gristmill report &#39;{two_sizes}&#39; --metric demo/code_sample" in page
    assert (out.parent / "results.csv").exists() and not (two_sizes / "report.html").exists()


def test_an_accuracy_of_which_more_is_better(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = sweep_record.read(sweep)
    changed = dataclasses.replace(record, metric="addition/exact_match", better="higher")
    sweep_record.write(sweep, changed)
    right = {"natural": 0.25, "stratified": 0.5, "no_code": 0.125}
    for cell in record.cells:  # as runs leave it that are evaluated by exact match alone
        path = sweep / cell.directory / "metrics.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if "evaluation" in line:
                line["evaluation"] = {"addition/exact_match": right[cell.arm] + cell.seed / 128}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        shutil.rmtree(sweep / cell.directory / "evaluations")
    code, out, err = run(capsys, sweep)
    assert (code, err) == (0, "") and "higher is better" in out
    page = (sweep / "report.html").read_text()
    assert "exact match of addition (higher is better)" in page
    assert "is better than natural: exact match of addition is 0.2500 exact match higher" in page
    assert {"domains", "pareto"}.isdisjoint(sections(page)) and "curves" in sections(page)


@pytest.fixture(scope="module")
def oddly_named(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep with names that are no HTML, and long ones."""
    folder = tmp_path_factory.mktemp("odd") / "sweep"
    record = part(finished, folder)
    names = {
        "no_code": "<script>alert('$x$')</script>&",
        "stratified": "a_long_name_of_an_arm_" * 3,
    }
    renamed = dataclasses.replace(
        record,
        question="Is <b>this</b> escaped?",
        arms=tuple(
            dataclasses.replace(arm, name=names.get(arm.name, arm.name)) for arm in record.arms
        ),
        cells=tuple(
            dataclasses.replace(cell, arm=names.get(cell.arm, cell.arm)) for cell in record.cells
        ),
    )
    sweep_record.write(folder, renamed)
    return write_report(folder).path


def test_names_are_text(oddly_named: Path) -> None:
    page = oddly_named.read_text()
    assert "<script" not in page and "<b>this" not in page
    assert "&lt;script&gt;alert(&#39;$x$&#39;)&lt;/script&gt;&amp;" in page


def test_what_cannot_be_reported_is_one_line(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: object) -> str:
        code, out, err = run(capsys, *arguments)
        assert (code, out, err.count("\n")) == (1, "", 1), err
        return err

    assert "is no sweep's folder" in refused(tmp_path)
    assert "has no arm 'x'; it has natural, stratified" in refused(sweep, "--baseline", "x")
    error = refused(sweep, "--metric", "demo/all/perplexity")
    assert "'demo/all/perplexity'" in error and "demo/all/bits_per_byte" in error
    record = (sweep / "sweep.json").read_bytes()
    assert "ends in .html" in refused(sweep, "--out", sweep / "sweep.json")
    assert (sweep / "sweep.json").read_bytes() == record
    (tmp_path / "file").touch()
    error = refused(sweep, "--out", tmp_path / "file" / "report.html")
    assert "the report cannot be written" in error and "--out" in error
    assert not (sweep / "report.html").exists()
    for result in sweep.glob("*/*/*/result.json"):
        result.unlink()
    error = refused(sweep)
    assert "no cell is finished yet (0 of 9 cells" in error and "gristmill sweep" in error
    record = json.loads((sweep / "sweep.json").read_text())
    (sweep / "sweep.json").write_text(json.dumps(record | {"format": 99}))
    assert "is of version 99" in refused(sweep)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on PATH")
def test_it_looks_right_in_a_browser(oddly_named: Path, tmp_path: Path) -> None:
    probed = tmp_path / "probed.html"
    probed.write_text(oddly_named.read_text().replace("</body>", PROBE))
    for width in (1280, 800):
        profile = tmp_path / f"profile{width}"
        options = [f"--user-data-dir={profile}", f"--window-size={width},900", "--dump-dom"]
        done = subprocess.run(
            [BROWSER, *QUIET, *options, probed.as_uri()],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "CONSOLE" not in done.stderr, done.stderr
        encoded = re.search(r'data-found="([^"]*)"', done.stdout)
        assert encoded, done.stdout[-500:] + done.stderr[-500:]
        found = json.loads(encoded[1].replace("&quot;", '"').replace("&amp;", "&"))
        assert [name for name, *_ in found["sections"]] == SECTIONS
        assert all(w > 300 and h > 20 for _, w, h in found["sections"])
        assert len(found["figures"]) == 4
        assert all(w > 0.7 * (min(width, 992) - 48) and h > 60 for w, h in found["figures"])
        assert (found["overflow"], found["wider"], found["requests"]) == (0, [], 0)
