"""A corpus is tokenised once, whole or absent, and reads back what went in."""

import itertools
import json
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from arabic_r1_jax.artifacts import read_manifest, write_manifest
from arabic_r1_jax.data import corpus
from arabic_r1_jax.data.examples import from_document, read_examples
from arabic_r1_jax.errors import UserError


def write(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


CHAT = {"id": "c1", "messages": [{"role": "user", "content": "س"}, {"role": "assistant", "content": "ج"}]}
ROWS = [{"id": "d1", "text": "كتب الطالب الدرس."}, CHAT, {"id": "d2", "text": "The teachers came.", "category": "news"}]


def test_a_corpus_gives_back_every_example_in_order(sentencepiece, tmp_path):
    path = write(tmp_path / "rows.jsonl", *ROWS)
    opened = corpus.open(corpus.build([path], sentencepiece, tmp_path / "corpus"))
    expected = list(read_examples([path], sentencepiece))
    assert len(opened) == len(expected)
    for i, example in enumerate(expected):
        found = opened[i]
        np.testing.assert_array_equal(found.tokens, example.tokens, strict=True)
        np.testing.assert_array_equal(found.phase, example.phase, strict=True)
        scalars = [(e.id, e.lang, e.category, e.whole, e.where) for e in (found, example)]
        assert scalars[0] == scalars[1]
        assert (opened.length[i], opened.whole[i]) == (len(example.tokens), example.whole)
        assert opened.streams[opened.stream[i]] == (example.lang, example.category)
    assert opened.targets() == {(e.lang, e.category): len(e.tokens) - 1 for e in expected}


def test_tfds_reads_the_same_corpus_without_tensorflow(sentencepiece, tmp_path):
    folder = corpus.build([write(tmp_path / "rows.jsonl", *ROWS)], sentencepiece, tmp_path / "corpus")
    source = tfds.data_source("arabic_r1_corpus", split="train", data_dir=folder)
    assert [row["id"].decode() for row in source] == ["d1", "c1", "d2"]
    np.testing.assert_array_equal(source[1]["tokens"], corpus.open(folder)[1].tokens, strict=True)
    assert "tensorflow" not in sys.modules


def test_the_manifest_counts_tokens_and_trained_targets_by_stream(sentencepiece, tmp_path):
    folder = corpus.build([write(tmp_path / "rows.jsonl", *ROWS)], sentencepiece, tmp_path / "corpus")
    streams = {(s["lang"], s["category"]): s for s in read_manifest(folder)["streams"]}
    chat, document = corpus.open(folder)[1], corpus.open(folder)[0]
    assert streams["ar", "dialogue"]["trained"] == (chat.phase > 0).sum()
    assert streams["ar", "text"]["trained"] == streams["ar", "text"]["tokens"] - 1 == len(document.tokens) - 1


def test_a_long_document_is_stored_in_blocks_that_overlap_by_one_token(sentencepiece, tmp_path):
    row = {"text": "كتب الطالب الدرس. " * 4000}
    path = write(tmp_path / "rows.jsonl", row)
    opened = corpus.open(corpus.build([path], sentencepiece, tmp_path / "corpus"))
    tokens = from_document(row, sentencepiece).tokens
    blocks = [opened[i].tokens for i in range(len(opened))]
    assert len(blocks) == -(-(len(tokens) - 1) // corpus.BLOCK) > 1
    np.testing.assert_array_equal(np.concatenate([blocks[0][:1], *(block[1:] for block in blocks)]), tokens)
    assert all(a[-1] == b[0] for a, b in itertools.pairwise(blocks))


def test_a_corpus_is_built_again_only_for_other_input_tokenizer_or_policy(sentencepiece, train_small, tmp_path):
    path = write(tmp_path / "rows.jsonl", *ROWS)
    folder = tmp_path / "corpus"
    seen = []
    corpus.build([path], sentencepiece, folder, progress=seen.append)
    corpus.build([path], sentencepiece, folder, progress=seen.append)
    assert seen == [1, 2, 3]
    write(path, *ROWS[:2])
    corpus.build([path], sentencepiece, folder, progress=seen.append)
    assert seen == [1, 2, 3, 1, 2]
    train_small(tmp_path, 370)
    corpus.build([path], type(sentencepiece)(tmp_path / "tokenizer.model"), folder, progress=seen.append)
    assert seen == [1, 2, 3, 1, 2, 1, 2]
    assert read_manifest(folder)["prefix"] == "think_nl"
    for _ in range(2):
        corpus.build([path], type(sentencepiece)(tmp_path / "tokenizer.model"), folder, "none", progress=seen.append)
    assert seen == [1, 2, 3, 1, 2, 1, 2, 1, 2]
    assert read_manifest(folder)["prefix"] == "none"
    assert len(corpus.open(folder)) == 2


@pytest.mark.parametrize("prefix, learnt", [("none", 2), ("think_nl", 0)])
def test_a_corpus_learns_the_opening_of_the_thinking_by_its_policy(sentencepiece, tmp_path, prefix, learnt):
    answer = {"role": "assistant", "content": "<think>\nف</think>ج"}
    path = write(tmp_path / "rows.jsonl", {"messages": [{"role": "user", "content": "س"}, answer]})
    example = corpus.open(corpus.build([path], sentencepiece, tmp_path / "corpus", prefix))[0]
    start = example.tokens.tolist().index(sentencepiece.think_id)
    assert np.count_nonzero(example.phase[start : start + 2]) == learnt


def test_a_failed_build_leaves_nothing(sentencepiece, tmp_path):
    path = write(tmp_path / "rows.jsonl", *ROWS, {"text": 3})
    with pytest.raises(UserError, match=r"rows\.jsonl: line 4"):
        corpus.build([path], sentencepiece, tmp_path / "corpus")
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.jsonl"]


def test_an_interrupted_build_leaves_nothing_and_starts_over(sentencepiece, tmp_path):
    path = write(tmp_path / "rows.jsonl", *ROWS)

    def interrupt(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        corpus.build([path], sentencepiece, tmp_path / "corpus", progress=interrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.jsonl"]
    assert len(corpus.open(corpus.build([path], sentencepiece, tmp_path / "corpus"))) == 3


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_input_is_refused(sentencepiece, tmp_path, content):
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(UserError, match="nothing to learn from"):
        corpus.build([tmp_path / "rows.jsonl"], sentencepiece, tmp_path / "corpus")


def test_a_missing_input_is_refused(sentencepiece, tmp_path):
    with pytest.raises(UserError, match=r"absent\.jsonl is not a file"):
        corpus.build([tmp_path / "absent.jsonl"], sentencepiece, tmp_path / "corpus")


def test_a_folder_that_is_something_else_is_left_alone(sentencepiece, tmp_path):
    path = write(tmp_path / "rows.jsonl", *ROWS)
    other = tmp_path / "run"
    other.mkdir()
    write_manifest(other, "run")
    with pytest.raises(UserError, match="already exists and is not empty"):
        corpus.build([path], sentencepiece, other)
    with pytest.raises(UserError, match="is not a corpus"):
        corpus.open(other)
    assert read_manifest(other)["kind"] == "run"
