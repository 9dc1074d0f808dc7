"""An adjective is definite where its noun is: الوضع اقتصادي, حاسوبا المحمول."""

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import (
    concrete,
    definite_noun,
    values,
)
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.adjectives import (
    adjective_rule,
    depends,
    fit,
    indefinite_noun,
    may_be_definite,
    may_be_indefinite,
    mismatch,
    of_things,
    only_adjectives,
)

_SPEECH = (
    "قال",
    "يقول",
    "تقول",
    "قلت",
    "أعلن",
    "أكد",
    "ذكر",
    "ظن",
    "حسب",
    "زعم",
    "رأ",
    "ير",
    "تر",
    "وجد",
    "جعل",
    "عد",
    "اعتبر",
)


def _article_missing(clause: Clause, index: int) -> Hit | None:
    """تحدث الخبير عن الوضع اقتصادي: behind the verb of a sentence, an adjective that is no predicate."""
    word, first = clause.word(index), clause.word(0)
    readings = only_adjectives(word)
    if (
        index < 2
        or not readings
        or values(readings) != {"ms"}
        or any(one.state or one.nominal.case for one in readings)
    ):
        return None
    lemma = readings[0].nominal.lemma
    if lexicon.accusative(word.bare) is None or (lemma not in of_things() and lemma[-1] != "ي") or word.bare[-1] in "ا":
        return None
    nouns = definite_noun(clause.word(index - 1))
    if values(nouns) != {"ms"} or any(one.state != "al" or one.nominal.adjective for one in nouns):
        return None
    after = clause.word(index + 1)
    if after and not after.classes & {"prep", "adverb", "adverb_prep", "conj"}:
        return None
    if (
        (after and after.core == "من")
        or not first.slots
        or first.nominals
        or first.classes
        or first.bare.startswith(_SPEECH)
    ):
        return None
    if any(one.classes - {"prep", "adverb_prep", "adverb"} for one in clause.words[:index]):
        return None
    return mismatch(clause, index - 1, index, "ال" + word.bare, nouns)


def _article_too_much(clause: Clause, index: int) -> Hit | None:
    """حاسوبا المحمول, سيارة الجديدة."""
    word, noun = clause.word(index), clause.word(index - 1)
    readings = only_adjectives(word)
    if not index or not readings or not all(one.state == "al" for one in readings):
        return None
    nouns = indefinite_noun(clause, index - 1)
    if not nouns or not fit(nouns, word, readings) or depends(clause, index, readings):
        return None
    tanween = all(one.nominal.case == "a" for one in nouns) and readings[0].nominal.lemma[-1] != "ي"
    if not readings[0].listed and not all(one.nominal.lemma in concrete() for one in nouns):
        return None
    with_nun = all(one.nominal.case and one.nominal.number == "p" for one in nouns)
    things = all(one.nominal.lemma in of_things() and one.nominal.lemma[-1] != "ي" for one in readings)
    feminine = things and noun.bare[-1] == "ة" and values(readings) == {"fs"}
    if not (tanween or with_nun or feminine):
        return None
    right = word.bare[2:]
    if tanween and values(readings) == {"ms"} and (shown := lexicon.accusative(right)):
        right = shown
    return mismatch(clause, index - 1, index, right, nouns)


RULES: tuple[Rule, ...] = (
    adjective_rule(
        "النعت يطابق منعوته في التعريف والتنكير.",
        may_be_indefinite,
        _article_missing,
        ("تحدث الخبير عن {الوضع اقتصادي→الوضع الاقتصادي} في حوار", "زرت {المتحف جديد→المتحف الجديد} مع أصدقائي"),
        ("ما زال الوضع صعبا", "قال الرجل إن البيت كبير", "السعر في السوق مرتفع", "دخل البيت غريب"),
        0.75,
    ),
    adjective_rule(
        "النعت يطابق منعوته في التعريف والتنكير.",
        may_be_definite,
        _article_too_much,
        ("اشترى {حاسوبا المحمول→حاسوبا محمولا} من السوق", "ركب {سيارة الجديدة→سيارة جديدة}"),
        ("السيارة الجديدة", "وزارة الخارجية", "اشترى حاسوبا محمولا", "مدينة الكويت"),
        0.75,
    ),
)
