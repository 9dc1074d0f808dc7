"""The grammar rules of the curriculum: one `Family` each, as tables of sentences with the step and the form they need.

A family draws a question (a sentence with a blank), four options that differ in one visible feature (the ending, or for
English the word), the step from the sentence to the feature it requires, and that feature. Used by `curriculum`, which
writes records from it. To add a rule, add its tables, its draw, and a row of `FAMILIES`.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from arabic_r1_jax.distill.words import ADJECTIVES, PREDICATES, Lexicon

BLANK = "____"


class Option(NamedTuple):
    """An option's text and the one feature in which it differs from the others."""

    text: str
    feature: str


class Family(NamedTuple):
    """One rule: how an item is drawn, what it needs to know, the rule it checks, and every step it may take."""

    draw: Callable[[random.Random, Lexicon], tuple[str, tuple[Option, ...], str, str]]
    lang: str
    opening: str  # of every question
    knowledge: str
    rule: str
    steps: tuple[str, ...]


def _forms(stem: str, endings: tuple[str, ...]) -> tuple[Option, ...]:
    return tuple(Option(stem + ending, ending) for ending in endings)


# The syntactic place of the blank -> sentences with that place, and the step that names its case.
_MEN = ("المدير", "الرجل", "الوزير", "الشيخ", "القاضي", "الأب", "الطبيب", "الأمير")
_TIMES = ("أمس", "اليوم", "صباحًا", "مساءً", "قبل قليل", "بعد الظهر")
_PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "subject": (tuple(f"{verb} {BLANK}" for verb in ("حضر", "وصل", "خرج", "عاد", "جلس", "ظهر")),
                "الفراغ فاعل، وحكمه الرفع"),
    # The man is marked as the subject (القاضي cannot be): bare, he could be the object, and the blank a late subject.
    "object": (tuple(f"{verb} {man}ُ {BLANK}" for verb in ("رأى", "شكر", "زار", "قابل", "انتظر", "ساعد")
                     for man in _MEN if man != "القاضي"),
               "الفراغ مفعول به، وحكمه النصب"),
    "preposition": (tuple(f"{verb} {man} {particle} {BLANK}" for man in _MEN for verb, particle in
                          (("نظر", "إلى"), ("سلّم", "على"), ("اقترب", "من"), ("تحدث", "عن"))),
                    "الفراغ اسم مجرور، وحكمه الجر"),
}  # fmt: skip
_NOMINATIVE = _PLACES["subject"][1]


def _in_place(rng: random.Random, nominative: str, other: str) -> tuple[str, str, str]:
    place = rng.choice(("subject", "subject", "object", "preposition"))
    sentences, step = _PLACES[place]
    return f"{rng.choice(sentences)} {rng.choice(_TIMES)}.", step, nominative if step == _NOMINATIVE else other


def _sound_plural(rng: random.Random, words: Lexicon) -> tuple[str, tuple[Option, ...], str, str]:
    noun = rng.choice(words.people)
    sentence, step, required = _in_place(rng, "ون", "ين")
    return f"«{noun}»: {sentence}", _forms(f"ال{noun}", ("ون", "ين", "ان", "ات")), step, required


def _dual(rng: random.Random, words: Lexicon) -> tuple[str, tuple[Option, ...], str, str]:
    noun = rng.choice(words.people)
    sentence, step, required = _in_place(rng, "ان", "ين")
    return f"«{noun}»: {sentence}", _forms(f"ال{noun}", ("ان", "ين", "ون", "ات")), step, required


_UNITS = ("ثلاث", "أربع", "خمس", "ست", "سبع", "ثماني", "تسع")
_TENS = ("عشرون", "ثلاثون", "أربعون", "خمسون", "ستون", "سبعون", "ثمانون", "تسعون")
_COUNTS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (tuple(f"{unit} {BLANK}" for unit in (*_UNITS, "عشر")), "العدد بين ثلاثة وعشرة، وتمييزه جمع مجرور", "ات"),
    (tuple(f"{number} {BLANK}" for number in (*_TENS, "إحدى عشرة", "اثنتا عشرة", *(f"{unit} عشرة" for unit in _UNITS))),
     "العدد بين أحد عشر وتسعة وتسعين، وتمييزه مفرد منصوب", "ةً"),
    (tuple(f"{number} {BLANK}" for number in ("مئة", "مئتا", "ألف", "ألفا", "مليون")),
     "العدد مئة أو ألف أو مليون، وتمييزه مفرد مجرور", "ةٍ"),
    (tuple(f"{BLANK} {number}" for number in ("اثنتان", "اثنتان فقط", "اثنتان لا غير")),
     "العدد اثنان، والمعدود قبله مثنى مرفوع", "تان"),
)  # fmt: skip
_WHERE = ("في المدينة", "في القرية", "في الصورة", "في القائمة", "لدينا", "عندنا", "هنا", "هناك")


