"""Adapters: PEFT loads what we write, we load what we wrote, and merging equals both."""

import itertools
import json
import re

import numpy as np
import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert, hf, peft, shards, weight_map
from arabic_r1_jax.checkpoint.source import base_sha
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import TARGETS, LoraConfig

LORAS = {
    "all": LoraConfig(rank=4, alpha=6.0, targets=TARGETS),
    "all, small experts": LoraConfig(rank=4, alpha=6.0, targets=TARGETS, expert_rank=2),
    "default": LoraConfig(rank=3),
    "attention": LoraConfig(rank=4, targets=("attention",)),
    "experts": LoraConfig(rank=2, targets=("experts",)),
    "dense": LoraConfig(rank=2, targets=("dense",)),
    "shared and experts": LoraConfig(rank=3, targets=("shared", "experts"), expert_rank=5),
}


@pytest.fixture
def base(make_hf):
    return make_hf(dtype="float32", torch_dtype="float32")


@pytest.fixture
def cfg(base):
    return ModelConfig.from_hf(hf.read_config(base))


@pytest.fixture
def adapter(base, cfg, tmp_path, random_adapter):
    peft.save_adapter(tmp_path / "adapter", random_adapter(cfg, LORAS["all"]), cfg, LORAS["all"], base_sha(base))
    return tmp_path / "adapter"


@pytest.mark.parametrize("name", LORAS)
def test_an_adapter_comes_back_bit_for_bit(base, cfg, tmp_path, name, random_adapter):
    lora, factors = LORAS[name], random_adapter(cfg, LORAS[name])
    peft.save_adapter(tmp_path / "adapter", factors, cfg, lora, base_sha(base))
    found, back = peft.load_adapter(tmp_path / "adapter", cfg, base_sha(base))
    assert found.scale == pytest.approx(lora.scale, rel=1e-12)
    assert [found.rank_of(target) for target in TARGETS] == [lora.rank_of(target) for target in TARGETS]
    assert back.keys() == factors.keys()
    for key, value in factors.items():
        assert back[key].tobytes() == value.tobytes(), key


def test_an_adapter_of_every_variant_comes_back(configs, tmp_path, random_adapter):
    for number, config in enumerate(configs.values()):
        cfg = ModelConfig.from_hf(config)
        lora = LORAS["all"]
        factors = random_adapter(cfg, lora)
        peft.save_adapter(tmp_path / str(number), factors, cfg, lora, "0" * 64)
        _, back = peft.load_adapter(tmp_path / str(number), cfg)
        assert all(np.array_equal(back[key], factors[key]) for key in factors.keys() | back.keys())


def test_the_manifest_names_the_base(adapter, base):
    manifest = artifacts.read_manifest(adapter)
    assert manifest["kind"] == "adapter"
    assert manifest["base_sha"] == base_sha(base)


def test_alpha_over_r_is_one_number_for_all(cfg):
    """Servers that read one `r` and one `lora_alpha` (vLLM's PEFTHelper) then scale every matrix rightly."""
    config = peft.peft_config(LORAS["all, small experts"], peft.adapted(cfg, TARGETS))
    scales = {config["alpha_pattern"][key] / rank for key, rank in config["rank_pattern"].items()}
    assert scales == {config["lora_alpha"] / config["r"]} == {1.5}


def test_an_adapter_that_misses_a_target_is_never_written(cfg, tmp_path, random_adapter):
    factors = random_adapter(cfg, LORAS["all"])
    del factors["experts.up.lora_b"]
    with pytest.raises(ValueError, match="does not cover"):
        peft.save_adapter(tmp_path / "adapter", factors, cfg, LORAS["all"], "0" * 64)
    assert list(tmp_path.glob("*adapter*")) == []


def test_another_base_is_refused(adapter, cfg, make_hf):
    with pytest.raises(UserError, match="trained on another base"):
        peft.load_adapter(adapter, cfg, base_sha(make_hf(dtype="float32", seed=1, at="other")))


def test_merging_into_another_base_is_refused(adapter, make_hf, tmp_path):
    with pytest.raises(UserError, match="trained on another base"):
        convert.merge(make_hf(dtype="float32", seed=1, at="other"), adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def edit(path, **changes):
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"use_dora": True}, '"use_dora" is true'),
        ({"peft_type": "IA3"}, '"peft_type" is "IA3"'),
        ({"modules_to_save": ["lm_head"]}, '"modules_to_save" is ["lm_head"]'),
        ({"init_lora_weights": "pissa"}, '"init_lora_weights" is "pissa": it changes the base'),
        ({"lora_bias": True}, '"lora_bias" is true'),
        ({"layers_to_transform": 1.5}, '"layers_to_transform" is 1.5'),
        ({"target_modules": 3}, '"target_modules" is 3'),
        ({"lora_alpha": float("inf")}, '"lora_alpha" is inf'),
        ({"alpha_pattern": {"o_proj": 0}}, '"alpha_pattern" is'),
        ({"r": 0}, '"r" is 0'),
        ({"r": 5}, "has rank 4 in the weights and 5 in adapter_config.json"),
        ({"rank_pattern": {"(": 1}}, "is no regex"),
        ({"alpha_pattern": {"o_proj": "1"}}, '"alpha_pattern" is'),
        ({"rank_pattern": [4]}, '"rank_pattern" is'),
    ],
)
def test_settings_that_are_not_computed_are_refused(adapter, cfg, changes, message):
    edit(adapter / peft.CONFIG, **changes)
    with pytest.raises(UserError, match=re.escape(message)):
        peft.load_adapter(adapter, cfg)


