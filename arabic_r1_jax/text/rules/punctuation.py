"""Punctuation marks and the spaces around them, in edited prose.

Code, addresses, markup, numbers, times, abbreviations, enumerations and smileys have marks of their own, and verse has
its spaces: nothing is said there.
"""

import functools
import re
from collections.abc import Callable

from arabic_r1_jax.text.findings import Pattern
from arabic_r1_jax.text.letters import ARABIC_LETTERS, MARKS, TATWEEL

_A = ARABIC_LETTERS
_W = ARABIC_LETTERS + MARKS + TATWEEL  # what an Arabic word is written with
_LETTERS = frozenset(_A)
_DIGITS = "0-9٠-٩۰-۹"
_ARABIC_MARK = {",": "،", ";": "؛", "?": "؟"}
_CODE = re.compile(r"[`{}<>\\|]|https?:|www\.|==|=>|&\w+;|^\s*(?:[#$/*]|- \[)|[A-Za-z]\w*\(|//|[A-Za-z0-9)'\"];\s*$")
_ENDS = re.compile(f'[{_W}{_DIGITS}»)\\]"A-Za-z]')  # what stands in front of a mark
SMILEY = re.compile(r"[:;=]['-]?[()dDpP]")


@functools.lru_cache(maxsize=8)
def is_code(line: str) -> bool:
    """Whether a line holds code, markup or an address."""
    return bool(_CODE.search(line))


def _token(match: re.Match) -> str:
    """What stands between the spaces around a match."""
    line, start, end = match.string, match.start(), match.end()
    left, right = re.search(r"\S*$", line[max(0, start - 40) : start]), re.match(r"\S*", line[end : end + 40])
    return left.group() + match.group() + right.group()


def _unless_code(suggest: Callable[[re.Match], str | None]) -> Callable[[re.Match], str | None]:
    return lambda match: None if is_code(match.string) else suggest(match)


def _latin_mark(match: re.Match) -> str | None:
    return None if re.search(r"[/@#=]", _token(match)) else _ARABIC_MARK[match.group()[-1]]


@functools.lru_cache(maxsize=8)
def is_airy(line: str) -> bool:
    """Whether all marks of a line have a space in front: the habit of an edition, not a slip."""
    spaced = len(re.findall(f"[{_W}»)] +[،؛؟!:.]", line))
    return spaced > 2 and spaced > 4 * len(re.findall(f"[{_W}»)][،؛؟!:.]", line))


def _attached(match: re.Match) -> str | None:
    """The mark without the space in front of it."""
    line, end = match.string, match.end()
    if not _ENDS.match(line, match.start() - 1) or is_airy(line):
        return None
    if match[1] == "." and line[end : end + 2].strip() and not line[end].isspace():
        return ". " if line[end] in _A and line[end + 1 : end + 2] in _A else None
    if match[1] in ".…" and (line[end : end + 2].strip() == "." or line[: match.start()].endswith(".")):
        return None
    if SMILEY.match(line, end - 1) or (match[1] == ":" and line[end : end + 1] not in ("", " ", "\n", "«", '"')):
        return None
    return match[1] + (" " if line[end : end + 1] in _LETTERS else "")


def _spaced(match: re.Match) -> str | None:
    return None if re.search(r"[/@#=_]|\w-\w", _token(match)) else match[1] + " "


def _full_stop(match: re.Match) -> str | None:
    token = _token(match)
    return None if token.rstrip(".").count(".") > 1 or re.search(r"[/@#=_A-Za-z0-9]", token) else ". "


def _doubled(match: re.Match) -> str | None:
    marks = match.group().replace(" ", "")
    if not _ENDS.match(match.string, match.start() - 1):
        return None
    return next((mark for mark in "؟!؛.،" if mark in marks), None)


def _two_spaces(match: re.Match) -> str | None:
    """One space, unless the line may be two halves of a verse or the columns of a table."""
    if not _ENDS.match(match.string, match.start() - 1) and match.string[match.start() - 1] not in "،؛":
        return None
    line = match.string.strip()
    gaps = re.findall(r"(?<=\S)[ \t\u00a0]{2,}(?=\S)", line)
    if any(len(gap) > 3 or "\t" in gap for gap in gaps) or len(gaps) > 3:
        return None
    at = match.start() - (len(match.string) - len(match.string.lstrip()))
    verse = len(gaps) == 1 and line[-1] not in ".؟!:" and 0.3 < at / len(line) < 0.7
    return None if verse else " "


