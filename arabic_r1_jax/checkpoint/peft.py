"""Adapters in PEFT's own folder layout: adapter_config.json, adapter_model.safetensors, and our manifest.json.

`peft_read` opens adapters of any origin; here ours are written, in two layouts of the routed experts:

    per-expert   one A and B for each matrix of the released model, as DeepSeek's own names have it; the default
    fused        one A and B for all experts of a layer, as transformers 5 holds them in memory

peft 0.21.2 on transformers 5 fuses per-expert keys itself, and while it does so silently drops `gate_proj`, `up_proj`
and `down_proj` of dense and shared networks from `target_modules`. Those are therefore named as 2-D
`target_parameters`, the experts by `target_modules`; the global `r` is then the experts' (the fusion doubles that one),
`rank_pattern` gives the others theirs, and alpha / r is the same for every matrix, as some servers read only one.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import shards
from arabic_r1_jax.checkpoint.peft_read import KIND, PREFIX, WEIGHTS, A, Adapters, B, adapted, open_adapters
from arabic_r1_jax.checkpoint.peft_settings import CONFIG
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.checkpoint.weight_map import Entry
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import TARGETS, LoraConfig

__all__ = ["CONFIG", "KIND", "LAYOUTS", "WEIGHTS", "adapted", "load_adapter", "merged", "save_adapter", "write_adapter"]

LAYOUTS = ("per-expert", "fused")
Factors = dict[str, np.ndarray]  # "P.lora_a" [..., r, in] and "P.lora_b" [..., out, r], float32
ReadPair = Callable[[str], tuple[np.ndarray, np.ndarray]]  # released weight name -> its A [r, in] and B [out, r]
_F32 = np.dtype(np.float32)


def _names(entry: Entry) -> tuple[str, str]:
    path = entry.name.removesuffix(".weight")
    return f"{path}.lora_a", f"{path}.lora_b"


def save_adapter(
    folder: Path,
    adapter: Mapping[str, np.ndarray | jax.Array],
    cfg: ModelConfig,
    lora: LoraConfig,
    base_sha: str,
    layout: str = "per-expert",
    fields: Mapping[str, object] | None = None,
) -> None:
    """Write an adapter that peft 0.21.2 loads onto the released base, and `load_adapter` onto ours.

    adapter: `P.lora_a` [..., r, in] and `P.lora_b` [..., out, r], float32, one pair for every linear of the targets;
    base_sha: `load.base_sha` of the base it was trained on; fields: more for the manifest. Raises `UserError` when
    `folder` exists, and ValueError when the adapter and the targets do not cover each other: nothing asked for may be
    dropped in silence.
    """
    linears = adapted(cfg, lora.targets)
    wanted = {name for entry in linears for name in _names(entry)}
    if odd := sorted(wanted.symmetric_difference(adapter)):
        raise ValueError(f"the adapter does not cover targets {lora.targets}: {odd[:4]}")
    places = {theirs: (entry, index) for entry in linears for index, theirs in entry.tensors()}
    arrays = {name: np.asarray(factor, np.float32) for name, factor in adapter.items()}

    def pair(theirs: str) -> tuple[np.ndarray, np.ndarray]:
        entry, index = places[theirs]
        return tuple(arrays[name][index] for name in _names(entry))

    write_adapter(folder, cfg, lora, linears, pair, layout, {"base_sha": base_sha, **(fields or {})})


def write_adapter(
    folder: Path,
    cfg: ModelConfig,
    lora: LoraConfig,
    linears: list[Entry],
    pair: ReadPair,
    layout: str,
    fields: Mapping[str, object],
) -> None:
    """Write the adapters of `linears`, asking `pair` for one linear's factors at a time. Raises as `save_adapter`."""
    tensors = {"per-expert": _per_expert, "fused": _fused}[layout](linears, lora, pair)
    specs = {key: spec for key, (spec, _) in tensors.items()}
    with artifacts.staged(folder) as staged:
        shards.write(staged / WEIGHTS, specs, lambda key: tensors[key][1]())
        artifacts.write_json(staged / CONFIG, peft_config(lora, linears, layout))
        about = {"rank": lora.rank, "alpha": lora.alpha, "targets": lora.targets, "expert_rank": lora.expert_rank}
        artifacts.write_manifest(
            staged,
            KIND,
            layout=layout,
            lora={**about, "linears": [entry.name for entry in linears]},
            model=dataclasses.asdict(cfg),
            counts={"tensors": len(specs), "parameters": sum(spec.nbytes for spec in specs.values()) // _F32.itemsize},
            weights_sha256=artifacts.sha256(staged / WEIGHTS),
            **fields,
        )


Tensors = dict[str, tuple[Spec, Callable[[], np.ndarray]]]  # key -> what it is, and how to make it


def _per_expert(linears: list[Entry], lora: LoraConfig, pair: ReadPair) -> Tensors:
    """One A and one B for each released matrix."""
    found: Tensors = {}
    for entry in linears:
        rank, (d_out, d_in) = lora.rank_of(entry.lora), entry.part
        for _, theirs in entry.tensors():
            module = PREFIX + theirs.removesuffix(".weight")
            found[module + A] = Spec(_F32, (rank, d_in)), lambda theirs=theirs: pair(theirs)[0]
            found[module + B] = Spec(_F32, (d_out, rank)), lambda theirs=theirs: pair(theirs)[1]
    return found


def _fused(linears: list[Entry], lora: LoraConfig, pair: ReadPair) -> Tensors:
    """The routed experts of a layer as one module; everything else as `_per_expert`.

    A stacks the experts' A; column s E + e of B is column s of expert e's. Gate and up lie side by side in the rank:
    A = [A_gate; A_up], B = [[B_gate, 0], [0, B_up]].
    """
    found = _per_expert([entry for entry in linears if entry.lora != "experts"], lora, pair)
    experts = {entry.name.split(".")[1]: entry for entry in linears if entry.lora == "experts"}
    missing = {"gate", "up", "down"} - experts.keys()
    if experts and missing:
        raise UserError(f"experts.{min(missing)} is not adapted, which the fused layout needs; use per-expert")
    for layer in range(experts["down"].stack[0] if experts else 0):
        module = PREFIX + experts["down"].theirs((layer, 0)).rpartition(".experts.")[0] + ".experts"
        for level, kinds in ((".base_layer", ("gate", "up")), ("", ("down",))):
            those = [experts[kind] for kind in kinds]
            count, (d_out, d_in) = those[0].stack[1], those[0].part
            rank, d_out = len(kinds) * lora.rank_of("experts"), len(kinds) * d_out
            specs = {A: Spec(_F32, (count * rank, d_in)), B: Spec(_F32, (d_out, rank * count))}
            for end, make in ((A, _fused_a), (B, _fused_b)):
                found[module + level + end] = specs[end], functools.partial(make, those, layer, pair, specs[end].shape)
    return found


def _fused_a(those: list[Entry], layer: int, pair: ReadPair, shape: tuple[int, int]) -> np.ndarray:
    """A of one fused module: expert by expert, each one's matrices of `those` on top of each other."""
    names = [entry.theirs((layer, e)) for e in range(those[0].stack[1]) for entry in those]
    return np.concatenate([pair(name)[0] for name in names]).reshape(shape)


def _fused_b(those: list[Entry], layer: int, pair: ReadPair, shape: tuple[int, int]) -> np.ndarray:
    """B of one fused module: a block of rows and of the rank for each matrix, the experts fastest along the columns."""
    count, (d_out, _) = those[0].stack[1], those[0].part
    wide = np.zeros((shape[0], shape[1] // count, count), np.float32)
    for e in range(count):
        for at, entry in enumerate(those):
            b = pair(entry.theirs((layer, e)))[1]
            wide[at * d_out : (at + 1) * d_out, at * b.shape[1] : (at + 1) * b.shape[1], e] = b
    return wide.reshape(shape)


def peft_config(lora: LoraConfig, linears: list[Entry], layout: str = "per-expert") -> dict:
    """adapter_config.json for peft 0.21.2; the module docstring says why it is shaped so."""
    local = {entry: entry.template.partition("{layer}.")[2].removesuffix(".weight") for entry in linears}
    fused = layout == "fused"
    networks = sorted({f"{local[entry]}.weight" for entry in linears if entry.lora in ("dense", "shared")})
    by_module = ("attention",) if fused else ("attention", "experts")
    modules = sorted({local[entry].rpartition(".")[2] for entry in linears if entry.lora in by_module})
    rank, parameters = lora.rank, list(networks)
    ranks: dict[str, int] = {}
    if fused and any(entry.lora == "experts" for entry in linears):
        ranks = {
            "mlp.experts.gate_up_proj": 2 * lora.rank_of("experts"),
            "mlp.experts.down_proj": lora.rank_of("experts"),
        }
        parameters += ranks
    elif not fused and any(entry.lora == "experts" for entry in linears):
        rank = lora.rank_of("experts")
        if rank != lora.rank:
            ranks = {local[entry]: lora.rank for entry in linears if entry.lora == "attention"}
            ranks.update(dict.fromkeys(networks, lora.rank))
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
        "rank_pattern": ranks,
        "alpha_pattern": {name: lora.scale * r for name, r in ranks.items()},
    }


def normalised(found: Adapters, cfg: ModelConfig) -> tuple[LoraConfig, ReadPair]:
    """An adapter of any origin in our terms: one scale, one rank for the experts and one for all other linears.

    The pair of a linear that is narrower is padded with zeros, of one with another scale B is multiplied by the
    ratio, and that of one that has none is zero: nothing changes what is computed.
    """
    group = {theirs: entry.lora for entry in adapted(cfg, TARGETS) for _, theirs in entry.tensors()}
    parts = {theirs: entry.part for entry in adapted(cfg, TARGETS) for _, theirs in entry.tensors()}
    there = {group[name] for name in found.pairs}
    targets = tuple(target for target in TARGETS if target in there)
    ranks: dict[bool, int] = {}
    for name, each in found.pairs.items():
        is_expert = group[name] == "experts"
        ranks[is_expert] = max(ranks.get(is_expert, 0), each.rank)
    scale = next(iter(found.pairs.values())).scale
    rank = ranks.get(False) or ranks[True]
    expert_rank = ranks[True] if ranks.get(True, rank) != rank else None

    def pair(theirs: str) -> tuple[np.ndarray, np.ndarray]:
        (d_out, d_in), r = parts[theirs], ranks[group[theirs] == "experts"]
        a, b = np.zeros((r, d_in), np.float32), np.zeros((d_out, r), np.float32)
        if (each := found.pairs.get(theirs)) is not None:
            a[: each.rank], b[:, : each.rank] = each.read()
            if abs(each.scale - scale) > 1e-6 * scale:
                b *= np.float32(each.scale / scale)
        return a, b

    return LoraConfig(rank, scale * rank, targets, expert_rank), pair


def open_adapter(folder: Path, cfg: ModelConfig, base_sha: str | None = None) -> tuple[LoraConfig, ReadPair, set[str]]:
    """A PEFT folder of any origin: its settings, its factors one linear at a time, and the linears that have some.

    Raises as `load_adapter`.
    """
    found = open_adapters(folder, cfg, base_sha)
    return *normalised(found, cfg), set(found.pairs)


def load_adapter(folder: Path, cfg: ModelConfig, base_sha: str | None = None) -> tuple[LoraConfig, Factors]:
    """Read a PEFT folder, ours or another's, of either layout.

    Returns the LoRA settings and `P.lora_a`, `P.lora_b` stacked as the model holds them, float32. base_sha: the base
    at hand; an adapter whose manifest names another one is refused (None, or an adapter without manifest: no check).
    Raises `UserError` as `peft_read.open_adapters` does.
    """
    lora, pair, _ = open_adapter(folder, cfg, base_sha)
    factors: Factors = {}
    for entry in adapted(cfg, lora.targets):
        rank, (d_out, d_in) = lora.rank_of(entry.lora), entry.part
        a = np.empty((*entry.stack, rank, d_in), np.float32)
        b = np.empty((*entry.stack, d_out, rank), np.float32)
        for index, theirs in entry.tensors():
            a[index], b[index] = pair(theirs)
        factors.update(zip(_names(entry), (a, b), strict=True))
    return lora, factors


def merged(
    read: Callable[[str], np.ndarray], cfg: ModelConfig, lora: LoraConfig, pair: ReadPair
) -> Callable[[str], np.ndarray]:
    """`read` of a base -> `read` of base + adapter: W + scale B A in float32; what is not adapted comes unchanged."""
    linears = {theirs for entry in adapted(cfg, lora.targets) for _, theirs in entry.tensors()}

    def read_merged(name: str) -> np.ndarray:
        if name not in linears:
            return read(name)
        a, b = pair(name)
        return read(name).astype(np.float32) + np.float32(lora.scale) * (b @ a)

    return read_merged
