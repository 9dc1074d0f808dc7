"""Multi-head latent attention (DeepSeek-V2 report, section 2.1; V3 report, eq. 1-11).

Keys and values of every head are products of one small latent c [C] per token; one rotary key [R] is shared by all
heads. Two forms of the same numbers:

    expanded   k, v = W_kvb c for every key: for training and prefill
    absorbed   scores (W_k^T q) . c and outputs W_v (sum p c): nothing per head is stored, for decoding from the cache
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.sharding import Mesh

from arabic_r1_jax.kernels.attention import causal_attention
from arabic_r1_jax.kernels.attention_pieces import scores, softmax
from arabic_r1_jax.model.config import FP8_BLOCK, ModelConfig
from arabic_r1_jax.model.layers import Axes, Linear, RMSNorm, linear_dtype
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.rope import rotate, softmax_scale

HEADS_BYTES = 2**27  # of a group's queries, keys and values on a device

LATENT_EPS = 1e-6  # both latent norms ignore the config's rms_norm_eps: modeling_deepseek_v3, DeepseekV3Attention


class Attention(nnx.Module):
    """The projections of one layer (or a stack of layers), and both ways to attend."""

    def __init__(self, cfg: ModelConfig, lead: Axes, lora: LoraConfig | None, dtype):
        rank, scale = (lora.rank_of("attention"), lora.scale) if lora else (0, 1.0)
        heads, latent = cfg.num_attention_heads, cfg.kv_lora_rank
        self.heads, self.nope = heads, cfg.qk_nope_head_dim
        self.scale = softmax_scale(cfg.qk_head_dim, cfg.rope)

        def linear(d_in: int, d_out: int) -> Linear:
            return Linear(lead, d_in, d_out, linear_dtype(cfg, dtype), rank, scale)

        if cfg.q_lora_rank is None:
            self.q = linear(cfg.hidden_size, heads * cfg.qk_head_dim)
        else:
            self.q_a = linear(cfg.hidden_size, cfg.q_lora_rank)
            self.q_a_norm = RMSNorm(lead, cfg.q_lora_rank, LATENT_EPS, dtype)
            self.q_b = linear(cfg.q_lora_rank, heads * cfg.qk_head_dim)
        self.kv_a = linear(cfg.hidden_size, latent + cfg.qk_rope_head_dim)
        self.kv_a_norm = RMSNorm(lead, latent, LATENT_EPS, dtype)
        self.kv_b = linear(latent, heads * (cfg.qk_nope_head_dim + cfg.v_head_dim))
        self.o = linear(heads * cfg.v_head_dim, cfg.hidden_size)

    def queries(self, x: Array, cos: Array, sin: Array) -> tuple[Array, Array]:
        """x [B, T, D] -> the plain and the turned part of every query, [B, T, H, N] and [B, T, H, R]."""
        return self._turned(self._query_matrix()(self._query_input(x)), cos, sin)

    def _query_matrix(self) -> Linear:
        return self.q if hasattr(self, "q") else self.q_b

    def _query_input(self, x: Array) -> Array:
        """What the matrix of the heads' queries multiplies: x, or its own latent."""
        return x if hasattr(self, "q") else self.q_a_norm(self.q_a(x))

    def _turned(self, q: Array, cos: Array, sin: Array) -> tuple[Array, Array]:
        """q [B, T, h * (N + R)] -> [B, T, h, N] and, turned, [B, T, h, R], of any h heads."""
        q = q.reshape(*q.shape[:2], -1, self.nope + 2 * cos.shape[-1])
        return q[..., : self.nope], rotate(q[..., self.nope :], cos, sin)

    def latents(self, x: Array, cos: Array, sin: Array) -> tuple[Array, Array]:
        """x [B, T, D] -> what a cache keeps of every token: latent [B, T, C] and turned shared key [B, T, R]."""
        latent, key = jnp.split(self.kv_a(x), [self.kv_a_norm.weight.shape[-1]], axis=-1)
        return self.kv_a_norm(latent), rotate(key, cos, sin)

    def expanded(
        self, x: Array, latents: tuple[Array, Array], cos: Array, sin: Array, segments: Array, mesh: Mesh
    ) -> Array:
        """Attend with keys and values expanded per head, within segments i32 [B, T], causally.

        x [B, T, D], its `latents`, its rotary cos and sin; returns [B, T, D]. Where queries, keys and values of all
        heads would take more than `HEADS_BYTES` a device, groups of heads go through one after another.
        """
        low, (latent, key_turned) = self._query_input(x), latents

        def heads(query: Linear, kv: Linear, out: Linear) -> Array:
            q, q_turned = self._turned(query(low), cos, sin)
            expanded = kv(latent).reshape(*q.shape[:3], -1)
            key, value = expanded[..., : self.nope], expanded[..., self.nope :]
            # One product of N + R dimensions: two of N and R would each write all scores.
            turned = jnp.broadcast_to(key_turned[:, :, None], q_turned.shape)
            q, key = jnp.concatenate([q, q_turned], axis=-1), jnp.concatenate([key, turned], axis=-1)
            return out(causal_attention(q, key, value, segments, self.scale, mesh).reshape(*x.shape[:2], -1))

        matrices, groups = (self._query_matrix(), self.kv_b, self.o), self._head_groups(x, mesh)
        if groups == 1:
            return heads(*matrices)

        @jax.checkpoint
        def group(i: Array) -> Array:
            query, kv, out = matrices
            return heads(query.outputs(i, groups), kv.outputs(i, groups), out.inputs(i, groups))

        def add(y: Array, i: Array) -> tuple[Array, None]:
            return y + group(i).astype(jnp.float32), None

        return lax.scan(add, jnp.zeros(x.shape, jnp.float32), jnp.arange(groups))[0].astype(x.dtype)

    def _head_groups(self, x: Array, mesh: Mesh) -> int:
        """The fewest groups of heads within `HEADS_BYTES`; those of block FP8 end where blocks end."""
        sizes = [m.weight.shape[axis] for m, axis in ((self._query_matrix(), 0), (self.kv_b, 0), (self.o, 1))]
        tokens = -(-x.shape[0] // mesh.size) * x.shape[1]
        fit = [
            g
            for g in range(1, self.heads + 1)
            if self.heads % g == 0 and (not hasattr(self.o, "scale") or all(n // g % FP8_BLOCK == 0 for n in sizes))
        ]
        small = [g for g in fit if tokens * (2 * sizes[0] + sizes[2]) * x.dtype.itemsize <= g * HEADS_BYTES]
        return (small or fit[-1:] or [1])[0]

    def absorbed(self, queries: tuple[Array, Array], latents: tuple[Array, Array], mask: Array) -> Array:
        """The same numbers over a cache of S places, with W_kvb moved to the side of the queries and of the output.

        queries [B, T, H, N] and [B, T, H, R]; latents [B, S, C] and [B, S, R]; mask bool [B, T, S] says what each
        query sees; returns [B, T, D].
        """
        (q, q_turned), (latent, key_turned) = queries, latents
        w_key, w_value = self._per_head(self.kv_b.matrix(q.dtype))
        q_latent = jnp.einsum("bthn,hnc->bthc", q, w_key)
        if hasattr(self.kv_b, "lora_a"):  # applied beside W as in training: a sum of both would round the update away
            low = (self.kv_b.lora_scale * self.kv_b.lora_a[...]).astype(q.dtype)
            b_key, b_value = (b.astype(q.dtype) for b in self._per_head(self.kv_b.lora_b[...]))
            q_latent += jnp.einsum("bthr,rc->bthc", jnp.einsum("bthn,hnr->bthr", q, b_key), low)
        s = scores("bthc,bsc->bhts", q_latent, latent) + scores("bthr,bsr->bhts", q_turned, key_turned)
        p = softmax(s * self.scale, mask).astype(q.dtype)
        mixed = jnp.einsum("bhts,bsc->bthc", p, latent)
        value = jnp.einsum("bthc,hvc->bthv", mixed, w_value)
        if hasattr(self.kv_b, "lora_a"):
            value += jnp.einsum("bthr,hvr->bthv", jnp.einsum("bthc,rc->bthr", mixed, low), b_value)
        return self.o(value.reshape(*q.shape[:2], -1))

    def _per_head(self, w: Array) -> tuple[Array, Array]:
        """Rows of kv_b [H * (N + V), ...] -> each head's for keys [H, N, ...] and for values [H, V, ...]."""
        w = w.reshape(self.heads, -1, *w.shape[1:])
        return w[:, : self.nope], w[:, self.nope :]
