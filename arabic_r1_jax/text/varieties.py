"""Which Arabic a text is written in, and whether it is Quran, hadith or verse: both best effort, both may abstain.

In: text of Arabic script. Out: `variety` names the standard language, the classical one or a group of dialects;
`register` names text whose spelling and syntax follow rules of their own. The checker passes over what either
calls dialect, Quran, hadith or verse, so that a false "dialect" costs a finding, and a missed one false alarms.

Words carry it: `data/variety_*.txt` lists marker words with weights, `PATTERNS` the shapes of dialect verbs and
of clitics. Weights are per word, 3 for what edited prose never has; a label needs `LEAST` of them together,
`DENSITY` in a hundred words, and more than the standard language's own words weigh.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

from arabic_r1_jax.text.letters import TATWEEL, strip_marks

DIALECTS = ("levantine", "egyptian", "gulf", "maghrebi")  # the first of equals is named; gulf takes Iraqi in
KINDS = (*DIALECTS, "dialect", "msa", "classical", "informal")  # "dialect": several of them alike
DATA = Path(__file__).parent / "data"
LEAST, DENSITY, STANDARD_WEIGHS, INFORMAL_AT_MOST = 2.0, 8.0, 0.6, 1.5
MOST_CHARACTERS = 20_000  # of a document are looked at

# Shapes of whole words without marks: kind, weight, pattern. What looks like one and is a word stands behind (?!...).
_NO_NEGATION = "(?!فتش|ناقش|دهش|نعش|راكش|هاش|كنش)"
_TELLS = "(?:قل|قال|حك|حكا|حكي|عمل|بعت|جب|جاب|كتب|قول|احكي|ات?صل|فتح|اعط)"
_ENDS_IN_HA = "(?!ل|مياه|وج|فق|شب|إل|اتج|انتب|تنب|مكرو|سفي|تشبي|توجي|نبي|كري|متشاب|فواك|جبا|شفا|رفا|اله|أفوا)"
PATTERNS = (
    ("dialect", 1.5, r"[وف]?بي(?!اض|ن|ت|ان|ئ|د|ض|ع|رو|ول|وت|وم|سار|كا|ل|زنط|طر|ضاء|ب|ري|س|م)\w{3,}"),
    ("dialect", 1.0, r"[وف]?بت(?!لك|اريخ)(?!\w\w?\w?[يا]\w\w?\w?$)\w{3,}"),
    ("dialect", 1.0, r"[وف]?بن(?!فس|حو|اء|ات|ص|ظام|ت|سب|وع|ك|د|ي|ج|ق|ز|ه)\w{3,}"),
    ("dialect", 2.0, rf"[وف]?ما?{_NO_NEGATION}(?:[بتين]\w{{2,}}(?:و|ه|ني|ها|لو)?ش|\w{{3,}}(?:ت|ها|و|ني|ي)ش)"),
    ("dialect", 1.0, r"ب[اتين]?\w{3,}(?<!طي)(?<!نا)(?<!ري)(?<!هام)ش"),
    ("dialect", 2.0, r"(?:[وفبلع]|من)?هال(?!ف|ست|ة|ك|وي|و$|ي|ات|ا$)\w{3,}"),
    ("dialect", 1.5, r"[وف]?عال(?!م|ي|ج|ق|ة|ا|ه)\w{3,}"),
    ("dialect", 2.0, rf"[وف]?{_TELLS}(?:ت|ت?ي)?ل(?:ي|ك|و|ها|نا|هم|كم|كن|هن)"),
    ("egyptian", 1.2, r"[وف]?ه[ين](?!ئ|ك|م|ل|د|ر|ج|ب|ا|غ|و|ن|ي|س|ت$)\w{3,}"),
    ("maghrebi", 1.5, r"[وف]?كن(?!ت|ز|ائ|يس|دا|ا|ع|ف|ي|ه|و)\w{3,}"),
    ("maghrebi", 1.5, r"[وف]?كي(?!ف|ل|م|ان|و|ب|ت|ن|ر|س|ي|ا|ه|د)\w{3,}"),
    ("maghrebi", 1.5, r"[وف]?غا?[ينت](?!ر|ب|م|ث|ا|ي|و|ظ|ة|ه|ن|ت$)\w{3,}"),
    ("maghrebi", 1.2, r"[وف]?ن(?!ح|دع|شك|رج|تل|غز|سم|عف|مح|بل|نم|خل|جو)\w{3,}و"),
    ("dialect", 1.5, r"[وف]?(?:ال?)?[يت](?!ون|ول|ور|شي|وك|ست)\w{3,}و"),
    ("informal", 1.0, rf"[وبكع]?ال{_ENDS_IN_HA}\w{{2,}}[^اويىلأ]ه|[وبكع]?ال(?:حيا|صلا|زكا|قنا|فتا|وفا|مبارا|معانا)ه"),
    ("maghrebi", 3.0, r"[وفب]?ديال\w*|[وفب]?نتاع\w*"),
    ("gulf", 2.0, r"\w*[چگ]\w*"),
)
# Prefixes of the present and future before a stem of `variety_verbs.txt`, and what may follow it.
PREFIXES = (
    ("dialect", 3.0, r"[وف]?(?:ما|م)?ب[ين]|[وف]?(?:ما|م)بت"),
    ("dialect", 1.4, r"[وف]?بت"),
    ("egyptian", 3.0, r"[وف]?(?:مش)?[هح](?!ياكل)[يتن]"),
    ("maghrebi", 3.0, r"[وف]?(?:ما|م)?(?:كا?|غا?|تا)[يتن]"),
    ("levantine", 1.5, r"[وف]?من"),
    ("dialect", 0.9, r"[وف]?(?:ما)?ب"),
    ("dialect", 2.0, r"[وف]?(?:ما|م)[يتن](?=\w+ش\Z)"),
)
ENDINGS = r"(?:[يو]|وا)?(?:ه|ها|ك|كي|كم|كن|كو|هم|هن|ني|نا|ل(?:و|ي|ك|ها|هم|نا|كم|ه))?(?:ي|و)?ش?"
# The same over two words: a particle before a verb, a preposition cut short.
PAIRS = (
    ("levantine", 3.0, r"عم (?:[تين]\w{3,}|ب\w{2,})"),
    ("levantine", 2.0, r"\Aشو \w+"),
    ("dialect", 2.0, r"(?:رح|راح|لح) [اأتين]\w{2,}"),
    ("levantine", 2.0, r"شو (?:في|عم|رح|يعني|(?:ه|صار|اسم|ر[أا]ي|اخبار|عمل|قصت)\w*|(?:بد|ب[تيدن]|سو)\w+)"),
    ("dialect", 2.0, r"ع ال\w+"),
    ("dialect", 2.0, r"ما (?:ب[تن]\w{3,}|\w{3,}ش)"),
    ("gulf", 2.0, r"(?:ما ادري|يا خوي|ما عندي|طال عمرك|عن جد)"),
)

_WORD = re.compile(r"(?<![A-Za-zء-ي])[ء-غف-يٱپچژڤگکیڨڭ]+(?![A-Za-z])")
_SPELL = str.maketrans("کیٱ", "كيا", TATWEEL)
_SPELLED = "کیٱ" + TATWEEL
_FIRST_OF_PAIR = frozenset("عم شو رح راح لح ع ما طال خوي جد".split())  # no pair is where none of these is
_PAIR = re.compile(r"\b(?:" + "|".join(f"({shape})" for _, _, shape in PAIRS) + r")\b")


@cache
def _shapes() -> list[tuple[int, float, Callable[[str], object]]]:
    """`PATTERNS`, and `PREFIXES` before the stems: index of the kind, weight, what matches a whole word."""
    lines = (DATA / "variety_verbs.txt").read_text(encoding="utf-8").splitlines()
    stems = "|".join(sorted({w for line in lines if line[0] != "#" for w in line.split()}))
    rows = [*PATTERNS, *((kind, weight, rf"(?:{prefix})(?:{stems}){ENDINGS}") for kind, weight, prefix in PREFIXES)]
    return [(KINDS.index(kind), weight, re.compile(rf"(?:{shape})\Z").match) for kind, weight, shape in rows]


@cache
def _any_shape() -> Callable[[str], object]:
    """Whether a word has any of the shapes: most have none, and one pattern says so sooner than forty."""
    return re.compile("|".join(f"(?:{match.__self__.pattern})" for _, _, match in _shapes())).match


@cache
def _marked() -> dict[str, tuple[float, ...]]:
    """Word -> its weight for each of `KINDS`."""
    table: dict[str, list[float]] = {}
    for i, kind in enumerate(KINDS):
        for line in (DATA / f"variety_{kind}.txt").read_text(encoding="utf-8").splitlines():
            weight, *words = line.split()
            for word in words if weight != "#" else ():
                row = table.setdefault(word, [0.0] * len(KINDS))
                row[i] = max(row[i], float(weight))
    return {word: tuple(row) for word, row in table.items()}


@lru_cache(1 << 16)
def _evidence(word: str) -> tuple[tuple[int, float], ...]:
    """What one word says: (index of a kind, weight) pairs, and (-1, weight) for dialect of any kind; mostly nothing."""
    row = _marked().get(word) or (_marked().get(word[1:]) if word[0] == "و" and len(word) > 4 else None)
    if row is None:
        if not _any_shape()(word):
            return ()
        row = [0.0] * len(KINDS)
        for i, weight, match in _shapes():
            if weight > row[i] and match(word):
                row[i] = weight
    return tuple((i, weight) for i, weight in [*enumerate(row), (-1, max(row[: len(DIALECTS) + 1]))] if weight)


def _plain(text: str) -> str:
    """What is looked at of a text: without marks and tatweel, in Arabic letters."""
    text = strip_marks(text[:MOST_CHARACTERS])
    return text.translate(_SPELL) if any(map(text.__contains__, _SPELLED)) else text


def _scores(text: str) -> tuple[int, dict[str, float]]:
    """The number of different words, and the sum of their weights for each of `KINDS` and for "any" dialect."""
    text = _plain(text)
    words = set(_WORD.findall(text))  # each once: a foreign "de" (دي) thrice in a name is no Egyptian
    sums = [0.0] * (len(KINDS) + 1)
    for evidence in filter(None, map(_evidence, words)):
        for i, weight in evidence:
            sums[i] += weight
    for match in () if words.isdisjoint(_FIRST_OF_PAIR) else _PAIR.finditer(text):
        kind, weight, _ = PAIRS[match.lastindex - 1]
        sums[KINDS.index(kind)] += weight
        sums[-1] += weight
    score = dict(zip((*KINDS, "any"), sums, strict=True))
    score["any"] += min(INFORMAL_AT_MOST, score["informal"])
    return len(words), score


def _is_dialect(count: int, score: dict[str, float]) -> bool:
    return score["any"] >= max(LEAST, DENSITY * count / 100, STANDARD_WEIGHS * score["msa"])


def dialect_words(text: str) -> dict[str, float]:
    """The words of a text that speak for a dialect, with their weights."""
    words = set(_WORD.findall(_plain(text)))
    weights = {word: dict(_evidence(word)).get(-1, 0.0) for word in words}
    return {word: weight for word, weight in weights.items() if weight}


def in_dialect(text: str) -> bool:
    """Whether text is in a dialect, named or not; of short text a slight leaning is enough."""
    count, score = _scores(text)
    return count > 0 and (_is_dialect(count, score) or score["any"] > score["msa"])


def variety(text: str) -> str | None:
    """Names the variety of Arabic text: one of `DIALECTS`, "msa", "classical"; None if there is too little to say."""
    count, score = _scores(text)
    if not count:
        return None
    if _is_dialect(count, score):
        return max(DIALECTS, key=score.__getitem__)
    if score["any"] >= LEAST or score["any"] > score["msa"]:
        return None  # some dialect: too thin to say
    if register(text) in ("quran", "hadith") or score["classical"] >= max(4, 10 * count / 100, score["msa"]):
        return "classical"
    return "msa" if count >= 4 or score["msa"] >= 2 else None


# ------------------------------------------------------------------------------------------------- register
_QURANIC = re.compile("[\u06d6-\u06ed\u0671\u08f0-\u08f2]")  # small signs, alef wasla, open tanween
_BRACED = re.compile("﴿[^﴾]*﴾")
_ISNAD = re.compile(
    r"\b(?:حدثنا|حدثني|أخبرنا|أخبرني|اخبرنا|أنبأنا|ثنا) (?=\S)"
    r"|\bو?عن (?:أبي|ابي|ابن|أم|عائشة|أنس|جابر|عمر|علي|عبد) |رضي الله (?:تعالى )?عن"
    r"|(?:سمعت|قال|أن|عن|إن|كان|إلى|فقال) (?:رسول الله|النبي) ?(?:ﷺ|صلى)|(?:رسول الله|النبي) (?:ﷺ|صلى الله عليه)"
    r"|رواه (?:البخاري|مسلم|أبو داود|الترمذي)|متفق عليه"
)
_LINKS = (  # a text with none of these has no such chain: `in` is ten times as fast
    *("حدثن", "خبرن", "نبأنا", "ثنا ", "رضي الله", "رسول الله", "النبي", "رواه ", "متفق عليه"),
    *("عن أب", "عن أم ", "عن أنس", "عن اب", "عن عائشة", "عن جابر", "عن عمر", "عن علي", "عن عبد"),
)
_GAPS = ("   ", "\u00a0", "\t", "*", "#", "...", "…", "//")  # a line with none of these has no break
_BREAK = re.compile(
    r"[ \u00a0]{3,}|\t+|\s[*#]{1,3}\s|\s?(?:\.{3,}|…)\s?|\s//\s"
)  # between the halves of a line of verse
_NO_VERSE = re.compile(r"[،؛.:؟?!,;\dA-Za-z()\[\]{}`]|^\s*[-*•#]")  # prose, lists and headings


def _is_quran(text: str) -> bool:
    """Uthmani spelling: signs no other text has, at least one for 25 letters; or a whole text in ﴿ ﴾."""
    signs, quoted = len(_QURANIC.findall(text)), _BRACED.findall(text)
    if signs < 2 and not quoted:
        return False
    letters = sum(map(str.isalpha, text))
    braced = sum(map(str.isalpha, "".join(quoted)))
    return letters > 0 and ((signs >= 2 and signs * 25 >= letters) or braced >= 0.6 * letters)


def _is_hadith(text: str) -> bool:
    """Two links of a chain of transmitters, sayings of the Prophet or sources, and one for forty words."""
    text = strip_marks(text)
    links = len(_ISNAD.findall(text)) if any(map(text.__contains__, _LINKS)) else 0
    return links >= 2 and links * 40 >= len(text.split())


def _is_line_of_verse(line: str) -> bool:
    """Two halves of like length, 2 to 8 words each, with a gap, stars or dots between them."""
    if not any(map(line.__contains__, _GAPS)):
        return False
    halves = [h for h in map(str.strip, _BREAK.split(line.strip())) if h]
    if len(halves) != 2 or any(map(_NO_VERSE.search, halves)):
        return False
    short, long = sorted(sum(map(str.isalpha, strip_marks(h))) for h in halves)
    return all(2 <= len(h.split()) <= 8 for h in halves) and short >= 0.65 * long > 0


def _rhyme(ends: list[str]) -> bool:
    """At least three line ends, four in five of them alike; ة does not count, which lists of nouns end in."""
    return len(ends) >= 3 and max(map(ends.count, set(ends) - {"", "ة"}), default=0) >= 0.8 * len(ends)


def _is_verse(text: str) -> bool:
    """At least half of the lines have two halves; or six and more short lines rhyme, all of them or every second."""
    lines = [line for line in text.splitlines() if line.strip()]
    if 2 * sum(map(_is_line_of_verse, lines)) >= max(1, len(lines)):
        return True
    if len(lines) < 6 or any(_NO_VERSE.search(line) or not 2 <= len(line.split()) <= 8 for line in lines):
        return False
    ends = [re.sub(r"[\Wاى]+$", "", strip_marks(line))[-1:] for line in lines]
    return any(map(_rhyme, (ends, ends[::2], ends[1::2])))


REGISTERS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("quran", _is_quran),
    ("hadith", _is_hadith),
    ("verse", _is_verse),
)


@lru_cache(64)  # the gate asks for the variety and the register of the same line
def register(text: str) -> str | None:
    """Names text with rules of its own: "quran", "hadith" or "verse", the first that fits; else None.

    Give it a line, a verse, a paragraph: of a long text that quotes a verse it says nothing.
    """
    text = text[:MOST_CHARACTERS]
    return next((name for name, fits in REGISTERS if fits(text)), None)
