"""Agreement of a verb with the subject behind it: singular, and of its gender.

A verb before a noun may have it as object, so these rules know which verbs take no person as object
(`data/agreement_verbs.txt`).
"""

import functools
from typing import NamedTuple

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import (
    definite_noun,
    governing_noun,
    named,
    of_a_group,
    values,
    verb,
    words_of,
)
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import with_conjunctions
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import PRONOUNS, Reading, Word

PERSON = {one: slots(*(f"{tense}_{one}" for tense in ("past", "ind", "sub", "juss"))) for one in (
    "3ms", "3fs", "3mp", "3fp", "3md", "3fd"
)}  # fmt: skip

_THIRD = functools.reduce(int.__or__, PERSON.values())

KIN = {
    (conjunction + form[: -1] + "ت" if form[-1] == "ة" else conjunction + form) + pronoun
    for form in "أخت أخ أم أب جدة جد بنت ابنة ابن والد والدة عم عمة خال خالة زوجة زوج صديقة صديق جارة جار".split()
    for pronoun in PRONOUNS
    if pronoun != "كن"
    for conjunction in ("", "و")
}  # fmt: skip

# Presents that are as well those of a verb with an object (يُخرج, يُحضر), or a past or masdar with ت (تعود, تغيب).
_AMBIGUOUS = frozenset(
    "خرج نزل حضر دخل جلس ضحك فرح حزن غضب سقط ظهر قيم رجع وصل بكي سكت عود غيب علم قدم وقف غير حسن طور "
    "حرك عرض كلم".split()
)


class Form(NamedTuple):
    """A form of a verb that takes no person as object."""

    prefix: str  # و, ف, س
    form: str
    base: str  # its third person singular masculine
    person: str
    kind: str  # place, person, any or thing


@functools.cache
def intransitive() -> dict[str, Form]:
    """Forms of agreement_verbs.txt behind which a person is the subject, by spelling with what is joined in front."""
    table = {}
    for past, present, kind in lexicon.rows("agreement_verbs.txt"):
        for form, prefixes in ((past, ("", "و", "ف")), (present, ("", "و", "ف", "س", "وس", "فس"))):
            for person in ("3ms", "3fs", "3mp", "3fp"):
                if inflected := form if person == "3ms" else verb(form, person):
                    for prefix in prefixes:
                        table.setdefault(prefix + inflected, Form(prefix, inflected, form, person, kind))
    return table


@functools.cache
def _names() -> dict[str, str]:
    return {name: value if len(value) > 1 else value + "s" for name, value in lexicon.rows("agreement_names.txt")}


def noun_readings(word: Word) -> tuple[Reading, ...]:
    """As `definite_noun`; of the kin with a pronoun (أمي) no other reading counts."""
    if word.bare in KIN:
        return tuple(one for one in word.nominals if one.state == "pron" and not one.nominal.adjective)
    return definite_noun(word)


def _subject(word: Word | None) -> tuple[frozenset[str], bool, tuple[Reading, ...]]:
    """(values, whether human, readings) of a noun without prefixes that is a subject or object; no values if unsure."""
    if word is None:
        return frozenset(), False, ()
    if value := _names().get(word.bare):
        return frozenset({value}), True, ()
    readings = noun_readings(word)
    if not readings or any(one.preposition or one.conjunction for one in readings) or of_a_group(readings):
        return frozenset(), False, ()
    if any(one.nominal.lemma in words_of("time") or one.nominal.adjective for one in readings):
        return frozenset(), False, ()
    return values(readings), all(one.nominal.human for one in readings), readings


def changed(clause: Clause, first: int, last: int, verb_at: int, right: str) -> str:
    """Words `first` to `last` as they stand, the verb among them replaced by `right`."""
    return " ".join(right if at == verb_at else clause.words[at].text for at in range(first, last + 1))


