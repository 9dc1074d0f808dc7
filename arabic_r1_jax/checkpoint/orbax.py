"""Our checkpoint folder: config.json, tokenizer files, params/ (Orbax), extra/ (carried tensors), manifest.json.

params/ is one Orbax PyTree checkpoint, OCDBT, uncompressed: a flat dict of the dotted names of `weight_map`, layers
stacked, so it restores straight onto any mesh. (Compressing costs four times the CPU time for 22% of the size.)
manifest.json says dtype and shape of every parameter, the size of every weight file, and the base's hash; without it
the folder is not finished. extra/ holds what the model does not run (MTP layers), as safetensors under released names.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import hf, shards, weight_map
from arabic_r1_jax.checkpoint.shards import CODES, DTYPES, Spec
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig

KIND, PARAMS, EXTRA = "orbax", "params", "extra"


def _handler() -> ocp.PyTreeCheckpointHandler:
    return ocp.PyTreeCheckpointHandler(use_ocdbt=True, use_compression=False)


def save(folder: Path, params: Mapping[str, np.ndarray | jax.Array]) -> None:
    """Write `params` as `folder`/params; returns when it is on disk. The caller stages the folder."""
    with ocp.Checkpointer(_handler()) as checkpointer:
        checkpointer.save(Path(folder).absolute() / PARAMS, args=ocp.args.PyTreeSave(dict(params)))


def finish(folder: Path, params: Mapping[str, np.ndarray | jax.Array], **fields: object) -> None:
    """Write the manifest: the last file of the folder, which makes it a checkpoint."""
    table = {name: [CODES[np.dtype(array.dtype)], list(array.shape)] for name, array in params.items()}
    weights = [path for part in (PARAMS, EXTRA) for path in sorted((folder / part).rglob("*")) if path.is_file()]
    files = {str(path.relative_to(folder)): path.stat().st_size for path in weights}
    artifacts.write_manifest(folder, KIND, params=table, files=files, **fields)


def read_manifest(folder: Path) -> dict:
    """The manifest of a finished Orbax folder, its files counted.

    Raises `UserError` when the folder is none of ours, or a file has gone or changed its size since it was written.
    """
    manifest = artifacts.read_manifest(folder)
    if manifest is None or manifest.get("kind") != KIND:
        raise UserError(f"{folder} is not a finished Orbax checkpoint of this program (manifest.json of kind {KIND!r})")
    for key in ("params", "files", "base_sha"):
        if not manifest.get(key):
            raise UserError(f'{folder / artifacts.MANIFEST} has no "{key}"; it is damaged, convert again')
    for name, size in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing, but {folder / artifacts.MANIFEST} lists it; convert again")
        if path.stat().st_size != size:
            raise UserError(f"{path} has {path.stat().st_size} bytes instead of {size}; it is damaged, convert again")
    return manifest


def specs(manifest: dict) -> dict[str, Spec]:
    """dtype and shape of every parameter, by our names."""
    return {name: Spec(DTYPES[code], tuple(shape)) for name, (code, shape) in manifest["params"].items()}


def restore(folder: Path, like: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, jax.Array]:
    """Restore parameters onto the shardings and dtypes of `like`; each process reads its own slices only."""
    arguments = {name: ocp.ArrayRestoreArgs(dtype=leaf.dtype, sharding=leaf.sharding) for name, leaf in like.items()}
    return _restore(folder, dict(like), arguments)


def read_params(folder: Path, manifest: dict) -> dict[str, np.ndarray]:
    """All parameters as numpy arrays in host memory, as stored."""
    arguments = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in manifest["params"]}
    return _restore(folder, dict.fromkeys(arguments, 0), arguments)


def _restore(folder: Path, item: dict, arguments: dict) -> dict:
    path = Path(folder).absolute() / PARAMS
    try:
        with ocp.Checkpointer(_handler()) as checkpointer:
            return checkpointer.restore(path, args=ocp.args.PyTreeRestore(item=item, restore_args=arguments))
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{path} cannot be restored, it is damaged; convert again ({str(error)[:80]!r})") from error


def open_folder(folder: Path) -> hf.Tensors:
    """An Orbax folder seen as released tensors, extra ones included: the reading side of the export.

    Holds all parameters in host memory. Raises `UserError` when the folder is damaged or config.json contradicts it.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    config = hf.read_config(folder)
    cfg = ModelConfig.from_hf(config, str(folder / "config.json"))
    check(folder, specs(manifest), cfg)
    arrays = weight_map.unstacked(cfg, read_params(folder, manifest))
    if (folder / EXTRA).is_dir():
        extra, read = hf.open_weights(folder / EXTRA)
        arrays.update({name: read(name) for name in extra})
    return hf.Tensors(folder, config, shards.specs_of(arrays), arrays.__getitem__)


def check(folder: Path, found: Mapping[str, Spec], cfg: ModelConfig) -> None:
    """Raise `UserError` unless the manifest's parameters are those of config.json's model."""
    wanted = {name: entry.shape for name, entry in weight_map.entries(cfg).items()}
    for name in sorted(wanted.keys() | found.keys()):
        have, want = found[name].shape if name in found else None, wanted.get(name)
        if have != want:
            raise UserError(f"{folder}: {name} is {have or 'absent'}, but config.json asks for {want or 'none'}")
