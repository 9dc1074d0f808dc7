"""Block FP8 has the reference's values, for every code and at partial blocks."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from arabic_r1_jax.kernels.block_fp8 import widen
from arabic_r1_jax.kernels.grouped_matmul import grouped_matmul


def reference(w, scale):
    whole = np.kron(scale, np.ones((128, 128), np.float32))[: w.shape[0], : w.shape[1]]
    return w.astype(np.float32) * whole


@pytest.mark.parametrize("jit", [False, True])
def test_every_code_has_its_value(jit):
    codes = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).reshape(2, 128)
    scale = np.full((1, 1), 0.75, np.float32)
    call = jax.jit(widen, static_argnums=2) if jit else widen
    np.testing.assert_array_equal(call(codes, scale, np.float32), reference(codes, scale))


@pytest.mark.parametrize("shape", [(1, 1), (128, 256), (129, 127), (300, 200)])
def test_blocks_at_the_edges_are_partial(shape):
    random = np.random.default_rng(0)
    w = random.normal(size=shape).astype(ml_dtypes.float8_e4m3fn)
    scale = random.uniform(0.5, 2, [-(-size // 128) for size in shape]).astype(np.float32)
    np.testing.assert_array_equal(widen(w, scale, np.float32), reference(w, scale))
    rounded = reference(w, scale).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(np.asarray(widen(w, scale, ml_dtypes.bfloat16)), rounded)


@pytest.mark.parametrize("groups", [np.array([2, 0, 0], np.int32), np.int32(1)], ids=["a group a block", "one group"])
def test_rows_meet_their_groups_widened_matrix(groups):
    random = np.random.default_rng(1)
    x = random.normal(size=(3, 4, 150)).astype(np.float32)
    w = random.normal(size=(3, 140, 150)).astype(ml_dtypes.float8_e4m3fn)
    scale = random.uniform(0.5, 2, (3, 2, 2)).astype(np.float32)
    y = np.asarray(grouped_matmul(*map(jnp.asarray, (x, w, groups, scale))))
    for block, group in enumerate(np.broadcast_to(groups, 3)):
        np.testing.assert_allclose(y[block], x[block] @ reference(w[group], scale[group]).T, rtol=1e-4, atol=1e-4)