def _counted(rng: random.Random, words: Lexicon) -> tuple[str, tuple[Option, ...], str, str]:
    stem = rng.choice(words.things).removesuffix("ة")
    numbers, step, required = rng.choice(_COUNTS)
    question = f"{rng.choice(_WHERE)} {rng.choice(numbers)}."
    return question, _forms(stem, ("ات", "ةً", "ةٍ", "تان")), step, required


_AGREEMENT = {
    "ة": "المنعوت مفرد مؤنث، والنعت يتبعه",
    "ان": "المنعوت مثنى مذكر، والنعت يتبعه",
    "تان": "المنعوت مثنى مؤنث، والنعت يتبعه",
    "ون": "المنعوت جمع مذكر سالم، والنعت يتبعه",
    "ات": "المنعوت جمع مؤنث سالم، والنعت يتبعه",
}


def _adjective(rng: random.Random, words: Lexicon) -> tuple[str, tuple[Option, ...], str, str]:
    required = rng.choice(tuple(_AGREEMENT))
    noun = rng.choice(words.things).removesuffix("ة") if required in ("ة", "تان") else rng.choice(words.people)
    # A plural in ات may name things (محاضرات، غواصات), and then a singular in ة would be right too.
    wrong = [ending for ending in _AGREEMENT if ending != required and (required, ending) != ("ات", "ة")]
    others = sorted(rng.sample(wrong, 3))
    question = f"{rng.choice(_WHERE)} {noun}{required} {BLANK}."
    return question, _forms(rng.choice(ADJECTIVES), (required, *others)), _AGREEMENT[required], required


_INNA = ("إنّ", "لعلّ", "ليت", "كأنّ")
_KANA = ("كان", "أصبح", "ظل", "صار", "أمسى")
_GOVERNORS: tuple[tuple[tuple[str, ...], str, str, str, str], ...] = (
    # particles, step for the noun, its ending, step for the predicate, its ending
    (_INNA, "الحرف الناسخ ينصب اسمه، والفراغ اسمه", "ين", "الحرف الناسخ يرفع خبره، والفراغ خبره", "ون"),
    (_KANA, "الفعل الناسخ يرفع اسمه، والفراغ اسمه", "ون", "الفعل الناسخ ينصب خبره، والفراغ خبره", "ين"),
    (("اليوم", "الآن", "حقًا"), "لا ناسخ في الجملة، والفراغ مبتدأ مرفوع", "ون",
     "لا ناسخ في الجملة، والفراغ خبر مرفوع", "ون"),
)  # fmt: skip


def _governed(rng: random.Random, words: Lexicon) -> tuple[str, tuple[Option, ...], str, str]:
    noun, predicate = f"ال{rng.choice(words.people)}", rng.choice(PREDICATES)
    particles, noun_step, noun_ending, predicate_step, predicate_ending = rng.choices(_GOVERNORS, (4, 4, 1))[
        0
    ]  # else ون would be right too often
    if rng.random() < 0.5:
        sentence, stem, step, required = f"{BLANK} {predicate}{predicate_ending}", noun, noun_step, noun_ending
    else:
        sentence, stem, step, required = f"{noun}{noun_ending} {BLANK}", predicate, predicate_step, predicate_ending
    return f"{rng.choice(particles)} {sentence}.", _forms(stem, ("ون", "ين", "ان", "ات")), step, required


_PERSONS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("أنتم", ("",), "المخاطبون جمع، والفعل مرفوع", "ون"),
    ("أنتم", ("لم ", "لن "), "المخاطبون جمع، والفعل مجزوم أو منصوب", "وا"),
    ("أنتما", ("",), "المخاطبان مثنى، والفعل مرفوع", "ان"),
    ("أنتِ", ("",), "المخاطبة مفردة، والفعل مرفوع", "ين"),
)
_SCENES = ("في البيت", "في المدرسة", "في الحديقة", "في القرية", "في السوق", "في المكتب", "مع الأصدقاء", "مع الضيوف")


