"""An adapter laid out anew: another layout of the experts, checked against what a server would silently drop.

What a server cannot apply is one table. Sources: vLLM models/deepseek_v2.py, lora/peft_helper.py and
lora/model_manager.py; SGLang lora/ and its pull request 25001; peft 0.21.2.
"""

import dataclasses
from pathlib import Path

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import hf, peft
from arabic_r1_jax.checkpoint.peft_read import open_adapters
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig, RopeConfig, RouterConfig
from arabic_r1_jax.model.lora import TARGETS
from arabic_r1_jax.paths import as_path


@dataclasses.dataclass(frozen=True)
class Server:
    """What one server takes."""

    layouts: dict[str, str]  # a layout that it does not take -> why
    modules: dict[str, str]  # the end of a linear's released name that it does not apply -> why


_NO_FUSED = "its DeepSeek model packs the experts from keys of each expert"
SERVERS = {
    "transformers": Server({}, {}),
    "vllm": Server(
        {"fused": _NO_FUSED},
        {"kv_b_proj.weight": "its attention absorbs that matrix into others and never calls the adapted module"},
    ),
    "sglang": Server({"fused": _NO_FUSED}, {}),
}


def relay(
    adapter: Path, dst: Path, layout: str = "per-expert", serve_target: str | None = None, base: Path | None = None
) -> dict:
    """Write `adapter` (any PEFT LoRA of a DeepSeek model) to `dst` in a layout, checked for a server if one is named.

    base: the model's folder, of which config.json is read; needed when the adapter was not made here. Returns
    {"tensors", "parameters", "max_rank", "alpha_over_r"}. Raises `UserError` when the server would drop a part of it,
    naming that part; nothing is left out.
    """
    cfg = _model_of(as_path(adapter), base)
    found = open_adapters(adapter, cfg)
    lora, pair = peft.normalised(found, cfg)
    linears = [
        entry
        for entry in peft.adapted(cfg, TARGETS)
        # PEFT drops experts of which gate and up are adapted and down is not, so zeros complete them.
        if ("experts" in lora.targets and entry.lora == "experts")
        or any(theirs in found.pairs for _, theirs in entry.tensors())
    ]
    if serve_target is not None:
        check_served(serve_target, layout, list(found.pairs))
    kept = {key: found.manifest[key] for key in ("base_sha", "prefix") if key in found.manifest}
    peft.write_adapter(dst, cfg, lora, linears, pair, layout, {**kept, "source": str(adapter)})
    covered = {theirs for entry in linears for _, theirs in entry.tensors()}
    assert found.pairs.keys() <= covered, f"dropped: {sorted(found.pairs.keys() - covered)[:4]}"
    config = artifacts.read_json(as_path(dst) / peft.CONFIG)
    return {
        **artifacts.read_manifest(dst)["counts"],
        "max_rank": max([config["r"], *config["rank_pattern"].values()]),
        "alpha_over_r": lora.scale,
    }


def check_served(serve_target: str, layout: str, names: list[str]) -> None:
    """Raise `UserError` when a server takes neither the layout nor every adapted linear, by released names."""
    server = SERVERS[serve_target]
    advice = "merge the adapter (convert merge) and serve that"
    if layout in server.layouts:
        raise UserError(f"{serve_target} does not take the {layout} layout: {server.layouts[layout]}; use per-expert")
    for name in names:
        for end, why in server.modules.items():
            if name.endswith(end):
                raise UserError(f"{serve_target} would silently drop the adapter of {name}: {why}; {advice}")


def _model_of(adapter: Path, base: Path | None) -> ModelConfig:
    """The model that an adapter belongs to: `base`'s, or the one that its manifest remembers."""
    if base is not None:
        return ModelConfig.from_hf(hf.read_config(base), str(as_path(base) / "config.json"))
    known = (artifacts.read_manifest(adapter) or {}).get("model")
    if known is None:
        raise UserError(f"{adapter} does not say which model it belongs to; name that model's folder with --base")
    rope, router = RopeConfig(**known["rope"]), RouterConfig(**known["router"])
    return ModelConfig(**{**known, "rope": rope, "router": router})
