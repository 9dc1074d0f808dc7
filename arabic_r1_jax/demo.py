"""`arabic-r1 demo`: every part of the package once, on a model of 0.9M parameters and 8 simulated devices.

    base (Hugging Face) -> convert -> evaluate -> train on a bilingual mixture -> evaluate -> merge (Hugging Face)

The base reads Arabic and keeps the four-phase form but knows none of the curriculum's rules, so the accuracy it gains
on questions about words it never saw in training is what the adapter learnt. In the output folder:

    base/ orbax/ data/ before/ run/ after/ merged/ summary.json
"""

import itertools
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from arabic_r1_jax import artifacts, progress
from arabic_r1_jax.checkpoint import convert
from arabic_r1_jax.checkpoint.load import load
from arabic_r1_jax.config import RunConfig, load_run_config
from arabic_r1_jax.data.prompts import question_prompt
from arabic_r1_jax.data.questions import Question, labels, read_questions
from arabic_r1_jax.distill import base_corpus, curriculum
from arabic_r1_jax.distill.words import lexicon
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.eval.evaluate import evaluate
from arabic_r1_jax.packaged import packaged
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.paths import as_path, remove_tree, sizes
from arabic_r1_jax.train.loop import METRICS, train
from arabic_r1_jax.train.losses import KINDS

BASE = Path(__file__).resolve().parent / "assets" / "demo_base"
HELD_OUT = 60  # questions of each family
RECORDS = 2000  # training records of each family
DOCUMENTS = 400  # of plain text, in each language
MAX_NEW_TOKENS = 128  # the longest completion of the curriculum has 107
PARTS = ("base", "orbax", "data", "before", "run", "after", "merged")


def run(out: Path, seed: int = 0) -> dict:
    """Run the demo into `out` and return its summary, also left as summary.json.

    A folder that an earlier demo left is made anew. Raises `UserError` when `out` holds anything else.
    """
    out = as_path(out)
    _clear(out)
    seconds: dict[str, float] = {}
    with _timed(seconds, "convert"):
        for name in sizes(BASE):
            (out / "base").mkdir(exist_ok=True)
            artifacts.copy(BASE / name, out / "base" / name)
        convert.hf_to_orbax(out / "base", out / "orbax")
    with _timed(seconds, "write data"):
        questions = write_data(out / "data", seed)
    cfg = run_config(out, seed)
    with _timed(seconds, "evaluate before"):
        before = _evaluate(cfg, questions, out / "before", None)
    with _timed(seconds, "train"), progress.bar("Training", cfg.train.steps) as update:
        trained = train(cfg, out / "run", progress=update)
    with _timed(seconds, "evaluate after"):
        after = _evaluate(cfg, questions, out / "after", out / "run" / "adapter")
    with _timed(seconds, "merge"):
        convert.merge(out / "orbax", out / "run" / "adapter", out / "merged", "float32")
    summary = {
        "heldout_before": before["accuracy"],
        "heldout_after": after["accuracy"],
        "families": {name: _family(before["tasks"][name], after["tasks"][name]) for name in before["tasks"]},
        "all": _family(before, after),
        "tokens": _tokens(trained["tokens_by_category"], cfg),
        "loss_by_phase": _loss_by_phase(out / "run" / METRICS),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "outputs": {
            "base": str(out / "base"),
            "orbax": str(out / "orbax"),
            "adapter": str(out / "run" / "adapter"),
            "merged": str(out / "merged"),
        },
        "example": _example(out / "after" / "items.jsonl", questions),
    }
    artifacts.write_json(out / "summary.json", summary)
    artifacts.write_manifest(out, "demo", seed=seed)
    return summary


def _clear(out: Path) -> None:
    marker = out / "demo.json"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise UserError(f"{out} is not empty and holds no demo; name another --out")
    if marker.exists():
        for name in (artifacts.MANIFEST, "summary.json"):
            (out / name).unlink(missing_ok=True)
        for name in PARTS:
            remove_tree(out / name)
    out.mkdir(parents=True, exist_ok=True)
    artifacts.write_json(marker, {"made_by": "arabic-r1 demo"})


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - started


def write_data(folder: Path, seed: int) -> list[Question]:
    """Write train.jsonl, text.jsonl and heldout.jsonl; returns the held-out questions, gold positions balanced."""
    rng = random.Random(seed)
    train_rows, held_out = [], []
    for family in curriculum.FAMILIES:
        for number, item in enumerate(curriculum.items(family, RECORDS, seed, held_out=False)):
            train_rows.append(curriculum.record(item, number % 4, rng).to_json())
        for number, item in enumerate(curriculum.items(family, HELD_OUT, seed, held_out=True)):
            held_out.append(curriculum.record(item, number % 4, rng).question)
    writers = {"ar": base_corpus.arabic_sentence, "en": base_corpus.english_sentence}
    texts = [
        {"id": f"{lang}-{number}", "lang": lang, "text": _plain_text(write, rng)}
        for lang, write in writers.items()
        for number in range(DOCUMENTS)
    ]
    with artifacts.staged(folder) as staged:
        for name, rows in (("train", train_rows), ("text", texts), ("heldout", [q.to_json() for q in held_out])):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            artifacts.write_text(staged / f"{name}.jsonl", "".join(lines))
        artifacts.write_manifest(staged, "records", counts={"train": len(train_rows), "heldout": len(held_out)})
    return read_questions(folder / "heldout.jsonl")


