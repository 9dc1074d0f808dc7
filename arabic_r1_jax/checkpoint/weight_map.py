"""The one table of weight names, ours and Hugging Face's, read in both directions.

Ours are the dotted parameter paths of `model.transformer`: one array for all layers of a block, layer axis first,
then for routed experts the expert axis. Theirs are the released names, one tensor a layer (and an expert):

    moe.attn.q_a.weight [L, Cq, D]    <->  model.layers.{layer}.self_attn.q_a_proj.weight [Cq, D]
    experts.gate.weight [L, E, F, D]  <->  model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight [F, D]

`entries(cfg)` unrolls the table for one model. Conversion walks it one way, export the other, `load` reads by it,
and the PEFT adapter takes its module names from it. Sources of the names: deepseek-ai/DeepSeek-V2-Lite and
DeepSeek-V3 on the hub; transformers 5.24 writes the same ones.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import FP8_BLOCK, ModelConfig


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table; `{block}` stands for `dense` and `moe`."""

    ours: str
    theirs: str
    shape: str  # axes of one released tensor, as named in `axis_sizes`
    lora: str | None = None  # the `LoraConfig.targets` word that adapts it; only linears have one


_ATTN, _MLP = "model.layers.{layer}.self_attn", "model.layers.{layer}.mlp"

TABLE = (
    Row("embed.weight", "model.embed_tokens.weight", "V D"),
    Row("norm.weight", "model.norm.weight", "D"),
    Row("head.weight", "lm_head.weight", "Vhead D"),
    Row("{block}.input_norm.weight", "model.layers.{layer}.input_layernorm.weight", "D"),
    Row("{block}.post_norm.weight", "model.layers.{layer}.post_attention_layernorm.weight", "D"),
    Row("{block}.attn.q.weight", f"{_ATTN}.q_proj.weight", "Qdirect D", "attention"),
    Row("{block}.attn.q_a.weight", f"{_ATTN}.q_a_proj.weight", "Cq D", "attention"),
    Row("{block}.attn.q_a_norm.weight", f"{_ATTN}.q_a_layernorm.weight", "Cq"),
    Row("{block}.attn.q_b.weight", f"{_ATTN}.q_b_proj.weight", "Q Cq", "attention"),
    Row("{block}.attn.kv_a.weight", f"{_ATTN}.kv_a_proj_with_mqa.weight", "C+R D", "attention"),
    Row("{block}.attn.kv_a_norm.weight", f"{_ATTN}.kv_a_layernorm.weight", "C"),
    Row("{block}.attn.kv_b.weight", f"{_ATTN}.kv_b_proj.weight", "KV C", "attention"),
    Row("{block}.attn.o.weight", f"{_ATTN}.o_proj.weight", "D O", "attention"),
    Row("dense.mlp.gate.weight", f"{_MLP}.gate_proj.weight", "I D", "dense"),
    Row("dense.mlp.up.weight", f"{_MLP}.up_proj.weight", "I D", "dense"),
    Row("dense.mlp.down.weight", f"{_MLP}.down_proj.weight", "D I", "dense"),
    Row("moe.router.weight", f"{_MLP}.gate.weight", "E D"),
    Row("moe.router.bias", f"{_MLP}.gate.e_score_correction_bias", "Ebias"),
    Row("moe.shared.gate.weight", f"{_MLP}.shared_experts.gate_proj.weight", "SF D", "shared"),
    Row("moe.shared.up.weight", f"{_MLP}.shared_experts.up_proj.weight", "SF D", "shared"),
    Row("moe.shared.down.weight", f"{_MLP}.shared_experts.down_proj.weight", "D SF", "shared"),
    Row("experts.gate.weight", f"{_MLP}.experts.{{expert}}.gate_proj.weight", "F D", "experts"),
    Row("experts.up.weight", f"{_MLP}.experts.{{expert}}.up_proj.weight", "F D", "experts"),
    Row("experts.down.weight", f"{_MLP}.experts.{{expert}}.down_proj.weight", "D F", "experts"),
)

SCALE = "_scale_inv"  # behind an FP8 weight's released name: the factor of each block (DeepSeek-V3, README_WEIGHTS.md)

