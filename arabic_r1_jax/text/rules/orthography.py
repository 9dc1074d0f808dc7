"""Endings that are words but not here: ه for ة, tanween after a hamza, the hamza in front of a pronoun.

Other confusions of words with words are rows of data: see `confusions`.
"""

import re

from arabic_r1_jax.text import dictionary, lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.frequency import frequency
from arabic_r1_jax.text.rules.confusions import CLASSES, certain_verb
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_BEFORE_STEM = re.compile("(?P<before>[وف]?(?:بال|كال|ال|لل|[بلك])?)(?P<stem>.{3,})")


def _listed(stem: str) -> bool:
    return stem in lexicon.forms()


# ه for ة


_RADICAL_HA = frozenset("كره موجه شره بله جبه فقه شبه نزه سفه وله مكره منبه مشوه تافه وجه اتجاه أبله مرفه موله".split())


def _ends_in_ha(word: Word) -> bool:
    bare = word.bare
    return bare[-1:] == "ه" and len(bare) > 2 and any(_feminine(stem) for _, stem in _stems(bare[:-1] + "ة"))


_ALL_PREFIXES = tuple(c + p for c in ("", "و", "ف") for p in ("", "ال", "بال", "كال", "لل", "ب", "ل", "ك"))


def _stems(bare: str) -> list[tuple[str, str]]:
    """(prefixes, stem) for every way of taking prefixes off."""
    return [(one, bare[len(one) :]) for one in _ALL_PREFIXES if bare.startswith(one) and len(bare) > len(one) + 2]


def _feminine(stem: str) -> bool:
    return any(one.gender == "f" and one.number == "s" for one in lexicon.forms().get(stem, ()))


def _construct(before: Word | None, after: Word | None) -> bool:
    """Whether a noun between the two is likely in the construct state: في … النوم, فتح الحارس … المصنع."""
    if not before or not after or not CLASSES["thing"](after) or any(one.nominal.adjective for one in after.nominals):
        return False
    return before.core in ("في", "من", "إلى", "عن", "على") or CLASSES["person"](before)


_HARDLY_HIS, _FAR_RARER = 12, 25


def _hardly_his(stem: str) -> bool:
    """Whether stem + ه is a stem in ة misspelt: far rarer than that, and far more frequent than with ها and هم.

    A pronoun that is meant comes in every person; and what stands before it is a word without it.
    """
    own = frequency(stem + "ه")
    if not _feminine(stem + "ة") or _listed(stem) or stem in lexicon.function_words() or own < 1e-7:
        return False
    others = frequency(stem + "ها") + frequency(stem + "هم") + 1e-8
    surely = 4 if Word(stem + "ه").slots else 1  # that may be a verb and its object
    return own > surely * _HARDLY_HIS * others and frequency(stem + "ة") > surely * _FAR_RARER * own


def _ha(clause: Clause, index: int) -> Hit | None:
    word, before, after = clause.words[index], clause.word(index - 1), clause.word(index + 1)
    right = word.bare[:-1] + "ة"
    for prefixes, stem in _stems(word.bare):
        radical = _listed(stem) or stem in _RADICAL_HA or word.slots
        if _feminine(stem[:-1] + "ة") and not radical and ("ال" in prefixes or "لل" in prefixes):
            return Hit(index, index, right, f"لا يتصل ضمير بما فيه «ال»، و«{right}» مؤنث بالتاء")
    if any(one.state != "pron" for one in word.nominals):
        return None
    if any(_hardly_his(stem[:-1]) for _, stem in _stems(word.bare)):
        return Hit(index, index, right, f"«{right}» هي الشائعة، ولا يكاد الضمير يتصل بهذا الاسم")
    if _construct(before, after) and frequency(right) > 20 * frequency(word.bare):
        return Hit(index, index, right, f"المضاف إلى «{after.text}» لا ضمير فيه")
    owned = {one.nominal.agrees for one in word.nominals}
    if word.bare.endswith("زوجه") or owned & {"fs", "fp", "mp", "fd", "md"}:
        return None
    if (
        after
        and CLASSES["feminine_adjective"](after)
        and not after.slots
        and frequency(right) > 2 * frequency(word.bare)
    ):
        return Hit(index, index, right, f"«{after.text}» صفة مؤنثة نكرة")
    if before and before.core in ("هذه", "تلك") and not word.slots:
        return Hit(index, index, right, f"بعد «{before.text}» اسم مؤنث")
    human = bool(word.nominals) and all(one.nominal.human for one in word.nominals)
    feminine = before and certain_verb(before) and (before.bare[0] == "ت" or before.bare[-1] == "ت")
    governed = before and ("prep" in before.classes or feminine)
    if governed and after and human and CLASSES["thing"](after) and frequency(right) > 2 * frequency(word.bare):
        return Hit(index, index, right, f"المضاف إلى «{after.text}» لا ضمير فيه")
    return None


