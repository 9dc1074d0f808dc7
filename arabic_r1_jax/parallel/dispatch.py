"""Routed experts over the mesh: every token reaches its experts, none is dropped, memory is bounded.

Comes in: tokens with their chosen experts, split by batch, and the expert stacks, split by expert. Goes out: the
weighted sum of each token's experts, split by batch again. Under `shard_map` each device

    1. gathers the tokens of its `expert` row of the mesh,
    2. lays the (token, expert) pairs of its own experts out in blocks, each block of one expert (a counting sort),
    3. runs fixed pieces of that layout in a loop as long as the pairs that it really has,
    4. adds its results into the tokens' sums, which change hands and are added where the tokens came from.

Buffers have fixed sizes and the loop a dynamic length, so memory does not depend on the balance of the routing and
compute follows the real rows. A loop of dynamic length has no derivative of its own: step 3 is one `custom_vjp` that
saves its inputs only and differentiates a piece at a time, with respect to those stacks alone that are being trained.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.sharding import Mesh

from arabic_r1_jax.kernels.gmm_gpu import frozen_matmul_gpu
from arabic_r1_jax.kernels.gmm_tpu import frozen_matmul_tpu
from arabic_r1_jax.kernels.grouped_matmul import block_layout, grouped_matmul, max_blocks
from arabic_r1_jax.model.layers import gated
from arabic_r1_jax.parallel.mesh import sharding

BLOCK = 64  # rows of one expert that are multiplied together; smaller when experts have fewer rows than that
STEP = 1024  # rows a loop step handles: large products, and little waste for an expert row that ends early
# Where a platform has a kernel for frozen matrices, that one multiplies them. Its compute follows the real rows and it
# takes no weight per block, so that a loop step can be longer.
KERNELS = {"tpu": frozen_matmul_tpu, "gpu": frozen_matmul_gpu}
KERNEL_STEP = 4096
GATHERED_BYTES = 2**27  # of tokens that a device gathers at once: 8,192 of DeepSeek-V3's
STACK_AXES = ("layer", "expert", None, None)
TOKEN_AXES = ("batch", None, None)

Stacks = dict[str, Array]  # "gate.weight" [L, E, F, D], "gate.lora_a" [E, rank, D], "gate.lora_b" ..., "up", "down"


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
    kernel = KERNELS.get(mesh.devices.flat[0].platform)
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
    owned = -(-experts // owners)
    first = lax.axis_index("expert") * owned
    held = stacks["gate.weight"].shape[-3]
    plan = _Plan.fit(x.shape[0] * min(ids.shape[-1], owned), owned, scale, kernel)
    slots = _slots(jnp.where(ids < experts, ids - first, owned), plan)
    # The stacks hold only this device's experts, or, when they could not be divided, all of them.
    mine = jnp.minimum(slots.owner + jnp.where(held == experts, first, 0), held - 1)
    return _scatter(_run(plan, x, weights, slots.pair, mine, layer, slots.steps, stacks))


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


class _Plan(NamedTuple):
    """The static sizes of one device's work."""

    owned: int  # experts this device runs
    block: int  # rows a block
    step: int  # blocks a loop step
    blocks: int  # blocks in the layout, a multiple of step
    scale: float  # of the adapters
    kernel: Callable | None  # what multiplies frozen matrices; None: the plain form

    @classmethod
    def fit(cls, rows: int, owned: int, scale: float, kernel: Callable | None = None) -> "_Plan":
        """For at most `rows` (token, expert) pairs."""
        block = BLOCK
        while block > 8 and block * owned > rows:
            block //= 2
        most = max(max_blocks(rows, owned, block), 1)
        step = min(max((KERNEL_STEP if kernel else STEP) // block, 1), most)
        return cls(owned, block, step, -(-most // step) * step, scale, kernel)


class _Slots(NamedTuple):
    """Where the pairs lie."""

    pair: Array  # i32 [blocks * block]: the (token, k) pair of each row; past the last pair where a row is empty
    owner: Array  # i32 [blocks]: which of this device's experts each block belongs to
    steps: Array  # i32 []: loop steps that hold any pair


def _slots(local: Array, plan: _Plan) -> _Slots:
    """Lay pairs out by expert. local i32 [N, K]: expert counted from this device's first; elsewhere when outside."""
    local = local.reshape(-1)
    mine = local[:, None] == jnp.arange(plan.owned)  # [pairs, owned]
    count = jnp.cumsum(mine.astype(jnp.int32), axis=0)
    start, owner = block_layout(count[-1], plan.blocks, plan.block)
    place = jnp.where(mine, start + count - 1, 0).sum(axis=1)
    rows = plan.blocks * plan.block
    place = jnp.where(mine.any(axis=1), place, rows)
    pair = jnp.full(rows, local.shape[0], jnp.int32).at[place].set(jnp.arange(local.shape[0]), mode="drop")
    used = (owner < plan.owned).sum(dtype=jnp.int32)
    return _Slots(pair, jnp.minimum(owner, plan.owned - 1), -(-used // plan.step))


def _piece(plan: _Plan, pair: Array, owner: Array, k: int, i: Array) -> tuple[Array, Array, Array]:
    """Loop step i: its rows' pairs and tokens [rows], its blocks' experts [step]; one expert alone is a scalar."""
    pair = lax.dynamic_slice_in_dim(pair, i * plan.step * plan.block, plan.step * plan.block)
    owner = owner[0] if plan.owned == 1 else lax.dynamic_slice_in_dim(owner, i * plan.step, plan.step)
    return pair, pair // k, owner


def _ffn(
    plan: _Plan, rows: Array, weights: Array, owner: Array, layer: Array, frozen: Stacks, trained: Stacks
) -> Array:
    """weights [rows] * expert(rows [rows, D]) for blocks of rows; the expert is a gated network with adapters.

    No gradient is asked of the stacks in `frozen`.
    """
    stacks = frozen | trained

    def matmul(name: str, x: Array, scale: str | None = None) -> Array:
        """Rows times their experts' matrices, whether of all layers or of this layer alone."""
        w = stacks[name]
        group = owner + layer * w.shape[1] if w.ndim == 4 else owner
        w, scale = (None if a is None else a.reshape(-1, *a.shape[-2:]) for a in (w, stacks.get(scale)))
        if plan.kernel and name in frozen and name.endswith("weight"):
            return plan.kernel(x, w, group, scale, plan.owned)
        return grouped_matmul(x, w, group, scale)

    def linear(name: str, x: Array) -> Array:
        y = matmul(f"{name}.weight", x, f"{name}.scale")
        if f"{name}.lora_a" not in stacks:
            return y
        return y + plan.scale * matmul(f"{name}.lora_b", matmul(f"{name}.lora_a", x))

    x = rows.reshape(plan.step, plan.block, -1)
    h = gated(linear("gate", x), linear("up", x))
    # The weight goes onto the narrower side of `down`; its gradient then sums over F, not D.
    return linear("down", h * weights.reshape(plan.step, plan.block, 1)).reshape(rows.shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(
    plan: _Plan, x: Array, weights: Array, pair: Array, owner: Array, layer: Array, steps: Array, stacks: Stacks
) -> Array:
    """This device's part of every token's sum: x [N, D], weights [N, K] -> [N, D]."""
    k = weights.shape[-1]

    def body(i: Array, y: Array) -> Array:
        index, token, expert = _piece(plan, pair, owner, k, i)
        rows = _ffn(plan, _take(x, token), _take(weights.reshape(-1), index), expert, layer, stacks, {})
        return y.at[token].add(rows, mode="drop")

    return lax.fori_loop(0, steps, body, jnp.zeros_like(x))


def _take(values: Array, index: Array) -> Array:
    return values.at[index].get(mode="fill", fill_value=0)


def _run_forward(plan, x, weights, pair, owner, layer, steps, stacks):
    trained = {name: stack.value for name, stack in stacks.items() if stack.perturbed}
    frozen = {name: stack.value for name, stack in stacks.items() if not stack.perturbed}
    values = tuple(a.value for a in (x, weights, pair, owner, layer, steps))
    return _run(plan, *values, trained | frozen), (*values, trained, frozen)


def _run_backward(plan, saved, dy):
    x, weights, pair, owner, layer, steps, trained, frozen = saved
    dy = jnp.zeros_like(x) if isinstance(dy, SymbolicZero) else dy
    flat, k = weights.reshape(-1), weights.shape[-1]

    def body(i, grads):
        index, token, expert = _piece(plan, pair, owner, k, i)
        _, vjp = jax.vjp(
            lambda rows, weight, part: _ffn(plan, rows, weight, expert, layer, frozen, part),
            _take(x, token),
            _take(flat, index),
            trained,
        )
        d_rows, d_weight, d_trained = vjp(_take(dy, token))
        dx, dw, dt = grads
        dx, dw = dx.at[token].add(d_rows, mode="drop"), dw.at[index].add(d_weight, mode="drop")
        return dx, dw, jax.tree.map(jnp.add, dt, d_trained)

    start = (jnp.zeros_like(x), jnp.zeros_like(flat), jax.tree.map(jnp.zeros_like, trained))
    dx, dw, dt = lax.fori_loop(0, steps, body, start)
    return dx, dw.reshape(weights.shape), None, None, None, None, dt | dict.fromkeys(frozen)


_run.defvjp(_run_forward, _run_backward, symbolic_zeros=True)
