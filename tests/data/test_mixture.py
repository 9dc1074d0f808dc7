"""Token shares: what is asked for, and that rows are served so that it holds at every point."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.data.mixture import serve, shares
from arabic_r1_jax.errors import UserError

TOKENS = {("ar", "books"): 300, ("ar", "reasoning"): 100, ("en", "books"): 50, ("fr", "books"): 150}


def test_languages_share_by_request_and_categories_by_their_tokens():
    assert shares(TOKENS, 0.8) == pytest.approx(
        {("ar", "books"): 0.6, ("ar", "reasoning"): 0.2, ("en", "books"): 0.05, ("fr", "books"): 0.15}
    )


def test_category_weights_divide_their_own_language_only():
    found = shares(TOKENS, 0.8, {"ar.books": 1, "ar.reasoning": 3})
    assert found == pytest.approx(
        {("ar", "books"): 0.2, ("ar", "reasoning"): 0.6, ("en", "books"): 0.05, ("fr", "books"): 0.15}
    )


@pytest.mark.parametrize("tokens", [{("ar", "a"): 3, ("ar", "b"): 1}, {("en", "a"): 3, ("en", "b"): 1}])
@pytest.mark.parametrize("arabic", [0.0, 0.8, 1.0])
def test_one_side_alone_takes_everything(tokens, arabic):
    first, second = tokens
    assert shares(tokens, arabic) == pytest.approx({first: 0.75, second: 0.25})


def test_streams_without_a_share_are_left_out():
    assert shares(TOKENS, 1.0, {"ar.books": 0, "ar.reasoning": 1}) == {("ar", "reasoning"): 1.0}
    assert shares(TOKENS, 0.8, {"ar.books": 0, "ar.reasoning": 0}) == {("en", "books"): 0.25, ("fr", "books"): 0.75}


@pytest.mark.parametrize(
    "categories, message",
    [
        ({"ar.poetry": 1}, r"the data holds no ar\.poetry; it holds ar\.books, ar\.reasoning, en\.books, fr\.books"),
        ({"ar.books": 1}, r"give ar\.reasoning a weight too"),
        ({"ar.books": 0, "ar.reasoning": 0, "en.books": 0, "fr.books": 0}, "leaves nothing to train on"),
    ],
)
def test_impossible_categories_are_refused(categories, message):
    with pytest.raises(UserError, match=message):
        shares(TOKENS, 0.8, categories)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), weights=st.lists(st.floats(0.001, 1), min_size=1, max_size=9), seq=st.integers(1, 4096))
def test_every_stream_is_within_one_row_of_its_share_at_every_point(data, weights, seq):
    parts = [weight / sum(weights) for weight in weights]
    row = st.integers(1, seq)
    cycles = [data.draw(st.lists(row, min_size=1, max_size=7)) for _ in parts]
    sizes = [itertools.cycle(cycle) for cycle in cycles]
    rows = [itertools.cycle(cycle) for cycle in cycles]
    served = [0] * len(parts)
    for i in itertools.islice(serve(sizes, parts), 300):
        served[i] += next(rows[i])
        off = [have - part * sum(served) for have, part in zip(served, parts, strict=True)]
        assert max(map(abs, off)) <= seq + 1e-6
