"""A PEFT LoRA folder as one low-rank pair for each released linear that it adapts, read when asked for.

Adapters of any origin come in, in both layouts of the routed experts (`checkpoint.peft` describes ours):

    per-expert   ...mlp.experts.7.gate_proj.lora_A.weight [r, in], .lora_B.weight [out, r]
    fused        ...mlp.experts.base_layer.lora_A.weight [E r, D], lora_B [2 F, r E]     gate above up
                 ...mlp.experts.lora_A.weight [E r, F], lora_B [D, r E]                  down
                 ("base_layer" is there only when both are adapted; A is expert-major and B rank-major: peft 0.21.2)

What would be computed otherwise than PEFT does, or dropped, is refused by name.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import peft_settings, shards, weight_map
from arabic_r1_jax.checkpoint.weight_map import Entry
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import TARGETS
from arabic_r1_jax.paths import as_path

WEIGHTS, KIND = "adapter_model.safetensors", "adapter"
PREFIX = "base_model.model."
A, B = ".lora_A.weight", ".lora_B.weight"
_NOT_ADAPTED = {
    "mlp.gate": "the router is kept frozen, so that the base's choice of experts stays",
    "lm_head": "the head has no adapter here; merge the adapter with PEFT first",
    "embed_tokens": "the embedding has no adapter here; merge the adapter with PEFT first",
}
_EXPERTS = re.compile(r"model\.layers\.(\d+)\.mlp\.experts(\.base_layer)?")


Scale = Callable[[str, int], float]  # module and rank -> what its product is multiplied by


@dataclasses.dataclass(frozen=True)
class Pair:
    """The adapter of one released linear: W + scale * B A."""

    rank: int
    scale: float
    read: Callable[[], tuple[np.ndarray, np.ndarray]]  # A f32 [rank, in], B f32 [out, rank]


@dataclasses.dataclass(frozen=True)
class Adapters:
    """What a PEFT folder adapts, by released weight name, and its manifest when it is ours."""

    folder: Path
    pairs: dict[str, Pair]
    manifest: dict


def adapted(cfg: ModelConfig, targets: tuple[str, ...]) -> list[Entry]:
    """The linears that these targets adapt, in the order of the table."""
    return [entry for entry in weight_map.entries(cfg).values() if entry.lora in targets]


def open_adapters(folder: Path, cfg: ModelConfig, base_sha: str | None = None) -> Adapters:
    """Open a PEFT folder for a model; headers are read and checked, and of the factors only fused gate-and-up's B.

    base_sha: the base at hand; an adapter whose manifest names another one is refused (None, or an adapter without
    manifest: no check). Raises `UserError` for missing or damaged files, settings that we do not compute, and tensors
    that are missing, unknown or of another size than this model's.
    """
    folder = as_path(folder)
    config = peft_settings.read(folder)
    manifest = artifacts.read_manifest(folder) or {}
    _check_base(folder, manifest, base_sha)
    shard = shards.Shard(folder / WEIGHTS)
    modules = _modules(shard)
    scale = functools.partial(peft_settings.scale, shard.path, config)
    linears = {
        theirs.removesuffix(".weight"): entry for entry in adapted(cfg, TARGETS) for _, theirs in entry.tensors()
    }
    pairs: dict[str, Pair] = {}
    for module, ends in modules.items():
        fused = _EXPERTS.fullmatch(module)
        if module not in linears and not fused:
            raise _unknown(shard.path, PREFIX + module + min(ends))
        if len(ends) == 1:
            lost = PREFIX + module + (A if B in ends else B)
            raise UserError(f"{shard.path}: tensor {lost} is missing, its other half is there")
        if fused:
            pairs.update(_fused(shard, module, int(fused[1]), cfg, scale))
        else:
            pairs[f"{module}.weight"] = _plain(shard, module, linears[module].part, scale)
    if not pairs:
        raise UserError(f"{shard.path} holds no adapter tensor")
    _check_complete(shard.path, pairs, cfg, config, manifest)
    return Adapters(folder, pairs, manifest)


def _modules(shard: shards.Shard) -> dict[str, set[str]]:
    """The module paths that have factors, and which of A and B; raises for a key that is no factor."""
    found: dict[str, set[str]] = {}
    for key in shard.specs:
        end = next((end for end in (A, B) if key.endswith(end)), None)
        if end is None or not key.startswith(PREFIX):
            raise _unknown(shard.path, key)
        found.setdefault(key.removeprefix(PREFIX).removesuffix(end), set()).add(end)
    return found


def _unknown(path: Path, name: str) -> UserError:
    for end, why in _NOT_ADAPTED.items():
        if f"{end}." in name:
            return UserError(f"{path}: {name} is adapted, and {why}")
    return UserError(f"{path}: {name} belongs to no linear of this model; is it of another base?")


def _matrices(shard: shards.Shard, module: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of A and B of a module, both matrices."""
    shapes = [shard.specs[PREFIX + module + end].shape for end in (A, B)]
    for end, shape in zip((A, B), shapes, strict=True):
        if len(shape) != 2:
            raise UserError(f"{shard.path}: tensor {PREFIX}{module}{end} has shape {list(shape)}; a factor is a matrix")
    return tuple(shapes)


