"""Words that are written together, and words that are cut: closed pairs, and what letters cannot stand inside a word.

fused("إلىالمطار")        # "إلى المطار"
fused("لايعرف")           # "لا يعرف"

data/boundary.txt         WRONG RIGHT           ~ is a space
"""

import functools
import re

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.frequency import frequency
from arabic_r1_jax.text.spelling_evidence import standing
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_LAST = re.compile("(?<=..)[ةى](?=..)")  # letters that only end a word
_LEADERS = (  # words that are written onto the next one
    *("من", "في", "على", "إلى", "عن", "مع", "بعد", "قبل", "عند", "بين", "حتى", "منذ", "كل", "غير", "بعض", "هذا", "هذه"),
    *("ذلك", "تلك", "التي", "الذي", "كان", "كانت", "أن", "إن", "ثم", "أو", "هل", "كما", "يا", "تحت", "فوق", "أمام"),
    *("خلال", "حول", "ضد", "دون", "أي", "هو", "هي", "قد", "لقد", "لم", "لن", "نحو", "لدى", "بل", "لكن", "أما"),
)
_ENDS_LATE = slots("ind", "sub", "juss")


@functools.cache
def pairs() -> dict[str, tuple[str, ...]]:
    """Closed list: what is written, with spaces, to what is meant."""
    table = {}
    for wrong, right in lexicon.rows("boundary.txt"):
        wrong, right = wrong.replace("~", " "), right.replace("~", " ")
        table[wrong] = right
        for conjunction in "وف":
            table.setdefault(conjunction + wrong, conjunction + right)
    return table


def may_be_two(text: str) -> bool:
    """Whether the letters of a word let it be two: no more is asked of most words."""
    return _TWO.match(text) is not None


def _word(text: str) -> bool:
    return len(text) > 1 and standing(Word(text)) == "known" and frequency(text) >= 1e-6


def fused(text: str) -> str | None:
    """Two words that were written as one, apart; None if `text` is a word or may be a name."""
    if len(text) < 5:
        return None
    cuts = [match.end() for match in _LAST.finditer(text)]
    if match := _LEADER.match(text):
        cuts.append(match.end())
    cuts += [match.start() for match in _SECOND.finditer(text)]
    if not cuts or frequency(text) > 1e-5:
        return None
    for at in cuts:
        left, right = text[:at], text[at:]
        if _word(left) and _word(right) and standing(Word(text)) != "known":
            return f"{left} {right}"
    return None


_LEADER = re.compile(f"[وف]?(?:(?:{'|'.join(_LEADERS)})(?=ال...)|يا(?=[أإآا]...))")


_SECOND = re.compile("(?<=...)ال(?=....)(?!الدين|الله)")  # يومالجمعة; names such as نورالدين have two words in one


_PARTICLE_VERB = re.compile("([وف]?)(لا|ما|لم|لن|قد|لقد|سوف|هل)([يتن].{2,})")
_TWO = re.compile(f"{_LEADER.pattern}|{_PARTICLE_VERB.pattern}|.+[ةى]..|...+ال....")  # any of the above


def fused_verb(text: str) -> str | None:
    """A particle that was written onto a verb in the imperfect, apart (لايعرف); names are not so frequent."""
    match = _PARTICLE_VERB.fullmatch(text)
    if not match:
        return None
    conjunction, particle, verb = match.groups()
    least = 1e-5 if particle in ("ما", "هل") or len(verb) == 3 else 1e-7 if particle == "لا" else 1e-6
    if frequency(verb) < least or not Word(verb).slots & _ENDS_LATE:
        return None
    if standing(Word(verb)) != "known" or standing(Word(text)) == "known":
        return None
    return f"{conjunction}{particle} {verb}"