def _verb_then_subject(clause: Clause, index: int) -> Hit | None:
    """ذهب البنت, سافرت الوزير, ذهبوا الطلاب with verbs that take no person as object."""
    one = intransitive()[clause.word(index).bare]
    place, after = index + 1, clause.word(index + 1)
    if after and "prep_pron" in after.classes and after.bare not in ("علي", "إلي"):
        place += 1
    noun = clause.word(place)
    found, human, readings = _subject(noun)
    if not found and one.kind == "thing" and place == index + 1:
        readings = governing_noun(clause, place)
        found = frozenset() if any(one.preposition for one in readings) else values(readings)
    if not found or (clause.word(index).nominals and not _no_noun(clause, index, place)):
        return None
    if (one.kind == "thing" and human) or one.form[1:].removesuffix("ون") in _AMBIGUOUS:
        return None
    wanted = _wanted_before(one, found, human, readings)
    if wanted is None or not (right := verb(one.base, wanted)) or right == one.form:
        return None
    return Hit(index, place, changed(clause, index, place, index, one.prefix + right), named(noun, found))


def _no_noun(clause: Clause, index: int, place: int) -> bool:
    """Whether a word that may also be a noun (ذهب) is a verb here: it begins the sentence, and إلى follows."""
    after = clause.word(place + 1)
    readings = clause.word(index).nominals
    if any(not one.listed and not one.nominal.adjective for one in readings):
        return False
    listed = any(one.listed for one in readings)
    return not listed or (not index and clause.begins_sentence and bool(after and after.core == "إلى"))


def _wanted_before(one: Form, found: frozenset[str], human: bool, readings: tuple[Reading, ...]) -> str | None:
    if one.person == "3ms":
        if one.form[0] == "ت":  # تحسن: its masdar, or another verb with ت of the present
            return None
        sure = human or one.kind == "thing" or (one.kind == "any" and len(one.form) > 4)
        return "3fs" if found == {"fs"} and sure else None
    if one.person == "3fs":
        sound = all(reading.nominal.case == "n" and reading.nominal.number == "p" for reading in readings)
        masculine = found == {"ms"} or (found == {"mp"} and readings and sound)
        return "3ms" if masculine and (human or one.kind == "thing") and one.form != "غادرت" else None
    if one.person == "3mp" and found == {"mp"} and all(reading.state == "al" for reading in readings):
        return "3ms" if not one.form.startswith(("قال", "يقول")) else None
    return "3fs" if one.person == "3fp" and found == {"fp"} and human else None


def _plural_then_subject(clause: Clause, index: int) -> Hit | None:
    """حضروا المدعوون, يكتبون المهندسون: any plural verb in front of a nominative plural."""
    word, noun = clause.word(index), clause.word(index + 1)
    if not noun or noun.bare[:2] != "ال" or noun.classes or word.classes - {"kana"} or word.nominals:
        return None
    readings = noun.nominals
    if word.bare.startswith(("قال", "يقول", "ليس")) or not _all_plural(word) or not readings:
        return None
    broken = not index and not word.slots & slots("imp") and clause.begins_sentence and _object_follows(clause, index)
    if not all(one.nominal.gender != "f" and one.nominal.number == "p" for one in readings):
        return None
    if not (broken or all(one.nominal.case == "n" for one in readings)):
        return None
    prefix, form = next((one.conjunction + "س" * one.future, one) for one in word.verbs)
    stem = word.bare[len(prefix) :]
    if form.pronoun or not (right := verb(stem, "3ms")):
        return None
    return Hit(index, index + 1, f"{prefix}{right} {noun.text}", named(noun, {"mp"}))


def _all_plural(word: Word) -> bool:
    others = PERSON["3ms"] | PERSON["3fs"]
    return bool(word.slots & PERSON["3mp"]) and not word.slots & others


_TWO_OBJECTS = (
    "أعط",
    "يعط",
    "منح",
    "يمنح",
    "علم",
    "يعلم",
    "سأل",
    "يسأل",
    "أر",
    "ير",
    "جعل",
    "يجعل",
    "وهب",
    "كس",
    "حرم",
)


