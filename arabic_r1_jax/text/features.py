"""What words agree in: gender and number of a word's readings, and the form of a word that has other ones.

A value is a gender (m, f) and a number (s, d, p) of what a noun demands or of what an adjective, verb, demonstrative or
relative shows. Used by the rules of agreement.
"""

import functools
import re
from collections.abc import Iterable

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.lexicon import Nominal
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Reading, Word

NAMES = {
    "ms": "مفرد مذكر",
    "fs": "مفرد مؤنث",
    "md": "مثنى مذكر",
    "fd": "مثنى مؤنث",
    "mp": "جمع مذكر",
    "fp": "جمع مؤنث",
    "things": "جمع لغير العاقل",
}


@functools.cache
def words_of(kind: str) -> frozenset[str]:
    """The words of a class of agreement_words.txt: group, homograph, time."""
    return frozenset(word for word, one in lexicon.rows("agreement_words.txt") if one == kind)


_SINGULAR = re.compile("..[اي]ن|ت..ين")  # by their ending duals, and as likely words like دفين and تخمين


def values(readings: Iterable[Reading]) -> frozenset[str]:
    """What a noun with these readings demands: ms, fs, md ...; "things" for a plural of things."""
    return frozenset(value for reading in readings for value in demands(reading.nominal))


@functools.cache
def demands(nominal: Nominal) -> tuple[str, ...]:
    """What a noun asks of its adjective, verb or demonstrative: ms, fs, md and so on, or "things" for their plural."""
    if nominal.number == "p" and not nominal.human and not nominal.adjective:
        return ("things",)
    return tuple(gender + nominal.number for gender in ("mf" if nominal.gender == "b" else nominal.gender))


def accepted(readings: Iterable[Reading]) -> frozenset[str]:
    """The values of a noun, and those that it may have all the same: any ending ين may be a plural of people."""
    found = values(readings)
    plural = any(
        (one.nominal.number == "d" and one.nominal.case == "o") or one.nominal.lemma == "كتاب" for one in readings
    )
    return found | {"mp"} if plural and "things" not in found else found


def named(word: Word, wanted: Iterable[str]) -> str:
    """Evidence: «المدرسة» مفرد مؤنث."""
    return f"«{word.text}» {' أو '.join(NAMES[value] for value in sorted(wanted))}"


def definite_noun(word: Word | None, no_verb: bool = False) -> tuple[Reading, ...]:
    """The readings of a word that can only be a listed noun with article or pronoun; () for any other word.

    With `no_verb` its place is one where no verb can be.
    """
    if not word or word.classes or not word.nominals or word.bare[1:] in DEMONSTRATIVES:
        return ()
    readings = word.nominals
    if any(_unsure(reading, word.bare) for reading in readings):
        return ()
    if all(reading.state == "al" for reading in readings):
        return readings
    if any(reading.state == "pron" for reading in readings):  # not the dual of صديقتي
        readings = tuple(reading for reading in readings if reading.state or not reading.nominal.construct)
    if (word.slots and not no_verb) or not all(reading.state == "pron" and reading.listed for reading in readings):
        return ()
    return readings


def governing_noun(clause: Clause, index: int) -> tuple[Reading, ...]:
    """The readings of a listed noun without article in front of a listed one with it: أسعار in أسعار النفط."""
    word = clause.word(index)
    if not word or word.classes or word.slots or not word.nominals or not definite_noun(clause.word(index + 1)):
        return ()
    homograph = word.bare in words_of("homograph")
    if homograph or any(
        one.state or one.conjunction or not one.listed or one.nominal.adjective for one in word.nominals
    ):
        return ()
    following = clause.word(index + 1).nominals
    return () if any(one.preposition or one.conjunction for one in following) else word.nominals


@functools.cache
def concrete() -> frozenset[str]:
    """Nouns for people and for things that can be pointed at."""
    people = {row[0] for row in lexicon.rows("nouns_people_ideas.txt") if row[1].endswith("h")}
    return frozenset(people | {row[0] for row in lexicon.rows("nouns_things.txt")} - words_of("abstract"))


def _unsure(reading: Reading, bare: str) -> bool:
    """Whether the spelling may well be some word that the lists do not have."""
    nominal = reading.nominal
    if not reading.listed:
        return True
    stem = bare[bare.index("ال") + 2 :] if reading.state == "al" and "ال" in bare else bare.removeprefix("لل")
    return stem in words_of("homograph") or (nominal.number == "d" and _SINGULAR.fullmatch(stem) is not None)


def of_a_group(readings: Iterable[Reading]) -> bool:
    """Whether singular and plural are both right with a noun."""
    return any(reading.nominal.lemma in words_of("group") for reading in readings)


def has_pronoun(words: Iterable[Word], pronouns: tuple[str, ...]) -> bool:
    """Whether any of the words ends as if in one of these pronouns."""
    return any(word.bare.endswith(pronouns) and len(word.bare) > 2 for word in words)


def is_verb(word: Word | None) -> bool:
    """Whether a word can only be a verb."""
    return bool(word and word.slots and not word.classes and not word.nominals)


