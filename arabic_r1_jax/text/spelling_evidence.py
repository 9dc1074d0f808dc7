"""Whether a spelling is a mistake: by closed lists, the dictionary, the verb table, and how often each form is met.

    correction(Word("مسؤل"))        # Correction("مسؤول", "hamza_seat", ...)
    correction(Word("مسئول"))       # None: both schools are right

A word that no source knows needs little more support for its variant; one that a source knows, much more.

    data/misspellings.txt     WRONG RIGHT [اسم]     ~ in RIGHT is a space; اسم: takes ال and prepositions
    data/tanween.txt          WRONG RIGHT
    data/rare_words.txt       WORD                  right, and easily taken for a mistake
"""

import functools
import re
from typing import NamedTuple

from arabic_r1_jax.text import dictionary, lexicon, verb_forms
from arabic_r1_jax.text.frequency import frequency, table
from arabic_r1_jax.text.spelling_variants import of_kinds, slips, variants
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word


class Correction(NamedTuple):
    """What a word should be."""

    right: str
    kind: str
    evidence: str


class _Bar(NamedTuple):
    """Frequency that a variant needs, and how many times that of the form, by how well the form is known."""

    floor: float
    unknown: float
    guessed: float
    known: float


_BARS = {
    "hamza": _Bar(1e-7, 1.5, 4, 1e9),
    "hamza_other": _Bar(2e-7, 30, 50, 1e9),  # one written hamza for another
    "hamza_off": _Bar(2e-8, 20, 50, 1e9),  # أ in front of a stem that begins without hamza
    "hamza_seat": _Bar(5e-8, 3, 20, 1e9),
    "alef_maqsura": _Bar(5e-8, 12, 20, 1e9),
    "ta_marbuta": _Bar(1e-7, 5, 20, 500),
    "ha": _Bar(1e-6, 60, 100, 500),  # ة for ه,
    "ta_open": _Bar(1e-5, 250, 500, 1e9),  # ت and ة
    "ta_noun": _Bar(1e-7, 20, 50, 1e9),  # ت for ة behind the article
    "alif_waw": _Bar(3e-7, 12, 20, 1e9),
    "tanween": _Bar(2e-7, 10, 50, 200),
    "dad_za": _Bar(1e-7, 20, 30, 300),
    "spelling": _Bar(3e-6, 500, 1000, 1e9),
}
_UNSEEN = {  # for forms that web text never has
    "spelling": _Bar(2e-6, 200, 500, 1e9),
    "ha": _Bar(1e-7, 10, 50, 500),
}
_BARS["letters"] = _Bar(0, 0, 1e9, 1e9)
_BARS_UNSEEN = _BARS | _UNSEEN
_SELDOM = 1e-7
_FAR_MORE = 20
_SURE = frozenset(("hamza", "hamza_seat"))
_SLIPS = 3e-6  # frequency of a word that a slip may have been meant for
_LEAST = 1e-8  # in place of 0: the rarest frequency that the counts have
_RARE = 2e-7  # a known word that is met more often than this stays as it is
_WASL = re.compile(
    "[وف]?(?:[بلك]|[بك]?ال)?ا(?:ست|ن|[^لن]ت|[زذد]د|ضط|صط).."
)  # verbs and masdars of the forms VII, VIII and X
_ARTICLE = re.compile("[وف]?[بك]?ال...")
_PRESENT = re.compile("[وف]?أ(?:ست...|ن...|.ت..)")  # the shape of a first person
_CONJUNCTIONS = ("و", "ف")
_PREFIXES = ("ال", "ب", "ل", "ك", "بال", "كال")


def standing(word: Word) -> str:
    """How well the sources know a word: "known", "guessed" or "unknown"."""
    bare = word.bare
    if word.classes or (dictionary.is_stem(bare) and not _dictionary_errs(bare)):  # the cheapest question first
        return "known"
    if not _ARTICLE.match(bare) and any(not verb.pronoun for verb in word.verbs):
        return "known"
    if dictionary.known(bare) and not _dictionary_errs(bare):
        return "known"
    rest = bare[1:] if bare[0] in _CONJUNCTIONS else bare
    if rest[:1] in ("ب", "ل", "ك") and rest[1:] in lexicon.function_words():
        return "known"
    return "guessed" if word.nominals or word.verbs else "unknown"


