"""The packing plan: nothing lost, nothing cut that must not be, rows a pure function of their number."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.data import packing
from arabic_r1_jax.data.corpus import Corpus

AR, EN = ("ar", "reasoning"), ("en", "text")


def corpus(lengths: list[int], whole: list[bool], stream: list[int] | None = None) -> Corpus:
    """The tables of a corpus that is never read."""
    stream = np.array(stream or [0] * len(lengths), np.int16)
    return Corpus(Path("unread"), (AR, EN), np.array(lengths, np.int32), stream, np.array(whole), source=[])


lengths = st.lists(st.integers(2, 65), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(lengths=lengths, flags=st.lists(st.booleans(), min_size=60, max_size=60), seed=st.integers(0, 3))
def test_each_target_of_a_pass_is_planned_once_and_whole_examples_are_one_piece(lengths, flags, seed):
    table = corpus(lengths, flags[: len(lengths)])
    seq, open_rows = 64, 4
    pieces = packing.cut(table, seq, np.arange(len(lengths)))
    one_pass = itertools.islice(packing.shuffled(len(pieces.size), seed, AR), len(pieces.size))
    filler = itertools.repeat(len(pieces.size))  # full rows behind the pass, so that every open row gets closed
    size, may_cut = np.append(pieces.size, seq), np.append(~table.whole[pieces.example], False)
    order = itertools.chain(one_pass, itertools.islice(filler, open_rows))
    rows = list(packing.best_fit(size, may_cut, order, seq, open_rows))
    assert all(0 < sum(taken for _, _, taken in row) <= seq for row in rows)
    closed = [part for row in rows for part in row if part[0] < len(pieces.size)]
    planned = Counter()
    for piece, start, taken in closed:
        example = pieces.example[piece]
        first = pieces.start[piece] + start
        planned.update((example, target) for target in range(first + 1, first + taken + 1))
        if table.whole[example]:
            assert (first, taken) == (0, lengths[example] - 1)
    assert max(planned.values(), default=1) == 1
    still_open = sum(pieces.size) - sum(taken for _, _, taken in closed)
    assert still_open <= open_rows * seq
    assert all(0 < target < lengths[example] for example, target in planned)


def test_a_plan_covers_every_target_of_its_passes_evenly():
    rng = np.random.default_rng(0)
    table = corpus(rng.integers(2, 40, 50).tolist(), [True] * 50)
    plan = packing.plan(table, {AR: 1.0}, seq=64, rows=400)
    times = np.bincount(plan.pieces.example, minlength=50)
    passes = len(plan.pieces.example) / 50
    assert np.abs(times - passes).max() <= packing.OPEN_ROWS * 64 / table.length.sum() + 1


def test_a_row_depends_on_its_number_and_the_seed_only():
    rng = np.random.default_rng(1)
    table = corpus(rng.integers(2, 65, 80).tolist(), [True] * 80, rng.integers(0, 2, 80).tolist())
    long, short, other = (
        packing.plan(table, {AR: 0.8, EN: 0.2}, seq=64, rows=rows, seed=seed)
        for rows, seed in [(90, 0), (40, 0), (90, 1)]
    )
    part = slice(0, short.begin[-1])
    np.testing.assert_array_equal(long.stream[:40], short.stream)
    np.testing.assert_array_equal(long.begin[:41], short.begin)
    for field in ("example", "start", "size"):
        np.testing.assert_array_equal(getattr(long.pieces, field)[part], getattr(short.pieces, field))
    assert long.pieces.example.tolist() != other.pieces.example.tolist()


def test_a_stream_keeps_its_rows_when_another_joins():
    table = corpus([9] * 40 + [30] * 10, [True] * 50, [0] * 40 + [1] * 10)
    alone = packing.plan(table, {AR: 1.0}, seq=32, rows=10)
    joined = packing.plan(table, {AR: 0.5, EN: 0.5}, seq=32, rows=20)
    examples = [joined.pieces.example[a:b] for a, b in itertools.pairwise(joined.begin)]
    own = np.concatenate([e for e, s in zip(examples, joined.stream, strict=True) if joined.streams[s] == AR])
    np.testing.assert_array_equal(own[: len(alone.pieces.example)], alone.pieces.example[: len(own)])


def test_tokens_by_stream_are_those_of_the_rows_and_keep_to_the_shares():
    rng = np.random.default_rng(2)
    table = corpus(rng.integers(2, 300, 500).tolist(), [False] * 500, rng.integers(0, 2, 500).tolist())
    shares = {AR: 0.8, EN: 0.2}
    plan = packing.plan(table, shares, seq=64, rows=2000)
    for stop in (1, 7, 100, 2000):
        tokens = plan.tokens(0, stop)
        assert sum(tokens.values()) == plan.pieces.size[: plan.begin[stop]].sum()
        for stream, share in shares.items():
            assert abs(tokens.get(stream, 0) - share * sum(tokens.values())) <= plan.seq
    middle = Counter(plan.tokens(0, 7)) + Counter(plan.tokens(7, 2000))
    assert dict(middle) == plan.tokens()


def test_rows_hold_one_stream_each():
    rng = np.random.default_rng(3)
    table = corpus(rng.integers(2, 30, 200).tolist(), [True] * 200, rng.integers(0, 2, 200).tolist())
    plan = packing.plan(table, {AR: 0.5, EN: 0.5}, seq=64, rows=50)
    of_pieces = np.repeat(plan.stream, np.diff(plan.begin))
    assert [plan.streams[s] for s in of_pieces] == [table.streams[s] for s in table.stream[plan.pieces.example]]


@pytest.mark.parametrize("seq", [512, 2048])
def test_documents_fill_99_percent_of_the_positions(seq):
    rng = np.random.default_rng(4)
    table = corpus(np.clip(rng.lognormal(6, 1, 4000), 2, 8193).astype(int).tolist(), [False] * 4000)
    plan = packing.plan(table, {AR: 1.0}, seq=seq, rows=int(table.length.sum() // seq))
    assert plan.utilisation > 0.99


def test_whole_records_of_a_third_of_a_row_fill_90_percent():
    rng = np.random.default_rng(5)
    table = corpus(np.clip(rng.normal(139, 20, 2000), 90, 210).astype(int).tolist(), [True] * 2000)
    plan = packing.plan(table, {AR: 1.0}, seq=512, rows=500)
    assert plan.utilisation > 0.9


def test_shuffling_visits_everything_once_a_pass_in_a_fixed_order():
    numbers = packing.shuffled(5, seed=7, stream=AR)
    first, second = list(itertools.islice(numbers, 5)), list(itertools.islice(numbers, 5))
    assert sorted(first) == sorted(second) == list(range(5))
    assert (first, second) == ([2, 3, 1, 0, 4], [0, 3, 1, 4, 2])  # a change here changes every run
