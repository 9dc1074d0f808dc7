"""Mood of imperfect verbs, and imperatives, as far as letters show it: the ن of the five verbs, weak letters.

A form is wrong when no common verb has it in the mood that the particle asks for, and the form put in its place exists.
"""

import functools
import re

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import with_conjunctions
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import PRONOUNS, Word

INDICATIVE, _SUBJUNCTIVE, _JUSSIVE = slots("ind"), slots("sub"), slots("juss")
_SHORT = {"ون": "وا", "ان": "ا", "ين": "ي"}  # the five verbs without their ن
_FIVE = {"وا": "ون", "ا": "ان", "ي": "ين"}
_FIVE_PERSONS = {
    "ون": slots("ind_3mp", "ind_2mp"),
    "ان": slots("ind_3md", "ind_3fd", "ind_2d"),
    "ين": slots("ind_2fs"),
}
_SHORT_PERSONS = {
    "وا": slots("juss_3mp", "juss_2mp", "sub_3mp", "sub_2mp"),
    "ا": slots("juss_3md", "juss_3fd", "juss_2d"),
}
_WOMEN = slots("juss_3fp", "juss_2fp", "sub_3fp", "sub_2fp")
# Verbs in و whose ون is as often that of women (لم يدعون); other such readings are of rare verbs.
_IN_WAW = set("دع شك رج بد نج سم غز عل مح خل عف تل غد صح دن نم كس هج جف صف رس زه سط سه قس لغ له هف قص خط نأ".split())
_FULL_FORMS = {  # jussives whose letters are also those of a rare verb in other moods
    prefix + verb[1:-1]: prefix + verb[1:]
    for verb in "يأتي يمشي يرى يبقى ينسى ينتهي يبكي يعطي يرضى يشتري يمضي يعاني يرمي يختفي يكتفي يلتقي يخشى".split()
    for prefix in "يتن"
    if prefix != "ن" or verb not in ("يأتي", "يرمي")
}
_MASDAR = re.compile("ت..ين")  # تحسين
_NOT_VERBS = slots("past", "imp", "ind")


@functools.cache
def _hollow() -> dict[str, str]:
    """Hollow verbs with every prefix -> jussive."""
    found = {}
    for (verb,) in lexicon.rows("weak_verbs.txt"):
        seat = {"ي": "ئ", "ا": "أ", "و": "ؤ"}[verb[-2]] if verb[-1] == "ء" else verb[-1]
        for prefix in "يتنأ":
            found[prefix + verb[1:]] = prefix + verb[1:-2] + seat
    return found


@functools.cache
def _full() -> dict[str, str]:
    return {short: full for full, short in _hollow().items()}


def table(form: str) -> int:
    """The slots of a form as a verb, 0 if it is none."""
    return verb_forms.load().get(form, 0)


def _shortened(form: str, feminine_subject: bool = False) -> str | None:
    """The jussive of a form that is no jussive of a common verb, without attached pronoun."""
    if form in _hollow():
        return _hollow()[form]
    found = table(form)
    if not found & INDICATIVE:
        return None
    if (short := without_noon(form)) or found & _JUSSIVE & ~slots("juss_2fs"):
        return short
    weak = form[-1] == "ى" or form[-1] == "و" or (form[-1] == "ي" and (form[0] in "ينأ" or feminine_subject))
    return form[:-1] if weak and len(form) > 2 and table(form[:-1]) & _JUSSIVE else None


def without_noon(form: str) -> str | None:
    """One of the five verbs without its ن; None where the form can be something else."""
    ending = form[-2:]
    if ending not in _SHORT or form[0] not in "يت" or (ending == "ين" and form[0] != "ت"):
        return None
    found, short = table(form), form[:-2] + _SHORT[ending]
    if found & slots("vn") or (ending == "ين" and (form in lexicon.forms() or _MASDAR.fullmatch(form))):
        return None
    if not found & _FIVE_PERSONS[ending] or not table(short) & _JUSSIVE:
        return None
    if form[1:] in ("رون", "سمون", "صفون"):
        return short
    if found & (_JUSSIVE | _SUBJUNCTIVE) & ~_WOMEN or (found & _WOMEN and form[1:-2] in _IN_WAW):
        return None
    return short


