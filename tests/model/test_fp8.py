"""A model on a block-FP8 base is the model of the dequantised weights: logits, gradients, generation, on any mesh."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from arabic_r1_jax.checkpoint import views
from arabic_r1_jax.infer.engine import generate_ids
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import flat, split
from arabic_r1_jax.parallel.mesh import make_mesh

LORA = LoraConfig(2, 4.0, ("attention", "shared", "dense", "experts"))
# Sizes below and above one block and two; the blocks at the edges are partial.
SIZES = dict(
    fp8=True, hidden_size=200, intermediate_size=261, moe_intermediate_size=136, kv_lora_rank=130, n_routed_experts=12
)
VARIANTS = {"q_lora": {}, "no q_lora": {"q_lora_rank": None}}
IDS = np.random.default_rng(0).integers(2, 61, (8, 12), np.int32)


def dequantised(lm: LanguageModel) -> LanguageModel:
    """The same model with float32 weights."""
    arrays = {name: np.asarray(array) for name, array in flat(lm.state).items()}
    scales = {name for name in arrays if name.endswith(".scale")}
    for name in scales:
        weight = name.removesuffix("scale") + "weight"
        matrices, factors = arrays[weight], arrays[name]
        wide = np.empty(matrices.shape, np.float32)
        for index in np.ndindex(*matrices.shape[:-2]):
            wide[index] = views.widen(matrices[index], factors[index])
        arrays[weight] = wide
    plain = {name: array for name, array in arrays.items() if name not in scales}
    return LanguageModel.from_arrays(dataclasses.replace(lm.config, fp8=False), plain, lm.mesh, lora=lm.lora)


@pytest.fixture(scope="module", params=VARIANTS)
def pair(request, tiny, random_model):
    """(the FP8 model, the dequantised one) on one device."""
    lm = random_model(tiny(**SIZES, **VARIANTS[request.param]), lora=LORA)
    assert {str(a.dtype) for n, a in flat(lm.state).items() if n.endswith("kv_b.weight")} == {"float8_e4m3fn"}
    return lm, dequantised(lm)


def on(lm: LanguageModel, mesh) -> LanguageModel:
    arrays = {name: np.asarray(array) for name, array in flat(lm.state).items()}
    return LanguageModel.from_arrays(lm.config, arrays, mesh, lora=lm.lora)


@pytest.mark.parametrize("mesh", [(1, 1), (2, 4)])
def test_logits_equal_those_of_the_dequantised_model(pair, mesh):
    lm, wide = pair
    expected = np.asarray(wide(IDS))
    np.testing.assert_allclose(np.asarray(on(lm, make_mesh(*mesh))(IDS)), expected, atol=1e-4, rtol=0)
    assert np.abs(expected).max() > 1


def gradients(lm: LanguageModel):
    adapter, frozen = split(lm.state)

    def loss(adapter):
        model = nnx.merge(lm.graph, adapter, frozen)
        h, _ = model.hidden(jnp.asarray(IDS), dtype=jnp.float32, mesh=lm.mesh)
        return jnp.square(model.logits(h, lm.mesh)).mean()

    return {name: np.asarray(g) for name, g in flat(jax.jit(jax.grad(loss))(adapter)).items()}


@pytest.mark.parametrize("mesh", [(1, 1), (2, 4)])
def test_adapters_get_the_same_gradients(pair, mesh):
    lm, wide = pair
    expected, got = gradients(wide), gradients(on(lm, make_mesh(*mesh)))
    assert got.keys() == expected.keys()
    for name in expected:
        largest = np.abs(expected[name]).max()
        assert largest > 0, name
        np.testing.assert_allclose(got[name], expected[name], atol=3e-5 * largest, rtol=0, err_msg=name)


def test_generation_is_the_same(pair):
    lm, wide = pair
    prompts = [row[:n].tolist() for row, n in zip(IDS, range(2, 10), strict=True)]
    done = [[g.ids for g in generate_ids(model, prompts, max_new_tokens=6)] for model in (lm, wide)]
    assert done[0] == done[1]


def test_no_stack_of_experts_is_ever_widened(pair):
    lm, _ = pair
    stack = flat(lm.state)["experts.gate.weight"].shape
    text = str(
        jax.make_jaxpr(lambda s, ids: nnx.merge(lm.graph, s)(ids, dtype=jnp.float32, mesh=lm.mesh))(lm.state, IDS)
    )
    for shape in (stack, (stack[0] * stack[1], *stack[2:]), stack[1:]):
        assert f"f32[{','.join(map(str, shape))}]" not in text
    assert f"f8_e4m3fn[{','.join(map(str, stack))}]" in text
