"""Cache, padding and packing change no logit: prefill with single steps, and rows in any company, equal full rows."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from arabic_r1_jax.infer.cache import decode, prefill
from arabic_r1_jax.model.config import RopeConfig, RouterConfig
from arabic_r1_jax.parallel.mesh import make_mesh

YARN = RopeConfig(theta=1000.0, factor=8.0, original_max_position_embeddings=16, mscale=0.707, mscale_all_dim=0.707)
VARIANTS = {
    "v3": {"rope": YARN},
    "v3 without q_lora": {"q_lora_rank": None, "first_k_dense_replace": 0},
    "v2-lite": {
        "family": "deepseek_v2",
        "q_lora_rank": None,
        "n_shared_experts": 2,
        "rope": YARN,
        "router": RouterConfig("softmax_greedy"),
    },
    "v2": {"family": "deepseek_v2", "router": RouterConfig("softmax_group", 4, 2, False, 16.0)},
}
LENGTHS = (3, 9, 14, 20)
ROWS = [np.random.default_rng(n).integers(2, 61, n, np.int32) for n in LENGTHS]


@pytest.fixture(scope="module", params=VARIANTS)
def lm(request, tiny, random_model):
    return random_model(tiny(**VARIANTS[request.param]), make_mesh(1, 4))


@pytest.fixture(scope="module")
def alone(lm):
    """Each row's logits [T, V], run by itself."""
    return [np.asarray(lm(row[None]))[0] for row in ROWS]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_rows_equal_single_rows(lm, alone, side):
    width = max(LENGTHS) + 2
    ids, segments = np.zeros((2, len(ROWS), width), np.int32)
    places = [slice(width - n, width) if side == "left" else slice(0, n) for n in LENGTHS]
    for i, (row, at) in enumerate(zip(ROWS, places, strict=True)):
        ids[i, at], segments[i, at] = row, 1
    logits = np.asarray(lm(ids, segments))
    for i, at in enumerate(places):
        np.testing.assert_allclose(logits[i, at], alone[i], atol=1e-4, rtol=0)


def test_packed_segments_equal_single_rows(lm, alone):
    ids = np.concatenate([*ROWS, [0, 0]])[None]
    segments = np.concatenate([np.repeat(np.arange(1, len(ROWS) + 1), LENGTHS), [0, 0]])[None].astype(np.int32)
    logits = np.asarray(lm(ids, segments))[0]
    ends = np.cumsum(LENGTHS)
    for expected, end in zip(alone, ends, strict=True):
        np.testing.assert_allclose(logits[end - len(expected) : end], expected, atol=1e-4, rtol=0)


def test_prefill_and_single_steps_equal_the_full_forward(lm, alone):
    """Rows of different lengths, left-padded, each fed its last tokens one at a time."""
    model, steps = nnx.merge(lm.graph, lm.state), 2
    width = max(LENGTHS) - steps
    ids, pad = np.zeros((len(ROWS), width), np.int32), np.zeros(len(ROWS), np.int32)
    for i, row in enumerate(ROWS):
        head = row[:-steps]
        pad[i] = width - len(head)
        ids[i, pad[i] :] = head
    options = {"dtype": jnp.float32, "mesh": lm.mesh}
    h, cache = prefill(model, jnp.asarray(ids), jnp.asarray(pad), width + steps, **options)
    for step in range(steps + 1):
        logits = np.asarray(model.logits(h))
        for i, expected in enumerate(alone):
            np.testing.assert_allclose(logits[i], expected[step - steps - 1], atol=1e-4, rtol=0)
        if step < steps:
            token = jnp.asarray([row[step - steps] for row in ROWS])
            h, cache = decode(model, token, jnp.int32(width + step), jnp.asarray(pad), cache, **options)
