"""The folder that an evaluation leaves, and the scores in it."""

import json

import pytest

from arabic_r1_jax.artifacts import read_json, read_manifest
from arabic_r1_jax.data.questions import Question
from arabic_r1_jax.errors import UsageError, UserError
from arabic_r1_jax.eval.evaluate import evaluate
from arabic_r1_jax.eval.protocols import Item
from arabic_r1_jax.eval.statistics import wilson
from arabic_r1_jax.eval.tasks import report, task_of

OPTIONS = ("القاهرة", "دمشق", "بغداد", "الرباط", "تونس")


def _questions(*answers: int, **fields) -> list[Question]:
    return [
        Question(id=f"q{n}", question="ما عاصمة سوريا؟", options=OPTIONS, answer=a, **fields)
        for n, a in enumerate(answers)
    ]


def _items(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]


def test_reasoning_leaves_results_items_and_manifest(parrot, tmp_path):
    questions = [*_questions(1, family="عدد"), *_questions(0, family="حال")]
    results = evaluate(parrot, questions, "reasoning", tmp_path / "out", max_new_tokens=8)
    assert results == read_json(tmp_path / "out" / "results.json")
    assert (results["protocol"], results["n"], results["parse_failures"]) == ("reasoning", 2, 0)
    assert (results["accuracy"], results["ci95"]) == (0.5, list(wilson(1, 2)))
    assert {name: task["accuracy"] for name, task in results["tasks"].items()} == {"حال": 0.0, "عدد": 1.0}
    first, *_ = items = _items(tmp_path / "out")
    assert len(items) == 2
    assert first == {
        "id": "q0",
        "task": "عدد",
        "question": "ما عاصمة سوريا؟",
        "options": dict(zip("أ ب ج د هـ".split(), OPTIONS, strict=True)),
        "gold": "ب",
        "prediction": "ب",
        "correct": True,
        "outcome": "parsed",
        "completion": "</think>الإجابة: ب",
        "finish_reason": "stop",
    }
    manifest = read_manifest(tmp_path / "out")
    assert (manifest["kind"], manifest["counts"]) == ("evaluation", {"questions": 2})
    assert manifest["inputs"]["tokenizer"] == parrot.tokenizer.sha256
    assert manifest["prefix"] == results["prefix"] == "think_nl"


def test_the_policy_asked_for_is_recorded_where_it_was_used(parrot, tmp_path):
    opened = evaluate(parrot, _questions(1), "reasoning", tmp_path / "a", max_new_tokens=10, prefix="none")
    assert opened["accuracy"] == 1.0
    assert read_manifest(tmp_path / "a")["prefix"] == opened["prefix"] == "none"
    assert _items(tmp_path / "a")[0]["completion"].startswith("<think>\n")
    scored = evaluate(parrot, _questions(1), "loglikelihood", tmp_path / "b", prefix="none")
    assert "prefix" not in scored | read_manifest(tmp_path / "b")


def test_loglikelihood_gives_the_normalised_accuracy_and_the_raw_one(parrot, tmp_path):
    done = []
    questions = _questions(4, 4, 0, 1)
    results = evaluate(parrot, questions, "loglikelihood", tmp_path / "out", progress=done.append)
    # All labels are equally likely: the leaderboard's division prefers هـ (index 4), the plain maximum the first.
    assert (results["accuracy"], results["accuracy_raw"]) == (0.5, 0.25)
    assert results["outcomes"] == {"scored": 4}
    assert list(results["tasks"]) == ["all"]
    assert done[-1] == 4
    item = _items(tmp_path / "out")[0]
    assert (item["prediction"], item["prediction_raw"]) == ("هـ", "أ")
    assert list(item["logprobs"]) == "أ ب ج د هـ".split()


def test_the_limit_takes_the_first_questions(parrot, tmp_path):
    results = evaluate(parrot, _questions(1, 1, 0), "reasoning", tmp_path / "out", limit=2, max_new_tokens=8)
    assert (results["n"], results["accuracy"]) == (2, 1.0)


def test_the_same_questions_have_the_same_identity_and_others_another(parrot, tmp_path):
    identities = []
    for name, answers in (("a", (1,)), ("b", (1,)), ("c", (2,))):
        evaluate(parrot, _questions(*answers, 0, 0, 0), "loglikelihood", tmp_path / name)
        identities.append(read_manifest(tmp_path / name)["inputs"]["questions"])
    assert identities[0] == identities[1] != identities[2]


def test_mistakes_are_named_and_leave_nothing(parrot, tmp_path):
    with pytest.raises(UsageError, match="protocol 'guess' is not known; choose one of loglikelihood, reasoning"):
        evaluate(parrot, _questions(1), "guess", tmp_path / "out")
    with pytest.raises(UserError, match="no questions"):
        evaluate(parrot, [], "reasoning", tmp_path / "out")
    with pytest.raises(UserError, match="512 positions"):
        evaluate(parrot, _questions(1), "reasoning", tmp_path / "out", max_new_tokens=512)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("x")
    with pytest.raises(UserError, match="not empty"):
        evaluate(parrot, _questions(1), "reasoning", tmp_path / "full", max_new_tokens=8)


def test_an_interrupted_evaluation_leaves_nothing(parrot, tmp_path):
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(parrot, _questions(1, 1), "reasoning", tmp_path / "out", max_new_tokens=8, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_unread_answers_are_wrong_in_accuracy_and_left_out_of_accuracy_raw():
    questions = _questions(1, 1, 1, 1, 1)
    outcomes = [(1, "parsed"), (1, "parsed"), (0, "parsed"), (None, "truncated"), (None, "refusal")]
    items = [Item(q, choice, choice, outcome) for q, (choice, outcome) in zip(questions, outcomes, strict=True)]
    scores = report(items)
    assert (scores["accuracy"], scores["accuracy_raw"], scores["parse_failures"]) == (2 / 5, 2 / 3, 2)
    assert scores["outcomes"] == {"parsed": 3, "truncated": 1, "refusal": 1}
    unread = report(items[3:])
    assert (unread["accuracy"], unread["accuracy_raw"], unread["parse_failures"]) == (0.0, 0.0, 2)


def test_a_question_is_counted_under_its_family_then_subject_then_task():
    fields = {"family": "عدد", "subject": "Social", "task": "exams"}
    for name in ("عدد", "Social", "exams"):
        assert task_of(Question(id="q", question="؟", **fields)) == name
        fields.pop(next(iter(fields)))
    assert task_of(Question(id="q", question="؟")) == "all"
