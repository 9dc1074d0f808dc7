"""Attention without all scores at once equals its definition, values and gradients; no program holds [T, T] of heads.

Tolerance 1e-5 of each array's largest value: float32 sums of at most some hundred terms in another order.
"""

import dataclasses
import importlib.util
import math
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arabic_r1_jax.kernels import attention_pieces
from arabic_r1_jax.kernels.attention import causal_attention, splash, triton
from arabic_r1_jax.kernels.attention_pieces import in_pieces
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.parallel.topology import OFFLINE

SCALE = 0.3


def problem(time, batch=2, heads=2, qk=24, v=16):
    """q, key, value, dy of random numbers, and segments: two rows of different ones, each with padding at its end."""
    rng = np.random.default_rng(0)
    cuts = [sorted(rng.choice(np.arange(1, time), 3, replace=False)) for _ in range(batch)]
    numbers = [np.repeat([3, 1, 2, 0], np.diff([0, *row, time])) for row in cuts]
    shapes = [(batch, time, heads, n) for n in (qk, qk, v, v)]
    return *(jnp.float32(rng.standard_normal(shape)) for shape in shapes), jnp.asarray(np.stack(numbers), jnp.int32)


def definition(q, key, value, segments):
    """softmax(scale q k) v over the keys up to each query in its segment."""
    time = q.shape[1]
    seen = (segments[:, :, None] == segments[:, None, :]) & np.tri(time, dtype=bool)
    s = jnp.where(seen[:, None], SCALE * jnp.einsum("bthn,bshn->bhts", q, key, precision="highest"), -jnp.inf)
    return jnp.einsum("bhts,bshv->bthv", jax.nn.softmax(s), value, precision="highest")


def through(run, q, key, value, dy, segments):
    """(values, gradients of q, key and value)."""

    @jax.jit
    def both(q, key, value, dy, segments):
        y, back = jax.vjp(lambda *rows: run(*rows, segments), q, key, value)
        return y, *back(dy)

    return both(q, key, value, dy, segments)


def assert_equal(got, want):
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(jnp.abs(b).max()))


def pieces(*arguments):
    return in_pieces(*arguments, SCALE)


@pytest.mark.parametrize("time", [1, 5, 127, 128, 130, 517, 1100])
def test_pieces_of_queries_give_the_definition(time):
    arrays = problem(max(time, 4))
    arrays = tuple(a[:, :time] for a in arrays)
    assert_equal(through(pieces, *arrays), through(definition, *arrays))


def splashed(devices):
    mesh = make_mesh(1, devices, jax.devices()[:devices])
    return lambda *arguments: splash(*arguments, SCALE, mesh, interpret=True)


@pytest.mark.parametrize(
    "time, qk, v, devices",
    [
        pytest.param(256, 24, 16, 1, id="one block, two rows on a device"),
        pytest.param(384, 24, 16, 2, id="three blocks, a row on each device"),
        pytest.param(384, 192, 128, 1, id="DeepSeek-V3's dimensions"),
    ],
)
def test_the_tpu_kernel_gives_the_definition(time, qk, v, devices):
    arrays = problem(time, qk=qk, v=v)
    assert_equal(through(splashed(devices), *arrays), through(definition, *arrays))


def test_the_tpu_kernel_gives_what_pieces_of_queries_give():
    arrays = problem(256)
    assert_equal(through(splashed(2), *arrays), through(pieces, *arrays))


