"""Batches of the real samples: what they contain, and that nothing but the plan decides it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from research.corpora.document import Corpus
from research.errors import GristmillError
from research.input_pipeline.batches import BatchSource, DataSpec
from research.input_pipeline.loader import load, mixture_schedule, open_caches, rows_of_host
from research.input_pipeline.mixture_plan import Schedule
from research.input_pipeline.token_cache import TokenCache
from research.registry.specs import load_mixture
from research.registry.tokenizers import load_tokenizer

BOS, PAD = 3, 0


@pytest.fixture(scope="module")
def caches(demo_root: Path) -> dict[str, TokenCache]:
    return open_caches(demo_root, load_mixture(demo_root, "demo"), "train")


@pytest.fixture(scope="module", params=["concat", "best_fit"])
def spec(
    request: pytest.FixtureRequest, demo_root: Path, caches: dict[str, TokenCache]
) -> DataSpec:
    return DataSpec(
        schedule=mixture_schedule(load_mixture(demo_root, "demo"), caches),
        steps=60,
        batch=16,
        length=512,
        seed=1,
        packer=request.param,
        max_epochs={"wiki_sample": 0.01, "math_sample": 2},
        on_cap="redistribute",
    )


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all((one[key] == other[key]).all() for key in one)


def test_inputs_targets_and_segments_follow_the_documents(
    spec: DataSpec, caches: dict[str, TokenCache]
) -> None:
    source = BatchSource(spec, caches, BOS, PAD)
    assert set(source.plan.exhausted) == {"wiki_sample"}
    for step in (0, 31, 59):
        batch, trace = source[step], source.trace(step)
        real = trace.source >= 0
        assert (batch["loss_weights"] == real).all()
        assert ((batch["segment_ids"] > 0) == real).all()
        for row, column in np.argwhere(real)[:: 97 if step else 1]:
            cache = caches[source.plan.sources[trace.source[row, column]]]
            document, offset = trace.document[row, column], trace.offset[row, column]
            tokens = cache.tokens[cache.offsets[document] : cache.offsets[document + 1]]
            assert batch["targets"][row, column] == tokens[offset]
            expected = tokens[offset - 1] if offset else BOS
            assert batch["inputs"][row, column] == expected
            domain = cache.manifest["domains"][cache.domains[document]]
            assert source.domains[batch["domain_ids"][row, column]] == domain
        # a segment is one document, and positions count up from its start in the row
        same_segment = np.diff(batch["segment_ids"]) == 0
        same_document = (np.diff(trace.document) == 0) & (np.diff(trace.offset) == 1)
        assert (same_segment == same_document)[real[:, 1:]].all()
        steps = np.diff(batch["positions"])
        assert (steps[same_segment & real[:, 1:]] == 1).all()
        assert (batch["positions"][:, 1:][~same_segment & real[:, 1:]] == 0).all()
        assert (batch["targets"][~real] == PAD).all() and (batch["inputs"][~real] == PAD).all()


def test_targets_decode_to_the_text_they_are_traced_to(
    demo_root: Path, spec: DataSpec, caches: dict[str, TokenCache]
) -> None:
    """From a target back to the page: document id, then text, then the same tokens."""
    source = BatchSource(spec, caches, BOS, PAD)
    tokenizer = load_tokenizer(demo_root, "demo_8k")
    batch, trace = source[7], source.trace(7)
    corpora: dict[str, dict[str, str]] = {}
    for row in range(spec.batch):
        name = source.plan.sources[trace.source[row, 0]]
        if name not in corpora:
            corpora[name] = {d.id: d.text for d in Corpus.open(demo_root, name).documents()}
        text = corpora[name][caches[name].document_id(int(trace.document[row, 0]))]
        ids = [*tokenizer.encode_batch([text])[0], tokenizer.spec.eos_id]
        length = int((trace.document[row] == trace.document[row, 0]).argmin()) or spec.length
        start = trace.offset[row, 0]
        assert batch["targets"][row, :length].tolist() == ids[start : start + length]


def test_any_hosts_and_threads_give_the_same_batches(
    spec: DataSpec, caches: dict[str, TokenCache]
) -> None:
    """A run of 2 hosts is saved at a step and goes on, bit for bit, on 1, 2, 4 and 8."""
    whole = BatchSource(spec, caches, BOS, PAD)
    halves = [BatchSource(spec, caches, BOS, PAD, rows_of_host(16, h, 2)) for h in range(2)]
    saved = json.dumps(halves[0].state(23))
    assert saved == json.dumps(halves[1].state(23)) and len(saved) < 1024
    for hosts, threads in ((1, 0), (2, 1), (4, 2), (8, 0)):
        streams = []
        for host in range(hosts):
            source = BatchSource(spec, caches, BOS, PAD, rows_of_host(16, host, hosts))
            streams.append(load(source, source.resume(json.loads(saved)), threads=threads))
        for step in range(23, 60, 6 if hosts > 1 else 1):
            parts = [next(stream) for stream in streams]
            joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
            assert same(joined, whole[step])
            if hosts > 1:
                for stream in streams:
                    for _ in range(5):
                        next(stream, None)


def test_another_past_is_refused_and_another_future_is_not(
    spec: DataSpec, caches: dict[str, TokenCache]
) -> None:
    source = BatchSource(spec, caches, BOS, PAD)
    state = source.state(20)
    first = spec.schedule.points[0][1]
    later = Schedule(((0, first), (20, {**first, "wiki_sample": 0.0, "docs_sample": 1e9})))
    future = BatchSource(dataclasses.replace(spec, schedule=later), caches, BOS, PAD)
    assert future.resume(state) == 20
    assert all(same(future[step], source[step]) for step in range(20))
    for change in ({"seed": 2}, {"length": 256}, {"batch": 8}, {"across_documents": True}):
        other = BatchSource(dataclasses.replace(spec, **change), caches, BOS, PAD, [0])
        with pytest.raises(GristmillError, match="saw other batches"):
            other.resume(state)


def test_a_source_that_joins_later_changes_nothing_before(
    spec: DataSpec, caches: dict[str, TokenCache]
) -> None:
    before = {"web_sample": 1.0, "docs_sample": 2.0}
    alone = dataclasses.replace(spec, schedule=Schedule.constant(before), max_epochs={})
    joined = Schedule(((0, before), (30, {**before, "code_sample": 3.0})))
    one = BatchSource(alone, caches, BOS, PAD)
    two = BatchSource(dataclasses.replace(alone, schedule=joined), caches, BOS, PAD)
    assert all(same(one[step], two[step]) for step in range(30))
    assert two.resume(one.state(30)) == 30
    assert two.domains[: len(one.domains)] == one.domains


def test_two_mixtures_see_each_source_in_the_same_order(
    spec: DataSpec, caches: dict[str, TokenCache]
) -> None:
    def rows_of(source: BatchSource, name: str) -> list[np.ndarray]:
        number, found = source.plan.sources.index(name), {}
        for step in range(len(source)):
            here, index = source.plan.rows(step, spec.seed)
            targets = source[step]["targets"]
            found |= {int(i): targets[r] for r, i in enumerate(index) if here[r] == number}
        return [found[i] for i in sorted(found)]

    arms = [
        dataclasses.replace(spec, schedule=Schedule.constant(shares), max_epochs={}, steps=20)
        for shares in (
            {"web_sample": 1.0, "code_sample": 1.0},
            {"math_sample": 3.0, "web_sample": 1.0},
        )
    ]
    one, other = (rows_of(BatchSource(arm, caches, BOS, PAD), "web_sample") for arm in arms)
    assert len(one) == 160 and len(other) == 80
    assert all((mine == theirs).all() for mine, theirs in zip(one, other, strict=False))


def test_across_documents_joins_a_row_only_when_asked(
    spec: DataSpec, caches: dict[str, TokenCache]
) -> None:
    source = BatchSource(spec, caches, BOS, PAD)
    joined = BatchSource(dataclasses.replace(spec, across_documents=True), caches, BOS, PAD)
    apart, together = source[3], joined[3]
    assert apart["segment_ids"].max() > 1
    real = together["loss_weights"] > 0
    assert (together["segment_ids"] == real).all()
    assert (together["targets"] == apart["targets"]).all()
    shifted = together["inputs"][:, 1:] == together["targets"][:, :-1]
    assert shifted[real[:, 1:]].all()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"schedule": Schedule.constant({"web_smaple": 1.0})}, "web_smaple, which is no source"),
        ({"max_epochs": {"books": 1}}, "max_epochs names books, which has no share"),
        ({"max_epochs": {"web_sample": 0}}, "max_epochs of web_sample is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"packer": "greedy"}, "packer is one of concat, best_fit"),
        ({"steps": 10**6}, "the epoch caps suffice for"),
    ],
)
def test_bad_settings_are_refused(
    spec: DataSpec, caches: dict[str, TokenCache], change: dict, fault: str
) -> None:
    caps = {"max_epochs": {}} if "schedule" in change else {}
    if "steps" in change:
        caps = {"max_epochs": dict.fromkeys(caches, 1)}
    with pytest.raises(GristmillError, match=fault):
        BatchSource(dataclasses.replace(spec, **{**caps, **change}), caches, BOS, PAD)


def test_a_batch_that_does_not_divide_among_hosts_is_refused() -> None:
    with pytest.raises(GristmillError, match="batch of 6 rows does not divide among 4 hosts"):
        rows_of_host(6, 0, 4)
