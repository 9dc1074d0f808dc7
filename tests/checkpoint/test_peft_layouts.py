"""Adapters from elsewhere come in, ours go out in both layouts, and nothing is dropped on the way."""

import dataclasses
import json
import re

import numpy as np
import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert, hf, peft, shards
from arabic_r1_jax.checkpoint.load import load
from arabic_r1_jax.checkpoint.relay import relay
from arabic_r1_jax.checkpoint.source import base_sha, open_folder
from arabic_r1_jax.cli import main
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import TARGETS, LoraConfig

ALL = LoraConfig(rank=4, alpha=6.0, targets=TARGETS, expert_rank=2)
PREFIX = "base_model.model."


@pytest.fixture
def base(make_hf):
    return make_hf(dtype="float32", torch_dtype="float32")


@pytest.fixture
def cfg(base):
    return ModelConfig.from_hf(hf.read_config(base))


@pytest.fixture
def ours(base, cfg, tmp_path, random_adapter):
    """A function: one of our adapters, in a layout."""

    def make(lora=ALL, layout="per-expert", at="ours"):
        peft.save_adapter(tmp_path / at, random_adapter(cfg, lora), cfg, lora, base_sha(base), layout)
        return tmp_path / at

    return make


def foreign(folder, tensors, **config):
    """A PEFT folder without our manifest."""
    folder.mkdir()
    tensors = {f"{PREFIX}{name}": value for name, value in tensors.items()}
    shards.write(folder / peft.WEIGHTS, shards.specs_of(tensors), tensors.__getitem__)
    kept = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, **config}
    (folder / peft.CONFIG).write_text(json.dumps(kept))
    return folder


def pair_of(cfg, module, rank=2, seed=0):
    entry = next(e for e in peft.adapted(cfg, TARGETS) for _, theirs in e.tensors() if theirs == f"{module}.weight")
    random = np.random.default_rng(seed)
    a, b = (random.normal(size=s).astype(np.float32) for s in ((rank, entry.part[1]), (entry.part[0], rank)))
    return {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}


ATTENTION = "model.layers.{}.self_attn.{}"
LAYERS = range(3)


def test_the_fused_layout_comes_back_bit_for_bit(ours, cfg, random_adapter):
    found, back = peft.load_adapter(ours(layout="fused"), cfg)
    assert (found.rank, found.expert_rank, found.targets) == (ALL.rank, ALL.expert_rank, ALL.targets)
    for name, factor in random_adapter(cfg, ALL).items():
        assert back[name].tobytes() == factor.tobytes(), name


def test_laying_an_adapter_out_and_back_changes_no_bit(ours, cfg, base, tmp_path):
    first = ours()
    told = relay(first, tmp_path / "fused", "fused")
    relay(tmp_path / "fused", tmp_path / "again", "per-expert")
    one, two = (shards.Shard(folder / peft.WEIGHTS) for folder in (first, tmp_path / "again"))
    assert one.specs == two.specs
    assert all(one.read(name).tobytes() == two.read(name).tobytes() for name in one.specs)
    assert json.loads((first / peft.CONFIG).read_text()) == json.loads((tmp_path / "again" / peft.CONFIG).read_text())
    assert artifacts.read_manifest(tmp_path / "again")["base_sha"] == base_sha(base)
    assert told["alpha_over_r"] == 1.5
    assert told["max_rank"] == 4


def test_linears_that_are_not_adapted_get_nothing(base, cfg, tmp_path):
    modules = [ATTENTION.format(layer, name) for layer in LAYERS for name in ("q_a_proj", "o_proj")]
    folder = foreign(tmp_path / "partial", {k: v for m in modules for k, v in pair_of(cfg, m).items()})
    lora, factors = peft.load_adapter(folder, cfg)
    assert lora.targets == ("attention",)
    assert factors["moe.attn.o.lora_b"].any()
    assert not factors["moe.attn.kv_b.lora_b"].any()
    assert not factors["moe.attn.kv_b.lora_a"].any()


def test_other_ranks_and_scales_compute_the_same(base, cfg, tmp_path):
    modules = {
        ATTENTION.format(layer, name): rank for layer in LAYERS for name, rank in (("q_a_proj", 1), ("o_proj", 3))
    }
    tensors = {k: v for m, rank in modules.items() for k, v in pair_of(cfg, m, rank).items()}
    config = {"rank_pattern": {"q_a_proj": 1, "o_proj": 3}, "alpha_pattern": {"o_proj": 12}}
    lora, factors = peft.load_adapter(foreign(tmp_path / "mixed", tensors, **config), cfg)
    assert lora.rank == 3
    for name, scale in (("q_a", 4.0), ("o", 4.0)):
        theirs = ATTENTION.format(1, f"{name}_proj")
        want = scale * tensors[f"{theirs}.lora_B.weight"] @ tensors[f"{theirs}.lora_A.weight"]
        got = lora.scale * factors[f"moe.attn.{name}.lora_b"][0] @ factors[f"moe.attn.{name}.lora_a"][0]
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rslora, scale", [(False, 2.0), (True, 4 / 2**0.5)])
def test_rank_stabilised_adapters_have_their_scale(cfg, tmp_path, rslora, scale):
    tensors = {k: v for layer in LAYERS for k, v in pair_of(cfg, ATTENTION.format(layer, "o_proj")).items()}
    lora, _ = peft.load_adapter(foreign(tmp_path / "a", tensors, use_rslora=rslora), cfg)
    assert lora.scale == pytest.approx(scale)