def _dictionary_errs(bare: str) -> bool:
    """Forms that the dictionary takes apart wrongly: أ of a question in front of a noun, ال and a pronoun together."""
    if bare[0] == "أ":
        return len(bare) > 4 and dictionary.known(bare[1:]) and not lexicon.forms().get(bare)
    return bare[-1] == "ه" and bool(_ARTICLE.match(bare)) and not lexicon.forms().get(bare[bare.index("ال") + 2 :])


@functools.cache
def _right() -> frozenset[str]:
    """Rare words that are right, alone and behind prefixes."""
    starts = ["", *_prefixes("", True), "لل"]
    return frozenset(start + word for (word,) in lexicon.rows("rare_words.txt") for start in starts)


@functools.cache
def _listed() -> dict[str, tuple[str, str, bool]]:
    """Every listed mistake, alone and behind prefixes: (right, list, whether the row itself)."""
    listed = {}
    for name in ("misspellings", "tanween"):
        for wrong, right, *noun in lexicon.rows(f"{name}.txt"):
            listed[wrong] = right.replace("~", " "), name, True
            for prefix in _prefixes(wrong, bool(noun)):
                listed.setdefault(prefix + wrong, ((prefix + right).replace("~", " "), name, False))
            if noun and wrong[:2] != "ال":
                for before in ("", *_CONJUNCTIONS):
                    listed.setdefault(f"{before}لل{wrong}", (f"{before}لل{right}", name, False))
    return listed


def _prefixes(wrong: str, noun: bool) -> list[str]:
    if not noun:
        return list(_CONJUNCTIONS)
    behind = ("ب", "ك") if wrong[:2] == "ال" else _PREFIXES
    return [*_CONJUNCTIONS, *behind, *(before + prefix for before in _CONJUNCTIONS for prefix in behind)]


_BY_LETTERS = (  # of a listed mistake: letters that differ, kind
    (frozenset("اأإآ"), "hamza"),
    (frozenset("اأإآؤئءويى"), "hamza_seat"),
    (frozenset("ضظ"), "dad_za"),
    (frozenset("ةهت"), "ta_marbuta"),
)


def _kind(wrong: str, right: str, name: str) -> str:
    """The kind of a listed mistake, by the letters that differ."""
    if name == "tanween":
        return "tanween"
    start = next((n for n, (a, b) in enumerate(zip(wrong, right, strict=False)) if a != b), min(len(wrong), len(right)))
    rest = min(len(wrong), len(right)) - start
    end = next((n for n in range(rest) if wrong[-1 - n] != right[-1 - n]), rest)
    letters = set(wrong[start : len(wrong) - end] + right[start : len(right) - end])
    if "ى" in letters and letters <= set("ىي"):
        return "alef_maqsura"
    if letters == {"ا"}:
        return "alif_waw" if wrong[-2:] == "وا" or right[-2:] == "وا" else "spelling"
    if "أ" in letters and not letters & set("إآ") and start == 0 and len(letters) > 2:
        return "spelling"
    return next(
        (kind for group, kind in _BY_LETTERS if letters <= group and letters & (group - set("اوي"))), "spelling"
    )


_SEAT = re.compile("(?<=[^اأإآدذرزوؤء])ئ(?=و)|(?<=[ادذرزو])ء(?=و)|ؤ(?=و)")


def _bar(text: str, variant: str, kind: str, own: float) -> _Bar:
    bars = _BARS if own > _LEAST else _BARS_UNSEEN
    if len(text) != len(variant):
        return bars[kind]
    written, meant = next(pair for pair in zip(text, variant, strict=True) if pair[0] != pair[1])
    if kind == "hamza" and written != "ا" and (meant != "ا" or written == "أ"):
        kind = "hamza_other" if meant != "ا" else "hamza_off"
    elif kind == "ta_marbuta" and "ه" not in (written, meant):
        kind = "ta_noun" if written == "ت" and _ARTICLE.match(text) else "ta_open"
    elif kind == "ta_marbuta" and meant == "ه":
        kind = "ha"
    return bars[kind]


