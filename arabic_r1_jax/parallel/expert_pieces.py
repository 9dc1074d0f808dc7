"""One device's routed experts by a kernel: large pieces of the layout, whatever experts they hold, one after another.

Comes in: tokens, the layout of their rows (`expert_rows`), the stacks, and the kernel that multiplies frozen matrices.
Goes out: this device's part of every token's sum. The kernel's compute follows the real rows, and it takes no weight
out of its stack. The loop is as long as there are pieces with rows in them; that has no derivative, so the whole is one
`custom_vjp` that keeps its inputs only and differentiates a piece at a time.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from arabic_r1_jax.kernels.grouped_matmul import grouped_matmul
from arabic_r1_jax.parallel.expert_rows import (
    Rows,
    Sizes,
    Stacks,
    down,
    gate_and_up,
    split_trained,
    stack_index,
    take_rows,
    values_of,
)

PIECE = 4096  # rows


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def by_piece(
    sizes: Sizes, kernel: Callable, x: Array, weights: Array, rows: Rows, layer: Array, stacks: Stacks
) -> Array:
    """Sum over k of weights[..., k] * expert(x) of this device's experts: x [N, D], weights [N, K] -> [N, D].

    stacks: [L, E, out, in] of all layers, of which i32 [] `layer` is run, or [E, out, in] of that layer alone.
    kernel(x, w, group, scale, groups): `kernels.grouped_matmul.grouped_matmul` for a w without a gradient.
    """
    piece, count, k = _piece(sizes, rows), _count(sizes, rows), weights.shape[-1]

    def body(i: Array, y: Array) -> Array:
        pair, owner = piece(i)
        out = _ffn(sizes, kernel, take_rows(x, pair // k), take_rows(weights.reshape(-1), pair), owner, layer, stacks)
        return y.at[pair // k].add(out, mode="drop")

    return lax.fori_loop(0, count, body, jnp.zeros_like(x))


def _step(sizes: Sizes) -> int:
    """Blocks a piece."""
    return min(max(PIECE // sizes.block, 1), sizes.blocks)


def _count(sizes: Sizes, rows: Rows) -> Array:
    return -(-rows.count.sum() // _step(sizes))


def _piece(sizes: Sizes, rows: Rows) -> Callable[[Array], tuple[Array, Array]]:
    """A function: the pairs of the i-th piece's rows and the owners of its blocks; one expert alone is a scalar."""
    step = _step(sizes)
    blocks = -(-sizes.blocks // step) * step
    past = jnp.iinfo(jnp.int32).max  # no pair's number: the row is empty
    pair = jnp.pad(rows.pair, (0, blocks * sizes.block - len(rows.pair)), constant_values=past)
    owner = jnp.pad(rows.owner, (0, blocks - sizes.blocks), mode="edge")

    def of(i: Array) -> tuple[Array, Array]:
        taken = lax.dynamic_slice_in_dim(pair, i * step * sizes.block, step * sizes.block)
        return taken, owner[0] if sizes.owned == 1 else lax.dynamic_slice_in_dim(owner, i * step, step)

    return of


def _ffn(
    sizes: Sizes,
    kernel: Callable,
    x: Array,
    weights: Array,
    owner: Array,
    layer: Array,
    frozen: Stacks,
    trained: Stacks | None = None,
) -> Array:
    """weights [rows] * expert(x [rows, D]) of one piece; no gradient is asked of the stacks in `frozen`."""
    stacks = frozen | (trained or {})

    def matmul(name: str, x: Array, scale: str | None = None) -> Array:
        w = stacks[name]
        group = stack_index(w, owner, layer)
        w, scale = (None if a is None else a.reshape(-1, *a.shape[-2:]) for a in (w, stacks.get(scale)))
        if name in frozen and name.endswith("weight"):
            return kernel(x, w, group, scale, sizes.owned)
        return grouped_matmul(x, w, group, scale)

    def linear(name: str, x: Array) -> Array:
        y = matmul(f"{name}.weight", x, f"{name}.scale")
        if f"{name}.lora_a" not in stacks:
            return y
        return y + sizes.scale * matmul(f"{name}.lora_b", matmul(f"{name}.lora_a", x))

    blocks = x.reshape(-1, sizes.block, x.shape[-1])
    return down(linear, *gate_and_up(linear, blocks), weights.reshape(-1, sizes.block)).reshape(x.shape)


def _forward(sizes, kernel, x, weights, rows, layer, stacks):
    trained, frozen = split_trained(stacks)
    values = values_of((x, weights, rows, layer))
    return by_piece(sizes, kernel, *values, trained | frozen), (*values, trained, frozen)


def _backward(sizes, kernel, saved, dy):
    x, weights, rows, layer, trained, frozen = saved
    dy = jnp.zeros_like(x) if isinstance(dy, SymbolicZero) else dy
    piece, flat, k = _piece(sizes, rows), weights.reshape(-1), weights.shape[-1]

    def body(i, grads):
        pair, owner = piece(i)
        _, vjp = jax.vjp(
            lambda x, weights, part: _ffn(sizes, kernel, x, weights, owner, layer, frozen, part),
            take_rows(x, pair // k),
            take_rows(flat, pair),
            trained,
        )
        d_rows, d_weight, d_trained = vjp(take_rows(dy, pair // k))
        dx, dw, dt = grads
        dx, dw = dx.at[pair // k].add(d_rows, mode="drop"), dw.at[pair].add(d_weight, mode="drop")
        return dx, dw, jax.tree.map(jnp.add, dt, d_trained)

    start = (jnp.zeros_like(x), jnp.zeros_like(flat), jax.tree.map(jnp.zeros_like, trained))
    dx, dw, dt = lax.fori_loop(0, _count(sizes, rows), body, start)
    return dx, dw.reshape(weights.shape), jax.tree.map(lambda _: None, rows), None, dt | dict.fromkeys(frozen)


by_piece.defvjp(_forward, _backward, symbolic_zeros=True)