def _with_pronoun(form: str, ambiguous: bool) -> str | None:
    """A form with an attached pronoun, its verb shortened (يقوله: يقله, يكتبونه: يكتبوه); only hollow if ambiguous."""
    if table(form) & _JUSSIVE:
        return None
    for pronoun in sorted((*PRONOUNS, "ني"), key=len, reverse=True):
        verb = form.removesuffix(pronoun)
        if pronoun == "ي" or verb == form or len(verb) < 3:
            continue
        if verb in _hollow():
            return _hollow()[verb] + pronoun
        if ambiguous:
            continue
        if verb[-2:] in _SHORT and (short := without_noon(verb)):
            return short.removesuffix("ا") + pronoun if short.endswith("وا") else short + pronoun
        if verb[-1] in "يو" and verb[0] in "ينأ" and table(verb) & INDICATIVE and not table(verb) & _JUSSIVE:
            return verb[:-1] + pronoun
    return None


def _feminine_subject(word: Word | None) -> bool:
    return bool(word and word.nominals) and all(
        reading.state == "al" and reading.nominal.agrees == "fs" and reading.nominal.human for reading in word.nominals
    )


def _jussive_of(clause: Clause, index: int) -> str | None:
    word = clause.words[index]
    if not word.bare or word.bare[0] not in "يتنأ":
        return None
    if "ّ" in word.text or word.bare[1:] == "رني":  # يُصيَّر is no hollow verb; لم يرني has the jussive of رأى
        return None
    if short := _shortened(word.bare, _feminine_subject(clause.word(index + 1))):
        return short
    return _with_pronoun(word.bare, any(verb.slots & _JUSSIVE and verb.pronoun for verb in word.verbs))


def _after_lam(clause: Clause, index: int) -> Hit | None:
    if clause.words[index].conjunction == "ف" and clause.mark == "؟":  # فلِمَ asks why
        return None
    if index + 1 < len(clause.words) and (short := _jussive_of(clause, index + 1)):
        return Hit(index + 1, index + 1, short, f"«{clause.words[index].text}» تجزم الفعل المضارع")
    return None


_NEGATED = {"أن", "كي", "لكي", "حتى"}


def _after_lan(clause: Clause, index: int) -> Hit | None:
    particle, at = clause.words[index], index + 1
    if particle.core in _NEGATED and at < len(clause.words) and clause.words[at].bare == "لا":
        at += 1
    verb = clause.word(at)
    if not verb or not verb.bare or verb.bare[0] not in "يتنأ" or "ّ" in particle.text:
        return None
    right = without_noon(verb.bare) or _noon_before_pronoun(verb) or _lengthened(clause, at, particle)
    return Hit(at, at, right, f"«{particle.text}» تنصب الفعل المضارع") if right else None


def _noon_before_pronoun(word: Word) -> str | None:
    if "ون" not in word.bare[2:] or any(verb.slots & (_JUSSIVE | _SUBJUNCTIVE) for verb in word.verbs):
        return None
    return _with_pronoun(word.bare, False) if any(verb.slots & _FIVE_PERSONS["ون"] for verb in word.verbs) else None


def _lengthened(clause: Clause, index: int, particle: Word) -> str | None:
    """The subjunctive of a form that is only a jussive (لن يأت: يأتي)."""
    form = clause.words[index].bare
    if form in {"يكن", "تكن", "نكن", "أكن"}:
        follower = clause.word(index + 1)
        women = any(word.bare.endswith(("ات", "هن", "نساء")) for word in clause.words[:index])
        safe = particle.core == "لن" and follower and not follower.bare.startswith("ل") and not women
        return form[0] + "كون" if safe else None
    if form in _FULL_FORMS:
        return _FULL_FORMS[form]
    found = table(form)
    if not found & _JUSSIVE or found & (_SUBJUNCTIVE | INDICATIVE | slots("past", "vn")) or form[0] not in "يت":
        return None
    if any(verb.slots & _SUBJUNCTIVE for verb in clause.words[index].verbs):
        return None
    if form in _full():
        return _full()[form]
    longer = [
        form + letter for letter in "يىو" if table(form + letter) & slots("sub_3ms", "sub_3fs", "sub_1s", "sub_1p")
    ]
    return longer[0] if len(longer) == 1 else None


_ORDER = re.compile(r"([فو]?ل)([يت].+(?:ون|ان))")


