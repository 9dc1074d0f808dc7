"""The latent key-value cache, and the model run over it: one prefill, then a token at a time.

A token leaves C + R numbers per layer behind, whatever the number of heads: its latent and its turned shared key
(DeepSeek-V2 report, section 2.1.3). Rows are left-padded, so all rows write the same place, and a row's first
`pad` places are never seen.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh

from arabic_r1_jax.model.attention import Attention
from arabic_r1_jax.model.transformer import Transformer
from arabic_r1_jax.parallel.mesh import constrain

_AXES = ("layer", "batch", None, None)


class Cache(NamedTuple):
    """What attention keeps of S places in every layer."""

    latent: Array  # [L, B, S, C]
    key: Array  # [L, B, S, R]

    @classmethod
    def empty(cls, model: Transformer, batch: int, places: int, dtype, mesh: Mesh) -> "Cache":
        cfg = model.config
        shape = (cfg.num_hidden_layers, batch, places)
        latent = jnp.zeros((*shape, cfg.kv_lora_rank), dtype)
        key = jnp.zeros((*shape, cfg.qk_rope_head_dim), dtype)
        return cls(constrain(latent, _AXES, mesh), constrain(key, _AXES, mesh))

    def write(self, layer: Array, place: Array | int, latents: tuple[Array, Array]) -> "Cache":
        """Put latents [B, T, C] and keys [B, T, R] at places place .. place + T of one layer."""
        pairs = zip(self, latents, strict=True)
        return Cache(*(lax.dynamic_update_slice(old, new[None], (layer, 0, place, 0)) for old, new in pairs))

    def read(self, layer: Array) -> tuple[Array, Array]:
        """One layer's latents [B, S, C] and keys [B, S, R]."""
        return tuple(lax.dynamic_index_in_dim(part, layer, 0, keepdims=False) for part in self)


def prefill(model: Transformer, ids: Array, pad: Array, places: int, *, dtype, mesh: Mesh) -> tuple[Array, Cache]:
    """Run left-padded prompts: ids i32 [B, T], pad i32 [B] leading places to ignore.

    Returns the normed hidden state of the last place [B, D] and a cache of `places` places, the first T filled.
    """
    index = jnp.arange(ids.shape[1], dtype=jnp.int32)
    cos, sin = model.angles(jnp.maximum(index - pad[:, None], 0))
    segments = (index >= pad[:, None]).astype(jnp.int32)

    def attend(attn: Attention, x: Array, layer: Array, cache: Cache) -> tuple[Array, Cache]:
        latents = attn.latents(x, cos, sin)
        return attn.expanded(x, latents, cos, sin, segments, mesh), cache.write(layer, 0, latents)

    cache = Cache.empty(model, ids.shape[0], places, dtype, mesh)
    x, cache, _ = model.run(model.tokens(ids, dtype, mesh), cache, attend, mesh=mesh)
    return model.norm(x[:, -1]), cache


def decode(model: Transformer, ids: Array, place: Array, pad: Array, cache: Cache, *, dtype, mesh: Mesh):
    """Run one more token of every row: ids i32 [B] at `place` i32 []; returns hidden [B, D] and the cache with it."""
    cos, sin = model.angles((place - pad)[:, None])
    index = jnp.arange(cache.key.shape[2])
    mask = ((index >= pad[:, None]) & (index <= place))[:, None]  # [B, 1, S]

    def attend(attn: Attention, x: Array, layer: Array, cache: Cache) -> tuple[Array, Cache]:
        cache = cache.write(layer, place, attn.latents(x, cos, sin))
        return attn.absorbed(attn.queries(x, cos, sin), cache.read(layer), mask), cache

    x, cache, _ = model.run(model.tokens(ids[:, None], dtype, mesh), cache, attend, mesh=mesh)
    return model.norm(x[:, 0]), cache
