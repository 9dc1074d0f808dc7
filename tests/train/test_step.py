"""One step: the same on every mesh, gradients for adapters alone, padding and prompts without a say."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import jaxprs_in_params

from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import flat
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.train import losses
from arabic_r1_jax.train.step import Adapted, init_state, make_step, place_batch

LORA = LoraConfig(rank=4, alpha=6.0, targets=("attention", "shared", "dense", "experts"), expert_rank=2)
WEIGHTS = {"analysis": 2.0, "elimination": 3.0, "check": 1.0, "synthesis": 1.0, "final": 2.0, "other": 0.5}
ROWS, TIME = 8, 17  # no weight has these sizes


def make_batch(rows=ROWS):
    """Rows of two segments and padding; each opens with a prompt."""
    rng = np.random.default_rng(0)
    segments = np.repeat([1, 2, 0], [8, 6, 3])
    phase = np.array([0, 0, 1, 1, 2, 3, 4, 5, 0, 6, 6, 6, 6, 6, 0, 0, 0], np.int8)
    positions = np.concatenate([np.arange(8), np.arange(6), np.zeros(3)]).astype(np.int32)
    ids = rng.integers(2, 61, (ROWS, TIME + 1), np.int32)[:rows]
    spread = {"segment_ids": segments.astype(np.int32), "positions": positions, "phase": phase}
    return {"tokens": ids[:, :-1].copy(), "targets": ids[:, 1:].copy()} | {
        k: np.tile(v, (rows, 1)) for k, v in spread.items()
    }


class Setting:
    """A tiny model on a mesh with a step of plain gradient descent, whose update is the gradient itself."""

    def __init__(self, cfg, lm, mesh):
        self.mesh = mesh
        self.model = Adapted.of(cfg, LORA, mesh, jnp.dtype(jnp.float32))
        self.frozen = {name: array for name, array in flat(lm.state).items() if "lora" not in name}
        # B of random weights, too: with B zero no gradient would reach A.
        self.start = {name: array for name, array in flat(lm.state).items() if "lora" in name}
        self.state = init_state(self.start, optax.sgd(1.0), mesh)
        self.step = make_step(self.model, optax.sgd(1.0), WEIGHTS, self.state)

    def gradients(self, batch):
        """(what one step took away from every adapter, metrics), as host arrays."""
        state = jax.tree.map(jnp.copy, self.state)
        state, metrics = self.step(state, self.frozen, place_batch(batch, self.mesh))
        return {n: np.asarray(self.start[n]) - np.asarray(a) for n, a in state.adapter.items()}, jax.device_get(metrics)


@pytest.fixture(scope="module")
def on(make_setting):
    """A function: (data, expert) -> the setting on that mesh, compiled once."""
    made = {}

    def get(data, expert):
        if (data, expert) not in made:
            made[data, expert] = make_setting(make_mesh(data, expert, jax.devices()[: data * expert]))
        return made[data, expert]

    return get


@pytest.fixture(scope="module")
def make_setting(tiny, random_model):
    """A function: mesh -> the setting on it, of a model with any field of its configuration changed by name."""
    return lambda mesh, **changes: Setting(tiny(**changes), random_model(tiny(**changes), mesh, LORA), mesh)


@pytest.fixture(scope="module")
def reference(on):
    return on(1, 1).gradients(make_batch())


def assert_equal(got, want):
    """Loss and gradients agree to 1e-5 of each array's largest value: float32 sums in another order."""
    for name, expected in want[0].items():
        scale = np.abs(expected).max()
        assert scale > 0, name
        np.testing.assert_allclose(got[0][name], expected, atol=1e-5 * scale, rtol=0, err_msg=name)
    assert got[1]["loss"] == pytest.approx(want[1]["loss"], rel=1e-5)
    assert got[1]["grad_norm"] == pytest.approx(want[1]["grad_norm"], rel=1e-5)


@pytest.mark.parametrize("data, expert", [(1, 8), (2, 4)])
def test_a_step_on_a_mesh_equals_one_device(data, expert, on, reference):
    assert_equal(on(data, expert).gradients(make_batch()), reference)


def test_a_batch_that_does_not_divide_the_mesh_equals_one_device(on):
    whole = make_batch()
    whole["phase"][6:] = 0  # on one device the last two rows count for nothing; on eight they are not there
    assert_equal(on(1, 8).gradients(make_batch(rows=6)), on(1, 1).gradients(whole))


