"""Agreement of an adjective with the noun it describes, in gender and number (سيارة جديد).

An indefinite adjective behind an indefinite noun may be its genitive (حياة فقير); so it is either one of those that
never stand for a person (`data/agreement_adjectives.txt`), or the noun shows by its ending that no genitive follows.
"""

import functools
import re

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import (
    accepted,
    adjective,
    concrete,
    named,
    of_a_group,
    values,
    words_of,
)
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.antecedents import heads
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Reading, Word

_NO_RULE = frozenset(
    "حسن أول آخر أخير ثان ثاني ثالث رابع خامس سادس سابع ثامن تاسع عاشر حادي عام خاص وحيد بعض غير سائر "
    "أعلى أدنى أقصى أكثر بني أمامي خلفي".split()
)

_ENDINGS = ("ات", "ون", "ين", "ة", "ا", "")

_OF_PEOPLE_ONLY = re.compile("[ء-ي]{3}اء|أ[ء-ي]{2,3}اء|جدد")

KANA = frozenset("كان كانت يكون تكون أصبح أصبحت ليس ليست ظل ظلت صار صارت بات باتت تصبح يصبح".split())


@functools.cache
def of_things() -> frozenset[str]:
    """Adjectives that are never said of a person alone (agreement_adjectives.txt)."""
    return frozenset(row[0] for row in lexicon.rows("agreement_adjectives.txt"))


def _is_adjective(bare: str) -> bool:
    """Whether a spelling is a listed adjective or a participle in م, with or without the article."""
    stem = bare.removeprefix("ال")
    if any(nominal.adjective for nominal in lexicon.forms().get(stem, ())):
        return True
    if stem[:1] != "م" or len(stem) < 4:
        return False
    participles = verb_forms.having("ap", "pp")
    return any(stem.endswith(one) and stem.removesuffix(one) in participles for one in _ENDINGS)


@functools.lru_cache(1 << 17)
def only_adjectives(word: Word) -> tuple[Reading, ...]:
    """The readings of a word that can only be an adjective."""
    if word.classes - {"adverb_prep"}:
        return ()
    readings = tuple(one for one in word.nominals if not (one.state == "pron" and word.bare[-1] == "ي"))
    if any(one.conjunction and not one.listed for one in readings):
        readings = tuple(one for one in readings if one.listed or not one.conjunction)
    readings = tuple(one for one in readings if not one.nominal.construct)
    if any(not one.preposition and one.listed and one.nominal.lemma in of_things() for one in readings):
        readings = tuple(one for one in readings if not one.preposition)
    fine = all(
        one.nominal.adjective
        and not one.preposition
        and not one.conjunction
        and (one.listed or _sure_participle(one.nominal.lemma))
        for one in readings
    )
    if not fine or any(one.nominal.lemma in _NO_RULE for one in readings):
        return ()
    return readings


def _sure_participle(lemma: str) -> bool:
    """Whether a participle that no list has is hardly a noun or masdar as well (مؤثر, مطابقة)."""
    return lemma[0] == "م" and len(lemma) > 4 and lemma[2] != "ا"


def fit(noun: tuple[Reading, ...], word: Word, readings: tuple[Reading, ...]) -> bool:
    """Whether an adjective may belong to a noun of these values; always for duals, which are another rule's."""
    nouns, human = accepted(noun), values(noun)
    shown = values(readings) | ({"mp"} if word.bare.endswith("ين") else set())
    if shown <= {"md"} or nouns & shown or {"md", "fd"} >= nouns - ({"mp"} if "mp" not in human else set()):
        return True
    if "things" not in nouns:
        return False
    broken = any(one.nominal.number == "p" and one.nominal.case in ("", "a") for one in readings)
    return "fs" in shown or "fp" in shown or (broken and not _OF_PEOPLE_ONLY.fullmatch(word.bare.removeprefix("ال")))