# Tanween after a hamza


_DUAL_VERBS = frozenset("جاءا شاءا ساءا باءا ناءا فاءا أساءا أضاءا أفاءا استضاءا استاءا يجيئا تراءا".split())


def _tanween_on_alif(word: Word) -> bool:
    bare = word.bare
    if bare[-2:] == "أا":
        return any(_listed(stem) for _, stem in _stems(bare[:-1]))
    if bare[-3:] != "اءا" or bare.lstrip("وف") in _DUAL_VERBS:
        return False
    return any(_listed(stem) for _, stem in _stems(bare[:-1])) or dictionary.known(bare[:-1])


def _no_alif(clause: Clause, index: int) -> Hit | None:
    return Hit(index, index, clause.words[index].bare[:-1], "لا ألف لتنوين النصب بعد همزة قبلها ألف أو على ألف")


# The hamza of a noun before a pronoun takes the seat of its case


_BOUND = re.compile(
    "(?P<conjunction>[وف]?)(?P<preposition>[بلك]?)(?P<stem>.{2,}ا)(?P<seat>[ءؤئ])(?P<pronoun>ه|ها|هم|هن|هما|ك|كم|نا)"
)
_OF_CASE = {"n": "ؤ", "a": "ء", "g": "ئ"}
_NAMED = {"n": "مرفوع", "a": "منصوب", "g": "مجرور"}
_INTRANSITIVE = frozenset("حضر جاء وصل سافر ذهب خرج دخل عاد رجع قال".split())
_INNA = frozenset("إن أن كأن لكن لعل ليت لأن".split())


def _bound(word: Word) -> re.Match | None:
    match = _BOUND.fullmatch(word.bare)
    if match and any(form in lexicon.bound_forms() for form in (match["stem"] + "ء", match["stem"] + match["seat"])):
        return match
    return None


def _wanted(clause: Clause, index: int, match: re.Match) -> tuple[str, str] | None:
    """(the case that the word must have, what shows it); None if it may have any."""
    before = clause.word(index - 1)
    if match["preposition"]:
        return "g", f"بعد حرف الجر «{match['preposition']}»"
    if match["conjunction"]:
        return None
    if not before:
        verb_follows = index + 1 < len(clause.words) and bool(
            clause.words[index + 1].slots & slots("ind_3mp", "past_3mp")
        )
        return ("n", "في أول الجملة") if clause.begins_sentence and verb_follows and len(clause.words) > 1 else None
    if before.core in _INNA and all(one.core != "إلا" for one in clause.after(index)):
        return "a", f"بعد «{before.text}»"
    if before.bare in _INTRANSITIVE:
        return "n", f"فاعل «{before.text}»"
    if "prep" in before.classes and before.core not in ("حتى", "منذ", "خلا", "عدا", "حاشا", "من"):
        return "g", f"بعد «{before.text}»"
    if before.core in ("مع", "بين", "عند", "لدى", "أمام", "خلف", "كل", "جميع", "بعض", "أحد"):
        return "g", f"بعد «{before.text}»"
    return None


