"""Adapters in PEFT's own folder layout: adapter_config.json, adapter_model.safetensors, and our manifest.json.

Per-expert names, one A and B for each matrix of the released model:

    base_model.model.model.layers.3.mlp.experts.7.gate_proj.lora_A.weight [r, in]    ...lora_B.weight [out, r]

peft 0.21.2 on transformers 5 fuses the expert keys itself, and while it does so silently drops `gate_proj`,
`up_proj` and `down_proj` of dense and shared networks from `target_modules`. Those are therefore named as 2-D
`target_parameters`, the experts by `target_modules`; the global `r` is the experts' (the fusion doubles that one),
`rank_pattern` gives the others theirs, and alpha / r is the same for every matrix, as some servers read only one.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jax
import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import shards, weight_map
from arabic_r1_jax.checkpoint.weight_map import Entry
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import TARGETS, LoraConfig

CONFIG, WEIGHTS, KIND = "adapter_config.json", "adapter_model.safetensors", "adapter"
_PREFIX = "base_model.model."
# What would change the numbers and we do not compute: key -> the only value that is read.
_ONLY = {"peft_type": "LORA", "use_dora": False, "use_rslora": False, "bias": "none", "fan_in_fan_out": False}
_EMPTY = ("modules_to_save", "trainable_token_indices", "layer_replication")

Factors = dict[str, np.ndarray]  # "P.lora_a" [..., r, in] and "P.lora_b" [..., out, r], float32


def adapted(cfg: ModelConfig, targets: tuple[str, ...]) -> list[Entry]:
    """The linears that these targets adapt, in the order of the table."""
    return [entry for entry in weight_map.entries(cfg).values() if entry.lora in targets]


def _keys(entry: Entry) -> Iterator[tuple[tuple[int, ...], str, str]]:
    """(index, A's key, B's key) of every matrix of one of our linears."""
    for index, theirs in entry.tensors():
        module = _PREFIX + theirs.removesuffix(".weight")
        yield index, f"{module}.lora_A.weight", f"{module}.lora_B.weight"


def _names(entry: Entry) -> tuple[str, str]:
    path = entry.name.removesuffix(".weight")
    return f"{path}.lora_a", f"{path}.lora_b"


def save_adapter(
    folder: Path,
    adapter: Mapping[str, np.ndarray | jax.Array],
    cfg: ModelConfig,
    lora: LoraConfig,
    base_sha: str,
    *,
    fields: Mapping[str, object] | None = None,
) -> None:
    """Write an adapter that peft 0.21.2 loads onto the released base, and `load_adapter` onto ours.

    adapter: `P.lora_a` [..., r, in] and `P.lora_b` [..., out, r], float32, one pair for every linear of the targets;
    base_sha: `load.base_sha` of the base it was trained on; fields: more for the manifest. Raises `UserError` when
    `folder` exists, and ValueError when the adapter and the targets do not cover each other: nothing asked for may be
    dropped in silence.
    """
    arrays: Factors = {}
    linears = adapted(cfg, lora.targets)
    wanted = {name for entry in linears for name in _names(entry)}
    if odd := sorted(wanted.symmetric_difference(adapter)):
        raise ValueError(f"the adapter does not cover targets {lora.targets}: {odd[:4]}")
    for entry in linears:
        a, b = (np.asarray(adapter[name], np.float32) for name in _names(entry))
        for index, key_a, key_b in _keys(entry):
            arrays[key_a], arrays[key_b] = a[index], b[index]
    with artifacts.staged(folder) as staged:
        shards.write(staged / WEIGHTS, shards.specs_of(arrays), arrays.__getitem__)
        artifacts.write_json(staged / CONFIG, peft_config(cfg, lora))
        artifacts.write_manifest(
            staged,
            KIND,
            base_sha=base_sha,
            lora={"rank": lora.rank, "alpha": lora.alpha, "targets": lora.targets, "expert_rank": lora.expert_rank},
            counts={"tensors": len(arrays), "parameters": sum(array.size for array in arrays.values())},
            weights_sha256=artifacts.sha256(staged / WEIGHTS),
            **(fields or {}),
        )


def peft_config(cfg: ModelConfig, lora: LoraConfig) -> dict:
    """adapter_config.json for peft 0.21.2; the module docstring says why it is shaped so."""
    linears = adapted(cfg, lora.targets)
    local = {entry: entry.template.partition("{layer}.")[2].removesuffix(".weight") for entry in linears}
    parameters = sorted({f"{local[entry]}.weight" for entry in linears if entry.lora in ("dense", "shared")})
    modules = sorted({local[entry].rpartition(".")[2] for entry in linears if entry.lora in ("attention", "experts")})
    rank = lora.rank_of("experts") or lora.rank
    patterns = {}
    if rank != lora.rank:
        patterns = {local[entry]: lora.rank for entry in linears if entry.lora == "attention"}
        patterns.update(dict.fromkeys(parameters, lora.rank))
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": lora.scale * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "target_modules": modules,
        "target_parameters": parameters or None,
        "rank_pattern": patterns,
        "alpha_pattern": dict.fromkeys(patterns, lora.alpha),
    }


def load_adapter(folder: Path, cfg: ModelConfig, base_sha: str | None = None) -> tuple[LoraConfig, Factors]:
    """Read a PEFT folder with per-expert names.

    Returns the LoRA settings and `P.lora_a`, `P.lora_b` stacked as the model holds them, float32. base_sha: the base
    at hand; an adapter whose manifest names another one is refused (None, or an adapter without manifest: no check).
    Raises `UserError` for missing or damaged files, settings that we do not compute, and tensors that are missing,
    unknown or of another size than this model's.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no {CONFIG}; name an adapter folder, such as adapter/ of a training run")
    config = artifacts.read_json(folder / CONFIG)
    _check_config(folder / CONFIG, config)
    _check_base(folder, base_sha)
    shard = shards.Shard(folder / WEIGHTS)
    targets = _targets(shard, cfg)
    factors: Factors = {}
    ranks: dict[str, int] = {}
    scales: dict[float, str] = {}
    for entry in adapted(cfg, targets):
        a, b, rank = _stack_factors(shard, entry)
        factors.update(zip(_names(entry), (a, b), strict=True))
        group = "experts" if entry.lora == "experts" else "others"
        if ranks.setdefault(group, rank) != rank:
            raise UserError(f"{shard.path}: {entry.name} has rank {rank}, others {ranks[group]}; one rank is supported")
        scales.setdefault(_scale(folder / CONFIG, config, entry, rank), entry.name)
    if max(scales) - min(scales) > 1e-6 * max(scales):
        raise UserError(f"{folder / CONFIG}: alpha / r differs between {list(scales.values())}; one scale is supported")
    rank = ranks.get("others") or ranks["experts"]
    expert_rank = ranks["experts"] if ranks.get("experts", rank) != rank else None
    return LoraConfig(rank, next(iter(scales)) * rank, targets, expert_rank), factors


