"""Agreement of a pronoun with its verb, its predicate, or the noun that it stands for."""

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import long_with_article
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import Nominal, with_conjunctions
from arabic_r1_jax.text.numerals import TIMES
from arabic_r1_jax.text.rules.dual import IMPERSONAL, ONE, persons, refers
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import FINITE, Word

_PERSONS = {
    "هو": persons("3ms"),
    "هي": persons("3fs", "3fp"),
    "هم": persons("3mp"),
    "هن": persons("3fp"),
    "هما": persons("3md", "3fd"),
    "أنا": persons("1s"),
    "نحن": persons("1p"),
}
_BACK = {"هو": "ه", "هي": "ها", "هم": "هم", "هن": "هن", "هما": "هما", "أنا": "ي", "نحن": "نا"}


def _pronoun_verb(clause: Clause, index: int) -> Hit | None:
    """A pronoun as subject, and a verb of another person behind it."""
    pronoun, verb = clause.word(index), clause.word(index + 1)
    if not verb or verb.nominals or verb.classes or not verb.verbs or verb.bare in IMPERSONAL:
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
    if pronoun.core == "هما" and verb.slots & persons("3ms"):
        return None  # «إن في قلبه هما»
    if pronoun.core == "هم" and not verb.slots & slots("ind"):
        return None  # «هم» is also a worry
    if verb.slots & ONE and refers(clause, index + 2, (_BACK[pronoun.core],)):
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
        return (
            one.lemma not in _INVARIABLE
            and one.lemma[:1] != "أ"
            and one.lemma[2:3] != "و"
            and one.lemma[-1] not in "لضع"
            and len(one.lemma) > 3
        )
    base = one.lemma.removesuffix("ة")
    if base in ("بنت", "أم", "أخت", "امرأ", "رجل", "ولد"):
        return True
    pair = [lexicon.forms().get(base, ()), lexicon.forms().get(base + "ة", ())]
    return one.human and all(any(n.human and n.number == "s" for n in forms) for forms in pair)


_INVARIABLE = frozenset("مجرد محض مثل ثان ثاني ثالث رابع خامس سادس سابع ثامن تاسع عاشر كثير قليل قريب بعيد".split())
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


_PRONOUN = "agreement.pronoun"

RULES: tuple[Rule, ...] = (
    Rule(
        _PRONOUN,
        "الفعل لا يوافق الضمير الذي قبله.",
        with_conjunctions(_PERSONS),
        _pronoun_verb,
        wrong=("{هم يذهب→هم يذهبون} إلى المدرسة", "{نحن يدرس→نحن ندرس} اللغة"),
        right=("هم يذهبون", "هو يعلم", "أنا يعجبني الشعر", "هي يجب أن تسافر"),
        confidence=0.85,
    ),
    Rule(
        _PRONOUN,
        "الضمير لا يوافق خبره في التذكير والتأنيث.",
        with_conjunctions(_PREDICATES),
        _pronoun_predicate,
        wrong=("{هو معلمة→هي معلمة} الرياضيات", "{هم طالبات→هن طالبات} مجتهدات", "{هي طبيب→هو طبيب} ماهر"),
        right=("هو معلم", "هي معلمة", "هو ضحية", "هو مشكلة كبيرة", "هم كبير"),
        confidence=0.85,
    ),
    Rule(
        _PRONOUN,
        "الضمير المتصل لا يوافق الاسم الذي يعود إليه.",
        long_with_article,
        _possessor,
        starts="ا",
        wrong=("{السيارة لونه→السيارة لونها} أحمر", "{المسجد مئذنتها→المسجد مئذنته} عالية"),
        right=("السيارة لونها أحمر", "اليوم سيارته معطلة"),
        confidence=0.8,
    ),
)
