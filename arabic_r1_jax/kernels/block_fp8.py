"""DeepSeek's block FP8: matrices of float8_e4m3fn with one float32 factor for each 128 x 128 block.

Comes in: codes [..., out, in] and factors [..., ceil(out/128), ceil(in/128)], the blocks at the edges partial. Goes
out: the values, code * factor, computed in float32 and rounded once (DeepSeek-V3, inference/kernel.py, weight_dequant).
Callers widen what they multiply next, a matrix or the taken experts' matrices, never a stack of layers.
"""

import jax.numpy as jnp
from jax import Array, lax

from arabic_r1_jax.model.config import FP8_BLOCK


def widen(w: Array, scale: Array, dtype) -> Array:
    """The values of w [..., out, in] with factors [..., ceil(out/128), ceil(in/128)], in `dtype`."""
    for axis in (-2, -1):
        scale = jnp.repeat(scale, FP8_BLOCK, axis)
    whole = scale[..., : w.shape[-2], : w.shape[-1]]
    return (w.astype(jnp.float32) * whole).astype(dtype)


def take(w: Array, index: Array) -> Array:
    """w[index], of a stack w [G, out, in] of any dtype; an index past its end takes the last.

    Narrow numbers are taken as integers: XLA:CPU would widen the whole stack first. The barrier keeps the change of
    type where the taking is, inside a loop; before it, the stack would be copied.
    """
    if w.dtype.itemsize > 2:
        return w.at[index].get(mode="clip")
    w, index = lax.optimization_barrier((w, index))
    codes = lax.bitcast_convert_type(w, f"uint{8 * w.dtype.itemsize}").at[index].get(mode="clip")
    return lax.bitcast_convert_type(codes, w.dtype)