def _seat(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    match, before = _bound(word), clause.word(index - 1)
    wanted = _wanted(clause, index, match)
    if wanted is None and match["seat"] == "ئ" and before and not match["conjunction"]:
        verb = clause.word(index - 2)
        present = before.bare[0] == "ي" or before.bare[-2:] == "وا"
        if present and certain_verb(before) and not before.bare.endswith(("ه", "ها", "هم")):
            wanted = "a", f"بعد الفعل «{before.text}»"
        elif verb and index == 2 and certain_verb(verb) and CLASSES["person"](before):
            wanted = "a", f"مفعول «{verb.text}»"
    if wanted is None or _OF_CASE[wanted[0]] == match["seat"]:
        return None
    start, end = match.span("seat")
    right = word.bare[:start] + _OF_CASE[wanted[0]] + word.bare[end:]
    return Hit(index, index, right, f"«{right}» {_NAMED[wanted[0]]} {wanted[1]}")


# أ for the إ of a masdar


def _masdar(word: Word) -> bool:
    start = word.bare.find("أ", 0, 5)
    if start < 0 or len(word.bare) < start + 5 or word.bare[:start] not in _ALL_PREFIXES:  # the cheapest question first
        return False
    for before, stem in _stems(word.bare):
        if stem[0] == "أ" and len(stem) > 4 and stem[-2:] != "ية":
            derived = "ا" + stem[1:]
            if len(stem) > 5 and verb_forms.load().get(derived, 0) & slots("vn"):
                return not _listed(stem) and not word.slots
            right = "إ" + stem[1:]
            masdar = stem[-1] == "ة" and (_listed(right) or verb_forms.load().get(right, 0) & slots("vn"))
            if masdar and not _listed(stem) and not word.slots and not word.nominals and not _listed(stem[:-2]):
                return frequency(before + right) > 8 * frequency(word.bare)
    return False


def _hamza_below(clause: Clause, index: int) -> Hit | None:
    bare = clause.words[index].bare
    table = verb_forms.load()
    wasl = any(
        table.get("ا" + stem[1:], 0) & slots("vn") for _, stem in _stems(bare) if stem[0] == "أ" and len(stem) > 5
    )
    right = bare.replace("أ", "ا" if wasl else "إ", 1)
    return Hit(index, index, right, f"«{right}» مصدر " + ("همزته وصل" if wasl else "على وزن إفعال"))


RULES: tuple[Rule, ...] = (
    Rule(
        "orthography.ha",
        "كتبت هاء في موضع تاء مربوطة.",
        _ends_in_ha,
        _ha,
        ends="ه",
        wrong=("وجد العلماء {طريقه→طريقة} جديدة", "كانت {رحله→رحلة} ممتعة", "تقع {مدرسه→مدرسة} الحي قرب الحديقة"),
        right=("سألت مدرسه الجديد", "وجد طريقه إلى البيت", "المياه عذبة", "زار مدرسه الطالب"),
    ),
    Rule(
        "orthography.tanween_hamza",
        "لا تزاد ألف لتنوين النصب بعد همزة قبلها ألف، ولا بعد همزة على ألف.",
        _tanween_on_alif,
        _no_alif,
        ends="ا",
        wrong=("تأجلت الجلسة {بناءا→بناء} على طلبه", "ارتكب {خطأا→خطأ} كبيرا"),
        right=("الرجلان جاءا معا", "قرأ جزءا منه", "نلتقي مساء"),
    ),
    Rule(
        "orthography.hamza_bound",
        "كرسي الهمزة قبل الضمير يتبع إعراب الكلمة.",
        lambda word: _bound(word) is not None,
        _seat,
        ends="هامنك",
        wrong=(
            "{أصدقائنا→أصدقاؤنا} ينتظروننا عند الباب",
            "ودع المسافر {أبنائه→أبناءه}",
            "ذهب إلى {أصدقاؤه→أصدقائه}",
            "إن {أبناؤه→أبناءه} كبار",
        ),
        right=("جاء أصدقاؤنا", "يحب أبناءه", "ذهب إلى أصدقائه", "من أبناؤه"),
    ),
    Rule(
        "orthography.masdar_hamza",
        "همزة المصدر على وزن إفعال تكتب تحت الألف، ومصدر الخماسي والسداسي بلا همزة.",
        _masdar,
        _hamza_below,
        starts="أوفبلكا",
        wrong=("يجب {أعادة→إعادة} الكتب", "حدث {أنفجار→انفجار} في المصنع"),
        right=("يجب إعادة الكتب", "أعمال المؤتمر", "أحوال الناس"),
    ),
)
