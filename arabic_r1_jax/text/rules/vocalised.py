"""Case and mood where the words concerned carry their final mark: prepositions, inna, kana, moods, idafa, diptotes.

A word without its final mark is never judged.
"""

import re

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import with_conjunctions
from arabic_r1_jax.text.rules.case_marks import (
    DAMMA,
    DAMMATAN,
    FATHA,
    FATHATAN,
    KASRA,
    KASRATAN,
    NAMES,
    SHADDA,
    SUKUN,
    TAIL,
    ending,
    final,
    is_feminine_plural,
    is_noun,
    put,
)
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_KANA = set("كان أصبح صار ليس ظل أمسى بات أضحى كانت أصبحت صارت ليست ظلت".split())
_INNA = {"إن", "أن", "كأن", "لكن", "ليت", "لعل"}
_PREPOSITIONS = {"في", "إلى", "على", "عن", "من"}


def _preposition(clause: Clause, index: int) -> Hit | None:
    word, noun = clause.words[index], clause.word(index + 1)
    if (word.core == "من" and "مِ" not in word.text) or (word.core == "على" and SHADDA in word.text):
        return None
    if not noun or not noun.marked or not (is_noun(noun, True) or is_noun(noun, False)):
        return None
    mark, article = final(noun.text), noun.bare.startswith("ال")
    wrong = {DAMMA, FATHA} if article else {DAMMATAN, FATHATAN, DAMMA}
    if mark not in wrong or (
        not article and mark == DAMMA and noun.bare in ("قبل", "بعد", "عل", "أول", "فوق", "تحت", "حيث")
    ):
        return None
    follower = clause.word(index + 2)
    if (
        noun.bare == "الآن"
        or (follower and follower.bare in ("عشر", "عشرة"))
        or any(one.conjunction or (one.nominal.case == "a" and mark != FATHATAN) for one in noun.nominals)
    ):
        return None
    diptote = noun.bare in lexicon.diptotes()
    right = Hit(index + 1, index + 1, ending(noun.text, FATHA), "ممنوع من الصرف") if diptote else None
    return right or put(clause, index + 1, KASRA, f"«{word.text}» حرف جر")


