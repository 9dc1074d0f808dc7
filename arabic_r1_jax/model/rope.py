"""Rotary position embedding in DeepSeek's interleaved layout, plain and YaRN.

Dimensions 2j and 2j+1 of a query or key form a pair that is turned by position * frequency[j] (Su et al. 2021).
YaRN (Peng et al. 2023, section 3.2) keeps the high frequencies, divides the low ones by `factor`, and blends between;
DeepSeek also multiplies the softmax scale. Both families follow transformers 5.24: modeling_rope_utils
`_compute_yarn_parameters`, modeling_deepseek_v3 `yarn_apply_mscale`.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from arabic_r1_jax.model.config import RopeConfig


def frequencies(dim: int, rope: RopeConfig) -> np.ndarray:
    """Radians per position of each pair of a rotary dimension of `dim`: float32 [dim / 2]."""
    plain = 1.0 / rope.theta ** (np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim))
    if not rope.yarn:
        return plain.astype(np.float32)

    def pair_with(turns: float) -> float:  # the (fractional) pair that turns this often over the original context
        context = rope.original_max_position_embeddings
        return dim * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(rope.theta))

    low = max(math.floor(pair_with(rope.beta_fast)), 0)
    high = min(math.ceil(pair_with(rope.beta_slow)), dim - 1)
    width = high - low if high != low else 0.001
    stretched = np.clip((np.arange(dim // 2, dtype=np.float32) - low) / width, 0, 1)
    return (plain / rope.factor * stretched + plain * (1 - stretched)).astype(np.float32)


def mscale(factor: float, weight: float = 1.0) -> float:
    """YaRN's attention temperature for a context stretched by `factor`: 0.1 weight ln(factor) + 1."""
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0


def amplitude(rope: RopeConfig) -> float:
    """What cosine and sine are multiplied by."""
    if not rope.yarn:
        return 1.0
    if rope.mscale and rope.mscale_all_dim:
        return mscale(rope.factor, rope.mscale) / mscale(rope.factor, rope.mscale_all_dim)
    return mscale(rope.factor)


def softmax_scale(head_dim: int, rope: RopeConfig) -> float:
    """1/sqrt(head_dim) with YaRN's `mscale_all_dim` correction, squared because queries and keys both carry it."""
    scale = head_dim**-0.5
    if rope.yarn and rope.mscale_all_dim:
        scale *= mscale(rope.factor, rope.mscale_all_dim) ** 2
    return scale


def angles(positions: Array, dim: int, rope: RopeConfig) -> tuple[Array, Array]:
    """positions i32 [B, T] -> (cos, sin), float32 [B, T, R/2]."""
    turn = positions.astype(jnp.float32)[..., None] * frequencies(dim, rope)
    return jnp.cos(turn) * amplitude(rope), jnp.sin(turn) * amplitude(rope)


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    """Turn x [B, T, ..., R] by cos, sin [B, T, R/2]; computed in float32, returned in x's dtype.

    The result holds the pairs' first members, then their second ones: scores between two rotated vectors do not
    depend on the order, and this one needs no interleaving copy.
    """
    shape = cos.shape[:2] + (1,) * (x.ndim - 3) + cos.shape[2:]
    cos, sin = cos.reshape(shape), sin.reshape(shape)
    a, b = x[..., 0::2].astype(jnp.float32), x[..., 1::2].astype(jnp.float32)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1).astype(x.dtype)
