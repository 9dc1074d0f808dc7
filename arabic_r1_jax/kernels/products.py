"""Products of matrices that sum in float32 and round once, whatever their dtype.

Comes in: activations and a matrix in one dtype. Goes out: their product in that dtype. Used by every linear layer and
every expert. XLA does so by itself, but a CPU's bfloat16 instructions it uses only for products that leave as float32
(4 times the speed where there are such instructions, on others the same), so there the rounding is written out.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero


def product(pattern: str, a: Array, b: Array) -> Array:
    """The einsum of two arrays of one dtype, in that dtype. Differentiate `linear`, not this."""

    def plain(a: Array, b: Array) -> Array:
        return jnp.einsum(pattern, a, b)

    def rounded(a: Array, b: Array) -> Array:
        return jnp.einsum(pattern, a, b, preferred_element_type=jnp.float32).astype(a.dtype)

    if a.dtype == jnp.float32:
        return plain(a, b)
    return lax.platform_dependent(a, b, cpu=rounded, default=plain)


@jax.custom_vjp
def linear(x: Array, w: Array) -> Array:
    """x w^T: x [..., in], w [out, in] -> [..., out]. The gradient of a frozen w is not made."""
    return product("...i,oi->...o", x, w)


def _forward(x, w):
    return linear(x.value, w.value), (x.value if w.perturbed else None, w.value)


def _backward(saved, dy: Array | SymbolicZero):
    x, w = saved
    if isinstance(dy, SymbolicZero):
        return None, None
    dw = None if x is None else product("...o,...i->oi", dy, x)
    return product("...o,oi->...i", dy, w), dw


linear.defvjp(_forward, _backward, symbolic_zeros=True)
