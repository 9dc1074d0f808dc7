"""Linear layers, their adapters, and RMSNorm, one layer at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.layers import Linear, RMSNorm, low_rank
from arabic_r1_jax.model.lora import LoraConfig


def draw(*shapes, seed=0):
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


def test_the_low_rank_product_has_the_plain_gradient():
    x, a, b, dy = draw((3, 5, 6), (2, 6), (7, 2), (3, 5, 7))

    def gradients(f):
        return jax.grad(lambda x, a, b: (f(x, a, b) * dy).sum(), argnums=(0, 1, 2))(x, a, b)

    for ours, plain in zip(gradients(low_rank), gradients(lambda x, a, b: x @ a.T @ b.T), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-5)


def test_the_low_rank_product_keeps_float32_gradients_under_bfloat16():
    x, a, b = draw((4, 6), (2, 6), (7, 2))
    da, db = jax.grad(lambda a, b: low_rank(x.astype(jnp.bfloat16), a, b).sum().astype(jnp.float32), (0, 1))(a, b)
    assert da.dtype == db.dtype == jnp.float32


def test_a_linear_with_an_adapter_equals_its_merged_matrix():
    w, a, b, x = draw((7, 6), (2, 6), (7, 2), (3, 6))
    linear = Linear((), 6, 7, jnp.float32, rank=2, scale=1.5)
    linear.weight[...], linear.lora_a[...], linear.lora_b[...] = w, a, b
    np.testing.assert_allclose(linear(x), x @ (w + 1.5 * b @ a).T, atol=1e-5)


def test_rmsnorm_has_unit_mean_square_before_its_weight():
    (x,) = draw((3, 16))
    norm = RMSNorm((), 16, 0.0, jnp.float32)
    norm.weight[...] = jnp.full(16, 2.0)
    np.testing.assert_allclose((norm(x) ** 2).mean(-1), 4.0, rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"targets": ("attention", "heads")}, {"rank": 0}, {"expert_rank": 0}])
def test_an_impossible_adapter_is_refused(wrong):
    with pytest.raises(UserError, match="lora"):
        LoraConfig(**wrong)


def test_experts_may_have_their_own_rank():
    lora = LoraConfig(rank=16, alpha=32.0, targets=("shared", "experts"), expert_rank=4)
    assert [lora.rank_of(target) for target in ("attention", "shared", "experts")] == [0, 16, 4]
    assert lora.scale == 2.0
