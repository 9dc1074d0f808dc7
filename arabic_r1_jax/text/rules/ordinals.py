"""Ordinals and their noun; كلا and كلتا before a dual."""

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.numerals import gender, nouns_first
from arabic_r1_jax.text.words import Word

_MASCULINE = (
    "الأول",
    "الثاني",
    "الثالث",
    "الرابع",
    "الخامس",
    "السادس",
    "السابع",
    "الثامن",
    "التاسع",
    "العاشر",
    "الحادي",
)
_FEMININE = ("الأولى", *(form + "ة" for form in _MASCULINE[1:]))
_ORDINALS = {
    **{m: ("m", f) for m, f in zip(_MASCULINE, _FEMININE, strict=True)},
    **{f: ("f", m) for m, f in zip(_MASCULINE, _FEMININE, strict=True)},
}
_ONLY_ALONE = frozenset({"الأول", "الأولى", "العاشر", "العاشرة"})
_PREFIXED = {prefix + ordinal: (prefix, ordinal) for ordinal in _ORDINALS for prefix in ("", "ب", "و", "وب")}
_PREFIXED |= {prefix + ordinal[2:]: (prefix, ordinal) for ordinal in _ORDINALS for prefix in ("لل", "ولل")}
_TENS = {"عشر": "m", "عشرة": "f"}
_HOURS = frozenset("مساء صباحا صباح ظهرا عصرا فجرا ليلا بتوقيت تماما إلا والنصف والربع".split())
_DAYS = frozenset("اليوم الليلة غدا أمس مساء صباح الأحد الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت".split())


def _noun_gender(clause: Clause, index: int) -> str:
    """The gender of a definite singular noun, "" unless it alone can be what the ordinal describes."""
    noun, before = clause.word(index), clause.word(index - 1)
    if noun and noun.bare in ("المرة", "للمرة", "بالمرة"):
        return "f"
    if not noun or noun.classes or noun.bare in _DAYS or not noun.nominals:
        return ""
    readings = [r for r in noun.nominals if r.state]
    if len(readings) != len([r for r in noun.nominals if not r.nominal.construct]):
        return ""
    nominals = nouns_first([r.nominal for r in readings])
    if any(n.number != "s" or n.adjective for n in nominals) or (noun.slots and noun.bare[:2] != "ال"):
        return ""
    if before and "demonstrative" in before.classes:
        return ""  # «طبعة هذا الكتاب الأولى»
    sure = not before or before.classes or before.bare[:2] == "ال" or (before.verbs and not before.nominals)
    if not sure:
        return ""  # a noun in front of the noun, which the ordinal may describe as well
    return gender(nominals)


def _ordinal(clause: Clause, index: int) -> Hit | None:
    word, after = clause.word(index), clause.word(index + 1)
    prefix, ordinal = _PREFIXED[word.bare]
    mine, other = _ORDINALS[ordinal]
    other = prefix[:-2] + "لل" + other[2:] if prefix.endswith("لل") else prefix + other
    which = _noun_gender(clause, index - 1) if not prefix else ""
    ten = _TENS.get(after.bare) if after and ordinal not in _ONLY_ALONE else None
    if ten:
        wanted = which or mine
        if wanted == mine == ten:
            return None
        right = f"{word.text if wanted == mine else other} {'عشر' if wanted == 'm' else 'عشرة'}"
        if not which:
            return Hit(index, index + 1, right, "جزءا العدد المركب لا يتفقان")
        noun = clause.word(index - 1)
        return Hit(index - 1, index + 1, f"{noun.text} {right}", _evidence(noun, which))
    if not which or which == mine or (after and after.bare in _HOURS):
        return None
    noun = clause.word(index - 1)
    return Hit(index - 1, index, f"{noun.text} {other}", _evidence(noun, which))


def _evidence(noun: Word, which: str) -> str:
    return f"«{noun.text}» " + {"m": "مذكر", "f": "مؤنث"}[which]


_BOTH = {
    conjunction + core: (conjunction, core, which)
    for core, which in (("كلا", "m"), ("كلي", "m"), ("كلتا", "f"), ("كلتي", "f"))
    for conjunction in ("", "و", "ف", "ب", "ل")
}


def _both(clause: Clause, index: int) -> Hit | None:
    conjunction, core, which = _BOTH[clause.word(index).bare]
    noun = clause.word(index + 1)
    if not noun or noun.bare[:2] != "ال" or noun.bare[-2:] not in ("ان", "ين"):
        return None
    readings = [r.nominal for r in noun.nominals if r.state == "al" and r.nominal.number == "d"]
    wanted = gender([n for n in readings if not n.adjective])
    if not wanted:
        wanted = "f" if noun.bare[-3:] in ("تان", "تين") and readings and readings[0].gender == "f" else ""
    if not wanted or (wanted == which and noun.bare.endswith("ين")):
        return None
    right = conjunction + {"m": "كلا", "f": "كلتا"}[wanted] if wanted != which else conjunction + core
    return Hit(
        index, index + 1, f"{right} {noun.text[:-2]}ين", f"«{noun.text}» مثنى " + {"m": "مذكر", "f": "مؤنث"}[wanted]
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "agreement.number",
        "العدد الترتيبي يطابق موصوفه في التذكير والتأنيث.",
        frozenset(_PREFIXED),
        _ordinal,
        wrong=(
            "حصل على {المرتبة الثاني→المرتبة الثانية} في المسابقة",
            "فاز {للمرة الثالث→للمرة الثالثة}",
            "يسكن في {الطابق الثالثة→الطابق الثالث}",
            "في {القرن الثالثة عشر→القرن الثالث عشر}",
            "في {الساعة الثانية عشر→الساعة الثانية عشرة} ليلا",
        ),
        right=(
            "المرة الثانية",
            "باب الغرفة الثاني",
            "القرن الحادي والعشرون",
            "نلتقي اليوم الخامسة مساء",
            "ليلة السادس عشر",
        ),
        confidence=0.85,
    ),
    Rule(
        "agreement.number",
        "«كلا» للمذكر و«كلتا» للمؤنث، وما بعدهما مثنى مجرور.",
        frozenset(_BOTH),
        _both,
        wrong=("نجح {كلتا الرجلين→كلا الرجلين}", "فازت {كلا البنتين→كلتا البنتين}", "جاء {كلا الرجلان→كلا الرجلين}"),
        right=("كلا الرجلين", "كلتا البنتين", "كلا لن يفعل"),
    ),
)