def _plain_text(write: Callable[[random.Random], str], rng: random.Random) -> str:
    """Five sentences without a held-out word."""
    hidden = {word for words in lexicon(held_out=True) for word in words}
    sentences = (write(rng) for _ in itertools.count())
    shown = (sentence for sentence in sentences if not hidden.intersection(re.findall(r"\w+", sentence)))
    return " ".join(itertools.islice(shown, 5))


def run_config(out: Path, seed: int) -> RunConfig:
    """The demo's training run: configs/run/demo.toml on the demo's own model and data."""
    own = {
        "model.path": out / "orbax",
        "data.records": out / "data" / "train.jsonl",
        "data.documents": out / "data" / "text.jsonl",
        "train.seed": seed,
    }
    return load_run_config(packaged("run/demo.toml"), [f"{key}={value}" for key, value in own.items()])


def _evaluate(cfg: RunConfig, questions: list[Question], out: Path, adapter: Path | None) -> dict:
    mesh = make_mesh(cfg.mesh.data, cfg.mesh.expert)
    lm = load(cfg.model.path, adapter=adapter, dtype=cfg.train.dtype, mesh=mesh)
    with progress.bar(f"Evaluating {out.name}", len(questions)) as update:
        return evaluate(
            lm, questions, "reasoning", out, batch=len(questions), max_new_tokens=MAX_NEW_TOKENS, progress=update.to
        )


def _family(before: dict, after: dict) -> dict:
    keep = ("accuracy", "ci95", "parse_failures")
    return {
        "n": before["n"],
        "before": {key: before[key] for key in keep},
        "after": {key: after[key] for key in keep},
    }


def _tokens(seen: dict[str, int], cfg: RunConfig) -> dict[str, dict]:
    """Tokens of each stream, its share, and the share that the mixture asked for."""
    sides = {"ar": cfg.mixture.ar, "en": 1 - cfg.mixture.ar}
    weights = cfg.mixture.categories
    total = sum(seen.values())
    rows = {}
    for name, weight in weights.items():
        language = sum(other for stream, other in weights.items() if stream[:2] == name[:2])
        count = seen.get(name, 0)
        asked = sides[name[:2]] * weight / language
        rows[name] = {"tokens": count, "share": round(count / total, 4), "asked": round(asked, 4)}
    return rows


def _loss_by_phase(metrics: Path, window: int = 20) -> dict[str, dict[str, float]]:
    """Mean loss of each phase over the first and the last `window` steps that have it; "other" is plain text."""
    steps = [json.loads(line)["loss_by_phase"] for line in metrics.read_text(encoding="utf-8").splitlines()]
    losses = {phase: [step[phase] for step in steps if phase in step] for phase in KINDS}
    return {
        phase: {"first": float(np.mean(values[:window])), "last": float(np.mean(values[-window:]))}
        for phase, values in losses.items()
        if values
    }


def _example(items: Path, questions: list[Question]) -> dict:
    """A held-out question and what the adapted model wrote; a right answer in Arabic, to `governed`, if any."""
    by_id = {question.id: question for question in questions}
    written = [json.loads(line) for line in items.read_text(encoding="utf-8").splitlines()]

    def rank(item: dict) -> tuple[bool, ...]:
        question = by_id[item["id"]]
        return item["correct"], question.lang == "ar", question.family == "governed"

    item = max(written, key=rank)
    question = by_id[item["id"]]
    return {
        "prompt": question_prompt(question),
        "gold": labels(question)[question.answer],
        "completion": item["completion"],
    }


def show(summary: dict) -> None:
    """Print the summary for a person."""
    scores = {**summary["families"], "all": summary["all"]}
    rows = [(name, row["n"], *_score(row["before"]), *_score(row["after"])) for name, row in scores.items()]
    columns = ("family", "n", "before", "95%", "not parsed", "after", "95%", "not parsed")
    progress.table("Accuracy on held-out words", columns, rows)
    rows = [
        (name, row["tokens"], f"{row['share']:.1%}", f"{row['asked']:.1%}") for name, row in summary["tokens"].items()
    ]
    progress.table("Tokens trained on", ("language and kind", "tokens", "share", "asked"), rows)
    rows = [(phase, f"{loss['first']:.4f}", f"{loss['last']:.4f}") for phase, loss in summary["loss_by_phase"].items()]
    progress.table("Loss per token", ("phase", "first steps", "last steps"), rows)
    progress.table("Time", ("stage", "seconds"), list(summary["seconds"].items()))
    progress.table("Outputs", ("what", "where"), list(summary["outputs"].items()))
    example = summary["example"]
    print("A held-out question, and what the adapted model wrote:\n")
    print(progress.rtl(f"{example['prompt']}\n\n{example['completion']}"))


def _score(score: dict) -> tuple[str, str, int]:
    low, high = score["ci95"]
    return f"{score['accuracy']:.3f}", f"{low:.2f} to {high:.2f}", score["parse_failures"]