@pytest.mark.parametrize("run", [pieces, splashed(1)], ids=["pieces", "TPU kernel"])
def test_bfloat16_keeps_the_dtype_and_sums_in_float32(run):
    """Within a bit of bfloat16, 2^-7, of each array's largest value: results and factors are rounded, sums are not."""
    *arrays, segments = problem(384)
    arrays = [a.astype(jnp.bfloat16) for a in arrays]
    wanted = through(definition, *(a.astype(jnp.float32) for a in arrays), segments)
    for a, b in zip(through(run, *arrays, segments), wanted, strict=True):
        assert a.dtype == jnp.bfloat16
        np.testing.assert_allclose(a.astype(jnp.float32), b, rtol=0, atol=2**-7 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("allowed, at_once", [(6, 6), (5, 3), (2, 2), (0, 1)])
def test_heads_whose_scores_take_too_much_go_in_groups(allowed, at_once, monkeypatch):
    """6 heads of 2 rows; the only piece is of 70 queries."""
    monkeypatch.setattr(attention_pieces, "SCORES_BYTES", allowed * 4 * 2 * 70 * 70)
    arrays = problem(70, heads=6)
    text = str(jax.make_jaxpr(lambda *rows: through(pieces, *rows))(*arrays))
    assert max(int(n) for n in re.findall(r"f32\[2,(\d),70,70\]", text)) == at_once
    assert_equal(through(pieces, *arrays), through(definition, *arrays))


def test_a_piece_sees_no_key_after_it():
    """Nearly half of all scores are never computed, in the gradient neither."""
    arrays = problem(512)
    text = str(jax.make_jaxpr(lambda *rows: through(pieces, *rows))(*arrays))
    keys = {int(n) for n in re.findall(r"f32\[2,2,128,(\d+)\]", text)}
    assert keys - {1, 16, 24} == {128, 256, 384, 512}  # sums over keys, and the heads' dimensions
    assert "512,512]" not in text


def test_the_gradient_keeps_no_scores():
    """What the forward pass leaves for the backward pass grows with T, not with its square."""
    *arrays, _, segments = problem(512)
    _, back = jax.vjp(lambda *rows: pieces(*rows, segments), *arrays)
    assert max(leaf.size for leaf in jax.tree.leaves(back)) <= max(a.size for a in arrays)


COMPILED = """
import sys
import jax, jax.numpy as jnp
from arabic_r1_jax.kernels.attention import causal_attention
from arabic_r1_jax.parallel import plan
from arabic_r1_jax.parallel.mesh import sharding
from arabic_r1_jax.parallel.topology import parse

mesh = plan.mesh_of(parse("v5p:2x2x1"), 4)

def rows(*shape, dtype=jnp.bfloat16):
    axes = ("batch",) + (None,) * (len(shape) - 1)
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding(axes, shape, mesh))

def loss(q, key, value, segments):
    return causal_attention(q, key, value, segments, 0.1, mesh).astype(jnp.float32).sum()

time = int(sys.argv[1])
q, value = rows(4, time, 2, 192), rows(4, time, 2, 128)
arguments = q, q, value, rows(4, time, dtype=jnp.int32)
print(jax.jit(jax.grad(loss, argnums=(0, 1, 2))).lower(*arguments).compile().as_text())
"""


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu compiles, and is not here")
@pytest.mark.parametrize("time, kernel", [(1024, True), (1000, False)])
def test_no_array_on_a_tpu_holds_the_scores_of_a_head(time, kernel):
    """A row of two heads a device; 1000 is no multiple of the kernel's smallest block."""
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"} | OFFLINE
    command = [sys.executable, "-c", COMPILED, str(time)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-500:]
    shapes = re.findall(r"\b[a-z]+\d+\w*\[([\d,]+)\]", done.stdout)
    assert f"1,{time},2,192" in shapes
    assert max(math.prod(map(int, shape.split(","))) for shape in shapes) < time * time
    assert ("tpu_custom_call" in done.stdout) == kernel


def test_elsewhere_pieces_of_queries_attend():
    q, key, value, _, segments = problem(256)
    mesh = make_mesh(1, 2, jax.devices()[:2])
    got = causal_attention(q, key, value, segments, SCALE, mesh)
    np.testing.assert_array_equal(got, pieces(q, key, value, segments))


def on_gpu(devices):
    mesh = make_mesh(1, devices, jax.devices()[:devices])
    return lambda *arguments: triton(*arguments, SCALE, mesh, interpret=True)


@pytest.mark.parametrize(
    "time, qk, v, devices",
    [
        pytest.param(64, 20, 10, 1, id="one block, two rows on a device"),
        pytest.param(192, 24, 16, 2, id="three blocks, a row on each device"),
        pytest.param(64, 10, 20, 1, id="values wider than keys"),
        pytest.param(128, 192, 128, 1, id="DeepSeek's dimensions"),
    ],
)
def test_the_gpu_kernel_gives_the_definition(time, qk, v, devices):
    arrays = problem(time, qk=qk, v=v)
    assert_equal(through(on_gpu(devices), *arrays), through(definition, *arrays))


def test_the_gpu_kernel_keeps_bfloat16_and_sums_scores_and_values_in_float32():
    """Within a bit of bfloat16, 2^-7, of each array's largest value, as for the other ways to attend."""
    *arrays, segments = problem(384)
    arrays = [a.astype(jnp.bfloat16) for a in arrays]
    wanted = through(definition, *(a.astype(jnp.float32) for a in arrays), segments)
    for a, b in zip(through(on_gpu(1), *arrays, segments), wanted, strict=True):
        assert a.dtype == jnp.bfloat16
        np.testing.assert_allclose(a.astype(jnp.float32), b, rtol=0, atol=2**-7 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("run", [on_gpu(1), pieces], ids=["GPU kernel", "pieces"])
def test_a_segment_is_untouched_by_what_others_hold(run):
    """To the bit: other segments' scores leave no trace in its values, and its gradients none in their rows."""
    q, key, value, dy, segments = problem(192)
    own = (segments == 1)[..., None, None]
    others = [jnp.where(own, x, 1 - 3 * x) for x in (key, value)]
    dy = jnp.where(own, dy, 0)
    y, *_ = through(run, q, key, value, dy, segments)
    z, *gradients = through(run, q, *others, dy, segments)
    np.testing.assert_array_equal(jnp.where(own, y, 0), jnp.where(own, z, 0))
    assert all(float(jnp.abs(jnp.where(own, 0, g)).max()) == 0 < float(jnp.abs(g).max()) for g in gradients)


def test_layers_that_keep_nothing_run_the_gpu_kernel_again():
    """As `model.remat` scans them."""

    def layers(run):
        def values(q, key, value, segments):
            layer = jax.checkpoint(lambda x, key: (run(x, key, value, segments), None))
            return jax.lax.scan(layer, q, jnp.stack([key, 0.5 * key]))[0]

        return values

    arrays = problem(128, qk=16)
    assert_equal(through(layers(on_gpu(2)), *arrays), through(layers(definition), *arrays))


@dataclasses.dataclass(frozen=True)
class Gpu:
    """What a program is traced and lowered for; none is here."""

    compute_capability: str = "9.0"
    id: int = 0
    process_index: int = 0
    platform: str = "gpu"
    device_kind: str = "NVIDIA H100 80GB HBM3"
    client = property(lambda self: jax.devices()[0].client)


def gradient_on(device, time, qk=192, v=128, dtype=jnp.bfloat16):
    """The traced gradient of attention, a row of two heads on each of two such devices."""
    mesh = make_mesh(1, 2, [device, dataclasses.replace(device, id=1)])

    def loss(q, key, value, segments):
        return causal_attention(q, key, value, segments, SCALE, mesh).astype(jnp.float32).sum()

    q, value = (jax.ShapeDtypeStruct((2, time, 2, n), dtype) for n in (qk, v))
    segments = jax.ShapeDtypeStruct((2, time), jnp.int32)
    return jax.jit(jax.grad(loss, argnums=(0, 1, 2))).trace(q, q, value, segments)


def test_on_a_gpu_three_kernels_attend_and_no_array_holds_the_scores_of_a_head():
    """Forward, and two in the backward pass; what is lowered for CUDA is not compiled here."""
    time = 4096
    text = gradient_on(Gpu(), time).lower(lowering_platforms=("cuda",)).as_text()
    assert len(re.findall(r"custom_call @__gpu\$xla\.gpu\.triton", text)) == 3
    assert "stablehlo.dot" not in text
    shapes = [list(map(int, dims.rstrip("x").split("x"))) for dims in re.findall(r"tensor<((?:\d+x)+)\w+>", text)]
    assert [2, time, 2, 192] in shapes
    assert max(map(math.prod, shapes)) < time * time


@pytest.mark.parametrize(
    "device, sizes, kernel",
    [
        pytest.param(Gpu(), {}, True, id="H100"),
        pytest.param(Gpu("8.0"), {"time": 64}, True, id="A100, one block"),
        pytest.param(Gpu("10.0"), {}, True, id="B200"),
        pytest.param(Gpu("7.5"), {}, False, id="T4"),
        pytest.param(Gpu("gfx942"), {}, False, id="AMD"),
        pytest.param(Gpu(platform="cpu"), {}, False, id="no GPU"),
        pytest.param(Gpu(), {"time": 96}, False, id="96 tokens"),
        pytest.param(Gpu(), {"dtype": jnp.float32}, False, id="float32"),
        pytest.param(Gpu(), {"qk": 256, "v": 256}, True, id="the widest heads"),
        pytest.param(Gpu(), {"qk": 264}, False, id="wider keys"),
        pytest.param(Gpu(), {"v": 264}, False, id="wider values"),
    ],
)
def test_a_gpu_runs_the_kernel_where_it_can(device, sizes, kernel):
    traced = str(gradient_on(device, **{"time": 128} | sizes).jaxpr)
    assert traced.count("pallas_call") == (3 if kernel else 0)