def _conjunction(match: re.Match) -> str | None:
    line, start, end = match.string, match.start(), match.end()
    before = re.search(r"(\S+)\s*$", line[:start])
    after = re.match(f"[{_W}]+", line[end:])
    if (before and len(before[1].strip("().،")) < 3) or not after or len(after.group()) < 3:
        return None
    return " و"


def pattern(
    kind: str, message: str, regex: str, suggest: Callable[[re.Match], str | None], needs: str, **rest
) -> Pattern:
    """A `Pattern` of this family: in edited text only, silent beside code; `needs` are the characters it looks for."""
    name, unless_code, chars = f"punctuation.{kind}", _unless_code(suggest), frozenset(needs)
    rest = {"confidence": 0.8} | rest
    return Pattern(name, message, re.compile(regex), unless_code, everywhere=False, needs=chars, **rest)


PATTERNS: tuple[Pattern, ...] = (
    pattern(
        "latin_mark",
        "علامة ترقيم لاتينية في نص عربي.",
        f'(?<=[{_W}»]) ?[,;?](?=$|[\\s»)\\]"{_A}])|(?<=[{_DIGITS}%A-Za-z)])[,;?](?= [{_A}])',
        _latin_mark,
        ",;?",
        confidence=0.85,
        wrong=("اشتريت خبزا{,→،} وجبنا", "هل وصلت الرسالة{?→؟}", "اجتهد{;→؛} فالعلم نور", "سنة 1990{,→،} ثم عاد"),
        right=("بلغ 1,000 ريال", "عنوان الصفحة http://a.com/?س=1", "قال: Hello, world", "نفذ `f(أ, ب)` هنا"),
    ),
    pattern(
        "space_before",
        "لا مسافة قبل علامة الترقيم.",
        " +([،؛؟!:.…])(?![.…])",
        _attached,
        "،؛؟!:.…",
        wrong=(
            "قرأت كتابا{ ،→،} ثم نمت",
            "كيف حال والدك{ ؟→؟}",
            "عاد السياح إلى الفندق{ .→.}",
            "قال المدرب{ :→:} سنفوز",
            "نجح محمد{ ،→، }وعلي",
        ),
        right=("قال ... ثم سكت", "منصة .NET قديمة", "شكرا :) يا صديقي", "ثم . . . سكت"),
    ),
    pattern(
        "space_after",
        "بعد علامة الترقيم مسافة.",
        f"([،؛؟!:])(?=[{_A}«(])(?<=[{_W}»)].)",
        _spaced,
        "،؛؟!:",
        wrong=("طلع الفجر{،→، }فاستيقظ الفلاحون", "قال الجد{:→: }«العمل عبادة»", "هل تعبت{؟→؟ }استرح قليلا"),
        right=("الساعة 10:30 صباحا", "ماذا؟! قال ذلك", "العدد ٣،٥ كبير"),
    ),
    pattern(
        "space_after",
        "بعد النقطة مسافة.",
        f"\\.(?=[{_A}«][{_W}]{{2}})(?<=[{_W}]{{3}}.)",
        _full_stop,
        ".",
        wrong=("انتهى الدرس{.→. }خرج التلاميذ",),
        right=("جاء د.محمد وأ.د.سعيد", "موقع موقع.وزارة.مصر مفيد"),
    ),
    pattern(
        "space_after",
        "واو العطف تتصل بما بعدها.",
        f" و +(?=[{_A}])",
        _conjunction,
        "و",
        confidence=0.65,
        wrong=("اشترى القلم { و → و}الكتاب",),
        right=("النقطتان س و ص", "الفقرات أ و ب و ج", "القلم والكتاب"),
    ),
    pattern(
        "doubled",
        "علامة الترقيم مكررة.",
        "(?:، ?[،؛.,]+|؛ ?[؛،.]+|؟\\.|\\.[،؛](?!\\.)|؟[؟ ]*؟|![! ]*!|\\.\\.)(?![.؟!…])",
        _doubled,
        "،؛؟!.",
        confidence=0.7,
        wrong=("اشترى دفترا{،،→،} وقلما", "بعد أربع سنوات{..→.}", "لماذا تأخرت{؟؟→؟}", "احذر{!!→!}"),
        right=("قال... ثم سكت", "ماذا تقول؟!", "عجبا!؟"),
    ),
    pattern(
        "spaces",
        "بين الكلمتين مسافة واحدة.",
        f"  +(?=[{_A}«(])",
        _two_spaces,
        " ",
        confidence=0.75,
        wrong=("ذهب الولد{  → }إلى المدرسة القريبة صباحا.",),
        right=("ولد الهدى فالكائنات ضياء    وفم الزمان تبسم وثناء", "ولد الهدى فالكائنات ضياء  وفم الزمان تبسم وثناء"),
    ),
)
