"""Brackets and quotation marks: each opened and closed, without spaces inside and with spaces outside.

A line of a long quotation is not expected to hold both its ends.
"""

import functools
import re

from arabic_r1_jax.text.findings import Pattern
from arabic_r1_jax.text.letters import ARABIC_LETTERS, MARKS, TATWEEL
from arabic_r1_jax.text.rules.punctuation import SMILEY, is_airy, is_code, pattern

_A = ARABIC_LETTERS
_W = ARABIC_LETTERS + MARKS + TATWEEL  # what an Arabic word is written with
_DIGITS = "0-9٠-٩۰-۹"
_BRACKETS = "()[]«»“”"
_PAIRS = {")": "(", "]": "[", "»": "«", "”": "“"}
_OPENS = {opening: closing for closing, opening in _PAIRS.items()}
_ENUMERATION = re.compile(f"(?:^|[\\s،؛:.])(?:[{_DIGITS}]{{1,3}}|[A-Za-z]|[{_A}]{{1,2}}|هـ)\\s?[-.]?$")


_ANY_BRACKET = re.compile(f"[{re.escape(_BRACKETS)}]")


def _is_free(line: str, at: int) -> bool:
    """Whether a bracket belongs to a smiley or is that of an enumeration, 1) or أ)."""
    smiley = SMILEY.search(line[max(0, at - 2) : at + 1])
    return bool(smiley or (line[at] == ")" and _ENUMERATION.search(line[max(0, at - 8) : at])))


@functools.lru_cache(maxsize=8)
def _unmatched(line: str) -> frozenset[int]:
    """Where a line has an opening or closing mark without its other half: of each kind at most one, else none."""
    brackets = [(match.start(), match.group()) for match in _ANY_BRACKET.finditer(line)]
    found = []
    for closing, opening in _PAIRS.items():
        opened, lone = [], []
        for at, char in brackets:
            if char == closing and opened:
                opened.pop()
            elif char in (opening, closing) and not _is_free(line, at):
                (opened if char == opening else lone).append(at)
        if len(opened) + len(lone) == 1:
            found += opened + lone
    return frozenset(found)


def _is_whole(line: str) -> bool:
    """Whether a line may be a text of its own, and not one of the many lines of a quotation."""
    return len(line) < 300 and not is_code(line)


def _unclosed(match: re.Match) -> str | None:
    line, start = match.string, match.start()
    if not _is_whole(line) or start not in _unmatched(line) or line.rstrip()[-1] not in '.؟!…»)"':
        return None
    going_on = re.search(r"[.؟!] ", match.group())  # of several sentences: the end may be on another line
    if not line[:start].strip() or (match[1] in "«“" and ('"' in line or going_on)):
        return None
    text, closing = match.group().rstrip(), _OPENS[match[1]]
    latin = re.match(r"\((?:[A-Za-z][\w&.-]*\s?)+(?= )", text)
    if latin:
        return text[: latin.end()] + closing + text[latin.end() :]
    body = text.rstrip(".؟!،؛")
    if match[1] in "«“" and text[len(body) :] in ("؟", "!"):
        body = text
    return body + closing + text[len(body) :]


def _unclosed_quote(match: re.Match) -> str | None:
    line, text = match.string, match.group().rstrip()
    if (
        line.count('"') != 1
        or not _is_whole(line)
        or line.rstrip()[-1] not in ".؟!"
        or not line[: match.start()].strip()
    ):
        return None
    body = text.rstrip(".،؛")
    return f'{body}"{text[len(body) :]}'


def _unopened(match: re.Match) -> str | None:
    line, at = match.string, match.end() - 1
    if not _is_whole(line) or at not in _unmatched(line):
        return None
    alone = _PAIRS[match[1]] not in line and not line[at + 1 :].strip(" .\n،؛")  # the end of a longer quotation
    alone = alone or line[at - 1] in ".؟!"
    if match[1] in "»”" and ('"' in line or alone or line.rstrip()[-1] not in '.؟!…:»)"'):
        return None
    return _PAIRS[match[1]] + match.group()


