"""Arabic text brought to one form, as little or as much as its use allows.

    >>> normalize("العــربية\\u200f ﻻ  تُنْسى")
    'العربية لا تُنْسى'
    >>> normalize("إلى «المدرسة»، ٣", "match")
    'الي "المدرسه", 3'

The levels are a ladder; each does what the one before does and then its own steps (`STEPS`):

    nfc    canonical composition only
    clean  what a reader cannot see or would not miss: controls, presentation forms, tatweel, spacing
    bare   no diacritics
    match  one spelling for comparing texts (duplicates, contamination); not for reading

Every level is idempotent, and normalising a lower level's output gives the same as normalising the source.
`normalize_with_offsets` also says where each character came from.
"""

import bisect
import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.text.letters import INVISIBLE, JOINERS, MARKS, QURAN_SIGNS, SCRIPT_LETTERS, TATWEEL, strip_marks

LEVELS = ("nfc", "clean", "bare", "match")

Edit = tuple[int, int, str]  # text[start:end] becomes the string


class Step(NamedTuple):
    """One step: `rewrite(text)` is the new text, `edits(text)` the same as edits in order, which do not overlap."""

    name: str
    level: str  # the lowest level that has it
    does: str
    rewrite: Callable[[str], str]
    edits: Callable[[str], Iterator[Edit]]


class Normalized(NamedTuple):
    """`text[i]` comes from the piece of the source that starts at `origin[i]`; the last entry is the source's length.

    A dropped character belongs to the character before it, as a diacritic does; those before the first, to the first.
    """

    text: str
    origin: list[int]

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """The part of the source, as (start, end), that made text[start:end]; ValueError if that is not within text."""
        if not 0 <= start <= end <= len(self.text):
            raise ValueError(f"({start}, {end}) is not a span of {len(self.text)} characters")
        first = self.origin[start] if self.origin[start] > self.origin[0] else 0
        if end == len(self.text):
            return first, self.origin[-1]
        if start == end:
            return first, first
        # Several characters can come from one piece (ﷺ), so its end is the next position that differs.
        return first, self.origin[bisect.bisect_right(self.origin, self.origin[end - 1])]


def normalize(text: str, level: str = "clean") -> str:
    """`text` at `level`, one of `LEVELS`; UserError for another."""
    for step in steps_of(level):
        # A dropped character can bring a letter and its mark together: every step's result is composed.
        text = _compose(step.rewrite(text))
    return text


def normalize_with_offsets(text: str, level: str = "clean") -> Normalized:
    """The same text as `normalize`, with the position in the source of every character; four times as slow."""
    origin = list(range(len(text) + 1))
    for step in steps_of(level):
        for edits in (step.edits, _compose_edits):
            text, origin = _apply(edits(text), text, origin)
    return Normalized(text, origin)


def steps_of(level: str) -> tuple[Step, ...]:
    """The rows of `STEPS` that `level` does, in order; UserError for an unknown level."""
    if level not in LEVELS:
        raise UserError(f'text.normalize: there is no level "{level}"; the levels are {", ".join(LEVELS)}')
    return tuple(step for step in STEPS if LEVELS.index(step.level) <= LEVELS.index(level))


def _apply(edits: Iterator[Edit], text: str, origin: list[int]) -> tuple[str, list[int]]:
    parts, moved, done = [], [], 0
    for start, end, new in edits:
        parts += text[done:start], new
        moved += origin[done:start]
        moved += [origin[start]] * len(new)
        done = end
    return "".join((*parts, text[done:])), moved + origin[done:]


# --- composition

# What composes with the character before it, besides marks: vowels and finals of Hangul, a vowel of Kirat Rai.
_COMPOSING = re.compile("[\u1161-\u1175\u11a8-\u11c2\U00016d67]")


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@functools.lru_cache(maxsize=4096)
def _continues(char: str) -> bool:
    """Whether composition can join or reorder `char` with what stands before it."""
    return unicodedata.category(char).startswith("M") or _COMPOSING.match(char) is not None


