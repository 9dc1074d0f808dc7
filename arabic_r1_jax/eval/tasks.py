"""From answered questions to scores: of all of them, and of each task.

A question's task is its `family`, else its `subject` (as in Arabic EXAMS and ArabicMMLU), else its `task`, else "all".
"""

from collections import Counter
from collections.abc import Sequence

from arabic_r1_jax.data.questions import Question
from arabic_r1_jax.eval.protocols import Item
from arabic_r1_jax.eval.statistics import macro_average, wilson

UNNAMED = "all"


def task_of(question: Question) -> str:
    """The name under which a question is counted."""
    return question.family or question.subject or question.task or UNNAMED


def scores(items: Sequence[Item]) -> dict:
    """The scores of one set of items.

    n: items. accuracy: share of right ones, an unread answer being a wrong one. ci95: its 95% Wilson interval.
    accuracy_raw: in the loglikelihood protocol, the share without the leaderboard's length normalisation; in the
    reasoning protocol, the share among the answers that could be read (0 when none could).
    parse_failures: answers that could not be read. outcomes: how often each reading ended how.
    """
    right = sum(item.correct for item in items)
    read = sum(item.answered for item in items)
    return {
        "n": len(items),
        "accuracy": right / len(items),
        "accuracy_raw": sum(item.answered and item.correct_raw for item in items) / max(read, 1),
        "ci95": list(wilson(right, len(items))),
        "parse_failures": len(items) - read,
        "outcomes": dict(Counter(item.outcome for item in items).most_common()),
    }


def report(items: Sequence[Item]) -> dict:
    """`scores` of all items, the same of each task under "tasks", and the unweighted mean over tasks under "macro".

    macro: {accuracy, se}, what the leaderboard calls a benchmark's `_average`, and its standard error.
    """
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(task_of(item.question), []).append(item)
    mean, error = macro_average([(sum(item.correct for item in group), len(group)) for group in groups.values()])
    tasks = {name: scores(group) for name, group in sorted(groups.items())}
    return {**scores(items), "macro": {"accuracy": mean, "se": error}, "tasks": tasks}
