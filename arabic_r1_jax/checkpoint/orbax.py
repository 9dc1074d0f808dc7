"""Our checkpoint folder: config.json, tokenizer files, params/ (Orbax), extra/ (carried tensors), manifest.json.

params/ is one Orbax PyTree checkpoint of uncompressed zarr3 arrays: a flat dict of the dotted names of `weight_map`,
layers stacked, so it restores straight onto any mesh. Each released tensor is a chunk of its stack and a file of its
own (several, above `CHUNK_BYTES`):

    params/experts.gate.weight/c/{layer}/{expert}/{rows}/0

so a conversion writes tensor by tensor in any order and holds one at a time, and a process reads the files of its own
experts only. manifest.json says dtype and shape of every parameter, the size of every weight file, and the base's
hash; without it the folder is not finished. extra/ holds what the model does not run (MTP layers), as safetensors
under released names.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import hf, weight_map
from arabic_r1_jax.checkpoint.shards import CODES, DTYPES, Spec
from arabic_r1_jax.checkpoint.weight_map import Entry
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.paths import as_path, ranges, sizes

KIND, PARAMS, EXTRA = "orbax", "params", "extra"
CHUNK_BYTES = 64 << 20  # a reader takes whole chunks: large enough for a disk, small enough beside a layer


def _handler() -> ocp.PyTreeCheckpointHandler:
    return ocp.PyTreeCheckpointHandler(use_ocdbt=False, use_zarr3=True, use_compression=False)


def _rows(part: tuple[int, ...], dtype: np.dtype) -> int:
    """How many rows of a released tensor one chunk holds."""
    row = math.prod(part[1:]) * dtype.itemsize
    return max(1, min(part[0], CHUNK_BYTES // row))


def create(folder: Path, arrays: Mapping[str, tuple[Entry, np.dtype]]) -> None:
    """Make `folder`/params with the metadata of every array and no data; `write_tensor` fills it.

    The files are those of Orbax 0.12's PyTree handler without OCDBT, and of the zarr 3 specification.
    """
    params = folder / PARAMS
    params.mkdir(exist_ok=True)
    tree = {}
    for name, (entry, dtype) in arrays.items():
        chunk = (1,) * len(entry.stack) + (_rows(entry.part, dtype), *entry.part[1:])
        (params / name).mkdir(exist_ok=True)
        (params / name / "zarr.json").write_text(json.dumps(_zarr(entry.shape, chunk, dtype)))
        tree[str((name,))] = {
            "key_metadata": [{"key": name, "key_type": 2}],
            "value_metadata": {"value_type": "np.ndarray", "skip_deserialize": False},
        }
    flags = {"use_ocdbt": False, "use_zarr3": True, "store_array_data_equal_to_fill_value": True}
    (params / "_METADATA").write_text(json.dumps({"tree_metadata": tree, **flags, "custom_metadata": None}))


def _zarr(shape: tuple[int, ...], chunk: tuple[int, ...], dtype: np.dtype) -> dict:
    """zarr.json of an uncompressed array."""
    order = {"configuration": {"endian": "little"}} if dtype.itemsize > 1 else {}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default"},
        "codecs": [{"name": "bytes", **order}],
        "fill_value": 0.0,
    }


def _chunks(folder: Path, entry: Entry, dtype: np.dtype, index: tuple[int, ...]) -> list[tuple[int, Path]]:
    """(first row, file) of every chunk of one released tensor."""
    place = folder / PARAMS / entry.name / "c" / "/".join(map(str, index))
    inner = ["0"] * (len(entry.part) - 1)
    rows = _rows(entry.part, dtype)
    return [(row, place.joinpath(str(row // rows), *inner)) for row in range(0, entry.part[0], rows)]


def write_tensor(folder: Path, entry: Entry, index: tuple[int, ...], values: np.ndarray) -> None:
    """Write one released tensor, `values` [*entry.part], to its place in the stack."""
    rows = _rows(entry.part, values.dtype)
    for start, path in _chunks(folder, entry, values.dtype, index):
        part = np.ascontiguousarray(values[start : start + rows])
        path.parent.mkdir(parents=True, exist_ok=True)
        with artifacts.atomic(path) as file:
            file.write(part.reshape(-1).view(np.uint8))
            file.write(bytes((rows - len(part)) * math.prod(part.shape[1:]) * part.itemsize))  # zarr's chunks are whole


def is_written(there: Mapping[str, int], entry: Entry, dtype: np.dtype, index: tuple[int, ...]) -> bool:
    """Whether `write_tensor` has been there: it leaves whole files only. there: `paths.sizes` of the folder."""
    size = _rows(entry.part, dtype) * math.prod(entry.part[1:]) * dtype.itemsize
    return all(there.get(str(path)) == size for _, path in _chunks(Path(), entry, dtype, index))


def read_tensor(folder: Path, entry: Entry, dtype: np.dtype, index: tuple[int, ...]) -> np.ndarray:
    """One released tensor as stored: a view into its file, or a copy when it has several or lies in a bucket."""
    shape = (_rows(entry.part, dtype), *entry.part[1:])
    count = math.prod(shape)

    def chunk(path: Path) -> np.ndarray:
        return np.frombuffer(ranges(path)(0, count * dtype.itemsize), dtype, count).reshape(shape)

    parts = [chunk(path) for _, path in _chunks(folder, entry, dtype, index)]
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return np.asarray(whole[: entry.part[0]])


def finish(folder: Path, arrays: Mapping[str, tuple[Entry, np.dtype]], **fields: object) -> None:
    """Write the manifest: the last file of the folder, which makes it a checkpoint."""
    table = {name: [CODES[dtype], list(entry.shape)] for name, (entry, dtype) in arrays.items()}
    there = {part: sizes(folder / part) for part in (PARAMS, EXTRA)}
    files = {f"{part}/{name}": size for part, found in there.items() for name, size in sorted(found.items())}
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
    if not isinstance(manifest["files"], dict):
        raise UserError(f'"files" of {folder / artifacts.MANIFEST} is damaged; convert again')
    there = sizes(folder)
    for name, size in manifest["files"].items():
        path = folder / name
        if name not in there:
            raise UserError(f"{path} is missing, but {folder / artifacts.MANIFEST} lists it; convert again")
        if there[name] != size:
            raise UserError(f"{path} has {there[name]} bytes instead of {size}; it is damaged, convert again")
    return manifest


def specs(manifest: dict) -> dict[str, Spec]:
    """dtype and shape of every parameter, by our names; raises `UserError` for a manifest that says nonsense."""
    try:
        return {name: Spec(DTYPES[code], tuple(map(int, shape))) for name, (code, shape) in manifest["params"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f'"params" of {artifacts.MANIFEST} is damaged; convert again') from None


def restore(folder: Path, like: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, jax.Array]:
    """Restore parameters onto the shardings and dtypes of `like`; each process reads its own slices only."""
    arguments = {name: ocp.ArrayRestoreArgs(dtype=leaf.dtype, sharding=leaf.sharding) for name, leaf in like.items()}
    return _restore(folder, dict(like), arguments)


def _restore(folder: Path, item: dict, arguments: dict) -> dict:
    path = epath.Path(os.fspath(folder.absolute())) / PARAMS
    try:
        # By the handler itself: a `Checkpointer` would let every process wait for one that cannot read its part.
        return _handler().restore(path, args=ocp.args.PyTreeRestore(item=item, restore_args=arguments))
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{path} cannot be restored, it is damaged; convert again ({str(error)[:80]!r})") from error


def open_folder(folder: Path) -> hf.Tensors:
    """An Orbax folder seen as released tensors, extra ones included: the reading side of the export.

    Raises `UserError` when the folder is damaged or config.json contradicts it.
    """
    folder = as_path(folder)
    manifest = read_manifest(folder)
    config = hf.read_config(folder)
    cfg = ModelConfig.from_hf(config, str(folder / "config.json"))
    found = specs(manifest)
    check(folder, found, cfg)
    table = weight_map.entries(cfg).values()
    places = {theirs: (entry, index) for entry in table for index, theirs in entry.tensors()}
    released = {theirs: Spec(found[entry.name].dtype, entry.part) for theirs, (entry, _) in places.items()}
    extra, read_extra = hf.open_weights(folder / EXTRA) if (folder / EXTRA).is_dir() else ({}, None)

    def read(name: str) -> np.ndarray:
        if name in extra:
            return read_extra(name)
        entry, index = places[name]
        return read_tensor(folder, entry, found[entry.name].dtype, index)

    return hf.Tensors(folder, config, released | extra, read)


def check(folder: Path, found: Mapping[str, Spec], cfg: ModelConfig) -> None:
    """Raise `UserError` unless the manifest's parameters are those of config.json's model."""
    wanted = {name: entry.shape for name, entry in weight_map.entries(cfg).items()}
    for name in sorted(wanted.keys() | found.keys()):
        have, want = found[name].shape if name in found else None, wanted.get(name)
        if have != want:
            raise UserError(f"{folder}: {name} is {have or 'absent'}, but config.json asks for {want or 'none'}")