def depends(clause: Clause, index: int, readings: tuple[Reading, ...], nouns: tuple[Reading, ...] = ()) -> bool:
    """Whether the adjective may belong to a noun behind it, or be a noun itself.

    المدينة كثير سكانها, طويل القامة, المنصوص عليها; كثير من الناس; and a plural of people behind a thing.
    """
    after, shown = clause.word(index + 1), values(readings)
    people = nouns and shown <= {"mp", "md"} and not values(nouns) & {"mp", "fp"}
    if people and not all(one.nominal.lemma in of_things() - {"كثير", "قليل"} for one in readings):
        return True
    if after is None:
        return False
    if "prep_pron" in after.classes or (after.bare.endswith(("ه", "ها", "هم", "هن", "هما")) and not after.classes):
        return True
    if after.core == "من" and (shown == {"fp"} or readings[0].nominal.lemma in ("كثير", "قليل")):
        return True
    if after.bare.startswith(("وال", "وغير")) and (readings[0].nominal.lemma[-1] == "ي" or "mp" in values(nouns)):
        return True
    if after.classes:
        return False
    if after.bare[:2] == "ال" and not all(one.state for one in readings):
        return True
    return any(one.state and not one.preposition and not one.conjunction for one in after.nominals)


def agreeing(readings: tuple[Reading, ...], nouns: tuple[Reading, ...], article: str, case: str) -> str | None:
    """The adjective in the form that its nouns ask for; None if they, or it, are not of one mind."""
    wanted = sorted(values(nouns))
    if wanted == ["md", "mp"]:
        wanted = ["mp"]
    if len(wanted) != 1 or len({one.nominal.lemma for one in readings}) != 1:
        return None
    value = "fs" if wanted[0] == "things" else wanted[0]
    shown = next((one.nominal.case for one in nouns if one.nominal.case), case)
    form = adjective(readings[0].nominal.lemma, value, "" if value == "ms" and article else shown)
    return form and article + form


def mismatch(clause: Clause, place: int, index: int, right: str | None, nouns: tuple[Reading, ...]) -> Hit | None:
    """The hit from the noun at `place` to the adjective at `index`, which should be `right`."""
    if right == clause.word(index).bare:
        return None
    words = [clause.words[at].text for at in range(place, index)]
    text = " ".join([*words, right]) if right else None
    return Hit(place, index, text, named(clause.word(place), values(nouns)))


def _person(reading: Reading) -> bool:
    return reading.listed and (reading.nominal.adjective or reading.nominal.human)


def _definite(clause: Clause, index: int) -> Hit | None:
    """المدن الكبير, المعلمون المجتهد: both with the article."""
    word = clause.word(index)
    readings = only_adjectives(word)
    if not readings and index == 1 and clause.begins_sentence:  # المتفوق, a noun as well, says nothing of الطلاب here
        readings = word.nominals if all(one.state == "al" for one in word.nominals) else ()
        if not any(one.nominal.adjective for one in readings):
            return None
        readings = (
            tuple(one for one in readings if one.nominal.adjective) if all(_person(one) for one in readings) else ()
        )
    if not readings and _no_subject_behind(clause, index - 1):  # الكهربائي, a person as well
        readings = tuple(one for one in word.nominals if one.nominal.adjective)
        if any(one.nominal.lemma[-1] != "ي" or not one.listed for one in word.nominals):
            return None
    if not readings or not all(one.state == "al" for one in readings):
        return None
    chain = heads(clause, index - 1)
    if not chain:
        return None
    place, nouns = chain[0]
    if depends(clause, index, readings, nouns) or _of_a_people(readings, nouns):
        return None
    if fit(nouns, word, readings) or any(of_a_group(one) for _, one in chain):
        return None
    if any(fit(one, word, readings) for _, one in chain[1:]):
        return None
    if place and any(one.conjunction for one in nouns):
        return None
    case = "n" if place == 0 else "o"
    return mismatch(clause, place, index, agreeing(readings, nouns, "ال", case), nouns)


