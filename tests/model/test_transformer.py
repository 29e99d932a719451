"""What the model computes: the same on every mesh, by every kernel, and never across documents."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.errors import GristmillError
from research.model import attention as attention_lib
from research.model.attention import attend, resolve_kind
from research.model.config import ModelConfig
from research.model.rope import halves_to_interleaved
from research.model.sharding import (
    MeshSpec,
    batch_sharding,
    check_mesh,
    make_mesh,
    param_shardings,
)
from research.model.transformer import hidden_states, init_params, logits

# every choice at once: what is right together is right alone
CONFIG = ModelConfig(
    vocabulary_size=64,
    layers=4,
    width=32,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_width=48,
    max_length=64,
    activation="geglu",
    rope_local_base=500.0,
    qk_norm=True,
    qkv_bias=True,
    embedding_scale=32**0.5,
    norm_offset=1.0,
    post_norms=True,
    attention_soft_cap=20.0,
    window=5,
    window_pattern=2,
    compute_dtype="float32",
)
MESHES = (
    "data=8",
    "fsdp=8",
    "data=2,fsdp=4",
    "fsdp=4,tensor=2",
    "slice=2,fsdp=2,tensor=2",
    "slice=2,data=2,fsdp=2",
)
Rows = tuple[jax.Array, jax.Array, jax.Array]

init = jax.jit(init_params, static_argnums=(0,))
forward = jax.jit(
    functools.partial(hidden_states, mesh=None, attention="plain", remat="none"),
    static_argnums=(1,),
)


def packed_rows(rows: int, length: int, seed: int = 0) -> Rows:
    """Rows of three documents and a little padding: inputs, segment_ids, positions."""
    rng = np.random.default_rng(seed)
    inputs_BxL = rng.integers(0, 64, (rows, length), dtype=np.int32)
    segments_BxL = np.zeros((rows, length), np.int32)
    positions_BxL = np.zeros((rows, length), np.int32)
    for row in range(rows):
        ends = [0, *sorted(rng.choice(np.arange(2, length - 3), 2, replace=False)), length - 2]
        for number, (begin, end) in enumerate(itertools.pairwise(ends), 1):
            segments_BxL[row, begin:end] = number
            positions_BxL[row, begin:end] = np.arange(end - begin)
    return tuple(map(jnp.asarray, (inputs_BxL, segments_BxL, positions_BxL)))


def loss(params, rows: Rows, config: ModelConfig = CONFIG, mesh=None, kind="plain", remat="none"):
    hidden_BxLxD = hidden_states(params, config, *rows, mesh=mesh, attention=kind, remat=remat)
    logits_BxLxV = logits(hidden_BxLxD, params, config)
    targets_BxL = jnp.roll(rows[0], -1, axis=1)
    chosen = jnp.take_along_axis(logits_BxLxV, targets_BxL[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits_BxLxV, axis=-1) - chosen)


compiled_loss = jax.jit(loss, static_argnums=(2,))


def assert_trees_close(a, b, tolerance: float) -> None:
    for (path, x), y in zip(jax.tree.leaves_with_path(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        scale = max(np.abs(x).max(), 1e-6)
        assert np.abs(x - y).max() / scale < tolerance, jax.tree_util.keystr(path)


@pytest.fixture(scope="module")
def params():
    """Parameters with no zeros in them, so that a bias that is left out shows."""
    params = init(CONFIG, 1)
    key = jax.random.key(2)
    return jax.tree.map(lambda x: x + 0.1 * jax.random.normal(key, x.shape), params)


@pytest.fixture(scope="module")
def reference(params):
    return jax.jit(jax.value_and_grad(loss))(params, packed_rows(8, 32))


@pytest.mark.parametrize("spec", MESHES)
def test_loss_and_gradients_are_the_same_on_every_mesh(spec: str, params, reference) -> None:
    mesh = make_mesh(MeshSpec.parse(spec))
    shardings = param_shardings(CONFIG, mesh)
    there = jax.device_put(params, shardings)
    rows = jax.device_put(packed_rows(8, 32), batch_sharding(mesh))
    step = jax.jit(
        jax.value_and_grad(lambda p, r: loss(p, r, mesh=mesh, remat="full")),
        out_shardings=(None, shardings),
    )
    value, gradients = step(there, rows)
    assert float(value) == pytest.approx(float(reference[0]), abs=1e-6)
    assert_trees_close(reference[1], gradients, 2e-5)


def test_init_depends_on_the_seed_alone() -> None:
    alone = init(CONFIG, 7)
    mesh = make_mesh(MeshSpec(slice=2, fsdp=2, tensor=2))
    shardings = param_shardings(CONFIG, mesh)
    there = jax.jit(lambda: init_params(CONFIG, 7), out_shardings=shardings)()
    assert_trees_close(alone, there, 1e-6)
    query = there["layers"]["attention"]["query"]
    assert query.addressable_shards[0].data.size == query.size / 4
    assert float(jnp.abs(alone["embedding"] - init(CONFIG, 8)["embedding"]).min()) > 0
    deeper = init(dataclasses.replace(CONFIG, layers=6), 7)
    np.testing.assert_array_equal(
        deeper["layers"]["attention"]["query"][:4], alone["layers"]["attention"]["query"]
    )


def test_init_has_the_stated_scale() -> None:
    params = init(CONFIG, 3)
    std = 0.02 * 0.9866  # of a normal cut at three deviations
    assert float(params["embedding"].std()) == pytest.approx(std, rel=0.05)
    down = params["layers"]["mlp"]["down"]
    assert float(down.std()) == pytest.approx(std / 8**0.5, rel=0.05)
    assert float(jnp.abs(params["layers"]["mlp"]["gate"]).max()) <= 0.06 + 1e-6
    assert set(np.unique(params["final_norm"]["scale"])) == {0.0}  # 1 with the offset


@pytest.mark.parametrize("kind", ["plain", "splash"])
def test_documents_of_a_row_never_see_each_other(kind: str, params) -> None:
    length = 128 if kind == "splash" else 32
    rows = packed_rows(2, length)
    inputs_BxL, segments_BxL, _ = rows
    run = jax.jit(
        lambda inputs: hidden_states(
            params, CONFIG, inputs, *rows[1:], mesh=None, attention=kind, remat="none"
        )
    )
    before = np.asarray(run(inputs_BxL))
    for document in (0, 1, 2, 3):
        changed_BxL = np.asarray(segments_BxL) == document
        after = np.asarray(run(jnp.where(changed_BxL, (inputs_BxL + 1) % 64, inputs_BxL)))
        np.testing.assert_array_equal(after[~changed_BxL], before[~changed_BxL])
        assert np.all(np.abs(after - before)[changed_BxL].max(-1) > 0)


def test_a_document_alone_is_what_it_is_in_company(params) -> None:
    inputs_BxL, segments_BxL, positions_BxL = packed_rows(1, 32)
    together = forward(params, CONFIG, inputs_BxL, segments_BxL, positions_BxL)
    place = np.flatnonzero(np.asarray(segments_BxL[0]) == 2)
    ones_BxL, positions_BxL = jnp.ones((1, len(place)), jnp.int32), jnp.arange(len(place))[None]
    alone = forward(params, CONFIG, inputs_BxL[:, place], ones_BxL, positions_BxL)
    np.testing.assert_allclose(alone[0], together[0, place], atol=2e-5)


def heads(length: int, seed: int = 0):
    keys = jax.random.split(jax.random.key(seed), 3)
    shapes = ((2, length, 4, 8), (2, length, 2, 8), (2, length, 2, 8))
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


def naive_attention(q, k, v, segments_BxL, cap: float | None, window: int | None) -> np.ndarray:
    """The masking rule, written out token by token."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    out = np.zeros_like(q)
    B, L, H, _ = q.shape
    group = H // k.shape[2]
    for b, i, h in np.ndindex(B, L, H):
        seen = [
            j
            for j in range(i + 1)
            if segments_BxL[b, i] == segments_BxL[b, j] and (window is None or i - j < window)
        ]
        att = k[b, seen, h // group] @ q[b, i, h]
        att = cap * np.tanh(att / cap) if cap else att
        att = np.exp(att - att.max())
        out[b, i, h] = (att / att.sum()) @ v[b, seen, h // group]
    return out


@pytest.mark.parametrize(("window", "cap"), [(None, None), (None, 2.0), (7, None), (100, 2.0)])
def test_every_kernel_follows_the_masking_rule(
    window: int | None, cap: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(CONFIG, attention_soft_cap=cap)
    qkv, segments_BxL = heads(256), packed_rows(2, 256)[1]

    def run(kind: str) -> tuple[np.ndarray, list[np.ndarray]]:
        def out(q, k, v):
            return attend(q, k, v, segments_BxL, config, window=window, mesh=None, kind=kind)

        def total(*qkv):
            return jnp.sum(jnp.sin(out(*qkv)))

        return np.asarray(jax.jit(out)(*qkv)), jax.jit(jax.grad(total, (0, 1, 2)))(*qkv)

    plain, plain_gradients = run("plain")
    expected = naive_attention(*qkv, np.asarray(segments_BxL), cap, window)
    np.testing.assert_allclose(plain, expected, atol=1e-5)
    monkeypatch.setattr(attention_lib, "QUERY_CHUNK", 64)
    monkeypatch.setattr(attention_lib, "SPLASH_BLOCK", 128)
    monkeypatch.setattr(attention_lib, "MOST_PARTIAL_SUMS", 1)  # tiles of 128 × 256 backward
    for kind in ("plain", "splash"):  # plain is in chunks now
        other, gradients = run(kind)
        np.testing.assert_allclose(other, expected, atol=1e-5)
        for a, b in zip(plain_gradients, gradients, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("spec", ["fsdp=2,tensor=2,data=2", "slice=2,data=4"])
def test_splash_on_a_mesh(spec: str, params) -> None:
    mesh = make_mesh(MeshSpec.parse(spec))
    rows = packed_rows(8, 128)
    config = dataclasses.replace(CONFIG, layers=2)
    some = {**params, "layers": jax.tree.map(lambda x: x[:2], params["layers"])}
    value, gradients = jax.jit(jax.value_and_grad(loss), static_argnums=(2,))(some, rows, config)
    there = jax.device_put(some, param_shardings(config, mesh))
    step = jax.jit(
        jax.value_and_grad(
            lambda p, r: loss(p, r, config, mesh=mesh, kind="splash", remat="minimal")
        )
    )
    other, others = step(there, jax.device_put(rows, batch_sharding(mesh)))
    assert float(other) == pytest.approx(float(value), abs=1e-6)
    assert_trees_close(gradients, others, 2e-5)


@pytest.mark.parametrize("remat", ["full", "dots", "minimal"])
def test_remat_changes_nothing(remat: str, params, reference) -> None:
    value, gradients = jax.jit(jax.value_and_grad(lambda p, r: loss(p, r, remat=remat)))(
        params, packed_rows(8, 32)
    )
    assert float(value) == pytest.approx(float(reference[0]), abs=1e-6)
    assert_trees_close(reference[1], gradients, 1e-5)


def test_rotary_layouts_differ_by_a_permutation(params) -> None:
    rows = packed_rows(2, 32)
    interleaved = dataclasses.replace(CONFIG, rope_layout="interleaved")
    order = halves_to_interleaved(CONFIG.head_dim)
    attention = dict(params["layers"]["attention"])
    for name in ("query", "key", "query_bias", "key_bias"):
        attention[name] = attention[name][..., order]
    for name in ("query_norm", "key_norm"):
        attention[name] = {"scale": attention[name]["scale"][..., order]}
    permuted = {**params, "layers": {**params["layers"], "attention": attention}}
    assert float(compiled_loss(permuted, rows, interleaved)) == pytest.approx(
        float(compiled_loss(params, rows, CONFIG)), abs=1e-6
    )


def test_windowed_layers_see_their_window_and_others_everything(params) -> None:
    def reach(config: ModelConfig) -> int:
        """How far back the last hidden state looks."""
        inputs_BxL = jnp.zeros((1, 32), jnp.int32)
        ones_BxL, positions_BxL = jnp.ones_like(inputs_BxL), jnp.arange(32)[None]

        def last(table):
            tables = {**some, "embedding": table}
            hidden = forward(tables, config, positions_BxL, ones_BxL, positions_BxL)
            return jnp.sum(hidden[0, -1] ** 3)

        some = {
            **params,
            "layers": jax.tree.map(lambda x: x[: config.layers], params["layers"]),
        }
        touched = jnp.abs(jax.jit(jax.grad(last))(params["embedding"])[:32]).max(-1) > 0
        return 31 - int(jnp.argmax(touched))

    two = dataclasses.replace(CONFIG, layers=2, window_pattern=0)
    assert reach(dataclasses.replace(two, layers=1)) == 4
    assert reach(two) == 8
    assert reach(dataclasses.replace(two, window_pattern=2)) == 31
    assert reach(dataclasses.replace(two, window=None)) == 31


def test_bfloat16_is_near_float32(params) -> None:
    rows = packed_rows(2, 32)
    half = dataclasses.replace(CONFIG, compute_dtype="bfloat16")
    assert float(compiled_loss(params, rows, half)) == pytest.approx(
        float(compiled_loss(params, rows, CONFIG)), abs=0.05
    )
    hidden = jax.eval_shape(lambda: forward(params, half, *rows))
    assert hidden.dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MeshSpec.parse("dta=8"), "'dta' is no axis; there are slice, data, fsdp, tensor"),
        (lambda: MeshSpec.parse("data=x"), "no whole number"),
        (lambda: MeshSpec.parse("data=2,data=4"), "names data twice"),
        (lambda: MeshSpec.parse("data=-1,fsdp=-1"), "only one axis may be -1"),
        (lambda: MeshSpec.parse("data=0"), "data is 0"),
        (lambda: MeshSpec.parse("fsdp=3").resolve(8), r"3 devices, there are 8.*1, 2, 4, 8\)"),
        (lambda: MeshSpec.parse("fsdp=3,data=-1").resolve(8), "a multiple of 3 devices"),
        (lambda: check_mesh(CONFIG, MeshSpec(tensor=4)), r"kv_heads \(2\); it may be 1, 2"),
        (lambda: check_mesh(CONFIG, MeshSpec(fsdp=48)), r"width \(32\); take fsdp=16"),
    ],
)
def test_bad_meshes_get_one_line(call, words: str) -> None:
    with pytest.raises(GristmillError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_meshes_read_as_they_are_written() -> None:
    assert MeshSpec.parse(" fsdp = -1 , tensor=2").resolve(8) == MeshSpec(fsdp=4, tensor=2)
    assert MeshSpec.parse(str(MeshSpec(slice=2, fsdp=4))) == MeshSpec(slice=2, fsdp=4)
    assert MeshSpec.parse("") == MeshSpec()


def test_what_a_kernel_cannot_do(params) -> None:
    rows = packed_rows(2, 32)
    for changes, words in (
        ({"kind": "splash"}, "multiple of 128, not 32"),
        ({"kind": "fused"}, "computes in bfloat16 and has no soft cap"),
        ({"kind": "flash"}, "auto, plain, splash, fused, not 'flash'"),
        ({"remat": "some"}, "none, full, dots, minimal, not 'some'"),
    ):
        with pytest.raises(GristmillError, match=words):
            loss(params, rows, **changes)


def test_auto_takes_what_the_devices_and_the_model_allow(monkeypatch) -> None:
    plain = dataclasses.replace(CONFIG, attention_soft_cap=None, compute_dtype="bfloat16")
    assert resolve_kind("auto", plain, None) == "plain"
    monkeypatch.setattr(attention_lib, "_platform", lambda mesh: "gpu")
    assert resolve_kind("auto", plain, None) == "fused"
    assert resolve_kind("auto", CONFIG, None) == "plain"
    monkeypatch.setattr(attention_lib, "_platform", lambda mesh: "tpu")
    assert resolve_kind("auto", CONFIG, None) == "splash"
