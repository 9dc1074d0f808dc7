"""The mark of case or mood that ends a word: reading it, and putting another."""

import functools
import re

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit
from arabic_r1_jax.text.words import Word

DAMMA, FATHA, KASRA, DAMMATAN, FATHATAN, KASRATAN, SUKUN = "ُ", "َ", "ِ", "ٌ", "ً", "ٍ", "ْ"
SHADDA = "ّ"
TAIL = re.compile("([ء-ي])([ً-ْ]*)$")
NAMES = {
    DAMMA: "مضموم",
    FATHA: "مفتوح",
    KASRA: "مكسور",
    DAMMATAN: "منون بالضم",
    FATHATAN: "منون بالفتح",
    KASRATAN: "منون بالكسر",
    SUKUN: "ساكن",
}
_TANWEEN = {DAMMA: DAMMATAN, FATHA: FATHATAN, KASRA: KASRATAN}


@functools.lru_cache(maxsize=1 << 14)
def final(text: str) -> str:
    """The mark of case or mood that ends a word; "" if it has none."""
    if text.endswith(("ًا", "اً")):
        return FATHATAN
    match = TAIL.search(text)
    marks = match[2].replace(SHADDA, "") if match else ""
    return marks if len(marks) == 1 and match[1] not in "اى" and text[-1] != "ى" else ""


def ending(text: str, mark: str) -> str:
    """The word with another final mark."""
    if text.endswith(("ًا", "اً")):
        text = text[:-2] + FATHATAN
    body = text.rstrip("ًٌٍَُِّْ")
    shadda = SHADDA if SHADDA in text[len(body) :] else ""
    seat = "ا" if mark == FATHATAN and body[-1] not in "ةأ" and not body.endswith("اء") else ""
    return body + shadda + mark + seat


def is_noun(word: Word | None, al: bool | None = None) -> bool:
    """Whether a word is a noun and nothing else that its mark shows: no function word, no conjunction, no pronoun."""
    if not word or not word.marked or word.classes:
        return False
    if not word.nominals:
        return bool(al) and word.bare[:2] == "ال" and word.bare[-2:] not in ("ون", "ين", "ان") and word.known
    if any(reading.state == "pron" for reading in word.nominals) or word.bare[-2:] in ("ون", "ين", "ان", "وا"):
        return False
    article = word.bare.startswith("ال") and all(reading.state == "al" for reading in word.nominals)
    if al:
        return article
    return not word.slots and (al is None or not any(reading.state == "al" for reading in word.nominals))


def is_feminine_plural(word: Word) -> bool:
    """Whether the noun is a sound feminine plural, whose accusative has kasra."""
    return word.bare.endswith("ات") and len(word.bare) > 4


def put(clause: Clause, index: int, mark: str, why: str) -> Hit:
    """The hit that gives a word the case mark `mark`, as tanween or kasra where its form asks for that."""
    word = clause.words[index]
    if final(word.text) in (DAMMATAN, FATHATAN, KASRATAN):
        mark = _TANWEEN[mark]
    if mark in (FATHA, FATHATAN) and is_feminine_plural(word):
        mark = KASRA if mark == FATHA else KASRATAN
    return Hit(index, index, ending(word.text, mark), f"{why}، و«{word.text}» {NAMES[final(word.text)]}")
