"""Linear layers with optional adapters, RMSNorm, and the gated feed-forward network.

Modules hold stacked weights (a leading layer axis) when they are built, and one layer's weights when a scan runs
them: the code below is written for one layer. Weights keep the released [out, in] order.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from arabic_r1_jax.kernels.block_fp8 import widen
from arabic_r1_jax.kernels.products import linear, product
from arabic_r1_jax.model.config import FP8_BLOCK, ModelConfig
from arabic_r1_jax.model.lora import Adapter, Frozen

Axes = tuple[tuple[str, int], ...]  # leading dimensions of a stack: ("layer", 58), ("expert", 256)


def zeros(kind: type[nnx.Variable], axes: tuple[str | None, ...], shape: tuple[int, ...], dtype) -> nnx.Variable:
    """A variable of zeros that knows its logical axes; weights come later, from a checkpoint."""
    return kind(jnp.zeros(shape, dtype), axes=axes)


def linear_dtype(cfg: ModelConfig, dtype):
    """What the linears of a model hold whose other weights are `dtype`."""
    return jnp.float8_e4m3fn if cfg.fp8 else dtype


class Linear(nnx.Module):
    """y = x W^T, plus the adapter's product when rank > 0. W in float8_e4m3fn has a `scale` for each block."""

    def __init__(self, lead: Axes, d_in: int, d_out: int, dtype, rank: int = 0, scale: float = 1.0):
        names, sizes = tuple(name for name, _ in lead), tuple(size for _, size in lead)
        # Experts are split by expert already; every other matrix by its input, the one dimension that is a multiple
        # of the device count for each matrix of every release (kv_a has 576 outputs).
        wide = None if "expert" in names else "wide"
        self.lora_scale = scale
        self.weight = zeros(Frozen, (*names, None, wide), (*sizes, d_out, d_in), dtype)
        if dtype == jnp.float8_e4m3fn:
            blocks = (-(-d_out // FP8_BLOCK), -(-d_in // FP8_BLOCK))
            self.scale = zeros(Frozen, (*names, None, None), (*sizes, *blocks), jnp.float32)
        if rank:
            self.lora_a = zeros(Adapter, (*names, None, wide), (*sizes, rank, d_in), jnp.float32)
            self.lora_b = zeros(Adapter, (*names, wide, None), (*sizes, d_out, rank), jnp.float32)

    def __call__(self, x: Array) -> Array:  # x [..., in] -> [..., out], in x's dtype
        w = self.matrix(x.dtype)
        if not hasattr(self, "lora_a"):
            return linear(x, w)
        return adapted(x, w, self.lora_a[...], self.lora_b[...], self.lora_scale)

    def outputs(self, i: Array, parts: int) -> "Linear":
        """The i-th of `parts` equal parts of the outputs; i may be traced. Blocks of FP8 must lie within a part."""
        return self._part(i, parts, {"weight": 0, "scale": 0, "lora_b": 0})

    def inputs(self, i: Array, parts: int) -> "Linear":
        """The i-th of `parts` equal parts of the inputs: the sum over all parts is the whole product."""
        return self._part(i, parts, {"weight": 1, "scale": 1, "lora_a": 1})

    def _part(self, i: Array, parts: int, axes: dict[str, int]) -> "Linear":
        graph, state = nnx.split(self)
        for name, axis in axes.items():
            if name in state:
                whole = state[name][...]
                size = whole.shape[axis] // parts
                state[name] = state[name].replace(lax.dynamic_slice_in_dim(whole, i * size, size, axis))
        return nnx.merge(graph, state)

    def matrix(self, dtype) -> Array:
        """W [out, in] in `dtype`."""
        if hasattr(self, "scale"):
            return widen(self.weight[...], self.scale[...], dtype)
        return self.weight[...].astype(dtype)


def adapted(x: Array, w: Array, a: Array, b: Array, scale: float) -> Array:
    """x (W + scale B A)^T in x's dtype: x [..., in], w [out, in] in x's dtype, a f32 [rank, in], b f32 [out, rank].

    float32 can hold the sum of both matrices: where tokens are many it is made once, and no [tokens, out] array is
    written twice. In bfloat16 it would round the update away, and the two products are summed instead.
    """
    few = x.size // x.shape[-1] < 8 * len(a)  # making the sum would be more than an eighth of the product's work
    if few or x.dtype != jnp.float32:
        return linear(x, w) + scale * low_rank(x, a, b)
    return merged(x, w, a, scale * b)


@jax.custom_vjp
def low_rank(x: Array, a: Array, b: Array) -> Array:
    """(x A^T) B^T in x's dtype, arguments as `adapted`.

    The derivative is the plain one, written so that only [tokens, rank] matrices are ever transposed: left to itself
    XLA:CPU transposes the [tokens, out] cotangent for B's gradient.
    """
    return _low_rank_forward(x, a, b)[0]


def _low_rank_forward(x: Array, a: Array, b: Array):
    low = x @ a.astype(x.dtype).T
    return low @ b.astype(x.dtype).T, (x, low, a, b)


def _low_rank_backward(saved, dy: Array):
    x, low, a, b = saved
    d_low = dy @ b.astype(x.dtype)
    # Summed over all tokens in float32. Asking for that with preferred_element_type is not enough: XLA:CPU has no
    # product of bfloat16 matrices with a float32 result in every layout. Rewritten by `product`, with a
    # barrier and the scale inside, R1's step compiled for ten minutes instead of one on v5e: see `plan` after a change.
    da = jnp.einsum("...r,...i->ri", d_low.astype(a.dtype), x.astype(a.dtype))
    db = jnp.einsum("...r,...o->ro", low.astype(b.dtype), dy.astype(b.dtype)).T
    return d_low @ a.astype(x.dtype), da, db


low_rank.defvjp(_low_rank_forward, _low_rank_backward)


@jax.custom_vjp
def merged(x: Array, w: Array, a: Array, b: Array) -> Array:
    """x (W + B A)^T by the sum of both matrices, which the gradient makes anew; arguments float32, as `adapted`."""
    return x @ (w + b @ a).T


def _merged_forward(x, w, a, b):
    trained = (x.value,) if w.perturbed else ()
    x, w, a, b = (primal.value for primal in (x, w, a, b))
    return merged(x, w, a, b), (x, w, a, b, trained)


def _merged_backward(saved, dy: Array | SymbolicZero):
    """The plain derivative; the barrier keeps B's transposition out of its product; XLA:CPU has no fast one of both."""
    if isinstance(dy, SymbolicZero):
        return None, None, None, None
    x, w, a, b, trained = saved  # w's own gradient is made for who asks for it, which adapter training does not
    dw = product("...o,...i->oi", dy, x) if trained else None
    da = jnp.einsum("...r,...i->ri", dy @ b, x)
    db = lax.optimization_barrier(jnp.einsum("...r,...o->ro", x @ a.T, dy)).T
    return dy @ (w + b @ a), dw, da, db


merged.defvjp(_merged_forward, _merged_backward, symbolic_zeros=True)


class RMSNorm(nnx.Module):
    """x / rms(x) * weight; the mean square in float32, the product in x's dtype (as transformers' RMSNorm)."""

    def __init__(self, lead: Axes, size: int, eps: float, dtype):
        self.eps = eps
        names, sizes = tuple(name for name, _ in lead), tuple(size for _, size in lead)
        self.weight = zeros(Frozen, (*names, None), (*sizes, size), dtype)

    def __call__(self, x: Array) -> Array:  # x [..., D] -> [..., D]
        wide = x.astype(jnp.float32)
        scaled = wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + self.eps)
        return self.weight[...].astype(x.dtype) * scaled.astype(x.dtype)


class MLP(nnx.Module):
    """down(silu(gate(x)) * up(x)): the dense layers' network and the shared experts'."""

    def __init__(self, lead: Axes, d_model: int, d_hidden: int, dtype, rank: int = 0, scale: float = 1.0):
        self.gate = Linear(lead, d_model, d_hidden, dtype, rank, scale)
        self.up = Linear(lead, d_model, d_hidden, dtype, rank, scale)
        self.down = Linear(lead, d_hidden, d_model, dtype, rank, scale)

    def __call__(self, x: Array) -> Array:  # x [..., D] -> [..., D]
        return self.down(gated(self.gate(x), self.up(x)))


def gated(gate: Array, up: Array) -> Array:
    """silu(gate) * up, computed in float32 and rounded once to their dtype."""
    return (jax.nn.silu(gate.astype(jnp.float32)) * up.astype(jnp.float32)).astype(gate.dtype)
