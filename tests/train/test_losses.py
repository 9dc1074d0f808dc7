"""The loss is the mean over weights: worked by hand, and equal to its definition on drawn batches."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.train.losses import KINDS, cross_entropy
from arabic_r1_jax.train.step import by_kind, loss_weights

ANALYSIS, ELIMINATION, FINAL, OTHER = 1, 2, 5, 6


def logits_for(probabilities):
    """Logits [1, T, 2] that give target 0 these probabilities."""
    p = np.asarray(probabilities)
    return jnp.asarray(np.log(np.stack([p, 1 - p], -1))[None], jnp.float32)


def test_the_loss_is_the_weighted_sum_over_the_sum_of_weights():
    # Targets of probability 1/2, 1/4, 1/8 and 1/16: losses of 1, 2, 3 and 4 bits.
    phase = jnp.array([[ANALYSIS, ELIMINATION, ELIMINATION, FINAL]], jnp.int8)
    weights = loss_weights(
        {"analysis": 2.0, "elimination": 3.0, "check": 9.0, "synthesis": 9.0, "final": 0.5, "other": 9.0}
    )
    sums = cross_entropy(logits_for([1 / 2, 1 / 4, 1 / 8, 1 / 16]), jnp.zeros((1, 4), jnp.int32), phase, weights)
    bits = np.log(2)
    assert float(sums.weighted) == pytest.approx((2 * 1 + 3 * 2 + 3 * 3 + 0.5 * 4) * bits, rel=1e-6)
    assert float(sums.weight) == pytest.approx(2 + 3 + 3 + 0.5)
    assert by_kind(sums.by_kind, sums.count) == pytest.approx(
        {"analysis": 1 * bits, "elimination": 2.5 * bits, "final": 4 * bits}, rel=1e-6
    )


def test_prompts_weigh_nothing_whatever_the_weights():
    weights = loss_weights({kind: 2.0 + number for number, kind in enumerate(KINDS[1:])})
    assert weights.tolist() == [0, 2, 3, 4, 5, 6, 7]
    phase = jnp.array([[0, OTHER, 0]], jnp.int8)
    sure, unsure = (
        cross_entropy(logits_for([p, 1 / 2, p]), jnp.zeros((1, 3), jnp.int32), phase, weights) for p in (0.999, 0.001)
    )
    assert float(sure.weighted) == float(unsure.weighted) == pytest.approx(7 * np.log(2))
    assert float(sure.weight) == 7
    assert by_kind(sure.by_kind, sure.count) == pytest.approx({"other": np.log(2)})


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_sums_equal_their_definition(seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=(3, 5, 11)) * 4, rng.integers(0, 11, (3, 5))
    phase, weights = rng.integers(0, len(KINDS), (3, 5)), rng.uniform(0, 3, len(KINDS))
    sums = cross_entropy(*(jnp.asarray(a) for a in (logits.astype(np.float32), targets, phase.astype(np.int8))),
                         jnp.asarray(weights, jnp.float32))  # fmt: skip
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    loss = -np.log(np.take_along_axis(p, targets[..., None], -1)[..., 0])
    assert float(sums.weighted) == pytest.approx((loss * weights[phase]).sum(), rel=1e-5)
    assert float(sums.weight) == pytest.approx(weights[phase].sum(), rel=1e-6)
    assert np.asarray(sums.count).tolist() == np.bincount(phase.ravel(), minlength=len(KINDS)).tolist()


def test_large_logits_do_not_overflow():
    sums = cross_entropy(
        jnp.array([[[1e4, -1e4]]]), jnp.array([[1]]), jnp.array([[OTHER]], jnp.int8), jnp.ones(len(KINDS))
    )
    assert float(sums.weighted) == pytest.approx(2e4)
