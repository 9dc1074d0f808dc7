"""Characters of other scripts and languages in place of Arabic letters, inside words that are Arabic otherwise.

A finding must have a known word to suggest, so foreign names and texts in other languages of the script are left alone.
"""

import functools
import itertools
import re

from arabic_r1_jax.text import dictionary, lexicon
from arabic_r1_jax.text.findings import Pattern
from arabic_r1_jax.text.letters import ARABIC_LETTERS, JOINERS, MARKS, TATWEEL, strip_marks
from arabic_r1_jax.text.words import Word

_A, _M = ARABIC_LETTERS, MARKS
_TABLE = {char: (letters, kind) for char, letters, kind in lexicon.rows("lookalikes.txt")}
_LOAN = frozenset(char for char, (_, kind) in _TABLE.items() if kind == "loan")
FOREIGN_LETTERS = "".join(char for char, (_, kind) in _TABLE.items() if kind != "alike")
_ALIKE = frozenset(char for char, (_, kind) in _TABLE.items() if kind == "alike")
_DIGITS = "0123456789٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹"
_LOANWORDS = re.compile("ڤي(?:ديو|روس|تامين|زا|لا|ينا)|ڤول|ڤيد|ڤير|ڤيت|پاري|پي|چات|چاد|چيك|چي|گوگل|گاز|گيم")


def _known(letters: str) -> bool:
    word = Word(strip_marks(letters).replace(TATWEEL, ""))
    return word.known


def _spelled(token: str) -> str | None:
    """The first known word that the token may stand for, with every character of the table read in all its ways."""
    ways = [_TABLE.get(char, (char,))[0] for char in token]
    spellings = ("".join(letters) for letters in itertools.islice(itertools.product(*ways), 64))
    found = [spelling for spelling in spellings if _known(spelling)]
    return next((spelling for spelling in found if Word(spelling).classes), found[0] if found else None)


_TOKEN = re.compile(f"[{_A}{_M}{FOREIGN_LETTERS}]*[{FOREIGN_LETTERS}][{_A}{_M}{FOREIGN_LETTERS}]*")


def _foreign_letter(match: re.Match) -> str | None:
    token = match.group()
    if len(strip_marks(token)) < 2:
        return None
    loan = any(char in _LOAN for char in token)
    if loan and _LOANWORDS.search(token):
        return None
    found = _spelled(token)
    if found is None or (loan and not _native(found)):
        return None
    return None if _is_foreign(match.string) else found


@functools.lru_cache(maxsize=8)
def _is_foreign(line: str) -> bool:
    """Whether a line may be of another language in Arabic script: of such a word, or of many with such letters."""
    others = _TOKEN.findall(line)
    words = [word for word in re.findall(f"[{_A}{_M}]{{2,}}", _TOKEN.sub(" ", line)) if _known(word)]
    return len(words) < len(others) or any(_spelled(other) is None for other in others)


def _native(letters: str) -> bool:
    word = Word(strip_marks(letters))
    return bool(word.nominals or word.classes or any(not verb.pronoun for verb in word.verbs))


_SEEN = "oOlIioοоıɩι"  # what a reader takes for an Arabic letter, wherever it stands
_LATIN = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"


def _lookalike(match: re.Match) -> str | None:
    token = match.group()
    bare = strip_marks(token)
    runs = re.findall(f"[^{_A}]+", bare)
    letters = len(bare) - sum(map(len, runs))
    if len(runs) > 2 or any(len(run) > 2 for run in runs) or letters < 2:
        return None
    inside = bare[0] in _A and bare[-1] in _A
    strange = "".join(runs)
    if not inside and (len(strange) > 1 or letters < 3) and not all(char in _SEEN for char in strange):
        return None
    if bare[-1] in "IO" or any(char not in _ALIKE for char in strange):
        return None
    return _spelled(bare)


def _digit_for_letter(match: re.Match) -> str | None:
    bare = strip_marks(match.group())
    ends = bare[-1] not in _A
    if sum(char in _A for char in bare) < 2 or (ends and (bare[-1] not in "٥۵" or dictionary.known(bare[:-1]))):
        return None
    return _spelled(bare)


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "script.foreign_letter",
        "في الكلمة حرف ليس من حروف العربية.",
        re.compile(f"(?<![{_A}{_M}{FOREIGN_LETTERS}]){_TOKEN.pattern}(?![{JOINERS}])"),
        _foreign_letter,
        wrong=("{کان→كان} الجو صحوا", "زرنا {مدینة→مدينة} فاس", "يقيم {پاسم→باسم} في ليون", "املأ {خانۀ→خانة} الاسم"),
        right=("شاهدت ڤيديو قصيرا", "سافر إلى پاريس", "این کتاب را دیروز خواندم", "سنة ١٤٤٥ ھ"),
        everywhere=False,
        needs=frozenset(FOREIGN_LETTERS),
    ),
    Pattern(
        "script.latin_lookalike",
        "في الكلمة حرف لاتيني في موضع حرف عربي.",
        re.compile(
            f"(?<![\\w{_M}{TATWEEL}/.@#-])(?:[{_A}{_M}]+[{_LATIN}]{{1,2}}|[{_LATIN}]{{1,2}}[{_A}])[{_A}{_M}{_LATIN}]*(?![\\w/@])"
        ),
        _lookalike,
        wrong=("{الهlتف→الهاتف} جديد", "هذا {فoم→فهم} خاطئ", "أعلن {قرارo→قراره} أمام الحشد", "{Iلجو→الجو} بارد"),
        right=("أرسله بWhatsApp أمس", "ملف الPDF مرفق", "مساحته 5كم أو م2", "القسمA والقسمB"),
        everywhere=False,
        needs=_ALIKE - frozenset(_DIGITS),
    ),
    Pattern(
        "script.latin_lookalike",
        "في الكلمة رقم في موضع حرف.",
        re.compile(f"(?<![\\w{_M}{TATWEEL}/.@#-])[{_A}{_M}]+\\d[{_A}{_M}]*(?![\\w/@{TATWEEL}])"),
        _digit_for_letter,
        wrong=("هذه {المسأل٥→المسألة} سهلة", "قرأ {الكت1ب→الكتاب} كله"),
        right=("في الغرفة5 سرير", "المساحة م2 والحجم م3", "انظر الهامش٥"),
        confidence=0.8,
        everywhere=False,
        needs=frozenset(_DIGITS),
    ),
)
