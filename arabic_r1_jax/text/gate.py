"""Which text is checked for its spelling and grammar, and which only for its characters."""

import re

from arabic_r1_jax.text import varieties
from arabic_r1_jax.text.spelling_evidence import correction
from arabic_r1_jax.text.words import Word

_QUOTED = re.compile("«[^»\n]*»|“[^”\n]*”")
_SCRIPT = re.compile("[\u0620-\u06d3\ufb50-\ufdff\ufe70-\ufefc]")
_OF_OTHERS = re.compile("[پچژگکیٹڈڑےںۀہھۆێەڕڵټډړښېۍڭۇۈ]")  # letters of Persian, Urdu, Kurdish, Pashto and Uyghur
_SOME = 4  # more of them than a slip of the keyboard leaves in a line
_UTHMANI = re.compile("ءَا|ىٰ[ء-ي]|واْ|[\u06d6-\u06ed]")  # spellings that the Quran alone has
_STRONG = 3.0  # weight of a word that no edited prose has


def is_arabic(line: str) -> bool:
    """Whether a line is Arabic at all: it has letters of the script, and is in no other language that uses them."""
    if not _SCRIPT.search(line):
        return False
    if len(_OF_OTHERS.findall(line)) < _SOME:
        return True
    from arabic_r1_jax.text.languages import identify  # loads two detectors

    return identify(line).lang != "other"


def is_edited(line: str) -> bool:
    """Whether a line is prose in the standard language: no dialect but in quotes, no Quran, hadith or verse."""
    if _UTHMANI.search(line):
        return False
    return varieties.register(line) is None and not _is_dialect(_QUOTED.sub(" ", line) if "»" in line else line)


def _is_dialect(line: str) -> bool:
    """A dialect has two witnesses, or one that cannot be a misspelling: هاذا and كتير alone are mistakes to be told."""
    if not varieties.in_dialect(line):
        return False
    words = varieties.dialect_words(line)
    return len(words) > 1 or any(weight >= _STRONG and correction(Word(word)) is None for word, weight in words.items())
