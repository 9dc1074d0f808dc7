"""Punctuation marks and the spaces around them, in edited prose.

Code, addresses, markup, numbers, times, abbreviations, enumerations and smileys have marks of their own, and verse has
its spaces: nothing is said there.
"""

import functools
import re
from collections.abc import Callable

from arabic_r1_jax.text.findings import Pattern, Rule
from arabic_r1_jax.text.letters import ARABIC_LETTERS, MARKS, TATWEEL

RULES: tuple[Rule, ...] = ()

_A = ARABIC_LETTERS
_W = ARABIC_LETTERS + MARKS + TATWEEL  # what an Arabic word is written with
_DIGITS = "0-9٠-٩۰-۹"
_ARABIC_MARK = {",": "،", ";": "؛", "?": "؟"}
_CODE = re.compile(r"[`{}<>\\|]|https?:|www\.|==|=>|&\w+;|^\s*(?:[#$/*]|- \[)|\w\(\)|\w\.\w+\(")
_SMILEY = re.compile(r"[:;=]['-]?[()dDpP]")


@functools.lru_cache(maxsize=8)
def _is_code(line: str) -> bool:
    """Whether a line holds code, markup or an address."""
    return bool(_CODE.search(line))


def _token(match: re.Match) -> str:
    """What stands between the spaces around a match."""
    line, start, end = match.string, match.start(), match.end()
    left, right = re.search(r"\S*$", line[max(0, start - 40) : start]), re.match(r"\S*", line[end : end + 40])
    return left.group() + match.group() + right.group()


def _unless_code(suggest: Callable[[re.Match], str | None]) -> Callable[[re.Match], str | None]:
    return lambda match: None if _is_code(match.string) else suggest(match)


def _latin_mark(match: re.Match) -> str | None:
    return None if re.search(r"[/@#=]", _token(match)) else _ARABIC_MARK[match.group()[-1]]


@functools.lru_cache(maxsize=8)
def _is_airy(line: str) -> bool:
    """Whether all marks of a line have a space in front: the habit of an edition, not a slip."""
    spaced = len(re.findall(f"[{_W}»)] +[،؛؟!:.]", line))
    return spaced > 2 and spaced > 4 * len(re.findall(f"[{_W}»)][،؛؟!:.]", line))


def _attached(match: re.Match) -> str | None:
    """The mark without the space in front of it."""
    line, end = match.string, match.end()
    if _is_airy(line):
        return None
    if match[1] == "." and line[end : end + 2].strip() and not line[end].isspace():
        return None
    if match[1] in ".…" and (line[end : end + 2].strip() == "." or line[: match.start()].endswith(".")):
        return None
    if _SMILEY.match(line, end - 1) or (match[1] == ":" and line[end : end + 1] not in ("", " ", "\n", "«", '"')):
        return None
    return match[1]


def _spaced(match: re.Match) -> str | None:
    return None if re.search(r"[/@#=_]|\w-\w", _token(match)) else match[1] + " "


def _beside_bracket(match: re.Match) -> str | None:
    return f"{match[1]} " if match[1] else f" {match[2]}"


def _full_stop(match: re.Match) -> str | None:
    token = _token(match)
    return None if token.rstrip(".").count(".") > 1 or re.search(r"[/@#=_A-Za-z0-9]", token) else ". "


def _doubled(match: re.Match) -> str | None:
    marks = match.group().replace(" ", "")
    return next((mark for mark in "؟!؛.،" if mark in marks), None)


def _two_spaces(match: re.Match) -> str | None:
    """One space, unless the line may be two halves of a verse or the columns of a table."""
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
    return "و"


# Brackets and quotation marks.
_PAIRS = {")": "(", "]": "[", "»": "«", "”": "“"}
_OPENS = {opening: closing for closing, opening in _PAIRS.items()}
_ENUMERATION = re.compile(f"(?:^|[\\s،؛:.])(?:[{_DIGITS}]{{1,3}}|[A-Za-z]|[{_A}]{{1,3}}|هـ)\\s?[-.]?$")


@functools.lru_cache(maxsize=8)
def _unmatched(line: str) -> frozenset[int]:
    """Where a line has an opening or closing mark without its other half: of each kind at most one, else none."""
    found = []
    for closing, opening in _PAIRS.items():
        open_at, lone = [], []
        for at, char in enumerate(line):
            if char == opening and not _SMILEY.search(line[max(0, at - 2) : at + 1]):
                open_at.append(at)
            elif char == closing and open_at:
                open_at.pop()
            elif (
                char == closing
                and not _ENUMERATION.search(line[:at])
                and not _SMILEY.search(line[max(0, at - 2) : at + 1])
            ):
                lone.append(at)
        if len(open_at) + len(lone) == 1:
            found += open_at + lone
    return frozenset(found)


