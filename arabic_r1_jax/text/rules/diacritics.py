"""Well-formed vocalisation: what no vocalised Arabic word can carry, whatever its case ending.

Open tanween, small signs, superscript alef and marks carried by tatweel, as the Quran is written, are not looked at.
"""

import functools
import re
import unicodedata
from collections.abc import Callable

from arabic_r1_jax.text import verb_forms
from arabic_r1_jax.text.findings import Pattern
from arabic_r1_jax.text.letters import (
    ARABIC_LETTERS,
    HARAKAT,
    MARKS,
    MOON_LETTERS,
    QURAN_SIGNS,
    SCRIPT_LETTERS,
    SUN_LETTERS,
    TATWEEL,
)
from arabic_r1_jax.text.letters import strip_marks as strip
from arabic_r1_jax.text.words import Word

_FATHA, _DAMMA, _KASRA, _SHADDA, _SUKUN = "\u064e", "\u064f", "\u0650", "\u0651", "\u0652"
_FATHATAN, _DAMMATAN, _KASRATAN = "\u064b", "\u064c", "\u064d"
_TANWEEN = _FATHATAN + _DAMMATAN + _KASRATAN
_VOWELS = _FATHA + _DAMMA + _KASRA
_SHORT = {_FATHATAN: _FATHA, _DAMMATAN: _DAMMA, _KASRATAN: _KASRA}
_ANY = _VOWELS + _TANWEEN + _SUKUN  # one of these at most stands on a letter

_A, _M = ARABIC_LETTERS, MARKS
_START = f"(?<![{_A}{_M}{TATWEEL}])"
_END = f"(?![{_A}{_M}{TATWEEL}])"
_ARTICLE = f"(?:[وف]{_FATHA}?)?(?:(?:[بك][{_FATHA}{_KASRA}]?)?[اٱ]{_FATHA}?ل|ل{_KASRA}?ل)"
_WORD = re.compile(f"[{_A}][{_A}{_M}]*")
_QURAN = re.compile(f"[\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed{QURAN_SIGNS}ٱ\u08f0-\u08f2\u0653\u0656\u0657\u065e]")


@functools.lru_cache(maxsize=8)
def _vocalised(line: str) -> bool:
    """Whether at least half of the letters of a line carry marks, and it is not the Quran in its own spelling."""
    marked = len(re.findall(f"[{_A}](?=[{HARAKAT}])", line))
    return 2 * marked >= sum(line.count(letter) for letter in set(line) & set(_A)) and not _QURAN.search(line)


def _one_mark(match: re.Match) -> str | None:
    """Of two vowels the first inside a word and the last at its end; no sukun beside a vowel or shadda."""
    letter, marks = match.groups()
    vowels = [mark for mark in marks if mark in _ANY]
    shadda = _SHADDA if _SHADDA in marks else ""
    if len(vowels) < 2 and marks.count(_SHADDA) < 2 and not (shadda and _SUKUN in vowels):
        return None
    kept = [mark for mark in vowels if mark != _SUKUN]
    if not kept:
        return letter + (shadda or _SUKUN)
    inside = match.string[match.end() : match.end() + 1] in _LETTERS
    return letter + kept[0 if inside or kept[0] in _TANWEEN else -1] + shadda


def _tanween_inside(match: re.Match) -> str | None:
    if _QURAN.search(match.string):
        return None
    return match[1] + _SHORT[match[2]] + match[3]


def _root_lam(match: re.Match) -> bool:
    """Whether ال may be no article: التقى and التزام, of roots that begin with ل, or an imperative of such a root."""
    word = _WORD.match(match.string, match.start("article"))
    bare = strip(word.group()).lstrip("وفبك")
    if bare[:2] != "ال":
        return False
    shortest = 4 if bare[2:3] in ("ت", "ز") else len(bare)
    return any(verb_forms.load().get(bare[:end], 0) for end in range(shortest, len(bare) + 1))


def _sun(match: re.Match) -> str | None:
    bare = strip(match.group())
    if bare.endswith(("الذ", "الت")) and match.string[match.end() : match.end() + 1] == "ي":
        return None
    if not _vocalised(match.string) or _root_lam(match):
        return None
    return match["article"] + match["letter"] + match["vowel"] + _SHADDA


