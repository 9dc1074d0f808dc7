"""The grouped matmul as one Pallas kernel for TPU: rows sorted by group times their group's matrix, read in place.

Comes in: the rows of G consecutive groups, the stack of every layer's matrices, and where the G groups start in it.
Goes out: the products, forward or as the gradient by the rows takes them. The stack is frozen: its own gradient does
not exist here. The kernel walks a grid of

    width tiles  x  visits,   a visit being one tile of rows with one group that has rows in it,

and a grid cell multiplies a tile of rows [256, K] by a tile of weight as deep as the whole contraction [K, width]. So
nothing is summed over cells, and successive visits of one group find its weight tile in VMEM, fetched and widened once.
The stack stays in HBM as it is: block FP8 is widened in VMEM, 128 x 128 square by square, each with its factor from
SMEM; the first group is a prefetched scalar, so no layer is sliced out. Visits are counted when the program runs:
compute follows the real rows, not the buffer that holds them.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from arabic_r1_jax.kernels.grouped_matmul import neighbours
from arabic_r1_jax.model.config import FP8_BLOCK

ROWS, WIDTH = 256, 1024  # the largest tile of rows, and of columns of the result
WEIGHT_BYTES = 16 * 2**20  # of VMEM for weight: two tiles as stored, one being fetched, and one widened
VMEM_BYTES = 48 * 2**20


def frozen_matmul_tpu(
    x: Array, w: Array, group: Array, scale: Array | None, groups: int, interpret: bool = False
) -> Array:
    """`kernels.grouped_matmul.grouped_matmul` by the kernel, for a frozen w: its gradient is that of x alone.

    `group` ascends and lies within `groups` neighbours of its first one. Under automatic partitioning call it in a
    shard_map. interpret: run the kernel on any backend, slowly.
    """
    blocks, rows, _ = x.shape
    first, sizes = neighbours(group, blocks, rows, w.shape[0], groups)
    return _kernel(interpret, x.reshape(blocks * rows, -1), w, scale, sizes, first).reshape(blocks, rows, -1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _kernel(interpret: bool, x: Array, w: Array, scale: Array | None, sizes: Array, first: Array) -> Array:
    return gmm(x, w, scale, sizes, first, interpret=interpret)


def _forward(interpret: bool, x: Array, w: Array, scale: Array | None, sizes: Array, first: Array):
    return gmm(x, w, scale, sizes, first, interpret=interpret), (w, scale, sizes, first)


def _backward(interpret: bool, saved, dy: Array):
    return gmm(dy, *saved, transposed=True, interpret=interpret), None, None, None, None


_kernel.defvjp(_forward, _backward)


def gmm(
    x: Array,
    w: Array,
    scale: Array | None,
    sizes: Array,
    first: Array,
    *,
    transposed: bool = False,
    interpret: bool | pltpu.InterpretParams = False,
    rows: int = ROWS,
    width: int = WIDTH,
) -> Array:
    """y[m] = x[m] @ w[first + g].T for every row m of group g, or x[m] @ w[first + g] when `transposed`.

    x bfloat16 or float32, [M, in], or [M, out] when transposed, M > 0: first the rows of group 0, then of group 1...
    w [N, out, in]: float8_e4m3fn with factors `scale` f32 [N, ceil(out/128), ceil(in/128)] (`kernels.block_fp8`), or
    bfloat16 or float32 with scale None. sizes i32 [G], the rows of each group, any of them 0; M ends the last one.
    first i32 [], traced or not: the matrix of group 0; first + G is at most N, which nothing checks.

    Returns [M, out], or [M, in] when transposed, in x's dtype. Weights are rounded to x's dtype, products summed in
    float32 and rounded once. Rows past sum(sizes) are zeros, whatever x holds there. `rows` and `width` bound the
    tiles; `interpret` runs the kernel on any backend, slowly. Under automatic partitioning call it in a shard_map. The
    tiles of DeepSeek's sizes fit the VMEM of v5e, v5p, v6e and tpu7x; V2-Lite's alone that of v4, 16 MiB.
    """
    if scale is None and w.shape[2] < FP8_BLOCK <= w.shape[1]:
        # A TPU pads rows to 128 numbers: adapters of low rank would grow many times over. Their columns do not.
        w, transposed = w.swapaxes(1, 2), not transposed
    depth, out = w.shape[1:] if transposed else w.shape[:0:-1]
    chex.assert_shape(x, (None, depth))
    chex.assert_shape(sizes, (None,))
    groups = sizes.shape[0]
    rows = min(rows, x.shape[0])
    width = _width(out, depth * (2 * w.dtype.itemsize + x.dtype.itemsize), width)
    visits = _visits(sizes, first, x.shape[0], rows)
    tile = (depth, width) if transposed else (width, depth)
    if scale is None:
        operands, body, scratch = (x, w), _plain_body, []
    else:
        chex.assert_shape(scale, (w.shape[0], *(pl.cdiv(size, FP8_BLOCK) for size in w.shape[1:])))
        # Of the factors, a few numbers a matrix, the kernel wants rows padded to 128: let that be those of G alone.
        operands, body = (x, w, lax.dynamic_slice_in_dim(scale, first, groups)), _fp8_body
        scratch = [pltpu.VMEM(tile, x.dtype)]
    factors = [a.shape[1:] for a in operands[2:]]
    return pl.pallas_call(
        functools.partial(body, groups=groups, transposed=transposed),
        out_shape=jax.ShapeDtypeStruct((x.shape[0], out), x.dtype),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(pl.cdiv(out, width), visits.count),
            in_specs=_fetched((rows, depth), tile, factors, groups, transposed),
            out_specs=pl.BlockSpec((rows, width), lambda n, v, visits: (visits.tile[v], n)),
            scratch_shapes=scratch,
        ),
        # Width tiles may go to a chip's two cores; a core's visits are in order, as what it keeps in VMEM needs.
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary"), vmem_limit_bytes=VMEM_BYTES
        ),
        interpret=interpret,
    )(visits, *operands)


def _fetched(rows: tuple, tile: tuple, factors: list[tuple], groups: int, transposed: bool) -> list[pl.BlockSpec]:
    """What a cell of the grid has at hand: a tile of rows, one of its group's matrix, and that matrix's factors."""

    def group(v: Array, visits: _Visits) -> Array:  # the one that visit v has in VMEM
        return jnp.minimum(visits.group[jnp.minimum(v, visits.last[0])], groups - 1)

    def weight(n: Array, v: Array, visits: _Visits) -> tuple:
        return visits.first[0] + group(v, visits), *((0, n) if transposed else (n, 0))

    return [
        pl.BlockSpec(rows, lambda n, v, visits: (visits.tile[jnp.minimum(v, visits.last[0])], 0)),
        pl.BlockSpec((None, *tile), weight),
        *(
            pl.BlockSpec((None, *shape), lambda n, v, visits: (group(v, visits), 0, 0), memory_space=pltpu.SMEM)
            for shape in factors
        ),
    ]


class _Visits(NamedTuple):
    """The walk over the rows. Rows past the groups' are a group G of their own, that gets zeros and fetches nothing."""

    tile: Array  # i32 [V]: the tile of rows of each visit
    group: Array  # i32 [V]: and the group
    start: Array  # i32 [G + 1]: first row of each group
    first: Array  # i32 [1]: the matrix of group 0
    last: Array  # i32 [1]: the last visit of a group below G
    count: Array  # i32 []: visits there are, at most V