def _check_config(path: Path, config: object) -> None:
    if not isinstance(config, dict):
        raise UserError(f"{path} is not a JSON object")
    for key, value in _ONLY.items():
        if config.get(key, value) != value:
            raise UserError(f'{path}: "{key}" is {json.dumps(config[key])}; only {json.dumps(value)} is supported')
    for key in _EMPTY:
        if config.get(key):
            raise UserError(f'{path}: "{key}" is set; only plain LoRA of linears is supported')
    for key in ("r", "lora_alpha"):
        if not isinstance(config.get(key), int | float) or config[key] <= 0:
            raise UserError(f'{path}: "{key}" is {config.get(key)!r}; it must be a number above 0')
    for key in ("rank_pattern", "alpha_pattern"):
        table = config.get(key) or {}
        if not isinstance(table, dict) or not all(isinstance(number, int | float) for number in table.values()):
            raise UserError(f'{path}: "{key}" is {table!r}; it must map patterns to numbers')


def _check_base(folder: Path, base_sha: str | None) -> None:
    manifest = artifacts.read_manifest(folder)
    trained_on = manifest.get("base_sha") if manifest else None
    if base_sha is not None and trained_on is not None and trained_on != base_sha:
        raise UserError(
            f"{folder} was trained on another base (sha256 {trained_on[:12]}…, this one is {base_sha[:12]}…); "
            "load it with the base that it was trained on"
        )


