"""Tells English, Arabizi and other languages of Latin script apart.

In: words of Latin script. Out: log-odds of the three. The Arabizi table, our word lists, digits used as letters
and the votes of `detectors` add up, so that a text is Arabizi only if no other language is sure of it.
"""

import re
from functools import cache

from arabic_r1_jax.text import arabizi
from arabic_r1_jax.text.detectors import own_words, votes, word_lists

# `arabizi` is a head start, as no detector votes for it: 3 to 6 words of another language pass for it once in 1,500.
WEIGHT = dict(arabizi=0.7, word=1.3, model=1.0, digit=1.8, cld2=1.5, fasttext=2.6)
# A digit as a letter, before or between letters: 3amel, la2, bta3ref. Not 2nd, 5pm, 3d, mp3, 4k.
_DIGIT = re.compile(
    r"(?<![\w'])(?!\d+(?:st|nd|rd|th|[dghkmsx]|[gkm]b|am|pm|morrow|day)(?!\w))"
    r"(?:[a-z]+[2356789]+'?[a-z]+|[235679]'?[a-z]{2,}|[a-z]{2,}[2379](?!\w))"
)


@cache
def own() -> dict[str, int]:
    """Word -> 1 if English alone has it, -1 if another language alone does."""
    return own_words(set(word_lists()["en"]), set(word_lists()["oth"]))


def log_odds(words: list[str]) -> dict[str, float]:
    """Log-odds (up to a constant) of `arabizi.CLASSES` for `words`, at least one."""
    text = " ".join(words).replace("’", "'")
    lower = text.lower()
    z = dict(zip(arabizi.CLASSES, (WEIGHT["model"] * x for x in arabizi.logits(lower)), strict=True))
    for word in lower.split():
        if side := own().get(word):
            z["en" if side > 0 else "other"] += WEIGHT["word"]
    z["arabizi"] += WEIGHT["arabizi"] + WEIGHT["digit"] * min(2, len(_DIGIT.findall(lower)))
    vote = votes(lower if text.isupper() else text)  # capitals mislead both
    if vote.cld2:
        z["en" if vote.cld2 == "en" else "other"] += WEIGHT["cld2"]
    for language, p in vote.fasttext.items():
        z["en" if language == "en" else "other"] += WEIGHT["fasttext"] * p * p  # a low share is a guess
    return z
