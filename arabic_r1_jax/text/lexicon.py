"""The words whose grammar the checker knows: nouns with gender and plural, adjectives, function words.

    data/nouns_*.txt          WORD CLASS PLURALS      كتاب m كتب          CLASS m, f, b (either), with h for humans
    data/adjectives.txt       MASC FEM PLURALS        كبير ة كبار         ة, ون and ات are endings, the rest whole words
    data/function_words.txt   WORD CLASS              هذا demonstrative   several lines where a word has several classes
    data/diptotes.txt         WORD CLASS              مدارس mafail

Written for this project. Nouns and adjectives are spread into all their forms: `forms()` for words that stand alone,
`bound_forms()` for those in front of a pronoun (مدرست in مدرسته).
"""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_DATA = Path(__file__).parent / "data"
# Broken plurals that take no tanween: مفاعل, مفاعيل, فواعل, فعلاء, أفعلاء.
_DIPTOTE_PLURAL = re.compile(r"..[اآ]..|..[اآ].ي.|.{2,4}اء|.[اآ]..|[ء-ي]{2}ايا")


class Nominal(NamedTuple):
    """What a form of a noun or adjective is."""

    lemma: str  # the singular; of an adjective the masculine
    adjective: bool
    gender: str  # m, f, or b for either: of the singular
    number: str  # s, d, p
    human: bool
    case: str = ""  # what its letters show: n nominative, o oblique, a accusative and indefinite, "" nothing
    construct: bool = False  # the ن of a dual or sound plural is gone: something must follow

    @property
    def agrees(self) -> str:
        """What an adjective, verb or demonstrative agrees with: ms, fs, md, fd, mp, fp; b in place of m or f."""
        if self.number == "p" and not self.human and not self.adjective:
            return "fs"
        return self.gender + self.number


def rows(name: str) -> Iterator[list[str]]:
    """The fields of every line of a list, without comments."""
    for line in (_DATA / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split(" ")


def _stem(word: str) -> str:
    """What endings are put on: ة opens to ت, ى goes back to ي."""
    return word[:-1] + {"ة": "ت", "ى": "ي"}.get(word[-1], word[-1])


def _with_hamza(stem: str) -> tuple[str, ...]:
    """A stem in front of a pronoun: a final hamza takes the seat of its case (أصدقاؤه, أصدقائه, أصدقاءه)."""
    return (stem, stem[:-1] + "ؤ", stem[:-1] + "ئ") if stem[-1] in "ءأ" else (stem,)


def accusative(word: str) -> str | None:
    """The indefinite accusative in ا (كتابا, شيئا); None for words whose letters do not show it."""
    if word[-1] in "ةىاأ" or word.endswith("اء"):
        return None
    joins = "بتثجحخسشصضطظعغفقكلمنهيئ"
    return word[:-1] + "ئا" if word[-1] == "ء" and len(word) > 2 and word[-2] in joins else word + "ا"


def _inflected(
    word: str, plurals: list[str], gender: str, human: bool, adjective: bool, lemma: str
) -> Iterator[tuple[str, Nominal, bool]]:
    """(form, what it is, whether it stands in front of a pronoun) for all forms of one singular."""

    def nominal(number: str, case: str = "", construct: bool = False) -> Nominal:
        return Nominal(lemma, adjective, gender, number, human, case, construct)

    def sound(stem: str, number: str, nominative: str) -> Iterator[tuple[str, Nominal, bool]]:
        for ending, case in ((nominative, "n"), ("ي", "o")):
            yield f"{stem}{ending}ن", nominal(number, case), False
            yield f"{stem}{ending}", nominal(number, case, True), False
            yield f"{stem}{ending}", nominal(number, case, True), True

    def plain(form: str, number: str, diptote: bool) -> Iterator[tuple[str, Nominal, bool]]:
        yield form, nominal(number), False
        for bound in _with_hamza(form[:-1] + "ت" if form[-1] == "ة" else form[:-1] + "ا" if form[-1] == "ى" else form):
            yield bound, nominal(number), True
        if not diptote and (shown := accusative(form)):
            yield shown, nominal(number, "a"), False

    yield from plain(word, "s", word in diptotes())
    yield from sound(_stem(word), "d", "ا")
    for plural in plurals:
        if plural == "ون":
            stem = word.removesuffix("ة").removesuffix("ى")
            yield from sound(stem, "p", "و")
            if stem.endswith("اء"):  # عداؤون, عدائين
                yield f"{stem[:-1]}ؤون", nominal("p", "n"), False
                yield f"{stem[:-1]}ئين", nominal("p", "o"), False
        elif plural == "ات":
            yield from plain(word.removesuffix("ة") + "ات", "p", True)
        elif plural != "-":
            yield from plain(plural, "p", bool(_DIPTOTE_PLURAL.fullmatch(plural)) or plural in diptotes())


def _nouns() -> dict[str, tuple[str, bool, list[str]]]:
    """Gender, humanity and plurals of each noun; where two lists differ, either is right, and it is no person."""
    table: dict[str, tuple[str, bool, list[str]]] = {}
    for path in sorted(_DATA.glob("nouns_*.txt")):
        for word, kind, plurals in rows(path.name):
            gender, human, before = table.get(word, (kind[0], kind.endswith("h"), []))
            gender, human = (gender if gender == kind[0] else "b"), human and kind.endswith("h")
            table[word] = gender, human, list(dict.fromkeys([*before, *plurals.split(",")]))
    return table


def _nominals() -> Iterator[tuple[str, Nominal, bool]]:
    for word, (gender, human, plurals) in _nouns().items():
        yield from _inflected(word, plurals, gender, human, False, word)
    for masculine, feminine, plurals in rows("adjectives.txt"):
        feminine = masculine + "ة" if feminine == "ة" else feminine
        yield from _inflected(masculine, plurals.split(","), "m", False, True, masculine)
        yield from _inflected(feminine, ["ات"] if feminine[-1] == "ة" else [], "f", False, True, masculine)


@functools.cache
def _tables() -> tuple[dict[str, tuple[Nominal, ...]], dict[str, tuple[Nominal, ...]]]:
    alone, bound = defaultdict(dict), defaultdict(dict)
    for form, nominal, before_pronoun in _nominals():
        (bound if before_pronoun else alone)[form][nominal] = None
    return tuple({form: tuple(found) for form, found in table.items()} for table in (alone, bound))


def forms() -> dict[str, tuple[Nominal, ...]]:
    """All forms that stand alone, without ال and other prefixes."""
    return _tables()[0]


def bound_forms() -> dict[str, tuple[Nominal, ...]]:
    """All forms that stand in front of an attached pronoun."""
    return _tables()[1]


@functools.cache
def function_words() -> dict[str, frozenset[str]]:
    """The classes of closed-class words, by spelling."""
    table = defaultdict(set)
    for word, kind in rows("function_words.txt"):
        table[word].add(kind)
    return {word: frozenset(kinds) for word, kinds in table.items()}


def with_conjunctions(words: Iterable[str]) -> frozenset[str]:
    """The spellings whose `Word.core` is one of `words`: these, and function words among them behind و or ف."""
    table = function_words()
    joined = {start + word for word in words if word in table for start in "وف"}
    return frozenset(words) | {spelling for spelling in joined if spelling not in table}


@functools.cache
def diptotes() -> dict[str, str]:
    """Words without tanween, with their class."""
    return dict(rows("diptotes.txt"))
