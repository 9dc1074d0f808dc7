"""Softmax attention over whole sequences, causal and within segments, with no array of all scores.

Comes in: queries, keys and values of some heads, and the segments of the tokens. Goes out: the mixed values. On a TPU
it is the splash kernel that JAX keeps, on an NVIDIA GPU its Triton kernel (checked in interpret mode and lowered for
CUDA, not yet run on a GPU); elsewhere, and for what they cannot run, pieces of queries, one after another, each against
the keys it sees.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from arabic_r1_jax.kernels.attention_pieces import in_pieces
from arabic_r1_jax.parallel.mesh import capability, platform, sharding

SPLASH_BLOCKS = (512, 256, 128)  # of queries and keys in the splash kernel: the largest that divides the sequence
TRITON_BLOCKS = 64, 32  # of queries and of keys in the Triton kernel; its backward pass takes 32 of both
TRITON_DIMS = 256  # of a head, at most: it then takes 68 KiB of shared memory where GPUs have 99, on Hopper 96 of 227
CAPABILITY = 8.0  # the least that multiplies bfloat16


def causal_attention(q: Array, key: Array, value: Array, segments: Array, scale: float, mesh: Mesh) -> Array:
    """Softmax attention of q, key [B, T, H, N + R] over value [B, T, H, V], to no later place and in one's segment.

    segments i32 [B, T]; scale multiplies the scores. Returns [B, T, H, V] in q's dtype.
    """
    kernel, fits = KERNELS.get(platform(mesh), (None, None))
    if kernel is None or not fits(q, value, mesh):
        pieces = functools.partial(in_pieces, scale=scale)
        return _by_device(pieces, q, key, value, segments, mesh)
    return kernel(q, key, value, segments, scale, mesh)


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

    return _by_device(local, (q.astype(jnp.float32) * scale).astype(q.dtype), key, value, segments, mesh)


def _splash_fits(q: Array, value: Array, mesh: Mesh) -> bool:
    return q.shape[1] % SPLASH_BLOCKS[-1] == 0


def triton(q: Array, key: Array, value: Array, segments: Array, scale: float, mesh: Mesh, interpret=False) -> Array:
    """`causal_attention` by JAX's Triton kernel; T must be a multiple of 64. interpret: on any backend, slowly.

    The kernel wants values as wide as keys: they get zeros, which the result loses again.
    """
    from jax.experimental.pallas.ops.gpu import attention as gpu

    block_q, block_k = TRITON_BLOCKS
    blocks = gpu.BlockSizes(block_q, block_k, block_k, block_k, block_k, block_k)
    width = max(q.shape[-1], value.shape[-1])

    def local(q: Array, key: Array, value: Array, segments: Array) -> Array:
        wide = (jnp.pad(x, [(0, 0)] * 3 + [(0, width - x.shape[-1])]) for x in (q, key, value))
        mixed = gpu.mha(*wide, segments, sm_scale=scale, causal=True, block_sizes=blocks, interpret=interpret)
        return mixed[..., : value.shape[-1]]

    return _by_device(local, q, key, value, segments, mesh)


def _triton_fits(q: Array, value: Array, mesh: Mesh) -> bool:
    """float32 is not for it: Triton would multiply in TF32."""
    return (
        q.shape[1] % TRITON_BLOCKS[0] == 0
        and q.dtype == jnp.bfloat16
        and max(q.shape[-1], value.shape[-1]) <= TRITON_DIMS
        and capability(mesh.devices.flat[0]) >= CAPABILITY
    )


# By platform, the kernel and what it can run; `in_pieces` runs the rest.
KERNELS: dict[str, tuple[Callable[..., Array], Callable[[Array, Array, Mesh], bool]]] = {
    "tpu": (splash, _splash_fits),
    "gpu": (triton, _triton_fits),
}


def _by_device(local: Callable[..., Array], q: Array, key: Array, value: Array, segments: Array, mesh: Mesh) -> Array:
    """`local` of each device's own rows: the compiler cannot partition a kernel, and pieces go by a device's memory."""
    rows = sharding(("batch",), q.shape[:1], mesh).spec
    run = jax.shard_map(local, mesh=mesh, in_specs=(rows,) * 4, out_specs=rows, check_vma=False)
    return run(q, key, value, segments)
