"""A word type: its letters and all that they may be. Made once for each spelling of a text, whatever its length.

Nothing is decided here: a word has all its readings, and a rule that fires must hold under each of them.
"""

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from arabic_r1_jax.text import dictionary, lexicon, verb_forms
from arabic_r1_jax.text.letters import ARABIC_LETTERS, INVISIBLE, MARKS, TATWEEL
from arabic_r1_jax.text.lexicon import Nominal
from arabic_r1_jax.text.verb_forms import slots

PRONOUNS = ("ه", "ها", "هما", "هم", "هن", "ك", "كما", "كم", "كن", "ي", "نا")
# The same by their last letter, behind nouns and behind verbs.
_PRONOUNS = {letter: tuple(one for one in PRONOUNS if one[-1] == letter) for letter in "هانمكي"}
_OBJECTS = _PRONOUNS | {"ي": ("ني",)}
_NOT_LETTERS = re.compile(f"[{MARKS}{TATWEEL}{INVISIBLE}]+")
_ARABIC = re.compile(f"[{ARABIC_LETTERS}]+")
_PLAIN = re.compile(f"[{ARABIC_LETTERS.replace('ٱ', '')}]+")
_NO_CLASS: frozenset[str] = frozenset()
FINITE = slots("past", "ind", "sub", "juss", "imp")
_INDICATIVE = slots("ind")


class Reading(NamedTuple):
    """One way to read a word as a noun or adjective."""

    conjunction: str  # و, ف or ""
    preposition: str  # ب, ك, ل or ""
    state: str  # "al" with the article, "pron" with an attached pronoun, "" neither
    nominal: Nominal
    listed: bool  # in our lists; else known by its form or as a participle

    @property
    def definite(self) -> bool:
        return bool(self.state)


class VerbReading(NamedTuple):
    """One way to read a word as a verb."""

    conjunction: str
    future: bool  # س
    pronoun: str  # attached object
    slots: int


class _lazy:
    """An attribute worked out when it is first asked for. (functools.cached_property takes a lock in Python 3.11.)"""

    def __init__(self, function: Callable[["Word"], object]):
        self.function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, word: "Word | None", owner: type) -> object:
        if word is None:
            return self
        found = word.__dict__[self.name] = self.function(word)
        return found


class Word:
    """A spelling and its readings. `text` is as written; `bare` is without marks, tatweel and invisible characters.

    Of a function word `conjunction` is the و or ف in front, `core` the rest, `classes` those of function_words.txt:
    whole if it can be. Any other word has no classes, and all of it is its core.
    """

    def __init__(self, text: str):
        self.text = text
        self.rules = ()  # filled in by `check`: (find, rule) pairs
        if _PLAIN.fullmatch(text):  # as most words
            self.bare, self.arabic, self.number, self.marked = text, True, None, False
        else:
            self.bare = _NOT_LETTERS.sub("", text).replace("ٱ", "ا")
            self.arabic = bool(_ARABIC.fullmatch(self.bare))
            self.number = int(self.bare) if self.bare.isdecimal() and len(self.bare) < 16 else None
            self.marked = self.bare != text and any(mark in text for mark in MARKS)
        self.conjunction, self.core, self.classes = _split(self.bare)

    def __repr__(self) -> str:
        return f"Word({self.text!r})"

    @_lazy
    def nominals(self) -> tuple[Reading, ...]:
        """Every reading as a noun or adjective."""
        return tuple(_nominal_readings(self.bare)) if self.arabic else ()

    @_lazy
    def verbs(self) -> tuple[VerbReading, ...]:
        """Every reading as a verb."""
        return tuple(_verb_readings(self.bare)) if self.arabic else ()

    @_lazy
    def slots(self) -> int:
        """The slots of all its readings as a verb, without participles and masdars."""
        return functools.reduce(int.__or__, (verb.slots for verb in self.verbs), 0)

    @_lazy
    def known(self) -> bool:
        """Whether the spelling is a word by any source."""
        return bool(self.classes or self.nominals or self.verbs) or (self.arabic and dictionary.known(self.bare))


def _split(bare: str) -> tuple[str, str, frozenset[str]]:
    table = lexicon.function_words()
    if found := table.get(bare):
        return "", bare, found
    if bare[:1] in ("و", "ف") and (found := table.get(bare[1:])):
        return bare[0], bare[1:], found
    return "", bare, _NO_CLASS


def _conjunctions(bare: str) -> tuple[str, ...]:
    """What may stand in front of a word: nothing, or the و or ف that it begins with."""
    if len(bare) < 2:
        return ()
    return ("", bare[0]) if bare[0] in "وف" and len(bare) > 2 else ("",)