def _compose_edits(text: str) -> Iterator[Edit]:
    if unicodedata.is_normalized("NFC", text):
        return
    starts = [index for index, char in enumerate(text) if not index or not _continues(char)]
    for start, end in itertools.pairwise((*starts, len(text))):
        sequence = text[start:end]
        composed = _compose(sequence)
        if composed != sequence:
            # Reordered marks leave their letter where it is. Neither string begins with the other: some pair differs.
            same = next(index for index, (old, new) in enumerate(zip(sequence, composed, strict=False)) if old != new)
            yield start + same, end, composed[same:]


# --- the other steps: a regular expression, and what its matches become


def _matches(name: str, level: str, does: str, pattern: str, new: str | Callable[[re.Match], str]) -> Step:
    compiled = re.compile(pattern)

    def edits(text: str) -> Iterator[Edit]:
        for found in compiled.finditer(text):
            yield *found.span(), new if isinstance(new, str) else new(found)

    return Step(name, level, does, functools.partial(compiled.sub, new), edits)


def _characters(name: str, level: str, does: str, *pairs: tuple[str, str]) -> Step:
    """Each character of a pair's first string becomes its second; no second string contains a character of a first."""
    table = {char: new for chars, new in pairs for char in chars}
    any_of = f"[{re.escape(''.join(table))}]"
    find = re.compile(any_of).findall

    def rewrite(text: str) -> str:  # several times as fast as a call for every match, or str.translate
        for char in set(find(text)):
            text = text.replace(char, table[char])
        return text

    return _matches(name, level, does, any_of, lambda found: table[found[0]])._replace(rewrite=rewrite)


# Pictographs, in whole blocks: an arrow that composes with a stroke stays in its block.
_EMOJI = "©®‼⁉™ℹ\u2190-\u21ff\u2300-\u23ffⓂ\u25a0-\u27bf⤴⤵\u2b00-\u2bff〰〽㊗㊙\U0001f000-\U0001faff"

_PHRASES = {"ﷺ": "صلى الله عليه وسلم", "ﷻ": "جل جلاله", "﷼": "ريال", "﷽": "بسم الله الرحمن الرحيم"}
_LAST_WORD = re.compile(f"[{SCRIPT_LETTERS}{MARKS}{TATWEEL}]*$")


def _spell(found: re.Match) -> str:
    """The word or words of a single character, as its neighbours need them."""
    sign, text = found[0], found.string
    before, after = text[max(found.start() - 16, 0) : found.start()], text[found.end() : found.end() + 1]
    if sign == "ﷲ":
        # Some fonts draw it without its alef, so people write the alef themselves; and لﷲ is لله, but رسولﷲ is not.
        word = strip_marks(_LAST_WORD.search(unicodedata.normalize("NFKC", before))[0]).replace(TATWEEL, "")
        return "لله" if word.endswith(("ا", "ٱ")) else "له" if word in ("ل", "ول", "فل") else "الله"
    # "محمدﷺ" and "٥﷼" have no space of their own.
    left = before and (before[-1].isalnum() or before[-1] in MARKS or before[-1] in _PHRASES)
    right = after and (after.isalnum() or after in _PHRASES)
    return " " * bool(left) + _PHRASES[sign] + " " * bool(right)


def _forms() -> Iterator[tuple[str, str]]:
    """The presentation forms that are not whole phrases, each with its letters."""
    for form in map(chr, (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFD))):
        letters = unicodedata.normalize("NFKC", form)
        if letters != form and form not in _PHRASES:
            # Marks alone (ﹰ) come as a space and the mark. On a tatweel, the next step gives them to the letter before.
            yield form, letters.replace(" ", TATWEEL)


_SCRIPT = frozenset(SCRIPT_LETTERS)
_MARKS = frozenset(MARKS)


def _is_mark(char: str) -> bool:
    return char in _MARKS or (char != "" and unicodedata.combining(char) > 0)


def _shorten(found: re.Match) -> str:
    """What becomes of a run of tatweel; found[1] are the marks between it and a hamza on it, None without a hamza."""
    text, hamza = found.string, found[1] is not None
    before, after = text[max(found.start() - 1, 0) : found.start()], text[found.end() : found.end() + 1]
    if before in _SCRIPT or _is_mark(before):
        # A hamza's tatweel is its seat (شَيْـًٔا): on the letter before, the hamza would make another letter of it.
        return "ئ" + found[1] if hamza else ""
    if hamza or _is_mark(after):  # it shows a mark that has no letter, as in "(ـَ)"
        return TATWEEL + found[0].lstrip(TATWEEL)
    return "" if after in _SCRIPT else "-"  # newspapers write it for a dash: "القاهرة ـ وكالات"


