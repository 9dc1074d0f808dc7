"""The grouped matmul over its block layout equals its definition, forward and backward, for any group sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.kernels.gmm_tpu import frozen_matmul_tpu
from arabic_r1_jax.kernels.grouped_matmul import (
    block_layout,
    grouped_matmul,
    grouped_matmul_reference,
    max_blocks,
)

ROWS, GROUPS, BLOCK, IN, OUT = 40, 5, 8, 6, 7
SIZES = st.lists(st.integers(0, ROWS), min_size=GROUPS, max_size=GROUPS).map(
    lambda cuts: np.diff(sorted([0, *cuts])).astype(np.int32)  # groups that never need more than ROWS rows
)


@jax.jit
def through_blocks(x, w, sizes):
    """Sorted rows laid out in blocks, multiplied, and taken back."""
    start, owner = block_layout(sizes, max_blocks(ROWS, GROUPS, BLOCK), BLOCK)
    row = jnp.arange(ROWS)
    group = jnp.repeat(jnp.arange(GROUPS), sizes, total_repeat_length=ROWS)
    place = start[group] + row - (jnp.cumsum(sizes) - sizes)[group]
    place = jnp.where(row < sizes.sum(), place, owner.size * BLOCK)
    blocks = jnp.zeros((owner.size * BLOCK, IN)).at[place].set(x, mode="drop").reshape(-1, BLOCK, IN)
    y = grouped_matmul(blocks, w, owner).reshape(-1, OUT)
    return y.at[place].get(mode="fill", fill_value=0)


reference = jax.jit(grouped_matmul_reference)


@functools.cache
def data():
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = (ROWS, IN), (GROUPS, OUT, IN), (ROWS, OUT)
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


@settings(deadline=None, max_examples=60)
@given(SIZES)
def test_equals_the_reference(sizes):
    x, w, _ = data()
    np.testing.assert_allclose(through_blocks(x, w, sizes), reference(x, w, sizes), atol=1e-5)


def gradients(f):
    return jax.jit(jax.grad(lambda x, w, sizes, dy: (f(x, w, sizes) * dy).sum(), argnums=(0, 1)))


GRADIENTS = gradients(through_blocks), gradients(grouped_matmul_reference)


@settings(deadline=None, max_examples=30)
@given(SIZES)
def test_gradients_equal_the_reference(sizes):
    x, w, dy = data()
    for ours, theirs in zip(*(f(x, w, sizes, dy) for f in GRADIENTS), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@settings(deadline=None)
@given(SIZES, st.integers(1, 16))
def test_groups_never_need_more_than_max_blocks(sizes, block):
    assert sum(-(-int(n) // block) for n in sizes) <= max_blocks(int(sizes.sum()), GROUPS, block)


def test_a_scalar_group_is_the_group_of_every_block():
    x, w, _ = data()
    blocks = x.reshape(5, 8, IN)
    np.testing.assert_allclose(grouped_matmul(blocks, w, jnp.int32(3)), blocks @ w[3].T, atol=1e-6)


@settings(deadline=None, max_examples=6)
@given(
    st.lists(st.integers(0, 3), min_size=4, max_size=4).map(sorted),
    st.integers(0, 2),
    st.sampled_from(["float8", "bfloat16"]),
)
def test_the_tpu_form_equals_the_plain_one_forward_and_backward(owners, layer, kind):
    """4 blocks of layer `layer`'s 4 experts, in a stack of 3 layers; the kernel is interpreted."""
    random = np.random.default_rng(0)
    x, dy = (jnp.asarray(random.normal(size=(4, 8, n)), jnp.bfloat16) for n in (136, 130))
    w, scale = random.normal(size=(12, 130, 136)), None
    if kind == "float8":
        w, scale = jnp.asarray(w, jnp.float8_e4m3fn), jnp.asarray(random.uniform(0.5, 2, (12, 2, 2)), jnp.float32)
    else:
        w = jnp.asarray(w, jnp.bfloat16)
    group = jnp.asarray(owners, jnp.int32) + 4 * layer
    found, back = jax.vjp(lambda x: frozen_matmul_tpu(x, w, group, scale, 4, interpret=True), x)
    wanted, wanted_back = jax.vjp(lambda x: grouped_matmul(x, w, group, scale), x)
    for ours, plain in ((found, wanted), (back(dy)[0], wanted_back(dy)[0])):
        ours, plain = (np.asarray(a, np.float32) for a in (ours, plain))
        np.testing.assert_allclose(ours, plain, atol=2**-7 * np.abs(plain).max())
