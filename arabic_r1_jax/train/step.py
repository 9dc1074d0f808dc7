"""The jitted LoRA step: one batch of packed rows, one update of the adapter, on any mesh.

    step = make_step(model, optimizer, phase_weights)
    state, metrics = step(state, frozen, batch)

`state` (adapter and optimiser) is donated and comes back with the shardings it had; `frozen` is only read. A gradient
exists for adapters alone: frozen weights are no argument of the differentiated function.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array
from jax.sharding import Mesh

from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.remat import EVERY_LAYER, Remat
from arabic_r1_jax.model.transformer import Transformer, abstract_state, split, unflat
from arabic_r1_jax.parallel.mesh import sharding
from arabic_r1_jax.train.losses import KINDS, Sums, cross_entropy

Arrays = dict[str, Array]  # by dotted name
BATCH_AXES = ("batch", None)


class TrainState(NamedTuple):
    """Everything that a step changes."""

    step: Array  # i32 []: updates made
    adapter: Arrays
    optimizer: optax.OptState


class Adapted(NamedTuple):
    """A model with adapters, as shapes with shardings: what the step is compiled from."""

    graph: nnx.GraphDef
    adapter: nnx.State
    frozen: nnx.State
    mesh: Mesh
    dtype: jnp.dtype
    remat: Remat

    @classmethod
    def of(
        cls, cfg: ModelConfig, lora: LoraConfig, mesh: Mesh, dtype: jnp.dtype, remat: Remat = EVERY_LAYER
    ) -> "Adapted":
        """`dtype` is that of the frozen weights and of the computation; `remat`, what the backward pass keeps."""
        graph, state = abstract_state(cfg, lora, mesh, dtype)
        return cls(graph, *split(state), mesh, dtype, remat)

    def hidden(self, adapter: Arrays, frozen: Arrays, batch: Mapping[str, Array]) -> tuple[Array, Transformer]:
        """The normed last residual stream [B, T, D] of the batch's tokens, and the model that made it."""
        net = nnx.merge(self.graph, unflat(self.adapter, adapter), unflat(self.frozen, frozen))
        rows = (batch[name] for name in ("tokens", "segment_ids", "positions"))
        h, _ = net.hidden(*rows, dtype=self.dtype, mesh=self.mesh, remat=self.remat)
        return h, net

    def logits(self, adapter: Arrays, frozen: Arrays, batch: Mapping[str, Array]) -> Array:
        """Logits f32 [B, T, V] of the batch's tokens, to look at; the loss does without them."""
        h, net = self.hidden(adapter, frozen, batch)
        return net.logits(h, self.mesh)


def loss_weights(by_phase: Mapping[str, float]) -> Array:
    """The weight of each kind of target, f32 [kinds]: nothing for prompts."""
    return jnp.array([0.0, *(by_phase[kind] for kind in KINDS[1:])], jnp.float32)


def shardings(tree: object, adapter: Arrays, mesh: Mesh) -> object:
    """Where a tree built over the adapter lies: moments beside the array they belong to, scalars everywhere."""
    where = {name: value.sharding for name, value in adapter.items()}
    whole = sharding((), (), mesh)
    return jax.tree.map(
        lambda leaf: where if isinstance(leaf, dict) else whole, tree, is_leaf=lambda leaf: isinstance(leaf, dict)
    )


def init_state(adapter: Arrays, optimizer: optax.GradientTransformation, mesh: Mesh) -> TrainState:
    """Step 0 of a run, each array made where it lies."""

    def start(adapter: Arrays) -> TrainState:
        return TrainState(jnp.zeros((), jnp.int32), adapter, optimizer.init(adapter))

    placed = shardings(jax.eval_shape(start, adapter), adapter, mesh)
    return jax.jit(start, out_shardings=placed)(adapter)


def make_step(
    model: Adapted, optimizer: optax.GradientTransformation, phase_weights: Mapping[str, float], state: TrainState
) -> Callable[[TrainState, Arrays, Mapping[str, Array]], tuple[TrainState, dict[str, Array]]]:
    """Compile-on-first-use step; `state` gives the shardings. Metrics are f32 scalars and [kinds] vectors."""
    weights = loss_weights(phase_weights)
    mesh = model.mesh

    def loss(adapter: Arrays, frozen: Arrays, batch: Mapping[str, Array]) -> tuple[Array, Sums]:
        h, net = model.hidden(adapter, frozen, batch)
        sums = cross_entropy(h, net.vocabulary(), batch["targets"], batch["phase"], weights, mesh)
        return sums.weighted / jnp.maximum(sums.weight, 1e-9), sums

    def step(state: TrainState, frozen: Arrays, batch: Mapping[str, Array]) -> tuple[TrainState, dict[str, Array]]:
        (value, sums), grads = jax.value_and_grad(loss, has_aux=True)(state.adapter, frozen, batch)
        updates, moments = optimizer.update(grads, state.optimizer, state.adapter)
        adapter = optax.apply_updates(state.adapter, updates)
        metrics = dict(loss=value, grad_norm=optax.tree.norm(grads), by_kind=sums.by_kind, count=sums.count)
        return TrainState(state.step + 1, adapter, moments), metrics

    whole = sharding((), (), mesh)
    placed = jax.tree.map(lambda x: x.sharding, state)
    return jax.jit(step, donate_argnums=0, out_shardings=(placed, whole))


def place_batch(batch: Mapping[str, object], mesh: Mesh) -> dict[str, Array]:
    """Host arrays [B, T] onto the mesh, split by row; every process passes the same rows."""
    return {
        name: jax.make_array_from_callback(rows.shape, sharding(BATCH_AXES, rows.shape, mesh), lambda at, r=rows: r[at])
        for name, rows in batch.items()
    }


def by_kind(sums: object, counts: object) -> dict[str, float]:
    """Mean loss of each kind of target that occurred, from the vectors of `metrics`."""
    pairs = zip(KINDS, sums, counts, strict=True)
    return {kind: float(total / count) for kind, total, count in pairs if kind != "none" and count > 0}
