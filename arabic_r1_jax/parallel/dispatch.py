"""Routed experts over the mesh: every token reaches its experts, none is dropped, memory is bounded.

Comes in: tokens with their chosen experts, split by batch, and the expert stacks, split by expert. Goes out: the
weighted sum of each token's experts, split by batch again. Under `shard_map` each device

    1. gathers the tokens of its `expert` row of the mesh,
    2. lays the (token, expert) pairs of its own experts out in blocks, each block of one expert (`expert_rows`),
    3. runs them: where the platform has a kernel, in large pieces of that layout (`expert_pieces`), elsewhere an expert
       after another (`expert_loop`),
    4. adds its results into the tokens' sums, which change hands and are added where the tokens came from.

Buffers have fixed sizes and the loops of step 3 a dynamic length, so memory does not depend on the balance of the
routing and compute follows the real rows.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh

from arabic_r1_jax.kernels.gmm_gpu import frozen_matmul_gpu
from arabic_r1_jax.kernels.gmm_tpu import frozen_matmul_tpu
from arabic_r1_jax.parallel.expert_loop import by_expert
from arabic_r1_jax.parallel.expert_pieces import by_piece
from arabic_r1_jax.parallel.expert_rows import Stacks, lay_out
from arabic_r1_jax.parallel.mesh import platform, sharding

# Where a platform has a kernel for frozen matrices, that one multiplies them.
KERNELS = {"tpu": frozen_matmul_tpu, "gpu": frozen_matmul_gpu}
GATHERED_BYTES = 2**27  # of tokens that a device gathers at once: 8,192 of DeepSeek-V3's
STACK_AXES = ("layer", "expert", None, None)
TOKEN_AXES = ("batch", None, None)


def experts_ffn(x: Array, weights: Array, ids: Array, stacks: Stacks, scale: float, layer: Array, mesh: Mesh) -> Array:
    """Sum over k of weights[..., k] * expert ids[..., k] of x.

    x [B, T, D]; weights f32 [B, T, K]; ids i32 [B, T, K], the K experts of a token distinct; stacks, adapters among
    them (`scale` multiplies their products): of all layers [L, E, ...], of which i32 [] `layer` is run, or of that
    layer alone [E, ...]. Returns [B, T, D] in x's dtype, the same on any mesh: a batch that does not divide it is
    padded here with rows that choose no expert, and experts that do not divide `expert` stay whole in memory while
    their work is still divided.
    """
    batch, experts = x.shape[0], stacks["gate.weight"].shape[-3]
    pad = [(0, -batch % mesh.size), (0, 0), (0, 0)]
    x, weights = jnp.pad(x, pad), jnp.pad(weights.astype(x.dtype), pad)
    ids = jnp.pad(ids, pad, constant_values=experts)
    token_spec = sharding(TOKEN_AXES, x.shape, mesh).spec
    stack_specs = {name: sharding(STACK_AXES[-stack.ndim :], stack.shape, mesh).spec for name, stack in stacks.items()}
    kernel = KERNELS.get(platform(mesh))
    sizes = dict(experts=experts, owners=mesh.shape["expert"], scale=scale, kernel=kernel)
    run = functools.partial(_on_one_device, **sizes)
    y = jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(token_spec, token_spec, token_spec, stack_specs, sharding((), (), mesh).spec),
        out_specs=token_spec,
        check_vma=False,  # a loop in a custom_vjp: we state the reduction ourselves
    )(x, weights, ids, stacks, layer)
    return y[:batch]


def chunk_count(held: int, owners: int) -> int:
    """In how many chunks go the tokens of devices that hold `held` bytes of them each, `owners` to an `expert` row."""
    return max(-(-owners * held // GATHERED_BYTES), 1)


def _on_one_device(x: Array, weights: Array, ids: Array, stacks: Stacks, layer: Array, **sizes) -> Array:
    """This device's tokens through everybody's experts, in equal chunks where all at once would take much memory."""
    shape, tokens = x.shape, x.shape[0] * x.shape[1]
    chunks = chunk_count(x.size * x.dtype.itemsize, sizes["owners"])
    size = -(-tokens // chunks)

    def part(a: Array, fill: int = 0) -> Array:
        padded = jnp.pad(a.reshape(tokens, -1), [(0, chunks * size - tokens), (0, 0)], constant_values=fill)
        return padded.reshape(chunks, size, -1)

    def run(x: Array, weights: Array, ids: Array) -> Array:
        return _on_gathered(x, weights, ids, stacks, layer, **sizes)

    parts = part(x), part(weights), part(ids, sizes["experts"])
    if chunks == 1:
        return run(*(a[0] for a in parts)).reshape(shape)
    # A chunk's gathered tokens are gathered again for the gradient, not kept.
    y = lax.map(lambda chunk: jax.checkpoint(run)(*chunk), parts)
    return y.reshape(chunks * size, -1)[:tokens].reshape(shape)


def _on_gathered(x, weights, ids, stacks: Stacks, layer: Array, *, experts, owners, scale, kernel) -> Array:
    """Tokens x [n, D], weights and ids [n, K] of each device -> this device's n sums over all experts."""
    x, weights, ids = _gather(x), _gather(weights), lax.all_gather(ids, "expert", tiled=True)
    sizes, rows = lay_out(ids, stacks["gate.weight"].shape[-3], experts, owners, scale)
    if kernel is None:
        return _scatter(by_expert(sizes, x, weights, rows, layer, stacks))
    return _scatter(by_piece(sizes, kernel, x, weights, rows, layer, stacks))


@jax.custom_vjp
def _gather(x: Array) -> Array:
    """x [n, ...] of every device of the `expert` axis, one after another [N * n, ...]."""
    return lax.all_gather(x, "expert", tiled=True)


@jax.custom_vjp
def _scatter(y: Array) -> Array:
    """Parts [N * n, ...] of everybody's sums -> this device's own n sums.

    Parts change hands as they are and are added here, in float32 and always in one order. `psum_scatter` would add in
    y's dtype, and on a v5p slice it compiles to an all-reduce, with N times the buffer and twice the traffic.
    """
    parts = lax.all_to_all(y.reshape(lax.axis_size("expert"), -1, *y.shape[1:]), "expert", 0, 0)
    return parts.astype(jnp.float32).sum(axis=0).astype(y.dtype)


_gather.defvjp(lambda x: (_gather(x), None), lambda _, dy: (_scatter(dy),))
_scatter.defvjp(lambda y: (_scatter(y), None), lambda _, dy: (_gather(dy),))
