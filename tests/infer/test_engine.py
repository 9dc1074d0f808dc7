"""Generation and scoring equal the plain forward pass, whatever the batch around a row."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.cache import decode, prefill
from arabic_r1_jax.infer.engine import bucket, generate, generate_ids, score
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.parallel.mesh import make_mesh

LORA = LoraConfig(rank=4, alpha=6.0, targets=("attention", "experts"))


def prompts(*lengths):
    rng = np.random.default_rng(0)
    return [rng.integers(2, 61, n).tolist() for n in lengths]


@pytest.fixture(scope="module")
def lm(tiny, random_model):
    return random_model(tiny(), make_mesh(1, 2), LORA)


def full_forward(lm, rows):
    """Logits [T, V] of each row of ids, run together with padding on the right."""
    width = 32
    ids, segments = np.zeros((2, len(rows), width), np.int32)
    for n, row in enumerate(rows):
        ids[n, : len(row)], segments[n, : len(row)] = row, 1
    return [logits[: len(row)] for logits, row in zip(np.asarray(lm(ids, segments)), rows, strict=True)]


@pytest.mark.parametrize("changes", [{}, {"q_lora_rank": None, "first_k_dense_replace": 2}], ids=str)
def test_cached_decoding_equals_the_full_forward(tiny, random_model, changes):
    lm = random_model(tiny(**changes), lora=LORA)
    ids = np.array(prompts(12, 12))
    pad = np.array([0, 3], np.int32)  # the second row's first three tokens are padding

    @jax.jit
    def through_cache(state):
        model = nnx.merge(lm.graph, state)
        h, cache = prefill(model, ids[:, :8], pad, 12, dtype=jnp.float32, mesh=lm.mesh)
        steps = [h]
        for place in range(8, 12):
            h, cache = decode(model, ids[:, place], place, pad, cache, dtype=jnp.float32, mesh=lm.mesh)
            steps.append(h)
        return model.logits(jnp.stack(steps, axis=1))

    cached = through_cache(lm.state)
    np.testing.assert_allclose(cached[0], lm(ids[:1])[0, 7:], atol=1e-4)  # absorbed products round otherwise
    np.testing.assert_allclose(cached[1], lm(ids[1:, 3:])[0, 4:], atol=1e-4)


def test_greedy_ids_are_the_likeliest_of_the_full_forward(lm):
    asked = prompts(5, 17, 9)
    done = generate_ids(lm, asked, max_new_tokens=6)
    rows = [prompt + made.ids for prompt, made in zip(asked, done, strict=True)]
    for prompt, made, logits in zip(asked, done, full_forward(lm, rows), strict=True):
        logits = logits[len(prompt) - 1 : -1]
        best, picked = logits.max(-1), logits[np.arange(6), made.ids]
        np.testing.assert_allclose(picked, best, atol=1e-4)  # the likeliest, but for ties in the last bits
        assert made.finish_reason == "length"


def test_a_row_does_not_depend_on_its_batch(lm):
    asked = prompts(30, 3, 12, 7, 21)
    alone = [generate_ids(lm, [prompt], max_new_tokens=5)[0] for prompt in asked]
    assert generate_ids(lm, asked, max_new_tokens=5) == alone
    assert generate_ids(lm, asked, max_new_tokens=5, batch=2) == alone


def test_any_mesh_generates_the_same(tiny, random_model, lm):
    asked = prompts(5, 17, 9)
    other = random_model(tiny(), make_mesh(2, 4), LORA)
    assert generate_ids(other, asked, max_new_tokens=6) == generate_ids(lm, asked, max_new_tokens=6)


def test_generation_ends_before_a_stop_id(lm):
    (prompt,) = prompts(6)
    full = generate_ids(lm, [prompt], max_new_tokens=8)[0].ids
    stop = full[3]
    (made,) = generate_ids(lm, [prompt], max_new_tokens=8, stop_ids={stop})
    assert (made.ids, made.finish_reason) == (full[: full.index(stop)], "stop")


def test_sampling_depends_on_seed_and_place_only(lm):
    asked = prompts(6, 14, 6)

    def sample(seed, **options):
        return generate_ids(lm, asked, max_new_tokens=8, temperature=2.0, seed=seed, **options)

    assert sample(1) == sample(1, batch=1)
    assert sample(1) != sample(2)


def test_progress_counts_finished_prompts(lm):
    seen = []
    generate_ids(lm, prompts(3, 4, 5), max_new_tokens=2, batch=2, progress=seen.append)
    assert seen == [2, 3]


@pytest.mark.parametrize(
    "asked, new, message",
    [
        ([[5], []], 4, "prompt 1 is empty"),
        ([[5] * 250], 10, "256 positions"),
        ([[5]], 0, "at least 1"),
        ([[5, 61]], 4, "token 61 is outside"),
    ],
)
def test_what_cannot_be_generated_is_refused(lm, asked, new, message):
    with pytest.raises(UserError, match=message):
        generate_ids(lm, asked, max_new_tokens=new)


def test_nothing_asked_is_nothing_done(lm):
    assert generate_ids(lm, [], max_new_tokens=4) == score(lm, []) == generate(lm, []) == []


def test_texts_need_a_tokenizer(lm):
    with pytest.raises(UserError, match="no tokenizer"):
        generate(lm, ["سؤال"])


def test_scores_equal_the_log_probabilities_of_the_full_forward(lm):
    (a, b) = prompts(9, 20)
    items = [(a, [[4], [5], [6, 7, 8]]), (b, [[9, 10], [11]])]

    pairs = [(context, continuation) for context, continuations in items for continuation in continuations]
    sums = []
    for (context, continuation), logits in zip(pairs, full_forward(lm, [a + b for a, b in pairs]), strict=True):
        log_p = jax.nn.log_softmax(logits)
        sums.append(sum(float(log_p[len(context) - 1 + n, token]) for n, token in enumerate(continuation)))
    expected = [sums[:3], sums[3:]]
    for batch in (64, 2):
        for got, want in zip(score(lm, items, batch=batch), expected, strict=True):
            np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("item", [([], [[5]]), ([5], [[]])])
def test_nothing_can_be_scored_without_a_context_or_a_continuation(lm, item):
    with pytest.raises(UserError, match="item 0 has an empty"):
        score(lm, [item])


@pytest.mark.parametrize(
    "item, message",
    [
        (([5] * 257, [[6]]), "item 1 has 257 tokens, but the model has 256 positions"),
        (([5, 61], [[6]]), "item 1: token 61 is outside"),
        (([5], [[6], [6, 61]]), "item 1: token 61 is outside"),
    ],
)
def test_what_the_model_has_no_place_for_is_not_scored(lm, item, message):
    with pytest.raises(UserError, match=message):
        score(lm, [([5], [[6]]), item])


def test_few_widths_are_compiled():
    assert [bucket(n) for n in (1, 16, 17, 24, 25, 33, 49, 65, 97, 150)] == [16, 16, 24, 24, 32, 48, 64, 96, 128, 192]
    assert len({bucket(n) for n in range(1, 4097)}) <= 18


def test_bfloat16_generates_and_stays_near_float32(tiny, random_model):
    lm = random_model(tiny(), lora=LORA)
    narrow = dataclasses.replace(lm, dtype=jnp.dtype(jnp.bfloat16))
    ids = np.array(prompts(16))
    assert np.abs(narrow(ids) - lm(ids)).mean() < 0.3  # logits near 8, seven layers of rounding to 8 bits
    assert len(generate_ids(narrow, prompts(5), max_new_tokens=6)[0].ids) == 6
