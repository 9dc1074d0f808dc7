"""Spellings that are words, but not here: ان and إن, علي and على, سورة and صورة. The neighbours decide.

    data/confusions_*.txt     [orthography.hamza]              the kind of the rows below it
                              @modal = يجب,يمكن                 a set of words
                              إن أن <@modal >#present           wrong, right, conditions that must all hold

A condition looks at one place: `<` the word in front, `>` the one behind, `<2` or `>2` the one after that, `~` any word
of the clause, `-~` any in front, `+~` any behind; `^` says that a sentence begins. It holds if the word is one
of them: a word, a set (@), a class of `CLASSES` (#), #none if there is none; `!` in front turns it round. A wrong
form that begins with + may have the article. Of the rows of a word the first that holds is taken; - as the
right form says that nothing is wrong. _ is a space.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.confusion_examples import EXAMPLES, MESSAGES
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_DATA = Path(lexicon.__file__).parent / "data"
_PLACE = re.compile(r"(!?)([-+]?~|[<>])(\d?)(.+)")
_ARTICLES = ("", "ال", "بال", "كال", "لل")
_PREFIXES = (*_ARTICLES, "ب", "ل", "ك")
_VOWELS = re.compile("[\u064c-\u0650\u0652]")  # a word with vowels says itself which one it is
_PARTICLES = ("orthography.inna", "orthography.illa")  # may follow ف; فسحة is not ف with سحة
_PRESENT = slots("ind", "sub", "juss")


class _Condition(NamedTuple):
    wanted: bool
    place: str
    distance: int
    words: frozenset[str]
    classes: tuple[Callable[[Word], bool] | None, ...]  # None: no word there


class _Row(NamedTuple):
    right: str
    second: str  # of a wrong spelling in two words; else ""
    conditions: tuple[_Condition, ...]


def certain_verb(word: Word) -> bool:
    """Whether a word is a verb in every reading that we have."""
    return bool(word.slots) and not word.nominals and not word.classes


def certain_noun(word: Word) -> bool:
    """Whether a word of our lists is a noun or adjective in every reading that we have."""
    return not word.classes and any(one.listed for one in word.nominals) and not word.slots


def _definite(word: Word) -> bool:
    return word.bare.startswith("ال") and len(word.bare) > 3 and not word.classes


def _noun_with_article(word: Word) -> bool:
    return _definite(word) and any(not one.nominal.adjective for one in word.nominals if one.state == "al")


_FAMILY = frozenset(
    "أبي أمي أخي أختي جدي جدتي عمي عمتي خالي خالتي والدي والدتي صديقي أبوه أبوها أخوه أخوها والده والدها".split()
)


def _person(word: Word) -> bool:
    return word.bare in _FAMILY or any(one.state == "al" and one.listed and one.nominal.human for one in word.nominals)


def _subject(word: Word) -> bool:
    return not word.classes and any(
        (one.listed and one.nominal.case not in ("a", "o")) or one.state == "al" for one in word.nominals
    )


def _predicate(word: Word) -> bool:
    return any(one.listed and not one.state and not one.preposition and not one.conjunction for one in word.nominals)


def _feminine_adjective(word: Word) -> bool:
    listed = [one.nominal for one in word.nominals if one.state == "" and not one.preposition]
    return bool(listed) and all(one.adjective and one.agrees == "fs" and word.bare[-1] == "ة" for one in listed)


CLASSES: dict[str, Callable[[Word], bool]] = {
    "definite": _definite,
    "article": _noun_with_article,
    "person": _person,
    "thing": lambda word: _noun_with_article(word) and not _person(word),
    "noun": certain_noun,
    "predicate": _predicate,
    "subject": _subject,
    "five": lambda word: "five" in word.classes,
    "nominal": lambda word: _definite(word) or certain_noun(word),
    "verb": certain_verb,
    "present": lambda word: (
        bool(word.slots & _PRESENT) and not word.classes and word.bare[0] in "يتنس" and not word.nominals
    ),
    "first": lambda word: word.bare[0] == "أ" and bool(word.slots & slots("ind_1s")) and not word.nominals,
    "past_feminine": lambda word: word.bare[-1] == "ت" and bool(word.slots & slots("past_3fs")) and not word.nominals,
    "feminine_adjective": _feminine_adjective,
    "prep": lambda word: "prep" in word.classes,
    "function": lambda word: bool(word.classes),
    "demonstrative": lambda word: "demonstrative" in word.classes,
    "prefixed_f": lambda word: word.conjunction == "ف",
    "feminine": lambda word: any(one.nominal.agrees == "fs" for one in word.nominals),
    "accusative": lambda word: word.bare[-1] == "ا" and any(one.nominal.case == "a" for one in word.nominals),
    "bound": lambda word: any(one.state == "pron" and one.listed for one in word.nominals),
}


def _condition(text: str, sets: dict[str, frozenset[str]]) -> _Condition:
    if text == "^":
        return _Condition(True, "^", 0, frozenset(), ())
    negated, place, distance, items = _PLACE.fullmatch(text).groups()
    words, classes = set(), []
    for item in items.split(","):
        if item[0] == "#":
            classes.append(CLASSES[item[1:]] if item != "#none" else None)
        else:
            words |= sets[item[1:]] if item[0] == "@" else {item}
    if "~" in place:  # in some form
        words |= {prefix + word for word in words for prefix in (*_PREFIXES, "و", "ف", "وال")}
    return _Condition(not negated, place, int(distance or 1), frozenset(words), tuple(classes))


@functools.cache
def _tables() -> dict[str, dict[str, list[tuple[str, _Row]]]]:
    """By kind and wrong spelling: (right spelling, row)."""
    found, sets, kind = defaultdict(lambda: defaultdict(list)), {}, ""
    for path in sorted(_DATA.glob("confusions_*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line or line[0] == "#":
                continue
            if line[0] == "[":
                kind = line.strip("[]")
            elif line[0] == "@":
                name, _, words = line[1:].partition(" = ")
                sets[name] = frozenset(words.split(","))
            else:
                wrong, right, *conditions = line.split(" ")
                wrong, _, second = wrong.partition("_")
                row = _Row(right.replace("_", " "), second, tuple(_condition(text, sets) for text in conditions))
                for prefix in _ARTICLES if wrong[0] == "+" else ("",):
                    found[kind][prefix + wrong.lstrip("+")].append((prefix + row.right, row))
    return found


@functools.cache
def _spellings() -> frozenset[str]:
    return frozenset(spelling for table in _tables().values() for spelling in table)


def _is(word: Word | None, condition: _Condition) -> bool:
    if word is None:
        return None in condition.classes
    bare, words = word.bare, condition.words
    if bare in words:
        return True
    joined = bare[0] in "وف" and condition.place != ">"  # what و joins on does not stand beside the word
    if joined and bare[1:] in words:
        return True
    return any(test is not None and test(word) for test in condition.classes)


def _holds(clause: Clause, conjunction: str, first: int, last: int, condition: _Condition) -> bool:
    place = condition.place
    if place == "^":
        return first == 0 and clause.begins_sentence and clause.words[0].bare[0] not in "وف"
    if place in "<>":
        if conjunction and place == "<":
            return not condition.wanted  # the word in front belongs to something else
        at = last + condition.distance if place == ">" else first - condition.distance
        found = _is(clause.word(at), condition)
    else:
        words = clause.words[:first] if place == "-~" else clause.words[last + 1 :]
        if place == "~":
            words = clause.words[:first] + words
        found = any(_is(word, condition) for word in words)
    return found == condition.wanted


def _rows(kind: str, word: Word) -> tuple[str, list[tuple[str, _Row]]]:
    """(conjunction, rows) of a word."""
    table, bare = _tables()[kind], word.bare
    conjunction = "ف" if kind in _PARTICLES else "و"
    if rows := table.get(bare):
        return "", rows
    if (
        bare[:1] in ("و", conjunction)
        and (rows := table.get(bare[1:]))
        and all(one.conjunction for one in word.nominals)
    ):
        return bare[0], rows
    return "", []


def _rule(kind: str) -> Rule:
    table = _tables()[kind]

    def find(clause: Clause, index: int) -> Hit | None:
        word = clause.words[index]
        if word.marked and _VOWELS.search(word.text):
            return None
        conjunction, rows = _rows(kind, word) if word.bare not in table else ("", table[word.bare])
        for right, row in rows:
            last = index + bool(row.second)
            if row.second and (last >= len(clause.words) or clause.words[last].bare != row.second):
                continue
            for condition in row.conditions:
                if not _holds(clause, conjunction, index, last, condition):
                    break
            else:
                if row.right == "-":
                    return None
                beside = [word.text for word in (clause.word(index - 1), clause.word(last + 1)) if word]
                return Hit(index, last, conjunction + right, "بجانب " + " و".join(f"«{word}»" for word in beside))
        return None

    wrong, right = EXAMPLES[kind]
    at = frozenset(start + spelling for spelling in table for start in ("", "و", "ف"))
    return Rule(kind, MESSAGES[kind], at, find, wrong, right)


RULES: tuple[Rule, ...] = tuple(_rule(kind) for kind in EXAMPLES)
