"""adapter_config.json of PEFT: what is refused, which linears it targets, and each one's scale by PEFT's own rules.

`read` gives the checked JSON object, which `scale` and `targeted` take. Rules: peft 0.21.2, tuners/tuners_utils.py
(check_target_module_exists, _inject_parameters) and utils/other.py (get_pattern_key).
"""

import json
import math
import re
from pathlib import Path

from arabic_r1_jax import artifacts
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.paths import as_path

CONFIG = "adapter_config.json"

_LEARNT_ELSEWHERE = "it changes the base's weights, which B A added to the released ones does not"
# What would change the numbers: key -> (values that do not, why others are refused).
_REFUSED: dict[str, tuple[tuple, str]] = {
    "peft_type": (("LORA",), "only LoRA is computed"),
    "use_dora": ((False,), "DoRA also rescales the base's weights; merge it with PEFT, or train without it"),
    "bias": (("none",), "the biases that it trains have no place in the model; train with bias none"),
    "lora_bias": ((False,), "biases have no place in the model; train without"),
    "fan_in_fan_out": ((False,), "the model's linears are stored [out, in]"),
    "init_lora_weights": ((True, False, "gaussian", "orthogonal", "eva"), _LEARNT_ELSEWHERE),
    "use_qalora": ((False,), "QA-LoRA pools the input first; only plain LoRA is computed"),
    "modules_to_save": ((), "whole modules are not adapters; merge them into the base with PEFT"),
    "trainable_token_indices": ((), "the embedding stays frozen; merge it into the base with PEFT"),
    "layer_replication": ((), "the model has its released layers only"),
    "loftq_config": ((), _LEARNT_ELSEWHERE),
    "kasa_config": ((), _LEARNT_ELSEWHERE),
    "alora_invocation_tokens": ((), "aLoRA is switched on by tokens; only plain LoRA is computed"),
    "use_bdlora": ((False,), "only plain LoRA is computed"),
    "arrow_config": ((), "Arrow mixes adapters token by token; only plain LoRA is computed"),
}


def read(folder: Path) -> dict:
    """The adapter_config.json of a folder; raises `UserError` for what is malformed, or is more than plain LoRA."""
    path = as_path(folder) / CONFIG
    if not path.is_file():
        raise UserError(f"{folder} holds no {CONFIG}; name an adapter folder, such as adapter/ of a training run")
    artifacts.check_finished(path.parent)
    config = artifacts.read_json(path)
    if not isinstance(config, dict):
        raise UserError(f"{path} is not a JSON object")
    for key, (same, why) in _REFUSED.items():
        if (value := config.get(key)) not in (*same, None, [], {}):
            raise UserError(f'{path}: "{key}" is {json.dumps(value)}: {why}')
    for key in ("r", "lora_alpha"):
        if not _positive(config.get(key)):
            raise UserError(f'{path}: "{key}" is {config.get(key)!r}; it must be a number above 0')
    _check_tables(path, config)
    return config


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _words(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(word, str) for word in value))


def _check_tables(path: Path, config: dict) -> None:
    """Types of the keys that `scale` and `targeted` read, and that their patterns are patterns."""
    for key in ("rank_pattern", "alpha_pattern"):
        table = config.get(key) or {}
        if not isinstance(table, dict) or not all(map(_positive, table.values())):
            raise UserError(f'{path}: "{key}" is {table!r}; it must map patterns to numbers above 0')
        for pattern in table:
            _check_pattern(path, key, pattern)
    for key in ("target_modules", "target_parameters", "exclude_modules", "layers_pattern"):
        value = config.get(key) or []
        if not _words(value) or (key == "target_parameters" and isinstance(value, str)):
            raise UserError(f'{path}: "{key}" is {value!r}; it must be a list of names')
        for pattern in [value] if isinstance(value, str) else value if key == "layers_pattern" else []:
            _check_pattern(path, key, pattern)
    layers = config.get("layers_to_transform")
    if not all(type(layer) is int for layer in (layers if isinstance(layers, list) else [layers or 0])):
        raise UserError(f'{path}: "layers_to_transform" is {layers!r}; it must be a layer number or a list of them')


def _check_pattern(path: Path, key: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise UserError(f'{path}: "{key}" has the pattern {pattern!r}, which is no regex: {error}') from None


def _names(module: str) -> tuple[str, str]:
    """A linear's names in PEFT: as a parameter of two axes, and as a module."""
    return f"{module}.weight", module


def _number(config: dict, table: str, default: str, module: str) -> float:
    """Of the first pattern that matches the end of a module's name, else the global one."""
    for pattern, value in (config.get(table) or {}).items():
        if any(re.match(rf"(.*\.)?({pattern})$", name) for name in _names(module)):
            return value
    return config[default]


def scale(path: Path, config: dict, module: str, rank: int) -> float:
    """What a module's B A is multiplied by: alpha / r, or alpha / sqrt(r) with rsLoRA.

    module: a linear, or a fused parameter such as `...mlp.experts.down_proj`; rank: what its tensors have. Raises
    `UserError` when the settings give it another one.
    """
    if (r := _number(config, "rank_pattern", "r", module)) != rank:
        raise UserError(f"{path}: {module} has rank {rank} in the weights and {r} in {CONFIG}")
    return _number(config, "alpha_pattern", "lora_alpha", module) / (rank**0.5 if config.get("use_rslora") else rank)


def _listed(name: str, words: list[str]) -> bool:
    return any(name == word or name.endswith(f".{word}") for word in words)


def targeted(config: dict, module: str) -> bool:
    """Whether the settings ask for a released linear, which for an expert's may be by its fused parameter."""
    fused = re.sub(r"\.experts\.\d+\.(?:gate|up)_proj$", ".experts.gate_up_proj", module)
    fused = re.sub(r"\.experts\.\d+\.down_proj$", ".experts.down_proj", fused)
    if any(_listed(name, config.get("target_parameters") or []) for name in (*_names(module), fused)):
        return True
    words, excluded = config.get("target_modules"), config.get("exclude_modules") or []
    if words is None:
        return not config.get("target_parameters") and _in_layers(config, module)
    if re.fullmatch(excluded, module) if isinstance(excluded, str) else _listed(module, excluded):
        return False
    if isinstance(words, str):
        return words == "all-linear" or re.fullmatch(words, module) is not None
    return _listed(module, words) and _in_layers(config, module)


def _in_layers(config: dict, module: str) -> bool:
    """Whether `layers_to_transform` leaves this module's layer in."""
    layers, patterns = config.get("layers_to_transform"), config.get("layers_pattern") or [r"[^.]*"]
    if layers is None or layers == []:
        return True
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if match := re.match(rf"(?:^|.*?\.){pattern}\.(\d+)\.", module):
            return int(match[1]) in (layers if isinstance(layers, list) else [layers])
    return False
