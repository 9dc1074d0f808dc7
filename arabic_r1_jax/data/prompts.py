"""The prompt of a question: what a model reads before it answers, in training, generation and evaluation alike.

The Arabic strings are protocol: they are the bytes of the Open Arabic LLM Leaderboard v2 (lighteval v0.9.2 to v0.10.0,
community_tasks/arabic_evals.py, spelling of its own included), zero-shot and without a chat template. Do not edit
them: one byte more or less is another benchmark.

Two forms exist. A question read from EXAMS-form rows takes the prompt of Arabic EXAMS; every other question takes
ArabicMMLU's. An English question takes the same prompt with the labels A, B, ..., so that one answer form serves both.

Context: lighteval's ArabicMMLU prompt drops it. Here it is printed as lm-evaluation-harness prints it
(lm_eval/tasks/arabicmmlu/utils.py): only when there is one, before the question, an empty line between; several
passages are parted by empty lines too. Without context the bytes are the leaderboard's.
"""

from arabic_r1_jax.data.questions import Question, labels

ANSWER_CUE = "الإجابة:"  # every prompt ends with it; in log-likelihood scoring a bare label follows at once
_ARABIC_MMLU = "السؤال التالي هو سؤال متعدد الإختيارات. اختر الإجابة الصحيحة:\n\n"
_EXAMS = "الأسئلة التالية هي أسئلة متعددة الإختيارات مع الجواب الصحيح حول {subject}. \n\n"
_NO_SUBJECT = "موضوعات متنوعة"  # ours: every row of the benchmark has a subject, a user's row may have none


def _arabic_mmlu(question: Question) -> str:
    text = "\n\n".join((*question.context, question.question))
    options = "".join(f"{label}. {option}\n" for label, option in zip(labels(question), question.options, strict=True))
    return f"{_ARABIC_MMLU}{text}\n{options}{ANSWER_CUE}"


def _exams(question: Question) -> str:
    context = "".join(f"{passage}\n\n" for passage in question.context)
    lines = (f" {label}) {option}\n" for label, option in zip(labels(question), question.options, strict=True))
    instruction = _EXAMS.format(subject=(question.subject or _NO_SUBJECT).replace("_", " "))
    return f"{instruction}{context}السؤال: {question.question}\n" + "\n".join(lines) + f"\n{ANSWER_CUE}"


_PROMPTS = {"plain": _arabic_mmlu, "exams": _exams}


def question_prompt(question: Question) -> str:
    """The prompt of a question, ending with `الإجابة:`. An open question is the ArabicMMLU form without options."""
    return _PROMPTS[question.form](question)