def _sukun_before_sun(match: re.Match) -> str | None:
    if _root_lam(match) or _QURAN.search(match.string):
        return None
    return match["article"] + match["letter"] + match["vowel"].replace(_SHADDA, "") + _SHADDA


def _moon(match: re.Match) -> str | None:
    return None if _root_lam(match) else match.group().replace(_SHADDA, "")


_WASL = re.compile("[وفبكلأ]*(?:ا?ل)?")


_WASL = re.compile("[وفبكلأ]*(?:ا?ل)?")


def _alef(match: re.Match) -> str | None:
    """Without the mark; but alif of wasl behind a prefix may carry one (الاِسم), and so may that of لا."""
    line = match.string
    before = re.search(f"[{_A}{_M}]*$", line[: match.end() - 2]).group()
    if _WASL.fullmatch(strip(before)) or match[1][0] == "ل" or _QURAN.search(line):
        return None
    at_end = line[match.end() : match.end() + 1] not in _LETTERS
    fathatan = at_end and match[2] == _FATHA
    return match[1].rstrip(_FATHA) + _FATHATAN + "ا" if fathatan else match[1] + "ا"


def _tanween_with_article(match: re.Match) -> str | None:
    bare = strip(match.group())
    if any(not reading.state for reading in Word(bare).nominals):  # والدا
        return None
    if _root_lam(match) or bare.lstrip("وفبك") in ("الماس", "الياس"):
        return None
    return unicodedata.normalize("NFC", match["head"] + _SHORT[match["tanween"]])


def _alef_of_tanween(match: re.Match) -> str | None:
    if _QURAN.search(match.string) or (match[1] == "ء" and strip(match.string[: match.start()])[-1:] == "ا"):
        return None
    seat = (
        "ئ" if match[1] == "ء" and strip(match.string[: match.start()])[-1:] in "بتثجحخسشصضطظعغفقكلمنهي" else match[1]
    )
    return seat + match[2] + _FATHATAN + "ا"


_FIXED = """
إِلَى عَلَى عُلَى فِي فِيَّ عَنْ عَنِ عَنَّ مِنْ مِنَ مِنِ مَنْ مَنِ مَنَّ مُنَّ مَنُّ مَنٌّ مَنٍّ مَنِّ هُوَ هُوْ هْوَ هِيَ هِيْ هْيَ
أَنَّ أَنْ أَنِ إِنَّ إِنْ إِنِ قَدْ قَدِ قَدَّ قُدَّ قَدُّ قَدِّ قَدٌّ قَدٍّ لَنْ لَنِ لِنْ لِنِ هَلْ هَلِ هَلَّ أَوْ أَوِ أَوَ حَتَّى هَذَا هَٰذَا هَذِهِ
هَٰذِهِ ذَلِكَ ذَلِكِ ذَٰلِكَ إِذَا إِذًا مُنْذُ مُنذُ نَحْنُ أَنَا أَنْتُمْ أَنْتُمُ أَنتُمْ سَوْفَ الَّذِي الَّتِي الَّذِينَ لَيْسَ كَيْفَ أَيْنَ لَكِنْ لَكِنِ
لَكِنَّ لَٰكِنْ لَٰكِنَّ لَٰكِنِ عِنْدَ عِنْدِ عِندَ عِنْدُ تِلْكَ مَتَى ثُمَّ ثَمَّ ثُمَّتَ أَنَّا إِلَىَّ عَلَىَّ عَلِىٌّ عَلِىٍّ عَلِىُّ
عَلِىِّ عَلِىَّ قْدُ قْدِ قْدَ قَدَ قِدَ قْدٌ قْدٍ هْيُ هْيِ هْيٌ مَعَ مَعِ مَعْ مَعًا مَعَا
"""
_LETTER = re.compile(f"([{_A}])([{_M}]*)")


def _marks(word: str) -> list[str]:
    """The marks of each letter, in one order, without superscript alef."""
    found = ["".join(sorted(set(marks) - {"\u0670"})) for _, marks in _LETTER.findall(word)]
    first = "" if word[0] == "ا" else found[0].replace(_SHADDA, "")  # alif of wasl; shadda of assimilation
    return [first, *found[1:]]