def _space(found: re.Match) -> str:
    """One space, or at most two newlines, for a run of both; spaces before a newline or the text's end go."""
    # A form feed or Unicode's separators end a line too: dropped, they would join two words.
    *ended, last = (found[0] + ".").splitlines()
    indent = len(last) > 1 and found.end() < len(found.string)
    return "\n" * min(len(ended), 2) + " " * indent


_TATWEELS = f"{TATWEEL}+(?:([{MARKS}]*?)[\u0654\u0655])?"
_BLANK = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"  # twice as fast as \s
# All but a single space or newline with text after it, which is the rule.
_BLANKS = rf"{_BLANK}(?!(?<=[ \n])\S){_BLANK}*"

_CONTROLS = r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f" + "".join(char for char in INVISIBLE if char not in JOINERS)
_LONE_JOINER = f"[{JOINERS}](?:(?<!\u200d)|(?<![{_EMOJI}\ufe0f]\u200d)|(?![{_EMOJI}]))"
_DIGITS = [(both, str(digit)) for digit, both in enumerate(map("".join, zip("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", strict=True)))]
_LATIN = [chr(code) for code in (*range(0x41, 0x250), *range(0x1E00, 0x1F00))]
# "İ" in lower case is two characters, a letter and a mark; for comparing, the letter will do.
_CAPITALS = [(char, char.lower()[0]) for char in _LATIN if char.lower() != char]

STEPS = (
    Step("nfc", "nfc", "canonical composition, repeated after every other step", _compose, _compose_edits),
    _matches("controls", "clean", "controls, direction marks, unseen characters go", f"[{_CONTROLS}]+", ""),
    _matches("joiners", "clean", "zero-width joiners and non-joiners go, except inside emoji", _LONE_JOINER, ""),
    _matches("words", "clean", "ﷲ ﷺ ﷻ ﷼ ﷽ become words", f"[ﷲ{''.join(_PHRASES)}]", _spell),
    _characters("forms", "clean", "other presentation forms (FB50-FDFF, FE70-FEFC) become letters", *_forms()),
    _matches("tatweel", "clean", "tatweel goes; under a hamza it is ئ, alone a hyphen", _TATWEELS, _shorten),
    _matches("spacing", "clean", "one kind of space and newline, no runs, none before a line's end", _BLANKS, _space),
    _matches("marks", "bare", "diacritics and Quranic signs go", f"[{MARKS}{QURAN_SIGNS}]+", ""),
    _characters("wasla", "bare", "ٱ becomes ا", ("ٱ", "ا")),
    _matches("bare tatweel", "bare", "tatweel again, where it carried a mark", _TATWEELS, _shorten),
    _matches("bare spacing", "bare", "spacing again, where a mark stood alone", _BLANKS, _space),
    _characters(
        *("letters", "match", "alef's forms, hamza's seats, ى, ة and Persian and Urdu look-alikes fold together"),
        *(("أإآٲٳٵ", "ا"), ("ؤ", "و"), ("ئىیۍې", "ي"), ("ةہھۀۂۃ", "ه"), ("کڪ", "ك")),
    ),
    _characters("digits", "match", "Arabic-Indic and Persian digits become 0-9", *_DIGITS),
    # To ASCII, not to a space: "3,5" stays apart from "3 5", and whoever compares words splits at either.
    _characters(
        *("punctuation", "match", "Arabic and typographic punctuation becomes ASCII"),
        *(("،٬", ","), ("؛", ";"), ("؟", "?"), ("٪", "%"), ("٫۔", "."), ("…", "..."), ("٭", "*")),
        *(("«»“”„‟″", '"'), ("‹›‘’‚‛′`´", "'"), ("‐‑‒–—―−", "-"), ("﴿", "("), ("﴾", ")")),
    ),
    _characters("case", "match", "Latin capitals become small letters", *_CAPITALS),
)