def _five_verbs(rng: random.Random, words: Lexicon) -> tuple[str, tuple[Option, ...], str, str]:
    pronoun, particles, step, required = rng.choice(_PERSONS)
    question = f"{pronoun} {rng.choice(particles)}{BLANK} {rng.choice(_SCENES)}."
    return question, _forms(f"ت{rng.choice(words.verbs)}", ("ون", "وا", "ان", "ين")), step, required


_VERB_FORMS = {(False, False): "is", (True, False): "are", (False, True): "was", (True, True): "were"}
_PLACES_EN = ("here", "there", "outside", "inside", "in the picture", "on the list", "near the wall", "at home")
_WHEN = {False: ("now", "these days"), True: ("yesterday", "last week", "last year", "long ago")}


def _agreement_step(plural: bool, past: bool) -> str:
    return f"The subject is {'plural' if plural else 'singular'} and the time is {'past' if past else 'present'}"


def _english_verb(rng: random.Random, words: Lexicon) -> tuple[str, tuple[Option, ...], str, str]:
    plural, past = rng.random() < 0.5, rng.random() < 0.5
    noun = rng.choice(words.english) + "s" * plural
    place = rng.choice(_PLACES_EN)
    options = tuple(Option(form, form) for form in _VERB_FORMS.values())
    question = f"The {noun} {BLANK} {place} {rng.choice(_WHEN[past])}."
    return question, options, _agreement_step(plural, past), _VERB_FORMS[plural, past]


FAMILIES: dict[str, Family] = {
    "sound_plural": Family(
        _sound_plural, "ar", "اختر جمع المذكر السالم من ", "إعراب جمع المذكر السالم",
        "يرفع جمع المذكر السالم بالواو وينصب ويجر بالياء، فالعبارة سليمة.",
        tuple(step for _, step in _PLACES.values())),
    "dual": Family(
        _dual, "ar", "اختر المثنى من ", "إعراب المثنى", "يرفع المثنى بالألف وينصب ويجر بالياء، فالعبارة سليمة.",
        tuple(step for _, step in _PLACES.values())),
    "counted": Family(
        _counted, "ar", "اختر المعدود المناسب: ", "العدد والمعدود",
        "تمييز الثلاثة إلى العشرة جمع مجرور، والأحد عشر إلى التسعة والتسعين مفرد منصوب، والمئة والألف والمليون مفرد "
        "مجرور، والاثنان يوافقان ما قبلهما، فالعبارة سليمة.",
        tuple(step for _, step, _ in _COUNTS)),
    "adjective": Family(
        _adjective, "ar", "اختر النعت المناسب: ", "مطابقة النعت للمنعوت",
        "يتبع النعت منعوته في النوع والعدد والإعراب، فالعبارة سليمة.",
        tuple(_AGREEMENT.values())),
    "governed": Family(
        _governed, "ar", "اختر جمع المذكر السالم المناسب: ", "عمل النواسخ",
        "إنّ وأخواتها تنصب الاسم وترفع الخبر، وكان وأخواتها ترفع الاسم وتنصب الخبر، فالعبارة سليمة.",
        tuple(step for governor in _GOVERNORS for step in (governor[1], governor[3]))),
    "five_verbs": Family(
        _five_verbs, "ar", "اختر الفعل المناسب: ", "إعراب الأفعال الخمسة",
        "ترفع الأفعال الخمسة بثبوت النون وتنصب وتجزم بحذفها، فالعبارة سليمة.",
        tuple(step for _, _, step, _ in _PERSONS)),
    "english_verb": Family(
        _english_verb, "en", "Choose the verb: ", "subject-verb agreement",
        "The verb agrees with its subject in number and tense.",
        tuple(_agreement_step(plural, past) for plural in (False, True) for past in (False, True))),
}  # fmt: skip


# Every feature that an option can have.
FEATURES = ("ون", "ين", "ان", "ات", "وا", "تان", "ةً", "ةٍ", "ة", *_VERB_FORMS.values())

# The texts around the blanks, whose words training and evaluation share.
CONTEXT = (
    *(sentence for sentences, _ in _PLACES.values() for sentence in sentences), *_TIMES, *_WHERE, *_SCENES,
    *(number for numbers, _, _ in _COUNTS for number in numbers), *(word for row in _GOVERNORS for word in row[0]),
    *(word for pronoun, particles, _, _ in _PERSONS for word in (pronoun, *particles)), *ADJECTIVES, *PREDICATES,
    *_PLACES_EN, *(time for times in _WHEN.values() for time in times), "The",
)  # fmt: skip
