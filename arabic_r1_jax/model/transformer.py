"""The DeepSeek-V2/V3 language model: embedding, a dense stack, a mixture-of-experts stack, norm, head.

Layers of a kind are one module whose weights have a leading layer axis, run by `lax.scan`: 61 layers compile as two
bodies. A model is used through plain JAX: `abstract_state` gives its graph and shapes with shardings and no memory,
`unflat` puts arrays in, `nnx.merge(graph, state)` makes it callable inside a jitted function:

    graph, state = abstract_state(cfg, lora, mesh, jnp.bfloat16)
    state = unflat(state, weights | init_adapter(key, cfg, lora, mesh))      # {"embed.weight": array, ...}
    logits = jax.jit(lambda s, ids: nnx.merge(graph, s)(ids, dtype=jnp.bfloat16, mesh=mesh))(state, ids)
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.sharding import Mesh

from arabic_r1_jax.model.attention import Attention
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.layers import MLP, RMSNorm, linear_dtype, zeros
from arabic_r1_jax.model.lora import Adapter, Frozen, LoraConfig
from arabic_r1_jax.model.moe import Experts, Router, SharedExperts
from arabic_r1_jax.model.remat import EVERY_LAYER, Remat
from arabic_r1_jax.model.rope import angles
from arabic_r1_jax.parallel.dispatch import experts_ffn
from arabic_r1_jax.parallel.mesh import constrain, sharding

ACTIVATION = ("batch", None, None)  # [B, T, D]

# attend(attention, normed x, layer, state) -> (attention's output [B, T, D], state); state is what a cache needs.
Attend = Callable[[Attention, Array, Array, object], tuple[Array, object]]


class Table(nnx.Module):
    """The embedding or the head: one row [D] per token of the vocabulary."""

    def __init__(self, axes: tuple[str | None, str | None], vocab: int, d_model: int, dtype):
        self.weight = zeros(Frozen, axes, (vocab, d_model), dtype)


class Block(nnx.Module):
    """Attention and a feed-forward network, each on the normed residual stream; dense or mixture-of-experts."""

    def __init__(self, cfg: ModelConfig, layers: int, lora: LoraConfig | None, dtype, *, moe: bool):
        lead = (("layer", layers),)
        self.layers = layers
        self.input_norm = RMSNorm(lead, cfg.hidden_size, cfg.rms_norm_eps, dtype)
        self.attn = Attention(cfg, lead, lora, dtype)
        self.post_norm = RMSNorm(lead, cfg.hidden_size, cfg.rms_norm_eps, dtype)
        if moe:
            self.router = Router(cfg, lead, dtype)
            self.shared = SharedExperts(cfg, lead, lora, dtype)
        else:
            rank, scale = (lora.rank_of("dense"), lora.scale) if lora else (0, 1.0)
            self.mlp = MLP(lead, cfg.hidden_size, cfg.intermediate_size, linear_dtype(cfg, dtype), rank, scale)

    def feed_forward(self, x: Array, routed: Callable[[Array, Array, Array], Array]) -> tuple[Array, Array | None]:
        """x [B, T, D] -> [B, T, D], and the experts chosen, i32 [B, T, K], if any.

        `routed` runs the routed experts on (x, weights, ids).
        """
        if hasattr(self, "mlp"):
            return self.mlp(x), None
        weights, ids = self.router(x)
        return routed(x, weights, ids) + self.shared(x), ids


class Transformer(nnx.Module):
    """The model. Built as zeros (nothing at all under `nnx.eval_shape`); see the head of this file."""

    def __init__(self, cfg: ModelConfig, lora: LoraConfig | None = None, *, weight_dtype=jnp.bfloat16):
        self.config = cfg
        self.embed = Table((None, "wide"), cfg.vocab_size, cfg.hidden_size, weight_dtype)
        if cfg.num_dense_layers:
            self.dense = Block(cfg, cfg.num_dense_layers, lora, weight_dtype, moe=False)
        if cfg.num_moe_layers:
            self.moe = Block(cfg, cfg.num_moe_layers, lora, weight_dtype, moe=True)
            self.experts = Experts(cfg, lora, weight_dtype)
        self.norm = RMSNorm((), cfg.hidden_size, cfg.rms_norm_eps, weight_dtype)
        if not cfg.tie_word_embeddings:
            self.head = Table(("vocab", None), cfg.vocab_size, cfg.hidden_size, weight_dtype)

    def __call__(self, ids: Array, segment_ids=None, positions=None, *, dtype, mesh: Mesh) -> Array:
        """Logits float32 [B, T, V] for ids i32 [B, T]; arguments as `hidden`."""
        h, _ = self.hidden(ids, segment_ids, positions, dtype=dtype, mesh=mesh)
        return self.logits(h, mesh)

    def hidden(
        self,
        ids: Array,
        segment_ids: Array | None = None,
        positions: Array | None = None,
        *,
        dtype,
        mesh: Mesh,
        remat: Remat = EVERY_LAYER,
    ) -> tuple[Array, Array | None]:
        """The normed last residual stream [B, T, D] in `dtype` for ids i32 [B, T], and the experts chosen on the way.

        The experts are those of each mixture-of-experts layer, i32 [L, B, T, K]; None for a model without any.

        segment_ids i32 [B, T]: a token sees earlier tokens of its own segment only; 0 is padding; None is one segment.
        positions i32 [B, T]: None counts from 0 in every segment.
        """
        segments = jnp.ones_like(ids) if segment_ids is None else segment_ids
        cos, sin = self.angles(segment_positions(segments) if positions is None else positions)

        def attend(attn: Attention, x: Array, layer: Array, state: None) -> tuple[Array, None]:
            return attn.expanded(x, attn.latents(x, cos, sin), cos, sin, segments, mesh), state

        x, _, chosen = self.run(self.tokens(ids, dtype, mesh), None, attend, mesh=mesh, remat=remat)
        return self.norm(x), chosen

    def tokens(self, ids: Array, dtype, mesh: Mesh) -> Array:
        """Embed ids i32 [B, T] as [B, T, D]: each device looks its slice of D up for all, then batches change hands."""
        x = jnp.take(self.embed.weight[...], constrain(ids, (), mesh), axis=0, mode="clip").astype(dtype)
        return constrain(constrain(x, (None, None, "wide"), mesh), ACTIVATION, mesh)

    def angles(self, positions: Array) -> tuple[Array, Array]:
        """Rotary cosine and sine of positions i32 [B, T], each float32 [B, T, R/2]."""
        return angles(positions, self.config.qk_rope_head_dim, self.config.rope)

    def run(
        self, x: Array, state: object, attend: Attend, *, mesh: Mesh, remat: Remat = EVERY_LAYER
    ) -> tuple[Array, object, Array | None]:
        """All layers over the residual stream x [B, T, D]; `state` goes through every call of `attend`.

        Returns x, `state`, and the experts chosen by the mixture-of-experts layers, i32 [L, B, T, K].
        """
        (stacks, adapters), scale = ({}, {}), 1.0
        if hasattr(self, "experts"):
            (stacks, adapters), scale = self.experts.stacks(), self.experts.lora_scale
        done, chosen = 0, None
        for name in ("dense", "moe"):
            if not hasattr(self, name):
                continue
            graph, stacked = nnx.split(getattr(self, name))

            def body(carry, scanned, graph=graph, first=done):
                (x, state), (layer, weights, adapters) = carry, scanned
                # Each weight is gathered once per layer and pass, in its stored dtype, before anything widens it.
                block = nnx.merge(graph, jax.tree.map(lambda w: constrain(w, (), mesh), weights))
                y, state = attend(block.attn, block.input_norm(x), first + layer, state)
                x = constrain(x + y, ACTIVATION, mesh)
                y, ids = block.feed_forward(
                    block.post_norm(x), lambda x, w, ids: experts_ffn(x, w, ids, stacks | adapters, scale, layer, mesh)
                )
                return (constrain(x + y, ACTIVATION, mesh), state), ids

            layers = getattr(self, name).layers
            scanned = (jnp.arange(layers), stacked, adapters if name == "moe" else {})
            (x, state), chosen = remat.scan(body, (x, state), scanned, layers)
            done += layers
        return x, state, chosen

    def vocabulary(self) -> Array:
        """The head [V, D], which is the embedding where they are tied; `train.losses` trains on it without logits."""
        return (self.embed if self.config.tie_word_embeddings else self.head).weight[...]

    def logits(self, h: Array, mesh: Mesh | None = None) -> Array:
        """h [..., D] -> float32 [..., V]; with a mesh, the head is gathered and the batch stays where it is."""
        w = self.vocabulary() if mesh is None else constrain(self.vocabulary(), (), mesh)
        return jnp.einsum("...d,vd->...v", h, w.astype(h.dtype), preferred_element_type=jnp.float32)


def segment_positions(segments: Array) -> Array:
    """segments i32 [B, T] -> positions i32 [B, T] that count from 0 wherever the segment changes."""
    index = jnp.broadcast_to(jnp.arange(segments.shape[1], dtype=jnp.int32), segments.shape)
    new = jnp.concatenate([jnp.ones_like(segments[:, :1], bool), segments[:, 1:] != segments[:, :-1]], axis=1)
    return index - lax.cummax(jnp.where(new, index, 0), axis=1)


def abstract_state(
    cfg: ModelConfig, lora: LoraConfig | None, mesh: Mesh, weight_dtype
) -> tuple[nnx.GraphDef, nnx.State]:
    """The model's graph, and its state as `ShapeDtypeStruct`s with shardings; allocates nothing."""
    graph, state = nnx.split(nnx.eval_shape(lambda: Transformer(cfg, lora, weight_dtype=weight_dtype)))

    def place(variable: nnx.Variable) -> nnx.Variable:
        shape = variable.get_value()
        where = sharding(variable.get_metadata("axes"), shape.shape, mesh)
        return variable.replace(jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=where))

    return graph, jax.tree.map(place, state, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


def flat(state: nnx.State) -> dict[str, Array]:
    """The arrays (or shapes) of a state by dotted name: "moe.attn.q_a.weight", "experts.gate.lora_a", ..."""
    return {".".join(path): variable.get_value() for path, variable in nnx.to_flat_state(state)}


def unflat(like: nnx.State, arrays: Mapping[str, Array]) -> nnx.State:
    """A state with the structure of `like` and the arrays of `arrays`; raises KeyError naming what is missing."""
    entries = [(path, v.replace(arrays[".".join(path)])) for path, v in nnx.to_flat_state(like)]
    return nnx.from_flat_state(entries)


def split(state: nnx.State) -> tuple[nnx.State, nnx.State]:
    """(adapter state, frozen state); `nnx.merge(graph, adapter, frozen)` puts them together again."""
    return nnx.split_state(state, Adapter, Frozen)


def init_adapter(key: Array, cfg: ModelConfig, lora: LoraConfig, mesh: Mesh) -> dict[str, Array]:
    """Fresh adapters by dotted name, each made where it lies: A normal(0, 1/sqrt(in)), B zero, float32.

    The numbers depend on the key and the names only, not on the mesh.
    """
    shapes = flat(split(abstract_state(cfg, lora, mesh, jnp.bfloat16)[1])[0])

    def draw() -> dict[str, Array]:
        keys = dict(zip(sorted(shapes), jax.random.split(key, len(shapes)), strict=True))
        return {
            name: jax.random.normal(keys[name], s.shape) * s.shape[-1] ** -0.5
            if name.endswith("lora_a")
            else jnp.zeros(s.shape)
            for name, s in shapes.items()
        }

    return jax.jit(draw, out_shardings={name: s.sharding for name, s in shapes.items()})()
