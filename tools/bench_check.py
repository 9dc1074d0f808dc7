"""The Arabic checker on the development set: what it finds of planted errors, by family, and what it flags wrongly.

    python tools/bench_check.py                          # the two thirds that rules are written with
    python tools/bench_check.py --held                   # the third that is only measured
    python tools/bench_check.py --misses agreement       # every pair of a kind that is not found, and every false flag

A pair is found when a finding overlaps the characters that were changed; a sentence is flagged when it has any finding.
What is flagged in other texts, `arabic-r1 check FILE` tells.
"""

import argparse
import re
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from arabic_r1_jax import progress
from arabic_r1_jax.text import check

SETS = Path(__file__).resolve().parents[1] / "tests" / "text" / "development"
_MARKED = re.compile(r"\{([^{}]*)→([^{}]*)\}")


class Pair(NamedTuple):
    """A sentence with one planted error, and the sentence as it should be."""

    kind: str
    wrong: str
    right: str
    changed: tuple[int, int]  # characters of `wrong`


def pair(kind: str, marked: str) -> Pair:
    """Read `{wrong→right}` in a sentence."""
    match = _MARKED.search(marked)
    wrong, right = match.groups()
    head, tail = marked[: match.start()], marked[match.end() :]
    same = next((n for n, (a, b) in enumerate(zip(wrong, right, strict=False)) if a != b), min(len(wrong), len(right)))
    rest = min(len(wrong), len(right)) - same
    end = next((n for n in range(rest) if wrong[-1 - n] != right[-1 - n]), rest)
    start, stop = same, len(wrong) - end
    if start == stop:  # something is missing: the characters on both sides of the gap
        start, stop = max(start - 1, 0), min(stop + 1, len(wrong))
    return Pair(kind, head + wrong + tail, head + right + tail, (len(head) + start, len(head) + stop))


def pairs(part: str) -> list[Pair]:
    """All pairs of the part "work" or "held"."""
    paths = sorted(SETS.glob(f"pairs_*_{part}.tsv"))
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [pair(*line.split("\t")) for line in lines]


def clean(part: str) -> list[tuple[str, str]]:
    """(register, sentence) of the part's clean sentences."""
    lines = (SETS / f"clean_{part}.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line]


def found(one: Pair) -> bool:
    """Whether a finding overlaps what was changed."""
    return any(f.span[0] < one.changed[1] and one.changed[0] < f.span[1] for f in check(one.wrong))


def _show(sentence: str) -> str:
    flags = [f"[{sentence[slice(*f.span)]} -> {f.suggestion}] {f.kind}" for f in check(sentence)]
    return f"{sentence}    {' | '.join(flags)}"


def development(part: str, misses: str | None) -> None:
    """Print recall by family and kind, and the share of right sentences that are flagged."""
    by_kind, examples = defaultdict(list), pairs(part)
    for one in examples:
        by_kind[one.kind].append(found(one))
        if misses is not None and one.kind.startswith(misses) and not by_kind[one.kind][-1]:
            print("missed ", one.kind, _show(one.wrong))
    wrongly = [one for one in examples if check(one.right)]
    sentences = clean(part)
    flagged = [(register, sentence) for register, sentence in sentences if check(sentence)]
    if misses is not None:
        for kind, sentence in [*((one.kind, one.right) for one in wrongly), *flagged]:
            print("flagged", kind, _show(sentence))
    families = defaultdict(list)
    for kind, results in by_kind.items():
        families[kind.partition(".")[0]] += results
    every = [result for results in families.values() for result in results]
    rows = [
        (name, len(results), sum(results), f"{sum(results) / len(results):.0%}")
        for name, results in [*sorted(families.items()), *sorted(by_kind.items()), ("all", every)]
    ]
    progress.table(f"Planted errors, {part}", ("family or kind", "pairs", "found", ""), rows)
    print(f"clean sentences flagged: {len(flagged)} of {len(sentences)}")
    print(f"corrected sentences flagged: {len(wrongly)} of {len(examples)}")


def speed() -> tuple[float, float]:
    """Words a second of the set's right sentences, when no word was seen before and when each was; tables loaded."""
    texts = [one.right for part in ("work", "held") for one in pairs(part)]
    texts += [sentence for part in ("work", "held") for _, sentence in clean(part)]
    check("قال الظابط إنهم زغلبوشات في المدرسه")  # asks every table
    rates = []
    for _ in range(2):
        started = time.process_time()
        for text in texts:
            check(text)
        rates.append(sum(len(text.split()) for text in texts) / (time.process_time() - started))
    return tuple(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held", action="store_true", help="the third of the set that rules were not written with")
    parser.add_argument("--misses", metavar="KIND", help="show what is not found of kinds that begin so ('' for all)")
    options = parser.parse_args()
    rates = speed()
    development("held" if options.held else "work", options.misses)
    print("words a second on one core: {:,.0f}, every second one new; {:,.0f}, none new".format(*rates))


if __name__ == "__main__":
    main()
