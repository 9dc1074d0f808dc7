"""Marks at the edges of a word: none begins with sukun, and ة carries its tanween itself (عادةً, not عادتًا)."""

import re

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.findings import Pattern
from arabic_r1_jax.text.letters import ARABIC_LETTERS, HARAKAT, MARKS, strip_marks

_A, _M = ARABIC_LETTERS, MARKS
_NEEDS = frozenset(HARAKAT)


def _opened_ta(match: re.Match) -> str | None:
    """عادتًا: the noun has ة and there is no noun in ت."""
    stem = strip_marks(match["stem"])
    nouns = lexicon.forms()
    starts = [stem[len(prefix) :] for prefix in ("", "و", "ف") if stem.startswith(prefix)]
    if any(start + "ت" in nouns for start in starts) or not any(start + "ة" in nouns for start in starts):
        return None
    return match["stem"] + "ةً"


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "orthography.tanween",
        "التاء المربوطة لا تفتح عند التنوين.",
        re.compile(f"(?<![{_A}{_M}])(?P<stem>[{_A}{_M}]{{3,}})(?:تًا|تاً)(?![{_A}{_M}])"),
        _opened_ta,
        wrong=("{عادتًا→عادةً} ما يصل القطار متأخرا", "قرأت {مقالتاً→مقالةً} طويلة"),
        right=("عادةً ما يصل القطار متأخرا", "أمضى وقتًا طويلا في القراءة", "زرع نباتًا نادرا"),
        everywhere=False,
        needs=_NEEDS,
    ),
    Pattern(
        "diacritics.initial_sukun",
        "لا تبدأ الكلمة العربية بساكن.",
        re.compile(f"(?<![{_A}{_M}\\w])(?P<first>[{_A.replace('ا', '')}])\u0652(?!ن[{_M}]*(?![{_A}]))"),
        lambda match: match["first"],
        wrong=("تقع {مْ→م}دينة بخارى في آسيا", "{كْ→ك}تب الطالب الدرس"),
        right=("تقع مَدينة بخارى في آسيا", "وَلْيكتب الطالب الدرس"),
        confidence=0.85,
        everywhere=False,
        needs=_NEEDS,
    ),
)
