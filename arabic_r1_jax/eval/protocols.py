"""The two ways of asking a model a multiple-choice question.

`loglikelihood`: the plain prompt (begin-of-sentence, then `data.prompts.question_prompt`), and the log-probability of
each bare label right after its final `الإجابة:`. The Open Arabic LLM Leaderboard divides it by the label's length in
code points before taking the largest (lighteval `LogProbCharNorm`), which halves that of هـ, the one label of two code
points, and so favours it; the undivided choice is kept beside it.

`reasoning`: the prompt as the user's turn of a chat, whose think block the prompt or the model opens (`data.prefix`),
greedy generation to the end-of-sentence token, and the label that `eval.parsing` reads after `</think>`.

In: a `LanguageModel` and questions with options. Out: one `Item` a question, in the same order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arabic_r1_jax.data.prefix import DEFAULT, Prefix
from arabic_r1_jax.data.prompts import question_prompt
from arabic_r1_jax.data.questions import Question, labels
from arabic_r1_jax.data.tokenizers import Tokenizer, chat_prompt
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.eval.parsing import parse_reasoning
from arabic_r1_jax.infer.engine import generate_ids, score
from arabic_r1_jax.infer.language_model import LanguageModel

Progress = Callable[[int], None]  # told, after each batch, how many questions are done


@dataclass(frozen=True)
class Item:
    """One question answered by a model.

    prediction: index of the option taken, None when the output gave none.
    prediction_raw: the same without the leaderboard's normalisation; equal to it in the reasoning protocol.
    outcome: "scored", or how the reading of the completion ended (`eval.parsing.OUTCOMES`).
    logprobs: log p of each label, natural logarithm (loglikelihood only).
    completion, finish_reason: what the model wrote, and "stop" or "length" (reasoning only).
    """

    question: Question
    prediction: int | None
    prediction_raw: int | None
    outcome: str
    logprobs: tuple[float, ...] | None = None
    completion: str | None = None
    finish_reason: str | None = None

    @property
    def answered(self) -> bool:
        return self.prediction is not None

    @property
    def correct(self) -> bool:
        return self.prediction == self.question.answer

    @property
    def correct_raw(self) -> bool:
        return self.prediction_raw == self.question.answer


def _tokenizer(lm: LanguageModel) -> Tokenizer:
    if lm.tokenizer is None:
        raise UserError(
            f"{lm.source or 'this model'} has no tokenizer; put its tokenizer.json or tokenizer.model there"
        )
    return lm.tokenizer


def _need_options(questions: Sequence[Question]) -> None:
    for question in questions:
        if not question.options:
            raise UserError(f"question {question.id} has no options; only multiple-choice questions can be evaluated")


def _choose(logprobs: Sequence[float], lengths: Sequence[int]) -> int:
    """Index of the largest log-probability per length; the first of equals."""
    return max(range(len(logprobs)), key=lambda index: logprobs[index] / lengths[index])


def loglikelihood(
    lm: LanguageModel, questions: Sequence[Question], batch: int = 64, progress: Progress | None = None
) -> list[Item]:
    """Score each bare label right after the prompt; the labels are tokenised by themselves.

    (For DeepSeek's tokenizers that equals cutting the tokenised prompt + label, as the leaderboard did.)
    Raises `UserError` for a model without tokenizer, a question without options, and a model whose numbers are NaN.
    """
    tokenizer = _tokenizer(lm)
    _need_options(questions)
    alternatives = [labels(question) for question in questions]
    items = [
        ([tokenizer.bos_id, *tokenizer.encode(question_prompt(question))], [tokenizer.encode(label) for label in names])
        for question, names in zip(questions, alternatives, strict=True)
    ]
    answered = []
    totals = score(lm, items, batch=batch, progress=progress)
    for question, names, logprobs in zip(questions, alternatives, totals, strict=True):
        if any(math.isnan(value) for value in logprobs):
            raise UserError(f"{lm.source or 'this model'} gives NaN for question {question.id}; its weights are broken")
        normalised, raw = _choose(logprobs, [len(name) for name in names]), _choose(logprobs, [1] * len(names))
        answered.append(Item(question, normalised, raw, "scored", logprobs=tuple(logprobs)))
    return answered


def reasoning(
    lm: LanguageModel,
    questions: Sequence[Question],
    max_new_tokens: int = 1024,
    batch: int = 64,
    progress: Progress | None = None,
    prefix: Prefix = DEFAULT,
) -> list[Item]:
    """Let the model think and answer, greedily, and read the label after `</think>`.

    Raises `UserError` for a model without tokenizer or chat pieces, a question without options, and a prompt that
    leaves no room for `max_new_tokens`.
    """
    tokenizer = _tokenizer(lm)
    _need_options(questions)
    prompts = [chat_prompt(tokenizer, question_prompt(question), prefix) for question in questions]
    generations = generate_ids(
        lm, prompts, max_new_tokens=max_new_tokens, batch=batch, stop_ids={tokenizer.eos_id}, progress=progress
    )
    answered = []
    for question, generation in zip(questions, generations, strict=True):
        completion, names = tokenizer.decode(generation.ids), labels(question)
        parsed = parse_reasoning(completion, names, question.options, generation.finish_reason)
        choice = None if parsed.label is None else names.index(parsed.label)
        written = {"completion": completion, "finish_reason": generation.finish_reason}
        answered.append(Item(question, choice, choice, parsed.outcome, **written))
    return answered


PROTOCOLS = {"loglikelihood": loglikelihood, "reasoning": reasoning}
