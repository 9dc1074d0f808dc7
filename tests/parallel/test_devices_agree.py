"""Eight devices give the logits and the gradients of one: <= 1e-5 of each array's largest value, float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import flat
from arabic_r1_jax.parallel.mesh import make_mesh, sharding

LORA = LoraConfig(rank=4, alpha=6.0, targets=("attention", "shared", "dense", "experts"))


def run(lm, batch):
    """Logits, and the gradient of every array of the model, by name."""
    ids = np.random.default_rng(0).integers(2, 61, (batch, 12), np.int32)
    segments = np.repeat([1, 2, 0], [5, 4, 3])[None].repeat(batch, 0).astype(np.int32)

    @jax.jit
    def step(state, ids, segments):
        def loss(state):
            logits = nnx.merge(lm.graph, state)(ids, segments, dtype=jnp.float32, mesh=lm.mesh)
            picked = jnp.take_along_axis(jax.nn.log_softmax(logits), (ids[..., None] + 7) % 61, axis=-1)[..., 0]
            return (picked * (segments > 0)).sum(), logits * (segments > 0)[..., None]

        return jax.grad(loss, has_aux=True)(state)

    rows = sharding(("batch", None), ids.shape, lm.mesh)
    gradients, logits = step(lm.state, jax.device_put(ids, rows), jax.device_put(segments, rows))
    return {"logits": logits} | flat(gradients)


def assert_agrees(got, want):
    for name, expected in want.items():
        scale = float(jnp.abs(expected).max())
        np.testing.assert_allclose(got[name], expected, atol=1e-5 * max(scale, 1e-3), err_msg=name)


@pytest.fixture(scope="module")
def one_device(tiny, random_model):
    return run(random_model(tiny(), lora=LORA), 8)


@pytest.mark.parametrize("data, expert", [(1, 8), (2, 4), (4, 2), (8, 1)])
def test_a_mesh_equals_one_device(data, expert, tiny, random_model, one_device):
    assert_agrees(run(random_model(tiny(), make_mesh(data, expert), LORA), 8), one_device)


def test_experts_and_batch_need_not_divide_the_mesh(tiny, random_model):
    cfg = tiny(n_routed_experts=12, hidden_size=36)
    assert_agrees(run(random_model(cfg, make_mesh(2, 4), LORA), 3), run(random_model(cfg, lora=LORA), 3))
