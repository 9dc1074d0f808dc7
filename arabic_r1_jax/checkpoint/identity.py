"""What a base model is, as one hash: the same for a Hugging Face folder and the Orbax folder converted from it.

An adapter carries the hash of the base that it was trained on, and is refused on another one. The hash covers what
decides the logits: every tensor of the table (released name, dtype, shape, bytes) and the model's hyper-parameters.
Tokenizer files, MTP layers, the spelling of config.json and the cut into shards do not enter.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable

import numpy as np

from arabic_r1_jax.checkpoint import weight_map
from arabic_r1_jax.checkpoint.shards import CODES
from arabic_r1_jax.model.config import ModelConfig

# Settings that no logit depends on: which ids a program treats as special, and the length a checkpoint advertises.
# And `fp8`, which the tensors' dtypes say already.
_NO_PART = ("bos_token_id", "eos_token_id", "pad_token_id", "max_position_embeddings", "fp8")


def line(name: str, values: np.ndarray) -> str:
    """What the hash says of one released tensor: name, dtype, shape, sha256 of its bytes."""
    flat = np.asarray(values, order="C").reshape(-1).view(np.uint8)
    return f"{name} {CODES[values.dtype]} {list(values.shape)} {hashlib.sha256(flat).hexdigest()}"


def of_lines(cfg: ModelConfig, lines: Iterable[str]) -> str:
    """Hex sha256 of a base: its settings, then the `line` of every tensor of the table, sorted."""
    settings = {key: value for key, value in dataclasses.asdict(cfg).items() if key not in _NO_PART}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for each in sorted(lines, key=lambda each: each.partition(" ")[0]):
        digest.update(f"\n{each}".encode())
    return digest.hexdigest()


def base_sha(cfg: ModelConfig, read: Callable[[str], np.ndarray]) -> str:
    """The identity of a base whose tensors `read` gives by released name.

    Reads every weight once, hashing on all cores (hashlib lets go of the interpreter lock).
    """
    names = [name for entry in weight_map.entries(cfg).values() for _, name in entry.tensors()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return of_lines(cfg, pool.map(lambda name: line(name, read(name)), names))
