"""Rows times the matrix of their group: the one matrix product of routed experts.

Comes in: rows in blocks of equal size, every block of one group. Goes out: each block times its group's weight.
`block_layout` says how many blocks each group takes and where they start; the expert dispatch puts the rows there.
Every shape is static whatever the routing: a group of n rows takes ceil(n / rows per block) blocks, so G groups of
P rows in all never need more than `max_blocks`.
"""

import jax
import jax.numpy as jnp
from jax import Array

from arabic_r1_jax.kernels.block_fp8 import take, widen


def max_blocks(rows: int, groups: int, block: int) -> int:
    """The most blocks that `rows` rows in `groups` groups can take: sum of ceil(n_g / block) over every split."""
    return (rows + groups * (block - 1)) // block


def block_layout(sizes: Array, blocks: int, block: int) -> tuple[Array, Array]:
    """Lay groups of `sizes` i32 [G] rows out so that each starts a new block of `block` rows.

    Returns the first row of each group i32 [G], and the group of each of `blocks` blocks i32 [blocks]; blocks past
    the last group's belong to group G, which does not exist.
    """
    ends = jnp.cumsum((sizes + block - 1) // block)
    owner = (jnp.arange(blocks)[:, None] >= ends[None, :]).sum(axis=1, dtype=jnp.int32)
    return (ends - (sizes + block - 1) // block) * block, owner


def grouped_matmul(x: Array, w: Array, group: Array, scale: Array | None = None) -> Array:
    """y[n] = x[n] @ w[group[n]].T for blocks of rows x [n, b, in], w [G, out, in], group i32 [n]; y [n, b, out].

    A scalar `group` is the group of every block. Each block's weight is taken from w, then cast to x's dtype; with
    `scale` [G, ...], w is block FP8 (`kernels.block_fp8`) and only what was taken is widened.
    """
    taken = take(w, group)
    taken = taken.astype(x.dtype) if scale is None else widen(taken, take(scale, group), x.dtype)
    return x @ taken.T if group.ndim == 0 else jnp.einsum("nbi,noi->nbo", x, taken)


def neighbours(group: Array, blocks: int, rows: int, matrices: int, groups: int) -> tuple[Array, Array]:
    """(first i32 [], sizes i32 [groups]): the rows of each of `groups` neighbouring matrices, as kernels want them.

    group i32 [blocks] or [] of blocks of `rows` rows ascends and lies within `groups` neighbours of its first one.
    """
    first = jnp.minimum(jnp.min(group), matrices - groups)
    owner = jnp.broadcast_to(group, (blocks,)) - first
    return first, rows * (owner[:, None] == jnp.arange(groups)).sum(axis=0, dtype=jnp.int32)


def grouped_matmul_reference(x: Array, w: Array, sizes: Array) -> Array:
    """The definition: x [M, in] sorted by group, w [G, out, in], sizes [G]; rows past sum(sizes) give zeros."""
    group = jnp.repeat(jnp.arange(w.shape[0]), sizes, total_repeat_length=x.shape[0])
    y = jax.vmap(lambda row, g: w[g].astype(x.dtype) @ row)(x, group)
    return jnp.where(jnp.arange(x.shape[0])[:, None] < sizes.sum(), y, 0)
