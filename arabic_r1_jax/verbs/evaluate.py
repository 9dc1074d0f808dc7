"""`arabic-r1 evaluate`: multiple-choice questions to accuracy with its interval."""

from arabic_r1_jax import artifacts, progress
from arabic_r1_jax.data.prefix import DEFAULT, PREFIXES, prefix_for
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.verbs.verb import SEVERAL, Options, Parser, Verb, as_one, count, load, model_options


def _options(parser: Parser) -> None:
    model_options(parser)
    parser.add_argument("--data", type=as_path, metavar="Q.jsonl", required=True, help="questions")
    parser.add_argument(
        "--protocol",
        choices=("loglikelihood", "reasoning"),
        required=True,
        help="score each label right after the question, or generate and read the answer behind </think>",
    )
    parser.add_argument(
        "--prefix",
        choices=PREFIXES,
        help=f"reasoning: open <think>, or leave it to the model; default: as the adapter learnt, else {DEFAULT}",
    )
    parser.add_argument("--out", type=as_path, metavar="DIR", required=True, help="for results.json and items.jsonl")
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N questions")


def _run(options: Options) -> dict:
    with as_one() as speaks:
        from arabic_r1_jax.data.questions import read_questions
        from arabic_r1_jax.eval.evaluate import evaluate
        from arabic_r1_jax.parallel import processes

        processes.from_first(lambda: artifacts.check_free(options.out))  # before a large model is loaded
        questions = read_questions(options.data, options.limit)
        prefix = prefix_for(options.prefix, options.adapter, options.model)
        settings = {"batch": options.batch, "max_new_tokens": options.max_new_tokens, "prefix": prefix}
        lm = load(options)
        with progress.bar("Evaluating", len(questions), shown=speaks) as update:
            results = evaluate(lm, questions, options.protocol, options.out, **settings, progress=update.to)
        return {**results, "out": str(options.out)}


def _show(results: dict) -> None:
    columns = ("task", "questions", "accuracy", "95% interval", "raw", "not parsed")
    sets = {**results["tasks"], "all questions": results}
    progress.table("Accuracy", columns, [(name, *_cells(scores)) for name, scores in sets.items()])
    print(f"mean over tasks: {results['macro']['accuracy']:.3f}; every question with its reading: {results['out']}")


def _cells(scores: dict) -> tuple:
    low, high = scores["ci95"]
    interval = f"{low:.3f} to {high:.3f}"
    return scores["n"], f"{scores['accuracy']:.3f}", interval, f"{scores['accuracy_raw']:.3f}", scores["parse_failures"]


VERB = Verb(
    does="score a model on multiple-choice questions",
    example="arabic-r1 evaluate --model v2-lite-orbax --data exams.jsonl --protocol loglikelihood --out runs/exams",
    options=_options,
    run=_run,
    show=_show,
    notes=lambda: SEVERAL,
    runs_models=True,
)
