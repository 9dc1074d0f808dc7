"""The whole model: segments, adapters, names, and what may be differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.model import attention, rope
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import (
    abstract_state,
    flat,
    init_adapter,
    segment_positions,
    split,
    unflat,
)
from arabic_r1_jax.parallel.mesh import make_mesh

LORA = LoraConfig(rank=4, alpha=6.0, targets=("attention", "shared", "dense", "experts"), expert_rank=2)


def tokens(*shape, seed=0):
    return np.random.default_rng(seed).integers(2, 61, shape, np.int32)


def test_packed_segments_equal_separate_rows(tiny, random_model):
    lm = random_model(tiny())
    a, b = tokens(9), tokens(14, seed=1)
    row = np.concatenate([a, b, np.zeros(3, np.int32)])[None]
    segments = np.repeat([1, 2, 0], [9, 14, 3]).astype(np.int32)[None]
    packed = lm(row, segments)[0]
    for part, alone in ((packed[:9], a), (packed[9:23], b)):
        np.testing.assert_allclose(part, lm(alone[None])[0], atol=2e-5)  # float32 sums over another batch


def test_positions_restart_in_every_segment():
    segments = jnp.array([[1, 1, 2, 2, 2, 0], [3, 1, 1, 1, 1, 1]])
    assert segment_positions(segments).tolist() == [[0, 1, 0, 1, 2, 0], [0, 0, 1, 2, 3, 4]]


def test_later_tokens_change_nothing_before_them(tiny, random_model):
    lm = random_model(tiny())
    first, second = tokens(2, 130)[:1], tokens(2, 130)[:1].copy()  # three pieces of queries
    second[:, 70:] = tokens(60, seed=2)
    a, b = lm(first), lm(second)
    np.testing.assert_allclose(a[:, :70], b[:, :70], atol=2e-5)
    assert jnp.abs(a[:, 70:] - b[:, 70:]).max() > 0.1


def test_explicit_positions_are_used(tiny, random_model):
    lm = random_model(tiny())
    ids = tokens(1, 8)
    restarted = lm(ids, positions=np.array([[0, 1, 2, 3, 0, 1, 2, 3]]))
    shifted = lm(ids, positions=np.arange(8)[None] + 100)
    assert jnp.abs(restarted - lm(ids)).max() > 0.01
    np.testing.assert_allclose(shifted, lm(ids), atol=1e-4)  # only distances count; angles of 100 rad in float32


def test_adapters_equal_merged_weights(tiny, random_model):
    lm = random_model(tiny(), lora=LORA)
    arrays, merged = flat(lm.state), {}
    for name, w in arrays.items():
        stem, part = name.rsplit(".", 1)
        a, b = arrays.get(f"{stem}.lora_a"), arrays.get(f"{stem}.lora_b")
        if part in ("weight", "bias"):
            merged[name] = w if a is None else w + LORA.scale * b @ a
    ids = tokens(2, 20)
    plain = LanguageModel.from_arrays(lm.config, merged, lm.mesh)
    np.testing.assert_allclose(lm(ids), plain(ids), atol=1e-4)  # other rounding at logits near 8
    bare = LanguageModel.from_arrays(lm.config, {n: arrays[n] for n in merged}, lm.mesh)
    assert jnp.abs(lm(ids) - bare(ids)).max() > 0.1


def test_a_fresh_adapter_changes_nothing_and_does_not_depend_on_the_mesh(tiny, random_model):
    lm, ids = random_model(tiny()), tokens(1, 12)
    fresh = [init_adapter(jax.random.key(3), lm.config, LORA, mesh) for mesh in (lm.mesh, make_mesh(2, 4))]
    for name in fresh[0]:
        np.testing.assert_array_equal(fresh[0][name], fresh[1][name])
    adapted = LanguageModel.from_arrays(lm.config, flat(lm.state) | fresh[0], lm.mesh, lora=LORA)
    np.testing.assert_array_equal(adapted(ids), lm(ids))
    assert float(jnp.std(fresh[0]["moe.attn.o.lora_a"])) == pytest.approx(20**-0.5, rel=0.2)


def test_names_and_shapes_are_the_contract(tiny):
    shapes = {n: s.shape for n, s in flat(abstract_state(tiny(), LORA, make_mesh(), jnp.bfloat16)[1]).items()}
    assert shapes["embed.weight"] == shapes["head.weight"] == (61, 32)
    assert shapes["dense.mlp.gate.weight"] == (1, 40, 32)
    assert shapes["moe.attn.q_b.weight"] == (2, 2 * (12 + 8), 24)
    assert shapes["moe.attn.kv_a.lora_b"] == (2, 20 + 8, 4)
    assert shapes["moe.router.bias"] == (2, 8)
    assert shapes["experts.down.weight"] == (2, 8, 32, 16)
    assert shapes["experts.gate.lora_a"] == (2, 8, 2, 32)
    without = flat(abstract_state(tiny(q_lora_rank=None, tie_word_embeddings=True), None, make_mesh(), jnp.bfloat16)[1])
    assert "moe.attn.q.weight" in without
    assert not {"head.weight", "moe.attn.q_a.weight"} & set(without)


def test_a_block_without_layers_is_absent(tiny):
    for changes, absent in (({"first_k_dense_replace": 0}, "dense."), ({"first_k_dense_replace": 9}, "moe.")):
        state = abstract_state(tiny(**changes), None, make_mesh(), jnp.float32)[1]
        assert not any(name.startswith(absent) for name in flat(state))


def test_a_dense_model_and_an_expert_model_run(tiny, random_model):
    for changes in ({"first_k_dense_replace": 0}, {"first_k_dense_replace": 9}):
        assert jnp.isfinite(random_model(tiny(**changes))(tokens(1, 5))).all()


def test_flat_and_unflat_are_inverse(tiny, random_model):
    lm = random_model(tiny(), lora=LORA)
    again = unflat(lm.state, flat(lm.state))
    assert jax.tree.all(jax.tree.map(lambda a, b: a is b, again, lm.state))
    with pytest.raises(KeyError, match=r"moe\.router\.bias"):
        unflat(lm.state, {n: a for n, a in flat(lm.state).items() if n != "moe.router.bias"})


@pytest.mark.parametrize("trained, expected", [("adapter", False), ("frozen", True)])
def test_no_gradient_of_a_frozen_weight_exists_when_adapters_train(tiny, random_model, products, trained, expected):
    lm = random_model(tiny(), make_mesh(1, 4), LORA)
    parts = dict(zip(("adapter", "frozen"), split(lm.state), strict=True))
    ids = tokens(4, 17)  # 68 tokens: no weight has that dimension

    def loss(part):
        net = nnx.merge(lm.graph, *(parts | {trained: part}).values())
        return net(ids, dtype=jnp.float32, mesh=lm.mesh).sum()

    made = products(jax.make_jaxpr(jax.grad(loss))(parts[trained]).jaxpr)
    weights = {n: s.shape for n, s in flat(parts["frozen"]).items() if not n.startswith("embed") and "norm" not in n}
    gradients = set()
    for name, shape in weights.items():
        per_layer = shape[1:] if len(shape) > 2 or "bias" in name else shape
        if name.startswith("experts"):
            per_layer = (shape[0] * shape[1] // 4, *shape[2:])  # what a device holds, layers and experts as one axis
        if {per_layer, per_layer[:-2] + per_layer[:-3:-1]} & made:
            gradients.add(name)
    assert bool(gradients) == expected, gradients
    if expected:
        assert {"moe.attn.o.weight", "moe.shared.up.weight", "experts.down.weight"} <= gradients


GROUPED = {
    "plain": dict(num_attention_heads=6, q_lora_rank=None),
    "query latent": dict(num_attention_heads=6),
    # A head's share of `o` is half a block of FP8: 4 heads go by two at most, whatever memory they take.
    "fp8": dict(
        fp8=True, num_attention_heads=4, hidden_size=136, qk_nope_head_dim=64, qk_rope_head_dim=64, v_head_dim=64
    ),
}


@pytest.mark.parametrize(
    "variant, groups, wanted",
    [("plain", 2, 2), ("query latent", 4, 6), ("query latent", 99, 6), ("fp8", 2, 2), ("fp8", 4, 2)],
)
def test_heads_in_groups_attend_as_all_at_once(variant, groups, wanted, tiny, monkeypatch):
    """Values, and gradients of x, the adapters and, where it is no FP8, the base: 1e-5 of each array's largest value.

    `HEADS_BYTES` allows `groups` groups; the fewest possible are taken.
    """
    cfg, time = tiny(**GROUPED[variant]), 11
    rng = np.random.default_rng(0)
    graph, state = nnx.split(attention.Attention(cfg, (), LORA, jnp.float32))
    arrays = {}
    for name, a in flat(state).items():
        noise = rng.standard_normal(a.shape) * (1 if name.endswith("scale") else a.shape[-1] ** -0.5)
        arrays[name] = jnp.asarray(noise + ("norm" in name), a.dtype)
    x, dy = jnp.float32(rng.standard_normal((2, 2, time, cfg.hidden_size)))
    cos, sin = rope.angles(jnp.arange(time)[None].repeat(2, 0), cfg.qk_rope_head_dim, cfg.rope)
    segments = jnp.asarray([[1] * 5 + [2] * 4 + [0] * 2, [1] * time])
    mesh = make_mesh(devices=jax.devices()[:1])
    frozen = {name: a for name, a in arrays.items() if cfg.fp8 and not name.rsplit(".", 1)[-1].startswith("lora")}

    def both(x, trained, dy):
        def run(x, trained):
            attn = nnx.merge(graph, unflat(state, trained | frozen))
            return attn.expanded(x, attn.latents(x, cos, sin), cos, sin, segments, mesh)

        y, back = jax.vjp(run, x, trained)
        return y, back(dy)

    arguments = x, {name: a for name, a in arrays.items() if name not in frozen}, dy
    want = jax.jit(both)(*arguments)
    per_head = 2 * cfg.qk_head_dim + cfg.v_head_dim
    monkeypatch.setattr(attention, "HEADS_BYTES", -(-2 * time * cfg.num_attention_heads * per_head * 4 // groups))
    grouped = jax.jit(lambda *arguments: both(*arguments))
    assert f"length={wanted}" in str(jax.make_jaxpr(grouped)(*arguments))
    got = grouped(*arguments)
    for (path, b), a in zip(jax.tree.leaves_with_path(want), jax.tree.leaves(got), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(jnp.abs(b).max()), err_msg=str(path))
