"""Numerals and what they count: gender and number of the counted noun, and its case where letters show it."""

from arabic_r1_jax.text import dictionary, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Pattern, Rule
from arabic_r1_jax.text.lexicon import Nominal, accusative, diptotes, forms
from arabic_r1_jax.text.numerals import (
    MAGNITUDES,
    MEASURES,
    TIMES,
    UNITS,
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
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

PATTERNS: tuple[Pattern, ...] = ()

_GENDERS = {"m": "مذكر", "f": "مؤنث"}
_FRACTIONS = ("خمس", "سبع", "تسع", "عشر")  # also a fifth, a seventh, a ninth, a tenth
_ALONE = frozenset({"واحد", "واحدة", "واحدا", "اثنان", "اثنين", "اثنتان", "اثنتين"})  # no part of eleven and twelve
_OTHERS = frozenset({"آخر", "أول"})
_PREPOSITIONS = frozenset({"في", "من", "إلى", "على", "عن", "بعد", "قبل", "خلال", "منذ", "مع", "نحو", "حوالي", "بين"})
_LABELS = frozenset(
    "رقم المادة مادة الفصل صفحة الصفحة ص سنة عام العام الباب الجزء الساعة آية الآية سورة يوم تاريخ المجلد العدد القسم".split()
)


def _text(clause: Clause, first: int, last: int) -> str:
    return " ".join(word.text for word in clause.words[first : last + 1])


def _seen(word: Word, which: str) -> str:
    return f"«{word.text}»: المفرد {_GENDERS[which]}"


def _oblique(clause: Clause, index: int) -> bool:
    before = clause.word(index - 1)
    return not (before and before.core in _PREPOSITIONS)


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


def _few(clause: Clause, index: int, one: Numeral) -> Hit | None:
    """Three to ten, before a noun in the plural."""
    word, noun, before = clause.word(index), clause.word(index + 1), clause.word(index - 1)
    if not noun or one.definite or one.core[-1] == "ا" or (one.value == 10 and before and before.bare[:2] == "ال"):
        return None
    if before and any(n.number == "p" and n.gender == one.gender for n in plain(before)) and not before.slots:
        return None  # the noun may stand in front: «في مدن ثلاث»
    if with_article(noun):
        return _few_definite(clause, index, one)
    after = clause.word(index + 2)
    which = "" if noun.bare == "أقدام" else _counted_gender(noun, plural=True)  # feet, as a measure, are either
    if which and which != one.gender:
        if one.core in _FRACTIONS and after and (after.bare[:2] == "ال" or any(r.state for r in after.nominals[:1])):
            if not any(r.preposition for r in after.nominals):
                return None
        return Hit(index, index + 1, f"{other_gender(one)} {noun.text}", _seen(noun, which))
    readings = plain(noun)
    if readings and all(n.number == "p" and n.case == "n" and not n.adjective for n in readings):
        return Hit(index, index + 1, f"{word.text} {noun.text[:-2]}ين", f"«{noun.text}» مضاف إليه")
    if noun.bare in MAGNITUDES or noun.bare in MEASURES or noun.bare in TIMES:
        return None
    if noun.slots and not all(n.human for n in readings):
        return None
    return _not_plural(clause, index, one)


def _few_definite(clause: Clause, index: int, one: Numeral) -> Hit | None:
    noun = clause.word(index + 1)
    readings = without_dual(nouns_first(with_article(noun)))
    which = gender(readings)
    if not which or which == one.gender or one.core in _FRACTIONS or any(n.number != "p" for n in readings):
        return None
    return Hit(index, index + 1, f"{other_gender(one)} {noun.text}", _seen(noun, which))


def _not_plural(clause: Clause, index: int, one: Numeral | None) -> Hit | None:
    """A singular where a plural must stand."""
    word, noun = clause.word(index), clause.word(index + 1)
    readings = nouns_first(plain(noun))
    if not readings or any(n.number != "s" or n.adjective or n.case == "a" for n in readings):
        return None
    after = clause.word(index + 2)
    if (
        (one and one.core in _FRACTIONS and (not after or after.bare[:2] == "ال"))
        or len({n.lemma for n in readings}) != 1
        or _dated(clause, index + 1)
    ):
        return None
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
    return Hit(index, index + 2, f"{right} {noun.text}", _seen(noun, which))


def _compound(clause: Clause, index: int, one: Numeral) -> Hit | None:
    """Twenty-one to ninety-nine: the unit in front of the ten."""
    tens, noun = clause.word(index + 1), clause.word(index + 2)
    which = _counted_gender(noun, plural=False)
    if not which or which == one.gender:
        return None
    accusative_unit = tens.bare.endswith("ين") and _oblique(clause, index)
    right = other_gender(one, oblique=accusative_unit)
    return Hit(index, index + 2, f"{right} {tens.text} {noun.text}", _seen(noun, which))


def _unit(clause: Clause, index: int) -> Hit | None:
    one, after = numeral(clause.word(index)), numeral(clause.word(index + 1))
    if after and after.core in ("عشر", "عشرة") and not after.prefix and one.value < 10:
        return _teens(clause, index, one)
    if after and after.value >= 20 and after.prefix[:1] == "و" and one.value < 10:
        return _compound(clause, index, one)
    if one.value == 10 and (before := numeral(clause.word(index - 1))) and not one.prefix and before.core not in _ALONE:
        return _many(clause, index)
    return _few(clause, index, one) if one.value > 2 and not after else None


def _many(clause: Clause, index: int) -> Hit | None:
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
    if not shown or noun.bare in diptotes() or _dated(clause, index + 1) or noun.text != noun.bare or noun.classes:
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


_HUNDREDS = frozenset(
    [*(f"{u[1][0].replace('ثماني', 'ثمان')}{h}" for n, u in UNITS.items() if 2 < n < 10 for h in ("مئة", "مائة"))]
    + ["ثمانيمئة", "ثمانيمائة", "مئة", "مائة", "مئتا", "مئتي", "مائتا", "مائتي", "مليون", "مليونا", "مليار"]
)
_THOUSANDS = frozenset({"ألف", "ألفا", "ألفي", "آلاف"})
_PREFIXED = {p + core: core for core in (*_HUNDREDS, *_THOUSANDS) for p in ("", "و", "ف", "ب", "ل", "وب", "ول")}


def _hundred(clause: Clause, index: int) -> Hit | None:
    """What hundreds and thousands count is one, in the genitive."""
    word, noun = clause.word(index), clause.word(index + 1)
    if not noun or (_PREFIXED[word.bare] in _THOUSANDS and not _surely_thousand(clause, index)):
        return None
    readings = nouns_first(plain(noun))
    if not readings or any(n.adjective for n in readings) or noun.bare in MAGNITUDES or noun.classes:
        return None
    if all(n.number == "p" and n.case != "a" for n in readings):
        right = singular(readings[0])
        return right and Hit(index, index + 1, f"{word.text} {right}", f"«{noun.text}» جمع")
    masdar = any(verb_forms.load().get(n.lemma, 0) & slots("vn") for n in readings)
    accusative_noun = all(n.case == "a" and n.number == "s" for n in readings) and not masdar and not noun.slots
    if accusative_noun and noun.bare not in TIMES and word.bare[-1] == "ة":
        return Hit(index, index + 1, f"{word.text} {readings[0].lemma}", f"«{noun.text}» مضاف إليه")
    return None


def _surely_thousand(clause: Clause, index: int) -> bool:
    """Not the verb «ألف» nor a name: a preposition, a numeral or another verb stands in front."""
    word, before = clause.word(index), clause.word(index - 1)
    if word.bare.startswith(("ب", "ل", "وب", "ول", "آلاف")):
        return True
    if not before:
        return False
    certain = any(w.verbs and not w.nominals and not w.classes for w in clause.words[:index])
    return before.core in _PREPOSITIONS or bool(numeral(before)) or certain


def _hundreds_unit(clause: Clause, index: int) -> Hit | None:
    """«ثلاثة مئة»: a hundred is feminine."""
    one, hundred = numeral(clause.word(index)), clause.word(index + 1)
    if not hundred or hundred.bare not in ("مئة", "مائة") or not 2 < one.value < 10 or one.gender == "f":
        return None
    return Hit(index, index + 1, f"{other_gender(one)} {hundred.text}", _seen(hundred, "f"))


def _digits(clause: Clause, index: int) -> Hit | None:
    number, before = clause.word(index).number, clause.word(index - 1)
    if before and (before.core in _LABELS or before.number is not None):
        return None
    noun = clause.word(index + 1)
    if not noun or number > 999 or noun.bare in MEASURES or noun.bare in TIMES:
        return None
    if 3 <= number % 100 <= 10:
        return (
            None
            if noun.bare in MAGNITUDES or (noun.slots and not all(n.human for n in plain(noun)))
            else _not_plural(clause, index, None)
        )
    if not all(n.number == "p" and not n.adjective for n in nouns_first(plain(noun))):
        return None
    return _many(clause, index) if number % 100 > 10 else _hundred_digits(clause, index)


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
    return Hit(index - 1, index, f"{noun.text} {other_gender(one)}", _seen(noun, which))


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
    return Hit(index, index + 1, f"{right} {noun.text}", _seen(noun, which))


_MESSAGE = "العدد لا يوافق معدوده."
_GENDER_MESSAGE = "العدد لا يوافق معدوده في التذكير والتأنيث: ينظر إلى مفرد المعدود."
_KIND = "agreement.number"


def _is_unit(word: Word) -> bool:
    return word.bare in table() and table()[word.bare].value <= 10


RULES: tuple[Rule, ...] = (
    Rule(
        _KIND,
        _GENDER_MESSAGE,
        _is_unit,
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
        _KIND,
        "المعدود بعد أحد عشر إلى تسعة وتسعين مفرد منصوب.",
        lambda word: word.bare in table() and table()[word.bare].value >= 20,
        _many,
        wrong=("اشترى التاجر {عشرين أجهزة→عشرين جهازا}", "قرأت {ثلاثين كتاب→ثلاثين كتابا} هذا العام"),
        right=("قرأت ثلاثين كتابا", "وصل عشرون آخرون", "خمسون ألف دينار"),
        confidence=0.85,
    ),
    Rule(
        _KIND,
        "المعدود بعد المئة والألف مفرد مجرور.",
        lambda word: word.bare in _PREFIXED,
        _hundred,
        wrong=("تبرع الرجل {بمئة حواسيب→بمئة حاسوب}", "يسكن القرية {ألف أشخاص→ألف شخص}"),
        right=("مئة كتاب", "ألف الرجل كتبا كثيرة", "ألف كتبا كثيرة"),
        confidence=0.85,
    ),
    Rule(
        _KIND,
        "المئة مؤنثة، فيذكر معها العدد.",
        lambda word: word.bare in table() and 2 < table()[word.bare].value < 10,
        _hundreds_unit,
        wrong=("دفع {ثلاثة مئة→ثلاث مئة} دينار",),
        right=("دفع ثلاث مئة دينار",),
    ),
    Rule(
        _KIND,
        _MESSAGE,
        lambda word: word.number is not None and 2 < word.number < 1000,
        _digits,
        wrong=("في المكتبة {15 كتب→15 كتابا}", "في الحقيبة {3 كتاب→3 كتب}"),
        right=("3 كتب", "15 كتابا", "الساعة 9 مساء", "في عام 15 هجرية"),
        confidence=0.6,
    ),
    Rule(
        _KIND,
        _GENDER_MESSAGE,
        _is_unit,
        _behind,
        wrong=("قرأت {الكتب الثلاث→الكتب الثلاثة}", "في {السنوات الخمسة→السنوات الخمس} الأخيرة"),
        right=("السنوات الخمس", "رؤساء الدول الخمسة", "في غرفة واحدة"),
        confidence=0.75,
    ),
    Rule(
        _KIND,
        "«أحد» للمذكر و«إحدى» للمؤنث.",
        lambda word: word.bare in _ONE_OF,
        _one_of,
        wrong=("زرت {أحد المدن→إحدى المدن} القديمة", "قرأ {إحدى الكتب→أحد الكتب}"),
        right=("لم ير أحد السيارات", "أحد الكتب", "إحدى المدن"),
        confidence=0.85,
    ),
)
