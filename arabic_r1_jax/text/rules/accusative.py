"""The ا of the indefinite accusative, missing or too many: كان الجو جميل, رأيت رجل, في بيتا.

A masculine singular shows its accusative in writing, so a predicate of كان, an object, an adjective without ا is wrong
where nothing behind it can make it the first part of an idafa.
"""

import functools
import re

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.governors import (
    FEMININE,
    INNA,
    TIME,
    demand,
    ends,
    intransitive,
    is_definite,
    is_preposition,
    phrase_start,
    predicate,
    stem,
    takes_object,
    verb_only,
)
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word, stands_alone

_THINKING = frozenset("وجدت وجدنا وجدته رأيت ظننت حسبت اعتبرت تركت جعلت ظننا حسبنا تركنا".split())
_NOUNLIKE = re.compile("أ.{1,3}|[أن]..ا.")  # أفي, أقوم, أنصاب, نتاج
_GROWING = frozenset("ازداد ازدادت يزداد تزداد امتلأ امتلأت يمتلئ".split())
_FIXED = frozenset(  # words that stand without tanween, or whose end is not theirs: numbers, quantities, names of units
    "كل بعض غير مثل أكثر أقل أول آخر أحد شيء كيلو متر لتر طن رب أي أمس غد يوم كم كثير قليل عدد مزيد عشر جميع "
    "هذا نفس عين "
    "حق واجب ممكن معظم صباح مساء مع قد نحو حول بعد قبل فوق تحت عند بين دون ضد لدى أمام خلف وراء خلال كان حين "
    "ضمن".split()
)


_PEOPLE = frozenset("محمد محمود قيصر فارس خالد ماجد".split())
_NAMES = frozenset("أفقا ناسا فولا بولا كارلا نورا لورا سارا ليما مارا هيرا".split())


@functools.lru_cache(1 << 17)
def _indefinite(word: Word | None, case: str) -> bool:
    """Whether each noun reading of a word is a masculine singular in the case, and the ا of the accusative can show."""
    if (
        word is None
        or word.classes
        or not word.nominals
        or word.bare in _FIXED | _PEOPLE
        or word.bare in lexicon.diptotes()
    ):
        return False
    whole = any(r.listed and not (r.preposition or r.conjunction) for r in word.nominals)
    for r in word.nominals:
        if (whole and (r.preposition or r.conjunction)) or (r.state == "pron" and not case):
            continue
        if case and r.nominal.construct and r.nominal.number == "d":  # the same letters: كتابا المعلم
            continue
        if r.state or r.preposition or r.conjunction or r.nominal.number == "d" or r.nominal.case != case:
            return False
        if (r.nominal.gender == "f" and r.nominal.number == "s") or r.nominal.lemma in TIME:
            return False
        if not case and r.listed and lexicon.accusative(word.bare) not in lexicon.forms():
            return False
    return any(not r.state and not r.preposition for r in word.nominals)


def _adjective(word: Word) -> bool:
    own = [r for r in word.nominals if not r.state]
    return bool(own) and any(r.nominal.adjective for r in own) and not _elative(word)


def _elative(word: Word) -> bool:
    return len(word.bare) <= 4 and word.bare[0] in "أآ"


def _noun(word: Word) -> bool:
    return any(r.listed and not r.nominal.adjective for r in word.nominals)


def _add(clause: Clause, index: int, why: str) -> Hit | None:
    right = lexicon.accusative(clause.words[index].bare)
    return Hit(index, index, right, why) if right else None


def _drop(clause: Clause, index: int, why: str) -> Hit:
    word = clause.words[index].bare
    return Hit(index, index, word[:-2] + "ء" if word.endswith("ئا") else word[:-1], why)


def _may_miss(word: Word) -> bool:
    if not word.arabic or word.marked or (word.bare[-1] in "اةىونيت" and word.bare[-2:] not in {"ين", "ون", "ان"}):
        return False
    if not stands_alone(word.bare):  # the cheapest question first
        return False
    return _indefinite(word, "") and not (re.fullmatch(".ا.", word.bare) and word.slots)


