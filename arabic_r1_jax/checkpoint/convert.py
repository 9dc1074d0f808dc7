"""Conversions between folders: Hugging Face -> Orbax, Orbax -> Hugging Face, base + adapter -> merged Hugging Face.

Each refuses before any work what it cannot convert, and builds its output in place, file by file: the manifest, written
last, makes it whole, and the same job goes on with what a killed one left. One tensor a thread is held in memory.
`arabic-r1 convert` and `tools/convert_weights.py` make these jobs and run them.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import export, hf, hub, identity, orbax, peft, views, weight_map
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.checkpoint.source import base_sha, kind, open_folder
from arabic_r1_jax.checkpoint.weight_map import Entry
from arabic_r1_jax.data.prefix import prefix_for
from arabic_r1_jax.errors import UsageError, UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.paths import as_path, sizes

_THREADS = 4
_DTYPES = {
    "stored": None,
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
}


_FP8 = "fp8"


def target(dtype: str | None) -> np.dtype | None:
    """The dtype that a word of the command line means; None keeps each tensor's own."""
    if (dtype or "stored") not in _DTYPES:
        raise UsageError(f"dtype {dtype!r} is unknown; choose from {', '.join(_DTYPES)}, {_FP8}")
    return _DTYPES[dtype or "stored"]


def in_dtype(source: hf.Tensors, cfg: ModelConfig, dtype: str | None) -> hf.Tensors:
    """A checkpoint as a word of the command line asks for it.

    "stored" or None changes no bit; "bf16" and "float32" cast every weight (the router's to no less than it was); "fp8"
    is DeepSeek's block FP8 in every linear, bfloat16 in the rest, and leaves what is FP8 already as it is.
    """
    return views.quantised(source, cfg, source) if dtype == _FP8 else views.cast(source, cfg, target(dtype))


@dataclasses.dataclass(frozen=True)
class Job:
    """A conversion that was found possible: `run` does it, `estimate` says what it would take."""

    dst: Path
    result: hf.Tensors  # what will lie at `dst`, as a view of the source
    plan: dict  # what tells it from any other conversion
    write: Callable[[Path, hf.Progress | None], None]
    fetched: int = 0  # bytes of the source that come from the Hub

    def run(self, progress: hf.Progress | None = None) -> None:
        """Write `dst`, going on with what an unfinished run of the same job has left."""
        artifacts.check_room(self.dst, self._bytes_left())
        with artifacts.continued(self.dst, self.plan) as folder:
            self.write(folder, progress)
        if progress is not None:
            total = counts(self.result.specs)["bytes"]
            progress(total, total)

    def estimate(self) -> dict:
        """{"bytes", "bytes_left", "download", "free", "seconds"} of the run that is still to do.

        free: None for a bucket. seconds: at the speed at which a sample was copied there, without the download (bytes).
        """
        whole = counts(self.result.specs)["bytes"]
        left, folder = self._bytes_left(), self.result.folder
        weights = {
            name: size
            for name, size in sizes(folder).items()
            if name.endswith(".safetensors") or name.startswith(f"{orbax.PARAMS}/")
        }
        sample = folder / max(weights, key=weights.__getitem__) if weights else None
        return {
            "bytes": whole,
            "bytes_left": left,
            "download": self.fetched * left // whole,
            "free": artifacts.free_bytes(self.dst),
            "seconds": left / artifacts.copy_rate(sample, self.dst),
        }

    def _bytes_left(self) -> int:
        return max(counts(self.result.specs)["bytes"] - sum(sizes(self.dst).values()), 0)