def test_chosen_layers_are_adapted_and_the_others_are_not(cfg, tmp_path):
    tensors = pair_of(cfg, ATTENTION.format(2, "o_proj"))
    _, factors = peft.load_adapter(foreign(tmp_path / "a", tensors, layers_to_transform=[2]), cfg)
    assert factors["moe.attn.o.lora_b"][1].any()
    assert not factors["moe.attn.o.lora_b"][0].any()
    with pytest.raises(UserError, match=r"layers\.0\.self_attn\.o_proj\.lora_A\.weight is missing"):
        peft.load_adapter(foreign(tmp_path / "b", tensors), cfg)


def test_a_linear_of_dense_layers_that_only_moe_layers_have_is_missed(cfg, tmp_path):
    tensors = {k: v for layer in (1, 2) for k, v in pair_of(cfg, ATTENTION.format(layer, "o_proj")).items()}
    with pytest.raises(UserError, match=r"layers\.0\.self_attn\.o_proj\.lora_A\.weight is missing"):
        peft.load_adapter(foreign(tmp_path / "a", tensors, target_modules=["o_proj"]), cfg)
    chosen = [ATTENTION.format(layer, "o_proj") for layer in (1, 2)]
    for name, config in {
        "named": {"target_modules": chosen},
        "regex": {"target_modules": r".*\.[12]\..*o_proj"},
    }.items():
        _, factors = peft.load_adapter(foreign(tmp_path / name, tensors, **config), cfg)
        assert factors["moe.attn.o.lora_b"].any()
        assert not factors["dense.attn.o.lora_b"].any()


def test_a_merge_keeps_the_bytes_of_linears_that_have_no_adapter(make_fp8, tmp_path):
    source, cfg = open_folder(make_fp8())
    tensors = {k: v for layer in LAYERS for k, v in pair_of(cfg, ATTENTION.format(layer, "o_proj")).items()}
    convert.merge(source.folder, foreign(tmp_path / "a", tensors), tmp_path / "merged", "fp8")
    merged, _ = open_folder(tmp_path / "merged")
    changed = {name for name in source.specs if merged.read(name).tobytes() != source.read(name).tobytes()}
    assert changed == {ATTENTION.format(layer, "o_proj.weight" + end) for layer in LAYERS for end in ("", "_scale_inv")}


@pytest.mark.parametrize(
    "module, why",
    [
        ("model.layers.1.mlp.gate", "the router is kept frozen"),
        ("lm_head", "the head has no adapter"),
        ("model.embed_tokens", "the embedding has no adapter"),
    ],
)
def test_what_has_no_adapter_here_is_refused_with_the_reason(cfg, tmp_path, module, why):
    tensors = {f"{module}.lora_A.weight": np.zeros((2, 24), np.float32)}
    with pytest.raises(UserError, match=re.escape(module) + ".*" + why):
        peft.load_adapter(foreign(tmp_path / "a", tensors), cfg)


def test_half_a_pair_is_named(cfg, tmp_path):
    tensors = pair_of(cfg, ATTENTION.format(1, "o_proj"))
    lost = ATTENTION.format(1, "o_proj") + ".lora_B.weight"
    del tensors[lost]
    with pytest.raises(UserError, match=f"{lost} is missing"):
        peft.load_adapter(foreign(tmp_path / "a", tensors), cfg)


@pytest.mark.parametrize(
    "layout, target, message",
    [
        ("per-expert", "vllm", "vllm would silently drop the adapter of model.layers.0.self_attn.kv_b_proj.weight"),
        ("fused", "vllm", "vllm does not take the fused layout"),
        ("fused", "sglang", "sglang does not take the fused layout"),
    ],
)
def test_what_a_server_would_drop_is_refused(ours, tmp_path, layout, target, message, capsys):
    words = ["convert", "peft", ours(), tmp_path / "out", "--layout", layout, "--serve-target", target]
    assert main(list(map(str, words))) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout, target", [("per-expert", "sglang"), ("fused", "transformers")])
def test_what_a_server_takes_is_written(ours, tmp_path, layout, target, capsys):
    words = ["convert", "peft", ours(), tmp_path / "out", "--layout", layout, "--serve-target", target, "--json"]
    assert main(list(map(str, words))) == 0
    assert json.loads(capsys.readouterr().out)["layout"] == layout


