"""Both protocols on real models: log-probabilities against plain logits, completions from greedy decoding."""

import jax
import numpy as np
import pytest

from arabic_r1_jax.data.prompts import question_prompt
from arabic_r1_jax.data.questions import Question, labels
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.eval.protocols import loglikelihood, reasoning
from arabic_r1_jax.infer.language_model import LanguageModel

OPTIONS = ("القاهرة", "دمشق", "بغداد", "الرباط", "تونس", "عمان", "مسقط", "الدوحة")


def _question(answer: int = 1, count: int = 4, **fields) -> Question:
    return Question(id="q", question="ما عاصمة سوريا؟", options=OPTIONS[:count], answer=answer, **fields)


def _by_hand(lm: LanguageModel, questions: list[Question]) -> list[list[float]]:
    """log p of each label after its prompt, read off the whole logits of prompt + label."""
    encode = lm.tokenizer.encode
    pairs = [
        ([lm.tokenizer.bos_id, *encode(question_prompt(question))], encode(label))
        for question in questions
        for label in labels(question)
    ]
    ids = np.zeros((len(pairs), max(len(prompt) + len(label) for prompt, label in pairs)), np.int32)
    for row, (prompt, label) in zip(ids, pairs, strict=True):
        row[: len(prompt) + len(label)] = [*prompt, *label]
    logp = np.asarray(jax.nn.log_softmax(lm(ids)), np.float64)  # causal: what stands behind a label does not matter
    sums = (
        sum(row[len(prompt) - 1 + n, token] for n, token in enumerate(label))
        for row, (prompt, label) in zip(logp, pairs, strict=True)
    )
    return [[next(sums) for _ in labels(question)] for question in questions]


def test_log_probabilities_equal_those_of_plain_logits(make_model, random_weights):
    lm = make_model(random_weights)
    eight = _question(count=8)
    assert {len(lm.tokenizer.encode(label)) for label in labels(eight)} == {1, 2}
    questions = [_question(lang="en"), eight, _question(count=2), _question(form="exams", subject="Social")]
    done = []
    items = loglikelihood(lm, questions, progress=done.append)
    assert [item.question for item in items] == questions
    for item, expected in zip(items, _by_hand(lm, questions), strict=True):
        # Float32 sums in two orders.
        np.testing.assert_allclose(item.logprobs, expected, atol=1e-4)
        assert item.prediction_raw == int(np.argmax(item.logprobs))
    assert done == [len(questions)]


def test_equal_labels_give_the_first_and_normalisation_favours_the_label_of_two_code_points(parrot):
    four, five = loglikelihood(parrot, [_question(count=4), _question(count=5), _question(), _question()])[:2]
    assert len(set(four.logprobs)) == len(set(five.logprobs)) == 1
    assert (four.prediction, four.prediction_raw) == (0, 0)
    assert (five.prediction, five.prediction_raw) == (4, 0)
    assert five.outcome == "scored"


def test_a_label_behind_the_end_tag_is_the_prediction(parrot):
    done = []
    right, wrong = reasoning(parrot, [_question(1), _question(2)], max_new_tokens=8, progress=done.append)
    assert right.completion == "</think>الإجابة: ب"
    assert (right.prediction, right.outcome, right.finish_reason) == (1, "parsed", "stop")
    assert right.correct
    assert not wrong.correct
    assert done == [2]


def test_a_model_that_opens_its_thinking_itself_is_read_the_same(parrot):
    (item,) = reasoning(parrot, [_question(1)], max_new_tokens=10, prefix="none")
    assert item.completion == "<think>\n</think>الإجابة: ب"
    assert (item.prediction, item.outcome, item.finish_reason) == (1, "parsed", "stop")
    (cut,) = reasoning(parrot, [_question(1)], max_new_tokens=2, prefix="none")
    assert (cut.completion, cut.prediction, cut.outcome) == ("<think>\n", None, "truncated")


def test_what_the_limit_cuts_is_truncated_even_when_a_label_was_written(parrot):
    items = reasoning(parrot, [_question(1), _question(1)], max_new_tokens=4)
    assert items[0].completion == "</think>الإجابة: ب"
    assert [(item.prediction, item.outcome, item.finish_reason) for item in items] == [
        (None, "truncated", "length")
    ] * 2


def test_open_questions_and_models_without_tokenizer_or_with_nan_are_refused(parrot, make_model):
    with pytest.raises(UserError, match="question open has no options"):
        loglikelihood(parrot, [Question(id="open", question="لماذا؟", answer_text="لأن")])
    mute = LanguageModel(parrot.config, parrot.graph, parrot.state, parrot.mesh, parrot.dtype)
    with pytest.raises(UserError, match="has no tokenizer"):
        reasoning(mute, [_question()])
    with pytest.raises(UserError, match="NaN for question q"):
        loglikelihood(make_model(lambda name, shape: np.full(shape, np.nan)), [_question()] * 4)
