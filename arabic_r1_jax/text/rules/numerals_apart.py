"""Numerals in figures, numerals behind their noun, and أحد or إحدى in front of a plural."""

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.numerals import (
    MAGNITUDES,
    MEASURES,
    TIMES,
    gender,
    nouns_first,
    numeral,
    other_gender,
    plain,
    singular,
    with_article,
    without_dual,
)
from arabic_r1_jax.text.rules.numbers import GENDER_MESSAGE, KIND, UNITS, many, not_plural, seen

_MONTHS = frozenset("محرم صفر ربيع جمادى رجب شعبان رمضان شوال".split())
_LABELS = frozenset(
    "رقم المادة مادة الفصل صفحة الصفحة ص سنة عام العام الباب الجزء الساعة آية الآية سورة يوم تاريخ المجلد العدد "
    "القسم".split()
)


def _digits(clause: Clause, index: int) -> Hit | None:
    number, before = clause.word(index).number, clause.word(index - 1)
    if before and (before.core in _LABELS or before.number is not None):
        return None
    noun = clause.word(index + 1)
    if not noun or number > 999 or noun.bare in MEASURES | TIMES | _MONTHS:
        return None
    if 3 <= number % 100 <= 10:
        return (
            None
            if number > 100  # 308 نقطة is what everybody writes
            or noun.bare in MAGNITUDES
            or (noun.slots and not all(n.human for n in plain(noun)))
            else not_plural(clause, index, None)
        )
    if not all(n.number == "p" and not n.adjective for n in nouns_first(plain(noun))):
        return None
    return many(clause, index) if number % 100 > 10 else _hundred_digits(clause, index)


def _hundred_digits(clause: Clause, index: int) -> Hit | None:
    word, noun = clause.word(index), clause.word(index + 1)
    readings = nouns_first(plain(noun))
    if word.number < 100 or not readings or noun.classes or noun.bare in MAGNITUDES:
        return None
    right = singular(readings[0])
    return right and Hit(index, index + 1, f"{word.text} {right}", f"«{noun.text}» جمع")


def _behind(clause: Clause, index: int) -> Hit | None:
    """A numeral behind its noun: «الكتب الثلاثة», «كتاب واحد», «طالبتان اثنتان»."""
    one, noun, before, after = (
        numeral(clause.word(index)),
        clause.word(index - 1),
        clause.word(index - 2),
        clause.word(index + 1),
    )
    if not noun or one.prefix not in ("", "ال") or numeral(after) or one.core in ("أحد", "إحدى", "واحدا"):
        return None
    if after and after.core in ("من", "منهم", "منهن", "منها", "عشر", "عشرة"):
        return None
    readings = nouns_first(with_article(noun) if one.definite else plain(noun))
    readings = without_dual(readings) if one.value > 2 else readings
    wanted = {1: "s", 2: "d"}.get(one.value, "p")
    if one.value > 2 and not one.definite:
        return None
    if not readings or any(n.number != wanted or n.adjective or n.construct for n in readings):
        return None
    which = gender(readings)
    if not which or which == one.gender or (before and any(not r.state for r in before.nominals)):
        return None
    if one.value == 1 and noun.bare in ("الساعة", "اليوم", "الليلة"):
        return None
    return Hit(index - 1, index, f"{noun.text} {other_gender(one)}", seen(noun, which))


_ONE_OF = {p + core: (p, core) for core in ("أحد", "إحدى") for p in ("", "و", "ف", "ب", "ل", "وب", "ول")}
_NEGATIONS = frozenset("لم لا لن ما هل ليس ليست دون بلا كل أي".split())


def _one_of(clause: Clause, index: int) -> Hit | None:
    """«أحد» and «إحدى» before a plural with the article."""
    (prefix, core), noun = _ONE_OF[clause.word(index).bare], clause.word(index + 1)
    readings = without_dual(nouns_first(with_article(noun)))
    which = gender(readings)
    if not which or any(n.number != "p" for n in readings) or which == {"أحد": "m", "إحدى": "f"}[core]:
        return None
    if core == "أحد" and any(word.core in _NEGATIONS for word in clause.words[:index]):
        return None
    right = prefix + {"m": "أحد", "f": "إحدى"}[which]
    return Hit(index, index + 1, f"{right} {noun.text}", seen(noun, which))


RULES: tuple[Rule, ...] = (
    Rule(
        KIND,
        "العدد لا يوافق معدوده.",
        lambda word: word.number is not None and 2 < word.number < 1000,
        _digits,
        wrong=("في المكتبة {15 كتب→15 كتابا}", "في الحقيبة {3 كتاب→3 كتب}"),
        right=("3 كتب", "15 كتابا", "الساعة 9 مساء", "في عام 15 هجرية"),
        confidence=0.6,
    ),
    Rule(
        KIND,
        GENDER_MESSAGE,
        UNITS,
        _behind,
        wrong=("قرأت {الكتب الثلاث→الكتب الثلاثة}", "في {السنوات الخمسة→السنوات الخمس} الأخيرة"),
        right=("السنوات الخمس", "رؤساء الدول الخمسة", "في غرفة واحدة"),
        confidence=0.75,
    ),
    Rule(
        KIND,
        "«أحد» للمذكر و«إحدى» للمؤنث.",
        frozenset(_ONE_OF),
        _one_of,
        wrong=("زرت {أحد المدن→إحدى المدن} القديمة", "قرأ {إحدى الكتب→أحد الكتب}"),
        right=("لم ير أحد السيارات", "أحد الكتب", "إحدى المدن"),
        confidence=0.85,
    ),
)
