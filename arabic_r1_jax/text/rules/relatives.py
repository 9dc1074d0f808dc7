"""Agreement of relatives with the noun in front of them, and of the verb behind الذين."""

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import (
    accepted,
    named,
    of_a_group,
    values,
    verb,
)
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import with_conjunctions
from arabic_r1_jax.text.rules.antecedents import heads, may_be
from arabic_r1_jax.text.verb_forms import slots

# relative: the values of nouns that it fits, case
_RELATIVES = {
    "الذي": ({"ms"}, ""),
    "التي": ({"fs", "things"}, ""),
    "اللذان": ({"md"}, "n"),
    "اللذين": ({"md"}, "o"),
    "اللتان": ({"fd"}, "n"),
    "اللتين": ({"fd"}, "o"),
    "الذين": ({"mp"}, ""),
    "اللواتي": ({"fp", "things"}, ""),
    "اللاتي": ({"fp", "things"}, ""),
    "اللائي": ({"fp", "things"}, ""),
}


def _relative(clause: Clause, index: int) -> Hit | None:
    word = clause.word(index)
    if index == 0 or word.conjunction:
        return None
    fits, _ = _RELATIVES[word.core]
    noun = clause.word(index - 1)
    chain = heads(clause, index - 1)
    if chain is None:
        return None
    place, readings = chain[0]
    wanted = values(readings)
    if word.core == "الذين" and any(one.state == "pron" for one in readings):
        return None
    if accepted(readings) & fits or any(may_be(one, fits) for _, one in chain[1:]):
        return None
    if any(of_a_group(one) for _, one in chain) or (place and any(reading.conjunction for reading in readings)):
        return None
    shown = next((reading.nominal.case for reading in readings if reading.nominal.case), "")
    value = next(value for value in ("ms", "fs", "things", "mp", "fp", "md", "fd") if value in wanted)
    right = next(one for one, (fit, case) in _RELATIVES.items() if value in fit and case in ("", shown or "o"))
    if value == "fp":
        right = "اللواتي"
    return Hit(index - 1, index, f"{noun.text} {right}", named(clause.word(place), wanted))


def _relative_of_indefinite(clause: Clause, index: int) -> Hit | None:
    """كتابا الذي أعجبني: no relative stands behind a noun with tanween."""
    noun = clause.word(index - 1)
    if not index or clause.word(index).conjunction or noun.classes or noun.slots:
        return None
    readings = [one for one in noun.nominals if one.listed and not one.nominal.construct]
    if not readings or not all(one.nominal.case == "a" and not one.nominal.adjective for one in readings):
        return None
    return Hit(index - 1, index, noun.text, f"«{noun.text}» نكرة")


_IMPERSONAL = ("يجب", "يمكن", "ينبغي", "يجوز", "يحق", "يبدو", "يقال", "قيل", "سبق", "تم", "يتم")


def _verb_of_those(clause: Clause, index: int) -> Hit | None:
    """الذين نجح في الامتحان: nothing but the relative can be the verb's subject."""
    word, after = clause.word(index + 1), clause.word(index + 2)
    if not word or word.classes or not word.slots & slots("past_3ms", "ind_3ms") or word.bare in _IMPERSONAL:
        return None
    if any(one.listed or not one.conjunction for one in word.nominals) or any(one.pronoun for one in word.verbs):
        return None
    if after and not after.classes & {"prep"}:
        return None
    if any(one.bare.endswith(("هم", "م")) and len(one.bare) > 2 for one in clause.after(index + 1)):
        return None
    right = verb(word.bare, "3mp")
    return right and Hit(index, index + 1, f"{clause.word(index).text} {right}", "«الذين» جمع مذكر")


RULES: tuple[Rule, ...] = (
    Rule(
        "agreement.relative",
        "الاسم الموصول لا يطابق الاسم الذي قبله في التذكير والتأنيث أو العدد.",
        with_conjunctions(_RELATIVES),
        _relative,
        wrong=(
            "{المدرسة الذي→المدرسة التي} درست فيها قريبة",
            "هذا هو {الرجل التي→الرجل الذي} ساعدني",
            "{الكتب الذين→الكتب التي} اشتريتها مفيدة",
            "{المعلمات الذين→المعلمات اللواتي} يدرسن في القرية",
            "مررت {بالطالبة الذي→بالطالبة التي} نجحت",
        ),
        right=(
            "مدير المدرسة الذي سافر",
            "الرجل من القرية الذي جاء",
            "القوم الذين جاؤوا",
            "الطالبات اللواتي نجحن",
            "باب هذه المدرسة الذي كسر",
            "الأب والأم اللذان حضرا",
            "الكتب والدفاتر التي اشتراها",
            "كتاب اللغة العربية الذي ضاع",
        ),
        confidence=0.9,
    ),
    Rule(
        "agreement.relative",
        "لا يأتي الاسم الموصول بعد نكرة.",
        frozenset(_RELATIVES),
        _relative_of_indefinite,
        wrong=("قرأت {كتابا الذي→كتابا} أعجبني",),
        right=("قرأت الكتاب الذي أعجبني", "قرأت كتابا أعجبني"),
        confidence=0.85,
    ),
    Rule(
        "agreement.verb",
        "الفعل بعد «الذين» يكون للجمع إذا كان الضمير فاعله.",
        with_conjunctions(("الذين",)),
        _verb_of_those,
        wrong=("هنأ المدير الطلاب {الذين اجتهد→الذين اجتهدوا} في الدراسة",),
        right=("الذين حضر أبوهم", "الذين اجتهد في تعليمهم", "الذين يجب عليهم الحضور", "الذين نجحوا في الامتحان"),
        confidence=0.8,
    ),
)
