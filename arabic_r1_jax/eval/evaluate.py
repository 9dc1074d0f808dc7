"""Evaluate a model on questions and leave a folder: results.json, items.jsonl and, last, manifest.json.

results.json    {protocol, model, prefix, n, accuracy, accuracy_raw, ci95, parse_failures, outcomes, macro,
                 tasks: {name: {n, accuracy, ...}}}; what the numbers mean stands in `eval.tasks`;
                 prefix: who opened the think block (`data.prefix`), in the reasoning protocol only
items.jsonl     one question a line: what was asked, what is right, what the model took, and why
manifest.json   kind "evaluation": protocol, model, prefix, settings, sha256 of the questions and of the tokenizer
"""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.data.prefix import DEFAULT, Prefix
from arabic_r1_jax.data.questions import Question, labels
from arabic_r1_jax.errors import UsageError, UserError
from arabic_r1_jax.eval.protocols import PROTOCOLS, Item, Progress
from arabic_r1_jax.eval.tasks import report, task_of
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.parallel import processes


def _line(value: dict) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _item_json(item: Item) -> dict:
    """An item as it stands in items.jsonl; options are named by their labels, what does not apply is left out."""
    question, names = item.question, labels(item.question)
    row = {
        "id": question.id,
        "task": task_of(question),
        "question": question.question,
        "options": dict(zip(names, question.options, strict=True)),
        "gold": names[question.answer],
        "prediction": None if item.prediction is None else names[item.prediction],
        "correct": item.correct,
        "outcome": item.outcome,
    }
    if item.logprobs is not None:
        logprobs = dict(zip(names, item.logprobs, strict=True))
        return {**row, "prediction_raw": names[item.prediction_raw], "logprobs": logprobs}
    return {**row, "completion": item.completion, "finish_reason": item.finish_reason}


def _sha256(questions: Sequence[Question]) -> str:
    """Identity of the questions asked, whatever file they came from."""
    return hashlib.sha256("".join(_line(question.to_json()) for question in questions).encode()).hexdigest()


def evaluate(
    lm: LanguageModel,
    questions: Sequence[Question],
    protocol: str,
    out: Path,
    *,
    limit: int | None = None,
    batch: int = 64,
    max_new_tokens: int = 1024,
    prefix: Prefix = DEFAULT,
    progress: Progress | None = None,
) -> dict:
    """Ask `lm` the first `limit` questions (None: all) by `protocol`, write the folder `out`, return results.json.

    Args:
      protocol: "loglikelihood" or "reasoning" (see `eval.protocols`).
      batch: sequences run at a time.
      max_new_tokens: room for thinking and answer in the reasoning protocol; the other does not use it.
      prefix: whether the prompt opens the thinking (`data.prefix`), likewise.
      progress: called with the number of questions done.

    Raises `UsageError` for an unknown protocol, and `UserError`, before any work, when `out` is not empty, when there
    is no question or one without options, or when a prompt does not fit. Nothing is left at `out` on any error.
    Of several processes, inside `processes.together`, the first writes and all return its results.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"protocol {protocol!r} is not known; choose one of {', '.join(PROTOCOLS)}")
    questions = list(questions[:limit])
    if not questions:
        raise UserError("there are no questions to evaluate on")
    settings, policy = {"batch": batch}, {}
    if protocol == "reasoning":
        settings["max_new_tokens"], policy = max_new_tokens, {"prefix": prefix}
    with contextlib.ExitStack() as stack:
        # Before any work: or it would be for a folder that cannot be made.
        folder = processes.from_first(lambda: str(stack.enter_context(artifacts.staged(out))))
        items = PROTOCOLS[protocol](lm, questions, progress=progress, **settings, **policy)
        results = {"protocol": protocol, "model": str(lm.source or ""), **policy, **report(items)}
        manifest = {
            "protocol": protocol,
            "model": results["model"],
            **policy,
            "settings": {**settings, "dtype": np.dtype(lm.dtype).name, "adapter": lm.lora is not None},
            "inputs": {"questions": _sha256(questions), "tokenizer": lm.tokenizer.sha256},
            "counts": {"questions": len(items)},
        }
        processes.from_first(lambda: _write(Path(folder), results, items, manifest))
    return results


def _write(folder: Path, results: dict, items: Sequence[Item], manifest: dict) -> None:
    artifacts.write_json(folder / "results.json", results)
    artifacts.write_text(folder / "items.jsonl", "".join(_line(_item_json(item)) for item in items))
    artifacts.write_manifest(folder, "evaluation", **manifest)
