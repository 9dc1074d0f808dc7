"""A Hugging Face checkpoint folder: read lazily tensor by tensor, written in shards with an index.

Comes in: config.json plus model.safetensors, or model.safetensors.index.json and the files it names. Goes out: the
same. `Tensors` is what the rest of the package sees of a checkpoint, wherever it lies: the released names, what
each tensor is, and a function that reads one. Safetensors only: pickled weights are never opened.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import shards
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.paths import as_path

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD_BYTES = 5_000_000_000  # as save_pretrained writes them
# What belongs to a model beside its weights and is copied as it is, wherever the model goes.
COMPANIONS = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "chat_template.jinja",
    "LICENSE",
    "LICENSE-MODEL",
    "README.md",
)
Progress = Callable[[int, int], None]  # (bytes done, bytes in all)


@dataclasses.dataclass(frozen=True)
class Tensors:
    """A checkpoint by released names, without its values: the reading side of every conversion."""

    folder: Path
    config: dict  # config.json as it is
    specs: dict[str, Spec]
    read: Callable[[str], np.ndarray]
    origin: str | None = None  # "repository@revision" of a checkpoint that lies on the Hub


def read_config(folder: Path) -> dict:
    """config.json of a model folder; raises `UserError` when there is none."""
    folder = as_path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name one that holds config.json and safetensors files")
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{folder} holds no config.json; it is not a Hugging Face model folder")
    config = artifacts.read_json(path)
    if not isinstance(config, dict):
        raise UserError(f"{path} is not a JSON object")
    return config


def open_folder(folder: Path) -> Tensors:
    """Open a checkpoint folder; every header is read and checked, no weight is.

    Raises `UserError` for a missing folder, file or tensor, a truncated or lying file, and an index whose entries
    leave the folder or disagree with the files.
    """
    folder = as_path(folder)
    config = read_config(folder)
    return Tensors(folder, config, *open_weights(folder))


def open_weights(folder: Path) -> tuple[dict[str, Spec], Callable[[str], np.ndarray]]:
    """The safetensors files of a folder: (specs, read). Raises as `open_folder` does."""
    if (folder / SINGLE).is_file():
        shard = shards.Shard(folder / SINGLE)
        return shard.specs, shard.read
    if (folder / INDEX).is_file():
        return _open_index(folder)
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
        raise UserError(
            f"{folder} holds pickled weights only; convert them to safetensors, the one format that is read"
        )
    raise UserError(f"{folder} holds neither {SINGLE} nor {INDEX}; its weights are missing")


def _open_index(folder: Path) -> tuple[dict[str, Spec], Callable[[str], np.ndarray]]:
    path = folder / INDEX
    weight_map = read_index(path)
    files = {name: shards.Shard(folder / name) for name in dict.fromkeys(weight_map.values())}
    for tensor, name in weight_map.items():
        if tensor not in files[name].specs:
            raise UserError(f"{folder / name} lacks tensor {tensor}, which {INDEX} says is there")
    for name, shard in files.items():
        for tensor in shard.specs:
            if weight_map.get(tensor) != name:
                raise UserError(f"{folder / name} holds tensor {tensor}, which {INDEX} does not place there")
    specs = {tensor: files[name].specs[tensor] for tensor, name in weight_map.items()}
    return specs, lambda tensor: files[weight_map[tensor]].read(tensor)


def read_index(path: Path) -> dict[str, str]:
    """The index's weight_map: tensor -> file name, a plain name inside the folder."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=shards.unique)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict):
        raise UserError(f'{path} has no "weight_map" object')
    for tensor, name in weight_map.items():
        if not isinstance(name, str) or not re.fullmatch(r"[\w-][\w.-]*\.safetensors", name):
            raise UserError(f"{path}: tensor {tensor} lies in {name!r}, which is no safetensors file of this folder")
    return weight_map


def _natural_key(name: str) -> list:
    """Sort key by which layer 10 follows layer 9."""
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", name)]


def write_weights(
    folder: Path,
    specs: Mapping[str, Spec],
    read: Callable[[str], np.ndarray],
    progress: Progress | None = None,
    shard_bytes: int = SHARD_BYTES,
    resume: bool = False,
) -> None:
    """Write tensors into `folder` in shards of at most `shard_bytes` (or one tensor), with an index if several.

    `read` is asked for one tensor at a time, in the order of the file. With `resume`, shards of
    the same tensors that are there already stay: an earlier call that was killed has left them.
    """
    groups: list[dict[str, Spec]] = []
    room = 0
    for name in sorted(specs, key=_natural_key):
        if not groups or specs[name].nbytes > room:
            groups.append({})
            room = shard_bytes
        groups[-1][name] = specs[name]
        room -= specs[name].nbytes
    total = sum(spec.nbytes for spec in specs.values())
    counted = _Counted(specs, read, progress)
    if len(groups) == 1:
        if not (resume and shards.is_written(folder / SINGLE, specs)):
            shards.write(folder / SINGLE, specs, counted)
        return
    weight_map = {}
    for number, group in enumerate(groups, 1):
        file = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        if resume and shards.is_written(folder / file, group):
            counted.skip(group)
        else:
            shards.write(folder / file, group, counted)
        weight_map.update(dict.fromkeys(group, file))
    artifacts.write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})


class _Counted:
    """`read` that reports the bytes read so far."""

    def __init__(self, specs: Mapping[str, Spec], read: Callable[[str], np.ndarray], progress: Progress | None):
        self._specs, self._read, self._progress = specs, read, progress
        self._done, self._total = 0, sum(spec.nbytes for spec in specs.values())

    def __call__(self, name: str) -> np.ndarray:
        array = self._read(name)
        self.skip([name])
        return array

    def skip(self, names: Iterable[str]) -> None:
        """Count tensors that were written before."""
        self._done += sum(self._specs[name].nbytes for name in names)
        if self._progress is not None:
            self._progress(self._done, self._total)


def copy_companions(source: Path, destination: Path) -> None:
    """Copy tokenizer, chat template, generation settings, licence and card, those that there are."""
    for name in COMPANIONS:
        if (source / name).is_file():
            artifacts.copy(source / name, destination / name)


def write_config(source: Tensors, destination: Path) -> None:
    """Write config.json of `source`: byte for byte, unless a view changed what it says."""
    path = source.folder / "config.json"
    if artifacts.read_json(path) == source.config:
        artifacts.copy(path, destination / "config.json")
    else:
        artifacts.write_json(destination / "config.json", source.config)