@functools.cache
def _fixed() -> dict[str, list[tuple[list[str], str]]]:
    table: dict[str, list[tuple[list[str], str]]] = {}
    for word in _FIXED.split():
        table.setdefault(strip(word), []).append((_marks(word), word))
    return table


def _misread(match: re.Match) -> str | None:
    """The vocalisation nearest to what is written, if what is written contradicts all."""
    written, best = _marks(match["word"]), None
    for marks, word in _fixed()[strip(match["word"])]:
        both = list(zip(written, marks, strict=True))
        differ = sum(a != b and a not in ("", _SHADDA) for a, b in both)
        differ += sum(a == _SHADDA and _SHADDA not in b for a, b in both)
        if not differ:
            return None
        if best is None or differ < best[0]:
            best = differ, word
    if _QURAN.search(match.string) or not _vocalised(match.string):
        return None
    return match["prefix"] + best[1]


def _spelled() -> str:
    return "|".join(
        sorted(("".join(f"{letter}[{_M}]*" for letter in word) for word in _fixed()), key=len, reverse=True)
    )


_LETTERS = frozenset(ARABIC_LETTERS)
_CHARS = frozenset(HARAKAT)
_ON = frozenset(_TANWEEN)


def _pattern(
    kind: str, message: str, regex: str, suggest: Callable[[re.Match], str | None], needs: frozenset[str], **rest
) -> Pattern:
    return Pattern(f"diacritics.{kind}", message, re.compile(regex), suggest, needs=needs, **rest)


