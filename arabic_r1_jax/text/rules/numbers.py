"""Numerals and what they count: gender and number of the counted noun, and its case where letters show it."""

from arabic_r1_jax.text import dictionary
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import Nominal, accusative, diptotes, forms
from arabic_r1_jax.text.numerals import (
    MAGNITUDES,
    MEASURES,
    ORDINALS,
    TIMES,
    Numeral,
    gender,
    nouns_first,
    numeral,
    other_gender,
    plain,
    singular,
    spelling,
    table,
    with_article,
    without_dual,
)
from arabic_r1_jax.text.words import Word

_GENDERS = {"m": "مذكر", "f": "مؤنث"}
_FRACTIONS = ("خمس", "سبع", "تسع", "عشر")  # also a fifth, a seventh, a ninth, a tenth
_ALONE = frozenset({"واحد", "واحدة", "واحدا", "اثنان", "اثنين", "اثنتان", "اثنتين"})  # no part of eleven and twelve
_OTHERS = frozenset({"آخر", "أول"})
PREPOSITIONS = frozenset({"في", "من", "إلى", "على", "عن", "بعد", "قبل", "خلال", "منذ", "مع", "نحو", "حوالي", "بين"})


def _text(clause: Clause, first: int, last: int) -> str:
    return " ".join(word.text for word in clause.words[first : last + 1])


def seen(word: Word, which: str) -> str:
    """The evidence of a counted noun: the gender of its singular."""
    return f"«{word.text}»: المفرد {_GENDERS[which]}"


def _oblique(clause: Clause, index: int) -> bool:
    before = clause.word(index - 1)
    return not (before and before.core in PREPOSITIONS)


def _counted_gender(word: Word | None, plural: bool) -> str:
    if not word:
        return ""
    if found := MAGNITUDES.get(word.bare):
        return found[0] if not plural or found[1] or found[0] == "f" else ""
    readings = [one for one in plain(word) if one.case != "n" or one.number == "p"]
    return gender([one for one in readings if one.number == "p" or (not plural and one.number == "s")])


def _dated(clause: Clause, index: int) -> bool:
    """A noun of time that tells when, and is not counted: «عام 1990», «يوم الجمعة»."""
    word, after = clause.word(index), clause.word(index + 1)
    return word.bare in TIMES and bool(word.bare[-1:] == "ا" or (after and (after.number or after.bare[:2] == "ال")))


def _completes(word: Word) -> bool:
    """Whether a noun in front is in construct with this one: «خمس سكان العالم»."""
    definite = word.bare[:2] == "ال" or any(r.state for r in word.nominals[:1])
    return definite and not any(r.preposition for r in word.nominals)


def _few(clause: Clause, index: int, one: Numeral) -> Hit | None:
    """Three to ten, before a noun in the plural."""
    word, noun, before = clause.word(index), clause.word(index + 1), clause.word(index - 1)
    if not noun or one.definite or one.core[-1] == "ا" or (one.value == 10 and before and before.bare in ORDINALS):
        return None
    if before and any(n.number == "p" and n.gender == one.gender for n in plain(before)) and not before.slots:
        return None  # the noun may stand in front: «في مدن ثلاث»
    if with_article(noun):
        return _few_definite(clause, index, one)
    after = clause.word(index + 2)
    which = "" if noun.bare == "أقدام" else _counted_gender(noun, plural=True)  # feet, as a measure, are either
    if which and which != one.gender:
        if one.core in _FRACTIONS and after and _completes(after):
            return None
        return Hit(index, index + 1, f"{other_gender(one)} {noun.text}", seen(noun, which))
    readings = plain(noun)
    if readings and all(n.number == "p" and n.case == "n" and not n.adjective for n in readings):
        return Hit(index, index + 1, f"{word.text} {noun.text[:-2]}ين", f"«{noun.text}» مضاف إليه")
    if noun.bare in MAGNITUDES or noun.bare in MEASURES or noun.bare in TIMES:
        return None
    if noun.slots and not all(n.human for n in readings):
        return None
    return not_plural(clause, index, one)


