"""The expert dispatch equals running every expert on every token, values and gradients, on any mesh and any routing.

Tolerance 1e-5 of each array's largest value: float32 sums of some hundred terms in another order. The routing is an
argument of every program here, as it is in training: one program must do for all of them.
"""

import functools
import math
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from arabic_r1_jax.kernels.block_fp8 import widen
from arabic_r1_jax.kernels.gmm_tpu import frozen_matmul_tpu
from arabic_r1_jax.parallel import dispatch, expert_pieces, expert_rows
from arabic_r1_jax.parallel.mesh import make_mesh

LAYERS, RANK, SCALE, T = 2, 3, 1.7, 9
MESHES = [(1, 8), (8, 1), (2, 4), (4, 2)]


class Sizes(NamedTuple):
    experts: int
    batch: int
    k: int
    d: int = 12
    f: int = 10


EVEN, UNEVEN = Sizes(experts=8, batch=8, k=3), Sizes(experts=11, batch=5, k=3)
ONE_EACH, FEW = Sizes(experts=8, batch=8, k=1), Sizes(experts=3, batch=2, k=2)


def balanced(s):
    return (np.arange(s.batch * T)[:, None] * s.k + np.arange(s.k)) % s.experts


def by_popularity(s, popularity, seed=0):
    """Each token draws k distinct experts, those of high log-popularity more often."""
    noise = np.random.default_rng(seed).gumbel(size=(s.batch * T, s.experts))
    return np.argsort(-(noise + np.asarray(popularity)), axis=-1)[:, : s.k]


ROUTINGS = {
    "balanced": balanced,
    "random": lambda s: by_popularity(s, np.zeros(s.experts)),
    "all tokens on the first experts": lambda s: by_popularity(s, -100.0 * np.arange(s.experts)),
    "all tokens on the last experts": lambda s: by_popularity(s, 100.0 * np.arange(s.experts)),
    "an expert with none": lambda s: by_popularity(s, -100.0 * (np.arange(s.experts) == s.experts // 2)),
}


def routed(name, s):
    return as_ids(ROUTINGS[name](s), s)


def as_ids(chosen, s):
    return jnp.asarray(chosen.reshape(s.batch, T, s.k), jnp.int32)


@functools.cache
def problem(s, base=jnp.float32):
    """(x, weights, adapters), base, dy of random numbers; base: float32 stacks, or block FP8 with their scales."""
    rng, adapters, stacks = np.random.default_rng(0), {}, {}
    for name, (out, d_in) in {"gate": (s.f, s.d), "up": (s.f, s.d), "down": (s.d, s.f)}.items():
        lead = (LAYERS, s.experts)
        stacks[f"{name}.weight"] = jnp.asarray(rng.standard_normal((*lead, out, d_in)) * d_in**-0.5, base)
        if stacks[f"{name}.weight"].dtype != jnp.float32:
            blocks = -(-out // 128), -(-d_in // 128)
            stacks[f"{name}.scale"] = jnp.float32(rng.uniform(0.5, 2, (*lead, *blocks)))
        adapters[f"{name}.lora_a"] = jnp.float32(rng.standard_normal((*lead, RANK, d_in)) * d_in**-0.5)
        adapters[f"{name}.lora_b"] = jnp.float32(rng.standard_normal((*lead, out, RANK)) * RANK**-0.5)
    x, dy = jnp.float32(rng.standard_normal((2, s.batch, T, s.d)))
    return (x, jnp.float32(rng.random((s.batch, T, s.k))), adapters), stacks, dy


def dense(x, weights, ids, stacks, layer):
    """Every expert on every token, unchosen ones weighed 0."""

    def linear(name, x, pattern):
        w, a, b = (
            stack[layer] if (stack := stacks[f"{name}.{part}"]).ndim == 4 else stack
            for part in ("weight", "lora_a", "lora_b")
        )
        return jnp.einsum(pattern, x, w + SCALE * jnp.einsum("eor,eri->eoi", b, a))

    h = jax.nn.silu(linear("gate", x, "btd,efd->btef")) * linear("up", x, "btd,efd->btef")
    every = linear("down", h, "btef,edf->bted")
    return jnp.einsum("btkd,btk->btd", jnp.take_along_axis(every, ids[..., None], axis=2), weights)


def dispatched(mesh):
    """`dense` by the dispatch on (data, expert) devices."""
    devices = make_mesh(*mesh, jax.devices()[: mesh[0] * mesh[1]])
    return lambda x, w, ids, stacks, layer: dispatch.experts_ffn(x, w, ids, stacks, SCALE, layer, devices)


def everything_trained(run):
    """A function of (trained, ids, base, dy): the result in the last layer, and the gradients of (trained, base).

    trained is (x, weights, adapters); adapters and base are stacks of all layers.
    """

    def result(trained, base, ids):
        x, weights, adapters = trained
        return run(x, weights, ids, base | adapters, jnp.int32(LAYERS - 1))

    def both(trained, ids, base, dy):
        y, back = jax.vjp(lambda *arguments: result(*arguments, ids), trained, base)
        return y, back(dy.astype(y.dtype))

    return jax.jit(both)


def adapters_trained(run):
    """The same through all layers as the model runs them: adapters a layer at a time, and a base that is frozen."""

    def result(trained, ids, base):
        x, weights, adapters = trained

        def layer(x, scanned):
            i, part = scanned
            return x + run(x, weights, ids, base | part, i), None

        return lax.scan(layer, x, (jnp.arange(LAYERS), adapters))[0]

    def both(trained, ids, base, dy):
        y, back = jax.vjp(lambda trained: result(trained, ids, base), trained)
        return y, back(dy.astype(y.dtype))

    return jax.jit(both)


@functools.cache
def program(way, mesh=None):
    """Shared by the tests of this file; none of them may change a constant of `dispatch` before it is traced."""
    return way(dense if mesh is None else dispatched(mesh))


def assert_equal(got, want, case):
    for (path, b), a in zip(jax.tree.leaves_with_path(want), jax.tree.leaves(got), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(jnp.abs(b).max()), err_msg=f"{case}, {path}")


def assert_equals_dense(way, ours, sizes, ids, case=""):
    trained, base, dy = problem(sizes)
    assert_equal(ours(trained, ids, base, dy), program(way)(trained, ids, base, dy), case)


@pytest.mark.parametrize("sizes", [EVEN, UNEVEN, ONE_EACH], ids=["even", "uneven", "one expert a token"])
@pytest.mark.parametrize("mesh", MESHES, ids=str)
def test_equals_every_expert_on_every_token(mesh, sizes):
    ours = program(everything_trained, mesh)
    for name in ROUTINGS:
        assert_equals_dense(everything_trained, ours, sizes, routed(name, sizes), name)


@pytest.mark.parametrize(
    "mesh, sizes", [((1, 1), UNEVEN), ((1, 8), FEW)], ids=["one device", "fewer experts than devices"]
)
def test_a_small_mesh_or_few_experts_give_the_dense_result(mesh, sizes):
    for name in ROUTINGS:
        assert_equals_dense(everything_trained, program(everything_trained, mesh), sizes, routed(name, sizes), name)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-6, 6), min_size=UNEVEN.experts, max_size=UNEVEN.experts), st.integers(0, 2**16))