PATTERNS: tuple[Pattern, ...] = (
    _pattern(
        "two_vowels",
        "على الحرف الواحد حركتان.",
        f"([{_A}])([{HARAKAT}]{{2,}})(?![{_M}])",
        _one_mark,
        _CHARS,
        wrong=("كَ{تَُ→تَ}بَ الدَّرْسَ", "جَاءَ الْوَلَ{دَُ→دُ} مُسْرِعًا", "قَرَأْتُ قِصَّ{ةًٌ→ةً}", "عَ{لّْ→لّ}مَ الْأَبُ ابْنَهُ"),
        right=("كَتَبَ الدَّرْسَ", "إِنَّ اللَّهَ مَعَ الصَّابِرِينَ", "شَكَرَ الْمُعَلِّمَ شُكْرًا"),
        confidence=0.95,
    ),
    _pattern(
        "stray_mark",
        "الحركة ليست على حرف.",
        f"(?<![{_A}{_M}{TATWEEL}{SCRIPT_LETTERS}\u25cc])[{HARAKAT}]+(?=[{_A}])",
        lambda match: "",
        _CHARS,
        wrong=("{َ→}وَصَلَ الْقِطَارُ", "شَرِبَ الْحَلِيبَ {َ→}كُلَّهُ"),
        right=("وَصَلَ الْقِطَارُ",),
        confidence=0.95,
    ),
    _pattern(
        "tanween_mid",
        "التنوين في آخر الكلمة لا في وسطها.",
        f"([{_A}]{_SHADDA}?)([{_TANWEEN}])({_SHADDA}?(?![اىو][{_M}]*(?![{_A}{_M}]))[{_A}])",
        _tanween_inside,
        _ON,
        wrong=("كِ{تًا→تَا}بٌ جَدِيدٌ", "هَذَا {بٌي→بُي}ْتٌ كَبِيرٌ"),
        right=("جَاءَ عَمْرٌو بْنُ الْعَاصِ", "قَرَأَ كِتَابًا", "فَتًى كَرِيمٌ", "شُكْراً جَزِيلاً"),
        confidence=0.9,
    ),
    _pattern(
        "sun_letter",
        "الحرف الشمسي بعد أل مشدد.",
        f"{_START}(?P<article>{_ARTICLE})(?P<letter>[{SUN_LETTERS}])(?P<vowel>[{_VOWELS}])(?!{_SHADDA})",
        _sun,
        _CHARS,
        wrong=("طَلَعَتِ {الشَ→الشَّ}مْسُ", "يُحِبُّ {التِ→التِّ}لْمِيذُ مُعَلِّمَهُ"),
        right=("طَلَعَتِ الشَّمْسُ", "التَقَى الصَّدِيقَانِ", "هُوَ الَّذِي جَاءَ", "لِلِسَانِهِ حَدٌّ"),
        confidence=0.9,
    ),
    _pattern(
        "sun_letter",
        "لام أل قبل الحرف الشمسي لا سكون عليها.",
        f"{_START}(?P<article>{_ARTICLE}){_SUKUN}(?P<letter>[{SUN_LETTERS}])(?P<vowel>[{_VOWELS}{_SHADDA}]*)",
        _sukun_before_sun,
        _CHARS,
        wrong=("طَلَعَتِ {الْشَ→الشَّ}مْسُ",),
        right=("الْتَقَى الصَّدِيقَانِ", "الْتِزَامُهُ", "طَلَعَ الْقَمَرُ", "الْزَمْ مَكَانَكَ"),
        confidence=0.9,
    ),
    _pattern(
        "moon_letter",
        "الحرف القمري بعد أل لا يشدد.",
        f"{_START}(?P<article>{_ARTICLE}){_SUKUN}?[{MOON_LETTERS}أإآ][{_VOWELS}]?{_SHADDA}",
        _moon,
        _CHARS,
        wrong=("أَضَاءَ {الْقّ→الْق}َمَرُ", "فَتَحَ {الْبَّ→الْبَ}ابَ"),
        right=("أَضَاءَ الْقَمَرُ",),
    ),
    _pattern(
        "alef_vowel",
        "ألف المد لا حركة عليها.",
        f"([{_A}][{_SHADDA}{_FATHA}]*)ا([{_VOWELS}])(?![{_M}])",
        _alef,
        _CHARS,
        wrong=(
            "عَادَ الْمُ{سَاَ→سَا}فِرُ",
            "حضرا م{عاَ→عًا}",
        ),
        right=("عَادَ الْمُسَافِرُ", "وَاُكْتُبْ بِاَلْقَلَمِ", "لاَ سَلاَمَ", "شُكْرًا"),
        confidence=0.85,
    ),
    _pattern(
        "tanween_al",
        "لا يجتمع التنوين وأل.",
        f"{_START}(?P<head>(?P<article>{_ARTICLE})(?![{_VOWELS}])[{_M}]*[{_A}][{_M}]*[{_A}{_M}]*[{_A}]{_SHADDA}?)(?P<tanween>[{_TANWEEN}]){_SHADDA}?ا?{_END}",
        _tanween_with_article,
        _ON,
        wrong=("{الْكِتَابٌ→الْكِتَابُ} خَيْرُ جَلِيسٍ", "سَلَّمَ عَلَى {الْجَارٍ→الْجَارِ}"),
        right=("الْتِزَامٌ قَوِيٌّ", "أَلَمٌ شَدِيدٌ", "كان والداً كريما", "هَذَا لِلَعِبٍ"),
    ),
    _pattern(
        "tanween_alef",
        "بعد تنوين الفتح ألف.",
        f"([بتثجحخدذرزسشصضطظعغفقكلمنهويء])({_SHADDA}?){_FATHATAN}{_SHADDA}?{_END}",
        _alef_of_tanween,
        _ON,
        wrong=("قَرَأَ كِتَا{بً→بًا} جَدِيدًا", "شك{رً→رًا} جزيلا"),
        right=("شَرِبَ مَاءً", "فَتَحَ مَدْرَسَةً", "شُكْراً"),
        confidence=0.8,
        everywhere=False,
    ),
    _pattern(
        "preposition",
        "ضبط الكلمة لا يوافق نطقها.",
        f"{_START}(?P<prefix>(?:[وف]{_FATHA})?)(?P<word>{_spelled()}){_END}",
        _misread,
        _CHARS,
        wrong=("خَرَجْتُ {مَنَ→مِنَ} الْبَيْتِ مُسْرِعًا", "جَلَسَ الصَّيَّادُ {عِلَى→عَلَى} صَخْرَةٍ"),
        right=("خَرَجْتُ مِنَ الْبَيْتِ", "مَنْ جَدَّ وَجَدَ", "عَنِ الْحَقِّ", "وَهْوَ كَرِيمٌ", "ثُمَّ إِنَّ الرَّجُلَ"),
        confidence=0.8,
        everywhere=False,
    ),
)
