"""The router and the mixture-of-experts layer.

A variant is a scoring function and three numbers (`RouterConfig`):

    softmax_greedy   V2-Lite   softmax; the top K
    softmax_group    V2        softmax; only the topk_group groups with the best single expert; the top K of those
    sigmoid_bias     V3, R1    sigmoid; groups by their two best biased scores; the bias chooses, unbiased scores weigh

Equal to transformers 5.24 `DeepseekV2TopkRouter` and `DeepseekV3TopkRouter`; all in float32 as there.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from arabic_r1_jax.model.config import ModelConfig, RouterConfig
from arabic_r1_jax.model.layers import MLP, Axes, Linear, linear_dtype, zeros
from arabic_r1_jax.model.lora import Frozen, LoraConfig


def route(scores: Array, bias: Array | None, router: RouterConfig, k: int) -> tuple[Array, Array]:
    """Choose experts: router logits f32 [..., E], bias f32 [E] -> weights f32 [..., K], experts i32 [..., K]."""
    scores = jax.nn.sigmoid(scores) if router.scoring == "sigmoid_bias" else jax.nn.softmax(scores, axis=-1)
    choice = lax.stop_gradient(scores if bias is None else scores + bias)
    if router.scoring != "softmax_greedy":
        choice = _keep_groups(choice, router)
    _, experts = lax.top_k(choice, k)
    weights = jnp.take_along_axis(scores, experts, axis=-1)
    if router.scoring == "softmax_group":  # V2 may be left with fewer experts than K; the others weigh nothing
        weights = jnp.where(jnp.take_along_axis(choice, experts, axis=-1) >= 0, weights, 0.0)
    if router.norm_topk_prob:
        weights = weights / (weights.sum(axis=-1, keepdims=True) + 1e-20)
    return weights * router.routed_scaling_factor, experts


def _keep_groups(choice: Array, router: RouterConfig) -> Array:
    """choice [..., E] with minus infinity outside the best `topk_group` of `n_group` neighbouring groups."""
    grouped = choice.reshape(*choice.shape[:-1], router.n_group, -1)
    best = 2 if router.scoring == "sigmoid_bias" else 1
    group_score = lax.top_k(grouped, best)[0].sum(axis=-1)
    _, kept = lax.top_k(group_score, router.topk_group)
    mask = jax.nn.one_hot(kept, router.n_group, dtype=bool).any(axis=-2)
    return jnp.where(mask[..., None], grouped, -jnp.inf).reshape(choice.shape)


class Router(nnx.Module):
    """Scores tokens against every expert; `bias` is the correction that balances load without touching weights."""

    def __init__(self, cfg: ModelConfig, lead: Axes, dtype):
        names, sizes = tuple(name for name, _ in lead), tuple(size for _, size in lead)
        self.config, self.k = cfg.router, cfg.num_experts_per_tok
        shape = (*sizes, cfg.n_routed_experts, cfg.hidden_size)
        self.weight = zeros(Frozen, (*names, None, "wide"), shape, dtype)
        if cfg.router.scoring == "sigmoid_bias":
            self.bias = zeros(Frozen, (*names, None), shape[:-1], jnp.float32)

    def __call__(self, x: Array) -> tuple[Array, Array]:  # x [..., D] -> weights f32 [..., K], experts i32 [..., K]
        w = self.weight[...].astype(jnp.float32)
        # HIGHEST: an accelerator's default would round float32 factors to bf16 and choose other experts.
        logits = jnp.einsum("...d,ed->...e", x.astype(jnp.float32), w, precision=lax.Precision.HIGHEST)
        return route(logits, self.bias[...] if hasattr(self, "bias") else None, self.config, self.k)


class Experts(nnx.Module):
    """The routed experts of all layers, [L, E, out, in]: they stand beside the scanned blocks.

    Their weights are never sliced by layer, which would copy them; their adapters are scanned like any other.
    """

    def __init__(self, cfg: ModelConfig, lora: LoraConfig | None, dtype):
        rank, scale = (lora.rank_of("experts"), lora.scale) if lora else (0, 1.0)
        lead = (("layer", cfg.num_moe_layers), ("expert", cfg.n_routed_experts))
        self.lora_scale = scale
        dtype = linear_dtype(cfg, dtype)
        self.gate = Linear(lead, cfg.hidden_size, cfg.moe_intermediate_size, dtype, rank, scale)
        self.up = Linear(lead, cfg.hidden_size, cfg.moe_intermediate_size, dtype, rank, scale)
        self.down = Linear(lead, cfg.moe_intermediate_size, cfg.hidden_size, dtype, rank, scale)

    def stacks(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """(frozen, adapters) by dotted name: "gate.weight" [L, E, F, D], "gate.lora_a" [L, E, rank, D], and so on."""
        linears = {"gate": self.gate, "up": self.up, "down": self.down}

        def of(parts: tuple[str, ...]) -> dict[str, Array]:
            return {f"{n}.{p}": getattr(m, p)[...] for n, m in linears.items() for p in parts if hasattr(m, p)}

        return of(("weight", "scale")), of(("lora_a", "lora_b"))


class SharedExperts(MLP):
    """The experts that see every token: one feed-forward network of n_shared_experts times the width."""

    def __init__(self, cfg: ModelConfig, lead: Axes, lora: LoraConfig | None, dtype):
        rank, scale = (lora.rank_of("shared"), lora.scale) if lora else (0, 1.0)
        hidden = cfg.n_shared_experts * cfg.moe_intermediate_size
        super().__init__(lead, cfg.hidden_size, hidden, linear_dtype(cfg, dtype), rank, scale)
