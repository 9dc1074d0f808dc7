"""The TPU kernel equals the definition, interpreted; compiled for TPU it leaves the stacks as they are.

Run as a program it compiles for a TPU that is not there and prints what the compiler answers: in a process of its own,
as that needs another environment than the other tests' JAX.
"""

import functools
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from arabic_r1_jax.kernels import gmm_tpu
from arabic_r1_jax.kernels.block_fp8 import widen
from arabic_r1_jax.kernels.gmm_tpu import gmm

ROWS, GROUPS, STACK = 43, 4, 7
OUT, IN = 200, 300  # no multiples of 128; with tiles of 16 rows and 128 columns, several tiles and partial ones
SIZES = st.lists(st.integers(0, ROWS), min_size=GROUPS, max_size=GROUPS).map(
    lambda cuts: np.diff(sorted([0, *cuts])).astype(np.int32)  # groups that together have at most ROWS rows
)
FIRST = st.integers(0, STACK - GROUPS).map(np.int32)
# Sums in another order, in float32; and for bfloat16 its last bit, 2^-8 of the value.
TOLERANCE = {"float32": dict(rtol=1e-5, atol=2e-4), "bfloat16": dict(rtol=2**-7, atol=2e-4)}


def reference(x, w, scale, sizes, first, transposed):
    """The definition: each row times its group's matrix as widened to x's dtype; zeros past the groups."""
    groups = sizes.shape[0]
    group = jnp.searchsorted(jnp.cumsum(sizes), jnp.arange(x.shape[0]), side="right")
    wide = w.astype(x.dtype) if scale is None else widen(w, scale, x.dtype)
    taken = wide[first + jnp.minimum(group, groups - 1)].astype(jnp.float32)
    y = jnp.einsum("mo,moi->mi" if transposed else "mi,moi->mo", x.astype(jnp.float32), taken, precision="highest")
    return jnp.where((group < groups)[:, None], y, 0).astype(x.dtype)


@functools.cache
def arrays(w_dtype, x_dtype, transposed, shape=(ROWS, STACK, OUT, IN)):
    draw, (m, stack, out, inner) = np.random.default_rng(0), shape
    x = jnp.asarray(draw.normal(size=(m, out if transposed else inner)), x_dtype)
    w = jnp.asarray(draw.normal(size=(stack, out, inner)), w_dtype)
    blocks = stack, -(-out // 128), -(-inner // 128)
    return x, w, jnp.asarray(draw.uniform(0.5, 2, blocks), jnp.float32) if w_dtype == "float8_e4m3fn" else None


@functools.cache
def jitted(function, **static):
    return jax.jit(functools.partial(function, **static))


def compare(x, w, scale, sizes, first, transposed, width=128, interpret=True):
    ours = jitted(gmm, transposed=transposed, interpret=interpret, rows=16, width=width)(x, w, scale, sizes, first)
    theirs = jitted(reference, transposed=transposed)(x, w, scale, sizes, first)
    assert ours.dtype == x.dtype
    as_float32 = [np.asarray(y, np.float32) for y in (ours, theirs)]
    np.testing.assert_allclose(*as_float32, **TOLERANCE[x.dtype.name])
    return as_float32[0]


@pytest.mark.parametrize("transposed", [False, True], ids=["forward", "transposed"])
@pytest.mark.parametrize(
    "dtypes", [("float8_e4m3fn", "bfloat16"), ("bfloat16", "bfloat16"), ("float32", "float32")], ids=lambda d: d[0]
)
def test_equals_the_reference(dtypes, transposed):
    @settings(deadline=None, max_examples=15)
    @given(SIZES, FIRST)
    def check(sizes, first):
        compare(*arrays(*dtypes, transposed), sizes, first, transposed)

    check()


CASES = {
    "all rows in one group": [0, ROWS, 0, 0],
    "no rows at all": [0, 0, 0, 0],
    "groups that end with tiles": [16, 0, 16, 11],
    "several groups in a tile": [1, 2, 3, 4],
    "more rows than there are": [20, 20, 20, 20],
}


@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES)
def test_any_split_of_the_rows_is_right(sizes):
    compare(*arrays("float8_e4m3fn", "bfloat16", False), np.array(sizes, np.int32), np.int32(2), False)


@pytest.mark.parametrize("transposed", [False, True], ids=["forward", "transposed"])
@pytest.mark.parametrize("shape", [(5, 3, 24, 40), (33, 3, 256, 128), (20, 3, 150, 6), (20, 3, 6, 150)], ids=str)
@pytest.mark.parametrize("w_dtype", ["float8_e4m3fn", "float32"])
def test_small_whole_and_narrow_matrices_are_right(w_dtype, shape, transposed):
    sizes = np.array([shape[0] // 2, shape[0] // 3], np.int32)
    compare(*arrays(w_dtype, "bfloat16", transposed, shape), sizes, np.int32(1), transposed, width=256)


def test_rows_past_the_groups_are_zeros_and_touch_no_other_row():
    x, w, scale = arrays("float8_e4m3fn", "bfloat16", False)
    sizes = np.array([3, 0, 5, 1], np.int32)
    clean = compare(x, w, scale, sizes, np.int32(0), False)
    dirty = compare(x.at[9:].set(jnp.nan), w, scale, sizes, np.int32(0), False)
    np.testing.assert_array_equal(dirty, clean)
    assert not dirty[9:].any()


def test_groups_outside_the_call_are_not_read():
    x, w, _ = arrays("bfloat16", "bfloat16", False)
    sizes = np.array([9, 0, 9, 9], np.int32)
    alone = w.at[jnp.array([0, 1, 3, 6])].set(jnp.nan)  # before the first, the empty one, after the last
    assert np.isfinite(compare(x, alone, None, sizes, np.int32(2), False)).all()


@pytest.mark.parametrize("transposed", [False, True], ids=["forward", "transposed"])
def test_two_cores_with_memories_of_their_own_agree_and_read_nothing_outside(transposed):
    chip = pltpu.InterpretParams(num_cores_or_threads=2, uninitialized_memory="nan", out_of_bounds_reads="raise")
    arguments = arrays("float8_e4m3fn", "bfloat16", transposed, (ROWS, STACK, 600, 600))  # two tiles of 384
    compare(*arguments, np.array([13, 0, 20, 5], np.int32), np.int32(3), transposed, width=384, interpret=chip)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 25), min_size=GROUPS, max_size=GROUPS), st.integers(1, 20))
