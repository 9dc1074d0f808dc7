"""Nominal sentences: a verb or adjective behind the noun that it speaks of (الطلاب وصل, السماء صاف).

The noun may belong to a sentence of its own (الرجل ماتت زوجته); then a pronoun refers back to it, and where there is
one behind the verb the rules say nothing.
"""

import functools

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import (
    DEMONSTRATIVES,
    OPENERS,
    definite_noun,
    demands,
    governing_noun,
    named,
    of_a_group,
    opens_clause,
    values,
    verb,
    words_of,
)
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.adjectives import (
    KANA,
    agreeing,
    depends,
    fit,
    may_be_indefinite,
    mismatch,
    only_adjectives,
)
from arabic_r1_jax.text.rules.antecedents import only_adjective
from arabic_r1_jax.text.rules.subjects import KIN, PERSON, changed, intransitive, noun_readings
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Reading, Word

_FITS = {"ms": ("3ms",), "fs": ("3fs",), "things": ("3fs", "3fp"), "mp": ("3mp", "3fs"), "fp": ("3fp", "3fs")}

_WANTED = {"ms": "3ms", "fs": "3fs", "things": "3fs", "mp": "3mp", "fp": "3fp"}

_REFERS = {"ms": ("ه",), "fs": ("ها",), "things": ("ها", "هم", "هن"), "mp": ("هم", "ها"), "fp": ("هن", "ها")}

_IMPERSONAL = frozenset(
    "يجب يمكن ينبغي يجوز يكفي يبدو يستحيل يصعب يسهل يتعين يلزم يحق يتضح يتبين يقال يستحسن يتسنى".split()
)

_KANA_BEFORE = frozenset("كان كانت يكون تكون ليس ليست أصبح أصبحت".split())

_IN_FRONT = _KANA_BEFORE | OPENERS | DEMONSTRATIVES

_NO_ELATIVE = frozenset(
    "أعلن أصدر أطلق أرسل أنتج أنجز أنشأ أثبت أسهم أعرب أبرم أجرى ألقى أنهى ألغى أعطى أبدى أبلغ أخرج أدخل أغلق".split()
)

_PARTICLES = frozenset("قد لا لن لم سوف".split())


def _may_be_subject(word: Word) -> bool:
    bare = word.bare
    return bare.startswith(("ال", "وال", "فال")) or bare in lexicon.forms() or bare in KIN


def _subject_then_verb(clause: Clause, index: int) -> Hit | None:
    """الطلاب ذهب, أختي يدرس, الأسعار ارتفعوا at the beginning of a sentence or behind إن and the like."""
    before = clause.word(index - 1)
    if before and before.core not in _IN_FRONT:  # the cheapest question first
        return None
    if not opens_clause(clause, index) and not (before and before.core in _KANA_BEFORE):
        return None
    noun = clause.word(index)
    readings = noun_readings(noun) or governing_noun(clause, index)
    if not readings or any(one.preposition or _singular_adjective(one) for one in readings) or of_a_group(readings):
        return None
    found = values(readings)
    if found & {"md", "fd"} or len(found) != 1 or any(one.nominal.lemma in words_of("time") for one in readings):
        return None
    (value,) = found
    place = index + 1
    if all(not one.state for one in readings):
        place += 1
    while (passed := clause.word(place)) and (
        passed.bare in _PARTICLES or (only_adjective(passed) and _agrees(values(passed.nominals), value))
    ):
        place += 1
    if passed is None or (passed.classes and "kana" not in passed.classes):
        return None
    right = _mismatch(clause, readings, value, place)
    if not right or right == passed.bare:
        return None
    return Hit(index, place, changed(clause, index, place, place, right), named(noun, found))


def _singular_adjective(reading: Reading) -> bool:
    return reading.nominal.adjective and not (reading.nominal.number == "p" and reading.nominal.case)


def _agrees(shown: frozenset[str], value: str) -> bool:
    return value in shown or (value == "things" and bool(shown & {"fs", "fp", "mp"}))


