"""Linear layers, their adapters, and RMSNorm, one layer at a time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.layers import Linear, RMSNorm, adapted
from arabic_r1_jax.model.lora import LoraConfig

doubled = functools.partial(adapted, scale=2.0)


def draw(*shapes, seed=0):
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


@pytest.mark.parametrize("tokens", [15, 17], ids=["two products", "one merged matrix"])
def test_an_adapted_product_and_its_gradient_are_the_plain_ones(tokens):
    x, w, a, b, dy = draw((1, tokens, 6), (7, 6), (2, 6), (7, 2), (1, tokens, 7))

    def both(f):
        y, back = jax.vjp(f, x, w, a, b)
        return y, *back(dy)

    for ours, plain in zip(both(doubled), both(lambda x, w, a, b: x @ w.T + 2 * x @ a.T @ b.T), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-5)


def test_few_tokens_or_bfloat16_do_not_make_a_merged_matrix():
    def sums(tokens, dtype):
        x, w, a, b = draw((tokens, 6), (7, 6), (2, 6), (7, 2))
        return "f32[7,6] = add" in str(jax.make_jaxpr(doubled)(x.astype(dtype), w.astype(dtype), a, b))

    assert sums(16, jnp.float32)
    assert not sums(15, jnp.float32)
    assert not sums(16, jnp.bfloat16)


def test_an_adapted_product_in_bfloat16_does_not_round_a_small_update_away():
    """The next number after 256 is 258; x sums to zero, so that only the update is left."""
    a, b = draw((2, 6), (7, 2))
    w, x = jnp.full((7, 6), 256, jnp.bfloat16), jnp.tile(jnp.array([1, -1], jnp.bfloat16), (32, 3))
    wanted = x.astype(jnp.float32) @ (0.01 * b @ a).T
    assert float(jnp.abs(wanted).max()) > 0.01
    np.testing.assert_allclose(adapted(x, w, a, b, 0.01).astype(jnp.float32), wanted, atol=2**-6 * 0.1)


def test_an_adapted_product_keeps_float32_gradients_under_bfloat16():
    x, w, a, b = draw((4, 6), (7, 6), (2, 6), (7, 2))
    x, w = x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)
    da, db = jax.grad(lambda a, b: adapted(x, w, a, b, 2.0).sum().astype(jnp.float32), (0, 1))(a, b)
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
