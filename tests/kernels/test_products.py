"""A linear product and its gradients are the plain ones; bfloat16 is rounded once, and on a CPU leaves as float32."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arabic_r1_jax.kernels.block_fp8 import take
from arabic_r1_jax.kernels.products import linear


def draw(dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(0), 3)
    x, w, dy = (jax.random.normal(key, shape) for key, shape in zip(keys, SHAPES, strict=True))
    return x.astype(dtype), w.astype(dtype), dy.astype(dtype)


SHAPES = (3, 5, 64), (48, 64), (3, 5, 48)


def through(f, x, w, dy):
    y, back = jax.vjp(f, x, w)
    return y, *back(dy)


def test_product_and_gradients_are_the_plain_ones():
    for ours, plain in zip(through(linear, *draw()), through(lambda x, w: x @ w.T, *draw()), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-4)


def test_bfloat16_is_rounded_once():
    """Half a step of bfloat16 from the sum in float32: a second rounding on the way would leave more."""
    arrays = draw(jnp.bfloat16)
    wanted = through(lambda x, w: x @ w.T, *(a.astype(jnp.float32) for a in arrays))
    for ours, exact in zip(through(linear, *arrays), wanted, strict=True):
        assert ours.dtype == jnp.bfloat16
        np.testing.assert_allclose(ours.astype(jnp.float32), exact, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("arguments, products", [((0,), 2), ((1,), 3), ((0, 1), 3)])
def test_the_gradient_of_a_frozen_matrix_is_not_made(arguments, products):
    """The product and the gradient of x; that of w where it is asked for."""
    x, w, _ = draw()
    text = str(jax.make_jaxpr(jax.grad(lambda *both: linear(*both).sum(), arguments))(x, w))
    assert text.count("dot_general") == products


@pytest.mark.parametrize("platform, leaves", [("cpu", "f32"), ("tpu", "bf16"), ("cuda", "bf16")])
def test_only_a_cpu_is_asked_for_float32(platform, leaves):
    x, w, _ = draw(jnp.bfloat16)
    text = jax.jit(linear).trace(x, w).lower(lowering_platforms=(platform,)).as_text()
    assert re.findall(r"dot_general.*-> tensor<3x5x48x(\w+)>", text) == [leaves]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float8_e4m3fn])
def test_matrices_are_taken_from_a_narrow_stack_without_a_copy_of_it(dtype):
    stack, rows = jax.ShapeDtypeStruct((64, 32, 32), dtype), jax.ShapeDtypeStruct((8, 32), jnp.float32)

    def each(stack, rows):
        def add(i, y):
            return y + rows @ take(stack, i).astype(jnp.float32).T

        return jax.lax.fori_loop(0, stack.shape[0], add, jnp.zeros((8, 32)))

    memory = jax.jit(each).lower(stack, rows).compile().memory_analysis()
    assert memory.temp_size_in_bytes < stack.size * stack.dtype.itemsize / 2
