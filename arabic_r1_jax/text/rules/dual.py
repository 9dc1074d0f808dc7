"""Agreement of a dual with its verb, adjective or pronoun."""

import functools

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import Nominal
from arabic_r1_jax.text.numerals import ORDINALS, gender
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_TENSES = ("past", "ind", "sub", "juss")


def persons(*names: str) -> int:
    """The slots of persons in every tense."""
    return slots(*(f"{tense}_{person}" for tense in _TENSES for person in names))


_DUALS = {"m": persons("3md"), "f": persons("3fd")}
ONE = persons("3ms", "3fs")
_NO_DUALS = frozenset(
    "ربان ريحان قرصان عيدان جرمان مرجان نيران جيران جدران فرسان شبان بلدان خلان وديان عربان كتان ضمان زمان سنان دوران "
    "حرمان وجدان فقدان حملان ذكران قضبان غلمان صبيان عميان سريان عدوان رهبان شكران دخان ثيران سودان لحمان حيتان".split()
)
_INNA = frozenset({"إن", "أن", "لكن", "كأن", "لعل", "ليت"})
_IRREGULAR = ("الأخوان", "الأبوان")
IMPERSONAL = frozenset("يجب يمكن ينبغي يجوز يوجد توجد يكفي كان كانت ليس ليست يبدو يلزم يستحسن".split())


def _dual(word: Word | None, states: tuple[str, ...] = ("", "al", "pron"), either: str = "") -> str:
    """The gender of a noun whose every reading is a dual, `either` if it is not certain; "" for no dual."""
    if word and word.bare.removeprefix("و") in _IRREGULAR and "al" in states:
        return "m"
    if word and any(bare.removeprefix("ال") in _NO_DUALS for bare in (word.bare, word.bare.removeprefix("و"))):
        return ""
    if not word or word.classes or word.verbs or not word.nominals:
        return ""
    readings = [r for r in word.nominals if not r.nominal.construct]
    readings = [r for r in readings if r.listed] or readings
    if any(len(r.nominal.lemma) < 3 for r in readings):
        return ""
    if not readings or any(r.nominal.number != "d" or r.state not in states for r in readings):
        return ""
    return gender([r.nominal for r in readings if not r.nominal.adjective]) or _shape(word) or either


def _shape(word: Word) -> str:
    return "f" if word.bare[-3:] in ("تان", "تين") and all(r.nominal.gender == "f" for r in word.nominals) else ""


def refers(clause: Clause, index: int, pronouns: tuple[str, ...]) -> bool:
    """Whether a later word has a pronoun that points back."""
    return any(word.bare.endswith(pronouns) for word in clause.words[index:])


def _dual_of(spelling: str, which: str) -> str | None:
    """The dual third person of a verb, as spelled; None if it is not in the verb table."""
    table = verb_forms.load()
    stem = spelling
    for ending in ("ون", "ان", "وا", "ين", "ت", "ن"):
        if spelling.endswith(ending) and len(spelling) > len(ending) + 2:
            stem = spelling.removesuffix(ending)
            break
    heads = {spelling[:1]: spelling[:1]}
    if spelling[:1] in "يت" and not table.get(spelling, 0) & slots("past"):
        heads = {"m": "ي", "f": "ت"}
    stems = dict.fromkeys((stem, spelling))
    weak = [s[:-1] + "ي" if s[-1] in "ىا" else s + "ي" for s in stems] + [s[:-1] + "و" for s in stems if s[-1] == "ا"]
    for base in (*stems, *weak):
        for ending in ("ان", "ا", "تا"):
            form = base + ending
            if spelling[:1] in "يت" and which in heads and table.get(heads[which] + form[1:], 0) & _DUALS[which]:
                return heads[which] + form[1:]
            if table.get(form, 0) & _DUALS[which] and (ending != "ان" or form[0] in "يت"):
                return form
    return None


def _whole(verb: Word) -> int:
    """The slots of a verb, without those of a rest behind و where the whole is a verb (وصلوا, not و and صلوا)."""
    whole = [v.slots for v in verb.verbs if not v.conjunction]
    return functools.reduce(int.__or__, whole, 0) or verb.slots


def _described(word: Word | None) -> bool:
    """Whether a word is an adjective in the dual, with the article (الصناعيان)."""
    return bool(word and word.bare[-2:] == "ان" and word.nominals) and all(
        one.nominal.adjective and one.nominal.number == "d" and one.state == "al" for one in word.nominals
    )


def _dual_verb(clause: Clause, index: int) -> Hit | None:
    """A dual in front of a verb that is not dual."""
    noun, place = clause.word(index), index + 1
    which = _dual(noun, ("al", "pron"))
    if which and _described(clause.word(place)) and noun.bare[-2:] == "ان":
        place += 1
    verb = clause.word(place)
    inna = index > 0 and clause.word(index - 1).bare.lstrip("وف") in _INNA
    oblique = noun.bare[-2:] == "ين"
    if oblique and not (inna and any(r.nominal.human for r in noun.nominals) and not (verb and verb.slots & ONE)):
        return None
    if not which or not verb or verb.nominals or verb.classes or not verb.verbs:
        return None
    if any(v.pronoun for v in verb.verbs) or _whole(verb) & _DUALS[which]:
        return None
    if not verb.slots & persons("3ms", "3fs", "3mp", "3fp", "3md", "3fd"):
        return None
    if verb.slots & ONE and (
        (index > 0 and not inna) or verb.bare in IMPERSONAL or refers(clause, place + 1, ("هما",))
    ):
        return None
    if verb.bare[-1] == "ا" and verb.bare[-2] != "و" and index > 0:
        return None  # it may be a noun in the accusative
    prefix = verb.verbs[0].conjunction + ("س" if verb.verbs[0].future else "")
    form = _dual_of(verb.bare.removeprefix(prefix), which)
    between = "".join(f"{word.text} " for word in clause.words[index:place])
    right = f"{between}{prefix}{form}" if form else None
    return Hit(index, place, right, f"«{noun.text}» مثنى " + {"m": "مذكر", "f": "مؤنث"}[which])


