"""A tiny base with a tokenizer, data that fits it, and a run that went through without interruption."""

import contextlib
import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import ml_dtypes
import numpy as np
import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert, hf, shards, weight_map
from arabic_r1_jax.config import load_run_config
from arabic_r1_jax.data import tokenizers
from arabic_r1_jax.distill import curriculum
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.train import loop

CONFIG = {
    "model_type": "deepseek_v3",
    "architectures": ["DeepseekV3ForCausalLM"],
    "vocab_size": 640,
    "hidden_size": 16,
    "intermediate_size": 20,
    "moe_intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "n_shared_experts": 1,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "routed_scaling_factor": 1.0,
    "norm_topk_prob": True,
    "q_lora_rank": 8,
    "kv_lora_rank": 10,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "max_position_embeddings": 512,
    "rope_theta": 100.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "float32",
}
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
def base(tmp_path_factory):
    """A function: dtype -> an Orbax folder with random weights of that dtype and a tokenizer."""
    folder = tmp_path_factory.mktemp("base")
    rng = random.Random(0)
    texts = [
        text
        for family in curriculum.FAMILIES
        for item in curriculum.items(family, 40, 0, held_out=False)
        for record in [curriculum.record(item, 0, rng)]
        for text in (record.question.question, record.completion)
    ]
    symbols = [*curriculum.fixed_phrases(), "السؤال التالي هو سؤال متعدد الإختيارات. اختر الإجابة الصحيحة:\n\n"]
    tokenizers.train_sentencepiece(texts, folder / "tokenizer.model", vocab_size=CONFIG["vocab_size"], symbols=symbols)

    def make(dtype="float32"):
        hf_folder, orbax = folder / f"hf-{dtype}", folder / f"orbax-{dtype}"
        if orbax.exists():
            return orbax
        hf_folder.mkdir()
        draw, kept = np.random.default_rng(0), np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float32)
        tensors = {
            name: (draw.normal(0, 0.3, entry.part) + ("norm" in name)).astype(
                np.float32 if name.endswith("bias") else kept
            )
            for entry in weight_map.entries(ModelConfig.from_hf(CONFIG)).values()
            for _, name in entry.tensors()
        }
        hf.write_weights(hf_folder, shards.specs_of(tensors), tensors.__getitem__)
        (hf_folder / "config.json").write_text(json.dumps(CONFIG))
        shutil.copy(folder / "tokenizer.model", hf_folder)
        convert.hf_to_orbax(hf_folder, orbax)
        return orbax

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
def settings(base, records):
    """A function: settings, `train__lr=0.1` -> a run's configuration, by default on the tiny base and the records."""

    def make(**changes):
        values = {"model.path": str(base()), "data.records": [str(records)]} | SETTINGS
        values |= {key.replace("__", "."): value for key, value in changes.items()}
        words = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]
        return load_run_config(None, words)

    return make


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