def _targets(shard: shards.Shard, cfg: ModelConfig) -> tuple[str, ...]:
    """Which targets the keys of a file belong to; raises `UserError` for a key that is none of this model's."""
    group = {}
    for entry in adapted(cfg, TARGETS):
        for _, key_a, key_b in _keys(entry):
            group[key_a] = group[key_b] = entry.lora
    for key in shard.specs:
        if key not in group:
            raise UserError(f"{shard.path}: tensor {key} belongs to no linear of this model; is it of another base?")
    found = {group[key] for key in shard.specs}
    if not found:
        raise UserError(f"{shard.path} holds no adapter tensor")
    return tuple(target for target in TARGETS if target in found)


def _stack_factors(shard: shards.Shard, entry: Entry) -> tuple[np.ndarray, np.ndarray, int]:
    """A [..., r, in], B [..., out, r] of one linear, and r."""
    d_out, d_in = entry.part
    keys = list(_keys(entry))
    for key in (key for _, *pair in keys for key in pair):
        if key not in shard.specs:
            raise UserError(f"{shard.path}: tensor {key} is missing, though others of its kind are there")
        if len(shard.specs[key].shape) != 2:
            raise UserError(
                f"{shard.path}: tensor {key} has shape {list(shard.specs[key].shape)}; a factor is a matrix"
            )
    rank = shard.specs[keys[0][1]].shape[0]
    a = np.empty((*entry.stack, rank, d_in), np.float32)
    b = np.empty((*entry.stack, d_out, rank), np.float32)
    for index, key_a, key_b in keys:
        for key, out in ((key_a, a), (key_b, b)):
            if shard.specs[key].shape != out.shape[-2:]:
                raise UserError(
                    f"{shard.path}: tensor {key} has shape {list(shard.specs[key].shape)}, "
                    f"this model asks for {list(out.shape[-2:])}"
                )
            out[index] = shard.read(key)
    return a, b, rank


def _scale(path: Path, config: dict, entry: Entry, rank: int) -> float:
    """alpha / r of one linear by PEFT's rules: the first pattern that matches the end of its name, else the global."""

    def value(table: str, default: str) -> float:
        for name in (entry.theirs(()), entry.theirs(()).removesuffix(".weight")):
            for pattern, number in (config.get(table) or {}).items():
                try:
                    matched = re.match(rf"(.*\.)?({pattern})$", name)
                except re.error as error:
                    raise UserError(
                        f'{path}: "{table}" has the pattern {pattern!r}, which is no regex: {error}'
                    ) from None
                if matched:
                    return number
        return config[default]

    if (r := value("rank_pattern", "r")) != rank:
        raise UserError(f"{path}: {entry.name} has rank {rank} in the weights and {r} here")
    return value("alpha_pattern", "lora_alpha") / rank


def merged(
    read: Callable[[str], np.ndarray], cfg: ModelConfig, lora: LoraConfig, factors: Mapping[str, np.ndarray]
) -> Callable[[str], np.ndarray]:
    """`read` of a base -> `read` of base + adapter: W + scale B A in float32; what is not adapted comes unchanged."""
    pairs = {}
    for entry in adapted(cfg, lora.targets):
        a, b = (factors[name] for name in _names(entry))
        pairs.update({theirs: (a[index], b[index]) for index, theirs in entry.tensors()})

    def read_merged(name: str) -> np.ndarray:
        if name not in pairs:
            return read(name)
        a, b = pairs[name]
        return read(name).astype(np.float32) + np.float32(lora.scale) * (b @ a)

    return read_merged
