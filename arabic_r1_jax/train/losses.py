"""Cross-entropy over packed rows, weighed by the phase that each target belongs to.

Comes in: logits and targets with their phase (see `data.examples`). Goes out: the mean over weights, and the plain
loss of each phase for the log. Used by `train.step`.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from arabic_r1_jax.data.examples import PHASES

KINDS = ("none", *PHASES, "other")  # the phase ids of `data.examples`, in order; 0 carries no loss


class Sums(NamedTuple):
    """What a batch adds up to; means are left to the reader so that batches can be added."""

    weighted: Array  # f32 []: sum of weight * negative log-likelihood
    weight: Array  # f32 []: sum of weights
    by_kind: Array  # f32 [kinds]: sum of negative log-likelihood, unweighted
    count: Array  # f32 [kinds]: targets


def cross_entropy(logits: Array, targets: Array, phase: Array, weights: Array) -> Sums:
    """Sums of the loss over a batch.

    logits f32 [B, T, V]; targets i32 [B, T]; phase i8 [B, T], the kind of each target; weights f32 [kinds], the loss
    weight of a target of each kind (kind 0 must weigh 0).
    """
    chex.assert_equal_shape([targets, phase])
    picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    loss = jax.nn.logsumexp(logits, axis=-1) - picked
    kind = jax.nn.one_hot(phase, len(KINDS), dtype=jnp.float32)
    by_kind, count = jnp.einsum("bt,btk->k", loss, kind), kind.sum((0, 1))
    return Sums(by_kind @ weights, count @ weights, by_kind, count)
