"""Hundreds and thousands with what they count, and the units that count hundreds."""

from arabic_r1_jax.text import verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.numerals import MAGNITUDES, TIMES, nouns_first, numeral, other_gender, plain, singular, table
from arabic_r1_jax.text.rules.numbers import KIND, PREPOSITIONS, seen
from arabic_r1_jax.text.verb_forms import slots

_HUNDREDS = frozenset(
    [
        *(f"{t}{h}" for t in "ثلاث أربع خمس ست سبع ثمان ثماني تسع".split() for h in ("مئة", "مائة")),
        *"مئة مائة مئتا مئتي مائتا مائتي مليون مليونا مليار".split(),
    ]
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
    if word.bare.endswith("آلاف"):
        return bool(numeral(before))
    if word.bare.startswith(("ب", "ل", "وب", "ول")):
        return True
    if not before:
        return False
    certain = any(w.verbs and not w.nominals and not w.classes for w in clause.words[:index])
    return before.core in PREPOSITIONS or bool(numeral(before)) or certain


def _hundreds_unit(clause: Clause, index: int) -> Hit | None:
    """«ثلاثة مئة»: a hundred is feminine."""
    one, hundred = numeral(clause.word(index)), clause.word(index + 1)
    if not hundred or hundred.bare not in ("مئة", "مائة") or not 2 < one.value < 10 or one.gender == "f":
        return None
    return Hit(index, index + 1, f"{other_gender(one)} {hundred.text}", seen(hundred, "f"))


RULES: tuple[Rule, ...] = (
    Rule(
        KIND,
        "المعدود بعد المئة والألف مفرد مجرور.",
        frozenset(_PREFIXED),
        _hundred,
        wrong=("تبرع الرجل {بمئة حواسيب→بمئة حاسوب}", "يسكن القرية {ألف أشخاص→ألف شخص}"),
        right=("مئة كتاب", "ألف الرجل كتبا كثيرة", "ألف كتبا كثيرة"),
        confidence=0.85,
    ),
    Rule(
        KIND,
        "المئة مؤنثة، فيذكر معها العدد.",
        frozenset(word for word, numeral in table().items() if 2 < numeral.value < 10),
        _hundreds_unit,
        wrong=("دفع {ثلاثة مئة→ثلاث مئة} دينار",),
        right=("دفع ثلاث مئة دينار",),
    ),
)