def _dual_adjective(clause: Clause, index: int) -> Hit | None:
    """A dual in front of an adjective that is not dual."""
    noun, adjective = clause.word(index), clause.word(index + 1)
    which = _dual(noun)
    if not which or not adjective or adjective.slots or adjective.classes or not adjective.nominals:
        return None
    if any(
        not r.nominal.adjective or r.nominal.number == "d" or r.conjunction or r.preposition for r in adjective.nominals
    ):
        return None
    definite = {bool(r.state) for r in adjective.nominals}
    if any(r.nominal.case == "a" or r.state == "pron" for r in adjective.nominals) or len(definite) > 1:
        return None
    if adjective.bare in ORDINALS:
        return None
    if all(r.nominal.number == "s" for r in adjective.nominals):
        if any(word.bare[:1] == "و" for word in clause.words[index + 2 : index + 6]) or refers(
            clause, index + 2, ("هما",)
        ):
            return None  # «اللغتين العربية والفرنسية»
    elif not any(r.nominal.human for r in noun.nominals):
        return None
    noun_definite = {bool(r.state) for r in noun.nominals if not r.nominal.construct}
    if noun.bare[-2:] == "ين" and noun_definite != definite:
        return None
    if noun_definite == {False} and definite == {True}:
        return None
    if any(r.nominal.lemma[:1] == "أ" for r in adjective.nominals):
        return None  # أفعل has no dual without the article
    one = adjective.nominals[0].nominal
    case = noun.bare[-2:]
    right = _adjective(one, which, case)
    right = right and ("ال" if definite == {True} else "") + right
    return Hit(index, index + 1, right and f"{noun.text} {right}", f"«{noun.text}» مثنى")


def _adjective(one: Nominal, which: str, ending: str) -> str | None:
    base = one.lemma if which == "m" else one.lemma + "ة"
    form = (base[:-1] + "ت" if base[-1] == "ة" else base) + ending
    found = lexicon.forms().get(form, ())
    if any(n.number == "d" and n.gender == which for n in found) or not lexicon.forms().get(one.lemma):
        return form
    return None


def _dual_pronoun(clause: Clause, index: int) -> Hit | None:
    """«الزوجان هم»."""
    noun, pronoun = clause.word(index), clause.word(index + 1)
    if not _dual(noun, ("al", "pron"), "b") or not pronoun or pronoun.bare not in ("هم", "هن", "هو", "هي"):
        return None
    return Hit(index, index + 1, f"{noun.text} هما", f"«{noun.text}» مثنى")


_DUAL = "agreement.dual"

RULES: tuple[Rule, ...] = (
    Rule(
        _DUAL,
        "الفعل بعد المثنى يكون بألف الاثنين.",
        lambda word: word.bare[-2:] in ("ان", "ين") and len(word.bare) > 5 and bool(_dual(word, ("al", "pron"))),
        _dual_verb,
        ends="ن",
        wrong=(
            "{الولدان لعبوا→الولدان لعبا} الكرة",
            "{الطالبتان يدرسون→الطالبتان تدرسان} الطب",
            "{الطالبتان يدرسان→الطالبتان تدرسان} الطب",
            "{القمران الصناعيان دخلت→القمران الصناعيان دخلا} المدار",
            "إن {الولدين يلعبون→الولدين يلعبان} هنا",
            "جاء {الأخوان وجلسوا→الأخوان وجلسا} قرب الموقد",
        ),
        right=("الولدان لعبا", "الطالبتان كتبتا", "الولدان تحب أمهما الشعر"),
    ),
    Rule(
        _DUAL,
        "صفة المثنى وخبره مثنى مثله.",
        lambda word: word.bare[-2:] in ("ان", "ين") and len(word.bare) > 4 and bool(_dual(word)),
        _dual_adjective,
        ends="ن",
        wrong=("قرأت {كتابين جديد→كتابين جديدين}", "{الوالدان فخورون→الوالدان فخوران} بابنتهما"),
        right=("اللغتين العربية والفرنسية", "كتابان جديدان", "الولدان كريم أبوهما"),
        confidence=0.85,
    ),
    Rule(
        _DUAL,
        "ضمير المثنى «هما».",
        lambda word: word.bare[-2:] == "ان" and len(word.bare) > 4,
        _dual_pronoun,
        ends="ن",
        wrong=("{الزوجان هم→الزوجان هما} من سكان الحي",),
        right=("الزوجان هما من سكان الحي", "السكان هم أصحاب الأرض"),
    ),
)