def _tight(match: re.Match) -> str | None:
    line, number = match.string, re.match(rf"[({_DIGITS} /)]+", match.string[match.start() :])
    if match.group()[0] == " " and (" " + line)[match.start()] in "([«“ ,،":
        return None
    if "/" in (number or match).group() or re.search(f"[{_DIGITS}] ?/ ?[{_DIGITS}]+ $", line[: match.end() - 1]):
        return None  # ( 7 / 119 )
    if is_airy(line) or (len(re.findall(r"[(«\[“] ", line)) > 1 and len(re.findall(r" [)»\]”]", line)) > 1):
        return None
    return match.group().strip()


def _beside_bracket(match: re.Match) -> str | None:
    return f"{match.group()} " if match.group() in "»)" else f" {match.group()}"


PATTERNS: tuple[Pattern, ...] = (
    pattern(
        "space_bracket",
        "بين القوس والكلمة التي بجانبه مسافة.",
        f"[»)«(](?=[{_A}]{{2}})(?<=[{_W}]{{3}}.)(?:(?<=[»)])|(?=[{_A}]{{4}}))",
        _beside_bracket,
        "»)«(",
        confidence=0.7,
        wrong=("قرأ (الأيام{)→) }لطه حسين", "زار المدينة{(→ (}القديمة) أمس"),
        right=("طالب(ة) العلم", "(ال)كتاب مفيد", "و«الأيام» رواية"),
    ),
    pattern(
        "space_inside",
        "لا مسافة داخل القوسين.",
        f"[(\\[«“] +(?=[{_W}A-Za-z{_DIGITS}])| +[)\\]»”]",
        _tight,
        "()[]«»“”",
        wrong=("أعلنت {( →(}اليونسكو) ذلك", "(عام 1990{ )→)} في باريس", "قال: {« →«}النوم مفيد»"),
        right=("أعلنت (اليونسكو) ذلك", "قال: «النوم مفيد»", "ضع ( ) هنا"),
    ),
    pattern(
        "space_inside",
        "لا مسافة داخل علامتي الاقتباس.",
        f'(?<![^\\s:(])" +[{_A}][^"\\n]*[^\\s"] +"(?![\\w])',
        lambda match: None if match.string.count('"') != 2 else f'"{match.group()[1:-1].strip()}"',
        '"',
        wrong=('قال: {" مرحبا بكم "→"مرحبا بكم"}',),
        right=('قال: "مرحبا بكم" ثم "وداعا"', 'شاشة 15" أو 17" كبيرة'),
    ),
    pattern(
        "unbalanced",
        "علامة اقتباس بلا إغلاق.",
        f'(?<![^\\s:(])"[{_A}A-Za-z][^"\\n]*',
        _unclosed_quote,
        '"',
        confidence=0.65,
        wrong=('قال: {"سأعود غدا.→"سأعود غدا".}',),
        right=('قال: "سأعود غدا".',),
    ),
    pattern(
        "unbalanced",
        "قوس أو علامة اقتباس بلا إغلاق.",
        f"([(\\[«“])[^{re.escape(_BRACKETS)}\\n]+",
        _unclosed,
        "([«“",
        confidence=0.7,
        wrong=("قال المدير: {«سنجتمع غدا.→«سنجتمع غدا».}", "منظمة {(WHO عام 1948.→(WHO) عام 1948.}"),
        right=("قال المدير: «سنجتمع غدا».", "(WHO) عام 1948", "قائمة: 1) كتاب 2) قلم"),
    ),
    pattern(
        "unbalanced",
        "قوس أو علامة اقتباس بلا فتح.",
        f"(?<![^\\s{re.escape(_BRACKETS)}])[^\\s{re.escape(_BRACKETS)}]+([)\\]»”])",
        _unopened,
        ")]»”",
        confidence=0.7,
        wrong=("قرأت رواية {الأيام»→«الأيام»} لطه حسين.", "ارتفعت {12%)→(12%)} في الربع الأول"),
        right=("أ) كتاب ب) قلم", "شكرا :) يا صديقي", "1) كتاب"),
    ),
)