def indefinite_noun(clause: Clause, index: int) -> tuple[Reading, ...]:
    """The readings of a word that can only be a listed indefinite noun."""
    word, before = clause.word(index), clause.word(index - 1)
    if word is None or word.classes or not word.nominals:
        return ()
    readings = tuple(one for one in word.nominals if (one.listed or one.state) and not one.nominal.construct)
    homographs = words_of("homograph")
    if not readings or word.bare in homographs or word.bare[1:] in homographs or word.bare[:-1] in homographs:
        return ()
    if any(one.state or one.nominal.adjective or one.conjunction for one in readings):
        return ()
    if word.slots and word.bare.endswith("نا"):
        return ()
    if word.slots and not (before and "prep" in before.classes) and word.bare[-1] not in "ةا":
        return ()
    return readings


def _governors(clause: Clause, index: int) -> list[tuple[Reading, ...]] | None:
    """Indefinite nouns in front of an index that may own an adjective behind it; None if a word is not known."""
    found = []
    for at in range(index, max(index - 5, -1), -1):
        word = clause.words[at]
        if word.number is not None or "number" in word.classes or word.classes & {"prep", "adverb_prep"}:
            continue
        if "conj" in word.classes:
            return None
        if word.classes:
            break
        if not word.nominals:
            if not word.slots:
                return None
            break
        if all(one.state == "al" for one in word.nominals):
            break
        found.append(word.nominals)
    return found


def _indefinite(clause: Clause, index: int) -> Hit | None:
    """سيارة جديد, نتائج مهم, مهندسين ماهر: both without the article."""
    word = clause.word(index)
    readings = only_adjectives(word)
    if not index or not readings or any(one.state for one in readings):
        return None
    nouns = indefinite_noun(clause, index - 1)
    if depends(clause, index, readings, nouns):
        return None
    if not nouns or fit(nouns, word, readings) or of_a_group(nouns):
        return None
    if _object_and_adjective(clause, index, nouns, readings):
        return mismatch(clause, index - 1, index, agreeing(readings, nouns, "", "a"), nouns)
    things = all(one.nominal.lemma in of_things() for one in readings) or _thing_between(clause, index, nouns)
    with_nun = all(one.nominal.case and one.nominal.number != "s" for one in nouns)
    accusative = any(one.nominal.case == "a" for one in readings)
    if values(readings) == {"fp"} or (values(readings) == {"fs"} and readings[0].nominal.lemma[-1] == "ي"):
        things = False  # أساسيات, استراتيجية: as well a noun
    if not things and not (with_nun and not accusative):
        return None
    if any(one.conjunction for one in clause.word(index - 1).nominals):
        return None
    before = _governors(clause, index - 2)
    if before is None:
        return None
    if not accusative and lexicon.accusative(word.bare):  # it does not go with خبرا
        before = [
            tuple(each for each in one if each.nominal.case != "a" and not each.nominal.construct) for one in before
        ]
    if any(one and fit(one, word, readings) for one in before):
        return None
    case = "a" if accusative or any(one.nominal.case == "a" for one in nouns) else "o"
    return mismatch(clause, index - 1, index, agreeing(readings, nouns, "", case), nouns)


def _object_and_adjective(
    clause: Clause, index: int, nouns: tuple[Reading, ...], readings: tuple[Reading, ...]
) -> bool:
    """ثوبا مطرزة بخيوط: tanween lets no genitive follow; not what a number counts (عشرون كتابا جديدة)."""
    before = clause.word(index - 2)
    if index < 2 or before is None or before.number is not None or before.classes - {"prep"}:
        return False
    if before.bare.endswith(("ون", "ين")) or values(readings) != {"fs"} or values(nouns) != {"ms"}:
        return False
    after = clause.word(index + 1)
    if after is None or not (after.classes & {"prep"} or after.bare[0] in "بل"):
        return False
    feminine = any("fs" in values(word.nominals) or word.bare[0] == "ت" for word in clause.words[: index - 1])
    participle = not all(one.listed for one in readings)
    certain = all(one.nominal.case == "a" and one.nominal.lemma in concrete() for one in nouns)
    return certain and not (feminine and participle and nouns[0].nominal.human)


