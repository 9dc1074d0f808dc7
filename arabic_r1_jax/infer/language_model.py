"""A loaded model, ready to call: what `ar1.load` returns and what generation, scoring and evaluation take.

model = ar1.load(path)
logits = model(ids)                     # int32 [B, T] -> float32 [B, T, V]
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.sharding import Mesh

from arabic_r1_jax.data.tokenizers import Tokenizer
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import Transformer, abstract_state, segment_positions, unflat
from arabic_r1_jax.parallel.mesh import constrain, sharding

ROWS = ("batch", None)  # ids, segments and positions [B, T]


@dataclass
class LanguageModel:
    """Weights on a mesh, with everything that is needed to run them.

    graph, state: `nnx.merge(graph, state)` is a `Transformer`; state holds frozen weights and adapters, sharded.
    dtype: the compute dtype; weights keep the dtype they are stored in.
    lora: the adapters' configuration when there are any.
    """

    config: ModelConfig
    graph: nnx.GraphDef
    state: nnx.State
    mesh: Mesh
    dtype: jnp.dtype
    tokenizer: Tokenizer | None = None
    source: Path | None = None
    lora: LoraConfig | None = None

    @classmethod
    def from_arrays(
        cls,
        config: ModelConfig,
        arrays: Mapping[str, Array | np.ndarray],
        mesh: Mesh,
        *,
        dtype=jnp.float32,
        lora: LoraConfig | None = None,
        tokenizer: Tokenizer | None = None,
        source: Path | None = None,
    ) -> "LanguageModel":
        """A model of arrays by dotted name ("embed.weight", ...), each placed on the mesh if it does not lie there."""
        graph, like = abstract_state(config, lora, mesh, dtype)
        where = jax.tree.map(lambda shape: shape.sharding, like)
        return cls(config, graph, jax.device_put(unflat(like, arrays), where), mesh, dtype, tokenizer, source, lora)

    def __call__(self, ids, segment_ids=None, positions=None) -> Array:
        """Logits float32 [B, T, V] for ids i32 [B, T].

        segment_ids i32 [B, T]: tokens see earlier tokens of their own segment only, 0 is padding; None is one segment.
        positions i32 [B, T]: None counts from 0 in every segment. Raises `UserError` for ids outside the vocabulary.
        """
        ids = np.asarray(ids, np.int32)
        if ids.ndim != 2:
            raise UserError(f"ids have shape {ids.shape}; they must be [batch, time]")
        self.check_ids(ids, "ids")
        segments = np.ones_like(ids) if segment_ids is None else np.asarray(segment_ids, np.int32)
        chex.assert_equal_shape([ids, segments])
        positions = segment_positions(jnp.asarray(segments)) if positions is None else positions
        rows = (self.place(a) for a in (ids, segments, np.asarray(positions, np.int32)))
        return _logits(self.graph, self.mesh, self.dtype)(self.state, *rows)[: ids.shape[0]]

    def check_ids(self, ids, what: str) -> None:
        """Raise `UserError` when any id is outside the vocabulary: the embedding would quietly take another row."""
        ids = np.asarray(ids)
        if ids.size and not 0 <= ids.min() <= ids.max() < self.config.vocab_size:
            wrong = ids[(ids < 0) | (ids >= self.config.vocab_size)][0]
            raise UserError(f"{what}: token {wrong} is outside the vocabulary of {self.config.vocab_size}")

    def place(self, rows: np.ndarray) -> Array:
        """Host rows [B, ...] on the mesh, padded with rows of zeros to a batch that it divides.

        Every process passes the same rows.
        """
        rows = np.pad(rows, [(0, -rows.shape[0] % self.mesh.size)] + [(0, 0)] * (rows.ndim - 1))
        where = sharding(("batch", *(None,) * (rows.ndim - 1)), rows.shape, self.mesh)
        return jax.make_array_from_callback(rows.shape, where, rows.__getitem__)


@functools.cache
def _logits(graph: nnx.GraphDef, mesh: Mesh, dtype) -> jax.stages.Wrapped:
    def forward(state: nnx.State, ids: Array, segments: Array, positions: Array) -> Array:
        logits = nnx.merge(graph, state)(ids, segments, positions, dtype=dtype, mesh=mesh)
        return constrain(logits, ("batch", None, None), mesh)

    rows = sharding(ROWS, (mesh.size, 1), mesh)
    out = sharding(("batch", None, None), (mesh.size, 1, 1), mesh)
    return jax.jit(forward, in_shardings=(None, rows, rows, rows), out_shardings=out)


def resident(graph: nnx.GraphDef, state: nnx.State, mesh: Mesh) -> Transformer:
    """The model inside a jitted decoding function: every weight that is no expert's gathered once, for all steps.

    Training gathers each layer's weights as it comes to it; a decoder would do so again for every token.
    """

    def gather(variable: nnx.Variable) -> nnx.Variable:
        if "expert" in variable.get_metadata("axes"):
            return variable
        return variable.replace(constrain(variable.get_value(), (), mesh))

    return nnx.merge(graph, jax.tree.map(gather, state, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable)))