def change_tensors(adapter, change):
    shard = shards.Shard(adapter / peft.WEIGHTS)
    tensors = {name: np.array(shard.read(name)) for name in shard.specs}
    change(tensors)
    shards.write(adapter / peft.WEIGHTS, shards.specs_of(tensors), tensors.__getitem__)


KEY = "base_model.model.model.layers.1.mlp.experts.2.up_proj.lora_B.weight"


def test_a_missing_adapter_tensor_is_named(adapter, cfg):
    change_tensors(adapter, lambda tensors: tensors.pop(KEY))
    with pytest.raises(UserError, match=f"{KEY} is missing"):
        peft.load_adapter(adapter, cfg)


def test_an_unknown_adapter_tensor_is_named(adapter, cfg):
    change_tensors(adapter, lambda tensors: tensors.update({KEY.replace(".2.", ".99."): tensors[KEY]}))
    with pytest.raises(UserError, match=r"experts.99.up_proj.lora_B.weight belongs to no linear"):
        peft.load_adapter(adapter, cfg)


def test_an_adapter_tensor_of_another_size_is_named(adapter, cfg):
    change_tensors(adapter, lambda tensors: tensors.update({KEY: tensors[KEY][:-1]}))
    with pytest.raises(UserError, match=f"{KEY} has shape"):
        peft.load_adapter(adapter, cfg)


def test_a_factor_that_is_no_matrix_is_named(adapter, cfg):
    change_tensors(adapter, lambda tensors: tensors.update({KEY: tensors[KEY].ravel()}))
    with pytest.raises(UserError, match=f"{KEY} has shape .* a factor is a matrix"):
        peft.load_adapter(adapter, cfg)


def test_a_truncated_adapter_is_refused(adapter, cfg):
    data = (adapter / peft.WEIGHTS).read_bytes()
    (adapter / peft.WEIGHTS).write_bytes(data[:-5])
    with pytest.raises(UserError, match="truncated"):
        peft.load_adapter(adapter, cfg)


def test_a_folder_that_is_no_adapter_is_refused(base, cfg):
    with pytest.raises(UserError, match=r"holds no adapter_config\.json"):
        peft.load_adapter(base, cfg)


@pytest.mark.parametrize("dtype", [None, "bf16", "float32"])
def test_merging_adds_scale_b_a_in_float32_and_rounds_once(make_hf, tmp_path, dtype, random_adapter):
    base, lora = make_hf(mtp=True), LORAS["all, small experts"]
    cfg = ModelConfig.from_hf(hf.read_config(base))
    factors = random_adapter(cfg, lora)
    peft.save_adapter(tmp_path / "adapter", factors, cfg, lora, base_sha(base))
    convert.merge(base, tmp_path / "adapter", tmp_path / "merged", dtype)
    before, after = hf.open_folder(base), hf.open_folder(tmp_path / "merged")
    assert before.specs.keys() == after.specs.keys()
    for entry in weight_map.entries(cfg).values():
        path = entry.name.removesuffix(".weight")
        for index, name in entry.tensors():
            want = before.read(name).astype(np.float32)
            if entry.lora:
                want = want + 1.5 * factors[f"{path}.lora_b"][index] @ factors[f"{path}.lora_a"][index]
            got = after.read(name)
            assert got.dtype == (np.float32 if dtype == "float32" else before.specs[name].dtype)
            # float32: the order of a sum of 2 to 4 products; bf16: half a unit of 8 bits.
            tolerance = 2**-8 if got.dtype != np.float32 else 2e-6
            np.testing.assert_allclose(got.astype(np.float32), want, rtol=tolerance, atol=2e-6, err_msg=name)


def test_a_merged_folder_of_either_base_form_is_the_same(base, adapter, contents, tmp_path):
    convert.hf_to_orbax(base, tmp_path / "orbax")
    convert.merge(base, adapter, tmp_path / "one")
    convert.merge(tmp_path / "orbax", adapter, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


# ---- against transformers and PEFT


def logits_of(model, ids):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return model(torch.from_numpy(ids)).logits.float().numpy()


@pytest.fixture
def transformers_model():
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    def load(folder):
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()

    return load


@pytest.mark.parametrize(
    "variant, name", [*itertools.product(["v3"], LORAS), ("v2-lite", "all, small experts"), ("v2-q-lora", "default")]
)
def test_peft_computes_what_the_merged_model_computes(
    make_hf, tmp_path, transformers_model, variant, name, random_adapter
):
    """Every module kind, routed experts included: PEFT's logits equal those of the folder that we merged."""
    tuner = pytest.importorskip("peft")
    base, lora = make_hf(variant, "float32", torch_dtype="float32"), LORAS[name]
    cfg = ModelConfig.from_hf(hf.read_config(base))
    peft.save_adapter(tmp_path / "adapter", random_adapter(cfg, lora), cfg, lora, base_sha(base))
    convert.merge(base, tmp_path / "adapter", tmp_path / "merged")
    ids = np.random.default_rng(0).integers(0, cfg.vocab_size, (2, 12))
    plain = logits_of(transformers_model(base), ids)
    adapted = tuner.PeftModel.from_pretrained(transformers_model(base), tmp_path / "adapter").eval()
    taken = sum(parameter.numel() for key, parameter in adapted.named_parameters() if "lora_" in key)
    ours = sum(factor.size for factor in random_adapter(cfg, lora).values())
    got, want = logits_of(adapted, ids), logits_of(transformers_model(tmp_path / "merged"), ids)
    assert taken >= ours  # PEFT's fused gate_up pads with zeros; less would mean a target was dropped
    assert np.abs(want - plain).max() > 0.05  # the adapter matters
    np.testing.assert_allclose(got, want, atol=2e-4 * max(1, np.abs(want).max() / 10))
