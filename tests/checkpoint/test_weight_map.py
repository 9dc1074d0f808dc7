"""The table: it covers the model, both ways, and says what is wrong with tensors that do not fit it."""

import ml_dtypes
import numpy as np
import pytest

from arabic_r1_jax.checkpoint import shards, weight_map
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig

F32 = np.dtype(np.float32)


@pytest.fixture(params=["v3", "v3-no-q-lora-tied", "v3-no-dense", "v2-lite", "v2-q-lora"])
def config(request, configs):
    return configs[request.param]


@pytest.fixture
def cfg(config):
    return ModelConfig.from_hf(config)


@pytest.fixture
def tensors(config, random_tensors):
    return random_tensors(config, F32)


def test_each_released_name_belongs_to_one_place(cfg):
    names = [name for entry in weight_map.entries(cfg).values() for _, name in entry.tensors()]
    assert len(names) == len(set(names))


def test_a_small_v3_has_these_shapes(configs):
    shapes = {name: entry.shape for name, entry in weight_map.entries(ModelConfig.from_hf(configs["v3"])).items()}
    assert shapes["embed.weight"] == (40, 24)
    assert shapes["dense.attn.q_b.weight"] == (1, 2 * (6 + 4), 10)
    assert shapes["moe.attn.kv_a.weight"] == (2, 8 + 4, 24)
    assert shapes["moe.attn.kv_b.weight"] == (2, 2 * (6 + 5), 8)
    assert shapes["moe.attn.o.weight"] == (2, 24, 2 * 5)
    assert shapes["moe.router.bias"] == (2, 4)
    assert shapes["experts.down.weight"] == (2, 4, 24, 12)


def test_moe_layers_count_from_the_first_that_is_not_dense(configs):
    entry = weight_map.entries(ModelConfig.from_hf(configs["v2-lite"]))["experts.up.weight"]
    assert entry.theirs((0, 3)) == "model.layers.2.mlp.experts.3.up_proj.weight"


def test_a_block_without_layers_is_absent(configs):
    assert not any(
        name.startswith("dense.") for name in weight_map.entries(ModelConfig.from_hf(configs["v3-no-dense"]))
    )


def test_every_tensor_stands_at_its_own_place_of_its_stack(cfg, tensors):
    found = {}
    for entry in weight_map.entries(cfg).values():
        stack = weight_map.stack(entry, tensors.__getitem__)
        assert stack.shape == entry.shape
        found.update({theirs: stack[index].tobytes() for index, theirs in entry.tensors()})
    assert found == {name: array.tobytes() for name, array in tensors.items()}


def test_a_window_reads_only_its_own_tensors(configs, random_tensors):
    tensors = random_tensors(configs["v3"], F32)
    entry = weight_map.entries(ModelConfig.from_hf(configs["v3"]))["experts.gate.weight"]
    whole = weight_map.stack(entry, tensors.__getitem__)
    asked = []

    def read(name):
        asked.append(name)
        return tensors[name]

    window = (slice(None), slice(2, 4), slice(0, 6), slice(None))
    np.testing.assert_array_equal(weight_map.stack(entry, read, window), whole[window])
    assert sorted(asked) == sorted(entry.theirs((layer, expert)) for layer in (0, 1) for expert in (2, 3))


def test_a_cast_rounds_to_nearest_even(configs):
    entry = weight_map.entries(ModelConfig.from_hf(configs["v3"]))["norm.weight"]
    values = np.resize(np.float32([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-9]), 24)
    cast = weight_map.stack(entry, lambda _: values, dtype=np.dtype(ml_dtypes.bfloat16))
    assert list(cast[:3].astype(np.float32)) == [1.0, 1 + 2**-6, 1.0]


def check(config, tensors):
    return weight_map.check(shards.specs_of(tensors), ModelConfig.from_hf(config), "folder")


def test_a_whole_checkpoint_passes_with_nothing_to_carry(config, tensors):
    assert check(config, tensors) == []


def test_mtp_layers_and_unused_buffers_are_carried(config, random_tensors):
    tensors = random_tensors(config, F32, mtp=True)
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(2, np.float32)
    extra = check(config, tensors)
    assert len(extra) == 5
    assert all(name.startswith("model.layers.3.") or name.endswith("inv_freq") for name in extra)


def test_a_head_beside_tied_embeddings_is_carried(configs, random_tensors):
    tensors = random_tensors(configs["v3-no-q-lora-tied"], F32)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    assert check(configs["v3-no-q-lora-tied"], tensors) == ["lm_head.weight"]


def test_a_missing_tensor_is_named(configs, random_tensors):
    tensors = random_tensors(configs["v3"], F32)
    del tensors["model.layers.2.mlp.experts.3.down_proj.weight"]
    with pytest.raises(UserError, match=r"folder: tensor model.layers.2.mlp.experts.3.down_proj.weight is missing"):
        check(configs["v3"], tensors)


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.q_a_proj.bias", "visual.weight", "model.layers.x.weight"])
def test_an_unknown_tensor_is_named(configs, random_tensors, name):
    tensors = {**random_tensors(configs["v3"], F32), name: np.zeros(3, np.float32)}
    with pytest.raises(UserError, match=f"tensor {name} is unknown"):
        check(configs["v3"], tensors)


def test_a_layer_past_the_last_that_is_no_mtp_layer_is_named(configs, random_tensors):
    tensors = random_tensors(configs["v3"], F32)
    with pytest.raises(UserError, match="num_hidden_layers 2"):
        check({**configs["v3"], "num_hidden_layers": 2}, tensors)


def test_a_wrong_shape_is_named_with_both_shapes(configs, random_tensors):
    tensors = random_tensors(configs["v3"], F32)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].T
    with pytest.raises(UserError, match=r"lm_head.weight has shape \[24, 40\], config.json asks for \[40, 24\]"):
        check(configs["v3"], tensors)


def test_an_fp8_tensor_is_named(configs, random_tensors):
    specs = shards.specs_of(random_tensors(configs["v3"], F32))
    name = "model.layers.1.self_attn.o_proj.weight"
    specs[name] = Spec(np.dtype(ml_dtypes.float8_e4m3fn), specs[name].shape)
    with pytest.raises(UserError, match=f"{name} is float8_e4m3fn"):
        weight_map.check(specs, ModelConfig.from_hf(configs["v3"]), "folder")


def test_a_stack_of_two_dtypes_is_refused(configs, random_tensors):
    tensors = random_tensors(configs["v3"], F32)
    name = "model.layers.2.input_layernorm.weight"
    tensors[name] = tensors[name].astype(ml_dtypes.bfloat16)
    with pytest.raises(UserError, match=f"but {name} is bfloat16"):
        check(configs["v3"], tensors)
