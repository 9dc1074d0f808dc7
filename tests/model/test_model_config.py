"""config.json: both spellings of the rotary table, and one clear line for everything that we would compute wrongly."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig, RopeConfig

R1 = {
    "model_type": "deepseek_v3",
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "n_shared_experts": 1,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "norm_topk_prob": True,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "routed_scaling_factor": 2.5,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": False,
    "max_position_embeddings": 163840,
    "rope_theta": 10000,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
    "bos_token_id": 0,
    "eos_token_id": 1,
    "num_nextn_predict_layers": 1,
}
LITE = {k: v for k, v in R1.items() if k not in ("n_group", "topk_group")} | {
    "model_type": "deepseek_v2",
    "scoring_func": "softmax",
    "topk_method": "greedy",
    "q_lora_rank": None,
    "norm_topk_prob": False,
    "n_shared_experts": 2,
}


def test_the_released_r1_config_is_read():
    cfg = ModelConfig.from_hf(R1)
    assert (cfg.num_dense_layers, cfg.num_moe_layers, cfg.qk_head_dim) == (3, 58, 192)
    assert cfg.rope == RopeConfig(10000.0, 40.0, 4096, 32.0, 1.0, 1.0, 1.0)
    assert (cfg.router.scoring, cfg.router.routed_scaling_factor) == ("sigmoid_bias", 2.5)


def test_v2_lite_has_no_query_latent_and_no_groups():
    cfg = ModelConfig.from_hf(LITE)
    assert cfg.q_lora_rank is None
    assert (cfg.router.scoring, cfg.router.n_group) == ("softmax_greedy", 1)


def test_both_rotary_spellings_mean_the_same():
    table = {"rope_theta": 10000.0, "rope_type": "yarn", **R1["rope_scaling"]}
    new = {k: v for k, v in R1.items() if k not in ("rope_scaling", "rope_theta")} | {"rope_parameters": table}
    assert ModelConfig.from_hf(new) == ModelConfig.from_hf(R1)


def test_plain_rope_has_factor_one():
    assert ModelConfig.from_hf(R1 | {"rope_scaling": None}).rope == RopeConfig(10000.0)
    plain = ModelConfig.from_hf(
        R1 | {"rope_scaling": None, "rope_parameters": {"rope_type": "default", "rope_theta": 5.0}}
    )
    assert plain.rope == RopeConfig(5.0)


def test_an_absent_yarn_factor_is_the_ratio_of_contexts():
    table = {k: v for k, v in R1["rope_scaling"].items() if k != "factor"}
    assert ModelConfig.from_hf(R1 | {"rope_scaling": table}).rope.factor == 40.0


@pytest.mark.parametrize("key", ["model_type", "hidden_size", "q_lora_rank", "n_group", "first_k_dense_replace"])
def test_a_missing_key_is_named_with_its_file(key):
    with pytest.raises(UserError, match=rf'm/config.json has no "{key}"'):
        ModelConfig.from_hf({k: v for k, v in R1.items() if k != key}, "m/config.json")


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "llama"},
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"num_key_value_heads": 8},
        {"scoring_func": "softmax"},
        {"topk_method": "greedy"},
        {"moe_layer_freq": 2},
        {"hidden_size": "7168"},
        {"hidden_size": 0},
        {"num_hidden_layers": True},
        {"qk_rope_head_dim": 63},
        {"num_experts_per_tok": 300},
        {"n_group": 7},
        {"topk_group": 9},
        {"norm_topk_prob": 1},
        {"rope_scaling": {"type": "linear", "factor": 2}},
        {"rope_scaling": R1["rope_scaling"] | {"attention_factor": 2.0}},
        {"rope_interleave": False},
        {"eos_token_id": -1},
        {"rms_norm_eps": "small"},
    ],
    ids=str,
)
def test_what_we_would_compute_wrongly_is_refused_by_name(change):
    key = next(iter(change))
    with pytest.raises(UserError, match=key.removesuffix("_id")):
        ModelConfig.from_hf(R1 | change)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(st.sampled_from(sorted(R1)), JSON)
def test_garbage_in_any_key_is_a_config_or_a_user_error(key, value):
    with contextlib.suppress(UserError):
        assert isinstance(ModelConfig.from_hf(R1 | {key: value}), ModelConfig)
