"""What `gristmill compile` counts, and what it says of what does not fit."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from research.errors import GristmillError
from research.model.attention import splash_blocks
from research.model.config import ModelConfig
from research.model.projection import torus_sides
from research.model.sharding import MESH_AXES
from research.train.aot import parse_exhausted, topology_devices, visited_share
from research.train.flops import count
from research.train.hardware import KINDS
from research.train.hlo import collectives

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="needs libtpu: the extra `aot`"
)
TINY = {
    "model.vocabulary_size": 512, "model.layers": 2, "model.width": 256, "model.heads": 2,
    "model.kv_heads": 1, "model.head_dim": 128, "model.mlp_width": 512, "model.max_length": 256,
    "data.mixture": "demo", "data.batch": 8, "data.length": 256, "data.seed": 0, "run.seed": 0,
    "run.steps": 100, "learning_rate.peak": 1e-3, "learning_rate.warmup_steps": 10,
}  # fmt: skip

# pieces of programs that the TPU compiler made, shortened
MODULE = """\
HloModule jit_step, is_scheduled=true, num_partitions=16

%all-reduce-scatter.1 (input.5: bf16[2048,5632]) -> bf16[560,5632] {
  %input.5 = bf16[2048,5632]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  %all-reduce.34 = bf16[2240,5632]{1,0:T(8,128)(2,1)} all-reduce(%input.5), channel_id=39, \
replica_groups={{0,4,8,12},{1,5,9,13},{2,6,10,14},{3,7,11,15}}, to_apply=%region_34
  ROOT %dynamic-slice.171 = bf16[560,5632]{1,0} dynamic-slice(%all-reduce.34, %multiply.138)
}

%fused_computation.604 (param_0.2: bf16[1,128,5632]) -> (bf16[1,128,5632], u32[]) {
  %all-gather.94 = bf16[1,2048,5632]{2,1,0:T(8,128)(2,1)} all-gather(%param_0.2), channel_id=121, \
replica_groups=mesh['axis_0'=16] {'axis_0'}, dimensions={1}
  ROOT %custom-call.1 = (bf16[1,128,5632]) custom-call(%all-gather.94), \
custom_call_target="AsyncCollectiveStart"
}

%async_collective_fusion.637 (param_0.3: bf16[1,128,5632]) -> bf16[1,2048,5632] {
  %all-gather.78 = bf16[1,2048,5632]{2,1,0} all-gather(%param_0.3), channel_id=121, \
replica_groups=mesh['axis_0'=16] {'axis_0'}, dimensions={1}
}

%fused_computation.605 (param_0.4: bf16[1,2048,5632]) -> bf16[1,2048,5632] {
  %all-gather.80 = bf16[1,2048,5632]{2,1,0} all-gather(%param_0.4), channel_id=121, \
replica_groups=mesh['axis_0'=16] {'axis_0'}, dimensions={1}
  ROOT %custom-call.2 = bf16[1,2048,5632] custom-call(%all-gather.80), \
custom_call_target="AsyncCollectiveDone"
}

%windowed_body (wide.param.13: (bf16[4,8], u32[])) -> (bf16[4,8], u32[]) {
  %constant.2 = u32[]{:T(128)} constant(2)
  %get-tuple-element.4 = u32[]{:T(128)} get-tuple-element(%wide.param.13), index=1
  %collective-permute-start.4 = (bf16[4,8]{1,0}, bf16[4,8]{1,0}, u32[], u32[]) \
collective-permute-start(%x.1), channel_id=4, source_target_pairs={{0,1},{1,0}}
  %add.7 = u32[]{:T(128)} add(%get-tuple-element.4, %constant.2), metadata={op_name="add"}
  ROOT %tuple.6 = (bf16[4,8]{1,0}, u32[]{:T(128)}) tuple(%x.2, %add.7)
}

%windowed_cond (wide.param.14: (bf16[4,8], u32[])) -> pred[] {
  %constant.8 = u32[]{:T(128)} constant(8)
  %get-tuple-element.5 = u32[]{:T(128)} get-tuple-element(%wide.param.14), index=1
  ROOT %compare.6 = pred[]{:T(512)} compare(%get-tuple-element.5, %constant.8), direction=LT
}