def _implausible(text: str, variant: str, kind: str) -> bool:
    """Pairs whose two forms are right: schools of hamza, a masdar beside a plural, a name beside an article."""
    if kind == "ta_marbuta" and text[-2:] == "يت" and not _ARTICLE.match(text):
        return True
    if kind == "spelling" and len(_stem(text)) < 4:
        return True
    if kind == "alif_waw" and text[-1] == "ا" and _ARTICLE.match(text):
        return True
    if kind == "hamza_seat":
        return _SEAT.sub("ؤ", text) == _SEAT.sub("ؤ", variant) or bool(_BOUND.search(text) and _BOUND.search(variant))
    if kind == "hamza":
        if len(text) < 4 and text[0] in "أإ":
            return True
        if text[:2] == "أل" and variant[:2] == "ال":
            return True
        if _BROKEN_PLURAL.search(text) and variant != text.replace("أ", "ا", 1):
            return True
        return bool(verb_forms.load().get(_stem(text), 0) & slots("vn"))
    return False


_BROKEN_PLURAL = re.compile("أ..(?:ا.|اء)(?:ه|ها|هم|ك|نا|ي|ا)?$")
_BOUND = re.compile("[ءأؤئ](?:ه|ها|هم|هما|هن|كم|نا)$")


def _stem(text: str) -> str:
    """A word without conjunction, article and the accusative in ا."""
    start = match.end() - 3 if (match := _ARTICLE.match(text)) else int(text[0] in _CONJUNCTIONS and len(text) > 4)
    return text[start:].removesuffix("ا")


def _by_pattern(text: str, variant: str, kind: str) -> bool:
    """Whether the letters alone decide between two forms, however rare they are."""
    if kind == "alif_waw" and variant[-1] == "ا" and len(text) > 4:
        stem = text[1:] if text[0] in _CONJUNCTIONS else text
        own = frequency(stem)
        if len(stem) < 5 and stem != text:
            return False
        if own and (stem[0] not in "اأيتن" or frequency(variant) < 2 * own):
            return False
        return bool(_verb(variant) & slots("sub", "juss", "past_3mp", "imp_2mp"))
    if kind == "hamza":
        at = next((n for n, (a, b) in enumerate(zip(text, variant, strict=False)) if a != b), 0)
        if text[at] == "أ" and _PRESENT.fullmatch(text):
            return False
        return text[at] in "إأ" and len(text) == len(variant) and variant[at] == "ا" and bool(_WASL.match(variant))
    if kind == "ta_marbuta" and text[-1] == "ة" and variant[-1] == "ه":
        imperfect = text[0] in "ين" and len(text) > 4 and _verb(text[:-1]) & slots("ind", "sub", "juss")
        return text[-2] == "ت" or bool(imperfect)
    return False


def _verb(word: str) -> int:
    verbs = verb_forms.load()
    return verbs.get(word, 0) | (verbs.get(word[1:], 0) if word[:1] in _CONJUNCTIONS else 0)


_OF_KNOWN = of_kinds({"ta_marbuta", "tanween", "dad_za"})  # what a known word may be, if any: the bars below 1e9


def _likely(text: str, own: float, known: bool) -> list[tuple[float, str, str, _Bar]]:
    """Variants that would do if no source knew the word: (support, variant, kind, bar), the best first."""
    likely, least, count = [], 1.5 * own, table().get
    for variant, kind, weight in variants(text, _OF_KNOWN) if known else variants(text):
        support = count(variant, 0.0) * weight
        if support >= least:
            bar = _bar(text, variant, kind, own)
            if support >= bar.floor and support >= bar.unknown * own:
                likely.append((support, variant, kind, bar))
                continue
        if (kind in ("alif_waw", "ta_marbuta") or (kind == "hamza" and support >= own)) and _by_pattern(
            text, variant, kind
        ):
            likely.append((support, variant, kind, _BARS["letters"]))
    likely.sort(reverse=True)
    return likely