# A layer past the last one is multi-token prediction when it has one of these; all its tensors are carried through.
_MTP = re.compile(r"\.(eh_proj|enorm|hnorm|embed_tokens|shared_head)\b")
# Buffers that old releases saved and nothing reads: transformers computes them anew.
_BUFFER = re.compile(r"\.rotary_emb\.(inv_freq|cos_cached|sin_cached)$")


# Any layer's linear, those of MTP layers included.
_LINEAR = re.compile(
    "|".join(
        re.escape(row.theirs).replace(r"\{layer\}", r"\d+").replace(r"\{expert\}", r"\d+") for row in TABLE if row.lora
    )
)


def is_linear(name: str) -> bool:
    """Whether a released tensor is the weight of a linear that DeepSeek's FP8 form quantises."""
    return _LINEAR.fullmatch(name) is not None


def axis_sizes(cfg: ModelConfig) -> dict[str, int]:
    """Sizes of the table's axes for one model; a size of 0 says that this variant has no such tensor."""
    q = cfg.num_attention_heads * (cfg.qk_nope_head_dim + cfg.qk_rope_head_dim)
    return {
        "V": cfg.vocab_size,
        "Vhead": 0 if cfg.tie_word_embeddings else cfg.vocab_size,
        "D": cfg.hidden_size,
        "I": cfg.intermediate_size,
        "F": cfg.moe_intermediate_size,
        "SF": cfg.n_shared_experts * cfg.moe_intermediate_size,
        "E": cfg.n_routed_experts,
        "Ebias": cfg.n_routed_experts if cfg.router.scoring == "sigmoid_bias" else 0,
        "Q": q,
        "Qdirect": q if cfg.q_lora_rank is None else 0,
        "Cq": cfg.q_lora_rank or 0,
        "C": cfg.kv_lora_rank,
        "C+R": cfg.kv_lora_rank + cfg.qk_rope_head_dim,
        "KV": cfg.num_attention_heads * (cfg.qk_nope_head_dim + cfg.v_head_dim),
        "O": cfg.num_attention_heads * cfg.v_head_dim,
    }


@dataclasses.dataclass(frozen=True)
class Entry:
    """One of our arrays and the released tensors that it stacks."""

    name: str  # our dotted path
    template: str  # their name, with {layer} and {expert}
    stack: tuple[int, ...]  # leading axes: (), (L,) or (L, E)
    part: tuple[int, ...]  # shape of one released tensor
    first_layer: int  # the released number of layer 0 of this block
    lora: str | None  # the `LoraConfig.targets` word that adapts it, None for what is never adapted

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of our array."""
        return self.stack + self.part

    def theirs(self, index: tuple[int, ...]) -> str:
        """The released name at an index into the leading axes."""
        layer, expert = (*index, 0, 0)[:2]
        return self.template.format(layer=self.first_layer + layer, expert=expert)

    def tensors(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Every (index, released name), first axis slowest."""
        return ((index, self.theirs(index)) for index in np.ndindex(*self.stack))


def entries(cfg: ModelConfig) -> dict[str, Entry]:
    """The table unrolled for one model, by our names."""
    size = axis_sizes(cfg)
    dense = min(cfg.first_k_dense_replace, cfg.num_hidden_layers)
    blocks = {"dense": (0, dense), "moe": (dense, cfg.num_hidden_layers - dense)}
    found = {}
    for row in TABLE:
        part = tuple(size[axis] for axis in row.shape.split())
        for block in ("dense", "moe") if "{block}" in row.ours else (row.ours.split(".")[0],):
            first, layers = blocks["moe" if block == "experts" else block] if "{layer}" in row.theirs else (0, 1)
            if layers == 0 or 0 in part:
                continue
            stack = (layers,) * ("{layer}" in row.theirs) + (size["E"],) * ("{expert}" in row.theirs)
            name = row.ours.format(block=block)
            found[name] = Entry(name, row.theirs, stack, part, first, row.lora)
            if cfg.fp8 and row.lora:
                scale = name.removesuffix("weight") + "scale"
                found[scale] = Entry(scale, row.theirs + SCALE, stack, blocks_of(part), first, None)
    return found


