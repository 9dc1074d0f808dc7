"""Cross-entropy over packed rows, weighed by the phase that each target belongs to.

Comes in: the last hidden states, the head, and targets with their phase (see `data.examples`). Goes out: the mean over
weights, and the plain loss of each phase for the log. Used by `train.step`.

Logits are made a chunk of time at a time, and again in the backward pass, split by vocabulary as the head is: a step
of a 129,280-word model never holds them for all its tokens, nor a whole head.
"""

import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh

from arabic_r1_jax.data.examples import PHASES
from arabic_r1_jax.parallel.mesh import constrain, sharding

KINDS = ("none", *PHASES, "other")  # the phase ids of `data.examples`, in order; 0 carries no loss
# The most logits of a chunk on a device, 64 MiB: 128 tokens a device of DeepSeek-V3's vocabulary. A batch that fits is
# one chunk, which keeps its logits for the backward pass: a small model would feel the second product.
CHUNK_LOGITS = 2**24


class Sums(NamedTuple):
    """What a batch adds up to; means are left to the reader so that batches can be added."""

    weighted: Array  # f32 []: sum of weight * negative log-likelihood
    weight: Array  # f32 []: sum of weights
    by_kind: Array  # f32 [kinds]: sum of negative log-likelihood, unweighted
    count: Array  # f32 [kinds]: targets


def cross_entropy(h: Array, head: Array, targets: Array, phase: Array, weights: Array, mesh: Mesh) -> Sums:
    """Sums of the loss over a batch.

    h [B, T, D], normed; head [V, D]; targets i32 [B, T]; phase i8 [B, T], the kind of each target; weights f32
    [kinds], the loss weight of a target of each kind (kind 0 must weigh 0).
    """
    chex.assert_equal_shape([targets, phase])
    loss = token_losses(h, head, targets, mesh)
    kind = jax.nn.one_hot(phase, len(KINDS), dtype=jnp.float32)
    by_kind, count = jnp.einsum("bt,btk->k", loss, kind), kind.sum((0, 1))
    return Sums(by_kind @ weights, count @ weights, by_kind, count)


def token_losses(h: Array, head: Array, targets: Array, mesh: Mesh) -> Array:
    """The negative log-likelihood of each target, f32 [B, T]; arguments as `cross_entropy`."""
    (batch, time, _), vocab = h.shape, len(head)
    # Rows and vocabulary lie on the same devices, so only one of them can be split. A head that is whole on every
    # device anyway (one device, or a vocabulary that the devices do not divide) leaves the rows where they are.
    whole = sharding(("vocab",), (vocab,), mesh).is_fully_replicated
    axes = ("batch", None, None) if whole else (None, None, "vocab")
    head = constrain(head, ("vocab", None), mesh)

    def losses(h: Array, targets: Array) -> Array:
        """h [B, C, D], targets [B, C] -> f32 [B, C]."""
        h = constrain(h, (axes[0], None, None), mesh)
        logits = jnp.einsum("bcd,vd->bcv", h, head.astype(h.dtype), preferred_element_type=jnp.float32)
        logits = constrain(logits, axes, mesh)
        top = lax.stop_gradient(logits.max(-1, keepdims=True))
        # A masked sum, and not a look-up of the target's logit: the devices that lack it add nothing.
        target = jnp.where(jnp.arange(vocab) == targets[..., None], logits - top, 0).sum(-1)
        return jnp.log(jnp.exp(logits - top).sum(-1)) - target

    local = sharding(axes, (batch, time, vocab), mesh).shard_shape((batch, time, vocab))
    chunks = math.ceil(math.prod(local) / CHUNK_LOGITS)
    if chunks == 1:
        return losses(h, targets)
    size = math.ceil(time / chunks)
    parts = in_chunks(h, size, mesh), in_chunks(targets, size, mesh)
    done = lax.map(lambda part: jax.checkpoint(losses)(*part), parts)
    return jnp.moveaxis(done, 0, 1).reshape(batch, -1)[:, :time]


def in_chunks(x: Array, size: int, mesh: Mesh) -> Array:
    """x [B, T, ...], split by row -> [chunks, B, size, ...], padded with zeros at the end; rows stay where they are."""
    batch, time, *rest = x.shape
    x = jnp.pad(x, [(0, 0), (0, -time % size)] + [(0, 0)] * len(rest))
    x = jnp.moveaxis(x.reshape(batch, -1, size, *rest), 1, 0)
    return constrain(x, (None, "batch", None) + (None,) * len(rest), mesh)
