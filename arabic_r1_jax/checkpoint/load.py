"""From a folder to a model that runs: the weights of a Hugging Face or Orbax folder, placed straight onto a mesh.

`load` is the package's `ar1.load`. No array is ever whole on one host unless a device asks for all of it: each shard
is read from disk for its device.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from arabic_r1_jax.checkpoint import hf, orbax, peft, weight_map
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.checkpoint.source import base_sha, kind, open_folder
from arabic_r1_jax.data.tokenizers import Tokenizer, load_tokenizer
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.transformer import abstract_state, flat, unflat
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.paths import as_path

__all__ = ["base_sha", "load"]

_DTYPES = {"bf16": jnp.bfloat16, "bfloat16": jnp.bfloat16, "float32": jnp.float32}


def load(
    path: str | Path,
    adapter: str | Path | None = None,
    dtype: str | jnp.dtype | None = None,
    mesh: Mesh | None = None,
) -> LanguageModel:
    """Load a model, with a PEFT adapter if one is named.

    path: a Hugging Face or an Orbax folder. It and the adapter may lie in a bucket (gs://). dtype: what it computes in,
    "bf16" or "float32" (or the JAX dtype); None: bfloat16 when the weights are, or are FP8, else float32. FP8 weights
    stay FP8; others are narrowed when they are wider than that, the router's excepted, and else stay as stored. mesh:
    where it lies, by default one device. Raises `UserError` for a folder that is missing, damaged or unsupported, and
    for an adapter or a tokenizer of another model.
    """
    path = as_path(path)
    mesh = mesh if mesh is not None else make_mesh(devices=jax.devices()[:1])
    if kind(path) == orbax.KIND:
        manifest = orbax.read_manifest(path)
        cfg = ModelConfig.from_hf(hf.read_config(path), str(path / "config.json"))
        stored = orbax.specs(manifest)
        orbax.check(path, stored, cfg)
    else:
        source, cfg = open_folder(path)
        stored = _stacked_specs(source, cfg)
    compute = _compute_dtype(dtype, stored)
    lora, factors = None, {}
    if adapter is not None:
        lora, factors = peft.load_adapter(as_path(adapter), cfg, base_sha(path))
    tokenizer = _tokenizer(path, cfg)
    graph, state = abstract_state(cfg, lora, mesh, compute)
    shapes = flat(state)
    like = _like(shapes, stored, compute)
    arrays = orbax.restore(path, like) if kind(path) == orbax.KIND else place(source, cfg, like)
    arrays.update(
        {
            name: jax.make_array_from_callback(factor.shape, shapes[name].sharding, factor.__getitem__)
            for name, factor in factors.items()
        }
    )
    weights = unflat(state, arrays)
    return LanguageModel(cfg, graph, weights, mesh, compute, tokenizer=tokenizer, source=path, lora=lora)


def _tokenizer(path: Path, cfg: ModelConfig) -> Tokenizer | None:
    """The folder's tokenizer; one with more pieces than the model has rows is another model's."""
    tokenizer = load_tokenizer(path)
    if tokenizer and tokenizer.vocab_size > cfg.vocab_size:
        raise UserError(
            f"{tokenizer.path} has {tokenizer.vocab_size:,} pieces, but the model's vocab_size is {cfg.vocab_size:,}; "
            "put the model's own tokenizer there"
        )
    return tokenizer


def _compute_dtype(dtype: str | jnp.dtype | None, stored: Mapping[str, Spec]) -> np.dtype:
    if dtype is None:
        kinds = {spec.dtype for name, spec in stored.items() if not name.startswith("moe.router.")}
        fp8 = jnp.dtype(jnp.float8_e4m3fn)
        return np.dtype(jnp.bfloat16 if fp8 in kinds or kinds == {jnp.dtype(jnp.bfloat16)} else jnp.float32)
    if isinstance(dtype, str) and dtype not in _DTYPES:
        raise UserError(f"dtype {dtype!r} is unknown; choose bf16 or float32")
    return np.dtype(_DTYPES[dtype] if isinstance(dtype, str) else dtype)


def _like(
    abstract: Mapping[str, jax.ShapeDtypeStruct], stored: Mapping[str, Spec], compute: np.dtype
) -> dict[str, jax.ShapeDtypeStruct]:
    """The frozen arrays to make: shape and place from the model, dtype as stored unless it is to be narrowed."""
    like = {}
    for name, spec in stored.items():
        wide = spec.dtype.itemsize > compute.itemsize
        dtype = weight_map.after_cast(name, spec.dtype, compute if wide else None)
        like[name] = jax.ShapeDtypeStruct(spec.shape, dtype, sharding=abstract[name].sharding)
    return like


def _stacked_specs(source: hf.Tensors, cfg: ModelConfig) -> dict[str, Spec]:
    """dtype and shape of our arrays, from the released tensors that they stack."""
    return {
        name: Spec(source.specs[entry.theirs(())].dtype, entry.shape) for name, entry in weight_map.entries(cfg).items()
    }


def place(source: hf.Tensors, cfg: ModelConfig, like: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, jax.Array]:
    """Released tensors stacked onto the shardings and dtypes of `like`, one device's shard at a time."""
    table = weight_map.entries(cfg)

    def one(name: str, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        return jax.make_array_from_callback(
            leaf.shape, leaf.sharding, lambda window: weight_map.stack(table[name], source.read, window, leaf.dtype)
        )

    return {name: one(name, leaf) for name, leaf in like.items()}
