"""Numerals: which words they are, which gender they count, and what a counted noun may be."""

import functools
import itertools
from typing import NamedTuple

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.lexicon import Nominal, accusative
from arabic_r1_jax.text.words import Word

# Form that counts masculine nouns, forms that count feminine ones (the first is the one to suggest).
UNITS = {
    1: (("واحد", "أحد", "واحدا"), ("واحدة", "إحدى")),
    2: (("اثنان", "اثنين", "اثنا", "اثني"), ("اثنتان", "اثنتين", "اثنتا", "اثنتي", "ثنتان", "ثنتين", "ثنتا", "ثنتي")),
    3: (("ثلاثة",), ("ثلاث", "ثلاثا")),
    4: (("أربعة",), ("أربع", "أربعا")),
    5: (("خمسة",), ("خمس", "خمسا")),
    6: (("ستة",), ("ست", "ستا")),
    7: (("سبعة",), ("سبع", "سبعا")),
    8: (("ثمانية",), ("ثماني", "ثمان", "ثمانيا")),
    9: (("تسعة",), ("تسع", "تسعا")),
    10: (("عشرة",), ("عشر",)),
}
SOME = "بضع"  # counts like three to ten
_TENS = {10 * n: (f"{t}ون", f"{t}ين") for n, t in enumerate("عشر ثلاث أربع خمس ست سبع ثمان تسع".split(), 2)}
_PREFIXES = [c + p for c, p in itertools.product(("", "و", "ف"), ("", "ب", "ل", "ال", "بال", "لل"))]
_NOT_NUMERALS = {"لست", "ولست", "فلست"}  # «I am not»
# (gender, whether plural) of the powers of ten that are themselves counted.
MAGNITUDES = {
    **dict.fromkeys(("ألف", "ألفا", "مليون", "مليونا", "مليار", "مليارا", "بليون", "تريليون"), ("m", False)),
    **dict.fromkeys(("آلاف", "ملايين", "مليارات", "بلايين", "تريليونات"), ("m", True)),
    **dict.fromkeys(("مئة", "مائة"), ("f", False)),
}
ORDINALS = frozenset(
    "الأول الثاني الثالث الرابع الخامس السادس السابع الثامن التاسع العاشر الحادي الأولى الثانية الثالثة الرابعة "
    "الخامسة السادسة السابعة الثامنة التاسعة العاشرة الحادية".split()
)
TIMES = frozenset(
    "عام عاما سنة يوم يوما شهر ليلة ليلا صباح صباحا مساء ظهر ظهرا عصر عصرا فجر فجرا ساعة أمس حين وقت زمن عهد "
    "قبل".split()
)
MEASURES = frozenset(
    "متر كيلومتر كيلو كيلوغرام كيلوجرام غرام جرام طن لتر ميل قدم بوصة هكتار فدان درجة بكسل واط ميجا جيجا بت "
    "بايت".split()
)


class Numeral(NamedTuple):
    """A numeral as written: prefixes, the word without them, its value, the gender it counts ("" for either)."""

    prefix: str
    core: str
    value: int
    gender: str

    @property
    def definite(self) -> bool:
        """With the article."""
        return self.prefix.endswith(("ال", "لل"))


@functools.cache
def table() -> dict[str, Numeral]:
    """All numerals below a hundred, with their prefixes."""
    cores = [
        (core, value, gender)
        for value, forms in UNITS.items()
        for gender, cores in zip("mf", forms, strict=True)
        for core in cores
    ]
    cores += [(core, value, "") for value, forms in _TENS.items() for core in forms]
    cores += [(SOME + "ة", 3, "m"), (SOME, 3, "f")]
    found = {prefix + core: Numeral(prefix, core, *rest) for core, *rest in cores for prefix in _PREFIXES}
    return {spelling: numeral for spelling, numeral in found.items() if spelling not in _NOT_NUMERALS}


def numeral(word: Word | None) -> Numeral | None:
    """The numeral that a word is."""
    return table().get(word.bare) if word else None


def other_gender(one: Numeral, oblique: bool = False) -> str:
    """The same numeral for a noun of the other gender."""
    if one.core.startswith(SOME):
        return one.prefix + (SOME if one.gender == "m" else SOME + "ة")
    others = UNITS[one.value][one.gender == "m"]
    if one.value == 2:
        core = (
            one.core.replace("اثنت", "اثن").replace("ثنت", "اثن")
            if one.gender == "f"
            else one.core[:3] + "ت" + one.core[3:]
        )
        return one.prefix + core
    if one.value == 1:
        pairs = {"أحد": "إحدى", "إحدى": "أحد", "واحد": "واحدة", "واحدة": "واحد", "واحدا": "واحدة"}
        return one.prefix + pairs[one.core]
    if one.gender == "m" and oblique:
        return one.prefix + others[-1]
    return one.prefix + others[0]


def plain(word: Word | None) -> list[Nominal]:
    """Readings of a word that stands alone, without prefix or attached pronoun; none if it is a function word."""
    if not word or not word.arabic or word.classes - {"adverb", "number"}:
        return []
    readings = [r for r in word.nominals if not (r.conjunction or r.preposition or r.state)]
    found = [r.nominal for r in readings if not r.nominal.construct]
    return without_dual(found) if word.bare.endswith("ين") else found


def with_article(word: Word | None) -> list[Nominal]:
    """Readings of a word whose every reading has the article and nothing in front."""
    if not word or word.bare[:2] != "ال" or word.classes:
        return []
    readings = [r for r in word.nominals if not r.conjunction]
    return [r.nominal for r in readings] if all(r.state == "al" and not r.preposition for r in readings) else []


def gender(readings: list[Nominal]) -> str:
    """The gender of the singular behind all readings; "" where it is not certain."""
    if not (nouns := [one for one in readings if not one.adjective]):
        nouns = [one if _sound_masculine(one) else one._replace(gender="b") for one in readings]
    shaped = [one for one in readings if one.adjective and (one.number == "s" or _sound_masculine(one))]
    found = {one.gender for one in (*nouns, *shaped)}
    return found.pop() if len(found) == 1 and "b" not in found else ""


def _sound_masculine(one: Nominal) -> bool:
    return one.number == "p" and one.gender == "m" and bool(one.case)


def nouns_first(readings: list[Nominal]) -> list[Nominal]:
    """The readings as a noun, where there are any: a numeral stands with nouns."""
    return [one for one in readings if not one.adjective] or readings


def without_dual(readings: list[Nominal]) -> list[Nominal]:
    """Readings without the dual, if there is a plural: three to ten describe no dual."""
    return [one for one in readings if one.number != "d"] if any(one.number == "p" for one in readings) else readings


@functools.cache
def _spellings() -> dict[tuple[str, str, str], str]:
    table = {}
    for form, nominals in lexicon.forms().items():
        for one in nominals:
            if not one.adjective and not one.construct:
                table.setdefault((one.lemma, one.number, one.case), form)
    return table


def spelling(lemma: str, number: str, case: str = "") -> str | None:
    """A form of a noun: the accusative is the plain form where letters do not show it."""
    table = _spellings()
    return table.get((lemma, number, case)) or (table.get((lemma, number, "")) if case in ("a", "o") else None)


def singular(one: Nominal, case: str = "") -> str | None:
    """The singular of a noun or of a participle that stands for a person."""
    if not one.adjective:
        return spelling(one.lemma, "s", case)
    return (accusative(one.lemma) or one.lemma) if case == "a" else one.lemma
