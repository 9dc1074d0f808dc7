"""One device's routed experts without a kernel: an expert after another, each in blocks of its rows.

Comes in: tokens, the layout of their rows (`expert_rows`), the stacks. Goes out: this device's part of every token's
sum. An expert's matrices are taken and widened once; some blocks of rows stay in a CPU's cache between their products,
and there are as many blocks as there are rows, whatever the balance. A loop of dynamic length has no derivative, so the
whole is one `custom_vjp`. It keeps the two products before the nonlinearity, so that the backward pass makes no product
of the forward again.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from arabic_r1_jax.kernels.block_fp8 import take, widen
from arabic_r1_jax.kernels.products import linear
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

TOGETHER = 4  # blocks that are multiplied together


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def by_expert(sizes: Sizes, x: Array, weights: Array, rows: Rows, layer: Array, stacks: Stacks) -> Array:
    """Sum over k of weights[..., k] * expert(x) of this device's experts: x [N, D], weights [N, K] -> [N, D].

    stacks: [L, E, out, in] of all layers, of which i32 [] `layer` is run, or [E, out, in] of that layer alone.
    """
    return _run(sizes, x, weights, rows, layer, stacks)[0]


def _run(sizes: Sizes, x: Array, weights: Array, rows: Rows, layer: Array, stacks: Stacks):
    """The result [N, D], and gate and up of every row [R, F]."""
    flat, k, hidden = weights.reshape(-1), weights.shape[-1], stacks["gate.weight"].shape[-2]

    def expert(e: Array, carry):
        matrices = _matrices(stacks, rows.held[e], layer, x.dtype)
        of_matrix = functools.partial(_linear, matrices, sizes.scale)

        def block(at: Array, size: int, carry):
            y, gates, ups = carry
            pair = lax.dynamic_slice_in_dim(rows.pair, at, size)
            gate, up = gate_and_up(of_matrix, take_rows(x, pair // k))
            y = y.at[pair // k].add(down(of_matrix, gate, up, take_rows(flat, pair)), mode="drop")
            return y, _put(gates, gate, at), _put(ups, up, at)

        return _by_block(sizes, rows, e, block, carry)

    kept = jnp.zeros((sizes.blocks * sizes.block, hidden), _bits(x.dtype))
    y, gates, ups = lax.fori_loop(0, sizes.owned, expert, (jnp.zeros(x.shape, jnp.float32), kept, kept))
    return y.astype(x.dtype), (gates, ups)


def _matrices(stacks: Stacks, expert: Array, layer: Array, dtype) -> Stacks:
    """One expert's matrices, "gate.weight" [F, D] and so on, in `dtype`."""

    def of(name: str) -> Array:
        stack = stacks[name]
        return take(stack.reshape(-1, *stack.shape[-2:]), stack_index(stack, expert, layer))

    def matrix(name: str) -> Array:
        scale = name.replace("weight", "scale")
        return widen(of(name), of(scale), dtype) if scale != name and scale in stacks else of(name).astype(dtype)

    return {name: matrix(name) for name in stacks if not name.endswith("scale")}


def _linear(matrices: Stacks, scale: float, name: str, x: Array) -> Array:
    y = linear(x, matrices[f"{name}.weight"])
    if f"{name}.lora_a" not in matrices:
        return y
    return y + scale * linear(linear(x, matrices[f"{name}.lora_a"]), matrices[f"{name}.lora_b"])


def _by_block(sizes: Sizes, rows: Rows, e: Array, block: Callable, carry):
    """`block(first row, rows, carry)` over expert e's rows, `TOGETHER` blocks at once while there are as many."""
    first, count, together = rows.first[e], rows.count[e], min(TOGETHER, sizes.blocks)

    def several(i: Array, carry):
        return block((first + together * i) * sizes.block, together * sizes.block, carry)

    carry = lax.fori_loop(0, count // together, several, carry)
    rest = first + count // together * together
    return lax.fori_loop(rest, first + count, lambda i, carry: block(i * sizes.block, sizes.block, carry), carry)


def _bits(dtype) -> jnp.dtype:
    """What rows are kept as: XLA:CPU would write one block of bfloat16 by widening and rounding the whole array."""
    return jnp.dtype(f"uint{8 * jnp.dtype(dtype).itemsize}")


def _put(whole: Array, part: Array, at: Array) -> Array:
    return lax.dynamic_update_slice_in_dim(whole, lax.bitcast_convert_type(part, whole.dtype), at, 0)


def _take(whole: Array, at: Array, size: int, dtype) -> Array:
    return lax.bitcast_convert_type(lax.dynamic_slice_in_dim(whole, at, size), dtype)


def _forward(sizes, x, weights, rows, layer, stacks):
    trained, frozen = split_trained(stacks)
    values = values_of((x, weights, rows, layer))
    y, kept = _run(sizes, *values, trained | frozen)
    return y, (*values, trained, frozen, kept)


def _backward(sizes, saved, dy):
    x, weights, rows, layer, trained, frozen, (gates, ups) = saved
    dy = jnp.zeros_like(x) if isinstance(dy, SymbolicZero) else dy
    flat, k = weights.reshape(-1), weights.shape[-1]

    def expert(e: Array, carry):
        own = _matrices(frozen, rows.held[e], layer, x.dtype)
        learnt = _matrices(trained, rows.held[e], layer, x.dtype)

        def on(part: Callable) -> Callable:
            """`part` of the network as a function of what has a gradient."""
            return lambda learnt, *values: part(functools.partial(_linear, own | learnt, sizes.scale), *values)

        def block(at: Array, size: int, carry):
            dx, dw, dt = carry
            pair = lax.dynamic_slice_in_dim(rows.pair, at, size)
            gate, up = (_take(kept, at, size, x.dtype) for kept in (gates, ups))
            # The results of both are dropped, and with them their products: only the gradients are used.
            _, back = jax.vjp(on(down), learnt, gate, up, take_rows(flat, pair))
            d_down, *d_hidden, d_weight = back(take_rows(dy, pair // k))
            _, back = jax.vjp(on(gate_and_up), learnt, take_rows(x, pair // k))
            d_before, d_rows = back(tuple(d_hidden))
            dx, dw = dx.at[pair // k].add(d_rows, mode="drop"), dw.at[pair].add(d_weight, mode="drop")
            return dx, dw, jax.tree.map(lambda *d: sum(d), dt, d_down, d_before)

        dx, dw, dt = carry
        none = jax.tree.map(jnp.zeros_like, learnt)
        dx, dw, own_dt = _by_block(sizes, rows, e, block, (dx, dw, none))
        return dx, dw, {name: _add_at(whole, own_dt[name], rows.held[e], layer) for name, whole in dt.items()}

    start = (jnp.zeros(x.shape, jnp.float32), jnp.zeros(flat.shape, jnp.float32), jax.tree.map(jnp.zeros_like, trained))
    dx, dw, dt = lax.fori_loop(0, sizes.owned, expert, start)
    dx, dw = dx.astype(x.dtype), dw.astype(weights.dtype)
    return dx, dw.reshape(weights.shape), jax.tree.map(lambda _: None, rows), None, dt | dict.fromkeys(frozen)


def _add_at(stack: Array, matrix: Array, expert: Array, layer: Array) -> Array:
    """Add one expert's gradient to its stack's."""
    matrices = stack.reshape(-1, *stack.shape[-2:])
    return matrices.at[stack_index(stack, expert, layer)].add(matrix.astype(stack.dtype)).reshape(stack.shape)


by_expert.defvjp(_forward, _backward, symbolic_zeros=True)
