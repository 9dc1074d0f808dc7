"""A tiny base with a tokenizer, data that fits it, and a run that went through without interruption."""

import contextlib
import functools
import hashlib
import json
import random
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert
from arabic_r1_jax.config import load_run_config
from arabic_r1_jax.distill import curriculum
from arabic_r1_jax.train import loop

SETTINGS = {
    "lora.rank": 2,
    "lora.expert_rank": 3,
    "lora.targets": ["attention", "shared", "dense", "experts"],
    "train.steps": 6,
    "train.batch": 8,
    "train.seq": 160,
    "train.lr": 0.01,
    "train.warmup_steps": 2,
    "train.save_every": 2,
    "train.dtype": "float32",
    "mesh.cpu_devices": 8,
}


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session", name="write_jsonl")
def write_jsonl_fixture():
    return write_jsonl


@pytest.fixture(scope="session")
def base(make_base):
    """A function: dtype -> an Orbax folder with random weights of that dtype and a tokenizer."""

    @functools.cache
    def make(dtype="float32"):
        source = make_base(dtype)
        convert.hf_to_orbax(source, source.with_name("orbax"))
        return source.with_name("orbax")

    return make


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """A JSONL file of 70 records, one family in seven English."""
    rng = random.Random(1)
    rows = [
        curriculum.record(item, number % 4, rng).to_json()
        for family in curriculum.FAMILIES
        for number, item in enumerate(curriculum.items(family, 10, 0, held_out=False))
    ]
    return write_jsonl(tmp_path_factory.mktemp("data") / "records.jsonl", rows)


@pytest.fixture(scope="session")
def set_words(base, records):
    """A function: settings, `train__lr=0.1` -> words for --set; the rest says a run on the tiny base."""

    def make(**changes):
        values = {"model.path": str(base()), "data.records": [str(records)]} | SETTINGS
        values |= {key.replace("__", "."): value for key, value in changes.items()}
        return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]

    return make


@pytest.fixture(scope="session")
def settings(set_words):
    """A function: settings as for `set_words` -> a run's configuration."""
    return lambda **changes: load_run_config(None, set_words(**changes))


class Watched(NamedTuple):
    """What passed through the steps of a run."""

    batches: list[str]  # a digest of every batch that a step was given
    frozen: list[str]  # a digest of the frozen arrays before every step and after the last


def digest(arrays) -> str:
    """One hash of the bytes of a dict of arrays."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(name.encode() + np.asarray(jax.device_get(arrays[name])).tobytes())
    return total.hexdigest()


@pytest.fixture(scope="session")
def watching():
    """A context in which training notes its batches and what it holds frozen."""

    @contextlib.contextmanager
    def watch():
        seen, make_step = Watched([], []), loop.make_step

        def make_watched_step(*arguments):
            step = make_step(*arguments)

            def watched(state, frozen, batch):
                seen.batches.append(digest(batch))
                if not seen.frozen:
                    seen.frozen.append(digest(frozen))
                result = step(state, frozen, batch)
                seen.frozen.append(digest(frozen))
                return result

            return watched

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "make_step", make_watched_step)
            yield seen

    return watch


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder, by relative path, with its hash."""
    return {str(path.relative_to(folder)): artifacts.sha256(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session", name="files")
def files_fixture():
    return files


class Whole(NamedTuple):
    """A run that nothing interrupted."""

    out: Path
    summary: dict
    seen: Watched
    base_before: dict[str, str]
    base_after: dict[str, str]


@pytest.fixture(scope="session")
def whole(settings, base, watching, tmp_path_factory) -> Whole:
    out = tmp_path_factory.mktemp("runs") / "whole"
    before = files(base())
    with watching() as seen:
        summary = loop.train(settings(), out)
    return Whole(out, summary, seen, before, files(base()))