%layer_body (p.1: (s32[], f32[])) -> (s32[], f32[]) {
  %constant.1 = s32[] constant(1)
  %gte.1 = s32[] get-tuple-element(%p.1), index=0
  %fusion.1 = (bf16[1,128,5632], u32[]) fusion(%a), kind=kCustom, calls=%fused_computation.604
  %fusion.2 = bf16[1,2048,5632] fusion(%b), kind=kCustom, calls=%async_collective_fusion.637
  %fusion.3 = bf16[1,2048,5632] fusion(%c), kind=kCustom, calls=%fused_computation.605
  %fusion.4 = bf16[560,5632]{1,0} fusion(%d), kind=kCustom, calls=%all-reduce-scatter.1
  %kernel = f32[] custom-call(%e), custom_call_target="tpu_custom_call", \
backend_config={"a":{
}
}
  %start = u32[] constant(0)
  %tuple.9 = (bf16[4,8], u32[]) tuple(%x.0, %start)
  %while.2 = (bf16[4,8], u32[]) while(%tuple.9), condition=%windowed_cond, body=%windowed_body
  %add.1 = s32[] add(%gte.1, %constant.1)
  ROOT %tuple.1 = (s32[], f32[]) tuple(%add.1, %y)
}

%layer_cond (p.2: (s32[], f32[])) -> pred[] {
  %constant.22 = s32[]{:T(128)} constant(22)
  %gte.2 = s32[] get-tuple-element(%p.2), index=0
  ROOT %lt.1 = pred[] compare(%gte.2, %constant.22), direction=LT, metadata={op_name="lt"}
}