def _is_whole(line: str) -> bool:
    """Whether a line may be a text of its own, and not one of the many lines of a quotation."""
    return len(line) < 300 and not _is_code(line)


def _unclosed(match: re.Match) -> str | None:
    line, start = match.string, match.start()
    if not _is_whole(line) or start not in _unmatched(line) or line.rstrip()[-1] not in '.؟!…»)"':
        return None
    if match[1] in "«“" and (not line[:start].strip() or '"' in line):
        return None
    text, closing = match.group().rstrip(), _OPENS[match[1]]
    latin = re.match(r"\((?:[A-Za-z][\w&.-]*\s?)+(?= )", text)
    if latin:
        return text[: latin.end()] + closing + text[latin.end() :]
    body = text.rstrip(".؟!،؛")
    if match[1] in "«“" and text[len(body) :] in ("؟", "!"):
        body = text
    return body + closing + text[len(body) :]


def _unopened(match: re.Match) -> str | None:
    line, at = match.string, match.end() - 1
    if not _is_whole(line) or at not in _unmatched(line):
        return None
    if match[1] in "»”" and ('"' in line or not line[at + 1 :].strip(" .\n،؛")):
        return None
    return _PAIRS[match[1]] + match.group()


def _tight(match: re.Match) -> str | None:
    line, number = match.string, re.match(rf"[({_DIGITS} /)]+", match.string[match.start() :])
    if "/" in (number or match).group() or re.search(f"[{_DIGITS}] ?/ ?[{_DIGITS}]+ $", line[: match.end() - 1]):
        return None  # ( 7 / 119 )
    if _is_airy(line) or (len(re.findall(r"[(«\[“] ", line)) > 1 and len(re.findall(r" [)»\]”]", line)) > 1):
        return None
    return match.group().strip()


def _pattern(
    kind: str, message: str, regex: str, suggest: Callable[[re.Match], str | None], needs: str, **rest
) -> Pattern:
    name, unless_code, chars = f"punctuation.{kind}", _unless_code(suggest), frozenset(needs)
    rest = {"confidence": 0.8} | rest
    return Pattern(name, message, re.compile(regex), unless_code, everywhere=False, needs=chars, **rest)


_BRACKETS = "()[]«»“”"