def test_only_tiles_with_rows_of_a_group_are_multiplied(sizes, rows):
    visits = jax.tree.map(np.asarray, gmm_tpu._visits(jnp.array(sizes), jnp.int32(0), ROWS, rows))
    owner = np.repeat(np.arange(GROUPS + 1), [*sizes, ROWS])[:ROWS]
    expected = sorted({(row // rows, int(group)) for row, group in enumerate(owner)})
    assert visits.count <= visits.tile.size
    walked = list(zip(visits.tile.tolist(), visits.group.tolist(), strict=True))[: visits.count]
    assert walked == expected
    assert visits.last == max(sum(group < GROUPS for _, group in expected) - 1, 0)


@pytest.mark.parametrize("out", [6, 128, 200, 1408, 1536, 2048, 5120, 7168])
def test_tiles_of_released_sizes_waste_little(out):
    width = gmm_tpu._width(out, 4 * 2048, gmm_tpu.WIDTH)
    assert width == out or width % 128 == 0
    assert -(-out // width) * width <= 1.1 * out


def compile_report(topology: str, dtype: str, experts: int, layers: int, out: int, inner: int, rows: int) -> dict:
    """What the compiler says of `layers` layers, each x -> x W^T -> x W^T W, experts divided over the topology."""
    from jax.experimental import topologies

    devices = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices
    mesh, owned = Mesh(devices, ("expert",)), experts // len(devices)

    def on_one_device(x, w, scale, sizes):
        w, scale = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), (w, scale))

        def layer(i, x):
            h = gmm(x, w, scale, sizes, i * owned)
            return gmm(h, w, scale, sizes, i * owned, transposed=True)

        return jax.lax.fori_loop(0, layers, layer, x)

    rows_spec, stack_spec = P("expert"), P(None, "expert")

    def array(shape, dtype, spec):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))

    fp8 = dtype == "float8_e4m3fn"
    blocks = layers, experts, -(-out // 128), -(-inner // 128)
    step = jax.shard_map(
        on_one_device,
        mesh=mesh,
        in_specs=(rows_spec, stack_spec, stack_spec if fp8 else None, rows_spec),
        out_specs=rows_spec,
        check_vma=False,
    )
    compiled = (
        jax.jit(step)
        .lower(
            array((rows * len(devices), inner), jnp.bfloat16, rows_spec),
            array((layers, experts, out, inner), dtype, stack_spec),
            array(blocks, jnp.float32, stack_spec) if fp8 else None,
            array((experts,), jnp.int32, rows_spec),
        )
        .compile()
    )
    text = compiled.as_text()
    wide = r"\b(?:bf16|f32)\[([\d,]+)\]" if fp8 else r"\bf32\[([\d,]+)\]"
    return {
        "kernels": len(re.findall(r'custom_call_target="tpu_custom_call"', text)),
        "temporaries": compiled.memory_analysis().temp_size_in_bytes,
        "largest_wide_buffer": max(
            (math.prod(map(int, dims.split(","))) for dims in re.findall(wide, text)), default=0
        ),
        "one_matrix": out * inner,
    }


def compiled_for(topology: str, *case) -> dict:
    """`compile_report` of another process."""
    pytest.importorskip("libtpu")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(gmm_tpu.__file__).parents[2]),
        "JAX_PLATFORMS": "cpu",
        "TPU_SKIP_MDS_QUERY": "1",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "TPU_WORKER_ID": "0",
        "TPU_MIN_LOG_LEVEL": "3",
    }
    environment.pop("XLA_FLAGS", None)
    command = [sys.executable, __file__, json.dumps([topology, *case])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def check_report(report: dict):
    """Both kernels are there, and in no wider type even one matrix is, nor room for it."""
    assert report["kernels"] == 2
    assert report["largest_wide_buffer"] < report["one_matrix"]
    assert report["temporaries"] < 2 * report["one_matrix"]


@pytest.mark.parametrize("topology", ["v5p:2x2x1", "v6e:2x2"])
def test_compiles_for_tpu_without_a_wider_stack(topology):
    check_report(compiled_for(topology, "float8_e4m3fn", 64, 2, 1408, 2048, 512))


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["v5p:2x2x1", "v6e:2x2"])
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "bfloat16"])
@pytest.mark.parametrize("size", [(256, 3, 2048, 7168), (256, 3, 7168, 2048), (64, 2, 2048, 1408)], ids=str)
def test_released_sizes_compile_for_tpu(topology, dtype, size):
    check_report(compiled_for(topology, dtype, *size, 512))


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["v5p:2x2x1", "v6e:2x2"])
def test_columns_of_low_rank_are_not_padded(topology):
    report = compiled_for(topology, "float32", 256, 3, 7168, 8, 512)
    assert report["temporaries"] < 4 * report["one_matrix"] * 3 * 64  # less than the stack on one device, unpadded


if __name__ == "__main__":
    print(json.dumps(compile_report(*json.loads(sys.argv[1]))))
