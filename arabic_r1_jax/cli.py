"""The command line: finds the verb, parses its options, runs it, prints its result or one line saying what is wrong.

    arabic-r1 VERB ... [--json]        stdout of --json is exactly one object, {"error": ...} after a failure
    exit code                          0 done, 1 failed, 2 the command was wrong, 130 interrupted, 75 stopped and saved

What the verbs are and do stands in the modules of `verbs`.
"""

import argparse
import contextlib
import difflib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from arabic_r1_jax import user_cache
from arabic_r1_jax.artifacts import VERSION
from arabic_r1_jax.errors import UsageError, UserError
from arabic_r1_jax.verbs import VERBS
from arabic_r1_jax.verbs.verb import Verb

PROGRAM = "arabic-r1"


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are `UsageError`s like all others."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _overview(group: str = "") -> str:
    """The list of all verbs, or of those of one group such as "convert"."""
    rows = [f"  {name:<22}{verb.does}" for name, verb in VERBS.items() if name.startswith(group)]
    lines = [f"usage: {PROGRAM} VERB [options]", "", "Adapts DeepSeek reasoning models to Arabic.", "", *rows, ""]
    return "\n".join([*lines, f"{PROGRAM} VERB --help tells a verb's options, with an example."])


def _wants_overview(words: Sequence[str]) -> str | None:
    """The group ("" for all) whose verbs are asked for by `--help`, or None."""
    for at, group in enumerate(["", words[0] if words else ""]):
        if words[at : at + 1] in (["-h"], ["--help"]) and group not in VERBS:
            return group
    return None


def find_verb(words: Sequence[str]) -> tuple[str, list[str]]:
    """(name in VERBS, the remaining words); raises `UsageError` that names the nearest verb."""
    for length in (1, 2):
        name = " ".join(words[:length])
        if name in VERBS:
            return name, list(words[length:])
    group = [name for name in VERBS if words and name.startswith(f"{words[0]} ")]
    if not words or (group and len(words) == 1):
        raise UsageError(f"a verb is needed, one of: {', '.join(group or VERBS)}; see {PROGRAM} --help")
    given = " ".join(words[: 2 if group else 1])
    nearest = difflib.get_close_matches(given, group or VERBS, n=1, cutoff=0.0)[0]
    raise UsageError(f"unknown verb {given}; did you mean {nearest}? {PROGRAM} --help lists them all")


def parse(name: str, words: Sequence[str]) -> argparse.Namespace:
    """The options of a verb."""
    verb = VERBS[name]
    parser = _Parser(
        prog=f"{PROGRAM} {name}",
        description=verb.does[0].upper() + verb.does[1:] + ".",
        epilog="\n\n".join(filter(None, (f"example:\n  {verb.example}", verb.notes()))),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return parser.parse_args(words)


def _run(verb: Verb, options: argparse.Namespace) -> int:
    if verb.runs_models:
        user_cache.keep_compiled()
    if options.json:
        with contextlib.redirect_stdout(sys.stderr):  # whatever a library prints
            result = verb.run(options)
        print(json.dumps(result, ensure_ascii=False, default=str))
    else:
        verb.show(result := verb.run(options))
    return int(verb.failed(result))


def _fail(message: str, code: int, as_json: bool) -> int:
    print(f"{PROGRAM}: {' '.join(message.splitlines())}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": message}, ensure_ascii=False))
    return code


def _refused(error: Exception) -> str | None:
    """What the system, or a bucket in the midst of the work, refused; None for an error that is a bug."""
    if isinstance(error, OSError) and error.errno is not None:  # a library may raise OSError for reasons of its own
        named = "" if error.filename is None else f"{error.filename}: "
        return f"{named}{error.strerror}"
    if any(frame.f_globals.get("__name__") == "gcsfs.core" for frame, _ in traceback.walk_tb(error.__traceback__)):
        return f"the bucket does not answer as it should: {type(error).__name__}: {error}"
    return None


def main(words: Sequence[str] | None = None) -> int:
    """Run the command of `words` (default: the process's own); returns the exit code."""
    words = sys.argv[1:] if words is None else list(words)
    as_json, verb = "--json" in words, None
    if words == ["--version"]:
        print(VERSION)
        return 0
    if (group := _wants_overview(words)) is not None:
        print(_overview(group))
        return 0
    try:
        name, rest = find_verb(words)
        verb = VERBS[name]
        return _run(verb, parse(name, rest))
    except UsageError as error:
        return _fail(str(error), 2, as_json)
    except UserError as error:
        return _fail(str(error), 1, as_json)
    except KeyboardInterrupt:
        return _fail(f"interrupted; {verb.again if verb else 'nothing was done'}", 130, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again at exit
        return 1
    except Exception as error:
        if (refused := _refused(error)) is None:
            raise
        return _fail(refused, 1, as_json)
