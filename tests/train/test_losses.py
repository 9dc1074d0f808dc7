"""The loss is the mean over weights, and in chunks, on any mesh, it and its gradient equal their definition."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.parallel.mesh import make_mesh, sharding
from arabic_r1_jax.train import losses
from arabic_r1_jax.train.losses import KINDS, cross_entropy
from arabic_r1_jax.train.step import by_kind, loss_weights

ANALYSIS, ELIMINATION, FINAL, OTHER = 1, 2, 5, 6
B, T, D = 8, 13, 24


def on_logits(logits, targets, phase, weights):
    """The sums for given logits [B, T, V]: hidden states of their width under a head that is the identity."""
    where = make_mesh(devices=jax.devices()[:1])
    return cross_entropy(logits, jnp.eye(logits.shape[-1]), targets, phase, weights, where)


def logits_for(probabilities):
    """Logits [1, T, 2] that give target 0 these probabilities."""
    p = np.asarray(probabilities)
    return jnp.asarray(np.log(np.stack([p, 1 - p], -1))[None], jnp.float32)


def test_the_loss_is_the_weighted_sum_over_the_sum_of_weights():
    # Targets of probability 1/2, 1/4, 1/8 and 1/16: losses of 1, 2, 3 and 4 bits.
    phase = jnp.array([[ANALYSIS, ELIMINATION, ELIMINATION, FINAL]], jnp.int8)
    weights = loss_weights(
        {"analysis": 2.0, "elimination": 3.0, "check": 9.0, "synthesis": 9.0, "final": 0.5, "other": 9.0}
    )
    sums = on_logits(logits_for([1 / 2, 1 / 4, 1 / 8, 1 / 16]), jnp.zeros((1, 4), jnp.int32), phase, weights)
    bits = np.log(2)
    assert float(sums.weighted) == pytest.approx((2 * 1 + 3 * 2 + 3 * 3 + 0.5 * 4) * bits, rel=1e-6)
    assert float(sums.weight) == pytest.approx(2 + 3 + 3 + 0.5)
    assert by_kind(sums.by_kind, sums.count) == pytest.approx(
        {"analysis": 1 * bits, "elimination": 2.5 * bits, "final": 4 * bits}, rel=1e-6
    )


def test_prompts_weigh_nothing_whatever_the_weights():
    weights = loss_weights({kind: 2.0 + number for number, kind in enumerate(KINDS[1:])})
    assert weights.tolist() == [0, 2, 3, 4, 5, 6, 7]
    phase = jnp.array([[0, OTHER, 0]], jnp.int8)
    sure, unsure = (
        on_logits(logits_for([p, 1 / 2, p]), jnp.zeros((1, 3), jnp.int32), phase, weights) for p in (0.999, 0.001)
    )
    assert float(sure.weighted) == float(unsure.weighted) == pytest.approx(7 * np.log(2))
    assert float(sure.weight) == 7
    assert by_kind(sure.by_kind, sure.count) == pytest.approx({"other": np.log(2)})


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_sums_equal_their_definition(seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=(3, 5, 11)) * 4, rng.integers(0, 11, (3, 5))
    phase, weights = rng.integers(0, len(KINDS), (3, 5)), rng.uniform(0, 3, len(KINDS))
    sums = on_logits(*(jnp.asarray(a) for a in (logits.astype(np.float32), targets, phase.astype(np.int8))),
                     jnp.asarray(weights, jnp.float32))  # fmt: skip
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    loss = -np.log(np.take_along_axis(p, targets[..., None], -1)[..., 0])
    assert float(sums.weighted) == pytest.approx((loss * weights[phase]).sum(), rel=1e-5)
    assert float(sums.weight) == pytest.approx(weights[phase].sum(), rel=1e-6)
    assert np.asarray(sums.count).tolist() == np.bincount(phase.ravel(), minlength=len(KINDS)).tolist()


def test_large_logits_do_not_overflow():
    sums = on_logits(jnp.array([[[1e4, -1e4]]]), jnp.array([[1]]), jnp.array([[OTHER]], jnp.int8), jnp.ones(len(KINDS)))
    assert float(sums.weighted) == pytest.approx(2e4)


# ---- chunks, meshes, vocabularies


def drawn(vocab, rows=B):
    """Hidden states, head, targets, phases and weights of kinds, as host arrays."""
    rng = np.random.default_rng(vocab)
    h, head = rng.normal(size=(rows, T, D)), rng.normal(size=(vocab, D)) * D**-0.5
    targets, phase = rng.integers(0, vocab, (rows, T)), rng.integers(0, len(KINDS), (rows, T))
    weights = np.array([0.0, *rng.uniform(0.5, 3, len(KINDS) - 1)], np.float32)
    return *(a.astype(np.float32) for a in (h, head)), targets.astype(np.int32), phase.astype(np.int8), weights


def definition(h, head, targets, phase, weights):
    """Sum of the loss of each kind, the weighted mean, and its gradient with respect to h, in float64."""
    logits = np.einsum("btd,vd->btv", h.astype(np.float64), head.astype(np.float64))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    hit = np.eye(len(head))[targets]
    loss, w = -np.log((p * hit).sum(-1)), weights[phase].astype(np.float64)
    gradient = np.einsum("btv,vd->btd", (p - hit) * w[..., None] / w.sum(), head)
    return np.bincount(phase.ravel(), loss.ravel(), len(KINDS)), (loss * w).sum() / w.sum(), gradient


def compiled(data, expert, tied, arrays):
    """((mean, sums), gradient with respect to h) as a compiled function, and its arguments on the mesh.

    A tied head lies as the embedding does, split by D.
    """
    mesh = make_mesh(data, expert, jax.devices()[: data * expert])
    axes = ("batch", None, None), (None, "wide") if tied else ("vocab", None), ("batch", None), ("batch", None), (None,)
    where = tuple(sharding(of, a.shape, mesh) for of, a in zip(axes, arrays, strict=True))

    def mean(h, head, targets, phase, weights):
        sums = cross_entropy(h, head, targets, phase, weights, mesh)
        return sums.weighted / sums.weight, sums

    step = jax.jit(jax.value_and_grad(mean, has_aux=True))
    placed = jax.device_put(arrays, where)
    return step.lower(*placed).compile(), placed


def small_chunks(monkeypatch):
    """At most 3 tokens of 8 rows of a vocabulary of 64 split by 8 devices in a chunk; T = 13 is no multiple."""
    monkeypatch.setattr(losses, "CHUNK_LOGITS", 3 * 8 * 8)


@pytest.mark.parametrize("chunks", ["one chunk", "chunks"])
@pytest.mark.parametrize("tied", [False, True], ids=["head", "tied"])
@pytest.mark.parametrize("rows, vocab", [(8, 64), (8, 61), (6, 64), (6, 61)])
@pytest.mark.parametrize("data, expert", [(1, 1), (1, 8), (2, 4), (8, 1)])
def test_loss_and_gradient_equal_the_definition(data, expert, rows, vocab, tied, chunks, monkeypatch):
    if chunks == "chunks":
        small_chunks(monkeypatch)
    arrays = drawn(vocab, rows)
    by_kind, mean, gradient = definition(*arrays)
    step, placed = compiled(data, expert, tied, arrays)
    (got, sums), got_gradient = step(*placed)
    # 1e-6: float32 has 6e-8, and sums of up to 64 of its numbers.
    np.testing.assert_allclose(sums.by_kind, by_kind, rtol=1e-6)
    assert float(got) == pytest.approx(mean, rel=1e-6)
    np.testing.assert_allclose(got_gradient, gradient, atol=1e-6 * np.abs(gradient).max(), rtol=0)


def test_bfloat16_states_and_head_have_float32_losses(monkeypatch):
    small_chunks(monkeypatch)
    h, head, *rest = drawn(64)
    h, head = (np.asarray(jnp.asarray(a, jnp.bfloat16)) for a in (h, head))
    _, mean, gradient = definition(h, head, *rest)
    step, placed = compiled(1, 8, False, (h, head, *rest))
    (got, sums), got_gradient = step(*placed)
    assert (sums.by_kind.dtype, got_gradient.dtype) == (jnp.float32, jnp.bfloat16)
    assert float(got) == pytest.approx(mean, rel=1e-6)  # products of bfloat16 are exact in float32
    # The gradient is rounded to bfloat16 (8 bits) once for each of 8 devices and once for their sum.
    np.testing.assert_allclose(
        np.asarray(got_gradient, np.float32), gradient, atol=2**-7 * np.abs(gradient).max(), rtol=0
    )


@pytest.mark.parametrize("tied", [False, True], ids=["head", "tied"])
def test_no_device_holds_a_whole_head_or_the_hidden_states_of_all(tied, monkeypatch):
    small_chunks(monkeypatch)
    step, _ = compiled(1, 8, tied, drawn(64))
    shapes = {tuple(map(int, found.split(","))) for found in re.findall(r"\[(\d+(?:,\d+)*)\]", step.as_text())}
    assert (8, D) in shapes  # the search finds a device's share of the head
    assert not {(64, D), (D, 64)} & shapes
    assert max(np.prod(shape) for shape in shapes) < B * T * D / 2
