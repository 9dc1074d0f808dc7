"""What a backward pass keeps changes no gradient, is as little as it says, and lies where it says."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.remat import EVERY_LAYER, Remat
from arabic_r1_jax.model.transformer import flat, split
from arabic_r1_jax.parallel.mesh import sharding

LAYERS, B, T, D, WIDE = 6, 2, 4, 8, 512
LORA = LoraConfig(2, 4.0, ("attention", "shared", "dense", "experts"))
# 6 layers have no period of 4, and none above 6.
PERIODS = {1: 1, 2: 2, 3: 3, 4: 3, 5: 3, 6: 6, 99: 6}
SETTINGS = [Remat(period, where) for period in (1, 2, 3, 4, 99) for where in ("device", "host")]


def named(settings):
    return pytest.mark.parametrize("remat", settings, ids=lambda r: f"{r.period} {r.residuals}")


@functools.cache
def problem():
    """((up [L, WIDE, D], down [L, D, WIDE]), residual stream [B, T, D])."""
    rng = np.random.default_rng(0)
    up, down = rng.standard_normal((LAYERS, WIDE, D)) * D**-0.5, rng.standard_normal((LAYERS, D, WIDE)) * WIDE**-0.5
    return jax.tree.map(jnp.float32, ((up, down), rng.standard_normal((B, T, D))))


def loss(remat, matrices, x):
    """Of a stack of layers with a state that counts them and an output of each; and what the scan returned."""

    def body(carry, scanned):
        (x, count), (i, (up, down)) = carry, scanned
        y = x + jnp.tanh(x @ up.T) @ down.T * (1 + i)
        return (y, count + 1), (y**2).mean()

    (y, count), sizes = remat.scan(body, (x, jnp.int32(0)), (jnp.arange(LAYERS), matrices), LAYERS)
    return (y**3).sum() + (sizes * jnp.arange(LAYERS)).sum(), (y, count, sizes)


def gradient(remat):
    return jax.jit(jax.value_and_grad(functools.partial(loss, remat), argnums=(0, 1), has_aux=True))


@functools.cache
def plain():
    """The same without `Remat`: every layer written out, everything kept."""

    def unrolled(matrices, x):
        sizes = []
        for i in range(LAYERS):
            x = x + jnp.tanh(x @ matrices[0][i].T) @ matrices[1][i].T * (1 + i)
            sizes.append((x**2).mean())
        sizes = jnp.stack(sizes)
        return (x**3).sum() + (sizes * jnp.arange(LAYERS)).sum(), (x, jnp.int32(LAYERS), sizes)

    return jax.jit(jax.value_and_grad(unrolled, argnums=(0, 1), has_aux=True))(*problem())


def kept(function, *arguments):
    """What the backward pass of a function keeps: its avals."""
    return jax.make_jaxpr(lambda *arguments: jax.vjp(function, *arguments, has_aux=True)[1])(*arguments).out_avals


def streams(avals, *shape):
    """The kept stacks of residual streams of `shape`: layers of each, and whether on the host."""
    found = [aval for aval in avals if aval.ndim == 4 and aval.shape[1:] == shape]
    return [(aval.shape[0], aval.memory_space == jax.memory.Space.Host) for aval in found]


@named([*SETTINGS, Remat(0)])
def test_no_setting_changes_a_gradient(remat):
    """Within float32 rounding of products that are summed in another order."""
    for a, b in zip(jax.tree.leaves(gradient(remat)(*problem())), jax.tree.leaves(plain()), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(jnp.abs(b).max()))


@named(SETTINGS)
def test_one_residual_stream_a_period_is_kept_and_no_activation(remat):
    avals = kept(functools.partial(loss, remat), *problem())
    assert streams(avals, B, T, D) == [(LAYERS // PERIODS[remat.period], remat.residuals == "host")]
    assert not [aval for aval in avals if aval.shape[-1:] == (WIDE,) and aval.shape[-2] == T]


def test_a_period_of_0_keeps_the_activations_of_every_layer():
    avals = kept(functools.partial(loss, Remat(0)), *problem())
    assert [aval for aval in avals if aval.shape == (LAYERS, B, T, WIDE)]


@pytest.mark.parametrize(
    "layers, wanted, period", [(6, 4, 3), (5, 4, 1), (58, 3, 2), (1, 2, 1), (3, 3, 3), (58, 60, 58), (6, 0, 0)]
)
def test_a_period_is_lowered_to_a_divisor(layers, wanted, period):
    assert Remat(wanted).period_of(layers) == period


def test_a_period_is_taken_back_a_layer_at_a_time():
    """With the activations of a whole period at once, a period of 6 would hold 5 wide arrays more."""
    one, six = (gradient(Remat(period)).lower(*problem()).compile().memory_analysis() for period in (1, 6))
    wide = 4 * B * T * WIDE
    assert six.temp_size_in_bytes - one.temp_size_in_bytes < 2 * wide


@named(SETTINGS[:4])
def test_a_tpu_is_told_to_keep_them_on_the_host(remat):
    """On a CPU all memory is the host's, and the placement is no part of its program."""
    text = gradient(remat).trace(*problem()).lower(lowering_platforms=("tpu",)).as_text()
    assert ("pinned_host" in text) == (remat.residuals == "host")


def model_loss(lm, remat):
    """A loss of an adapter; ids [8, 12] in segments with padding."""
    ids = np.random.default_rng(0).integers(2, 61, (8, 12), np.int32)
    segments = np.repeat([1, 2, 0], [5, 4, 3])[None].repeat(8, 0).astype(np.int32)
    rows = sharding(("batch", None), ids.shape, lm.mesh)
    ids, segments = (jax.device_put(a, rows) for a in (ids, segments))

    def f(adapter, frozen):
        net = nnx.merge(lm.graph, adapter, frozen)
        h, chosen = net.hidden(ids, segments, dtype=jnp.float32, mesh=lm.mesh, remat=remat)
        return (h**2 * (segments > 0)[..., None] * jnp.arange(h.shape[-1])).sum(), chosen

    return f


@pytest.fixture(scope="module")
def lm(tiny, random_model):
    """A model of one dense and 6 mixture-of-experts layers."""
    return random_model(tiny(num_hidden_layers=7), lora=LORA)


def test_a_model_has_the_same_gradients(lm):
    ((value, chosen), got), ((wanted, all_chosen), want) = (
        jax.jit(jax.value_and_grad(model_loss(lm, remat), has_aux=True))(*split(lm.state))
        for remat in (Remat(3, "host"), EVERY_LAYER)
    )
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_array_equal(chosen, all_chosen)
    for name, b in flat(want).items():
        np.testing.assert_allclose(flat(got)[name], b, rtol=0, atol=1e-5 * float(jnp.abs(b).max()), err_msg=name)


@named([EVERY_LAYER, Remat(2), Remat(3, "host")])
def test_a_model_keeps_its_residual_streams_only(remat, lm):
    adapter, frozen = split(lm.state)
    avals = kept(lambda adapter: model_loss(lm, remat)(adapter, frozen), adapter)
    host = remat.residuals == "host"
    assert sorted(streams(avals, 8, 12, 32)) == [(1, host), (6 // remat.period, host)]
    tokens = [aval for aval in avals if aval.ndim > 2 and aval.dtype == jnp.float32 and aval.shape[-3:-1] == (8, 12)]
    largest = max(math.prod(aval.shape) for aval in tokens)
    assert largest == 6 // remat.period * 8 * 12 * 32
