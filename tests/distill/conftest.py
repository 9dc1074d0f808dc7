"""A reader of the curriculum's questions that knows grammar and nothing of the code that writes them, and the form that
every record has."""

import math
import re
import unicodedata
from typing import NamedTuple

import pytest

from arabic_r1_jax.data.questions import Question, labels
from arabic_r1_jax.distill import parse

BLANK = "____"
NOMINATIVE, ACCUSATIVE, GENITIVE = "رفع", "نصب", "جر"


class Reading(NamedTuple):
    """One way in which a question can be read: the form it asks for, and the words that a reason for it must hold."""

    form: str
    because: tuple[str, ...] = ()


# فاعل بعد فعل لازم، ومفعول به بعد فعل متعد وفاعله، واسم مجرور بعد حرف الجر
INTRANSITIVE = set("حضر وصل خرج عاد جلس ظهر".split())
TRANSITIVE = set("رأى شكر زار قابل انتظر ساعد".split())
PREPOSITIONS = set("إلى على من عن".split())
PLURAL = {NOMINATIVE: "ون", ACCUSATIVE: "ين", GENITIVE: "ين"}
DUAL = {NOMINATIVE: "ان", ACCUSATIVE: "ين", GENITIVE: "ين"}


def _cases(before: list[str]) -> list[tuple[str, str]]:
    """(case, name of the place) of a noun after these words, the plain reading first."""
    if before[-1] in PREPOSITIONS:
        return [(GENITIVE, "مجرور")]
    (verb,) = {*before} & (INTRANSITIVE | TRANSITIVE)
    others = [word for word in before if word != verb]
    if not others:
        assert verb in INTRANSITIVE
        return [(NOMINATIVE, "فاعل")]
    assert verb in TRANSITIVE
    # A man whose case does not show may be the object, and the blank a subject that comes late.
    late = not others[0].endswith("ُ")
    return [(ACCUSATIVE, "مفعول به")] + [(NOMINATIVE, "فاعل")] * late


def _noun_in_place(question: str, forms: dict[str, str]) -> list[Reading]:
    noun, sentence = re.fullmatch(r".*«(\w+)»: (.*)\.", question).groups()
    before = sentence.partition(BLANK)[0].split()
    return [Reading(f"ال{noun}{forms[case]}", (place, case)) for case, place in _cases(before)]


NUMBERS = {"ثلاث": 3, "أربع": 4, "خمس": 5, "ست": 6, "سبع": 7, "ثماني": 8, "تسع": 9, "عشر": 10, "عشرون": 20,
           "ثلاثون": 30, "أربعون": 40, "خمسون": 50, "ستون": 60, "سبعون": 70, "ثمانون": 80, "تسعون": 90, "مئة": 100,
           "مئتا": 200, "ألف": 1000, "ألفا": 2000, "مليون": 10**6}  # fmt: skip
TEENS = {"إحدى": 11, "اثنتا": 12} | {unit: 10 + value for unit, value in NUMBERS.items() if value < 10}


def _counted(question: str) -> list[Reading]:
    words = question.removesuffix(".").partition(": ")[2].split()
    at = words.index(BLANK)
    if words[at + 1 : at + 2] == ["اثنتان"]:
        return [Reading("تان", ("اثنان", "مثنى", "مرفوع"))]
    value = TEENS[words[at - 2]] if words[at - 1] == "عشرة" else NUMBERS[words[at - 1]]
    if value <= 10:
        return [Reading("ات", ("ثلاثة وعشرة", "جمع مجرور"))]
    if value < 100:
        return [Reading("ةً", ("أحد عشر وتسعة وتسعين", "مفرد منصوب"))]
    return [Reading("ةٍ", ("مئة", "مفرد مجرور"))]


# The ending of the noun described -> the ending of its adjective, and what the noun then is. Longest ending first.
DESCRIBED = {
    "تان": ("تان", "مثنى مؤنث"),
    "ان": ("ان", "مثنى مذكر"),
    "ون": ("ون", "جمع مذكر"),
    "ات": ("ات", "جمع مؤنث"),
    "ة": ("ة", "مفرد مؤنث"),
}


def _adjective(question: str) -> list[Reading]:
    noun = question.partition(f" {BLANK}")[0].split()[-1]
    ending = next(ending for ending in DESCRIBED if noun.endswith(ending))
    form, kind = DESCRIBED[ending]
    # Nouns in ات may name things (غواصات، محاضرات، مؤلفات), whose plural takes a feminine singular adjective.
    return [Reading(form, (kind,))] + [Reading("ة")] * (ending == "ات")


SUBJECT_ACCUSATIVE = set("إن إنّ أن لعل لعلّ ليت كأن كأنّ لكن لكنّ".split())
PREDICATE_ACCUSATIVE = set("كان أصبح ظل صار أمسى بات أضحى ليس".split())