def _visits(sizes: Array, first: Array, m: int, rows: int) -> _Visits:
    """Every pair of a tile of `rows` of the m rows and a group with rows in it, in order of rows."""
    ends = jnp.append(jnp.minimum(jnp.cumsum(sizes), m), m).astype(jnp.int32)
    start = jnp.concatenate([jnp.zeros(1, jnp.int32), ends[:-1]])
    tiles = jnp.where(ends > start, (ends - 1) // rows - start // rows + 1, 0)
    done = jnp.cumsum(tiles)
    # Each group after the first visits at most one tile that another has visited.
    v = jnp.arange(pl.cdiv(m, rows) + sizes.shape[0], dtype=jnp.int32)
    group = jnp.minimum((v[:, None] >= done).sum(axis=1, dtype=jnp.int32), sizes.shape[0])
    tile = jnp.minimum((start // rows - done + tiles)[group] + v, pl.cdiv(m, rows) - 1)
    last = jnp.maximum(done[-2] - 1, 0)
    return _Visits(tile, group, start, jnp.asarray(first, jnp.int32).reshape(1), last.reshape(1), done[-1])


def _width(out: int, column_bytes: int, most: int) -> int:
    """The tile that covers `out` columns with least waste, in whole 256-wide matrix units on each of two cores."""
    most = max(min(most, WEIGHT_BYTES // column_bytes), FP8_BLOCK)
    choices = range(FP8_BLOCK, most + 1, FP8_BLOCK)
    return min(out, min(choices, key=lambda t: (2 * pl.cdiv(out, 2 * t) * pl.cdiv(t, 256), -t)))


def _plain_body(visits, x, w, y, *, groups: int, transposed: bool):
    _multiply(visits, x, w, y, groups, transposed)


def _fp8_body(visits, x, w, scale, y, wide, *, groups: int, transposed: bool):
    n, v = pl.program_id(0), pl.program_id(1)
    group = visits.group[v]
    came = (v == 0) | (group != visits.group[jnp.maximum(v - 1, 0)])

    @pl.when(came & (group < groups))
    def _():
        corner = n * (y.shape[1] // FP8_BLOCK)  # a narrower tile is the only one
        _widen(w, scale, wide, (0, corner) if transposed else (corner, 0))

    _multiply(visits, x, wide, y, groups, transposed)


def _widen(w, scale, wide, corner: tuple):
    """wide = w * scale, square by square; `corner` is the tile's first square in the whole matrix."""

    def square(a, height: int, b, breadth: int):
        at = pl.ds(a * FP8_BLOCK, height), pl.ds(b * FP8_BLOCK, breadth)
        # Squares of the last tile may lie past the matrix; what they hold reaches no result.
        factor = scale[tuple(jnp.minimum(c + i, n - 1) for c, i, n in zip(corner, (a, b), scale.shape, strict=True))]
        wide[at] = (w[at].astype(jnp.float32) * factor).astype(wide.dtype)

    height, breadth = w.shape
    _each_block(height, lambda a, h: _each_block(breadth, lambda b, size: square(a, h, b, size)))


def _each_block(size: int, body):
    """body(i, length) for every block of 128 in `size`, the last one perhaps shorter."""
    if size >= FP8_BLOCK:
        lax.fori_loop(0, size // FP8_BLOCK, lambda i, _: body(i, FP8_BLOCK), None)
    if size % FP8_BLOCK:
        body(size // FP8_BLOCK, size % FP8_BLOCK)


def _multiply(visits, x, w, y, groups: int, transposed: bool):
    """Set the rows of the tile y from the group's first on to their products; zeros, for the rows of no group.

    Rows past the group's last get their own values at the next visits, which are to the same tile.
    """
    v = pl.program_id(1)
    group = visits.group[v]
    row = visits.tile[v] * y.shape[0] + lax.broadcasted_iota(jnp.int32, y.shape, 0)
    mine = row >= visits.start[group]

    def store(values):
        # Selected, not multiplied by 0 or 1: what the rows of no group hold may be NaN.
        y[...] = jnp.where(mine, values, y[...].astype(jnp.float32)).astype(y.dtype)

    @pl.when(group < groups)
    def _():
        store(
            lax.dot_general(
                x[...],
                w[...].astype(x.dtype),
                (((1,), (0 if transposed else 1,)), ((), ())),
                precision=lax.Precision.HIGHEST if x.dtype == jnp.float32 else None,
                preferred_element_type=jnp.float32,
            )
        )

    @pl.when(group == groups)
    def _():
        store(jnp.float32(0))
