"""Agreement of demonstratives with the noun beside them.

A rule fires when no reading of the one word fits any reading of the other, and both are known for certain.
"""

from arabic_r1_jax.text import dictionary, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import (
    accepted,
    concrete,
    definite_noun,
    demands,
    is_preposition,
    named,
    of_a_group,
    values,
)
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.subjects import intransitive
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

# demonstrative: near or far, the values of nouns that it fits, case
_FITS = {
    "هذا": ("near", {"ms"}, ""),
    "هذه": ("near", {"fs", "things"}, ""),
    "هذان": ("near", {"md"}, "n"),
    "هذين": ("near", {"md"}, "o"),
    "هاتان": ("near", {"fd"}, "n"),
    "هاتين": ("near", {"fd"}, "o"),
    "هؤلاء": ("near", {"mp", "fp"}, ""),
    "ذلك": ("far", {"ms"}, ""),
    "تلك": ("far", {"fs", "things"}, ""),
    "أولئك": ("far", {"mp", "fp"}, ""),
}

_WANTED = ("ms", "fs", "things", "mp", "fp", "md", "fd")  # where several would do, the likeliest first

_PREFIXED = {
    conjunction + preposition + word: (conjunction + preposition, word)
    for word in _FITS
    for conjunction in ("", "و", "ف")
    for preposition in ("", "ب", "ل", "ك")
    if preposition + word != "كذلك" and preposition + word not in ("لذلك", "بذلك")
}

_MASCULINE_IN_TA = frozenset("علامة خليفة داعية طاغية راوية نابغة باقعة رحالة فهامة نسابة بحاثة داهية عبدة".split())

_FEMININE_IN_YN = frozenset("الأرضين السنين الأهلين".split())  # broken or sound plurals, no duals

_SHE = slots("past_3fs", "ind_3fs")

_THIRD_PERSON = slots("past_3ms", "ind_3ms", "sub_3ms", "juss_3ms")


def _demonstrative_for(wanted: frozenset[str], distance: str, case: str) -> str:
    value = next(value for value in _WANTED if value in wanted)
    for word, (far, fits, shown) in _FITS.items():
        if far == distance and value in fits and shown in ("", case or "n"):
            return word
    return {"md": "ذانك" if case == "n" else "ذينك", "fd": "تانك" if case == "n" else "تينك"}[value]


def _noun_values(noun: Word) -> frozenset[str]:
    """What a word with the article demands; also of unlisted ones in ة and ات."""
    if not noun.bare.startswith("ال") or noun.classes:
        return frozenset()
    readings = definite_noun(noun)
    if readings:
        every = any(not reading.nominal.adjective for reading in readings)
        return values(readings) if every else frozenset()
    if noun.nominals or not dictionary.known(noun.bare):
        return frozenset()
    stem = noun.bare[2:]
    if stem[-1] == "ة" and len(stem) > 3 and stem not in _MASCULINE_IN_TA and not stem.endswith("اة"):
        return frozenset({"fs", "things", "mp"})
    if stem.endswith("ات") and len(stem) > 5 and dictionary.known(stem[:-2] + "ة"):
        return frozenset({"things", "fp"})
    return frozenset()


_TIMES_AND_PLACES = frozenset(
    "ليلة سنة لحظة مرحلة فترة ساعة مدة حقبة مدينة منطقة قرية جهة ناحية بلدة غرفة قاعة دولة بلاد أيام سنوات مدرسة جامعة "
    "مناسبة جلسة رحلة حالة معركة حرب قصة قصيدة رواية صفحة صورة أثناء".split()
)


