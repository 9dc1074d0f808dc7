"""Logits, best tokens and chosen experts equal transformers' in float32 on random checkpoints of every variant.

Tolerance 2e-4 at logits of order 10: transformers itself is 1e-4 from its own float64 result on these weights.
"""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arabic_r1_jax.checkpoint import hf
from arabic_r1_jax.checkpoint.load import load
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.parallel.mesh import make_mesh

LIST = ["v3", "v3-odd", "v3-tied", "v2-lite", "v2-group", "v2-all-dense"]
IDS = np.random.default_rng(1).integers(2, 512, (4, 100), np.int32)


def test_every_kind_is_compared(kinds):
    assert set(LIST) == set(kinds)


def compare_logits(got, expected):
    scale = max(1, np.abs(expected).max() / 10)
    np.testing.assert_allclose(got, expected, atol=2e-4 * scale, rtol=0)
    best = np.sort(expected, axis=-1)
    clear = best[..., -1] - best[..., -2] > 4e-4 * scale
    assert clear.mean() > 0.9
    assert (got.argmax(-1) == expected.argmax(-1))[clear].all()


@pytest.mark.parametrize("kind", LIST)
@pytest.mark.parametrize("devices", [1, 8])
def test_logits_equal_transformers(reference, kind, devices):
    ref = reference(kind)
    expected, _ = ref.run(IDS)
    assert 4 < np.abs(expected).max() < 25
    compare_logits(np.asarray(load(ref.folder, dtype="float32", mesh=make_mesh(1, devices))(IDS)), expected)


