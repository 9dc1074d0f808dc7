"""What the words in front of a noun ask of its case, where that is certain: n nominative, a accusative, g genitive.

Used by the rules for cases that letters show: five nouns, duals and sound plurals, the indefinite accusative.
"""

import functools
from typing import NamedTuple

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

INNA = frozenset({"إن", "أن", "كأن", "لعل", "لأن", "ليت"})
# Prepositions that may also be verbs, or that leave the case open: they count only where no verb can stand.
_OPEN = frozenset({"حتى", "منذ", "مذ", "خلا", "عدا", "حاشا", "رب", "حين", "أي", "كما", "كلا", "كلتا"})
_ALSO_VERBS = frozenset("قبل بعد عبر حول مثل ضمن حسب خلف دون بين جل وسط نفس عقب وفق".split())
_THIRD = slots("past_3ms", "ind_3ms", "sub_3ms", "juss_3ms")
_OTHERS = slots(*(f"{tense}_{p}" for tense in ("past", "ind") for p in ("1s", "1p", "2ms", "2fs", "2mp")))
FEMININE = slots("past_3fs", "ind_3fs", "sub_3fs", "juss_3fs")
_PLURAL = slots(
    *(f"{tense}_{p}" for tense in ("past", "ind", "sub", "juss") for p in ("3mp", "3md", "3fp", "3fd", "2d"))
)
_OTHERS_KANA = frozenset(
    "كنت كنا كنتم كنتما كانوا كانا ليسوا ليسا لست لسنا لستم أصبحوا أصبحا أصبحت أصبحنا أصبحتم صرت صرنا صاروا "
    "ظلوا ظللنا "
    "ظللت باتوا بتنا أكون نكون يكونوا يكونا تكونوا يكونون أكن نكن أصبح نصبح يصبحون يصبحوا ستكون سيكونون سنكون".split()
) - {"أصبح", "أصبحت", "ستكون"}
_SAYING = frozenset("قلت قلنا أقول نقول قل قلتم تقول ظننت".split())
TIME = frozenset(
    "يوم شهر سنة عام ساعة أسبوع مرة ليلة دقيقة ثانية قرن عقد متر ميل كيلومتر ضعف فصل موسم صيف شتاء ربيع".split()
)


class Demand(NamedTuple):
    """A case and what asks for it."""

    case: str
    evidence: str
    verb: int = 0  # its slots, if it is a verb


_MASDARS = frozenset("عمل مرض غضب تعب هرب ضحك حزن وقع صعد نزل سكت فر فوز".split())
_QUOTING = frozenset({"كما", "ما", "فيما", "حسبما", "مما", "حيث", "مثلما"})
_ADVERBS = frozenset("بين عند مع أمام خلف تحت فوق بعد قبل خلال حول دون أثناء لدى ضد رغم داخل خارج قرب حين".split())


@functools.cache
def intransitive() -> frozenset[str]:
    """Third persons singular of verbs behind which a person is the subject."""
    found = set()
    for past, present in lexicon.rows("case_verbs.txt"):
        if past[0] != "ت" and past not in _MASDARS:  # تأخر and مرض are nouns too
            found.add(past)
        found |= {(past[:-1] if past[-1] in "ىا" else past) + "ت", present, "ت" + present[1:], "س" + present}
    return frozenset(found)


def verb_only(word: Word) -> bool:
    """A word that is a verb and nothing else."""
    return bool(word.slots) and not word.nominals and not word.classes


def stem(word: Word) -> str:
    """The word without و or ف in front, for a look in a list of verbs."""
    return word.bare[1:] if word.bare[:1] in "وف" and word.bare[1:] in intransitive() else word.bare


def takes_object(word: Word) -> bool:
    """A verb whose subject is in its ending, so that a masculine noun behind it is its object."""
    if not word.slots or word.classes or word.marked or word.bare in _SAYING:
        return False
    if len(word.bare) == 4 and word.bare.endswith("نا") and word.bare[0] not in "وف":  # زرنا, whose ending is no object
        return bool(word.slots & slots("past_1p")) and all(r.state == "pron" for r in word.nominals)
    if any(verb.pronoun for verb in word.verbs) or word.slots & (_THIRD | _PLURAL) or word.nominals:
        return False
    return bool(word.slots & _OTHERS)


def is_definite(word: Word | None) -> bool:
    """A noun with ال or a pronoun, by all its readings, and nothing in front."""
    return bool(
        word
        and word.nominals
        and not word.classes
        and not word.slots
        and all(r.state and not r.preposition and not r.conjunction for r in word.nominals)
    )


def is_preposition(clause: Clause, index: int, human: bool = False) -> bool:
    """Whether the word at an index can only be a preposition or a noun that works as one."""
    word = clause.word(index)
    if word is None or not word.classes & {"prep", "adverb_prep"} or word.core in _OPEN:
        return False
    before = clause.word(index - 1)
    if word.core == "من":  # may ask
        return bool(before and not word.conjunction and before.nominals and not before.classes)
    if word.core in _ALSO_VERBS and human:
        return bool(before and not word.conjunction and not before.classes and (before.nominals or before.slots))
    return True


