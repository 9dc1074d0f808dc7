"""Conversion against a plain copy (read, write and fsync of the same bytes in the same process), and its memory.

    python tools/bench_convert.py [--work DIR]      # about a minute; needs 8 GB of disk in DIR (default: the system's)

Two random checkpoints: ~2 GB in bfloat16 and ~1 GB in block FP8, 10 layers of 64 experts. Each figure is the median of
3. A ratio of 1 is the speed of the copy. From the measured rate follows what R1's 688 GB would take on such a disk.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np

from arabic_r1_jax import progress
from arabic_r1_jax.checkpoint import convert, hf, views, weight_map
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.model.config import ModelConfig

R1_BYTES = 688_586_727_753  # total_size of deepseek-ai/DeepSeek-R1's model.safetensors.index.json
SHARD, REPEATS = 500_000_000, 3
SIZES = {
    "model_type": "deepseek_v3",
    "vocab_size": 8192,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "moe_intermediate_size": 512,
    "num_hidden_layers": 10,
    "num_attention_heads": 16,
    "n_shared_experts": 1,
    "n_routed_experts": 64,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "first_k_dense_replace": 1,
    "q_lora_rank": 384,
    "kv_lora_rank": 256,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
}
CHECKPOINTS = {"bf16": SIZES, "fp8": {**SIZES, "quantization_config": views.QUANTIZATION}}


def make(folder: Path, config: dict) -> None:
    """A checkpoint of random bytes."""
    noise = np.random.default_rng(0).integers(0, 256, 1 << 25, np.uint8)
    specs = {}
    for entry in weight_map.entries(ModelConfig.from_hf(config)).values():
        wide = entry.name.endswith((".scale", ".bias"))
        narrow = "quantization_config" in config and entry.lora
        dtype = np.dtype(np.float32 if wide else ml_dtypes.float8_e4m3fn if narrow else ml_dtypes.bfloat16)
        specs.update({name: Spec(dtype, entry.part) for _, name in entry.tensors()})
    folder.mkdir()
    hf.write_weights(folder, specs, lambda name: _cut(noise, specs[name]), shard_bytes=SHARD)
    (folder / "config.json").write_text(json.dumps(config))


def _cut(noise: np.ndarray, spec: Spec) -> np.ndarray:
    return np.resize(noise, spec.nbytes).view(spec.dtype).reshape(spec.shape)


def copy(src: Path, dst: Path) -> None:
    """Read, write and fsync, file by file."""
    dst.mkdir()
    for path in src.glob("*.safetensors"):
        with open(path, "rb") as source, open(dst / path.name, "wb") as out:
            while piece := source.read(16 << 20):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())


def anonymous_bytes() -> int:
    """This process's memory that is no file's; 0 where the system does not say."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))
    except OSError:
        return 0


def timed(work: Callable[[Path], None], dst: Path) -> float:
    """Seconds of `work(dst)`; what it leaves is removed."""
    started = time.perf_counter()
    work(dst)
    seconds = time.perf_counter() - started
    shutil.rmtree(dst)
    return seconds


def measure(src: Path, work: Path) -> dict[str, float]:
    """Median seconds of the copy and of both conversions, interleaved, and the most anonymous memory they added."""
    orbax, before, peak = work / "orbax", anonymous_bytes(), 0

    def watch(done: int, total: int) -> None:
        nonlocal peak
        peak = max(peak, anonymous_bytes() - before)

    convert.hf_to_orbax(src, orbax)
    seconds: dict[str, list[float]] = {"copy": [], "hf-to-orbax": [], "orbax-to-hf": []}
    for _ in range(REPEATS):
        seconds["copy"].append(timed(lambda dst: copy(src, dst), work / "copy"))
        seconds["hf-to-orbax"].append(timed(lambda dst: convert.hf_to_orbax(src, dst, progress=watch), work / "o"))
        seconds["orbax-to-hf"].append(timed(lambda dst: convert.orbax_to_hf(orbax, dst, progress=watch), work / "h"))
    shutil.rmtree(orbax)
    return {name: statistics.median(values) for name, values in seconds.items()} | {"memory": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder for the checkpoints, removed at the end")
    rows = []
    with tempfile.TemporaryDirectory(dir=parser.parse_args().work) as name:
        for kind, config in CHECKPOINTS.items():
            src = Path(name) / kind
            make(src, config)
            size = sum(path.stat().st_size for path in src.glob("*.safetensors"))
            found = measure(src, Path(name))
            for way in ("hf-to-orbax", "orbax-to-hf"):
                rate = size / found[way]
                row = (
                    found["copy"],
                    found[way],
                    f"{found['copy'] / found[way]:.2f}",
                    rate / 1e9,
                    found["memory"] / 1e6,
                )
                rows.append((kind, way, size / 1e9, *row, R1_BYTES / rate / 60))
            shutil.rmtree(src)
    columns = ("", "", "GB", "copy s", "s", "ratio", "GB/s", "memory MB", "R1 min")
    shown = [tuple(f"{value:.2f}" if isinstance(value, float) else value for value in row) for row in rows]
    progress.table(f"Conversion against a plain copy (load {os.getloadavg()[0]:.1f})", columns, shown)


if __name__ == "__main__":
    main()