def _need(shard: shards.Shard, module: str, end: str, wanted: tuple[int, int]) -> None:
    if (shape := shard.specs[PREFIX + module + end].shape) != wanted:
        raise UserError(
            f"{shard.path}: tensor {PREFIX}{module}{end} has shape {list(shape)}, this model asks for {list(wanted)}"
        )


def _plain(shard: shards.Shard, module: str, part: tuple[int, ...], scale: Scale) -> Pair:
    """The pair of a linear that has keys of its own."""
    (d_out, d_in), rank = part, _matrices(shard, module)[0][0]
    _need(shard, module, A, (rank, d_in))
    _need(shard, module, B, (d_out, rank))

    def read() -> tuple[np.ndarray, np.ndarray]:
        return tuple(shard.read(PREFIX + module + end).astype(np.float32) for end in (A, B))

    return Pair(rank, scale(module, rank), read)


def _fused(shard: shards.Shard, module: str, layer: int, cfg: ModelConfig, scale: Scale) -> Iterator[tuple]:
    """(released name, pair) of every expert's matrix that a fused module adapts."""
    experts, d, f = cfg.n_routed_experts, cfg.hidden_size, cfg.moe_intermediate_size
    (rows, d_in), (d_out, _) = _matrices(shard, module)
    if rows % experts:
        raise UserError(f"{shard.path}: {PREFIX}{module}{A} has {rows} rows, which {experts} experts do not share")
    gate_up = module.endswith(".base_layer") or (d_in, d_out) == (d, 2 * f)
    rank, parameter = rows // experts, "gate_up_proj" if gate_up else "down_proj"
    _need(shard, module, A, (rows, d if gate_up else f))
    _need(shard, module, B, (2 * f if gate_up else d, rows))
    parent = f"model.layers.{layer}.mlp.experts"
    factor = scale(f"{parent}.{parameter}", rank)
    a, b = (shard.read(PREFIX + module + end) for end in (A, B))
    half = rank // 2
    # Gate and up of rank r each, side by side in rank 2 r: as `checkpoint.peft` writes them.
    apart = gate_up and rank % 2 == 0 and not (b[:f, half * experts :].any() or b[f:, : half * experts].any())
    kinds = (
        {"gate_proj": (slice(0, f), 0), "up_proj": (slice(f, 2 * f), half)} if gate_up else {"down_proj": (slice(d), 0)}
    )
    for kind, (out, first) in kinds.items():
        ranks = slice(first, first + half) if apart else slice(rank)

        def read(expert: int, out: slice = out, ranks: slice = ranks) -> tuple[np.ndarray, np.ndarray]:
            own_a, own_b = a[expert * rank : (expert + 1) * rank][ranks], b[out, expert::experts][:, ranks]
            return own_a.astype(np.float32), own_b.astype(np.float32)

        for expert in range(experts):
            name = f"{parent}.{expert}.{kind}.weight"
            yield name, Pair(half if apart else rank, factor, lambda e=expert, read=read: read(e))


def _check_base(folder: Path, manifest: Mapping, base_sha: str | None) -> None:
    trained_on = manifest.get("base_sha")
    if base_sha is not None and trained_on is not None and trained_on != base_sha:
        raise UserError(
            f"{folder} was trained on another base (sha256 {trained_on[:12]}…, this one is {base_sha[:12]}…); "
            "load it with the base that it was trained on"
        )


def _check_complete(path: Path, pairs: Mapping, cfg: ModelConfig, config: dict, manifest: Mapping) -> None:
    """Raise `UserError` for a linear that some layers or experts have and others lack, though nothing says so.

    An adapter of ours has all that its manifest names. Of others, a kind of linear may be absent altogether, and some
    of it may be where the settings do not target it.
    """
    promised = manifest.get("lora", {}).get("linears", ())
    kinds: dict[str, list[Entry]] = {}  # one linear of dense and of MoE layers is one kind
    for entry in adapted(cfg, TARGETS):
        kinds.setdefault(entry.template, []).append(entry)
    for entries in kinds.values():
        some = any(theirs in pairs for entry in entries for _, theirs in entry.tensors())
        for entry in entries:
            for name in (theirs for _, theirs in entry.tensors() if theirs not in pairs):
                module = name.removesuffix(".weight")
                if entry.name in promised or (some and peft_settings.targeted(config, module)):
                    raise UserError(
                        f"{path}: tensor {PREFIX}{module}{A} is missing, though others of its kind are there"
                    )
