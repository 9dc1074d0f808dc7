"""Which text is checked for its spelling and grammar, and which only for its characters."""

import re

from arabic_r1_jax.text import varieties
from arabic_r1_jax.text.spelling_evidence import correction
from arabic_r1_jax.text.words import Word

_QUOTED = re.compile("«[^»\n]*»|“[^”\n]*”")
_STRONG = 3.0  # weight of a word that no edited prose has


def is_edited(line: str) -> bool:
    """Whether a line is prose in the standard language: no dialect but in quotes, no Quran, hadith or verse."""
    return varieties.register(line) is None and not _is_dialect(_QUOTED.sub(" ", line) if "»" in line else line)


def _is_dialect(line: str) -> bool:
    """A dialect has two witnesses, or one that cannot be a misspelling: هاذا and كتير alone are mistakes to be told."""
    if not varieties.in_dialect(line):
        return False
    words = varieties.dialect_words(line)
    return len(words) > 1 or any(weight >= _STRONG and correction(Word(word)) is None for word, weight in words.items())