def _governed(question: str) -> list[Reading]:
    words = question.removesuffix(".").partition(": ")[2].split()
    first = words.index(BLANK) == 1  # the blank is the noun; else its predicate
    governor, part = words[0], "اسمه" if first else "خبره"
    if governor in SUBJECT_ACCUSATIVE:
        return [Reading("ين" if first else "ون", ("ينصب اسمه" if first else "يرفع خبره", part))]
    if governor in PREDICATE_ACCUSATIVE:
        return [Reading("ون" if first else "ين", ("يرفع اسمه" if first else "ينصب خبره", part))]
    return [Reading("ون", ("مبتدأ مرفوع" if first else "خبر مرفوع",))]


def _five_verbs(question: str) -> list[Reading]:
    pronoun, *rest = question.partition(": ")[2].partition(BLANK)[0].split()
    if pronoun == "أنتم" and rest and rest[0] in ("لم", "لن"):
        return [Reading("وا", ("جمع", "مجزوم أو منصوب"))]
    assert not rest
    number = {"أنتم": ("ون", "جمع"), "أنتما": ("ان", "مثنى"), "أنتِ": ("ين", "مفردة")}
    form, because = number[pronoun]
    return [Reading(form, (because, "مرفوع"))]


PRESENT = {"now", "right now", "at the moment", "these days"}
PAST = {"yesterday", "last week", "last year", "long ago"}
EITHER = {"today", "this week"}  # "was here today" is good English


def _english_verb(question: str) -> list[Reading]:
    noun, rest = re.fullmatch(rf"Choose the verb: The (\w+) {BLANK} (.*)\.", question).groups()
    plural = noun.endswith("s")
    time = next(time for time in PRESENT | PAST | EITHER if rest.endswith(f" {time}"))
    forms = {False: ("is", "was"), True: ("are", "were")}[plural]
    tenses = {time in PAST: None} if time not in EITHER else {False: None, True: None}
    return [
        Reading(forms[past], ("plural" if plural else "singular", "past" if past else "present")) for past in tenses
    ]


RULES = {
    "sound_plural": lambda question: _noun_in_place(question, PLURAL),
    "dual": lambda question: _noun_in_place(question, DUAL),
    "counted": _counted,
    "adjective": _adjective,
    "governed": _governed,
    "five_verbs": _five_verbs,
    "english_verb": _english_verb,
}


def _answers(question: Question) -> list[tuple[int, Reading]]:
    """The options that grammar admits, by index, the plain reading first; from the texts of question and options."""
    found = []
    for reading in RULES[question.family](question.question):
        matches = [text for text in question.options if text.endswith(reading.form)]
        if matches:  # the shortest, since what ends in تان ends in ان too
            found.append((question.options.index(min(matches, key=len)), reading))
    return found


@pytest.fixture(scope="session")
def solve():
    """A function: question -> [(index of an option, why)], the plain reading first, other good readings after it."""
    return _answers


VERDICTS = {
    "ar": {True: ("✓", "محتمل"), False: ("✗", "مستبعد")},
    "en": {True: ("✓", "possible"), False: ("✗", "eliminated")},
}


def _assert_well_formed(record):
    question, text = record.question, record.completion
    found, gold, names = parse(text), question.options[question.answer], labels(question)
    label = names[question.answer]
    # The five phases cover the text, in order, without a gap.
    assert [*found.spans] == ["analysis", "elimination", "check", "synthesis", "final"]
    edges = [edge for span in found.spans.values() for edge in span]
    assert edges == [0, *(edge for start, end in [*found.spans.values()][:-1] for edge in (end, end)), len(text)]
    # One line an option, in order: the option quoted, then its feature and mark, then the verdict.
    for name, option, line in zip(names, question.options, found.elimination.splitlines(), strict=True):
        mark, verdict = VERDICTS[question.lang][name == label]
        quoted, after = re.fullmatch(rf'- {name}: [«"](.+?)[»"] (.+)', line).groups()
        assert quoted == option
        assert re.fullmatch(rf".+ {mark}(،|,) .*\b{name}\b.* {verdict}", after), line
    assert sum(line.endswith(VERDICTS[question.lang][True][1]) for line in found.elimination.splitlines()) == 1
    # Survivor, synthesis and answer are one label; the check quotes its option.
    assert re.findall(r"(?<!\w)([أبجدABCD])(?!\w)", found.synthesis.replace("A ", "")) == [label]
    assert found.label == label
    assert found.check.startswith(f"العبارة المدققة: «{gold}». ")
    for part in (text, question.question, *question.options):
        assert unicodedata.is_normalized("NFC", part)
        assert "  " not in part
        assert "ـ" not in part.replace("بـ«", "")
        assert part == part.strip()


@pytest.fixture(scope="session")
def assert_well_formed():
    """A function that checks the form of a record."""
    return _assert_well_formed


@pytest.fixture(scope="session")
def near():
    """A function: (successes, n, chance) -> whether they lie within four standard deviations of what chance gives."""
    return lambda successes, n, chance: abs(successes - n * chance) <= 4 * math.sqrt(n * chance * (1 - chance))
