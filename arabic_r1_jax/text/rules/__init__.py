"""All rules of the checker, a file for each family or part of one."""

from arabic_r1_jax.text.rules import (
    agreement,
    brackets,
    case,
    diacritics,
    lookalikes,
    mood,
    numbers,
    orthography,
    punctuation,
    repetition,
    script,
    spelling,
    vocalised,
)

_FILES = (
    script,
    lookalikes,
    repetition,
    punctuation,
    diacritics,
    spelling,
    orthography,
    numbers,
    agreement,
    brackets,
    case,
    mood,
    vocalised,
)
PATTERNS = tuple(pattern for file in _FILES for pattern in file.PATTERNS)
RULES = tuple(rule for file in _FILES for rule in file.RULES)