def _stands_alone(clause: Clause, index: int, demonstrative: str, noun: frozenset[str], lemmas: set[str]) -> bool:
    """Whether the demonstrative may close what is before it (مع ذلك, يعرف هذا) and the noun be something else."""
    word, before = clause.word(index), clause.word(index - 1)
    if word.bare.removeprefix("و").removeprefix("ف")[0] == "ك":
        return before is not None and bool(before.nominals)
    if before and "fs" in noun and any(one.state == "pron" and "ms" in demands(one.nominal) for one in before.nominals):
        return True
    if before is None:
        return demonstrative == "ذلك" and (not clause.begins_sentence or bool(word.conjunction))
    negated = (earlier := clause.word(index - 2)) and earlier.core in ("لا", "لن", "لم", "أن")
    third = slots("ind_3ms", "juss_3ms") if negated else _THIRD_PERSON
    a_verb = any(verb.slots & third and not verb.pronoun for verb in before.verbs)
    if demonstrative == "هذا":
        return a_verb and not before.classes and not before.nominals
    if demonstrative in ("هؤلاء", "أولئك"):
        return a_verb and "fs" in noun
    if demonstrative != "ذلك":
        return False
    if before.core in ("في", "إلى", "من") and lemmas & _TIMES_AND_PLACES:
        return bool(index < 2 or clause.word(index - 2).classes)
    return bool(before.nominals or before.classes or not before.slots or before.slots & (third | _SHE))


def _no_room(clause: Clause, index: int, wanted: frozenset[str]) -> bool:
    """Whether ذلك can be no subject or object: behind a feminine verb without objects, or a masdar."""
    before, earlier = clause.word(index - 1), clause.word(index - 2)
    if before is None or not wanted <= {"fs", "things", "fp"}:
        return False
    if one := intransitive().get(before.bare):
        return one.person == "3fs" and not before.nominals
    masdar = all(one.nominal.lemma.startswith(("إ", "ت")) and not one.state for one in before.nominals)
    if not before.nominals or before.classes or not masdar or before.bare[-1] in "ةا" or before.conjunction:
        return False
    table = verb_forms.load()
    return bool(table.get(before.bare, 0) & slots("vn")) and bool(
        earlier and earlier.slots and not earlier.nominals and clause.word(index + 2)
        and clause.word(index + 2).classes & {"prep"}
    )  # fmt: skip


def _demonstrative(clause: Clause, index: int) -> Hit | None:
    word, noun = clause.word(index), clause.word(index + 1)
    if not noun:
        return None
    prefix, demonstrative = _PREFIXED[word.bare]
    distance, fits, _ = _FITS[demonstrative]
    wanted = _noun_values(noun)
    readings = definite_noun(noun)
    if not wanted or (wanted | accepted(readings)) & fits or noun.bare in _FEMININE_IN_YN:
        return None
    alone = _stands_alone(clause, index, demonstrative, wanted, {reading.nominal.lemma for reading in readings})
    if alone and not (demonstrative == word.bare == "ذلك" and _no_room(clause, index, wanted)):
        return None
    after = clause.word(index + 2)
    joined = after and after.bare[0] == "و" and "ms" in wanted
    if not fits & {"ms", "fs"} and (of_a_group(readings) or not readings or joined):
        return None
    shown = next((reading.nominal.case for reading in readings if reading.nominal.case), "o")
    right = prefix + _demonstrative_for(wanted, distance, shown)
    if right == word.bare:
        return None
    return Hit(index, index + 1, f"{right} {noun.text}", named(noun, wanted))


def _this_is(clause: Clause, index: int) -> Hit | None:
    """هذا مدرسة جميلة: a sentence that says what something is, with a noun for a thing or a person."""
    word, noun, after = clause.word(index), clause.word(index + 1), clause.word(index + 2)
    if index or not clause.begins_sentence or word.conjunction or not noun or noun.classes:
        return None
    readings = tuple(one for one in noun.nominals if one.listed)
    readings = tuple(one for one in readings if one.state == "pron") or readings
    if not readings or (noun.slots and readings[0].state != "pron"):
        return None
    if any(
        reading.state == "al" or not reading.listed or reading.conjunction or reading.preposition
        or reading.nominal.adjective or reading.nominal.case == "a" or reading.nominal.lemma not in concrete()
        for reading in readings
    ):  # fmt: skip
        return None
    distance, fits, _ = _FITS[word.core]
    wanted = values(readings)
    if not wanted or wanted & fits or of_a_group(readings):
        return None
    if after and readings[0].state != "pron":
        if not after.nominals or not all(r.nominal.adjective and not r.state for r in after.nominals):
            return None
        shown = values(after.nominals)
        if not (shown & wanted or ("fs" in shown and "things" in wanted)):
            return None
    shown = next((reading.nominal.case for reading in readings if reading.nominal.case), "n")
    right = _demonstrative_for(wanted, distance, shown)
    return Hit(index, index + 1, f"{right} {noun.text}", named(noun, wanted))