def _object_follows(clause: Clause, index: int) -> bool:
    """Whether the noun after next is the verb's object, so that the next is its subject."""
    people, thing = definite_noun(clause.word(index + 1)), definite_noun(clause.word(index + 2))
    if not people or not thing or any(one.nominal.adjective or one.preposition or one.conjunction for one in thing):
        return False
    if clause.word(index).bare.startswith(_TWO_OBJECTS) or of_a_group(people):
        return False
    return values(people) == {"mp"} and not any(one.nominal.human for one in thing)


_KANA = {"كان": "كانت", "أصبح": "أصبحت", "صار": "صارت", "ظل": "ظلت", "بات": "باتت", "يكون": "تكون", "يصبح": "تصبح"}

_HE_WAS = {she: he for he, she in _KANA.items()}


def _accusative(reading: Reading) -> bool:
    return reading.nominal.adjective and (reading.nominal.case == "a" or reading.nominal.construct)


def _kana_then_subject(clause: Clause, index: int) -> Hit | None:
    """كان البنت, and كان السيارة جديدة where the predicate is feminine too."""
    word, noun, after = clause.word(index), clause.word(index + 1), clause.word(index + 2)
    found, human, _ = _subject(noun)
    if word.core in _HE_WAS:
        right = word.conjunction + _HE_WAS[word.core]
        said = after and not after.classes and after.nominals and all(_accusative(one) for one in after.nominals)
        if found != {"ms"} or not said:
            return None
        return Hit(index, index + 1, f"{right} {noun.text}", named(noun, found))
    if found != {"fs"}:
        return None
    if not human and not (
        after
        and not after.classes
        and after.nominals
        and all(one.nominal.adjective and not one.state and one.nominal.gender == "f" for one in after.nominals)
    ):
        return None
    right = word.conjunction + _KANA[word.core]
    return Hit(index, index + 1, f"{right} {noun.text}", named(noun, found))


RULES: tuple[Rule, ...] = (
    Rule(
        "agreement.verb",
        "الفعل قبل فاعله مفرد دائما، ويطابقه في التذكير والتأنيث.",
        frozenset(intransitive()),
        _verb_then_subject,
        wrong=(
            "{ذهب البنت→ذهبت البنت} إلى المدرسة",
            "{سافرت الوزير→سافر الوزير} إلى باريس",
            "{ذهبوا الطلاب→ذهب الطلاب} إلى المتحف",
            "{تعمل أخي→يعمل أخي} مهندسا",
            "{قال لي أمي→قالت لي أمي} ذلك",
            "{حضرن الطالبات→حضرت الطالبات} مبكرات",
            "{وصل فاطمة→وصلت فاطمة} أمس",
        ),
        right=(
            "ذهب الولد إلى المدرسة",
            "عمل المرأة في المجتمع مهم",
            "وصلت البيت متأخرا",
            "قالوا الرجال قادمون",
            "رأى البنت في الطريق",
            "تعطل السيارة أخره",
            "قالت الأعراب",
        ),
        confidence=0.85,
    ),
    Rule(
        "agreement.verb",
        "الفعل قبل فاعله مفرد دائما.",
        lambda word: word.bare.endswith(("وا", "ون")) and len(word.bare) > 3,
        _plural_then_subject,
        ends="ان",
        wrong=("{حضروا المدعوون→حضر المدعوون} الحفل", "{يكتبون الطلاب→يكتب الطلاب} الدرس"),
        right=("قتلوا الرجال", "يعطون الأطفال الكتب", "كانوا المسلمين الأولين", "قالوا المؤمنون إخوة"),
        confidence=0.85,
    ),
    Rule(
        "agreement.verb",
        "الفعل الناقص يطابق اسمه في التذكير والتأنيث.",
        with_conjunctions({*_KANA, *_HE_WAS}),
        _kana_then_subject,
        wrong=("{كان البنت→كانت البنت} صغيرة", "{كان السيارة→كانت السيارة} جديدة", "{كانت الطقس→كان الطقس} جميلا"),
        right=("كان الولد صغيرا", "كانت البنت صغيرة", "ليس المرأة وحدها", "كان في المدينة سوق"),
        confidence=0.85,
    ),
)
