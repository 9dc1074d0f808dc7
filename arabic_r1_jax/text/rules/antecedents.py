"""The nouns that a relative or adjective may belong to: the word before it, and what that word may depend on."""

from collections.abc import Iterable

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import DEMONSTRATIVES, definite_noun, values, words_of
from arabic_r1_jax.text.words import Reading, Word

# Words of any gender and number in front of a genitive, or of no certain meaning.
_OPEN = frozenset(
    "كل بعض جميع أحد إحدى غير مثل كلا كلتا كافة سائر معظم أكثر أول آخر أي أية ذو ذا ذي ذات ذوي ذوو".split()
)
_TRANSPARENT = frozenset({"prep", "adverb_prep", "adverb"})


def may_be(readings: Iterable[Reading], fits: Iterable[str]) -> bool:
    """Whether a noun with these readings may be what a relative or adjective agrees with."""
    found = values(readings)
    if found & set(fits):
        return True
    return ("fs" in fits and bool(found & {"mp", "fp"})) or ("mp" in fits and "things" in found)


def only_adjective(word: Word | None) -> bool:
    """Whether a word with the article can only be an adjective."""
    return bool(
        word
        and word.nominals
        and all(
            one.listed and one.nominal.adjective and one.state == "al" and not one.conjunction + one.preposition
            for one in word.nominals
        )
    )


def heads(clause: Clause, index: int) -> list[tuple[int, tuple[Reading, ...]]] | None:
    """The definite noun that ends at an index, then the nouns it depends on; None where any of them is unsure.

    Adjectives and demonstratives around the noun are passed over: the chain of
    كتاب هذه المدرسة الكبيرة is المدرسة, كتاب.
    """
    while index and only_adjective(clause.word(index)):
        index -= 1
    readings = definite_noun(clause.word(index))
    if not readings or any(reading.nominal.adjective for reading in readings):
        return None
    chain = [(index, readings)]
    attached = any(reading.preposition for reading in readings)
    index -= 1
    if clause.word(index) and clause.word(index).core in DEMONSTRATIVES:
        index -= 1
    return chain if _follow(clause, index, attached, chain) else None


def _follow(clause: Clause, index: int, after_preposition: bool, chain: list) -> bool:
    """Add what stands before the chain: governing nouns, and one noun before a preposition. False if unsure."""
    for _ in range(6):
        word = clause.word(index)
        if word is None:
            return clause.before not in ")]”»،,"
        if word.core in _OPEN or word.number is not None or "number" in word.classes:
            return False
        if word.classes & {"prep", "adverb_prep"} and not after_preposition:
            after_preposition, index = True, index - 1
            continue
        if word.classes and not word.classes & {"adverb_prep"} and not word.nominals:
            return True
        if not word.nominals:
            return _surely_verb(clause, index)  # an unknown word may be a noun
        if any(one.conjunction or one.nominal.lemma in words_of("homograph") for one in word.nominals):
            return False
        chain.append((index, word.nominals))
        if word.classes:
            return True
        if any(reading.preposition for reading in word.nominals):
            after_preposition = True
        if (
            all(reading.state == "al" for reading in word.nominals)
            and not only_adjective(word)
            and not after_preposition
        ):
            return True
        index -= 1
    return False


def _surely_verb(clause: Clause, index: int) -> bool:
    """Whether a word that may be a verb, and is no listed noun, is one: by length, ending or what is before it."""
    word, before = clause.word(index), clause.word(index - 1)
    if not word.slots or (before is not None and before.classes & {"prep", "adverb_prep"}):
        return False
    if before is None or before.classes & {"conj", "negation", "jussive", "subjunctive", "inna", "relative", "kana"}:
        return True
    return len(word.bare) > 4 or (word.bare[-1] == "ت" and len(word.bare) > 3)