_ARTICLE = (  # in front of a stem: letters, preposition, state, how many of the letters are cut off
    ("", "", "", 0),
    ("ال", "", "al", 2),
    ("ب", "ب", "", 1),
    ("بال", "ب", "al", 3),
    ("ك", "ك", "", 1),
    ("كال", "ك", "al", 3),
    ("ل", "ل", "", 1),
    ("لل", "ل", "al", 2),
    ("لل", "ل", "al", 1),  # للغة: the ل of the word and that of the article are one
)
_SHORTEST = 2  # letters of a stem


@functools.cache
def _prefixes(first: str) -> list[tuple[str, str, str, str, int]]:
    """(letters, conjunction, preposition, state, how many are cut off): what a word with this first letter may have."""
    return [
        (conjunction + letters, conjunction, preposition, state, len(conjunction) + cut)
        for conjunction in ("", "و", "ف")
        for letters, preposition, state, cut in _ARTICLE
        if (conjunction + letters)[:1] in ("", first)
    ]


def _nominal_readings(bare: str) -> list[Reading]:
    readings, forms, bound_forms = [], lexicon.forms(), lexicon.bound_forms()
    for prefix, conjunction, preposition, state, cut in _prefixes(bare[0]):
        stem = bare[cut:]
        if len(stem) < _SHORTEST or not bare.startswith(prefix):
            continue
        listed = forms.get(stem)
        for nominal in listed or _guessed(stem):
            if not (state and (nominal.construct or nominal.case == "a")):
                readings.append(Reading(conjunction, preposition, state, nominal, listed is not None))
        if not state and stem[-1] in _PRONOUNS:
            for pronoun in _PRONOUNS[stem[-1]]:
                if stem.endswith(pronoun) and len(stem) > len(pronoun) + 1:
                    for nominal in bound_forms.get(stem[: -len(pronoun)], ()):
                        readings.append(Reading(conjunction, preposition, "pron", nominal, True))
    return readings


def stands_alone(bare: str) -> bool:
    """Whether a word has a reading as a noun that takes no prefix or pronoun off it."""
    return bare in lexicon.forms() or bool(len(bare) >= _SHORTEST and _guessed(bare))


_ENDINGS = (  # of a participle: ending, gender, number, case
    ("", "m", "s", ""),
    ("ا", "m", "s", "a"),
    ("ة", "f", "s", ""),
    ("ون", "m", "p", "n"),
    ("ين", "m", "p", "o"),
    ("ان", "m", "d", "n"),
    ("تان", "f", "d", "n"),
    ("تين", "f", "d", "o"),
    ("ات", "f", "p", ""),
)
_ENDINGS_BY_LAST = {
    letter: tuple((ending, -len(ending) or None, *row) for ending, *row in _ENDINGS if ending[-1:] in ("", letter))
    for letter in {row[0][-1:] for row in _ENDINGS}
}


def _guessed(stem: str) -> list[Nominal]:
    """Readings of a form that no list has: participles and masdars of the verb table, and nothing else."""
    found = []
    participles = verb_forms.having("ap", "pp")
    for ending, end, gender, number, case in _ENDINGS_BY_LAST.get(stem[-1], _ENDINGS_BY_LAST[""]):
        if (root := stem[:end]) in participles and len(root) >= 3 and stem.endswith(ending):
            found.append(Nominal(root, True, gender, number, False, case))
            if ending == "ين":
                found.append(Nominal(root, True, gender, "d", False, case))
    if not found and len(stem) > 4 and stem[0] in "تاإ" and stem[-1] not in "ةىا" and stem in verb_forms.having("vn"):
        found.append(Nominal(stem, False, "m", "s", False))
    return found


def _verb_readings(bare: str) -> list[VerbReading]:
    table, readings = verb_forms.load(), []
    for conjunction in _conjunctions(bare):
        rest = bare[len(conjunction) :]
        for future in (False, True) if rest[0] == "س" and len(rest) > 3 else (False,):
            stem, allowed = (rest[1:], _INDICATIVE) if future else (rest, FINITE)
            if found := table.get(stem, 0) & allowed:
                readings.append(VerbReading(conjunction, future, "", found))
            for pronoun in _OBJECTS.get(stem[-1], ()):
                if (
                    stem.endswith(pronoun)
                    and len(stem) > len(pronoun) + 1
                    and (found := _bound_verb(stem[: -len(pronoun)], table) & allowed)
                ):
                    readings.append(VerbReading(conjunction, future, pronoun, found))
    return readings


def _bound_verb(stem: str, table: dict[str, int]) -> int:
    """The slots of a form in front of an object."""
    found = table.get(stem, 0)
    if stem[-1] == "و":  # the alif of the plural goes
        found |= table.get(stem + "ا", 0)
        if stem.endswith("تمو"):  # and تم opens to تمو
            found |= table.get(stem[:-1], 0)
    elif stem[-1] == "ا":
        found |= table.get(stem[:-1] + "ى", 0)
    return found
