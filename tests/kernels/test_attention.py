"""Attention without all scores at once equals its definition, values and gradients; no program holds [T, T] of heads.

Tolerance 1e-5 of each array's largest value: float32 sums of at most some hundred terms in another order.
"""

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

from arabic_r1_jax.kernels import attention
from arabic_r1_jax.kernels.attention import causal_attention, in_pieces, splash
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


@pytest.mark.parametrize("time", [1, 5, 63, 64, 67, 130, 517])
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
    """6 heads; the first piece is of 64 queries."""
    monkeypatch.setattr(attention, "SCORES_BYTES", allowed * 4 * 64 * 64)
    arrays = problem(70, heads=6)
    text = str(jax.make_jaxpr(lambda *rows: through(pieces, *rows))(*arrays))
    assert max(int(n) for n in re.findall(r"f32\[2,(\d),64,64\]", text)) == at_once
    assert_equal(through(pieces, *arrays), through(definition, *arrays))


def test_a_piece_sees_no_key_after_it():
    """Nearly half of all scores are never computed."""
    arrays = problem(512)
    text = str(jax.make_jaxpr(pieces)(*arrays[:3], arrays[-1]))
    keys = {int(n) for n in re.findall(r"f32\[2,2,64,(\d+)\]", text)}
    assert keys - {1, 16, 24} == set(range(64, 513, 64))  # sums over keys, and the heads' dimensions
    assert "512,512]" not in text


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