def _thing_between(clause: Clause, index: int, nouns: tuple[Reading, ...]) -> bool:
    """علاقة قوي بين: what stands between things is no person."""
    after = clause.word(index + 1)
    things = all(not one.nominal.human and one.nominal.lemma[-1] == "ة" for one in nouns)
    return bool(after and things and after.bare in ("بين", "تجاه", "إزاء", "حول"))


def _no_subject_behind(clause: Clause, place: int) -> bool:
    """Whether no person in the masculine can be the subject behind the noun at a place."""
    before = clause.word(place - 1)
    if before is None:
        return False
    return bool(before.classes & {"prep"}) or bool(
        before.slots and not before.nominals and not before.slots & slots("past_3ms", "ind_3ms", "sub_3ms", "juss_3ms")
    )


def _of_a_people(readings: tuple[Reading, ...], nouns: tuple[Reading, ...]) -> bool:
    """الجنود البحرية: a noun in ية behind a plural of people."""
    return values(readings) == {"fs"} and "mp" in values(nouns) and readings[0].nominal.lemma[-1] == "ي"


def may_be_adjective(word: Word) -> bool:
    """Whether a spelling can be an adjective, whatever else it can be."""
    return len(word.bare) > 2 and _is_adjective(word.bare)


def may_be_indefinite(word: Word) -> bool:
    """Whether a word can only be an adjective, without article or pronoun."""
    readings = only_adjectives(word) if may_be_adjective(word) else ()
    return bool(readings) and not any(one.state for one in readings)


def may_be_definite(word: Word) -> bool:
    """Whether a word may be an adjective, and has the article."""
    readings = (only_adjectives(word) or word.nominals) if may_be_adjective(word) else ()
    return bool(readings) and all(one.state == "al" for one in readings)


def adjective_rule(message: str, at, find, wrong: tuple[str, ...], right: tuple[str, ...], confidence: float) -> Rule:
    """A `Rule` of this kind, asked of words in ا only where it wants the article."""
    starts = "ا" if at is may_be_definite else ""
    return Rule("agreement.adjective", message, at, find, wrong, right, confidence, starts=starts)


RULES: tuple[Rule, ...] = (
    adjective_rule(
        "النعت لا يطابق منعوته في التذكير والتأنيث أو العدد.",
        may_be_definite,
        _definite,
        (
            "في {المدن الكبير→المدن الكبيرة}",
            "شكر {المعلمات المجتهدين→المعلمات المجتهدات}",
            "قرأ {القصة الطويل→القصة الطويلة}",
        ),
        (
            "سيارة المدير الجديدة",
            "باب المدرسة الكبير",
            "المدن الكبيرة",
            "المرأة القوي إيمانها",
            "الأيام الأواخر",
            "الأب والأم الكريمان",
        ),
        0.85,
    ),
    adjective_rule(
        "النعت لا يطابق منعوته في التذكير والتأنيث أو العدد.",
        may_be_indefinite,
        _indefinite,
        (
            "اشترى {سيارة جديد→سيارة جديدة}",
            "حقق {نتائج مهم→نتائج مهمة}",
            "قابلت {مهندسين ناجح→مهندسين ناجحين}",
            "لبست هند {ثوبا قديمة→ثوبا قديما} من الحرير",
        ),
        ("حياة فقير", "سيارة مدير جديد", "كتب أطفال جديدة", "قصة طويل شرحها", "كتاب كبير", "نتائج مهمة"),
        0.8,
    ),
)
