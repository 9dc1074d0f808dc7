"""Idafa where letters show it: the ن of duals and sound plurals that goes, and ال that its first noun never has."""

import re

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import long_with_article
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.dual_plural import ENDING, is_plain, readings, shown_case
from arabic_r1_jax.text.rules.governors import (
    FEMININE,
    TIME,
    demand,
    is_definite,
    is_preposition,
)
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_NO_ORDER = slots("past", "ind", "sub", "juss")


def _kept(clause: Clause, index: int) -> Hit | None:
    """The ن of معلمون kept in front of the definite noun that it belongs to."""
    word, after = clause.words[index], clause.word(index + 1)
    case = shown_case(word)
    if (
        not after
        or not case
        or word.slots & _NO_ORDER  # لاعبين may be an order to women, as no writer means it
        or not is_plain(word)
        or any(r.state or not r.listed for r in readings(word))
    ):
        return None
    if any(r.nominal.lemma in TIME for r in word.nominals) or all(r.nominal.adjective for r in word.nominals):
        return None
    if after.classes or after.slots or not after.nominals:
        return None
    if any(r.state != "al" or r.nominal.adjective or r.preposition or not r.listed for r in after.nominals):
        return None
    before = clause.word(index - 1)
    if not _stands(clause, index, case, before):
        return None
    right = word.bare[:-1]
    return Hit(index, index, right, f"هو مضاف إلى «{after.text}»، ونون المثنى والجمع تحذف للإضافة")


_PLAIN_VERBS = frozenset(
    "حضر وصل جاء احتج اجتمع تظاهر اعتصم أضرب انكسر ضاع سقط انهار اختفى ظهر عاد رجع سافر ذهب مات جلس وقف نام استيقظ "
    "فرح غضب اشتكى تجمع توافد انسحب استقال تقاعد نزل صعد هرب تخرج انتقل هاجر تأهل فاز تنافس تشاجر اختلف اتفق تعاون "
    "احتفل انضم انطلق تحطم احترق غرق انفجر تصدع تطوع تبرع انتصر تسلل تراجع تساقط انحنى تعطل توقف ازدحم".split()
)


def _without_object(verb: Word) -> bool:
    """A past, third person singular, that takes no object: a noun behind its subject is the subject's genitive."""
    bare = verb.bare[1:] if verb.bare[:1] in "وف" and verb.bare[1:] in _PLAIN_VERBS else verb.bare
    return bare in _PLAIN_VERBS or (bare[-1] == "ت" and {bare[:-1], bare[:-1] + "ى"} & _PLAIN_VERBS != set())


def _stands(clause: Clause, index: int, case: str, before: Word | None) -> bool:
    """Whether a noun with ن stands where the next noun can only be its genitive."""
    word = clause.words[index]
    if case == "n":
        return (before is None and clause.begins_sentence) or bool(before and _without_object(before))
    active = re.fullmatch(".ا..", word.nominals[0].nominal.lemma)
    if is_preposition(clause, index - 1, True):
        return True
    front = clause.word(index - 2)
    subject = index == 2 and is_definite(before) and front.slots
    return not active and subject and all(r.nominal.human for r in before.nominals)


def _article(clause: Clause, index: int) -> Hit | None:
    """أضعت المفتاح السيارة: ال on a thing that a thing behind it owns."""
    word, after, before = clause.words[index], clause.word(index + 1), clause.word(index - 1)
    if not after or not before or index != 1:
        return None
    asked = demand(clause, index, False)
    if not asked or not asked.verb or asked.case != "a" or before.slots & FEMININE:
        return None
    for one in (word, after):
        if one.classes or not one.nominals or one.slots:
            return None
        for r in one.nominals:
            n = r.nominal
            if r.state != "al" or r.preposition or r.conjunction or not r.listed or n.adjective or n.human:
                return None
            if n.lemma in TIME or n.number != "s":
                return None
    return Hit(index, index, word.bare[2:], f"هو مضاف إلى «{after.text}»، والمضاف لا تدخله أل")


RULES: tuple[Rule, ...] = (
    Rule(
        "case_mood.idafa",
        "نون المثنى وجمع المذكر السالم تحذف إذا أضيف إلى ما بعده.",
        lambda word: bool(ENDING.fullmatch(word.bare) and shown_case(word)),
        _kept,
        ends="ن",
        wrong=(
            "{معلمون→معلمو} المدرسة يحضرون الحفل",
            "تحدثت مع {مراسلين→مراسلي} القناة",
            "اعتصم {موظفون→موظفو} الشركة أمام المبنى",
            "طلب المدرب من {لاعبين→لاعبي} الفريق الصبر",
        ),
        right=("معلمون كثيرون يحضرون الحفل", "خرجوا قاصدين المدينة"),
    ),
    Rule(
        "case_mood.idafa",
        "المضاف إلى معرفة لا تدخله أل.",
        long_with_article,
        _article,
        starts="ا",
        wrong=("أضعت {المفتاح→مفتاح} السيارة قرب النادي",),
        right=("أعطيت الولد الكتاب", "زرت المدينة القديمة"),
    ),
)
