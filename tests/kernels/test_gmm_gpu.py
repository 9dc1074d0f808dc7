"""The GPU form equals the plain one, its Triton kernel interpreted; it lowers for CUDA, or leaves the work to that one.

No GPU is here. To JAX's users the default device is one, so that tokamax takes the way it takes there.
"""

import dataclasses
import functools
import math
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jax.experimental import pallas as pl
from jax.extend import backend
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from arabic_r1_jax.kernels.gmm_gpu import frozen_matmul_gpu
from arabic_r1_jax.kernels.grouped_matmul import grouped_matmul

BLOCKS, ROWS, GROUPS, LAYERS, OUT, IN = 6, 56, 4, 3, 256, 384  # a group has up to 336 rows, of tiles of 128
KINDS = ["float8_e4m3fn", "bfloat16"]
S = jax.ShapeDtypeStruct


@dataclasses.dataclass(frozen=True)
class Device:
    compute_capability: str = "9.0"
    device_kind: str = "NVIDIA H100 80GB HBM3"
    platform: str = "gpu"


@pytest.fixture
def on(monkeypatch):
    """A function: make a device the default one, for those who ask; CPU arrays stay where they are."""
    return lambda device: monkeypatch.setattr(backend, "get_default_device", lambda: device)


@pytest.fixture
def hopper(on):
    pytest.importorskip("tokamax")
    on(Device())


@pytest.fixture
def interpreted(hopper, monkeypatch):
    monkeypatch.setattr(pl, "pallas_call", functools.partial(pl.pallas_call, interpret=True))


