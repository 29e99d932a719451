"""Late upsampling: branches share their stem's past; one that changes nothing ends as it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import late_upsampling
from experiments.declare import SweepSettings, changed
from research.cli import main
from research.errors import GristmillError
from research.train.checkpoint import Checkpoints
from research.train.loop import open_data
from research.train.run_spec import RunSpec, resolve_with

GIN = Path(__file__).parents[2] / "gin_configs" / "sweeps" / "late_upsampling_cpu.gin"
SECTIONS = {"sweep": SweepSettings, "late_upsampling": late_upsampling.Settings}
# compiling is most of the work of a tiny run
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# the shipped file, made tiny
TINY = (
    "sweep.seeds=[3]", "run.steps=20", "data.length=32", "model.vocabulary_size=2000",
    "model.layers=1", "model.width=8", "model.heads=2", "model.kv_heads=1", "model.head_dim=4",
    "model.mlp_width=16", "learning_rate.warmup_steps=2", "evals.documents=1",
    "exec.steps_per_call=2", "exec.log_every=1", "exec.checkpoint_every=5",
    "late_upsampling.unchanged=True", "late_upsampling.last=[0.3]",
    "late_upsampling.sources=['code_sample']",
)  # fmt: skip


@pytest.fixture(autouse=True)
def on_demo_data(demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(demo_root))
    monkeypatch.setenv("XLA_FLAGS", FLAGS)  # of the sweep's worker


def resolve(*options: str) -> tuple[RunSpec, late_upsampling.Settings]:
    vocabulary = () if options == TINY else ("model.vocabulary_size=2000",)
    run, _, found = resolve_with([str(GIN)], [*vocabulary, *options], SECTIONS)
    return run, found["late_upsampling"]


def test_the_branches_of_the_shipped_file_share_the_past_of_the_stem() -> None:
    run, settings = resolve()
    stem, *branches = late_upsampling.arms(run, settings)
    assert stem.baseline and stem.branch_of is None and not any(b.baseline for b in branches)
    ((_, shares),) = stem.changes["data.schedule"]
    assert [branch.name for branch in branches] == [f"more_{name}_last20" for name in shares]
    assert len(shares) == 5
    before = open_data(changed(run, stem), None)
    for branch in branches:
        assert branch.branch_of == "stem" and branch.branch_at == 200
        source = open_data(changed(run, branch), None)
        assert source.state(200) == before.state(200) and source.state(201) != before.state(201)
        (step, shares) = branch.changes["data.schedule"][-1]
        chosen = branch.name.removeprefix("more_").removesuffix("_last20")
        assert step == 200 and sum(shares.values()) == pytest.approx(1)
        assert shares[chosen] == pytest.approx(0.4)
        assert all(s == pytest.approx(0.15) for name, s in shares.items() if name != chosen)


def test_a_natural_mixture_keeps_its_proportions() -> None:
    run, settings = resolve("data.mixture='demo'", "late_upsampling.last=[0.1, 0.3]")
    stem, *branches = late_upsampling.arms(run, settings)
    assert len(branches) == 10 and {branch.branch_at for branch in branches} == {225, 175}
    ((_, own),) = stem.changes["data.schedule"]
    natural = open_data(run, None)
    assert open_data(changed(run, stem), None).state(250) == natural.state(250)
    for branch in branches:
        (_, shares) = branch.changes["data.schedule"][-1]
        ratios = {name: shares[name] / own[name] for name in own}
        chosen = next(name for name in own if branch.name.startswith(f"more_{name}_last"))
        assert ratios.pop(chosen) == pytest.approx(2)
        assert max(ratios.values()) == pytest.approx(min(ratios.values()))


def test_a_branch_that_changes_nothing_ends_with_the_bits_of_the_stem(tmp_path: Path) -> None:
    options = [word for option in TINY for word in ("--gin", option)]
    folder = tmp_path / "sweep"
    command = ["sweep", "experiments.late_upsampling", "--gin-file", str(GIN)]
    assert main([*command, *options, "--directory", str(folder)]) == 0

    def read(arm: str) -> tuple[dict, list[dict], dict[str, int]]:
        run = folder / arm / "seed3"
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        kept = ("step", "loss", "grad_norm", "learning_rate", "evaluation")
        metrics = [{key: line[key] for key in kept if key in line} for line in lines]
        late = [line for line in metrics if line["step"] > 14]
        checkpoints = Checkpoints(str(run / "checkpoints"), keep_last=9, keep_every=None)
        checksums = checkpoints.read_meta(20)["checksums"]
        checkpoints.close()
        return json.loads((run / "result.json").read_text()), late, checksums

    stem, unchanged, more = map(read, ("stem", "unchanged_last30", "more_code_sample_last30"))
    assert len(stem[1]) > 5 and "evaluation" in stem[1][-1]
    assert unchanged[1] == stem[1] and unchanged[2] == stem[2]
    assert unchanged[0]["evaluation"] == stem[0]["evaluation"]
    assert more[1] != stem[1] and more[2] != stem[2]
    assert [line["learning_rate"] for line in more[1] if "loss" in line] == [
        line["learning_rate"] for line in stem[1] if "loss" in line
    ]


def test_what_makes_no_branches_is_refused() -> None:
    for options, message in (
        (
            ["late_upsampling.sources=['wikipedia']"],
            "names wikipedia; with a share are web_sample",
        ),
        (["late_upsampling.factor=6.0"], "is 120% of the tokens"),
        (["data.schedule=((0, {'wiki_sample': 1.0}), (220, {'code_sample': 1.0}))"], "at step 220"),
    ):
        run, settings = resolve(*options)
        with pytest.raises(GristmillError, match=message):
            late_upsampling.arms(run, settings)
    with pytest.raises(GristmillError, match="give shares in"):
        late_upsampling.Settings(last=(1.0,))
    with pytest.raises(GristmillError, match="must be above 0"):
        late_upsampling.Settings(factor=-1)
