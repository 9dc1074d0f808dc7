"""Rotary embedding: relative positions only, and YaRN equal to transformers'."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.model.config import RopeConfig
from arabic_r1_jax.model.rope import amplitude, angles, frequencies, rotate, softmax_scale

YARN = RopeConfig(10000.0, 40.0, 64, 32.0, 1.0, mscale=1.0, mscale_all_dim=1.0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_scores_depend_on_the_distance_alone(query, key, shift):
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 1, 16))

    def score(a, b):
        turned = [rotate(x, *angles(jnp.array([[p]]), 16, YARN)) for x, p in ((q, a), (k, b))]
        return float((turned[0] * turned[1]).sum())

    assert score(query, key) == pytest.approx(score(query + shift, key + shift), abs=5e-4)  # angles of 600 rad


def test_neighbouring_dimensions_turn_together():
    x = jnp.zeros((1, 1, 4)).at[0, 0, 2].set(1.0)  # the first member of pair 1
    cos, sin = angles(jnp.array([[5]]), 4, RopeConfig(theta=100.0))
    turned = rotate(x, cos, sin)[0, 0]
    np.testing.assert_allclose(turned, [0, np.cos(0.5), 0, np.sin(0.5)], atol=1e-6)  # frequency 100^(-1/2) = 0.1


def test_positions_turn_every_head_alike():
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(1), (2, 3, 1, 8)), (2, 3, 4, 8))
    turned = rotate(x, *angles(jnp.arange(6).reshape(2, 3), 8, YARN))
    np.testing.assert_array_equal(turned[:, :, 0], turned[:, :, 3])


@pytest.mark.parametrize(
    "rope",
    [
        YARN,
        RopeConfig(10000.0, 40.0, 4096, 32.0, 1.0, mscale=0.707, mscale_all_dim=0.707),
        RopeConfig(50000.0, 8.0, 128, 16.0, 2.0, mscale=1.0, mscale_all_dim=0.5),
        RopeConfig(10000.0, 4.0, 32),
    ],
)
def test_yarn_equals_transformers(rope):
    pytest.importorskip("transformers")
    from transformers import DeepseekV3Config
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import yarn_apply_mscale

    fields = ("factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "mscale", "mscale_all_dim")
    table = {"rope_type": "yarn", "rope_theta": rope.theta} | {name: getattr(rope, name) for name in fields}
    config = DeepseekV3Config(qk_rope_head_dim=64, rope_parameters=table)
    expected, scale = ROPE_INIT_FUNCTIONS["yarn"](config)
    np.testing.assert_allclose(frequencies(64, rope), expected.numpy(), rtol=1e-6)
    assert amplitude(rope) == pytest.approx(scale)
    assert softmax_scale(192, rope) == pytest.approx(yarn_apply_mscale(config.rope_parameters, 192**-0.5))