def arrays(kind, out=OUT, inner=IN):
    """x, dy, w and scale of LAYERS * GROUPS matrices."""
    draw = np.random.default_rng(0)
    x, dy = (jnp.asarray(draw.normal(size=(BLOCKS, ROWS, n)), jnp.bfloat16) for n in (inner, out))
    w = jnp.asarray(draw.normal(size=(LAYERS * GROUPS, out, inner)), kind)
    blocks = LAYERS * GROUPS, -(-out // 128), -(-inner // 128)
    return x, dy, w, jnp.asarray(draw.uniform(0.5, 2, blocks), jnp.float32) if kind == "float8_e4m3fn" else None


def both_ways(matmul):
    """A function of x, dy, w, scale, group: the products, and the gradient of x."""

    def run(x, dy, w, scale, group):
        y, back = jax.vjp(lambda x: matmul(x, w, group, scale), x)
        return y, back(dy)[0]

    return run


def gpu(groups=GROUPS):
    """A new function each time, which JAX has not traced for another device before."""
    return both_ways(lambda x, w, group, scale: frozen_matmul_gpu(x, w, group, scale, groups))


plain = both_ways(grouped_matmul)


def check_equal(found, wanted):
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == theirs.dtype
        ours, theirs = (np.asarray(a, np.float32) for a in (ours, theirs))
        # The plain form rounds FP8 weights to bfloat16 before the product, and both round the sum: 2^-8 each.
        np.testing.assert_allclose(ours, theirs, atol=2**-7 * np.abs(theirs).max())


OWNERS = st.lists(st.integers(0, GROUPS - 1), min_size=BLOCKS, max_size=BLOCKS).map(sorted)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_equals_the_plain_form_forward_and_backward(interpreted, kind):
    ours, theirs, operands = jax.jit(gpu()), jax.jit(plain), arrays(kind)

    @settings(deadline=None, max_examples=10)
    @given(OWNERS, st.integers(0, LAYERS - 1))
    @example([GROUPS - 1] * BLOCKS, LAYERS - 1)  # fewer matrices are left than a call takes
    def check(owners, layer):
        group = jnp.asarray(owners, jnp.int32) + GROUPS * layer
        check_equal(ours(*operands, group), theirs(*operands, group))

    check()
    assert str(jax.make_jaxpr(gpu())(*operands, jnp.zeros(BLOCKS, jnp.int32))).count("pallas_call") == 2


@pytest.mark.parametrize("group", [0, 5, 11])
def test_a_scalar_group_is_the_group_of_every_block(interpreted, group):
    operands = *arrays("float8_e4m3fn"), jnp.int32(group)
    check_equal(jax.jit(gpu(1))(*operands), jax.jit(plain)(*operands))


def test_groups_outside_the_call_are_not_read(interpreted):
    x, dy, w, _ = arrays("bfloat16")
    unread = w.at[jnp.array([0, 3, 5, 8, 11])].set(jnp.nan)  # before the first, empty ones, after the last
    group = jnp.array([4, 4, 6, 6, 6, 7], jnp.int32)
    check_equal(jax.jit(gpu())(x, dy, unread, None, group), jax.jit(plain)(x, dy, w, None, group))


def lowered_for_cuda(kind, layers, experts, out, inner, rows):
    """The program text of `layers` layers, each x -> x W^T -> its gradient, in a loop in a shard_map."""

    def on_one_device(x, w, scale, group):
        w, scale = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), (w, scale))

        def layer(i, x):
            y, back = jax.vjp(lambda x: frozen_matmul_gpu(x, w, group + i * experts, scale, experts), x)
            return back(y)[0]

        return jax.lax.fori_loop(0, layers, layer, x)

    mesh = Mesh(jax.devices()[:1], ("expert",))
    step = jax.shard_map(on_one_device, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False)
    scale = S((layers, experts, out // 128, inner // 128), jnp.float32) if kind == "float8_e4m3fn" else None
    operands = S((4, rows, inner), jnp.bfloat16), S((layers, experts, out, inner), kind), scale, S((4,), jnp.int32)
    return jax.jit(step).trace(*operands).lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.parametrize("size", [(2048, 7168), (7168, 2048), (1408, 2048)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_lowers_for_cuda_without_a_wider_matrix_or_a_second_stack(hopper, kind, size):
    layers, experts = 3, 32
    text = lowered_for_cuda(kind, layers, experts, *size, 64)
    assert len(re.findall(r"custom_call @__gpu\$xla\.gpu\.triton", text)) == 2
    assert "stablehlo.dot" not in text
    assert "ragged_dot" not in re.sub(r'"[^"]*"', "", text)
    matrix, stored = math.prod(size), {"float8_e4m3fn": "f8E4M3FN", "bfloat16": "bf16"}[kind]
    large = {}  # shapes of at least a matrix
    for dims, dtype in re.findall(r"tensor<((?:\d+x)+)(\w+)>", text):
        shape = tuple(map(int, dims.rstrip("x").split("x")))
        if math.prod(shape) >= matrix:
            large.setdefault(dtype, set()).add(shape)
    taken = {(experts, *size), (experts, *size[::-1])}
    assert large == {stored: {(layers, experts, *size), (layers * experts, *size), *taken}}


def test_the_kernel_reads_no_row_outside_its_buffer(hopper):
    """From a group's first row on it reads whole tiles, of a height that it finds among its measurements."""
    tokamax = pytest.importorskip("tokamax")
    measured = list(Path(tokamax.__file__).parent.glob("data/autotuning/*/pallas_triton_ragged_dot.json"))
    assert measured
    tallest = max(int(rows) for file in measured for rows in re.findall(r'block_m\\":(\d+)', file.read_text()))
    text = lowered_for_cuda("bfloat16", 1, 2, 128, 128, 7)  # 4 blocks of 7 rows
    buffers = re.findall(r"xla\.gpu\.triton.*: \(tensor<(\d+)x128xbf16>", text)
    assert len(buffers) == 2
    assert all(int(rows) >= 4 * 7 + tallest - 1 for rows in buffers)


def test_without_tokamax_the_plain_form_runs_and_the_extra_is_named(on, monkeypatch):
    on(Device())
    monkeypatch.setitem(sys.modules, "tokamax", None)
    operands = *arrays("bfloat16"), jnp.zeros(BLOCKS, jnp.int32)
    with pytest.warns(UserWarning, match=r"pip install 'arabic_r1_jax\[gpu\]'"):
        ours = str(jax.make_jaxpr(gpu())(*operands))
    assert ours == str(jax.make_jaxpr(plain)(*operands))


def is_plain(x, w, scale, groups=GROUPS):
    group = jax.ShapeDtypeStruct(x.shape[:1], jnp.int32)
    ours = jax.make_jaxpr(lambda x, w, group, scale: frozen_matmul_gpu(x, w, group, scale, groups))
    return str(ours(x, w, group, scale)) == str(jax.make_jaxpr(grouped_matmul)(x, w, group, scale))


@pytest.mark.parametrize(
    "device, kind, kernel",
    [
        (Device(), "float8_e4m3fn", True),
        (Device("8.9", "NVIDIA L40S"), "float8_e4m3fn", True),
        (Device("8.0", "NVIDIA A100-SXM4-80GB"), "float8_e4m3fn", False),
        (Device("8.0", "NVIDIA A100-SXM4-80GB"), "bfloat16", True),
        (Device("7.0", "Tesla V100-SXM2-16GB"), "bfloat16", False),
        (Device("10.0", "NVIDIA B200"), "float8_e4m3fn", True),
        (Device("gfx942", "AMD Instinct MI300X"), "bfloat16", False),
        (jax.devices()[0], "bfloat16", False),
    ],
    ids=lambda v: getattr(v, "device_kind", str(v)),
)
def test_the_kernel_runs_where_triton_compiles_it(on, device, kind, kernel):
    pytest.importorskip("tokamax")
    on(device)
    x, _, w, scale = arrays(kind)
    assert is_plain(x, w, scale) != kernel


ROWS_OF_128 = S((1, 8, 128), jnp.bfloat16)
R1 = S((256, 2048, 7168), "float8_e4m3fn"), S((256, 16, 56), jnp.float32)


@pytest.mark.parametrize(
    "x, w, scale, groups",
    [
        (S((1, 8, 128), jnp.float32), S((4, 128, 128), jnp.float32), None, 4),
        (S((1, 8, 128), jnp.float32), S((4, 128, 128), jnp.bfloat16), None, 4),
        (ROWS_OF_128, S((4, 130, 128), jnp.bfloat16), None, 4),
        (S((1, 8, 130), jnp.bfloat16), S((4, 128, 130), "float8_e4m3fn"), S((4, 1, 2), jnp.float32), 4),
        (S((1, 8, 7168), jnp.bfloat16), *R1, 147),
    ],
    ids=["float32", "float32 rows", "odd width", "odd depth", "more than 32-bit offsets reach"],
)
def test_what_the_kernel_cannot_run_is_plain(hopper, x, w, scale, groups):
    assert is_plain(x, w, scale, groups)


def test_the_most_experts_that_offsets_reach_go_to_the_kernel(hopper):
    assert not is_plain(S((1, 8, 7168), jnp.bfloat16), *R1, 146)


def test_arrays_on_another_device_than_the_default_one_are_multiplied_there(hopper):
    operands = *arrays("bfloat16"), jnp.zeros(BLOCKS, jnp.int32)
    check_equal(gpu()(*operands), plain(*operands))


def test_tokamax_reads_no_command_line_of_ours_and_logs_nothing(hopper, monkeypatch, caplog):
    from absl import flags

    flags.FLAGS.unparse_flags()
    monkeypatch.setattr(sys, "argv", ["arabic-r1", "train", "--no-such-flag"])
    x, _, w, scale = arrays("bfloat16")
    with caplog.at_level("DEBUG", logger="absl"):
        assert not is_plain(x, w, scale)
    assert not caplog.records