def phrase_start(clause: Clause, index: int) -> int:
    """Where a phrase of preposition and noun that ends at an index begins; index + 1 if there is none."""
    word = clause.word(index)
    if word is None or index < 0:
        return index + 1
    if (
        "prep_pron" in word.classes
        and not word.conjunction
        and word.core[:2] not in {"كل", "بع", "جم", "مع", "غي", "مث"}
    ):
        return index
    before = clause.word(index - 1)
    if before and "prep" in before.classes and not word.classes and not word.nominals and word.bare.startswith("ال"):
        return index - 1  # a name
    if word.classes or not word.nominals or word.slots:
        return index + 1
    if all(r.preposition and r.state == "al" and not r.conjunction for r in word.nominals):
        return index
    if before and "prep" in before.classes and all(r.state and not r.preposition for r in word.nominals):
        return index - 1
    return index + 1


def opens(clause: Clause, index: int) -> bool:
    """Whether a verb at an index has nothing in front that could be its subject."""
    before = clause.word(index - 1)
    return index == 0 or bool(before and before.classes & {"conj", "subjunctive", "negation"} and before.core != "ما")


def demand(clause: Clause, index: int, human: bool, indefinite: bool = False) -> Demand | None:
    """The case that the words in front ask of the noun at an index."""
    if index == 0:
        return None
    at = index - 1
    word = clause.words[at]
    if is_preposition(clause, at, human or not indefinite):
        return Demand("g", f"قبله «{word.text}» وهي تجر")
    if word.core in INNA and "إلا" not in {other.core for other in clause.words}:
        return Demand("a", f"قبله «{word.text}» وهي تنصب اسمها")
    if indefinite and (start := phrase_start(clause, at)) <= at:
        at = start - 1
        if at < 0:
            return Demand("n", "هو مبتدأ مؤخر") if clause.begins_sentence else None
        word = clause.words[at]
        if word.core in INNA:
            return Demand("a", f"هو اسم «{word.text}» المؤخر")
    if at and clause.words[at - 1].core in _QUOTING:
        return None
    if takes_object(word) or _negated(clause, at):
        return Demand("a", f"«{word.text}» فعل معه فاعله فالاسم مفعول به", word.slots)
    if stem(word) in intransitive() and opens(clause, at) and (at == 0 or stem(word) not in {"جاء", "عاد"}):
        return Demand("n", f"الاسم فاعل «{word.text}»", word.slots)
    return None


def _negated(clause: Clause, index: int) -> bool:
    """لم أر, لن أنسى: behind these only a first person fits the letters."""
    word, before = clause.words[index], clause.word(index - 1)
    if index < 1 or before.core not in {"لم", "لن"} or word.classes or word.nominals or word.bare[0] not in "أن":
        return False
    return bool(word.slots & slots("juss_1s", "juss_1p", "sub_1s", "sub_1p")) and not any(v.pronoun for v in word.verbs)


def predicate(clause: Clause, index: int) -> Demand | None:
    """The case of an indefinite predicate at an index: what stands in front is كان or إن with its noun, or a topic."""
    before = clause.word(index - 1)
    if before is None or index < 1:
        return None
    if before.core in _OTHERS_KANA:
        return Demand("a", f"هو خبر «{before.text}»")
    if (
        before.classes & {"pronoun"}
        and index == 1
        and before.core in {"هم", "نحن", "أنتم", "هما", "أنتما", "هو", "أنا"}
    ):
        return Demand("n", f"هو خبر «{before.text}»")
    if not is_definite(before):
        return None
    at = index - 2
    if at < 0:
        return Demand("n", f"هو خبر «{before.text}»") if clause.begins_sentence else None
    word = clause.words[at]
    future = word.bare[:1] == "س" and "kana" in lexicon.function_words().get(word.bare[1:], ())
    if (future or "kana" in word.classes) and word.core not in _OTHERS_KANA:
        return Demand("a", f"هو خبر «{word.text}»")
    if word.core in INNA:
        return Demand("n", f"هو خبر «{word.text}»")
    return None


def ends(clause: Clause, index: int) -> bool:
    """Whether the clause stops behind an index, or goes on with a preposition, adverb or conjunction."""
    after = clause.word(index + 1)
    if after is None:
        return clause.mark in ".،؛!؟\n"
    readings = (*after.nominals, *after.verbs)
    if readings and not after.classes and all(r.conjunction or getattr(r, "preposition", "") for r in readings):
        return True
    if after.core in {"أن", "ما", "من"} and not after.conjunction:
        return after.core == "من"
    return after.core in _ADVERBS or bool(after.classes & {"prep", "prep_pron", "adverb", "conj"})