def _missing(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    if index == 0:
        return None
    before, front = clause.words[index - 1], clause.word(index - 2)
    after = clause.word(index + 1)
    if (
        _indefinite(before, "a")
        and _adjective(word)
        and not _noun(word)
        and not word.slots
        and ends(clause, index)
        and not (front and (front.classes & {"kana", "prep"} or front.core in INNA))
    ):
        return _add(clause, index, f"نعت «{before.text}» المنصوب")
    if _adjective(word) and (asked := predicate(clause, index)):
        own = "pronoun" not in before.classes
        if asked.case == "a" and ends(clause, index) and own and before.core not in {"كانوا", "كنا", "كانا"}:
            return _add(clause, index, asked.evidence)
    if not word.nominals:
        return None
    if _adjective(word) and front and front.bare in _THINKING and is_definite(before) and ends(clause, index):
        return _add(clause, index, f"مفعول ثان للفعل «{front.text}»")
    return _object(clause, index, before, front, after)


def _object(clause: Clause, index: int, before: Word, front: Word | None, after: Word | None) -> Hit | None:
    """A noun without ا where an object stands: nothing behind it may be its genitive."""
    word = clause.words[index]
    if not _noun(word):
        return None
    accusative_adjective = _indefinite(after, "a") and _adjective(after)
    verb_behind = after is not None and verb_only(after) and after.bare[0] == "ي"
    bare_adjective = _indefinite(after, "") and _adjective(after) and not _noun(after) and ends(clause, index + 1)
    if bare_adjective and not takes_object(before):
        return None
    if not (bare_adjective or ends(clause, index) or accusative_adjective or verb_behind):
        return None
    if word.slots & slots("ind") or any(r.state for r in word.nominals):
        return None
    if front and front.core in {"إذا", "لما", "كلما", "لا", "ولا"}:
        return None
    if after and after.core == "من" and before.bare[0] in "أن":  # من may be a relative
        return None
    thing = all(r.nominal.number == "s" and not r.nominal.human for r in word.nominals)
    sure = not before.slots & FEMININE or (thing and before.slots & slots("past_1s"))
    if takes_object(before) and sure and not _NOUNLIKE.fullmatch(before.bare):
        return _add(clause, index, f"مفعول به للفعل «{before.text}»")
    human = all(r.nominal.human for r in word.nominals)
    if (
        accusative_adjective
        and not human
        and front
        and (front.slots or takes_object(before))
        and any(r.state and r.nominal.human for r in before.nominals)
        and "kana" not in front.classes
    ):
        return _add(clause, index, f"مفعول به، ونعته «{after.text}» منصوب")
    if before.bare not in _GROWING and front and front.bare in _GROWING and is_definite(before):
        return _add(clause, index, f"تمييز بعد «{front.text}»")
    start = phrase_start(clause, index - 1)
    if 0 < start < index and clause.words[start - 1].core in {"إن", "أن", "لأن", "كأن", "لعل"}:
        return _add(clause, index, f"هو اسم «{clause.words[start - 1].text}» المؤخر")
    return None


def _extra(clause: Clause, index: int) -> Hit | None:
    """An ا where the case is no accusative: behind a preposition, as a subject, as a predicate of إن."""
    word = clause.words[index]
    if index == 0:
        return None
    before = clause.words[index - 1]
    if _noun(word) and "prep" in before.classes and is_preposition(clause, index - 1) and word.bare not in _NAMES:
        return _drop(clause, index, f"قبله «{before.text}» وهي تجر")
    if (
        word.bare in {"رجلا", "ولدا", "طفلا", "صبيا"}
        and index == 1
        and clause.begins_sentence
        and stem(before) in intransitive()
    ) and demand(clause, index, True, True):
        return _drop(clause, index, f"فاعل «{before.text}»")
    if (
        _adjective(word)
        and ends(clause, index)
        and index > 1
        and clause.mark in ".!؟\n"
        and clause.words[index - 2].core in INNA
    ):
        asked = predicate(clause, index)
        if (
            asked
            and asked.case == "n"
            and len(clause.words) <= index + 3
            and not any(w.slots for w in clause.after(index))
        ):
            return _drop(clause, index, asked.evidence)
    return None


_MESSAGE = "الاسم المنصوب المنون تلحقه ألف."
RULES: tuple[Rule, ...] = (
    Rule(
        "case_mood.accusative",
        _MESSAGE,
        _may_miss,
        _missing,
        wrong=(
            "كان الجو {جميل→جميلا} أمس",
            "صار الماء {بارد→باردا}",
            "رأيت {رجل→رجلا} يحمل حقيبة",
            "اشتريت {كوب→كوبا} من الشاي",
            "إن في المدينة {متحف→متحفا} يضم آثارا",
            "وجدت الباب {مفتوح→مفتوحا} حين وصلت",
            "كتب المحامي {تقرير→تقريرا} مفصلا عن القضية",
        ),
        right=(
            "كان الجو جميل المنظر",
            "قرأت كتاب الأدب",
            "رأيت رجلا",
            "كان الرجل الكريم صديقا",
            "إن الجو جميل",
        ),
    ),
    Rule(
        "case_mood.accusative",
        "لا تلحق ألف التنوين إلا الاسم المنصوب.",
        lambda word: len(word.bare) > 3 and not word.marked and stands_alone(word.bare) and _indefinite(word, "a"),
        _extra,
        ends="ا",
        wrong=("سكنا في {بيتا→بيت} من بيوت القرية", "جاء {رجلا→رجل} من القرية", "إن الجو {جميلا→جميل} اليوم"),
        right=("جاء راكبا", "كان الجو جميلا", "من كان مريضا"),
    ),
)
