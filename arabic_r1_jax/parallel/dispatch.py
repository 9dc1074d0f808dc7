"""Routed experts over the mesh: every token reaches its experts, none is dropped, memory is bounded.

Comes in: tokens with their chosen experts, split by batch, and the expert stacks, split by expert. Goes out: the
weighted sum of each token's experts, split by batch again. Under `shard_map` each device

    1. gathers the tokens of its `expert` row of the mesh,
    2. lays the (token, expert) pairs of its own experts out in blocks, each block of one expert (a counting sort),
    3. runs fixed pieces of that layout in a loop as long as the pairs that it really has,
    4. adds its results into the tokens' sums, which are reduced and scattered back.

Buffers have fixed sizes and the loop a dynamic length, so memory does not depend on the balance of the routing and
compute follows the real rows. A loop of dynamic length has no derivative of its own: step 3 is one `custom_vjp` that
saves its inputs only and differentiates a piece at a time, with respect to those stacks alone that are being trained.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.sharding import Mesh

from arabic_r1_jax.kernels.grouped_matmul import block_layout, frozen_matmul_tpu, grouped_matmul, max_blocks
from arabic_r1_jax.model.layers import gated
from arabic_r1_jax.parallel.mesh import sharding

BLOCK = 64  # rows of one expert that are multiplied together; smaller when experts have fewer rows than that
STEP = 1024  # rows a loop step handles: large products, and little waste for an expert row that ends early
STEP_TPU = 4096  # there the kernel's compute follows the real rows, and no weight is taken out of its stack
STACK_AXES = ("layer", "expert", None, None)
TOKEN_AXES = ("batch", None, None)

Stacks = dict[str, Array]  # "gate.weight" [L, E, F, D], "gate.lora_a" [L, E, rank, D], "gate.lora_b" ..., "up", "down"


def experts_ffn(x: Array, weights: Array, ids: Array, stacks: Stacks, scale: float, layer: Array, mesh: Mesh) -> Array:
    """Sum over k of weights[..., k] * expert ids[..., k] of x.

    x [B, T, D]; weights f32 [B, T, K]; ids i32 [B, T, K], the K experts of a token distinct; stacks of all layers,
    adapters among them (`scale` multiplies their products); layer i32 [], which of the stacks' layers. Returns
    [B, T, D] in x's dtype, the same on any mesh: a batch that does not divide it is padded here with rows that choose
    no expert, and experts that do not divide `expert` stay whole in memory while their work is still divided.
    """
    batch, experts = x.shape[0], stacks["gate.weight"].shape[1]
    pad = [(0, -batch % mesh.size), (0, 0), (0, 0)]
    x, weights = jnp.pad(x, pad), jnp.pad(weights.astype(x.dtype), pad)
    ids = jnp.pad(ids, pad, constant_values=experts)
    token_spec = sharding(TOKEN_AXES, x.shape, mesh).spec
    stack_specs = {name: sharding(STACK_AXES, stack.shape, mesh).spec for name, stack in stacks.items()}
    tpu = mesh.devices.flat[0].platform == "tpu"
    run = functools.partial(_on_one_device, experts=experts, owners=mesh.shape["expert"], scale=scale, tpu=tpu)
    y = jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(token_spec, token_spec, token_spec, stack_specs, sharding((), (), mesh).spec),
        out_specs=token_spec,
        check_vma=False,  # a loop in a custom_vjp: we state the reduction ourselves
    )(x, weights, ids, stacks, layer)
    return y[:batch]


def _on_one_device(x: Array, weights: Array, ids: Array, stacks: Stacks, layer: Array, *, experts, owners, scale, tpu):
    shape, k = x.shape, ids.shape[-1]
    x, weights, ids = (_gather(a.reshape(-1, a.shape[-1])) for a in (x, weights, ids))
    owned = -(-experts // owners)
    first = lax.axis_index("expert") * owned
    held = stacks["gate.weight"].shape[1]
    rows = x.shape[0] * min(k, owned)
    plan = _Plan.fit(rows, owned, scale, tpu)
    slots = _slots(jnp.where(ids < experts, ids - first, owned), plan)
    # The stacks hold only this device's experts, or, when they could not be divided, all of them.
    origin = layer * held + jnp.where(held == experts, first, 0)
    groups = jnp.minimum(origin + slots.owner, (layer + 1) * held - 1)
    y = _run(plan, x, weights, slots.pair, groups, slots.steps, stacks)
    return lax.psum_scatter(y, "expert", tiled=True).reshape(shape)


def _gather(x: Array) -> Array:
    return lax.all_gather(x, "expert", tiled=True)


class _Plan(NamedTuple):
    """The static sizes of one device's work."""

    owned: int  # experts this device runs
    block: int  # rows a block
    step: int  # blocks a loop step
    blocks: int  # blocks in the layout, a multiple of step
    scale: float  # of the adapters
    tpu: bool  # frozen matrices are multiplied by the Pallas kernel

    @classmethod
    def fit(cls, rows: int, owned: int, scale: float, tpu: bool = False) -> "_Plan":
        """For at most `rows` (token, expert) pairs."""
        block = BLOCK
        while block > 8 and block * owned > rows:
            block //= 2
        most = max(max_blocks(rows, owned, block), 1)
        step = min(max((STEP_TPU if tpu else STEP) // block, 1), most)
        return cls(owned, block, step, -(-most // step) * step, scale, tpu)


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


def _piece(plan: _Plan, pair: Array, groups: Array, k: int, i: Array) -> tuple[Array, Array, Array]:
    """Loop step i: its rows' pairs and tokens [rows], its blocks' groups [step]; one group alone is a scalar."""
    pair = lax.dynamic_slice_in_dim(pair, i * plan.step * plan.block, plan.step * plan.block)
    groups = groups[0] if plan.owned == 1 else lax.dynamic_slice_in_dim(groups, i * plan.step, plan.step)
    return pair, pair // k, groups


def _ffn(plan: _Plan, rows: Array, weights: Array, groups: Array, stacks: Stacks) -> Array:
    """weights [rows] * expert(rows [rows, D]) for blocks of rows; the expert is a gated network with adapters."""

    def linear(name: str, x: Array) -> Array:
        def of_all_layers(part: str) -> Array | None:
            stack = stacks.get(f"{name}.{part}")
            return None if stack is None else stack.reshape(-1, *stack.shape[2:])

        def matmul(part: str, x: Array, scale: Array | None = None) -> Array:
            return grouped_matmul(x, of_all_layers(part), groups, scale)

        if plan.tpu:
            y = frozen_matmul_tpu(x, of_all_layers("weight"), groups, of_all_layers("scale"), plan.owned)
        else:
            y = matmul("weight", x, of_all_layers("scale"))
        if f"{name}.lora_a" not in stacks:
            return y
        return y + plan.scale * matmul("lora_b", matmul("lora_a", x))

    x = rows.reshape(plan.step, plan.block, -1)
    h = gated(linear("gate", x), linear("up", x))
    # The weight goes onto the narrower side of `down`; its gradient then sums over F, not D.
    return linear("down", h * weights.reshape(plan.step, plan.block, 1)).reshape(rows.shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(plan: _Plan, x: Array, weights: Array, pair: Array, groups: Array, steps: Array, stacks: Stacks) -> Array:
    """This device's part of every token's sum: x [N, D], weights [N, K] -> [N, D]."""
    k = weights.shape[-1]

    def body(i: Array, y: Array) -> Array:
        index, token, group = _piece(plan, pair, groups, k, i)
        return y.at[token].add(
            _ffn(plan, _take(x, token), _take(weights.reshape(-1), index), group, stacks), mode="drop"
        )

    return lax.fori_loop(0, steps, body, jnp.zeros_like(x))


def _take(values: Array, index: Array) -> Array:
    return values.at[index].get(mode="fill", fill_value=0)


def _run_forward(plan, x, weights, pair, groups, steps, stacks):
    trained = {name: stack.value for name, stack in stacks.items() if stack.perturbed}
    frozen = {name: stack.value for name, stack in stacks.items() if not stack.perturbed}
    values = tuple(a.value for a in (x, weights, pair, groups, steps))
    return _run(plan, *values, trained | frozen), (*values, trained, frozen)


def _run_backward(plan, saved, dy):
    x, weights, pair, groups, steps, trained, frozen = saved
    dy = jnp.zeros_like(x) if isinstance(dy, SymbolicZero) else dy
    flat, k = weights.reshape(-1), weights.shape[-1]

    def body(i, grads):
        index, token, group = _piece(plan, pair, groups, k, i)
        _, vjp = jax.vjp(
            lambda rows, weight, part: _ffn(plan, rows, weight, group, part | frozen),
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
    return dx, dw.reshape(weights.shape), None, None, None, dt | dict.fromkeys(frozen)


_run.defvjp(_run_forward, _run_backward, symbolic_zeros=True)
