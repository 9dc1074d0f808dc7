"""`arabic-r1 evaluate`: multiple-choice questions to accuracy with its interval."""

from pathlib import Path

from arabic_r1_jax import progress
from arabic_r1_jax.verbs.verb import Options, Parser, Verb, count, load, model_options


def _options(parser: Parser) -> None:
    model_options(parser)
    parser.add_argument("--data", type=Path, metavar="Q.jsonl", required=True, help="questions")
    parser.add_argument(
        "--protocol",
        choices=("loglikelihood", "reasoning"),
        required=True,
        help="score each label right after the question, or generate and read the answer behind </think>",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="for results.json and items.jsonl")
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N questions")


def _run(options: Options) -> dict:
    from arabic_r1_jax.data.questions import read_questions
    from arabic_r1_jax.eval.evaluate import evaluate

    questions = read_questions(options.data, options.limit)
    return evaluate(
        load(options),
        questions,
        protocol=options.protocol,
        out=options.out,
        limit=options.limit,
        batch=options.batch,
        max_new_tokens=options.max_new_tokens,
    )


def _show(results: dict) -> None:
    rows = [
        (name, r["n"], f"{r['accuracy']:.3f}", "{:.3f} to {:.3f}".format(*r["ci95"]), r["parse_failures"])
        for name, r in {**results["tasks"], "all": results}.items()
    ]
    progress.table("Accuracy", ("task", "questions", "accuracy", "95% interval", "not parsed"), rows)


VERB = Verb(
    does="score a model on multiple-choice questions",
    example="arabic-r1 evaluate --model v2-lite-orbax --data exams.jsonl --protocol loglikelihood --out runs/exams",
    options=_options,
    run=_run,
    show=_show,
)
