"""Cross-entropy over packed rows, weighed by the phase that each target belongs to.

Comes in: the last hidden states, the head, and targets with their phase (see `data.examples`). Goes out: the mean over
weights, and the plain loss of each phase for the log. Used by `train.step`.

Logits are made once, a chunk of time at a time, split by vocabulary as the head is: a step of a 129,280-word model
never holds them for all its tokens, nor a whole head. The head being frozen, each chunk leaves the derivative of its
losses, softmax(logits) - target times the head, and the backward pass makes no logits again.
"""

import functools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.sharding import Mesh

from arabic_r1_jax.data.examples import PHASES
from arabic_r1_jax.parallel.mesh import constrain, sharding

KINDS = ("none", *PHASES, "other")  # the phase ids of `data.examples`, in order; 0 carries no loss
# The most logits of a chunk on a device, 16 MiB: 32 tokens a device of DeepSeek-V3's vocabulary.
CHUNK_LOGITS = 2**22


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
    return _token_losses(mesh, h, head, targets)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _token_losses(mesh: Mesh, h: Array, head: Array, targets: Array) -> Array:
    return _by_chunk(mesh, False, h, head, targets)[0]


def _by_chunk(mesh: Mesh, derive: bool, h: Array, head: Array, targets: Array) -> tuple[Array, Array | None]:
    """Losses f32 [B, T], and with `derive` the derivative of each one's own hidden state [B, T, D]."""
    (batch, time, _), vocab = h.shape, len(head)
    # Rows and vocabulary lie on the same devices, so only one of them can be split. A head that is whole on every
    # device anyway (one device, or a vocabulary that the devices do not divide) leaves the rows where they are.
    whole = sharding(("vocab",), (vocab,), mesh).is_fully_replicated
    axes = ("batch", None, None) if whole else (None, None, "vocab")
    head = constrain(head, ("vocab", None), mesh).astype(h.dtype)

    def chunk(part: tuple[Array, Array]) -> tuple[Array, Array | None]:
        """h [B, C, D], targets [B, C]."""
        h, targets = part
        h = constrain(h, (axes[0], None, None), mesh)
        logits = jnp.einsum("bcd,vd->bcv", h, head, preferred_element_type=jnp.float32)
        logits = constrain(logits, axes, mesh)
        top = logits.max(-1, keepdims=True)
        total = jnp.exp(logits - top).sum(-1, keepdims=True)
        # A mask, and not a look-up of the target's logit: the devices that lack it add nothing.
        hit = jnp.arange(vocab) == targets[..., None]
        losses = jnp.log(total)[..., 0] - jnp.where(hit, logits - top, 0).sum(-1)
        if not derive:
            return losses, None
        d_logits = (jnp.exp(logits - top) / total - hit).astype(h.dtype)
        d_h = jnp.einsum("bcv,vd->bcd", d_logits, head, preferred_element_type=jnp.float32)
        return losses, constrain(d_h.astype(h.dtype), ("batch", None, None), mesh)

    local = sharding(axes, (batch, time, vocab), mesh).shard_shape((batch, time, vocab))
    chunks = math.ceil(math.prod(local) / CHUNK_LOGITS)
    size = math.ceil(time / chunks)
    done = lax.map(chunk, (in_chunks(h, size, mesh), in_chunks(targets, size, mesh)))
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(batch, -1, *x.shape[3:])[:, :time], done)


def _forward(mesh: Mesh, h, head, targets):
    if head.perturbed:
        raise TypeError("token_losses has no derivative for the head, which is frozen")
    return _by_chunk(mesh, True, h.value, head.value, targets.value)


def _backward(mesh: Mesh, d_h: Array, d_losses):
    if isinstance(d_losses, SymbolicZero):
        return None, None, None
    return (d_losses[..., None] * d_h).astype(d_h.dtype), None, None


_token_losses.defvjp(_forward, _backward, symbolic_zeros=True)


def in_chunks(x: Array, size: int, mesh: Mesh) -> Array:
    """x [B, T, ...], split by row -> [chunks, B, size, ...], padded with zeros at the end; rows stay where they are."""
    batch, time, *rest = x.shape
    x = jnp.pad(x, [(0, 0), (0, -time % size)] + [(0, 0)] * len(rest))
    x = jnp.moveaxis(x.reshape(batch, -1, size, *rest), 1, 0)
    return constrain(x, (None, "batch", None) + (None,) * len(rest), mesh)