def orbax_job(src: str | Path, dst: Path, dtype: str = "stored") -> Job:
    """From a Hugging Face folder to an Orbax folder (`checkpoint.orbax` describes it).

    src: a folder, or a repository of the Hub ("owner/name" or "owner/name@revision", `checkpoint.hub`). dtype: as
    `in_dtype`. Raises `UserError` for a source that is damaged, unsupported or contradicts its config.json, and for a
    destination that exists.
    """
    dst = as_path(dst)
    artifacts.check_continues(dst)
    if not hub.is_hub_id(src) and kind(src) == orbax.KIND:
        raise UserError(f"{src} is an Orbax checkpoint already; load takes it as it is")
    stored, cfg = open_folder(src)
    source = in_dtype(stored, cfg, dtype)
    where = source.folder
    cfg = ModelConfig.from_hf(source.config, str(where / "config.json"))
    extra = {name: source.specs[name] for name in weight_map.check(source.specs, cfg, where)}
    arrays = {name: (entry, source.specs[entry.theirs(())].dtype) for name, entry in weight_map.entries(cfg).items()}

    def write(folder: Path, progress: hf.Progress | None) -> None:
        orbax.create(folder, arrays)
        lines = _write_params(folder, source, arrays, progress)
        if extra:
            (folder / orbax.EXTRA).mkdir(exist_ok=True)
            hf.write_weights(folder / orbax.EXTRA, extra, source.read, resume=True)
        hf.copy_companions(where, folder)
        hf.write_config(source, folder)
        sha = identity.of_lines(cfg, lines)
        inputs = {"source": source.origin or str(src), "config.json": artifacts.sha256(where / "config.json")}
        os.sync()
        orbax.finish(
            folder, arrays, base_sha=sha, dtype=dtype, inputs=inputs, counts=counts(source.specs), **_prefix(src)
        )
        if source.origin:
            shutil.rmtree(where)

    fetched = counts(stored.specs)["bytes"] if stored.origin else 0
    return Job(dst, source, _plan("hf-to-orbax", source, dtype=dtype), write, fetched)


def _write_params(
    folder: Path, source: hf.Tensors, arrays: Mapping[str, tuple[Entry, np.dtype]], progress: hf.Progress | None
) -> list[str]:
    """Write every tensor of the table to its place; returns their lines of the base's identity.

    A few threads, each with one tensor at a time: one reads while another hashes and a third writes.
    """
    places = {theirs: (entry, index) for entry, _ in arrays.values() for index, theirs in entry.tensors()}
    total, done, lines, there = counts(source.specs)["bytes"], 0, [], sizes(folder)

    def one(name: str) -> tuple[str, int]:
        entry, index = places[name]
        dtype = source.specs[name].dtype
        if orbax.is_written(there, entry, dtype, index):
            values = orbax.read_tensor(folder, entry, dtype, index)
        else:
            values = source.read(name)
            orbax.write_tensor(folder, entry, index, values)
        return identity.line(name, values), source.specs[name].nbytes

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        try:
            for line, size in pool.map(one, [name for name in source.specs if name in places]):
                lines.append(line)
                done += size
                if progress is not None:
                    progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return lines


def hf_job(src: Path, dst: Path, dtype: str = "stored") -> Job:
    """From an Orbax folder back to a Hugging Face folder: names, dtypes and bytes as they came.

    dtype: anything else than "stored" as `in_dtype`.
    """
    src, dst = as_path(src), as_path(dst)
    artifacts.check_continues(dst)
    stored = orbax.open_folder(src)
    source = in_dtype(stored, ModelConfig.from_hf(stored.config, str(src / "config.json")), dtype)
    same = {"base_sha": orbax.read_manifest(src)["base_sha"]} if dtype == "stored" else {}
    return Job(
        dst,
        source,
        _plan("orbax-to-hf", source, dtype=dtype),
        _hf_writer(source, dtype=dtype, **same, **_prefix(src)),
    )


def merge_job(base: Path, adapter: Path, dst: Path, dtype: str | None = None) -> Job:
    """From base and adapter to W + scale * B A, a Hugging Face folder that needs no adapter.

    base: a Hugging Face or Orbax folder; adapter: a PEFT folder, refused when it was trained on another base. The sum
    is computed in float32 and rounded once. dtype: "bf16", "float32", "fp8" (DeepSeek's block FP8; what the adapter
    leaves alone keeps its bytes), or None: as the base, bf16 when that is FP8.
    """
    base, adapter, dst = as_path(base), as_path(adapter), as_path(dst)
    artifacts.check_continues(dst)
    source, cfg = open_folder(base)
    sha = base_sha(base)
    lora, pair, linears = peft.open_adapter(adapter, cfg, sha)
    result = _merged(source, cfg, lora, pair, linears, dtype)
    inputs = {"base_sha": sha, "adapter": artifacts.sha256(adapter / peft.WEIGHTS)}
    prefix = prefix_for(None, adapter, base)

    def complete(folder: Path) -> None:
        export.complete(folder, result.config, prefix)
        export.write_card(
            folder,
            dst.name,
            prefix,
            parameters=sum(math.prod(entry.shape) for entry in weight_map.entries(cfg).values()),
            dtype="block FP8" if dtype == "fp8" else result.specs["model.embed_tokens.weight"].dtype.name,
            base=base.name,
            base_sha=sha,
            rank=lora.rank,
            alpha=lora.alpha,
            targets=lora.targets,
            adapter_sha=inputs["adapter"],
        )

    return Job(
        dst, result, _plan("merge", result, **inputs), _hf_writer(result, complete, inputs=inputs, prefix=prefix)
    )