def _mismatch(clause: Clause, readings: tuple[Reading, ...], value: str, place: int) -> str | None:
    """The verb that should stand at a place; None where the one that does may be right."""
    word, human = clause.word(place), all(one.nominal.human for one in readings)
    form = next((one for one in word.verbs if not one.conjunction), None)
    if (
        not form
        or (word.bare[0] == "م" and not human)
        or _elative(clause, place, human)
        or (len(word.bare) < 4 and not _short_verb(clause, place, human))
    ):
        return None
    bits_of_all = functools.reduce(int.__or__, (one.slots for one in word.verbs if not one.conjunction), 0)
    persons = [one for one, bits in PERSON.items() if bits_of_all & bits]
    if not persons or word.bare in _IMPERSONAL or set(persons) & set(_fitting(readings, value)):
        return None
    if any(one.pronoun for one in word.verbs) or {"3md", "3fd"} >= set(persons):
        return None
    rest = [one for one in clause.after(place) if not one.classes & {"demonstrative", "pronoun"}]
    if any(one.bare.endswith(_REFERS[value]) and len(one.bare) > 2 for one in rest):
        return None
    if "kana" in word.classes and not _kana_is_its(clause, value, place):
        return None
    a_noun = any(
        (one.listed or not one.conjunction)
        and not (one.nominal.adjective and not one.state and value not in demands(one.nominal))
        for one in word.nominals
    )
    if "kana" not in word.classes and a_noun and not (human and _no_predicate(clause, place)):
        return None
    she = {"3fs"} >= set(persons)
    if value == "ms" and not human and (not she or word.bare not in intransitive()):
        return None
    if "3mp" in persons and not human and value in ("ms", "fs"):
        return None
    prefix = "س" * form.future
    right = verb(word.bare[len(prefix) :], _WANTED[value])
    if right and clause.word(place - 1).core in ("لم", "لن") and right.endswith("ون"):
        right = right[:-1] + "ا"
    return right and prefix + right


def _elative(clause: Clause, place: int, human: bool) -> bool:
    """Whether a verb of the pattern أفعل may be a comparative."""
    word, after = clause.word(place), clause.word(place + 1)
    if word.bare in _NO_ELATIVE:
        return False
    if word.bare[0] != "أ" or len(word.bare) > 4 or word.bare[2:3] == "ا":
        return False
    return not human or after is None or word.bare in lexicon.diptotes() or not after.classes or after.core == "من"


def _short_verb(clause: Clause, place: int, human: bool) -> bool:
    """Whether a word of three letters is a verb and not a noun that no list has: by a weak letter or its use."""
    word = clause.word(place)
    if word.bare[1] == "ا" or word.bare[-1] in "ىا":
        return True
    return _no_predicate(clause, place) if human else word.bare in intransitive()


def _fitting(readings: tuple[Reading, ...], value: str) -> tuple[str, ...]:
    """The persons of verbs that may follow a noun; a sound masculine plural takes no feminine."""
    if value == "mp" and all(one.nominal.case for one in readings):
        return ("3mp",)
    return _FITS[value]


def _no_predicate(clause: Clause, place: int) -> bool:
    """Whether a word that is verb and noun (شرح) says no noun of a person: a thing, and no genitive behind it."""
    word, after = clause.word(place), clause.word(place + 1)
    if len(word.bare) == 3 and word.bare[1] == "ا" and not any(one.listed for one in word.nominals):
        return True  # فاز: a participle of a doubled verb by its letters
    if any(one.nominal.human or one.nominal.adjective or one.state or one.preposition for one in word.nominals):
        return False
    if after is None:
        return False
    attached = bool(after.nominals) and all(one.preposition for one in after.nominals)
    return attached or bool(after.classes & {"prep", "prep_pron", "adverb_prep"})