def long_with_article(word: Word) -> bool:
    """Whether a word begins with ال and three letters follow; a question that rules share is asked once."""
    return word.bare.startswith("ال") and len(word.bare) > 4


def is_preposition(word: Word | None) -> bool:
    """Whether a word is a preposition; nouns used as one are not."""
    return bool(word and word.classes & {"prep"})


# --- forms of adjectives ---


@functools.cache
def _adjective_forms() -> dict[tuple[str, str, str], str]:
    table = {}
    for form, nominals in lexicon.forms().items():
        for nominal in nominals:
            if nominal.adjective and not nominal.construct:
                value = nominal.gender + nominal.number
                table.setdefault((nominal.lemma, value, nominal.case), form)
    return table


_ENDINGS = {
    ("ms", ""): "",
    ("ms", "a"): "ا",
    ("fs", ""): "ة",
    ("mp", "n"): "ون",
    ("mp", "o"): "ين",
    ("fp", ""): "ات",
    ("md", "n"): "ان",
    ("md", "o"): "ين",
    ("fd", "n"): "تان",
    ("fd", "o"): "تين",
}


def adjective(lemma: str, value: str, case: str) -> str | None:
    """The form of an adjective with a value; `case` is n, o or a where it shows, and a broken plural goes first."""
    table = _adjective_forms()
    for shown in ("", case, "n" if case == "" else "o", "n"):
        if shown == "" and value == "ms" and case == "a":
            continue
        if form := table.get((lemma, value, shown)):
            return form
    if lemma[-1:] in "ىيا":
        return None
    for shown in ("", case, "n"):
        if (value, shown) in _ENDINGS and not (value == "ms" and shown != case):
            return lemma + _ENDINGS[value, shown]
    return None


# --- forms of verbs ---


def _first(candidates: Iterable[str], slot: str) -> str | None:
    table, bit = verb_forms.load(), slots(slot)
    return next((one for one in candidates if len(one) > 1 and table.get(one, 0) & bit), None)


def _stripped(form: str, endings: tuple[str, ...]) -> list[str]:
    return [form.removesuffix(ending) for ending in endings if form.endswith(ending)]


@functools.cache
def verb(form: str, person: str) -> str | None:
    """A past or present verb of the third person in another person of it (3ms, 3fs, 3mp, 3fp); None if unsure."""
    past = verb_forms.load().get(form, 0) & slots("past_3ms", "past_3fs", "past_3mp", "past_3fp")
    base = _past(form) if past else _present(form)
    if not base or person == "3ms":
        return base
    weak, root = base[-1] in "ىايو", base[:-1]
    if past:
        if person == "3fs":
            return _first([root + "ت" if base[-1] in "ىا" else base + "ت"], "past_3fs")
        if person == "3mp":
            return _first([root + "وا" if weak else base + "وا"], "past_3mp")
        short = base[:-2] + base[-1] if base[-2] == "ا" else base
        return _first((short + "ن", base + "ن", root + "ين", root + "ون"), "past_3fp")
    tail = base[1:]
    if person == "3fs":
        return _first(["ت" + tail], "ind_3fs")
    if person == "3mp":
        return _first([root + "ون" if weak else base + "ون"], "ind_3mp")
    short = base[:-2] + base[-1] if base[-2] in "اوي" else base
    return _first((short + "ن", base + "ن", root + "ين"), "ind_3fp")


def _past(form: str) -> str | None:
    if verb_forms.load().get(form, 0) & slots("past_3ms"):
        return form
    roots = _stripped(form, ("وا", "ت", "ن", "تا", "ا"))
    for root in roots:
        found = _first((root, root + "ى", root + "ا", root + "ي", root[:-1] + "ا" + root[-1:]), "past_3ms")
        if found:
            return found
    return None


def _present(form: str) -> str | None:
    third = "ي" + form[1:]
    for root in [*_stripped(third, ("ون", "ين", "وا", "ن")), third]:
        if found := _first((root, root + "ي", root + "ى", root + "و", root[:-1] + "و" + root[-1:]), "ind_3ms"):
            return found
    return None


# --- places in a clause ---


def demonstrated(clause: Clause, index: int) -> int:
    """The index of a noun, or of the demonstrative in front of it."""
    before = clause.word(index - 1)
    return index - 1 if before and before.core in DEMONSTRATIVES else index


DEMONSTRATIVES = frozenset("هذا هذه هذان هذين هاتان هاتين هؤلاء ذلك ذاك تلك أولئك ذانك ذينك تانك تينك".split())
OPENERS = frozenset("إن أن كأن لكن لعل ليت لأن حيث بينما إذ حين".split())


def opens_clause(clause: Clause, index: int) -> bool:
    """Whether a noun at an index is the first noun of a nominal sentence: nothing but إن and the like before it."""
    index = demonstrated(clause, index)
    before = clause.word(index - 1)
    if before is None:
        return clause.begins_sentence or clause.before in "؛:"
    return before.core in OPENERS and before.text != "وان"