def blocks_of(part: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the scales of an FP8 matrix: one for each block, those at the edges partial."""
    return tuple(-(-size // FP8_BLOCK) for size in part)


def after_cast(name: str, stored: np.dtype, wanted: np.dtype | None) -> np.dtype:
    """The dtype of one of our arrays when a model is cast to `wanted` (None: not cast).

    The router is never narrowed: transformers 5.24 keeps it in float32 in every family. Scales of FP8 never change.
    """
    if name.endswith(".scale"):
        return stored
    narrowed = wanted is not None and wanted.itemsize < stored.itemsize
    return stored if wanted is None or (narrowed and name.startswith("moe.router.")) else wanted


def check(specs: Mapping[str, Spec], cfg: ModelConfig, where: Path) -> list[str]:
    """Compare a folder's released tensors with the table; returns the names to carry through untouched.

    Raises `UserError` naming the tensor: missing, of another shape or an unsupported dtype, of another dtype than
    the rest of its stack, or unknown. Carried are MTP layers (numbers from `num_hidden_layers` on), buffers that
    nothing reads, and the head that a model with tied embeddings may bring and does not use.
    """
    known = set()
    for entry in entries(cfg).values():
        dtypes = {}
        for _, name in entry.tensors():
            known.add(name)
            _check_tensor(name, specs.get(name), entry, cfg.fp8, where)
            dtypes.setdefault(specs[name].dtype, name)
        if len(dtypes) > 1:
            (one, first), (two, second) = list(dtypes.items())[:2]
            raise UserError(f"{where}: {first} is {one} but {second} is {two}; a stack of layers has one dtype")
    extra = [name for name in specs if name not in known]
    _check_extra(extra, cfg, where)
    return extra


_PLAIN = ("float32", "bfloat16", "float16")


def _check_tensor(name: str, spec: Spec | None, entry: Entry, fp8: bool, where: Path) -> None:
    if spec is None:
        raise UserError(f"{where}: tensor {name} is missing; fetch the checkpoint again or correct its config.json")
    if spec.shape != entry.part:
        raise UserError(f"{where}: tensor {name} has shape {list(spec.shape)}, config.json asks for {list(entry.part)}")
    wanted = _PLAIN
    if fp8 and entry.lora:
        wanted = ("float8_e4m3fn",)
    elif name.endswith(SCALE):
        wanted = ("float32",)
    if spec.dtype.name not in wanted:
        known = "config.json says that it is FP8" if fp8 else "config.json has no quantization_config"
        raise UserError(f"{where}: tensor {name} is {spec.dtype}, not {' or '.join(wanted)} ({known})")


def _check_extra(extra: list[str], cfg: ModelConfig, where: Path) -> None:
    """Raise `UserError` for a tensor that is neither of an MTP layer, nor a buffer, nor the copy of a tied head."""
    layers: dict[int, list[str]] = {}
    for name in extra:
        match = re.match(r"model\.layers\.(\d+)\.", name)
        if match and int(match[1]) >= cfg.num_hidden_layers:
            layers.setdefault(int(match[1]), []).append(name)
        elif not (_BUFFER.search(name) or (cfg.tie_word_embeddings and name == "lm_head.weight")):
            raise UserError(f"{where}: tensor {name} is unknown in a {cfg.family} model of this config.json")
    for layer, names in layers.items():
        if not any(_MTP.search(name) for name in names):
            raise UserError(
                f"{where}: tensor {names[0]} belongs to layer {layer}, which is no MTP layer, but config.json "
                f"says num_hidden_layers {cfg.num_hidden_layers}; correct it"
            )


def stack(
    entry: Entry,
    read: Callable[[str], np.ndarray],
    window: tuple[slice, ...] | None = None,
    dtype: np.dtype | None = None,
) -> np.ndarray:
    """Build our array from released tensors, reading only what `window` (default: all) touches.

    `read` maps a released name to its array (a view into the file will do); `dtype` casts (default: as stored).
    A device's shard of an expert stack is one window, so each process reads its own experts only.
    """
    window = window or (slice(None),) * len(entry.shape)
    chosen = [range(size)[cut] for size, cut in zip(entry.shape, window, strict=True)]
    lead, inner = chosen[: len(entry.stack)], window[len(entry.stack) :]
    out = None
    for position in np.ndindex(*map(len, lead)):
        part = read(entry.theirs(tuple(axis[i] for axis, i in zip(lead, position, strict=True))))
        if out is None:
            out = np.empty([len(axis) for axis in chosen], dtype or part.dtype)
        out[position] = part[inner]
    assert out is not None, f"empty window of {entry.name}"
    return out
