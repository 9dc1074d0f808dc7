"""Where one device's (token, expert) pairs lie, and the network that every row goes through.

Comes in: the experts chosen by the tokens that the device sees. Goes out: the pairs of its own experts in rows, sorted
by expert, each expert's rows beginning a new block (a counting sort). Used by the two ways to run them, `expert_loop`
and `expert_pieces`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from arabic_r1_jax.kernels.grouped_matmul import block_layout, max_blocks
from arabic_r1_jax.model.layers import gated

BLOCK = 64  # rows of one expert that are multiplied together; smaller when experts have fewer rows than that

Stacks = dict[str, Array]  # "gate.weight" [L, E, F, D], "gate.lora_a" [E, rank, D], "gate.lora_b" ..., "up", "down"


class Sizes(NamedTuple):
    """What is static."""

    owned: int  # experts this device runs
    block: int  # rows a block
    blocks: int  # blocks there can be at most
    scale: float  # of the adapters


class Rows(NamedTuple):
    """The layout, of R = blocks * block rows."""

    pair: Array  # i32 [R]: the (token, k) pair of each row; past the last pair where a row is empty
    owner: Array  # i32 [blocks]: the stack's index of each block's expert
    held: Array  # i32 [owned]: the stack's index of each expert
    first: Array  # i32 [owned]: first block of each expert
    count: Array  # i32 [owned]: blocks of each expert


def lay_out(ids: Array, held: int, experts: int, owners: int, scale: float) -> tuple[Sizes, Rows]:
    """Rows for the experts of this device of the mesh's `expert` axis, one of `owners`.

    ids i32 [N, K], the experts chosen, `experts` meaning none. held: experts in this device's stacks, its own only, or
    all of them when they could not be divided.
    """
    owned = -(-experts // owners)
    mine = lax.axis_index("expert") * owned
    most = ids.shape[0] * min(ids.shape[1], owned)  # pairs
    block = BLOCK
    while block > 8 and block * owned > most:
        block //= 2
    sizes = Sizes(owned, block, max(max_blocks(most, owned, block), 1), scale)
    local = jnp.where(ids < experts, ids - mine, owned).reshape(-1)
    chosen = local[:, None] == jnp.arange(owned)  # [pairs, owned]
    count = jnp.cumsum(chosen.astype(jnp.int32), axis=0)
    start, owner = block_layout(count[-1], sizes.blocks, block)
    rows = sizes.blocks * block
    place = jnp.where(chosen, start + count - 1, 0).sum(axis=1)
    place = jnp.where(chosen.any(axis=1), place, rows)
    pair = jnp.full(rows, local.shape[0], jnp.int32).at[place].set(jnp.arange(local.shape[0]), mode="drop")
    index = jnp.arange(owned, dtype=jnp.int32) + jnp.where(held == experts, mine, 0)
    index = jnp.minimum(index, held - 1)  # the last device may own fewer
    owner = index[jnp.minimum(owner, owned - 1)]
    return sizes, Rows(pair, owner, index, start // block, -(-count[-1] // block))


def take_rows(values: Array, index: Array) -> Array:
    """values[index], zeros where a row is empty."""
    return values.at[index].get(mode="fill", fill_value=0)


def stack_index(stack: Array, expert: Array, layer: Array) -> Array:
    """Where an expert's matrix is in a stack's list of matrices; stacks are [L, E, out, in] or [E, out, in]."""
    return expert + layer * stack.shape[1] if stack.ndim == 4 else expert


def gate_and_up(linear: Callable[[str, Array], Array], x: Array) -> tuple[Array, Array]:
    """The two products before the nonlinearity; `linear(name, x)` is the product with an expert's matrix."""
    return linear("gate", x), linear("up", x)


def down(linear: Callable[[str, Array], Array], gate: Array, up: Array, weights: Array) -> Array:
    """weights [...] * the expert's result, from `gate_and_up` [..., F].

    The weight goes onto the narrower side of the last product; its gradient then sums over F, not D.
    """
    return linear("down", gated(gate, up) * weights[..., None])


def values_of(marked: object) -> object:
    """The arrays of what a `custom_vjp` with symbolic zeros is given."""
    return jax.tree.map(lambda a: a.value, marked, is_leaf=lambda a: hasattr(a, "perturbed"))


def split_trained(stacks: dict) -> tuple[Stacks, Stacks]:
    """(trained, frozen) of stacks as such a `custom_vjp` is given them: a gradient is made for the first alone."""
    trained = {name: stack.value for name, stack in stacks.items() if stack.perturbed}
    return trained, {name: stack.value for name, stack in stacks.items() if not stack.perturbed}