def _attached(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    if word.slots or not is_noun(word) or not all(one.preposition and one.listed for one in word.nominals):
        return None
    if word.text[1:2] != KASRA or final(word.text) not in (DAMMATAN, DAMMA):
        return None
    return put(clause, index, KASRA, f"«{word.text[:2]}» حرف جر")


def _inna(clause: Clause, index: int) -> Hit | None:
    word, noun = clause.words[index], clause.word(index + 1)
    if word.core not in ("ليت",) and SHADDA not in word.text:
        return None
    if not (is_noun(noun, True) or is_noun(noun, False)):
        return None
    mark = final(noun.text)
    if mark in (DAMMA, DAMMATAN) or (
        mark in (KASRA, KASRATAN) and not is_feminine_plural(noun) and noun.bare.startswith("ال")
    ):
        return put(clause, index + 1, FATHA, f"«{word.text}» تنصب اسمها")
    return None


def _kana(clause: Clause, index: int) -> Hit | None:
    noun, predicate = clause.word(index + 1), clause.word(index + 2)
    if not is_noun(noun, True):
        return None
    mark = final(noun.text)
    if mark in (FATHA, KASRA) and final(predicate.text if predicate else "") == FATHATAN:
        return put(clause, index + 1, DAMMA, f"«{clause.words[index].text}» ترفع اسمها")
    if mark != DAMMA or not predicate or not predicate.nominals or final(predicate.text) not in (DAMMATAN, KASRATAN):
        return None
    if any(one.conjunction or one.preposition for one in predicate.nominals):
        return None
    return put(clause, index + 2, FATHA, f"«{clause.words[index].text}» تنصب خبرها")


_MOODS = {
    "لم": (SUKUN, {DAMMA, FATHA}, slots("juss")),
    "لن": (FATHA, {DAMMA, SUKUN}, slots("sub")),
    "أن": (FATHA, {DAMMA, SUKUN}, slots("sub")),
    "كي": (FATHA, {DAMMA, SUKUN}, slots("sub")),
    "لكي": (FATHA, {DAMMA, SUKUN}, slots("sub")),
}


def _mood(clause: Clause, index: int) -> Hit | None:
    word, verb = clause.words[index], clause.word(index + 1)
    right, wrong, mood = _MOODS[word.core]
    if SHADDA in word.text or not verb or not verb.marked or verb.bare[0] not in "يتنأ" or verb.bare[-1] in "نايوى":
        return None
    if final(verb.text) not in wrong or SHADDA in TAIL.search(verb.text)[2]:
        return None
    if (
        verb.bare[-1] in "هك"
        and (verb.bare[-1] == "ه" or final(verb.text) == FATHA)
        and any(v.pronoun for v in verb.verbs)
    ):
        return None
    weak = {FATHA: "ى", DAMMA: "و"}.get(final(verb.text), "")
    if word.core == "لم" and weak and verb_forms.load().get(verb.bare + weak):  # لم ينس، لم يدع
        return None
    if not verb_forms.load().get(verb.bare, 0) & mood or (word.core == "لم" and not verb.slots & slots("ind")):
        return None
    return Hit(
        index + 1, index + 1, ending(verb.text, right), f"«{verb.text}» {NAMES[final(verb.text)]} بعد «{word.text}»"
    )


_FIRST_PERSON = re.compile("ْتُ$|تُّ$")
_PAST = re.compile("[ء-ي]َ[ء-ي][َِ][ء-ي]َ$")


def _verb(clause: Clause, index: int) -> Hit | None:
    """A subject or object directly behind its verb."""
    verb, noun = clause.words[index], clause.word(index + 1)
    if not is_noun(noun, True):
        return None
    mark = final(noun.text)
    if _FIRST_PERSON.search(verb.text):
        if mark == DAMMA and verb.slots & slots("past_1s") and verb.bare not in ("كنت", "لست", "وكنت", "فكنت"):
            return put(clause, index + 1, FATHA, f"«{noun.text}» مفعول به")
        return None
    sure = (
        _PAST.fullmatch(verb.text)
        and not index
        and not verb.classes
        and verb.bare[0] not in "وف"
        and verb.slots & slots("past_3ms")
    )
    if not sure:
        return None
    if mark == KASRA and not is_feminine_plural(noun):
        return put(clause, index + 1, DAMMA, f"«{noun.text}» فاعل")
    thing = clause.word(index + 2)
    if mark == DAMMA and is_noun(thing, True) and final(thing.text) == DAMMA:
        people = all(one.nominal.human and not one.nominal.adjective for one in noun.nominals)
        things = not any(one.nominal.human or one.nominal.adjective or not one.listed for one in thing.nominals)
        if people and things:
            return put(clause, index + 2, FATHA, f"«{thing.text}» مفعول به")
    return None


def _idafa(clause: Clause, index: int) -> Hit | None:
    first, second = clause.words[index], clause.word(index + 1)
    if final(first.text) not in (DAMMA, FATHA, KASRA) or not is_noun(first, False) or not is_noun(second, True):
        return None
    before = clause.word(index - 1)
    if first.bare in lexicon.diptotes() or (before and before.bare in ("يا", "لا", "ولا", "فلا")):
        return None
    listed = [one.nominal for one in first.nominals if one.listed]
    plain = bool(listed) and not any(one.number == "d" or one.adjective for one in listed)
    nouns = any(one.listed and not one.nominal.adjective for one in second.nominals)
    if plain and nouns and final(second.text) in (DAMMA, FATHA):
        return put(clause, index + 1, KASRA, f"«{second.text}» مضاف إليه")
    return None


def _adjective(clause: Clause, index: int) -> Hit | None:
    """An adjective behind its noun, both indefinite."""
    noun, word = clause.words[index], clause.word(index + 1)
    if not word or not word.marked or final(noun.text) not in (DAMMATAN, FATHATAN) or final(word.text) != KASRATAN:
        return None
    if not is_noun(noun) or not is_noun(word) or any(one.conjunction or one.preposition for one in word.nominals):
        return None
    if not any(one.nominal.adjective for one in word.nominals):
        return None
    return put(clause, index + 1, DAMMA if final(noun.text) == DAMMATAN else FATHA, f"«{word.text}» نعت لما قبله")


def _feminine_plural(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    if not word.nominals or word.slots or any(one.state == "pron" for one in word.nominals):
        return None
    sound = all(one.nominal.lemma.removesuffix("ة") + "ات" == _stem(word, one) for one in word.nominals)
    return put(clause, index, FATHA, "ينصب جمع المؤنث السالم بالكسرة") if sound else None


def _stem(word: Word, reading) -> str:
    head = len(reading.conjunction) + len(reading.preposition)
    return word.bare[head:].removeprefix("ال") if reading.state == "al" else word.bare[head:]


def _diptote(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    if word.text.startswith("مُ"):  # مُكاتِب is no plural
        return None
    right = {DAMMATAN: DAMMA, FATHATAN: FATHA, KASRATAN: FATHA}[final(word.text)]
    return Hit(index, index, ending(word.text, right), f"«{word.text}» ممنوع من الصرف")


def _postponed(clause: Clause, index: int) -> Hit | None:
    """في الحقل أشجار: what stands behind a preposition and its noun at the beginning."""
    noun, word, follower = clause.word(index + 1), clause.word(index + 2), clause.word(index + 3)
    if index or not is_noun(noun, True) or final(noun.text) != KASRA or not is_noun(word) or not follower:
        return None
    if final(word.text) == FATHATAN and final(follower.text) == DAMMATAN:
        return put(clause, index + 2, DAMMA, f"«{word.text}» مبتدأ مؤخر")
    return None


def _topic(clause: Clause, index: int) -> Hit | None:
    """The first noun of a sentence in front of an indefinite predicate."""
    word, follower = clause.words[index], clause.word(index + 1)
    if index or not clause.begins_sentence or not is_noun(word, True) or not is_noun(follower):
        return None
    if final(word.text) in (FATHA, KASRA) and final(follower.text) == DAMMATAN:
        return put(clause, 0, DAMMA, f"«{word.text}» مبتدأ")
    return None


def _rule(message: str, at, find, wrong: tuple[str, ...], right: tuple[str, ...], confidence: float = 0.85) -> Rule:
    return Rule("case_mood.vocalised", message, at, find, wrong, right, confidence, marked=True)


RULES: tuple[Rule, ...] = (
    _rule(
        "الاسم بعد حرف الجر مجرور.",
        with_conjunctions(_PREPOSITIONS),
        _preposition,
        ("جَلَسْنَا فِي {الْبَيْتُ→الْبَيْتِ}", "خَرَجَ مِنَ {الدَّارَ→الدَّارِ}"),
        ("جَلَسْنَا فِي الْبَيْتِ", "سَأَلَ عَنْ مَسَاجِدَ كَثِيرَةٍ"),
    ),
    _rule(
        "الاسم بعد حرف الجر مجرور.",
        lambda word: word.marked and word.bare[:1] in ("ب", "ل", "ك") and final(word.text) in (DAMMATAN, DAMMA),
        _attached,
        ("مَرَرْتُ {بِرَجُلٌ→بِرَجُلٍ}",),
        ("مَرَرْتُ بِرَجُلٍ", "هَذَا كِتَابٌ"),
    ),
    _rule(
        "اسم «إن» وأخواتها منصوب.",
        lambda word: word.core in _INNA and word.marked,
        _inna,
        ("إِنَّ {الطَّالِبُ→الطَّالِبَ} مُجْتَهِدٌ", "لَعَلَّ {الْفَرَجُ→الْفَرَجَ} قَرِيبٌ"),
        ("إِنَّ الطَّالِبَ مُجْتَهِدٌ", "إِنَّ الْمُعَلِّمَاتِ حَاضِرَاتٌ"),
    ),
    _rule(
        "«كان» وأخواتها ترفع الاسم وتنصب الخبر.",
        with_conjunctions(_KANA),
        _kana,
        ("كَانَ الرَّجُلُ {كَرِيمٌ→كَرِيمًا} مَعَ ضُيُوفِهِ", "أَصْبَحَ {الْبَيْتَ→الْبَيْتُ} بَارِدًا"),
        ("كَانَ الرَّجُلُ كَرِيمًا",),
    ),
    _rule(
        "حركة آخر الفعل المضارع لا توافق الأداة التي قبله.",
        with_conjunctions(_MOODS),
        _mood,
        ("لَمْ {يَذْهَبُ→يَذْهَبْ} خَالِدٌ", "لَنْ {أَتْرُكُ→أَتْرُكَ} صَدِيقِي"),
        ("لَمْ يَكْتُبِ الْوَلَدُ", "لَمْ يَرَ شَيْئًا", "لَمْ يَمُرَّ أَحَدٌ", "لَمْ يَكْتُبْهُ"),
    ),
    _rule(
        "حركة الاسم بعد الفعل لا توافق موقعه.",
        lambda word: word.marked and bool(_FIRST_PERSON.search(word.text) or _PAST.fullmatch(word.text)),
        _verb,
        ("ظَنَنْتُ {السَّمَاءُ→السَّمَاءَ} صَافِيَةً", "كَتَبَ {الْوَلَدِ→الْوَلَدُ} رِسَالَةً"),
        ("كَتَبَ الْوَلَدُ الدَّرْسَ", "رَأَيْتُ الْمُعَلِّمَاتِ"),
    ),
    _rule(
        "المضاف إليه مجرور.",
        lambda word: word.marked and word.bare[:2] != "ال" and final(word.text) in (DAMMA, FATHA, KASRA),
        _idafa,
        ("هَذَا كِتَابُ {الْمُعَلِّمُ→الْمُعَلِّمِ} الْجَدِيدِ",),
        ("هَذَا كِتَابُ الْمُعَلِّمِ",),
        0.8,
    ),
    _rule(
        "النعت يتبع منعوته في الإعراب.",
        lambda word: word.marked and final(word.text) in (DAMMATAN, FATHATAN),
        _adjective,
        ("زُرْنَا مَدِينَةً {جَمِيلَةٍ→جَمِيلَةً}",),
        ("زُرْنَا مَدِينَةً جَمِيلَةً",),
    ),
    _rule(
        "جمع المؤنث السالم ينصب بالكسرة.",
        lambda word: (
            word.marked and word.bare[-2:] == "ات" and len(word.bare) > 4 and final(word.text) in (FATHA, FATHATAN)
        ),
        _feminine_plural,
        ("شَاهَدْتُ {الْمُعَلِّمَاتَ→الْمُعَلِّمَاتِ}",),
        ("شَاهَدْتُ الْمُعَلِّمَاتِ", "سَمِعَ الْأَصْوَاتَ"),
    ),
    _rule(
        "الممنوع من الصرف لا ينون.",
        lambda word: (
            word.marked and word.bare in lexicon.diptotes() and final(word.text) in (DAMMATAN, FATHATAN, KASRATAN)
        ),
        _diptote,
        ("صَلَّيْتُ فِي {مَسَاجِدٍ→مَسَاجِدَ} كَثِيرَةٍ", "سَافَرَ إِلَى {مَكَّةٍ→مَكَّةَ}"),
        ("صَلَّيْتُ فِي مَسَاجِدَ كَثِيرَةٍ",),
    ),
    _rule(
        "المبتدأ مرفوع وإن تأخر.",
        with_conjunctions(("في", "على")),
        _postponed,
        ("فِي الْحَقْلِ {أَشْجَارًا→أَشْجَارٌ} مُثْمِرَةٌ",),
        ("فِي الْحَقْلِ أَشْجَارٌ مُثْمِرَةٌ",),
    ),
    _rule(
        "المبتدأ مرفوع.",
        lambda word: word.marked and word.bare[:2] == "ال" and final(word.text) in (FATHA, KASRA),
        _topic,
        ("{الطَّالِبَ→الطَّالِبُ} مُجْتَهِدٌ",),
        ("الطَّالِبُ مُجْتَهِدٌ",),
    ),
)