ENTRY %main.1_spmd (param.1: f32[8]) -> f32[8] {
  %zero = s32[] constant(0)
  %tuple.2 = (s32[], f32[]) tuple(%zero, %param.1)
  %while.1 = (s32[], f32[]) while(%tuple.2), condition=%layer_cond, body=%layer_body
  %reduce_scatter.126 = bf16[512,32768]{1,0} reduce-scatter(%g), channel_id=1, \
replica_groups=[4,4]<=[4,4]T(1,0), dimensions={0}
  %all-reduce.28 = (f32[]{:T(128)}, f32[2048]{0:T(1024)S(1)}) all-reduce(%h, %i), channel_id=5, \
replica_groups={}, to_apply=%region_1
}
"""


def test_collectives_are_counted_once_for_every_turn_of_every_loop():
    found = {traffic.kind: traffic for traffic in collectives(MODULE)}
    assert set(found) == {"all-gather", "all-reduce", "reduce-scatter", "collective-permute"}
    gather = found["all-gather"]
    assert gather.count == 22
    assert gather.operand_bytes == 22 * 2048 * 5632 * 2
    assert gather.sent_bytes == gather.operand_bytes * 15 / 16
    scatter = found["reduce-scatter"]
    assert scatter.count == 22 + 1
    head = 4 * 512 * 32768 * 2
    assert scatter.operand_bytes == 22 * 2240 * 5632 * 2 + head
    assert scatter.sent_bytes == scatter.operand_bytes * 3 / 4
    permute = found["collective-permute"]
    assert (permute.count, permute.sent_bytes) == (22 * 4, 22 * 4 * 64)
    reduce = found["all-reduce"]
    assert (reduce.count, reduce.operand_bytes) == (1, 4 * 2049)
    assert reduce.sent_bytes == 2 * reduce.operand_bytes * 15 / 16


def test_flops_of_loops_branches_and_shards():
    a, b = jnp.ones((8, 16)), jnp.ones((16, 4))
    product = 2 * 8 * 16 * 4
    assert count(jax.make_jaxpr(lambda a, b: a @ b)(a, b)).flops == product
    assert count(jax.make_jaxpr(jnp.matmul)(a, b)).bytes == 4 * (8 * 16 + 16 * 4 + 8 * 4)
    batched = jax.make_jaxpr(jax.vmap(jnp.matmul))(jnp.ones((3, 8, 16)), jnp.ones((3, 16, 4)))
    assert count(batched).flops == 3 * product

    def looped(a, b):
        return jax.lax.scan(lambda c, _: (c + (a @ b).sum(), None), 0.0, None, length=7)[0]

    assert count(jax.make_jaxpr(jax.checkpoint(looped))(a, b)).flops == 7 * product

    def branched(a, b):
        return jax.lax.cond(a.sum() > 0, lambda: (a @ b) @ (b.T @ a.T), lambda: a @ a.T)

    assert count(jax.make_jaxpr(branched)(a, b)).flops == 2 * product + 2 * 8 * 4 * 8

    mesh = Mesh(np.array(jax.devices()).reshape(8), ("x",))
    sharded = jax.shard_map(jnp.matmul, mesh=mesh, in_specs=(P("x"), P()), out_specs=P("x"))
    assert count(jax.make_jaxpr(sharded)(a, b)).flops == product


@pytest.mark.parametrize(("length", "window"), [(640, None), (2048, 300), (8192, None)])
def test_the_visited_share_is_that_of_the_mask(length, window):
    model = ModelConfig(
        vocabulary_size=64, layers=2, width=64, heads=3, kv_heads=1, head_dim=64, mlp_width=64,
        max_length=length, window=window,
    )  # fmt: skip
    mask_LxL = np.tri(length, dtype=bool)
    if window:
        mask_LxL &= ~np.tri(length, k=-window, dtype=bool)
    rows, keys = splash_blocks(length)
    assert length // keys <= 8
    for kernel, edge in (("splash_mha_fwd", rows), ("splash_mha_dkv", keys)):
        blocks = mask_LxL.reshape(length // rows, rows, length // edge, edge).any((1, 3))
        forward, backward = (3, *blocks.shape), (blocks.shape[1], 3, blocks.shape[0])
        grid = forward if kernel.endswith("fwd") else backward
        assert visited_share(model, length, kernel, grid) == pytest.approx(blocks.mean())


@pytest.mark.parametrize(
    ("text", "needed", "available"),
    [
        (
            "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total "
            "memory required for HLO temporaries (320.00G) exceeds available HBM (15.75G).",
            320.0,
            15.75,
        ),
        ("RESOURCE_EXHAUSTED: Used 20.50G of 15.75G hbm. Exceeded by 4.75G.", 20.5, 15.75),
    ],
)
def test_what_the_compiler_says_of_memory_is_understood(text, needed, available):
    assert parse_exhausted(text) == (needed * 2**30, available * 2**30)


def line_of(coords: list[tuple[int, ...]]):
    devices = np.empty((1, 1, len(coords), 1), object)
    devices[0, 0, :, 0] = [SimpleNamespace(coords=place) for place in coords]
    return SimpleNamespace(axis_names=MESH_AXES, devices=devices)


def test_a_mesh_axis_knows_the_sides_of_the_torus_it_fills():
    square = [(x, y, 0) for x in range(4) for y in range(8)]
    assert torus_sides(line_of(square), "fsdp") == (4, 8)
    assert torus_sides(line_of(square[:8]), "fsdp") == (8,)
    assert torus_sides(line_of(square[:12]), "fsdp") == (12,)  # no box
    cube = [(x, y, z) for x in range(2) for y in range(3) for z in range(4)]
    assert torus_sides(line_of(cube), "fsdp") == (2, 3, 4)


def test_peaks_are_plausible():
    for hardware in KINDS.values():
        assert 1e14 < hardware.flops < 1e16
        assert 50 < hardware.flops / hardware.memory_bandwidth < 1000
        assert hardware.source.startswith("https://")


@pytest.mark.parametrize("name", ["v5e", "v5e:", "v9:4x4", "v5e:4", "v5e:axb", "v5e:3x3"])
@needs_libtpu
def test_an_unknown_topology_lists_the_known(name):
    with pytest.raises(GristmillError, match=r"is unknown.*v5e: 1x1 2x2 2x4 4x4.*v6e"):
        topology_devices(name)


def gristmill_compile(*options: str, **changes) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "research.cli", "compile", *options]
    for name, value in (TINY | {k.replace("__", "."): v for k, v in changes.items()}).items():
        command += ["--gin", f"{name} = {value!r}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_libtpu
def test_a_model_too_big_is_refused_with_status_2():
    wide = {"model__width": 16384, "model__mlp_width": 65536, "model__layers": 64}
    done = gristmill_compile("--topology", "v5e:2x2", **wide)
    assert done.returncode == 2, done.stderr
    first, remedy = done.stderr.strip().splitlines()[-2:]
    assert "does not fit: it needs" in first
    assert "of the 15.75 GiB of a chip" in first
    assert "no mesh that was tried fits" in remedy


@needs_libtpu
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--topology", "v5e:2x2", "--mesh", "fsdp=3"), "takes 3 devices, there are 4"),
        (("--topology", "v5e:2x2", "--mesh", "tensor=4"), "tensor=4 does not divide"),
        (("--topology", "v7:2x2"), "is unknown"),
    ],
)
def test_mistakes_get_one_line(options, message):
    done = gristmill_compile(*options)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@needs_libtpu
@pytest.mark.slow
@pytest.mark.parametrize(
    ("topology", "mesh"),
    [("v5e:2x2", "fsdp=4"), ("v6e:2x4", "data=2,fsdp=2,tensor=2"), ("v5p:2x2x1", "data=2,fsdp=2"),
     ("v4:2x2x1", "fsdp=4")],
)  # fmt: skip
def test_a_step_compiles_for_every_kind_of_chip(topology, mesh):
    heads = {"model__kv_heads": 2}
    done = gristmill_compile("--topology", topology, "--mesh", mesh, **heads)
    assert done.returncode == 0, done.stderr
    for word in ("temporary", "ratio", "reduce-scatter", "MFU"):
        assert word in done.stdout
    ratio = float(done.stdout.split("ratio")[1].split()[0])
    assert 1.0 <= ratio < 2.5
    assert math.isfinite(ratio)