def _few_definite(clause: Clause, index: int, one: Numeral) -> Hit | None:
    noun = clause.word(index + 1)
    readings = without_dual(nouns_first(with_article(noun)))
    which = gender(readings)
    if not which or which == one.gender or one.core in _FRACTIONS or any(n.number != "p" for n in readings):
        return None
    return Hit(index, index + 1, f"{other_gender(one)} {noun.text}", seen(noun, which))


def not_plural(clause: Clause, index: int, one: Numeral | None) -> Hit | None:
    """A singular where a plural must stand."""
    word, noun = clause.word(index), clause.word(index + 1)
    readings = nouns_first(plain(noun))
    if not readings or any(n.number != "s" or n.adjective or n.case == "a" for n in readings):
        return None
    before, after = clause.word(index - 1), clause.word(index + 2)
    if (before and before.core == "كل") or len({n.lemma for n in readings}) != 1 or _dated(clause, index + 1):
        return None
    if one and one.core in _FRACTIONS and not (after and after.core in PREPOSITIONS):
        return None  # also a fifth: «على كل خمس أمير»
    plural = spelling(readings[0].lemma, "p", "") or spelling(readings[0].lemma, "p", "o")
    if not plural or noun.classes or not all(n.gender in "mf" for n in readings):
        return None
    number = word.text
    if one and one.gender != readings[0].gender:
        number = other_gender(one)
    return Hit(index, index + 1, f"{number} {plural}", f"«{noun.text}» مفرد، جمعه «{plural}»")


def _teens(clause: Clause, index: int, one: Numeral) -> Hit | None:
    """Eleven to nineteen: both parts."""
    ten, noun = numeral(clause.word(index + 1)), clause.word(index + 2)
    which = _counted_gender(noun, plural=False)
    # The ten agrees with its noun: عشر (which counts feminine nouns alone) is masculine here.
    ten_counts = {"m": "f", "f": "m"}[ten.gender]
    if one.core in _ALONE:
        return None
    if one.gender == ten_counts and (not which or which == one.gender):
        return None
    wanted = which or one.gender
    unit = clause.word(index).text if one.gender == wanted else other_gender(one)
    right = f"{unit} {'عشر' if wanted == 'm' else 'عشرة'}"
    if not which:
        return Hit(index, index + 1, right, "جزءا العدد المركب لا يتفقان")
    return Hit(index, index + 2, f"{right} {noun.text}", seen(noun, which))


def _compound(clause: Clause, index: int, one: Numeral) -> Hit | None:
    """Twenty-one to ninety-nine: the unit in front of the ten."""
    tens, noun = clause.word(index + 1), clause.word(index + 2)
    which = _counted_gender(noun, plural=False)
    if not which or which == one.gender:
        return None
    accusative_unit = tens.bare.endswith("ين") and _oblique(clause, index)
    right = other_gender(one, oblique=accusative_unit)
    if one.value == 1:
        right = one.prefix + {"m": "واحد", "f": "إحدى"}[which]
    return Hit(index, index + 2, f"{right} {tens.text} {noun.text}", seen(noun, which))


def _unit(clause: Clause, index: int) -> Hit | None:
    one, after = numeral(clause.word(index)), numeral(clause.word(index + 1))
    if after and after.core in ("عشر", "عشرة") and not after.prefix and one.value < 10:
        return _teens(clause, index, one)
    if after and after.value >= 20 and after.prefix[:1] == "و" and one.value < 10:
        return _compound(clause, index, one)
    if one.value == 10 and (before := numeral(clause.word(index - 1))) and not one.prefix and before.core not in _ALONE:
        return many(clause, index)
    return _few(clause, index, one) if one.value > 2 and not after else None


