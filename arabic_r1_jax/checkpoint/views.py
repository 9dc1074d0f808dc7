"""A checkpoint seen as another one, tensor by tensor: cast, dequantised from block FP8, or quantised to it.

Each view is a `hf.Tensors` again, so that conversions, merges and comparisons are a view and a writer, and hold one
tensor at a time. FP8 is DeepSeek's: float8_e4m3fn [out, in] and a float32 factor for every 128 x 128 block, edge
blocks partial; the value is float32(w) * factor (DeepSeek-V3, inference/kernel.py, weight_dequant; README_WEIGHTS.md).
"""

import dataclasses
from collections.abc import Mapping

import ml_dtypes
import numpy as np

from arabic_r1_jax.checkpoint import weight_map
from arabic_r1_jax.checkpoint.hf import Tensors
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.checkpoint.weight_map import SCALE, blocks_of
from arabic_r1_jax.model.config import FP8_BLOCK, ModelConfig

E4M3, BF16 = np.dtype(ml_dtypes.float8_e4m3fn), np.dtype(ml_dtypes.bfloat16)
_E4M3_MAX = 448.0
QUANTIZATION = {
    "activation_scheme": "dynamic",
    "fmt": "e4m3",
    "quant_method": "fp8",
    "weight_block_size": [FP8_BLOCK, FP8_BLOCK],
}


def widen(w: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """float32 values of an FP8 matrix [out, in] with scales [ceil(out/128), ceil(in/128)]."""
    wide = w.astype(np.float32)
    for block, factors in enumerate(scale):
        wide[block * FP8_BLOCK : (block + 1) * FP8_BLOCK] *= np.repeat(factors, FP8_BLOCK)[: w.shape[1]]
    return wide


def _block(i: int, j: int) -> tuple[slice, slice]:
    return np.s_[i * FP8_BLOCK : (i + 1) * FP8_BLOCK, j * FP8_BLOCK : (j + 1) * FP8_BLOCK]


def scales(values: np.ndarray) -> np.ndarray:
    """The float32 factors by which `narrow` divides each block of a float32 matrix."""
    scale = np.empty(blocks_of(values.shape), np.float32)
    for at in np.ndindex(*scale.shape):
        scale[at] = max(np.abs(values[_block(*at)]).max(), 1e-12) / _E4M3_MAX
    return scale


def narrow(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(float8_e4m3fn matrix, float32 scales) of a float32 matrix: each block's largest magnitude becomes 448."""
    codes, scale = np.empty(values.shape, E4M3), scales(values)
    for at in np.ndindex(*scale.shape):
        codes[_block(*at)] = (values[_block(*at)] / scale[at]).astype(E4M3)
    return codes, scale


def _released_to_ours(cfg: ModelConfig) -> dict[str, str]:
    return {theirs: entry.name for entry in weight_map.entries(cfg).values() for _, theirs in entry.tensors()}


def _config(config: Mapping[str, object], dtype: np.dtype, quantization: Mapping[str, object] | None) -> dict:
    """config.json with its dtype keys and its quantisation saying what the weights have become."""
    kept = {key: value for key, value in config.items() if key != "quantization_config"}
    keys = [key for key in ("dtype", "torch_dtype") if key in kept] or ["dtype"]
    return {
        **kept,
        **dict.fromkeys(keys, dtype.name),
        **({"quantization_config": quantization} if quantization else {}),
    }


def cast(source: Tensors, cfg: ModelConfig, dtype: np.dtype | None) -> Tensors:
    """Every weight in `dtype`, FP8 dequantised first; the router no narrower than it was; None: as stored.

    Carried tensors (MTP layers) keep their dtype unless they are FP8, which config.json then no longer speaks of.
    """
    if dtype is None:
        return source
    mine = _released_to_ours(cfg)
    specs = {}
    for name, spec in source.specs.items():
        if name + SCALE in source.specs:
            specs[name] = Spec(dtype, spec.shape)
        elif name in mine and not name.endswith(SCALE):
            specs[name] = Spec(weight_map.after_cast(mine[name], spec.dtype, dtype), spec.shape)
        elif not name.endswith(SCALE):
            specs[name] = spec

    def read(name: str) -> np.ndarray:
        values = source.read(name)
        if name + SCALE in source.specs:
            values = widen(values, source.read(name + SCALE))
        return values.astype(specs[name].dtype, copy=False)

    return dataclasses.replace(source, config=_config(source.config, dtype, None), specs=specs, read=read)


def quantised(source: Tensors, cfg: ModelConfig, kept: Tensors | None = None) -> Tensors:
    """Every linear in block FP8, all else in bfloat16 (the router no narrower than it was).

    kept: a checkpoint of which a tensor that is FP8 already, and that `source` has not changed, is taken as it is.
    """
    rest = cast(source, cfg, BF16)
    same = {name for name in kept.specs if name + SCALE in kept.specs} if kept else set()
    specs: dict[str, Spec] = {}
    for name, spec in rest.specs.items():
        specs[name] = spec
        if name in same or weight_map.is_linear(name):
            specs[name] = Spec(E4M3, spec.shape)
            specs[name + SCALE] = Spec(np.dtype(np.float32), blocks_of(spec.shape))

    def read(name: str) -> np.ndarray:
        weight = name.removesuffix(SCALE)
        if weight in same:
            return kept.read(name)
        if specs[weight].dtype != E4M3:
            return rest.read(name)
        values = source.read(weight).astype(np.float32)
        return scales(values) if name.endswith(SCALE) else narrow(values)[0]

    return dataclasses.replace(source, config=_config(source.config, BF16, QUANTIZATION), specs=specs, read=read)
