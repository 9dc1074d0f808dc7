"""Which case the ending of a dual or sound masculine plural shows, and the word in its other case.

A word counts only if every reading of it is a dual or a sound plural of one case: سلطان and قانون never do.
"""

import functools
import re

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit
from arabic_r1_jax.text.lexicon import Nominal
from arabic_r1_jax.text.rules.governors import (
    TIME,
)
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Reading, Word

ENDING = re.compile("..+(?:ون|ين|ان)")
_NAMES = re.compile(
    "[وفبلك]*(?:ال|ل)?(?:بحرين|حرمين|رافدين|نهرين|اثنين|اثنان|عابدين|سنين|سنون|بنون|حسنين|عراقين|فرقدين|فرقدان|ثقلين|أربعين|"
    "عليين|بارون|زيتون|عشرين|ثلاثين|خمسين|ستين|سبعين|ثمانين|تسعين|عشرون|إخوان|أجمعين|أجمعون|ألفين|مئتين|مائتين|دين|ثنتين|"
    "أبيضان|مشرقين|مغربين|قطبين|والدين|شرقين|قرنين|حين|عين|شين|هجين|عجين|سكين)"
)
_SINGULARS = frozenset(
    "عمان لبنان سودان يونان برلمان طهران وهران جبران حرمان كتمان نسيان غثيان هذيان جريان دوران طيران غليان "
    "ثوران إدمان إتقان "
    "إيمان أمان ضمان زمان مكان بيان كيان عيان لسان سنان أوان هوان حنان جنان بنان عنان دخان رهان حران جمان "
    "عمران لبان ربان شكران كفران غفران خسران فقدان وجدان نقصان بنيان مكران بطلان سريان جرمان لحمان كرمان "
    "رجحان خفقان قران ختان حصان خزان دهان".split()
)
_PREFIX = re.compile("^[وف]?(?:[بك]?ال|لل)")
_PARTICIPLE = re.compile("م...+|.ا..")


def readings(word: Word) -> list[Reading]:
    """Its readings; guesses behind و or ف count only where no list knows the whole word."""
    whole = any(r.listed and not (r.conjunction or r.preposition) for r in word.nominals)
    return [r for r in word.nominals if r.listed or not (whole and (r.conjunction or r.preposition))]


def _shown(word: Word, nominal: Nominal) -> str:
    if nominal.number == "p" and word.bare.endswith("ين") and not nominal.case:
        return "p"  # listed among broken plurals: محامين
    return nominal.case if nominal.number != "s" else ""


@functools.lru_cache(maxsize=1 << 16)
def shown_case(word: Word) -> str:
    """The case that all readings of a dual or sound plural show: n or o; "" if they differ or it is neither."""
    if not any(r.listed or _PARTICIPLE.fullmatch(r.nominal.lemma) for r in word.nominals):
        return ""
    found = {_shown(word, r.nominal) for r in readings(word)}
    if len(found) == 2 and word.bare.endswith("ين") and found == {"o", "p"}:
        found = {"o"}
    if len(found) != 1 or word.classes or _NAMES.fullmatch(word.bare):
        return ""
    if word.bare.endswith("ان"):
        bare = _PREFIX.sub("", word.bare)
        if not any(r.listed for r in word.nominals) or bare in _SINGULARS or bare in lexicon.diptotes():
            return ""
    return found.pop().removesuffix("p")


def is_plain(word: Word) -> bool:
    """A dual or sound plural with its ن, without و, ف or an attached preposition."""
    return not any(r.conjunction or r.preposition or r.nominal.construct for r in readings(word))


def is_short(word: Word) -> bool:
    """Three letters and ان: عمران, مكران; most are singulars or names."""
    if not word.bare.endswith("ان") or word.bare.endswith("تان"):
        return False
    return all(len(r.nominal.lemma) <= 3 and not r.nominal.human and r.nominal.lemma not in TIME for r in word.nominals)


def is_human(word: Word) -> bool:
    """Whether a word may stand for persons: an adjective or unlisted word may."""
    return any(r.nominal.human or not r.listed or r.nominal.adjective for r in word.nominals)


def turned(word: Word, dual: bool) -> str:
    """The word in its other case."""
    text = word.bare
    if text.endswith("ين"):
        return text[:-2] + ("ان" if dual else "ون")
    if text.endswith(("ون", "ان")):
        return text[:-2] + "ين"
    return re.sub("[وا](ه|ها|هما|هم|هن|ك|كم|كما|نا)$|[وا]$", r"ي\1", text)


def is_dual(clause: Clause, index: int) -> bool:
    """Whether an oblique, which may be dual or plural, is dual."""
    word, before, after = clause.words[index], clause.word(index - 1), clause.word(index + 1)
    if {r.nominal.number for r in word.nominals} == {"d"}:
        return True
    if not any(r.nominal.number == "p" and r.listed for r in word.nominals) and any(r.listed for r in word.nominals):
        return True
    if before and before.core in {"هذان", "هذين", "هما", "أنتما", "كانا"}:
        return True
    return bool(after and (after.core in {"اثنان", "كلاهما"} or after.slots & slots("ind_3md")))


def turned_hit(clause: Clause, index: int, why: str) -> Hit | None:
    """What to write for a dual or plural in the wrong case; None if the letters stay."""
    word = clause.words[index]
    right = turned(word, shown_case(word) == "o" and is_dual(clause, index))
    return Hit(index, index, right, why) if right != word.bare else None