def many(clause: Clause, index: int) -> Hit | None:
    """What eleven to ninety-nine count is one, indefinite and accusative."""
    word, noun = clause.word(index), clause.word(index + 1)
    one = numeral(word)
    if not noun or (one and one.definite) or noun.bare in MEASURES:
        return None
    if noun.bare in MAGNITUDES and not MAGNITUDES[noun.bare][1]:
        return None
    readings = nouns_first(plain(noun))
    if any(n.lemma in _OTHERS or (n.adjective and n.lemma in forms()) for n in readings):
        return None
    if not readings:
        return _unlisted_plural(clause, index)
    if all(n.number == "p" and n.case != "a" for n in readings):
        right = singular(readings[0], "a")
        return right and Hit(index, index + 1, f"{word.text} {right}", f"«{noun.text}» جمع")
    return _not_accusative(clause, index, readings)


def _not_accusative(clause: Clause, index: int, readings: list[Nominal]) -> Hit | None:
    word, noun, after = clause.word(index), clause.word(index + 1), clause.word(index + 2)
    shown = accusative(noun.bare)
    if (
        not shown
        or noun.bare in ("بنت", "ابن")
        or noun.bare in diptotes()
        or _dated(clause, index + 1)
        or noun.text != noun.bare
        or noun.classes
    ):
        return None
    if any(n.number != "s" or n.case or n.adjective or n.construct for n in readings):
        return None
    if noun.slots and after and after.bare.startswith(("ال", "ب")):
        return None
    return Hit(index, index + 1, f"{word.text} {shown}", f"«{noun.text}» تمييز منصوب")


def _unlisted_plural(clause: Clause, index: int) -> Hit | None:
    word, noun = clause.word(index), clause.word(index + 1)
    stem = noun.bare[:-2]
    if noun.bare[-2:] not in ("ين", "ون") or len(stem) < 4 or noun.nominals or noun.verbs or noun.classes:
        return None
    if not all(dictionary.known(form) for form in (noun.bare, stem, stem + "ون")):
        return None
    return Hit(index, index + 1, f"{word.text} {accusative(stem) or stem}", f"«{noun.text}» جمع")


GENDER_MESSAGE = "العدد لا يوافق معدوده في التذكير والتأنيث: ينظر إلى مفرد المعدود."
KIND = "agreement.number"


UNITS = frozenset(word for word, numeral in table().items() if numeral.value <= 10)


RULES: tuple[Rule, ...] = (
    Rule(
        KIND,
        GENDER_MESSAGE,
        UNITS,
        _unit,
        wrong=(
            "اشترت أمي {خمس أقلام→خمسة أقلام} لأخي",
            "قرأت {أربعة روايات→أربع روايات} في العطلة",
            "أغلقت البلدية {أحد عشر مدرسة→إحدى عشرة مدرسة}",
            "حضر الندوة {ستة عشرة باحثا→ستة عشر باحثا}",
            "دفع الزبون {خمسة وعشرين ليرة→خمسا وعشرين ليرة}",
            "في حقيبتي {خمسة كتاب→خمسة كتب} عن علم الفلك",
            "أنفق {ثلاث آلاف→ثلاثة آلاف} دينار",
        ),
        right=("في المدينة ثلاث مدارس وأربعة مساجد", "خمس عشرة امرأة", "ثلاثة وعشرون رجلا", "خمس سكان العالم"),
        confidence=0.9,
    ),
    Rule(
        KIND,
        "المعدود بعد أحد عشر إلى تسعة وتسعين مفرد منصوب.",
        frozenset(word for word, numeral in table().items() if numeral.value >= 20),
        many,
        wrong=("اشترى التاجر {عشرين أجهزة→عشرين جهازا}", "قرأت {ثلاثين كتاب→ثلاثين كتابا} هذا العام"),
        right=("قرأت ثلاثين كتابا", "وصل عشرون آخرون", "خمسون ألف دينار"),
        confidence=0.85,
    ),
)
