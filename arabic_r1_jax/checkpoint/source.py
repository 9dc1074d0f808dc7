"""A model folder of either kind, Hugging Face or Orbax: which it is, its released tensors, its identity.

Used by `load` and `convert`. A folder is known by manifest.json (ours) or else by config.json (Hugging Face's).
"""

from pathlib import Path

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import hf, hub, identity, orbax, peft, weight_map
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.paths import as_path


def kind(path: Path) -> str:
    """ "hf" or "orbax", by manifest.json or else config.json; raises `UserError` for any other folder."""
    path = as_path(path)
    if not path.is_dir():
        raise UserError(f"{path} does not exist or is no folder; name a model folder (Hugging Face or Orbax)")
    manifest = artifacts.read_manifest(path)
    artifacts.check_finished(path)
    found = manifest["kind"] if manifest else None
    found = found or ("hf" if (path / "config.json").is_file() else None)
    if found == peft.KIND or (path / peft.CONFIG).is_file():
        raise UserError(f"{path} holds an adapter, not a model; name its base as the model and this as the adapter")
    if found not in ("hf", orbax.KIND):
        raise UserError(f"{path} holds no model: neither an Orbax manifest.json nor a Hugging Face config.json")
    return found


def open_any(path: str | Path) -> hf.Tensors:
    """A folder of either kind or a repository of the Hub as released tensors, not checked against config.json."""
    if hub.is_hub_id(path):
        return hub.open_repository(path)
    folder = as_path(path)
    return orbax.open_folder(folder) if kind(folder) == orbax.KIND else hf.open_folder(folder)


def open_folder(path: Path) -> tuple[hf.Tensors, ModelConfig]:
    """A model folder of either kind as released tensors, checked against its config.json."""
    source = open_any(path)
    cfg = ModelConfig.from_hf(source.config, str(source.folder / "config.json"))
    weight_map.check(source.specs, cfg, path)
    return source, cfg


def base_sha(path: Path) -> str:
    """The identity of a base (`checkpoint.identity`): an Orbax folder carries it, a Hugging Face one is read for it."""
    if kind(path) == orbax.KIND:
        return orbax.read_manifest(as_path(path))["base_sha"]
    source, cfg = open_folder(path)
    return identity.base_sha(cfg, source.read)
