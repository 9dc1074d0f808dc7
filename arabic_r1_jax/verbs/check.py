"""`arabic-r1 check`: the spelling and grammar of Arabic text, one finding a line."""

from pathlib import Path

from arabic_r1_jax import progress
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.verbs.verb import Options, Parser, Verb, bounded

_NOTES = """\
A line of the answer is FILE:LINE:COLUMN, the kind of error, what is written ← what should be written, and why. Of JSON
Lines (.jsonl, .jsonl.zst) the "text" of every line is checked; - reads standard input:
  echo 'ذهبت الى هذا المدرسة' | arabic-r1 check -
Lines in dialect, verse, hadith and the Quran are checked for their characters only. The first use conjugates the verbs
of Arabic, which takes a minute or two, and keeps them in $XDG_CACHE_HOME/arabic-r1, or ~/.cache/arabic-r1."""


def _source(word: str) -> Path | str:
    return word if word == "-" else as_path(word)


def _options(parser: Parser) -> None:
    parser.add_argument(
        "files", type=_source, nargs="+", metavar="FILE", help="text or JSON Lines in UTF-8; - is stdin"
    )
    parser.add_argument(
        "--confidence",
        type=bounded(float, 0, 1),
        metavar="X",
        default=0.5,
        help="show findings at least this sure; default: 0.5",
    )


def _run(options: Options) -> dict:
    from arabic_r1_jax.text import files

    texts = [text for source in options.files for text in files.documents(source)]
    with progress.bar("Checking", sum(len(text) for _, text in texts)) as advance:
        return files.examine(texts, options.confidence, advance)


def _line(finding: dict) -> str:
    written, suggestion = finding["text"], finding["suggestion"]
    right = "" if suggestion is None else f" ← «{suggestion}»" if suggestion else " ← (يحذف)"
    place = f"{finding['where']}:{finding['line']}:{finding['column']}"
    told = progress.isolated(f"«{written}»{right}: {finding['message']}")
    return f"{place} {finding['kind']} {told}"


def _show(result: dict) -> None:
    for finding in result["findings"]:
        print(_line(finding))
    if result["kinds"]:
        progress.table("", ("kind", "findings"), list(result["kinds"].items()))
    print(f"{result['flagged']:,} of {result['sentences']:,} sentences flagged: {result['rate']:.2%}")


VERB = Verb(
    does="check the spelling and grammar of Arabic text",
    example="arabic-r1 check essay.txt",
    options=_options,
    run=_run,
    show=_show,
    notes=lambda: _NOTES,
    again="nothing was changed",
)
