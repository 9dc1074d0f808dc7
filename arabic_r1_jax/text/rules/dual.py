"""Agreement of a dual with its verb, adjective or pronoun; of a pronoun with its verb or predicate."""

import functools

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Pattern, Rule
from arabic_r1_jax.text.lexicon import Nominal
from arabic_r1_jax.text.numerals import TIMES, gender
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import FINITE, Word

PATTERNS: tuple[Pattern, ...] = ()

_TENSES = ("past", "ind", "sub", "juss")


def _slots(*persons: str) -> int:
    return slots(*(f"{tense}_{person}" for tense in _TENSES for person in persons))


_DUALS = {"m": _slots("3md"), "f": _slots("3fd")}
_ONE = _slots("3ms", "3fs")
_NO_DUALS = frozenset(
    "ربان ريحان قرصان عيدان جرمان مرجان نيران جيران جدران فرسان شبان بلدان خلان وديان عربان كتان ضمان زمان سنان دوران "
    "حرمان وجدان فقدان حملان ذكران قضبان غلمان صبيان عميان سريان عدوان رهبان شكران دخان ثيران سودان لحمان حيتان".split()
)
_ORDINALS = frozenset(
    "الأول الثاني الثالث الرابع الخامس السادس السابع الثامن التاسع العاشر الحادي الأولى الثانية الثالثة الرابعة "
    "الخامسة السادسة السابعة الثامنة التاسعة العاشرة الحادية".split()
)
_IRREGULAR = ("الأخوان", "الأبوان")
_IMPERSONAL = frozenset("يجب يمكن ينبغي يجوز يوجد توجد يكفي كان كانت ليس ليست يبدو يلزم يستحسن".split())


def _dual(word: Word | None, states: tuple[str, ...] = ("", "al", "pron")) -> str:
    """The gender of a noun whose every reading is a dual; "" otherwise."""
    if word and word.bare.removeprefix("و") in _IRREGULAR and "al" in states:
        return "m"
    if word and word.bare.removeprefix("و").removeprefix("ال") in _NO_DUALS:
        return ""
    if not word or word.classes or word.verbs or not word.nominals:
        return ""
    readings = [r for r in word.nominals if not r.nominal.construct]
    readings = [r for r in readings if r.listed] or readings
    if not readings or any(r.nominal.number != "d" or r.state not in states for r in readings):
        return ""
    return gender([r.nominal for r in readings if not r.nominal.adjective]) or _shape(word)


def _shape(word: Word) -> str:
    return "f" if word.bare[-3:] in ("تان", "تين") and all(r.nominal.gender == "f" for r in word.nominals) else ""


def _refers(clause: Clause, index: int, pronouns: tuple[str, ...]) -> bool:
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
    if spelling[:1] in "يت":
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