@pytest.mark.parametrize("data, expert, tied", [(1, 8, True), (2, 4, False)])
def test_a_loss_in_chunks_equals_one_device_without(data, expert, tied, make_setting, monkeypatch):
    changes = {"vocab_size": 64, "tie_word_embeddings": tied}  # a vocabulary that the devices divide
    whole = make_setting(make_mesh(1, 1, jax.devices()[:1]), **changes).gradients(make_batch())
    monkeypatch.setattr(losses, "CHUNK_LOGITS", 4 * ROWS * 64 // expert)  # 4 tokens of a row at most
    chunked = make_setting(make_mesh(data, expert, jax.devices()[: data * expert]), **changes)
    assert_equal(chunked.gradients(make_batch()), whole)


def test_prompts_and_padding_carry_no_loss(on, reference):
    batch = make_batch()
    nothing = batch["phase"] == 0
    batch["targets"][nothing] = (batch["targets"][nothing] + 7) % 61
    padding = batch["segment_ids"] == 0
    batch["tokens"][padding] = (batch["tokens"][padding] + 7) % 61
    assert_equal(on(1, 1).gradients(batch), reference)


def test_a_batch_without_any_target_changes_nothing(on):
    batch = make_batch()
    batch["phase"][:] = 0
    gradients, metrics = on(1, 1).gradients(batch)
    assert metrics["loss"] == 0
    assert not any(gradient.any() for gradient in gradients.values())


def test_the_loss_is_normalised_by_weights_not_by_rows_or_tokens(on, reference):
    half = make_batch()
    half["phase"][4:] = 0
    rest = make_batch()
    rest["phase"][:4] = 0
    losses = [float(on(1, 1).gradients(batch)[1]["loss"]) for batch in (half, rest)]
    assert np.mean(losses) == pytest.approx(float(reference[1]["loss"]), rel=1e-5)  # halves of equal weight
    counts = reference[1]["count"]
    weights = np.array([0, *WEIGHTS.values()])
    assert float(reference[1]["loss"]) == pytest.approx(
        (reference[1]["by_kind"] * weights).sum() / (counts * weights).sum(), rel=1e-5
    )


def test_the_step_reads_frozen_weights_and_gives_the_state_back_where_it_was(on):
    setting = on(1, 8)
    before = {name: np.asarray(array).tobytes() for name, array in setting.frozen.items()}
    state = jax.tree.map(jnp.copy, setting.state)
    after, _ = setting.step(state, setting.frozen, place_batch(make_batch(), setting.mesh))
    assert all(np.asarray(array).tobytes() == before[name] for name, array in setting.frozen.items())
    assert int(after.step) == 1
    assert jax.tree.all(jax.tree.map(lambda a, b: a.sharding == b.sharding, after, setting.state))
    assert all(array.is_deleted() for array in state.adapter.values())  # donated
    assert setting.step._cache_size() <= 2  # whole batches and those of six rows


def test_no_gradient_of_a_frozen_weight_exists_in_the_step(on, products):
    setting = on(2, 4)
    batch = place_batch(make_batch(), setting.mesh)
    made = products(jax.make_jaxpr(setting.step)(setting.state, setting.frozen, batch).jaxpr)
    matrices = {
        name: array.shape[1:] if name.startswith(("dense", "moe")) else array.shape
        for name, array in setting.frozen.items()
        if name.endswith(".weight") and "norm" not in name and not name.startswith(("embed", "experts"))
    }
    found = {name for name, (out, inner) in matrices.items() if {(out, inner), (inner, out)} & made}
    # What a device holds of the experts, layers and experts as one axis.
    stacks = {n: a.shape for n, a in setting.frozen.items() if n.startswith("experts")}
    found |= {n for n, (layers, e, *rest) in stacks.items() if (layers * e // 4, *rest) in made}
    assert not found
    adapters = {array.shape[1:] for name, array in setting.start.items() if not name.startswith("experts")}
    assert adapters <= made | {shape[::-1] for shape in made}  # the search finds gradients where they exist


def sizes_over(vocab, jaxpr):
    """Elements of every array with an axis of this size, in a jaxpr and all that it calls."""
    for equation in jaxpr.eqns:
        shapes = [getattr(variable.aval, "shape", ()) for variable in (*equation.invars, *equation.outvars)]
        yield from (math.prod(shape) for shape in shapes if vocab in shape)
        for inner in jaxprs_in_params(equation.params):
            yield from sizes_over(vocab, inner)


def test_logits_of_a_whole_batch_exist_only_when_they_fit_a_chunk(on, make_setting, monkeypatch):
    def largest(setting):
        arguments = setting.state, setting.frozen, place_batch(make_batch(), setting.mesh)
        return max(sizes_over(61, jax.make_jaxpr(setting.step)(*arguments).jaxpr))

    assert largest(on(2, 4)) == ROWS * TIME * 61
    monkeypatch.setattr(losses, "CHUNK_LOGITS", 4 * 61)  # 4 tokens of the one row that a device has
    assert largest(make_setting(on(2, 4).mesh)) == ROWS * 4 * 61  # nor a stack of all chunks' logits