def test_any_popularity_of_the_experts_gives_the_dense_result(popularity, seed):
    ids = as_ids(by_popularity(UNEVEN, popularity, seed), UNEVEN)
    assert_equals_dense(everything_trained, program(everything_trained, (2, 4)), UNEVEN, ids)


def test_an_expert_with_no_token_has_no_gradient():
    trained, base, dy = problem(UNEVEN)
    ids = routed("an expert with none", UNEVEN)
    _, ((_, _, adapters), stacks) = program(everything_trained, (2, 4))(trained, ids, base, dy)
    for name, gradient in (adapters | stacks).items():
        largest = np.abs(gradient[-1]).max(axis=(1, 2))
        assert np.flatnonzero(largest == 0).tolist() == [UNEVEN.experts // 2], name


@pytest.mark.parametrize(
    "mesh, sizes",
    [*(pytest.param(mesh, EVEN, id=f"{mesh}-even") for mesh in MESHES), pytest.param((2, 4), UNEVEN, id="uneven")],
)
def test_adapters_of_a_layer_train_on_a_frozen_base_of_all_layers(mesh, sizes):
    ours = program(adapters_trained, mesh)
    for name in ROUTINGS:
        assert_equals_dense(adapters_trained, ours, sizes, routed(name, sizes), name)


def gathered_rows(run, *arguments):
    """How many tokens the all-gathers of a program take, each."""
    text = run.lower(*arguments).as_text()
    return {int(n) for n in re.findall(r"all_gather.*?-> tensor<(\d+)x", text, re.DOTALL)}


@pytest.mark.parametrize(
    "chunks, size, way",
    [(2, 5, everything_trained), (3, 3, adapters_trained), (4, 3, everything_trained), (9, 1, adapters_trained)],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_tokens_in_chunks_give_the_dense_result(chunks, size, way, monkeypatch):
    """On each device 9 tokens: in chunks that divide them, that do not, and of which one holds only padding."""
    owners = 4
    all_gathered = owners * T * EVEN.d * 4
    monkeypatch.setattr(dispatch, "GATHERED_BYTES", -(-all_gathered // chunks))
    ours = way(dispatched((2, owners)))
    trained, base, dy = problem(EVEN)
    assert gathered_rows(ours, trained, routed("balanced", EVEN), base, dy) == {owners * size}
    for name in ROUTINGS:
        assert_equals_dense(way, ours, EVEN, routed(name, EVEN), name)


@pytest.mark.parametrize("block", [1, 8, 16])
def test_many_blocks_give_the_dense_result(block, monkeypatch):
    monkeypatch.setattr(expert_rows, "BLOCK", block)
    ours = everything_trained(dispatched((2, 4)))
    for name in ROUTINGS:
        assert_equals_dense(everything_trained, ours, UNEVEN, routed(name, UNEVEN), name)


FP8_SIZES = Sizes(experts=6, batch=4, k=2, d=136, f=130)  # two blocks in either dimension, one of them partial


def widened(stacks, dtype):
    return {
        name: widen(stack, stacks[name.replace("weight", "scale")], dtype)
        for name, stack in stacks.items()
        if name.endswith("weight")
    }


def test_a_block_fp8_base_gives_what_its_float32_values_give():
    trained, base, dy = problem(FP8_SIZES, jnp.float8_e4m3fn)
    wide, ours = widened(base, jnp.float32), program(adapters_trained, (2, 4))
    ids = routed("random", FP8_SIZES)
    assert_equal(ours(trained, ids, base, dy), program(adapters_trained)(trained, ids, wide, dy), "")


def test_a_block_fp8_base_is_that_of_its_bfloat16_values():
    """Bit by bit: what is taken of the base is widened as the base would have been."""
    (x, weights, adapters), base, dy = problem(FP8_SIZES, jnp.float8_e4m3fn)
    trained, ours = (x.astype(jnp.bfloat16), weights, adapters), program(adapters_trained, (2, 4))
    ids = routed("random", FP8_SIZES)
    got, want = (ours(trained, ids, stacks, dy) for stacks in (base, widened(base, jnp.bfloat16)))
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_one_program_without_a_capacity_runs_every_routing():
    """Compiled before it sees a routing, it has rows for every (token, expert) pair and none for every expert's token.

    Those rows are of the expert's width: what the backward pass keeps.
    """
    sizes, owners = Sizes(experts=64, batch=64, k=8, d=32, f=24), 4
    trained, base, dy = problem(sizes)
    ids = jax.ShapeDtypeStruct((sizes.batch, T, sizes.k), jnp.int32)
    compiled = adapters_trained(dispatched((2, owners))).lower(trained, ids, base, dy).compile()
    tokens, owned = sizes.batch // 2 * T, sizes.experts // owners  # that a device gathers, experts that it runs
    shapes = re.findall(r"f32\[([\d,]+)\]", compiled.as_text())
    largest = max(math.prod(map(int, shape.split(","))) for shape in shapes)
    pairs = tokens * sizes.k + owned * expert_rows.BLOCK
    assert largest <= LAYERS * max(tokens * sizes.d, owned * sizes.f * sizes.d, pairs * sizes.f)
    kept = 4 * LAYERS * 2 * pairs * sizes.f  # in two layers, gate and up
    assert compiled.memory_analysis().temp_size_in_bytes < 2 * kept
    for name in ROUTINGS:
        assert_equals_dense(adapters_trained, compiled, sizes, routed(name, sizes), name)


@pytest.mark.parametrize(
    "mesh, sizes, base, routings",
    [
        pytest.param((2, 4), UNEVEN, jnp.float32, ROUTINGS, id="uneven"),
        pytest.param((1, 8), EVEN, jnp.float32, ROUTINGS, id="one expert a device"),
        pytest.param((2, 4), FP8_SIZES, jnp.float8_e4m3fn, ["random"], id="FP8"),
    ],
)
def test_the_tpu_kernel_gives_the_dense_result(mesh, sizes, base, routings, monkeypatch):
    """Interpreted; in several loop steps, of which some begin or end within an expert."""
    monkeypatch.setitem(dispatch.KERNELS, "cpu", functools.partial(frozen_matmul_tpu, interpret=True))
    monkeypatch.setattr(expert_pieces, "PIECE", 32)
    trained, base, dy = problem(sizes, base)
    wide = widened(base, jnp.float32) if sizes is FP8_SIZES else base
    ours = adapters_trained(dispatched(mesh))
    for name in routings:
        ids = routed(name, sizes)
        assert_equal(ours(trained, ids, base, dy), program(adapters_trained)(trained, ids, wide, dy), name)