def _attached(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    head, verb = _ORDER.fullmatch(word.bare).groups()
    if (
        "لَ" in word.text[:3]
        or word.nominals
        or word.verbs
        or any(one.bare.lstrip("وف")[:2] in ("إن", "حت") for one in clause.words[:index])
    ):
        return None
    if (not index and head == "ل") or not (short := without_noon(verb)):
        return None
    return Hit(index, index, head + short, "اللام تنصب الفعل المضارع أو تجزمه")


_SUBJECTS = {
    "هم": "يون",
    "الذين": "يون",
    "أنتم": "تون",
    "هما": "يا",
    "سوف": "",
    "كانوا": "يون",
    "قد": "",
    "اللذان": "يا",
}
_GOVERNORS = set("أن لن لم كي لكي حتى إن من مهما لا ل ألا لئلا إذا لو أينما متى ما".split())


def _indicative(clause: Clause, index: int) -> Hit | None:
    subject, verb = clause.words[index], clause.word(index + 1)
    if not verb or not verb.bare or verb.bare[0] not in "يت" or not verb.bare.endswith("وا"):
        return None
    if subject.core not in _SUBJECTS and not (subject.nominals and not subject.slots):
        return None
    return _hit_indicative(clause, index + 1, f"لا ناصب ولا جازم قبل «{verb.text}»")


def _hit_indicative(clause: Clause, index: int, evidence: str, head: str = "") -> Hit | None:
    form = clause.words[index].bare.removeprefix(head)
    found, full = table(form), form[:-2] + "ون"
    governed = any(word.core in _GOVERNORS or word.bare in _GOVERNORS for word in clause.words[:index])
    if governed or found & _NOT_VERBS or not found & _SHORT_PERSONS["وا"] or not table(full) & _FIVE_PERSONS["ون"]:
        return None
    return Hit(index, index, head + full, evidence)


def _future(clause: Clause, index: int) -> Hit | None:
    head = clause.words[index].bare[: clause.words[index].bare.index("س") + 1]
    return _hit_indicative(clause, index, "السين لا تنصب الفعل ولا تجزمه", head)


RULES: tuple[Rule, ...] = (
    Rule(
        "case_mood.jussive",
        "الفعل المضارع بعد «لم» مجزوم: تحذف نونه أو حرف العلة منه.",
        with_conjunctions(("لم",)),
        _after_lam,
        wrong=("لم {يذهبون→يذهبوا} إلى البيت", "لم {يقول→يقل} شيئا", "لم {يمشي→يمش} المريض", "لم {تمشي→تمش} البنت"),
        right=("لم يحاول أن يفهم", "لم تكتبي الرسالة", "لم يدعون إلى الحفل", "لم يصور شيئا"),
    ),
    Rule(
        "case_mood.subjunctive",
        "الفعل المضارع بعد أداة النصب منصوب: تحذف نونه ولا يحذف منه حرف العلة.",
        with_conjunctions(("لن", "أن", "كي", "لكي", "حتى", "لئلا")),
        _after_lan,
        wrong=("لن {يكتبون→يكتبوا} الواجب", "يجب أن {تدرسون→تدرسوا}", "لن {يأت→يأتي} أحد"),
        right=("لن يقل عن عشرة", "يجب أن يعدن إلى البيت", "لن يعد ذلك نجاحا"),
    ),
    Rule(
        "case_mood.subjunctive",
        "الفعل المضارع بعد لام التعليل أو لام الأمر تحذف نونه.",
        lambda word: bool(_ORDER.fullmatch(word.bare)),
        _attached,
        ends="ن",
        starts="لفو",
        wrong=("اجتمعوا {ليذهبون→ليذهبوا} معا",),
        right=("أكلنا الليمون", "إنهم ليذهبون كل يوم"),
        confidence=0.8,
    ),
    Rule(
        "case_mood.subjunctive",
        "الفعل المضارع مرفوع هنا: تثبت نونه.",
        lambda word: word.core in _SUBJECTS or (word.bare.startswith("ال") and word.bare.endswith("ون")),
        _indicative,
        wrong=("المعلمون {يذهبوا→يذهبون} إلى المدرسة", "كانوا {يلعبوا→يلعبون} في الحديقة"),
        right=("لن يدخل المعلمون ويذهبوا", "هم كتبوا الدرس"),
        confidence=0.85,
    ),
    Rule(
        "case_mood.subjunctive",
        "الفعل المضارع بعد السين مرفوع: تثبت نونه.",
        lambda word: word.bare.endswith("وا") and bool(re.match("[وف]?س[يت]", word.bare)),
        _future,
        ends="ا",
        wrong=("{سيكتبوا→سيكتبون} الدرس غدا",),
        right=("سيكتبون الدرس غدا",),
        confidence=0.85,
    ),
)
