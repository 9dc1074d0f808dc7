"""Softmax attention without a kernel: a few pieces of queries, one after another, each against the keys up to its end.

Comes in and goes out what `kernels.attention` says; nearly half of all scores are never computed. With s the scaled
scores of a piece, m their row's maximum and do the gradient of the result o,

    e = exp(s - m), l = sum e, o = e v / l
    g = do / l, dv = e^T g, ds = e (g v^T - sum g o), dq = scale ds k, dk = scale ds^T q

so that no array of scores is divided (the derivative of Dao et al. 2022, appendix B.2, with the division on the narrow
side). The gradient makes e again from m: memory grows with one piece, and on a CPU that is as fast as keeping them.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax

MIN_PIECE, MAX_PIECES = 128, 8  # of the queries
SCORES_BYTES = 2**27  # of a piece, made at once for a device's rows, float32
HIDDEN = -1e30  # added to a score: far below any real one, and far from overflow


def in_pieces(q: Array, key: Array, value: Array, segments: Array, scale: float) -> Array:
    """`kernels.attention.causal_attention` of one device's rows: q, key [B, T, H, N + R], value [B, T, H, V].

    Where a piece's scores of all heads would take more than `SCORES_BYTES`, in groups of heads, one after another.
    """
    batch, time, heads = q.shape[:3]
    head = 4 * batch * time * max(end - start for start, end in _pieces(time))
    fit = [g for g in range(1, heads + 1) if heads % g == 0 and heads // g * head <= SCORES_BYTES]
    groups = min(fit, default=heads)
    q, key, value = (x.swapaxes(1, 2) for x in (q, key, value))  # once, not in every piece
    if groups == 1:
        return _attend(scale, q, key, value, segments).swapaxes(1, 2)
    parts = [jnp.moveaxis(x.reshape(batch, groups, -1, *x.shape[2:]), 1, 0) for x in (q, key, value)]
    done = lax.map(lambda part: _attend(scale, *part, segments), tuple(parts))  # [groups, B, H / groups, T, V]
    return done.transpose(1, 3, 0, 2, 4).reshape(batch, time, heads, -1)


def _pieces(time: int) -> list[tuple[int, int]]:
    """First and one past the last query of each."""
    size = max(MIN_PIECE, -(-time // MAX_PIECES))
    return [(start, min(start + size, time)) for start in range(0, time, size)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(scale: float, q: Array, key: Array, value: Array, segments: Array) -> Array:
    """Some heads: q, key [B, H, T, N + R], value [B, H, T, V], segments [B, T] -> [B, H, T, V]."""
    return _forward(scale, q, key, value, segments)[0]


def _forward(scale: float, q: Array, key: Array, value: Array, segments: Array):
    parts = []
    for start, end in _pieces(q.shape[2]):
        s = _scores(scale, q, key, segments, start, end)
        top = s.max(-1, keepdims=True)
        e = jnp.exp(s - top)
        total = e.sum(-1, keepdims=True)
        mixed = scores("bhts,bhsv->bhtv", e.astype(q.dtype), value[:, :, :end]) / total
        parts.append((mixed.astype(q.dtype), top, total))
    out, top, total = (jnp.concatenate(part, axis=2) for part in zip(*parts, strict=True))
    return out, (q, key, value, segments, out, top, total)


def _backward(scale: float, saved, dy: Array):
    q, key, value, segments, out, top, total = saved
    g = dy.astype(jnp.float32) / total
    dot = (g * out).sum(-1, keepdims=True)
    g = g.astype(q.dtype)
    dq, dkey, dvalue = [], None, None
    for start, end in reversed(_pieces(q.shape[2])):  # the last one has gradients of all keys; others add to them
        piece = slice(start, end)
        e = jnp.exp(_scores(scale, q, key, segments, start, end) - top[:, :, piece])
        ds = e * (scores("bhtv,bhsv->bhts", g[:, :, piece], value[:, :, :end]) - dot[:, :, piece])
        e, ds = e.astype(q.dtype), ds.astype(q.dtype)
        dq.append(scale * scores("bhts,bhsn->bhtn", ds, key[:, :, :end]))
        dkey = _add(dkey, scale * scores("bhts,bhtn->bhsn", ds, q[:, :, piece]))
        dvalue = _add(dvalue, scores("bhts,bhtv->bhsv", e, g[:, :, piece]))
    dq = jnp.concatenate(dq[::-1], axis=2)
    return dq.astype(q.dtype), dkey.astype(key.dtype), dvalue.astype(value.dtype), None


_attend.defvjp(_forward, _backward)


def _add(whole: Array | None, part: Array) -> Array:
    """whole [B, H, T, .] with part [B, H, S, .] added to its first S."""
    return part if whole is None else whole.at[:, :, : part.shape[2]].add(part)


def _scores(scale: float, q: Array, key: Array, segments: Array, start: int, end: int) -> Array:
    """The piece's scaled scores f32 [B, H, end - start, end], far below any real one where a key is not seen."""
    seen = jnp.arange(start, end)[:, None] >= jnp.arange(end)
    mask = (segments[:, start:end, None] == segments[:, None, :end]) & seen
    return scale * scores("bhtn,bhsn->bhts", q[:, :, start:end], key[:, :, :end]) + hiding(mask)


def scores(pattern: str, a: Array, b: Array) -> Array:
    """An einsum summed in float32 whatever its factors are."""
    return jnp.einsum(pattern, a, b, preferred_element_type=jnp.float32)


def hiding(mask: Array) -> Array:
    """What is added to scores [B, H, T, S] so that only what mask bool [B, T, S] shows is seen."""
    return jnp.where(mask, 0.0, HIDDEN)[:, None]


def softmax(scores: Array, mask: Array) -> Array:
    """Softmax of scores f32 [B, H, T, S] over what mask bool [B, T, S] shows, in float32 as transformers."""
    return jax.nn.softmax(scores + hiding(mask), axis=-1)