def _demonstrative_behind(clause: Clause, index: int) -> Hit | None:
    """في كتابي هذه: a demonstrative at the end, behind a noun with a pronoun or the article."""
    noun, before = clause.word(index - 1), clause.word(index - 2)
    if clause.word(index + 1) or not noun:
        return None
    readings = definite_noun(noun, no_verb=True)
    _, fits, _ = _FITS[clause.word(index).core]
    if not readings or of_a_group(readings) or any(reading.conjunction for reading in readings):
        return None
    if not (is_preposition(before) or all(reading.preposition for reading in readings)):
        return None
    wanted = values(readings)
    if wanted & fits:
        return None
    distance = _FITS[clause.word(index).core][0]
    return Hit(index - 1, index, f"{noun.text} {_demonstrative_for(wanted, distance, 'o')}", named(noun, wanted))


RULES: tuple[Rule, ...] = (
    Rule(
        "agreement.demonstrative",
        "اسم الإشارة لا يطابق الاسم الذي بعده في التذكير والتأنيث أو العدد.",
        frozenset(_PREFIXED),
        _demonstrative,
        wrong=(
            "{هذا المدرسة→هذه المدرسة} كبيرة",
            "فرح {بهذا النتيجة→بهذه النتيجة} كثيرا",
            "{هؤلاء الكتب→هذه الكتب} قديمة",
            "نشكر {هذه المعلمين→هؤلاء المعلمين} على جهودهم",
            "قرأت {هذا الكتابين→هذين الكتابين} في يومين",
            "لن أنسى {ذلك الرحلة→تلك الرحلة} ما حييت",
            "سكنت في {تلك الحي→ذلك الحي} عشر سنوات",
            "يمنع إدخال {ذلك المواد→تلك المواد} إلى المختبر",
        ),
        right=(
            "هذه المدرسة كبيرة",
            "هذا كتاب",
            "هؤلاء القوم من أهل الخير",
            "ومع ذلك المدينة هادئة",
            "هؤلاء المعلمات ماهرات",
            "هذه الأيام قليلة",
            "فعل ذلك الطلاب كلهم",
            "هذا العلامة من بغداد",
            "هذه الطلبات كثيرة",
            "ولهذا السبب عاد",
        ),
        confidence=0.95,
    ),
    Rule(
        "agreement.demonstrative",
        "اسم الإشارة لا يطابق الاسم الذي يخبر به عنه في التذكير والتأنيث أو العدد.",
        frozenset(_FITS),
        _this_is,
        wrong=("{هذا مدرسة→هذه مدرسة} جميلة", "{هذه كتاب→هذا كتاب} مفيد", "{هذا أختي→هذه أختي} الكبرى"),
        right=(
            "هذا كتاب مفيد",
            "هذه كتب مفيدة",
            "هذا نعمة من الله",
            "هذه مدرسة",
            "هذا صورة من صور الحياة",
            "هؤلاء طلاب",
        ),
        confidence=0.8,
    ),
    Rule(
        "agreement.demonstrative",
        "اسم الإشارة لا يطابق الاسم الذي قبله في التذكير والتأنيث أو العدد.",
        frozenset(_FITS),
        _demonstrative_behind,
        wrong=("تحدث عنه في {كتابه هذه→كتابه هذا}", "لا أعرف شيئا عن {مدينتكم هذا→مدينتكم هذه}"),
        right=("تحدث عنه في كتابه هذا", "قال أبي هذا", "نظر إلى صاحب المدرسة هذا", "في حياته هذه"),
        confidence=0.8,
    ),
)
