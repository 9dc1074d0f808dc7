"""The hyper-parameters that DeepSeek published, by name: a model's shape without its weights.

configs/model/NAME.json is that model's config.json, cut to what decides shapes and numbers.
"""

import json
from pathlib import Path

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.packaged import packaged


def names() -> list[str]:
    """The models whose hyper-parameters come with the package."""
    return sorted(path.stem for path in packaged("model").glob("*.json"))


def published(name: str) -> ModelConfig:
    """A published model's configuration; raises `UserError` that lists the names for any other."""
    if name not in names():
        raise UserError(f"{name!r} is no published model; choose from {', '.join(names())}, or name a folder")
    path: Path = packaged("model") / f"{name}.json"
    return ModelConfig.from_hf(json.loads(path.read_text(encoding="utf-8")), str(path))