PATTERNS: tuple[Pattern, ...] = (
    _pattern(
        "latin_mark",
        "علامة ترقيم لاتينية في نص عربي.",
        f'(?<=[{_W}»]) ?[,;?](?=$|[\\s»)\\]"{_A}])|(?<=[{_DIGITS}%A-Za-z)])[,;?](?= [{_A}])',
        _latin_mark,
        ",;?",
        confidence=0.85,
        wrong=("اشتريت خبزا{,→،} وجبنا", "هل وصلت الرسالة{?→؟}", "اجتهد{;→؛} فالعلم نور", "سنة 1990{,→،} ثم عاد"),
        right=("بلغ 1,000 ريال", "عنوان الصفحة http://a.com/?س=1", "قال: Hello, world", "نفذ `f(أ, ب)` هنا"),
    ),
    _pattern(
        "space_before",
        "لا مسافة قبل علامة الترقيم.",
        f'(?<=[{_W}{_DIGITS}»)\\]"A-Za-z]) +([،؛؟!:.…])(?![.…])',
        _attached,
        "،؛؟!:.…",
        wrong=(
            "قرأت كتابا{ ،→،} ثم نمت",
            "كيف حال والدك{ ؟→؟}",
            "عاد السياح إلى الفندق{ .→.}",
            "قال المدرب{ :→:} سنفوز",
        ),
        right=("قال ... ثم سكت", "منصة .NET قديمة", "شكرا :) يا صديقي", "ثم . . . سكت"),
    ),
    _pattern(
        "space_after",
        "بعد علامة الترقيم مسافة.",
        f"(?<=[{_W}»)])([،؛؟!:])(?=[{_A}«(“])",
        _spaced,
        "،؛؟!:",
        wrong=("طلع الفجر{،→، }فاستيقظ الفلاحون", "قال الجد{:→: }«العمل عبادة»", "هل تعبت{؟→؟ }استرح قليلا"),
        right=("الساعة 10:30 صباحا", "ماذا؟! قال ذلك", "العدد ٣،٥ كبير"),
    ),
    _pattern(
        "space_after",
        "بعد النقطة مسافة.",
        f"(?<=[{_W}]{{3}})(\\.)(?=[{_A}«][{_W}]{{2}})",
        _full_stop,
        ".",
        wrong=("انتهى الدرس{.→. }خرج التلاميذ",),
        right=("جاء د.محمد وأ.د.سعيد", "موقع موقع.وزارة.مصر مفيد"),
    ),
    _pattern(
        "space_after",
        "واو العطف تتصل بما بعدها.",
        f"(?<![\\w{_W}.(/+=-])و +(?=[{_A}])",
        _conjunction,
        "و",
        confidence=0.65,
        wrong=("اشترى القلم {و →و}الكتاب",),
        right=("النقطتان س و ص", "الفقرات أ و ب و ج", "القلم والكتاب"),
    ),
    _pattern(
        "space_bracket",
        "بين القوس والكلمة التي بجانبه مسافة.",
        f"(?<=[{_W}]{{3}})([»)])(?=[{_A}]{{3}})|(?<=[{_W}]{{4}})([«(])(?=[{_A}]{{4}})",
        _beside_bracket,
        "»)«(",
        confidence=0.7,
        wrong=("قرأ (الأيام{)→) }لطه حسين", "زار المدينة{(→ (}القديمة) أمس"),
        right=("طالب(ة) العلم", "(ال)كتاب مفيد", "و«الأيام» رواية"),
    ),
    _pattern(
        "doubled",
        "علامة الترقيم مكررة.",
        f"(?<=[{_W}{_DIGITS}»)])(?:، ?[،؛.,]+|؛ ?[؛،.]+|؟\\.|\\.[،؛](?!\\.)|؟ ?؟|! ?!|(?<!\\.)\\.\\.)(?![.؟!…])",
        _doubled,
        "،؛؟!.",
        confidence=0.7,
        wrong=("اشترى دفترا{،،→،} وقلما", "بعد أربع سنوات{..→.}", "لماذا تأخرت{؟؟→؟}", "احذر{!!→!}"),
        right=("قال... ثم سكت", "ماذا تقول؟!", "عجبا!؟"),
    ),
    _pattern(
        "space_inside",
        "لا مسافة داخل القوسين.",
        f"[(\\[«“] +(?=[{_W}A-Za-z{_DIGITS}])|(?<=[{_W}{_DIGITS}A-Za-z.؟!%]) +[)\\]»”]",
        _tight,
        "()[]«»“”",
        wrong=("أعلنت {( →(}اليونسكو) ذلك", "(عام 1990{ )→)} في باريس", "قال: {« →«}النوم مفيد»"),
        right=("أعلنت (اليونسكو) ذلك", "قال: «النوم مفيد»", "ضع ( ) هنا"),
    ),
    _pattern(
        "unbalanced",
        "قوس أو علامة اقتباس بلا إغلاق.",
        f"([(\\[«“])[^{re.escape(_BRACKETS)}\\n]+",
        _unclosed,
        "([«“",
        confidence=0.7,
        wrong=("قال المدير: {«سنجتمع غدا.→«سنجتمع غدا».}", "منظمة {(WHO عام 1948.→(WHO) عام 1948.}"),
        right=("قال المدير: «سنجتمع غدا».", "(WHO) عام 1948", "قائمة: 1) كتاب 2) قلم"),
    ),
    _pattern(
        "unbalanced",
        "قوس أو علامة اقتباس بلا فتح.",
        f"(?<![^\\s{re.escape(_BRACKETS)}])[^\\s{re.escape(_BRACKETS)}]+([)\\]»”])",
        _unopened,
        ")]»”",
        confidence=0.7,
        wrong=("قرأت رواية {الأيام»→«الأيام»} لطه حسين", "ارتفعت {12%)→(12%)} في الربع الأول"),
        right=("أ) كتاب ب) قلم", "شكرا :) يا صديقي", "1) كتاب"),
    ),
    _pattern(
        "spaces",
        "بين الكلمتين مسافة واحدة.",
        f"(?<=[{_W}،؛]) {{2,3}}(?=[{_A}«(])",
        _two_spaces,
        " ",
        confidence=0.75,
        wrong=("ذهب الولد{  → }إلى المدرسة القريبة صباحا.",),
        right=("ولد الهدى فالكائنات ضياء    وفم الزمان تبسم وثناء", "ولد الهدى فالكائنات ضياء  وفم الزمان تبسم وثناء"),
    ),
)
