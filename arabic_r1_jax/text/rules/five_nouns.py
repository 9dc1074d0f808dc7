"""The five nouns: أبوك, أباك, أبيك by case, with a pronoun, and ذو in front of a noun."""

import re

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.governors import demand, intransitive, is_definite, stem, takes_object, verb_only
from arabic_r1_jax.text.words import Word

_FORM = re.compile("([وف]?)([بلك]?)(أب|أخ)([واي])(ه|ها|هما|هم|هن|ك|كما|كم|كن|نا)")
_RARE = re.compile("([وف]?)(ب?)(حم|ف)(و)(ه|ها|ك|كم|هم)")  # only behind a preposition
_LETTERS = {"n": "و", "a": "ا", "g": "ي"}
_DHU = {"ذو": "n", "ذا": "a", "ذي": "g"}


def _wanted(clause: Clause, index: int, letter: str) -> tuple[str, str] | None:
    """The case of a father or brother at an index, and why."""
    if index == 0:
        after = clause.word(1)
        if (
            clause.begins_sentence
            and letter != "و"
            and after
            and not after.classes
            and any(r.listed and r.nominal.human and not (r.state or r.nominal.adjective) for r in after.nominals)
        ):
            return "n", "الاسم مبتدأ"
        return None
    before = clause.words[index - 1]
    if before.core == "يا":
        return "a", "هو منادى مضاف"
    if asked := demand(clause, index, True):
        return asked.case, asked.evidence
    if letter == "ي" and before.core in {"كان", "ليس", "أصبح", "يكون", "صار", "ظل"}:
        return "n", f"هو اسم «{before.text}»"
    sure = takes_object(before) or stem(before) in intransitive() or (before.bare[0] == "ي" and len(before.bare) > 3)
    if letter == "ي" and verb_only(before) and sure:
        return ("a" if takes_object(before) else "n"), f"قبله الفعل «{before.text}»"
    if letter == "و" and before.slots and not before.nominals and any(v.pronoun for v in before.verbs):
        return None
    return _owner(clause, index, letter)


def _owner(clause: Clause, index: int, letter: str) -> tuple[str, str] | None:
    """بيت أبوه: the noun in front is a thing that stands where only the first part of an idafa can."""
    before, front, after = clause.words[index - 1], clause.word(index - 2), clause.word(index + 1)
    if before.classes or not before.nominals or letter == "ي":
        return None
    if any(
        r.state or r.nominal.human or r.nominal.adjective or r.nominal.case or r.conjunction for r in before.nominals
    ):
        return None
    if index < 2 or not (takes_object(front) or front.classes & {"prep"}):
        return None
    if after and not after.classes and not is_definite(after):
        return None
    return "g", f"هو مضاف إلى «{before.text}»"


def _father(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    match = _FORM.fullmatch(word.bare)
    rare = match is None
    conjunction, preposition, noun, letter, pronoun = (match or _RARE.fullmatch(word.bare)).groups()
    if preposition:
        wanted = "g", f"قبله «{preposition}» وهي تجر"
    elif conjunction or not (wanted := _wanted(clause, index, letter)):
        return None
    if (rare and wanted[0] != "g") or _LETTERS[wanted[0]] == letter:
        return None
    return Hit(index, index, f"{conjunction}{preposition}{noun}{_LETTERS[wanted[0]]}{pronoun}", wanted[1])


def _dhu_case(clause: Clause, index: int) -> tuple[str, str] | None:
    before, front = clause.word(index - 1), clause.word(index - 2)
    if index < 1:
        return None
    if "prep" in before.classes and before.core not in {"من", "حتى", "منذ"}:
        return "g", f"قبله «{before.text}» وهي تجر"
    if "kana" in before.classes and not clause.word(index + 1).bare.startswith("ال"):
        return "a", f"هو خبر «{before.text}»"
    if not before.nominals or before.classes:
        return None
    if any(r.nominal.case == "a" and r.nominal.number == "s" for r in before.nominals):
        return "a", f"نعت «{before.text}» المنصوب"
    if index > 1 and "kana" in front.classes and any(r.state for r in before.nominals):
        return "a", f"هو خبر «{front.text}»"
    after = clause.word(index + 1)
    same = after and after.bare.startswith("ال") == before.bare.startswith("ال")
    if (
        index > 1
        and same
        and front.classes & {"prep"}
        and front.core not in {"حتى", "منذ", "من"}
        and any(not r.preposition and r.nominal.number == "s" for r in before.nominals)
    ):
        return "g", f"نعت «{before.text}» المجرور"
    return None


def _dhu(clause: Clause, index: int) -> Hit | None:
    word, after = clause.words[index], clause.word(index + 1)
    if not after or not after.nominals or after.classes or (word.core == "ذا" and after.bare.startswith("ال")):
        return None
    wanted = _dhu_case(clause, index)
    if not wanted or wanted[0] == _DHU[word.core] or (word.core != "ذو" and wanted[0] != "g"):
        return None
    right = next(form for form, case in _DHU.items() if case == wanted[0])
    return Hit(index, index, right, wanted[1])


def _vocative(clause: Clause, index: int) -> Hit | None:
    before = clause.word(index - 1)
    if index < 1 or before.core != "يا" or clause.word(index + 1) is None:
        return None
    word = clause.words[index]
    return Hit(index, index, word.bare[:-1] + "ا", "هو منادى مضاف فينصب بالألف")


def _is_father(word: Word) -> bool:
    return bool(_FORM.fullmatch(word.bare) or _RARE.fullmatch(word.bare))


_MESSAGE = "الأسماء الخمسة ترفع بالواو وتنصب بالألف وتجر بالياء."
RULES: tuple[Rule, ...] = (
    Rule(
        "case_mood.five_nouns",
        _MESSAGE,
        _is_father,
        _father,
        ends="هامنك",
        wrong=(
            "سلمت على {أبوه→أبيه} بعد الصلاة",
            "مررت {بأخاك→بأخيك} عند الباب",
            "إن {أخوك→أخاك} شاب مهذب",
            "زرنا {أبونا→أبانا} في المستشفى",
            "سافر {أباه→أبوه} إلى ألمانيا",
            "{أباك→أبوك} رجل كريم",
            "عدت إلى بيت {أبوه→أبيه}",
        ),
        right=("رأيت أباك وأخاك", "سافر أبوه", "من أبوك؟", "في بيت أبيه", "كان أباه في الرضاع"),
    ),
    Rule(
        "case_mood.five_nouns",
        _MESSAGE,
        frozenset(_DHU),
        _dhu,
        wrong=("كان جدي {ذو→ذا} هيبة ووقار", "تزوجت رجلا {ذو→ذا} مال", "استمعت إلى رجل {ذو→ذي} علم"),
        right=("هو رجل ذو علم", "كان ذا مال", "من ذا الرجل", "هو من ذي قبل أحسن"),
    ),
    Rule(
        "case_mood.five_nouns",
        "المنادى المضاف منصوب، فتكون علامته الألف في الأسماء الخمسة.",
        frozenset({"أبو", "أخو", "ذو"}),
        _vocative,
        wrong=("تفضل يا {أبو→أبا} محمد",),
        right=("جاء أبو محمد", "يا أبا محمد"),
    ),
)