def _kana_is_its(clause: Clause, value: str, place: int) -> bool:
    """Whether the verb or adjective behind كان agrees with the noun in front of it."""
    after = clause.word(place + 1)
    if after is None or after.classes:
        return False
    if after.slots and not after.nominals:
        fits = functools.reduce(int.__or__, (PERSON[one] for one in _FITS[value]))
        return bool(after.slots & fits) and not after.slots & PERSON["3ms" if value != "ms" else "3fs"]
    adjectives = after.nominals and all(
        one.nominal.adjective and not one.state and one.listed for one in after.nominals
    )
    return bool(adjectives) and value != "ms" and values(after.nominals) <= {"fs", "mp", "fp"}


def _predicate(clause: Clause, index: int) -> Hit | None:
    """السماء صاف, كانت الشوارع مزدحمين: an adjective that says what the noun is."""
    word = clause.word(index)
    readings = only_adjectives(word)
    if not index or not readings or any(one.state for one in readings):
        return None
    place = index - 1
    while place and only_adjective(clause.word(place)):
        place -= 1
    nouns = definite_noun(clause.word(place))
    if nouns and place and (governing := governing_noun(clause, place - 1)):
        place, nouns = place - 1, governing
    before = clause.word(place - 1)
    kana = before is not None and before.core in KANA
    if not nouns or not (kana or opens_clause(clause, place)) or of_a_group(nouns):
        return None
    if any(one.preposition or one.nominal.adjective for one in nouns) or fit(nouns, word, readings):
        return None
    few = readings[0].nominal.lemma in ("كثير", "قليل") and values(readings) == {"ms"}
    if (
        few
        or depends(clause, index, readings, nouns)
        or (not kana and any(one.nominal.case == "a" for one in readings))
    ):
        return None
    if readings[0].state or (word.slots and _verb_fits(word, nouns)):
        return None
    right = agreeing(readings, nouns, "", "a" if kana and "ms" in values(nouns) else "o" if kana else "n")
    return mismatch(clause, place, index, right, nouns)


def _verb_fits(word: Word, nouns: tuple[Reading, ...]) -> bool:
    person = {"ms": "3ms", "fs": "3fs", "things": "3fs", "mp": "3mp", "fp": "3fp"}
    return any(
        word.slots & slots(f"past_{person[one]}", f"ind_{person[one]}") for one in values(nouns) if one in person
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "agreement.verb",
        "الفعل بعد فاعله يطابقه في التذكير والتأنيث والعدد.",
        _may_be_subject,
        _subject_then_verb,
        wrong=(
            "{الطلاب وصل→الطلاب وصلوا} إلى القاعة",
            "{المعلمة شرح→المعلمة شرحت} لنا الدرس",
            "{الأسعار ارتفعوا→الأسعار ارتفعت} كثيرا",
            "{أختي يدرس→أختي تدرس} الطب",
            "{الطالبات كتبوا→الطالبات كتبن} الإجابات",
            "{أسعار النفط ارتفع→أسعار النفط ارتفعت} كثيرا",
            "قال إن {الطلاب لم ينجح→الطلاب لم ينجحوا} في الامتحان",
        ),
        right=(
            "الرجل ماتت زوجته",
            "الأولاد تلعب في الحديقة",
            "المسألة يجب أن تناقش",
            "القوم ذهبوا",
            "الليلة يسافر أخي",
            "البنت مدرسة ماهرة",
            "الكتاب قرأت نصفه",
        ),
        confidence=0.85,
    ),
    Rule(
        "agreement.adjective",
        "الخبر لا يطابق المبتدأ في التذكير والتأنيث أو العدد.",
        may_be_indefinite,
        _predicate,
        (
            "{السماء صافي→السماء صافية} هذا الصباح",
            "كانت {الشوارع مزدحمين→الشوارع مزدحمة} مساء",
            "{الكتاب جديدة→الكتاب جديد}",
        ),
        (
            "السماء صافية",
            "المدينة كثير سكانها",
            "الناس كثير",
            "كان الجو جميلا",
            "البنت أكبر من أخيها",
            "الأمثلة كثير منها معروف",
        ),
        0.8,
    ),
)
