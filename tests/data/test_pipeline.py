"""Batches: rows that match their examples, whatever the batch size, the workers, and where the run resumes."""

import json
import pickle

import grain
import numpy as np
import pytest

from arabic_r1_jax.data import corpus, packing, pipeline
from arabic_r1_jax.data.mixture import shares
from arabic_r1_jax.errors import UserError

SEQ = 64


def rows_of_text():
    rng = np.random.default_rng(0)
    words = ["كتب", "الطالب", "الدرس", "معلم", "نهر"]
    for number in range(60):
        yield {"id": f"d{number}", "text": " ".join(rng.choice(words, rng.integers(1, 30)))}
        chat = [("user", rng.choice(words)), ("assistant", " ".join(rng.choice(words, rng.integers(1, 6))))]
        yield {"messages": [{"role": role, "content": str(content)} for role, content in chat]}
        yield {"text": "The teachers came " * int(rng.integers(1, 5))}


@pytest.fixture(scope="module")
def opened(sentencepiece, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of_text()))
    return corpus.open(corpus.build([folder / "rows.jsonl"], sentencepiece, folder / "corpus"))


@pytest.fixture(scope="module")
def plan(opened):
    return packing.plan(opened, shares(opened.targets(), 0.8), seq=SEQ, rows=48, seed=3)


def serve(opened, plan, batch=4, **options) -> list[dict[str, np.ndarray]]:
    return list(pipeline.batches(opened, plan, batch, pad_id=2, **options))


def same(left: list[dict], right: list[dict]) -> None:
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], strict=True)


def test_every_segment_is_a_stretch_of_its_example(opened, plan):
    batches = serve(opened, plan)
    row = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    for i in range(len(plan)):
        at = 0
        for segment, piece in enumerate(range(plan.begin[i], plan.begin[i + 1]), 1):
            example, start = opened[plan.pieces.example[piece]], plan.pieces.start[piece]
            size = plan.pieces.size[piece]
            here = slice(at, at + size)
            np.testing.assert_array_equal(row["tokens"][i, here], example.tokens[start : start + size])
            np.testing.assert_array_equal(row["targets"][i, here], example.tokens[start + 1 : start + size + 1])
            np.testing.assert_array_equal(row["phase"][i, here], example.phase[start + 1 : start + size + 1])
            np.testing.assert_array_equal(row["positions"][i, here], np.arange(size))
            assert (row["segment_ids"][i, here] == segment).all()
            at += size
        rest = slice(at, SEQ)
        for key in ("segment_ids", "positions", "phase"):
            assert not row[key][i, rest].any()
        assert (row["tokens"][i, rest] == 2).all()


def test_targets_never_cross_segments(opened, plan):
    for batch in serve(opened, plan):
        inside = batch["segment_ids"][:, :-1] == batch["segment_ids"][:, 1:]
        inside &= batch["segment_ids"][:, :-1] > 0
        np.testing.assert_array_equal(batch["targets"][:, :-1][inside], batch["tokens"][:, 1:][inside])


def test_shapes_and_dtypes(opened, plan):
    (batch, *_) = serve(opened, plan)
    dtypes = {"tokens": np.int32, "targets": np.int32, "segment_ids": np.int32, "positions": np.int32, "phase": np.int8}
    assert {key: (array.shape, array.dtype) for key, array in batch.items()} == {
        key: ((4, SEQ), np.dtype(dtype)) for key, dtype in dtypes.items()
    }


def test_batches_hold_the_tokens_that_the_plan_reports(opened, plan):
    filled = sum(int((batch["segment_ids"] > 0).sum()) for batch in serve(opened, plan))
    assert filled == sum(plan.tokens().values())


@pytest.mark.parametrize("start_row", [0, 4, 7, 44])
def test_resuming_at_a_row_gives_the_rows_of_the_uninterrupted_run(opened, plan, start_row):
    whole = serve(opened, plan, batch=1)
    same(serve(opened, plan, batch=1, start_row=start_row), whole[start_row:])


def test_a_resumed_run_plans_its_rows_anew_and_meets_the_same_batches(opened, plan):
    longer = packing.plan(opened, shares(opened.targets(), 0.8), seq=SEQ, rows=60, seed=3)
    same(serve(opened, longer, start_row=20)[:7], serve(opened, plan)[5:])


def test_rows_do_not_depend_on_the_batch_size(opened, plan):
    by_four, by_twelve = serve(opened, plan), serve(opened, plan, batch=12)
    joined = [{key: np.concatenate([b[key] for b in by_four[i : i + 3]]) for key in by_four[0]} for i in (0, 3, 6, 9)]
    same(joined, by_twelve)


def test_a_batch_is_the_same_in_any_order_and_after_a_journey_to_another_process(opened, plan):
    source = pickle.loads(pickle.dumps(pipeline.Batches(opened, plan, 4, pad_id=2, start_row=0)))
    backwards = [source[k] for k in reversed(range(len(source)))]
    same(backwards[::-1], serve(opened, plan))


def test_a_remainder_smaller_than_a_batch_is_left_out(opened, plan):
    assert len(serve(opened, plan, batch=5)) == 9
    assert serve(opened, plan, start_row=48) == []


def test_the_iterator_is_grains_own(opened, plan):
    assert isinstance(pipeline.batches(opened, plan, 4, pad_id=2), grain.DatasetIterator)


def test_a_record_longer_than_a_row_is_refused_with_file_and_line(opened):
    chats = {("ar", "dialogue"): 1.0}
    longest = int(opened.length[opened.whole].max())
    packing.plan(opened, chats, seq=longest - 1, rows=1)
    with pytest.raises(UserError, match=rf"rows\.jsonl: line \d+: takes {longest - 1} tokens and a row holds"):
        packing.plan(opened, chats, seq=longest - 2, rows=1)


def test_a_share_for_data_that_is_not_there_is_refused(opened):
    with pytest.raises(UserError, match="the data holds"):
        packing.plan(opened, {("ar", "poetry"): 1.0}, seq=SEQ, rows=1)
