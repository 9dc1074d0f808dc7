"""Agreement of words that stand side by side: demonstratives, relatives, adjectives, verbs and their subjects.

A rule fires when no reading of the one word fits any reading of the other, and both are known for certain.
"""

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Pattern, Rule

PATTERNS: tuple[Pattern, ...] = ()

_DEMONSTRATIVES = {"هذا": "ms", "هذه": "fs"}
_FITTING = {"ms": "هذا", "fs": "هذه"}


def _demonstrative(clause: Clause, index: int) -> Hit | None:
    word, noun = clause.word(index), clause.word(index + 1)
    if not noun or not noun.nominals or noun.slots:
        return None
    agrees = {reading.nominal.agrees for reading in noun.nominals if reading.state == "al" and not reading.conjunction}
    if len(agrees) != 1 or not all(reading.state == "al" for reading in noun.nominals):
        return None
    (wanted,) = agrees
    if wanted == _DEMONSTRATIVES[word.core] or wanted not in _FITTING:
        return None
    right = word.conjunction + _FITTING[wanted]
    return Hit(index, index + 1, f"{right} {noun.text}", f"{noun.text}: {wanted}")


RULES: tuple[Rule, ...] = (
    Rule(
        "agreement.demonstrative",
        "اسم الإشارة لا يطابق ما بعده في التذكير والتأنيث.",
        lambda word: word.core in _DEMONSTRATIVES,
        _demonstrative,
        wrong=("{هذا المدرسة→هذه المدرسة} كبيرة",),
        right=("هذه المدرسة كبيرة", "هذا كتاب"),
    ),
)
