"""Softmax attention over whole sequences, causal and within segments, with no array of all scores.

Comes in: queries, keys and values of some heads, and the segments of the tokens. Goes out: the mixed values. On a TPU
it is the splash kernel that JAX keeps; elsewhere pieces of queries, one after another, each against the keys it sees.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh

from arabic_r1_jax.parallel.mesh import platform, sharding

MIN_PIECE, MAX_PIECES = 64, 8  # of the queries in `in_pieces`
SCORES_BYTES = 2**27  # of one row of a batch, float32
HIDDEN = -1e30  # added to a score: far below any real one, and far from overflow
SPLASH_BLOCKS = (512, 256, 128)  # of queries and keys in the splash kernel: the largest that divides the sequence


def causal_attention(q: Array, key: Array, value: Array, segments: Array, scale: float, mesh: Mesh) -> Array:
    """Softmax attention of q, key [B, T, H, N + R] over value [B, T, H, V], to no later place and in one's segment.

    segments i32 [B, T]; scale multiplies the scores. Returns [B, T, H, V] in q's dtype.
    """
    if platform(mesh) == "tpu" and q.shape[1] % SPLASH_BLOCKS[-1] == 0:
        return splash(q, key, value, segments, scale, mesh)
    return in_pieces(q, key, value, segments, scale)


def splash(q: Array, key: Array, value: Array, segments: Array, scale: float, mesh: Mesh, interpret=False) -> Array:
    """`causal_attention` by JAX's TPU kernel; T must be a multiple of 128. interpret: on any backend, slowly.

    The kernel knows no scale: queries are scaled before, and rounded once more than in `in_pieces`.
    """
    from jax.experimental.pallas.ops.tpu import splash_attention as sa

    time, heads = q.shape[1:3]
    block = next(size for size in SPLASH_BLOCKS if time % size == 0)
    names = ("q", "kv", "kv_compute", "q_dkv", "kv_dkv", "kv_dkv_compute", "q_dq", "kv_dq")
    kernel = sa.make_splash_mha(
        sa.MultiHeadMask([sa.CausalMask((time, time))] * heads),
        head_shards=1,
        q_seq_shards=1,
        block_sizes=sa.BlockSizes(**{f"block_{name}": block for name in names}),
        interpret=interpret,
    )

    def local(q: Array, key: Array, value: Array, segments: Array) -> Array:
        def row(q: Array, key: Array, value: Array, segments: Array) -> Array:  # [H, T, .], [T]
            return kernel(q, key, value, segment_ids=sa.SegmentIds(segments, segments))

        return jax.vmap(row)(*(x.swapaxes(1, 2) for x in (q, key, value)), segments).swapaxes(1, 2)

    # A kernel of ours or JAX's cannot be partitioned by the compiler: each device runs it on its own rows.
    rows = sharding(("batch",), q.shape[:1], mesh).spec
    run = jax.shard_map(local, mesh=mesh, in_specs=(rows,) * 4, out_specs=rows, check_vma=False)
    return run((q.astype(jnp.float32) * scale).astype(q.dtype), key, value, segments)


def in_pieces(q: Array, key: Array, value: Array, segments: Array, scale: float) -> Array:
    """`causal_attention` on any device.

    In a few pieces of queries, each against the keys up to its end: nearly half of all scores are never computed. A
    piece's scores are recomputed for the gradient rather than kept, so memory grows with one piece, not with all.
    """
    time = q.shape[1]
    piece = max(MIN_PIECE, -(-time // MAX_PIECES))
    attend = jax.checkpoint(functools.partial(_attend, scale))
    q, key, value = (x.swapaxes(1, 2) for x in (q, key, value))  # once, not in every piece
    parts = []
    for start in range(0, time, piece):
        end = min(start + piece, time)
        seen = jnp.arange(start, end)[:, None] >= jnp.arange(end)
        mask = (segments[:, start:end, None] == segments[:, None, :end]) & seen
        parts.append(attend(q[:, :, start:end], key[:, :, :end], value[:, :, :end], mask))
    return jnp.concatenate(parts, axis=2).swapaxes(1, 2)


def _attend(scale: float, q: Array, key: Array, value: Array, mask: Array) -> Array:
    """Attention of one piece of queries: q, key [B, H, T or S, N + R], value [B, H, S, V], mask bool [B, T, S].

    Where the scores of all heads would take more than `SCORES_BYTES` a row, in groups of heads, one after another.
    """

    def heads(q: Array, key: Array, value: Array) -> Array:
        p = softmax(scale * scores("bhtn,bhsn->bhts", q, key), mask).astype(q.dtype)
        return jnp.einsum("bhts,bhsv->bhtv", p, value)

    count, row = q.shape[1], 4 * mask.shape[1] * mask.shape[2]
    groups = next(g for g in range(1, count + 1) if count % g == 0 and (count // g * row <= SCORES_BYTES or g == count))
    if groups == 1:
        return heads(q, key, value)
    parts = [jnp.moveaxis(x.reshape(len(x), groups, -1, *x.shape[2:]), 1, 0) for x in (q, key, value)]
    done = lax.map(lambda part: jax.checkpoint(heads)(*part), tuple(parts))
    return jnp.moveaxis(done, 0, 1).reshape(*q.shape[:3], -1)


def scores(pattern: str, q: Array, key: Array) -> Array:
    """The einsum of queries and keys, summed in float32 whatever they are."""
    return jnp.einsum(pattern, q, key, preferred_element_type=jnp.float32)


def softmax(scores: Array, mask: Array) -> Array:
    """Softmax of scores f32 [B, H, T, S] over what mask bool [B, T, S] shows, in float32 as transformers."""
    return jax.nn.softmax(scores + jnp.where(mask, 0.0, HIDDEN)[:, None], axis=-1)
