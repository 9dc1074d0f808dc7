"""The expert dispatch equals running every expert on every token, values and gradients, on any mesh and any routing.

Tolerance 1e-5 of the largest value: float32 sums of at most 32 terms in another order.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arabic_r1_jax.parallel import dispatch
from arabic_r1_jax.parallel.mesh import make_mesh

D, F, LAYERS, RANK, SCALE, T = 12, 10, 2, 3, 1.7, 9


def problem(experts, batch, k, seed=0, collapse=False):
    """Random tokens, distinct experts for each, and stacks with adapters. `collapse`: everyone chooses the same."""
    rng = np.random.default_rng(seed)
    ids = np.argsort(rng.random((1, 1, experts) if collapse else (batch, T, experts)), axis=-1)[..., :k]
    ids = np.broadcast_to(ids, (batch, T, k)).astype(np.int32)
    shapes = {"gate": (F, D), "up": (F, D), "down": (D, F)}
    stacks = {}
    for name, (out, d_in) in shapes.items():
        stacks[f"{name}.weight"] = rng.standard_normal((LAYERS, experts, out, d_in))
        stacks[f"{name}.lora_a"] = rng.standard_normal((LAYERS, experts, RANK, d_in)) * 0.3
        stacks[f"{name}.lora_b"] = rng.standard_normal((LAYERS, experts, out, RANK)) * 0.3
    x, dy = rng.standard_normal((2, batch, T, D))
    weights = rng.random((batch, T, k))
    return jax.tree.map(jnp.float32, (x, weights, stacks, dy)), jnp.asarray(ids)


def dense(x, weights, stacks, ids, layer):
    """Every expert on every token, unchosen ones weighed 0."""

    def linear(name, x, pattern):
        w = stacks[f"{name}.weight"][layer]
        w = w + SCALE * jnp.einsum("eor,eri->eoi", stacks[f"{name}.lora_b"][layer], stacks[f"{name}.lora_a"][layer])
        return jnp.einsum(pattern, x, w)

    h = jax.nn.silu(linear("gate", x, "btd,efd->btef")) * linear("up", x, "btd,efd->btef")
    every = linear("down", h, "btef,edf->bted")
    return jnp.einsum("btkd,btk->btd", jnp.take_along_axis(every, ids[..., None], axis=2), weights)


def assert_equals_dense(mesh, experts, batch, k, **kind):
    (x, weights, stacks, dy), ids = problem(experts, batch, k, **kind)

    def values(f):
        return jax.jit(jax.value_and_grad(lambda *args: (f(*args) * dy).sum(), argnums=(0, 1, 2)))(x, weights, stacks)

    def ours(x, weights, stacks):
        return dispatch.experts_ffn(x, weights, ids, stacks, SCALE, jnp.int32(1), mesh)

    got, want = values(ours), values(lambda *args: dense(*args, ids, 1))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, float(jnp.abs(b).max())))


@pytest.mark.parametrize(
    "data, expert, experts, batch",
    [
        pytest.param(1, 1, 5, 3, id="one device"),
        pytest.param(1, 8, 8, 8, id="one expert a device"),
        pytest.param(1, 8, 5, 3, id="fewer experts than devices, odd batch"),
        pytest.param(2, 4, 6, 5, id="experts and batch that do not divide"),
        pytest.param(8, 1, 4, 8, id="data parallel only"),
    ],
)
def test_equals_every_expert_on_every_token(data, expert, experts, batch):
    assert_equals_dense(make_mesh(data, expert, jax.devices()[: data * expert]), experts, batch, k=3)


def test_many_loop_steps_equal_one(monkeypatch):
    monkeypatch.setattr(dispatch, "STEP", 16)
    assert_equals_dense(make_mesh(1, 2, jax.devices()[:2]), experts=4, batch=8, k=2)


def test_no_token_is_dropped_when_all_choose_the_same_experts(monkeypatch):
    monkeypatch.setattr(dispatch, "STEP", 32)
    assert_equals_dense(make_mesh(1, 4, jax.devices()[:4]), experts=8, batch=8, k=2, collapse=True)