def test_an_adapter_without_kv_b_is_served_by_vllm(base, cfg, tmp_path):
    tensors = {k: v for layer in LAYERS for k, v in pair_of(cfg, ATTENTION.format(layer, "o_proj")).items()}
    folder = foreign(tmp_path / "a", tensors)
    with pytest.raises(UserError, match="--base"):
        relay(folder, tmp_path / "out", serve_target="vllm")
    relay(folder, tmp_path / "out", serve_target="vllm", base=base)
    assert shards.Shard(tmp_path / "out" / peft.WEIGHTS).specs.keys() == {PREFIX + name for name in tensors}
    assert json.loads((tmp_path / "out" / peft.CONFIG).read_text())["target_modules"] == ["o_proj"]


# ---- against transformers and PEFT


def logits_of(model, ids):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return model(torch.from_numpy(ids)).logits.float().numpy()


@pytest.fixture
def reference(base):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("peft")
    return lambda: transformers.AutoModelForCausalLM.from_pretrained(base, dtype="float32").eval()


@pytest.mark.parametrize("layout", peft.LAYOUTS)
@pytest.mark.parametrize(
    "lora", [ALL, dataclasses.replace(ALL, targets=("experts",)), dataclasses.replace(ALL, expert_rank=None)]
)
def test_peft_computes_our_adapted_models_logits(ours, base, cfg, reference, layout, lora):
    import peft as tuner

    folder = ours(lora, layout)
    ids = np.random.default_rng(0).integers(0, cfg.vocab_size, (2, 12))
    want = np.asarray(load(base, folder, "float32")(ids))
    model = tuner.PeftModel.from_pretrained(reference(), folder).eval()
    plain = logits_of(reference(), ids)
    assert np.abs(want - plain).max() > 0.05
    np.testing.assert_allclose(logits_of(model, ids), want, atol=2e-4 * max(1, np.abs(want).max() / 10), rtol=0)


def trained_elsewhere(model, folder, **options):
    """An adapter that PEFT itself makes and saves, its factors drawn at random."""
    import peft as tuner
    import torch

    adapted = tuner.get_peft_model(model, tuner.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=6, **options))
    generator = torch.Generator().manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    adapted.eval().save_pretrained(folder)
    return adapted


NETWORKS = [
    f"{where}{name}_proj.weight" for where in ("mlp.", "mlp.shared_experts.") for name in ("gate", "up", "down")
]
MADE = {
    "attention": dict(target_modules=["q_a_proj", "o_proj", "kv_b_proj"]),
    "every attention, rslora": dict(
        target_modules=["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"], use_rslora=True
    ),
    "experts and networks": dict(
        target_modules=["o_proj"],
        target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj", *NETWORKS],
        rank_pattern={"o_proj": 2},
    ),
    "down alone": dict(target_modules=["o_proj"], target_parameters=["mlp.experts.down_proj"]),
    "gate and up alone": dict(target_modules=["o_proj"], target_parameters=["mlp.experts.gate_up_proj"]),
    "excluded": dict(target_modules=["o_proj"], exclude_modules=["model.layers.2.self_attn.o_proj"]),
    "one layer": dict(target_modules=["o_proj"], layers_to_transform=[1]),
}


@pytest.mark.parametrize("name", MADE)
def test_an_adapter_that_peft_made_has_pefts_logits_here(base, cfg, reference, tmp_path, name):
    ids = np.random.default_rng(0).integers(0, cfg.vocab_size, (2, 12))
    want = logits_of(trained_elsewhere(reference(), tmp_path / "theirs", **MADE[name]), ids)
    got = np.asarray(load(base, tmp_path / "theirs", "float32")(ids))
    assert np.abs(want - logits_of(reference(), ids)).max() > 0.05
    np.testing.assert_allclose(got, want, atol=2e-4 * max(1, np.abs(want).max() / 10), rtol=0)


@pytest.mark.parametrize("layout", peft.LAYOUTS)
@pytest.mark.parametrize("name", ["gate and up alone", "down alone", "one layer"])
def test_a_partial_adapter_laid_out_anew_keeps_pefts_logits(base, cfg, reference, tmp_path, name, layout):
    import peft as tuner

    ids = np.random.default_rng(0).integers(0, cfg.vocab_size, (2, 12))
    want = logits_of(trained_elsewhere(reference(), tmp_path / "theirs", **MADE[name]), ids)
    relay(tmp_path / "theirs", tmp_path / "anew", layout, base=base)
    model = tuner.PeftModel.from_pretrained(reference(), tmp_path / "anew").eval()
    np.testing.assert_allclose(logits_of(model, ids), want, atol=2e-4 * max(1, np.abs(want).max() / 10), rtol=0)


def test_an_adapter_that_peft_made_merges(base, cfg, reference, tmp_path):
    ids = np.random.default_rng(0).integers(0, cfg.vocab_size, (2, 12))
    want = logits_of(trained_elsewhere(reference(), tmp_path / "theirs", **MADE["experts and networks"]), ids)
    convert.merge(base, tmp_path / "theirs", tmp_path / "merged")
    got = np.asarray(load(tmp_path / "merged", dtype="float32")(ids))
    np.testing.assert_allclose(got, want, atol=2e-4 * max(1, np.abs(want).max() / 10), rtol=0)