_DOUBTED = re.compile("[ضظة]|[هت]$|[ءأ]ا$|[ئءت]ن$")  # where a known word may be a mistake: the bars below 1e9
_ASKS = re.compile("[وف]?(?:[بكل]?ال|[بكل])?أ")  # what the dictionary may take for the أ of a question


def correction(word: Word) -> Correction | None:
    """What a word of Arabic letters is a mistake for; None if it is right or nobody can say."""
    text = word.bare
    if found := _listed().get(text):
        right, name, itself = found
        if (itself and text not in _right()) or not (dictionary.known(text) or text in _right()):
            return Correction(right, _kind(text, right, name), f"«{text}» رسم شائع الخطأ، وصوابه «{right}»")
    if text[-1] == "ى" and (found := _nisba(word)):
        return found
    own = max(frequency(text), _LEAST)
    if own > 3e-4 or len(text) < 3 or text in _right():
        return None
    level = standing(word)
    asks = bool(_ASKS.match(text)) and not word.verbs
    if level == "known" and not asks and (own > _RARE or not _DOUBTED.search(text)):
        return None
    likely = _likely(text, own, level == "known" and not asks)
    if level == "known" and asks and likely and likely[0][2] == "hamza" and _by_pattern(text, likely[0][1], "hamza"):
        level = "unknown"
    for support, variant, kind, bar in likely:
        if level == "known" and own > _RARE:
            return None
        enough = support >= getattr(bar, level) * own or (level == "unknown" and _by_pattern(text, variant, kind))
        found = dictionary.known(variant) or standing(Word(variant)) == "known"
        if enough and found and not _implausible(text, variant, kind):
            return Correction(variant, kind, f"«{text}» غير معروفة بهذا الرسم، و«{variant}» معروفة شائعة")
    if level != "unknown":
        return None
    if own <= _SELDOM and (found := _of_a_listed_noun(text)):
        return found
    return (own < 3 * _LEAST and _slip(text)) or _behind_conjunction(text)


def _of_a_listed_noun(text: str) -> Correction | None:
    """A form of a noun in our lists with its hamza or ت misplaced (كفائتهم, بممارست): too rare for counts to tell."""
    for variant, kind, _ in variants(text):
        if (kind in _SURE or (kind == "ta_marbuta" and text[-1] == "ت")) and dictionary.known(variant):
            school = kind == "hamza_seat" and _SEAT.sub("ؤ", text) == _SEAT.sub("ؤ", variant)  # رءوس and رؤوس
            sound = not school and (kind == "hamza_seat" or not _implausible(text, variant, kind))
            if sound and any(one.listed and (one.state or one.preposition) for one in Word(variant).nominals):
                return Correction(variant, kind, f"«{text}» غير معروفة، و«{variant}» من اسم معروف")
    return None


def _behind_conjunction(text: str) -> Correction | None:
    """The mistake in what و or ف is joined to: with it the word may be too rare to have counts."""
    if text[0] != "و" or len(text) < 6 or not (found := correction(Word(text[1:]))):
        return None
    return Correction("و" + found.right, found.kind, found.evidence)


def _nisba(word: Word) -> Correction | None:
    """مصرى for مصري: an adjective in ي whose letters with ى are nothing."""
    right = word.bare[:-1] + "ي"
    if word.verbs or any(one.listed for one in word.nominals) or word.classes:
        return None
    if frequency(right) < _FAR_MORE * max(frequency(word.bare), _LEAST):  # كبرى, الوسطى, ليلى
        return None
    if any(one.listed and one.nominal.adjective and one.state != "pron" for one in Word(right).nominals):
        return Correction(right, "alef_maqsura", f"«{right}» صفة منسوبة تنتهي بالياء")
    return None


def _slip(text: str) -> Correction | None:
    """A slip of the fingers: a letter too few or two that changed places, in a long word that web text never has."""
    if len(text) < 7:
        return None
    found = max(slips(text), key=frequency)
    if frequency(found) < _SLIPS or not dictionary.known(found):
        return None
    return Correction(found, "spelling", f"«{text}» غير معروفة، و«{found}» معروفة شائعة")
