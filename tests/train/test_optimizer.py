"""The learning rate of every step, and what the update does with a gradient."""

import math

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from arabic_r1_jax.train.optimizer import DECAY_TO, make_optimizer


def rates(steps, warmup, lr=0.1):
    _, schedule = make_optimizer(steps, lr, warmup, 0.0, 1.0)
    return [float(schedule(step)) for step in range(steps + 1)]


def test_the_rate_rises_linearly_then_falls_as_a_cosine():
    found = rates(steps=110, warmup=10)
    assert found[:11] == pytest.approx([0.01 * step for step in range(11)], abs=1e-8)
    for step in range(10, 111):
        share = (1 + math.cos(math.pi * (step - 10) / 100)) / 2
        assert found[step] == pytest.approx(0.1 * (DECAY_TO + (1 - DECAY_TO) * share), rel=1e-4)
    assert found[60] == pytest.approx(0.1 * (1 + DECAY_TO) / 2, rel=1e-4)
    assert found[110] == pytest.approx(0.1 * DECAY_TO, rel=1e-4)


@pytest.mark.parametrize("steps, warmup", [(1, 0), (1, 20), (2, 20), (5, 5), (20, 0), (20, 100)])
def test_every_run_reaches_the_rate_asked_for(steps, warmup):
    found = rates(steps, warmup)[:steps]
    assert max(found) == pytest.approx(0.1)
    assert min(found) >= 0
    if warmup == 0:
        assert found[0] == pytest.approx(0.1)


def update(gradient, clip=1.0, decay=0.0, weights=None):
    optimizer, _ = make_optimizer(10, 0.1, 0, decay, clip)
    weights = {"a": jnp.zeros(2)} if weights is None else weights
    return optimizer.update(gradient, optimizer.init(weights), weights)


def test_a_gradient_beyond_the_clip_is_scaled_to_it():
    for gradient, clipped in (([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4])):
        _, state = update({"a": jnp.array(gradient)})
        (moments,) = optax.tree.get_all_with_path(state, "mu")
        np.testing.assert_allclose(moments[1]["a"], 0.1 * np.array(clipped), rtol=1e-5)  # 1 - b1


def test_the_first_update_is_one_rate_against_the_gradients_sign_and_decay_pulls_to_zero():
    moved, _ = update({"a": jnp.array([0.5, -0.02])})
    np.testing.assert_allclose(moved["a"], [-0.1, 0.1], rtol=1e-4)
    moved, _ = update({"a": jnp.zeros(2)}, decay=0.5, weights={"a": jnp.array([2.0, -4.0])})
    np.testing.assert_allclose(moved["a"], [-0.1, 0.2], rtol=1e-5)
