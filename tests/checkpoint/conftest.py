"""Tiny random checkpoints in the released form, written by numpy, for tests that need no torch."""

import json
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from arabic_r1_jax.checkpoint import hf, peft, shards, weight_map
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig

V3 = {
    "model_type": "deepseek_v3",
    "architectures": ["DeepseekV3ForCausalLM"],
    "vocab_size": 40,
    "hidden_size": 24,
    "intermediate_size": 20,
    "moe_intermediate_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "n_shared_experts": 1,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "routed_scaling_factor": 2.5,
    "norm_topk_prob": True,
    "q_lora_rank": 10,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "max_position_embeddings": 64,
    "rope_theta": 10000.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "bfloat16",
}
V2 = {
    **V3,
    "model_type": "deepseek_v2",
    "architectures": ["DeepseekV2ForCausalLM"],
    "n_shared_experts": 2,
    "first_k_dense_replace": 2,
    "q_lora_rank": None,
    "topk_method": "greedy",
    "scoring_func": "softmax",
    "routed_scaling_factor": 1.0,
}
# Every shape of the table: q_lora present and absent, a head and none, one and two shared experts, dense layers 0 to 2.
CONFIGS = {
    "v3": V3,
    "v3-no-q-lora-tied": {**V3, "q_lora_rank": None, "tie_word_embeddings": True},
    "v3-no-dense": {**V3, "first_k_dense_replace": 0},
    "v2-lite": V2,
    "v2-q-lora": {**V2, "q_lora_rank": 10},
}


def random_tensors(config: dict, dtype: np.dtype, mtp: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    """Random released tensors of a model, the correction bias in float32 as DeepSeek releases it."""
    random = np.random.default_rng(seed)
    tensors = {}
    for entry in weight_map.entries(ModelConfig.from_hf(config)).values():
        kept = np.float32 if entry.name == "moe.router.bias" else dtype
        for _, name in entry.tensors():
            tensors[name] = random.normal(size=entry.part).astype(np.float32).astype(kept)
    if mtp:
        layer, d = f"model.layers.{config['num_hidden_layers']}", config["hidden_size"]
        for name, shape in {"eh_proj": (d, 2 * d), "enorm": (d,), "self_attn.o_proj": (d, d), "odd": ()}.items():
            tensors[f"{layer}.{name}.weight"] = np.asarray(random.normal(size=shape), np.float32).astype(dtype)
    return tensors


def write_hf(folder: Path, config: dict, tensors: dict[str, np.ndarray], shard_bytes: int = hf.SHARD_BYTES) -> Path:
    """A Hugging Face folder with tokenizer files."""
    folder.mkdir(parents=True)
    hf.write_weights(folder, shards.specs_of(tensors), tensors.__getitem__, shard_bytes=shard_bytes)
    (folder / "config.json").write_text(json.dumps(config, indent=3))
    (folder / "tokenizer_config.json").write_text('{"add_bos_token":  true}')
    (folder / "generation_config.json").write_text('{"temperature": 0.6}\n')
    return folder


@pytest.fixture
def make_hf(tmp_path) -> Callable[..., Path]:
    """make_hf(name="v3", dtype="bf16", shard_bytes=..., mtp=..., seed=...) -> a Hugging Face folder."""

    def make(name="v3", dtype="bf16", shard_bytes=hf.SHARD_BYTES, mtp=False, seed=0, at="hf", **changes) -> Path:
        config = {**CONFIGS[name], **changes}
        wanted = np.dtype(ml_dtypes.bfloat16 if dtype == "bf16" else np.float32)
        return write_hf(tmp_path / at, config, random_tensors(config, wanted, mtp, seed), shard_bytes)

    return make


FP8 = {
    "activation_scheme": "dynamic",
    "fmt": "e4m3",
    "quant_method": "fp8",
    "weight_block_size": [128, 128],
}


@pytest.fixture
def make_fp8(tmp_path) -> Callable[..., Path]:
    """make_fp8(...) -> a Hugging Face folder in DeepSeek's block FP8, with random codes and scales.

    Sizes stand below, at and above a block. `without` leaves a tensor out; `kept_wide` leaves a weight in bfloat16.
    """

    def make(at="fp8", without=None, kept_wide=None, mtp=False, **changes) -> Path:
        sizes = {"hidden_size": 136, "moe_intermediate_size": 128, "intermediate_size": 260}
        config = {**V3, **sizes, "quantization_config": FP8, **changes}
        random, tensors = np.random.default_rng(5), {}
        for entry in weight_map.entries(ModelConfig.from_hf(config)).values():
            for _, name in entry.tensors():
                values = random.normal(size=entry.part).astype(np.float32)
                if name.endswith(weight_map.SCALE):
                    tensors[name] = np.abs(values) + np.float32(1e-3)
                elif entry.lora and name != kept_wide:
                    tensors[name] = values.astype(ml_dtypes.float8_e4m3fn)
                else:
                    tensors[name] = values if name.endswith("bias") else values.astype(ml_dtypes.bfloat16)
        if mtp:  # the last layer once more, as DeepSeek's multi-token prediction has it
            last = config["num_hidden_layers"] - 1
            old, new = f"model.layers.{last}.", f"model.layers.{last + 1}."
            tensors |= {name.replace(old, new): value for name, value in tensors.items() if name.startswith(old)}
            tensors[f"{new}enorm.weight"] = np.ones(config["hidden_size"], ml_dtypes.bfloat16)
        tensors.pop(without, None)
        return write_hf(tmp_path / at, config, tensors, shard_bytes=200_000)

    return make


def contents(folder: Path) -> dict[str, tuple[Spec, bytes]]:
    """Every tensor of a Hugging Face folder: what it is, and its bytes."""
    source = hf.open_folder(folder)
    return {name: (spec, source.read(name).tobytes()) for name, spec in source.specs.items()}


@pytest.fixture(name="contents")
def contents_fixture() -> Callable[[Path], dict]:
    return contents


@pytest.fixture(scope="session", name="configs")
def configs_fixture() -> dict[str, dict]:
    return CONFIGS


@pytest.fixture(scope="session", name="random_tensors")
def random_tensors_fixture() -> Callable[..., dict[str, np.ndarray]]:
    return random_tensors


def random_adapter(cfg: ModelConfig, lora: LoraConfig, seed: int = 3) -> peft.Factors:
    """A and B of every linear of the targets, both far from zero."""
    random = np.random.default_rng(seed)
    factors = {}
    for entry in peft.adapted(cfg, lora.targets):
        path, rank, (d_out, d_in) = entry.name.removesuffix(".weight"), lora.rank_of(entry.lora), entry.part
        for name, shape, std in (("lora_a", (rank, d_in), d_in**-0.5), ("lora_b", (d_out, rank), 0.3)):
            factors[f"{path}.{name}"] = random.normal(0, std, (*entry.stack, *shape)).astype(np.float32)
    return factors


@pytest.fixture(scope="session", name="random_adapter")
def random_adapter_fixture() -> Callable[..., peft.Factors]:
    return random_adapter
