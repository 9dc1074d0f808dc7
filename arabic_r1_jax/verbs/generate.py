"""`arabic-r1 generate`: prompts in a file to completions in a file, or a conversation."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from arabic_r1_jax import progress
from arabic_r1_jax.data.prefix import DEFAULT, PREFIXES, prefix_for
from arabic_r1_jax.errors import UsageError, UserError
from arabic_r1_jax.paths import as_path, is_local
from arabic_r1_jax.verbs.verb import SEVERAL, Options, Parser, Verb, as_one, bounded, load, model_options, seed


def _options(parser: Parser) -> None:
    model_options(parser)
    parser.add_argument(
        "--prompts", type=as_path, metavar="P.jsonl", help='{"id", "prompt"} or {"id", "messages"} a line'
    )
    parser.add_argument("--out", type=as_path, metavar="O.jsonl", help='{"id", "completion", "finish_reason"} a line')
    parser.add_argument("--chat", action="store_true", help="talk at the keyboard instead; an empty line starts anew")
    parser.add_argument(
        "--prefix",
        choices=PREFIXES,
        help=f"open <think> behind messages, or leave it to the model; default: as the adapter learnt, else {DEFAULT}",
    )
    parser.add_argument(
        "--temperature", type=bounded(float, 0, 100), metavar="T", default=0.0, help="default: 0, the likeliest token"
    )
    parser.add_argument("--seed", type=seed, metavar="N", default=0, help="of what a temperature draws; default: 0")


def _notes() -> str:
    return f"A prompt is continued as it stands; messages are put into DeepSeek-R1's chat template.\n\n{SEVERAL}"


def _run(options: Options) -> dict:
    if options.chat and (options.prompts or options.out or options.json):
        raise UsageError("--chat is for a person: leave out --prompts, --out and --json")
    if not options.chat and not (options.prompts and options.out):
        raise UsageError("name both --prompts and --out, or talk with --chat; see arabic-r1 generate --help")
    with as_one() as speaks:
        return _chat(options) if options.chat else _complete(options, speaks)


def _drawn(options: Options) -> dict:
    return {"max_new_tokens": options.max_new_tokens, "temperature": options.temperature, "seed": options.seed}


def _chat(options: Options) -> dict:
    from arabic_r1_jax.infer import completions
    from arabic_r1_jax.parallel import processes

    if processes.count() > 1:
        raise UserError("--chat is for one process: its keyboard is not the others'; use --prompts and --out")
    prefix = prefix_for(options.prefix, options.adapter, options.model)
    return {"n": completions.chat(load(options), _typed_lines(), _say, prefix, **_drawn(options)), "prefix": prefix}


def _complete(options: Options, speaks: bool) -> dict:
    from arabic_r1_jax.infer import completions
    from arabic_r1_jax.parallel import processes

    processes.from_first(lambda: _check_writable(options.out))
    prefix = prefix_for(options.prefix, options.adapter, options.model)
    lm = load(options)
    names, prompts = completions.read_prompts(options.prompts, completions.tokenizer_of(lm), prefix)
    processes.exchange(None)
    with progress.bar("Generating", len(prompts), shown=speaks) as update:
        batching = {"batch": options.batch, "progress": update.to}
        done = completions.complete_file(lm, names, prompts, options.out, **_drawn(options), **batching)
    return {**done, "prefix": prefix}


def _check_writable(out: Path) -> None:
    """Or hours of generation would find no place."""
    if out.exists():
        raise UserError(f"{out} already exists; remove it or name another output")
    out.parent.mkdir(parents=True, exist_ok=True)
    if is_local(out) and not os.access(out.parent, os.W_OK):
        raise UserError(f"{out.parent} cannot be written to; name another output")


def _typed_lines() -> Iterator[str]:
    print("An empty line starts a new conversation, Ctrl-D ends.", file=sys.stderr)
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line


def _say(answer: str) -> None:
    print(progress.rtl(answer), flush=True)


def _show(result: dict) -> None:
    if "out" in result:
        print(f"{result['out']}: {result['n']:,} completions, {result['finished']:,} of them came to their end")


VERB = Verb(
    does="complete prompts, or chat",
    example="arabic-r1 generate --model v2-lite-orbax --adapter runs/mine/adapter --prompts p.jsonl --out o.jsonl",
    options=_options,
    run=_run,
    show=_show,
    runs_models=True,
    notes=_notes,
)