def hf_to_orbax(src: Path, dst: Path, dtype: str = "stored", progress: hf.Progress | None = None) -> None:
    """Run `orbax_job`."""
    orbax_job(src, dst, dtype).run(progress)


def orbax_to_hf(src: Path, dst: Path, dtype: str = "stored", progress: hf.Progress | None = None) -> None:
    """Run `hf_job`."""
    hf_job(src, dst, dtype).run(progress)


def merge(base: Path, adapter: Path, dst: Path, dtype: str | None = None, progress: hf.Progress | None = None) -> None:
    """Run `merge_job`."""
    merge_job(base, adapter, dst, dtype).run(progress)


def _merged(
    source: hf.Tensors, cfg: ModelConfig, lora: LoraConfig, pair: peft.ReadPair, linears: set[str], dtype: str | None
) -> hf.Tensors:
    """Base + adapter as a view in the dtype asked for; linears: what the adapter does not leave alone."""
    read_sum = peft.merged(views.cast(source, cfg, np.dtype(np.float32)).read, cfg, lora, pair)
    wanted = target(None if dtype == "fp8" else dtype) or (views.BF16 if cfg.fp8 else None)
    plain = views.cast(source, cfg, wanted)

    def read(name: str) -> np.ndarray:
        return read_sum(name).astype(plain.specs[name].dtype, copy=False) if name in linears else plain.read(name)

    if dtype != "fp8":
        return dataclasses.replace(plain, read=read)
    unrounded = dataclasses.replace(plain, read=lambda name: read_sum(name) if name in linears else plain.read(name))
    left_alone = {name: spec for name, spec in source.specs.items() if name.removesuffix(views.SCALE) not in linears}
    return views.quantised(unrounded, cfg, dataclasses.replace(source, specs=left_alone))


def _hf_writer(
    source: hf.Tensors, complete: Callable[[Path], None] = lambda folder: None, **fields: object
) -> Callable[[Path, hf.Progress | None], None]:
    """Weights, companions, what `complete` adds, config.json, which makes it a model, and the manifest."""

    def write(folder: Path, progress: hf.Progress | None) -> None:
        hf.write_weights(folder, source.specs, source.read, progress, resume=True)
        hf.copy_companions(source.folder, folder)
        complete(folder)
        hf.write_config(source, folder)
        os.sync()
        artifacts.write_manifest(folder, "hf", source=str(source.folder), counts=counts(source.specs), **fields)

    return write


def _prefix(folder: str | Path) -> dict:
    """The prefix policy that a folder's manifest records, if it does, for the next one's."""
    manifest = artifacts.read_manifest(folder) or {}
    return {"prefix": manifest["prefix"]} if "prefix" in manifest else {}


def _plan(does: str, source: hf.Tensors, **options: object) -> dict:
    """What tells one conversion from another: the output's tensors, and the source's files by size and time."""
    files = [*sorted(source.folder.glob("*.safetensors")), *source.folder.glob(artifacts.MANIFEST)]
    stats = source.origin or [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    specs = {name: (str(spec.dtype), spec.shape) for name, spec in source.specs.items()}
    text = json.dumps([stats, specs, source.config], sort_keys=True)
    return {"does": does, "version": artifacts.VERSION, "source": hashlib.sha256(text.encode()).hexdigest(), **options}


def counts(specs: Mapping[str, Spec]) -> dict:
    """How many tensors, and their bytes."""
    return {"tensors": len(specs), "bytes": sum(spec.nbytes for spec in specs.values())}
