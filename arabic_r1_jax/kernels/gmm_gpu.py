"""The grouped matmul of frozen stacks on a GPU: tokamax's Triton kernel where it can run, the plain form elsewhere.

Comes in: blocks of rows and the stack of every layer's matrices, as for `kernels.grouped_matmul`. Goes out: the same
products, and the gradient by the rows takes them. The kernel widens block FP8 a tile at a time in registers, so no wide
copy of any matrix exists. It cannot start in the middle of a stack, nor read it transposed: each call copies the
`groups` matrices that it multiplies, in the type that they are stored in, 448 MiB for 32 of DeepSeek-R1's in FP8.
`lax.ragged_dot` is no substitute: on a GPU jaxlib 0.10.2 multiplies every row by every group's matrix
(marin-community/marin, issue 7012).

The plain form runs, with the same results, without tokamax (extra `gpu`; a warning says so), on devices older than
`CAPABILITY`, for rows that are not bfloat16, for sizes that are no multiples of 128, and for calls that take 2^31
weights or more.
"""

import contextlib
import logging
import math
import warnings

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend import backend

from arabic_r1_jax.kernels.grouped_matmul import grouped_matmul, neighbours
from arabic_r1_jax.model.config import FP8_BLOCK
from arabic_r1_jax.parallel.mesh import capability

# The least compute capability that Triton compiles for: stacks of this type, with rows in bfloat16.
CAPABILITY = {"bfloat16": 8.0, "float8_e4m3fn": 8.9}
TILE = 256  # rows: tokamax's largest tile
OFFSETS = 2**31  # JAX hands Triton offsets of 32 bits, signed, for any array of up to 2^32 bytes


def frozen_matmul_gpu(x: Array, w: Array, group: Array, scale: Array | None, groups: int) -> Array:
    """`grouped_matmul` by tokamax's Triton kernel, for a frozen w: its gradient is that of x alone.

    x [n, b, in], w [G, out, in], group i32 [n] or []; y [n, b, out] in x's dtype. `group` ascends and lies within
    `groups` neighbours of its first one. FP8 is multiplied in TF32, bfloat16 in bfloat16, sums are float32. What it
    cannot run it leaves to `grouped_matmul` (see above), judging by the device that JAX computes on by default, as
    tokamax does. Under automatic partitioning call it in a shard_map.
    """
    if not (_fits(x, w, scale, groups) and _importable()):
        return grouped_matmul(x, w, group, scale)
    blocks, rows, _ = x.shape
    first, sizes = neighbours(group, blocks, rows, w.shape[0], groups)
    try:
        return _kernel(x.reshape(blocks * rows, -1), w, scale, sizes, first).reshape(blocks, rows, -1)
    except NotImplementedError:  # tokamax's answer where the arrays are on another device than the default one
        return grouped_matmul(x, w, group, scale)


def _fits(x: Array, w: Array, scale: Array | None, groups: int) -> bool:
    """Whether the kernel multiplies such arrays on this device."""
    return (
        x.dtype == jnp.bfloat16
        and (scale is None) == (w.dtype == jnp.bfloat16)
        and not any(size % FP8_BLOCK for size in w.shape[1:])
        and groups * math.prod(w.shape[1:]) < OFFSETS
        and capability(backend.get_default_device()) >= CAPABILITY.get(w.dtype.name, math.inf)
    )


def _importable() -> bool:
    try:
        import tokamax  # noqa: F401
    except ImportError:
        message = "Experts are multiplied without a kernel, slower: pip install 'arabic_r1_jax[gpu]' brings it."
        warnings.warn(message, stacklevel=3)
        return False
    return True


@jax.custom_vjp
def _kernel(x: Array, w: Array, scale: Array | None, sizes: Array, first: Array) -> Array:
    """x [M, in] sorted by group -> [M, out]; sizes i32 [groups], of sum M; first i32 [] the matrix of group 0."""
    return _multiply(x, w, scale, sizes, first, transposed=False)


def _forward(x: Array, w: Array, scale: Array | None, sizes: Array, first: Array):
    return _multiply(x, w, scale, sizes, first, transposed=False), (w, scale, sizes, first)


def _backward(saved, dy: Array):
    return _multiply(dy, *saved, transposed=True), None, None, None, None


_kernel.defvjp(_forward, _backward)


def _multiply(x: Array, w: Array, scale: Array | None, sizes: Array, first: Array, *, transposed: bool) -> Array:
    """x [M, in] by each row's matrix -> [M, out]; when transposed, x [M, out] -> [M, in]."""
    import qwix
    import tokamax

    def matrices(a: Array) -> Array:  # [groups, depth, width], as tokamax wants them
        taken = lax.dynamic_slice_in_dim(a, first, sizes.shape[0])
        return taken if transposed else taken.swapaxes(1, 2)

    # The kernel reads whole tiles of rows, past a group's last one and past the buffer's too.
    padded = jnp.pad(x, ((0, TILE), (0, 0)))
    stack = matrices(w) if scale is None else qwix.QArray(matrices(w), matrices(scale))
    with _inside_tokamax():
        y = tokamax.ragged_dot(padded, stack, sizes, preferred_element_type=x.dtype, implementation="triton")
    return y[: x.shape[0]]


@contextlib.contextmanager
def _inside_tokamax():
    """Keep tokamax from reading our command line as its own, and from warning of each size that it has not timed."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