def margin(gate, logits, cfg):
    """How far each token is from another choice of experts: the least gap between what was taken and what was not."""
    router, k = cfg.router, cfg.num_experts_per_tok
    if router.scoring == "sigmoid_bias":
        scores = 1 / (1 + np.exp(-logits)) + gate.e_score_correction_bias.float().numpy()
    else:
        scores = np.exp(logits - logits.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
    gap = np.full(scores.shape[:-1], np.inf)
    if router.scoring != "softmax_greedy" and router.topk_group < router.n_group:
        grouped = np.sort(scores.reshape(*scores.shape[:-1], router.n_group, -1), axis=-1)
        of_group = grouped[..., -2:].sum(-1) if router.scoring == "sigmoid_bias" else grouped[..., -1]
        ranked = np.sort(of_group, axis=-1)
        gap = ranked[..., -router.topk_group] - ranked[..., -router.topk_group - 1]
        kept = of_group >= ranked[..., [-router.topk_group]]
        scores = np.where(np.repeat(kept, scores.shape[-1] // router.n_group, axis=-1), scores, -np.inf)
    ranked = np.sort(scores, axis=-1)
    return np.minimum(gap, ranked[..., -k] - ranked[..., -k - 1]) if k < scores.shape[-1] else gap


@pytest.mark.parametrize("kind", [kind for kind in LIST if kind != "v2-all-dense"])
def test_the_same_experts_are_chosen(reference, kind):
    ref = reference(kind)
    lm = load(ref.folder, dtype="float32")
    _, chosen = nnx.merge(lm.graph, lm.state).hidden(jnp.asarray(IDS), dtype=jnp.float32, mesh=lm.mesh)
    _, gates = ref.run(IDS)
    assert len(gates) == len(chosen) > 0
    for ours, (gate, logits, theirs) in zip(np.asarray(chosen), gates, strict=True):
        clear = margin(gate, logits, lm.config) > 1e-5
        assert clear.mean() > 0.9
        assert (np.sort(ours, -1) == np.sort(theirs, -1))[clear].all()


def test_both_spellings_of_the_rope_settings_are_one_model(reference, tmp_path):
    """transformers 5 writes `rope_parameters`; the releases have `rope_scaling` and `rope_theta`."""
    for kind in ("v3", "v3-odd"):
        ref = reference(kind)
        folder = shutil.copytree(ref.folder, tmp_path / kind)
        config = hf.read_config(folder)
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope.pop("rope_theta")
        kind_of_rope = rope.pop("rope_type")
        config["rope_scaling"] = {"type": "yarn", **rope} if kind_of_rope == "yarn" else None
        (folder / "config.json").write_text(json.dumps(config))
        assert ModelConfig.from_hf(config) == ModelConfig.from_hf(hf.read_config(ref.folder))
        expected = np.asarray(load(ref.folder, dtype="float32")(IDS[:1]))
        np.testing.assert_array_equal(np.asarray(load(folder, dtype="float32")(IDS[:1])), expected)


@pytest.mark.parametrize("kind", ["v3", "v2-lite"])
@pytest.mark.parametrize("seed", range(3))
def test_bfloat16_is_no_further_from_float32_than_transformers(kind, seed, draw_reference, kinds):
    """Root mean square over all logits of one checkpoint, whose weights are stored in bfloat16."""
    stored = draw_reference(*kinds[kind], seed=seed).stored_as("bfloat16")
    # Loaded anew for each: a model cast to bfloat16 and back keeps rounded rotary frequencies, another model.
    exact, _ = stored.loaded("float32").run(IDS)
    theirs, _ = stored.loaded("bfloat16").run(IDS)
    ours = np.asarray(load(stored.folder, dtype="bf16")(IDS))
    compare_logits(np.asarray(load(stored.folder, dtype="float32")(IDS)), exact)
    assert np.mean((ours - exact) ** 2) <= 1.1**2 * np.mean((theirs - exact) ** 2)


@st.composite
def odd_configs(draw):
    """(family, config): sizes that share no factor, any router, any number of dense layers and shared experts."""
    family = draw(st.sampled_from(["DeepseekV2", "DeepseekV3"]))
    groups, size = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    experts, topk_group = groups * size, draw(st.integers(1, groups))
    heads, layers = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    config = {
        "vocab_size": draw(st.integers(20, 90)),
        "hidden_size": heads * draw(st.integers(9, 40)),  # transformers wants a multiple
        "intermediate_size": draw(st.integers(5, 90)),
        "moe_intermediate_size": draw(st.integers(3, 40)),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "n_shared_experts": draw(st.integers(1, 3)),
        "n_routed_experts": experts,
        "num_experts_per_tok": draw(st.integers(1, topk_group * size)),
        "n_group": groups,
        "topk_group": topk_group,
        "first_k_dense_replace": draw(st.integers(0, layers)),
        "routed_scaling_factor": draw(st.sampled_from([1.0, 2.5, 16.0])),
        "q_lora_rank": draw(st.none() | st.integers(3, 40)),
        "kv_lora_rank": draw(st.integers(3, 40)),
        "qk_nope_head_dim": draw(st.integers(3, 30)),
        "qk_rope_head_dim": 2 * draw(st.integers(1, 10)),
        "v_head_dim": draw(st.integers(3, 30)),
        "max_position_embeddings": 4096,
        "rope_parameters": draw(st.sampled_from(ROPES)),
        "tie_word_embeddings": draw(st.booleans()),
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    if family == "DeepseekV3":
        config["norm_topk_prob"] = draw(st.booleans())
    else:
        config["topk_method"] = draw(st.sampled_from(["greedy", "group_limited_greedy"]))
        for key in ("kv_lora_rank", "qk_nope_head_dim"):  # its rotary embedding views pairs as complex numbers
            config[key] += config[key] % 2
    return family, config


ROPES = [
    {"rope_type": "default", "rope_theta": 500.0},
    {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "original_max_position_embeddings": 64,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 0.707,
        "mscale_all_dim": 0.707,
    },
]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=odd_configs(), devices=st.sampled_from([1, 8]))
def test_odd_configurations_equal_transformers(draw_reference, drawn, devices):
    family, config = drawn
    ref = draw_reference(family, config)
    ids = np.random.default_rng(2).integers(0, config["vocab_size"], (2, 20), np.int32)
    expected, gates = ref.run(ids)
    lm = load(ref.folder, dtype="float32", mesh=make_mesh(1, devices))
    clear = np.ones(ids.shape, bool)  # where no router was close to another choice, at that place or before
    for gate, logits, _ in gates:
        clear &= np.minimum.accumulate(margin(gate, logits, lm.config) > 1e-5, axis=1)
    got, scale = np.asarray(lm(ids)), max(1, np.abs(expected).max() / 10)
    np.testing.assert_allclose(got[clear], expected[clear], atol=2e-4 * scale, rtol=0)
