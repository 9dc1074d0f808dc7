"""Spellings that a word can be mistaken for: one letter, or one seat of hamza, written as writers of Arabic confuse it.

("مسؤول", "hamza_seat", 1.0) in variants("مسؤل")
"""

from collections import defaultdict
from collections.abc import Container, Iterator

from arabic_r1_jax.text.letters import ALPHABET

# Kind, weight beside other variants, place (in the stem: first, later, last, inner: neither; any), written>meant,meant.
_ROWS = (
    ("hamza", 1.0, "first", "ا>أ,إ,آ أ>ا,إ,آ إ>ا,أ,آ أا>آ ءا>آ"),
    ("hamza", 1.0, "inner", "أا>آ ءا>آ"),
    ("hamza", 0.1, "inner", "ا>آ اا>آ آ>ا"),
    ("hamza_seat", 1.0, "later", "أ>ء,ؤ,ئ ؤ>أ,ء,ئ,ؤو ئ>أ,ء,ؤ,يء ء>أ,ؤ,ئ إ>ئ,أ,ء ؤ>وء"),
    ("hamza_seat", 0.1, "later", "ا>أ و>ؤ ي>ئ أ>ا ئ>ئي آ>اء,أ"),
    ("hamza_seat", 1.0, "inner", "أو>ؤو ؤو>ؤ ئي>ئ يء>ئ ءي>ئي وئ>وء يأ>يئ أا>ئا"),
    ("hamza_seat", 0.3, "inner", "ائ>أ اء>أ"),
    ("hamza_seat", 1.0, "last", "ىء>ئ,يء,ء يئ>يء,ئ يء>ئ,ء وء>ؤ أو>ؤوا,أوا ؤو>ؤوا,أوا ئو>ئوا,ؤوا ءو>ءوا"),
    ("hamza_seat", 0.1, "last", "ا>اء,أ ى>ئ,يء"),
    ("alef_maqsura", 1.0, "last", "ى>ي ي>ى"),
    ("alef_maqsura", 0.1, "last", "ى>ا ا>ى"),
    ("alef_maqsura", 1.0, "inner", "ى>ي,ا"),
    ("ta_marbuta", 1.0, "last", "ه>ة ة>ه,ت ت>ة"),
    ("ta_marbuta", 1.0, "inner", "ة>ت,ه"),
    ("alif_waw", 1.0, "last", "و>وا وا>و"),
    ("tanween", 1.0, "last", "اءا>اء أا>أ ءا>ئا ئن>ئا ءن>ءا,ء تن>ة ةا>ة"),
    ("dad_za", 1.0, "any", "ض>ظ ظ>ض"),
    ("spelling", 0.5, "any", "ذ>د,ز د>ذ,ض ز>ذ,ظ ظ>ز ث>ت,س ت>ث,ط س>ث,ص ص>س ط>ت ض>د ق>ك"),
)


_Table = dict[str, list[tuple[str, str, float, tuple[str, ...]]]]  # what is written: place, kind, weight, what is meant


def of_kinds(kinds: Container[str]) -> tuple[frozenset[str], _Table]:
    """The rows of some kinds of mistake, for `variants`: by what is written, and the first letters of that."""
    table = defaultdict(list)
    for kind, weight, place, pairs in _ROWS:
        for pair in pairs.split() if kind in kinds else ():
            written, _, meant = pair.partition(">")
            table[written].append((place, kind, weight, tuple(meant.split(","))))
    return frozenset(written[0] for written in table), dict(table)


_ALL = of_kinds({row[0] for row in _ROWS})


def _starts(word: str) -> set[int]:
    """Where the stem of a word may begin: behind each prefix that it may have."""
    starts = {0}
    if word[0] in "وف":
        starts.add(1)
    for at in tuple(starts):
        rest = word[at:]
        if rest[:1] in ("ب", "ل", "ك", "س"):
            starts.add(at + 1)
            rest = rest[1:]
            at += 1
            if rest[:1] == "ل":
                starts.add(at + 1)
        if rest[:2] == "ال":
            starts.add(at + 2)
    return starts


def variants(word: str, rows: tuple[frozenset[str], _Table] = _ALL) -> Iterator[tuple[str, str, float]]:
    """(another spelling, the kind of mistake this one would be, its weight) for each row of the tables that applies."""
    starts, end, (letters, table) = None, len(word), rows
    for at, letter in enumerate(word):
        if letter not in letters:
            continue
        for stop in range(at + 1, min(at + 4, end + 1)):
            for place, kind, weight, meant in table.get(word[at:stop], ()):
                if place != "any":
                    if starts is None:
                        starts = _starts(word)
                    if not _stands(place, at in starts, at, stop == end, letter):
                        continue
                for put in meant:
                    yield word[:at] + put + word[stop:], kind, weight


def _stands(place: str, first: bool, at: int, last: bool, letter: str) -> bool:
    if place == "first":
        return first
    if place == "last":
        return last and at > 0
    return at > 0 and not (first and letter in "اأإآ") and (place == "later" or not last)


def slips(word: str) -> Iterator[str]:
    """The words that a slip of the fingers may have been meant for: one letter more, or two neighbours exchanged."""
    for at in range(1, len(word)):
        yield word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
        for letter in ALPHABET:
            yield word[:at] + letter + word[at:]
