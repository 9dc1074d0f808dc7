"""Multi-head latent attention (DeepSeek-V2 report, section 2.1; V3 report, eq. 1-11).

Keys and values of every head are products of one small latent c [C] per token; one rotary key [R] is shared by all
heads. Two forms of the same numbers:

    expanded   k, v = W_kvb c for every key: for training and prefill
    absorbed   scores (W_k^T q) . c and outputs W_v (sum p c): nothing per head is stored, for decoding from the cache
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.layers import Axes, Linear, RMSNorm, linear_dtype
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.rope import rotate, softmax_scale

MIN_PIECE, MAX_PIECES = 64, 8  # of the queries in `causal_attention`

SCORES_BYTES = 2**27  # of one row of a batch, float32

HIDDEN = -1e30  # added to a score: far below any real one, and far from overflow

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
        q = self.q(x) if hasattr(self, "q") else self.q_b(self.q_a_norm(self.q_a(x)))
        q = q.reshape(*x.shape[:2], self.heads, -1)
        return q[..., : self.nope], rotate(q[..., self.nope :], cos, sin)

    def latents(self, x: Array, cos: Array, sin: Array) -> tuple[Array, Array]:
        """x [B, T, D] -> what a cache keeps of every token: latent [B, T, C] and turned shared key [B, T, R]."""
        latent, key = jnp.split(self.kv_a(x), [self.kv_a_norm.weight.shape[-1]], axis=-1)
        return self.kv_a_norm(latent), rotate(key, cos, sin)

    def expanded(self, queries: tuple[Array, Array], latents: tuple[Array, Array], segments: Array) -> Array:
        """Attend with keys and values expanded per head, within segments i32 [B, T], causally; returns [B, T, D]."""
        (q, q_turned), (latent, key_turned) = queries, latents
        kv = self.kv_b(latent).reshape(*latent.shape[:2], self.heads, -1)
        key, value = kv[..., : self.nope], kv[..., self.nope :]
        # One product of N + R dimensions: two of N and R would each write all scores.
        key_turned = jnp.broadcast_to(key_turned[:, :, None], (*key.shape[:3], key_turned.shape[-1]))
        q, key = jnp.concatenate([q, q_turned], axis=-1), jnp.concatenate([key, key_turned], axis=-1)
        return self.o(causal_attention(q, key, value, segments, self.scale).reshape(*q.shape[:2], -1))

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
        scores = _scores("bthc,bsc->bhts", q_latent, latent) + _scores("bthr,bsr->bhts", q_turned, key_turned)
        p = _softmax(scores * self.scale, mask).astype(q.dtype)
        mixed = jnp.einsum("bhts,bsc->bthc", p, latent)
        value = jnp.einsum("bthc,hvc->bthv", mixed, w_value)
        if hasattr(self.kv_b, "lora_a"):
            value += jnp.einsum("bthr,hvr->bthv", jnp.einsum("bthc,rc->bthr", mixed, low), b_value)
        return self.o(value.reshape(*q.shape[:2], -1))

    def _per_head(self, w: Array) -> tuple[Array, Array]:
        """Rows of kv_b [H * (N + V), ...] -> each head's for keys [H, N, ...] and for values [H, V, ...]."""
        w = w.reshape(self.heads, -1, *w.shape[1:])
        return w[:, : self.nope], w[:, self.nope :]


def causal_attention(q: Array, key: Array, value: Array, segments: Array, scale: float) -> Array:
    """Softmax attention of q, key [B, T, H, N + R] over value [B, T, H, V], to no later place and in one's segment.

    In a few pieces of queries, each against the keys up to its end: nearly half of all scores are never computed. A
    piece's scores are recomputed for the gradient rather than kept, so memory grows with one piece, not with all.
    """
    time = q.shape[1]
    piece = max(MIN_PIECE, -(-time // MAX_PIECES))
    attend = jax.checkpoint(functools.partial(_attend, scale))
    q, key, value = (x.swapaxes(1, 2) for x in (q, key, value))  # once, not in every piece
    parts = []
    for start in range(0, time, piece):
        end = min(start + piece, time)
        seen = jnp.arange(start, end)[:, None] >= jnp.arange(end)
        mask = (segments[:, start:end, None] == segments[:, None, :end]) & seen
        parts.append(attend(q[:, :, start:end], key[:, :, :end], value[:, :, :end], mask))
    return jnp.concatenate(parts, axis=2).swapaxes(1, 2)


def _attend(scale: float, q: Array, key: Array, value: Array, mask: Array) -> Array:
    """Attention of one piece of queries: q, key [B, H, T or S, N + R], value [B, H, S, V], mask bool [B, T, S].

    Where the scores of all heads would take more than `SCORES_BYTES` a row, in groups of heads, one after another.
    """

    def heads(q: Array, key: Array, value: Array) -> Array:
        p = _softmax(scale * _scores("bhtn,bhsn->bhts", q, key), mask).astype(q.dtype)
        return jnp.einsum("bhts,bhsv->bhtv", p, value)

    count, row = q.shape[1], 4 * mask.shape[1] * mask.shape[2]
    groups = next(g for g in range(1, count + 1) if count % g == 0 and (count // g * row <= SCORES_BYTES or g == count))
    if groups == 1:
        return heads(q, key, value)
    parts = [jnp.moveaxis(x.reshape(len(x), groups, -1, *x.shape[2:]), 1, 0) for x in (q, key, value)]
    done = lax.map(lambda part: jax.checkpoint(heads)(*part), tuple(parts))
    return jnp.moveaxis(done, 0, 1).reshape(*q.shape[:3], -1)


def _scores(pattern: str, q: Array, key: Array) -> Array:
    return jnp.einsum(pattern, q, key, preferred_element_type=jnp.float32)


def _softmax(scores: Array, mask: Array) -> Array:
    """Softmax of scores [B, H, T, S] over what mask [B, T, S] shows, in float32 as transformers."""
    return jax.nn.softmax(scores + jnp.where(mask, 0.0, HIDDEN)[:, None], axis=-1)