def _dual_verb(clause: Clause, index: int) -> Hit | None:
    """A dual in front of a verb that is not dual."""
    noun, verb = clause.word(index), clause.word(index + 1)
    which = _dual(noun, ("al", "pron"))
    if not which or not verb or verb.nominals or verb.classes or not verb.verbs:
        return None
    if any(v.pronoun for v in verb.verbs) or _whole(verb) & _DUALS[which]:
        return None
    if not verb.slots & _slots("3ms", "3fs", "3mp", "3fp", "3md", "3fd"):
        return None
    if verb.slots & _ONE:
        first = index == 0 or clause.word(index - 1).core in ("إن", "أن", "لكن", "كأن", "لعل")
        if not first or verb.bare in _IMPERSONAL or _refers(clause, index + 2, ("هما",)):
            return None
    prefix = verb.verbs[0].conjunction + ("س" if verb.verbs[0].future else "")
    form = _dual_of(verb.bare.removeprefix(prefix), which)
    right = f"{noun.text} {prefix}{form}" if form else None
    return Hit(index, index + 1, right, f"«{noun.text}» مثنى " + {"m": "مذكر", "f": "مؤنث"}[which])


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
    if adjective.bare in _ORDINALS:
        return None
    if all(r.nominal.number == "s" for r in adjective.nominals):
        if any(word.bare[:1] == "و" for word in clause.words[index + 2 : index + 6]) or _refers(
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
    if not _dual(noun, ("al", "pron")) or not pronoun or pronoun.bare not in ("هم", "هن", "هو", "هي"):
        return None
    return Hit(index, index + 1, f"{noun.text} هما", f"«{noun.text}» مثنى")


_PERSONS = {
    "هو": _slots("3ms"),
    "هي": _slots("3fs", "3fp"),
    "هم": _slots("3mp"),
    "هن": _slots("3fp"),
    "هما": _slots("3md", "3fd"),
    "أنا": _slots("1s"),
    "نحن": _slots("1p"),
}
_BACK = {"هو": "ه", "هي": "ها", "هم": "هم", "هن": "هن", "هما": "هما", "أنا": "ي", "نحن": "نا"}


def _pronoun_verb(clause: Clause, index: int) -> Hit | None:
    """A pronoun as subject, and a verb of another person behind it."""
    pronoun, verb = clause.word(index), clause.word(index + 1)
    if not verb or verb.nominals or verb.classes or not verb.verbs or verb.bare in _IMPERSONAL:
        return None
    wanted = _PERSONS[pronoun.core]
    if verb.bare[0] not in "يتنس" and not verb.bare.endswith(("وا", "ت", "تم")):
        return None  # also «هي أكثر», «هي فرنسا»
    if len(verb.bare) < 4 or (verb.bare[0] == "ن" and pronoun.core != "نحن"):
        return None
    if (
        verb.slots & wanted
        or any(v.pronoun or v.conjunction for v in verb.verbs)
        or not verb.slots & FINITE & ~slots("imp")
    ):
        return None
    if pronoun.core == "هم" and not verb.slots & slots("ind"):
        return None  # «هم» is also a worry
    if verb.slots & _ONE and _refers(clause, index + 2, (_BACK[pronoun.core],)):
        return None
    return Hit(index, index + 1, _of_person(pronoun.core, verb), f"الفاعل «{pronoun.core}»")


_SHAPES = {  # of the indicative: what stands in front and behind
    "هو": ("ي", ""),
    "هي": ("ت", ""),
    "هم": ("ي", "ون"),
    "هن": ("ي", "ن"),
    "هما": ("ي", "ان"),
    "أنا": ("أ", ""),
    "نحن": ("ن", ""),
}


def _of_person(pronoun: str, verb: Word) -> str | None:
    future = "س" if verb.verbs[0].future else ""
    stem = verb.bare.removeprefix(future)
    if not verb.slots & slots("ind") or len(stem) < 3:
        return None
    for ending in ("ون", "ان", "ين", "ن", ""):
        if stem.endswith(ending):
            head, tail = _SHAPES[pronoun]
            form = head + stem[1:].removesuffix(ending) + tail
            if verb_forms.load().get(form, 0) & _PERSONS[pronoun] & slots("ind"):
                return f"{pronoun} {future}{form}"
    return None


_PREDICATES = {"هو": ("f", "s", "هي"), "هي": ("m", "s", "هو"), "هم": ("f", "p", "هن"), "هن": ("m", "p", "هم")}


def _pronoun_predicate(clause: Clause, index: int) -> Hit | None:
    """A pronoun at the beginning, and a person of the other gender as its predicate."""
    pronoun, noun, after = clause.word(index), clause.word(index + 1), clause.word(index + 2)
    wrong, number, right = _PREDICATES[pronoun.core]
    if not noun or noun.slots or noun.classes or not noun.nominals or index > 0:
        return None
    if after and (after.core in ("من", "ما") or after.bare.endswith(("ه", "ها", "هم", "هن"))):
        return None
    nominals = [r.nominal for r in noun.nominals if not r.nominal.construct]
    if any(r.preposition or r.conjunction or r.state == "al" or not r.listed for r in noun.nominals) or not nominals:
        return None
    if any(
        n.gender != wrong or n.number not in (number, "d" if number == "p" else number) or n.case == "a"
        for n in nominals
    ):
        return None
    if not all(_personal(n) for n in nominals):
        return None
    return Hit(
        index,
        index + 1,
        f"{pronoun.conjunction}{right} {noun.text}",
        f"«{noun.text}» " + {"m": "مذكر", "f": "مؤنث"}[wrong],
    )


def _personal(one: Nominal) -> bool:
    """A word for persons that has a masculine and a feminine form, so that the pronoun has to agree with it."""
    if one.adjective:
        return one.lemma[:1] != "أ" and one.lemma[2:3] != "و" and one.lemma[-1] not in "لضع" and len(one.lemma) > 3
    base = one.lemma.removesuffix("ة")
    if base in ("بنت", "أم", "أخت", "امرأ", "رجل", "ولد"):
        return True
    pair = [lexicon.forms().get(base, ()), lexicon.forms().get(base + "ة", ())]
    return one.human and all(any(n.human and n.number == "s" for n in forms) for forms in pair)


_OTHER = {"ه": "ها", "ها": "ه"}


def _possessor(clause: Clause, index: int) -> Hit | None:
    """«السيارة لونه أحمر»: nothing but the first noun can own."""
    owner, owned, after = clause.word(index), clause.word(index + 1), clause.word(index + 2)
    if index or not clause.begins_sentence or not owned or not after or owner.classes or owned.classes:
        return None
    if owner.bare[2:] in TIMES or not owner.nominals or any(r.state != "al" or r.preposition for r in owner.nominals):
        return None
    agrees = {r.nominal.agrees for r in owner.nominals if not r.nominal.adjective}
    pronoun = "ها" if owned.bare.endswith("ها") else "ه" if owned.bare.endswith("ه") else ""
    readings = owned.nominals
    if not pronoun or agrees != {"ms" if pronoun == "ها" else "fs"} or not readings:
        return None
    described = after.nominals and all(r.nominal.adjective and not r.state for r in after.nominals)
    if any(r.nominal.adjective or (r.nominal.human and owned.verbs) for r in owner.nominals):
        return None
    if owned.verbs and not described:
        return None
    if any(r.state != "pron" or r.conjunction or r.preposition or r.nominal.adjective for r in readings):
        return None
    right = owned.text.removesuffix(pronoun) + _OTHER[pronoun]
    return Hit(index, index + 1, f"{owner.text} {right}", f"الضمير في «{owned.text}» يعود إلى «{owner.text}»")


_DUAL, _PRONOUN = "agreement.dual", "agreement.pronoun"

RULES: tuple[Rule, ...] = (
    Rule(
        _DUAL,
        "الفعل بعد المثنى يكون بألف الاثنين.",
        lambda word: word.bare[-2:] == "ان" and len(word.bare) > 5,
        _dual_verb,
        wrong=(
            "{الولدان لعبوا→الولدان لعبا} الكرة",
            "{الطالبتان يدرسون→الطالبتان تدرسان} الطب",
            "{الطالبتان يدرسان→الطالبتان تدرسان} الطب",
            "جاء {الأخوان وجلسوا→الأخوان وجلسا} قرب الموقد",
        ),
        right=("الولدان لعبا", "الطالبتان كتبتا", "الولدان تحب أمهما الشعر"),
    ),
    Rule(
        _DUAL,
        "صفة المثنى وخبره مثنى مثله.",
        lambda word: word.bare[-2:] in ("ان", "ين") and len(word.bare) > 4,
        _dual_adjective,
        wrong=("قرأت {كتابين جديد→كتابين جديدين}", "{الوالدان فخورون→الوالدان فخوران} بابنتهما"),
        right=("اللغتين العربية والفرنسية", "كتابان جديدان", "الولدان كريم أبوهما"),
        confidence=0.85,
    ),
    Rule(
        _DUAL,
        "ضمير المثنى «هما».",
        lambda word: word.bare[-2:] == "ان" and len(word.bare) > 4,
        _dual_pronoun,
        wrong=("{الزوجان هم→الزوجان هما} من سكان الحي",),
        right=("الزوجان هما من سكان الحي", "السكان هم أصحاب الأرض"),
    ),
    Rule(
        _PRONOUN,
        "الفعل لا يوافق الضمير الذي قبله.",
        lambda word: word.core in _PERSONS,
        _pronoun_verb,
        wrong=("{هم يذهب→هم يذهبون} إلى المدرسة", "{نحن يدرس→نحن ندرس} اللغة"),
        right=("هم يذهبون", "هو يعلم", "أنا يعجبني الشعر", "هي يجب أن تسافر"),
        confidence=0.85,
    ),
    Rule(
        _PRONOUN,
        "الضمير لا يوافق خبره في التذكير والتأنيث.",
        lambda word: word.core in _PREDICATES,
        _pronoun_predicate,
        wrong=("{هو معلمة→هي معلمة} الرياضيات", "{هم طالبات→هن طالبات} مجتهدات", "{هي طبيب→هو طبيب} ماهر"),
        right=("هو معلم", "هي معلمة", "هو ضحية", "هو مشكلة كبيرة", "هم كبير"),
        confidence=0.85,
    ),
    Rule(
        _PRONOUN,
        "الضمير المتصل لا يوافق الاسم الذي يعود إليه.",
        lambda word: word.bare[:2] == "ال" and len(word.bare) > 4,
        _possessor,
        wrong=("{السيارة لونه→السيارة لونها} أحمر", "{المسجد مئذنتها→المسجد مئذنته} عالية"),
        right=("السيارة لونها أحمر", "اليوم سيارته معطلة"),
        confidence=0.8,
    ),
)
