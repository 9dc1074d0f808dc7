"""Tells Arabizi (Arabic in Latin letters, "3amel eh") from English and from other languages of that script.

In: text of Latin letters. Out: log-odds of `CLASSES`, by a table of letter n-grams (`ngrams`); `latin_script` weighs
them against two general detectors.

`python -m arabic_r1_jax.text.arabizi` trains the table again (a minute, always the same numbers): Arabizi from
`arabizi_phrases.txt` and from the sounds in `arabizi_words.txt`, spelled as `SPELLINGS` says; the rest from
`wordfreq`'s lists and `arabizi_negatives.txt`. No word list is shipped, only the weights.
"""

import random
import re
import unicodedata
from functools import cache
from pathlib import Path

from arabic_r1_jax.text import ngrams

CLASSES = ("arabizi", "en", "other")
DATA = Path(__file__).parent / "data"
WEIGHTS = DATA / "arabizi_weights.npz"
BUCKETS = 1 << 16

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*['’]?")


def words(text: str) -> list[bytes]:
    """The lower-case words of `text` with at least one letter, in UTF-8; digits and apostrophes inside them stay."""
    found = _WORD.findall(text.lower().replace("’", "'"))
    return [w.encode("utf-8", "replace") for w in found if not w.isdecimal()]


@cache
def _model() -> ngrams.Model:
    return ngrams.load(WEIGHTS)


def logits(text: str) -> list[float]:
    """Log-odds of `CLASSES` for text of Latin letters, of zero mean; all 0 without a word."""
    return _model().logits(words(text))


# ------------------------------------------------------------------------------------------------- training
# A sound and its spellings, the usual ones repeated; "-" is none, "_" a space. One writer keeps to one spelling.
COMMON = """7 7 7 7 h|3 3 3 3 a|' 2 - -|x kh kh 5 7'|G gh gh 8 3'|q q 9 k|S s s s 9|D d|T t t 6|Z z|$ sh sh ch|v th t s
* th d z|A a a a aa|I i i ee y|U ou oo u|E ei ee ay e|O o oo ou|a a a a e|i i i e|u u o|@ a a ah e|j j|g g
al el_ el al al_ l l_|neg sh|fut ha ra7|pres b"""
SPELLINGS = {
    "egypt": "j g|q 2 2 q|v t s|* z d|@ a a ah|al el_ el_ el|neg sh sh ch|fut ha 7a|a a|D d|pres b be",
    "levant": "q 2 2 -|E e ei ay|@ e e a eh|al el_ l_ el 3al_|fut ra7_ rah_|pres b bi 3am_b|x kh kh 5",
    "gulf": "q g g q|T 6 t|S 9 s|Z 6' dh th|D 9' dh|v th|* th|$ sh|j j j y|E ai ay ee|al el al al_ el_|x 5 kh kh|"
    "pres - ba",
    "maghreb": "q q 9 9 k g|U ou|u ou o -|a a a e -|i i e -|al l l l_ el_|$ ch ch sh|neg ch|fut gha ghadi_ bech_|"
    "pres ka ta n|G gh|7 7 7 h|@ a|h h h 8|' 2 e -",
    "plain": "7 h|3 a ' -|' -|T t|S s|x kh|G gh|D d|al al_ al el_|v th|* dh th",
}
# Stems of a root, 1 2 3 its letters: past and present of verbs, then what is inflected as a noun, as an adjective.
VERBS = """1a2a3 12u3|1i2i3 12a3|12a3 12a3|1a22a3 1a22i3|t1a22a3 t1a22a3|sta12a3 sta12i3|n1a2a3 n1a2i3
1A2a3 1A2i3|t1A2a3 t1A2a3|1ta2a3 1ta2i3|a12a3 12i3"""
NOUNS, ADJECTIVES = (
    "12A3 1u2U3 ta12I3 ma12a3 1a2I3@ 1a2a3 1i2A3@ a12A3",
    "1A2i3 ma12U3 m1a22a3 mu1a22i3 1a2I3 1a22A3 mista12i3 12I3",
)
RESPELL = [
    ("kh", "5"),
    ("sh", "ch"),
    ("7", "h"),
    ("3", "a"),
    ("ou", "o"),
    ("oo", "ou"),
    ("ee", "i"),
    ("9", "q"),
    ("2", ""),
]
RESPELL += [
    ("el ", "l"),
    ("gh", "8"),
    ("t", "6"),
    ("'", ""),
    ("aa", "a"),
    ("ei", "ee"),
    ("ch", "sh"),
    ("e", "i"),
    ("h ", " "),
]
POSSESSIVES = ["", "", "", "i", "ak", "ik", "u", "ha", "na", "kum", "hum"]
PAST, PERSONS = ["", "t", "ti", "na", "u", "at", "tu"], ["a", "ti", "yi", "ni", "i"]
OBJECTS = ["", "", "", "ni", "ak", "u", "ha", "hum", "kum", "na", "li", "lak", "lha", "lhum"]
LATIN = "ca cs da de es fi fil fr hu id is it lt lv ms nb nl pl pt ro sh sk sl sv tr vi".split()


def _spelling(rng: random.Random) -> dict[str, str]:
    rows = f"{COMMON}|{SPELLINGS[rng.choice(sorted(SPELLINGS))]}".replace("\n", "|").split("|")
    return {sound: rng.choice(ways) for sound, *ways in map(str.split, rows)}


def _inflect(row: list[str], rng: random.Random) -> list[str]:
    """One form of a row of `arabizi_words.txt`, as sounds."""
    kind, stem = row[0], row[-1]
    if kind == "r":
        kind = rng.choice("vvvna")
        templates = {"v": VERBS.replace("\n", "|").split("|"), "n": NOUNS.split(), "a": ADJECTIVES.split()}[kind]
        filled = rng.choice(templates).translate(dict(zip(map(ord, "123"), stem, strict=True)))
        row = [kind, *filled.split()]
        stem = row[-1]
    if kind == "n":
        own = rng.choice(POSSESSIVES)
        article = ["al"] if not own and rng.random() < 0.4 else []
        return [*rng.choice(["", "", "", "w", "b", "l"]), *article, *(stem.replace("@", "t") if own else stem), *own]
    if kind == "a":
        ending = rng.choice(["", "", "@", "In"])
        return [*(["al"] if rng.random() < 0.2 else []), *stem.removesuffix("@"), *ending]
    if kind == "v":
        past = rng.random() < 0.4
        tense = [] if past else rng.choice([["pres"], ["pres"], ["fut"], []])
        body = row[1] + rng.choice(PAST) if past else rng.choice(PERSONS) + stem + rng.choice(["", "", "i", "u"])
        no = rng.random() < 0.15
        return [*(["m", "a"] if no else []), *tense, *body, *rng.choice(OBJECTS), *(["neg"] if no else [])]
    return list(rng.choice(row[1:]))


def _lines(name: str) -> list[str]:
    text = (DATA / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _rows(name: str) -> list[list[str]]:
    """Rows of sounds; a row of many nouns or adjectives becomes one row each."""
    split = [line.split() for line in _lines(name)]
    return [r for row in split for r in ([row] if row[0] in "vp" else [[row[0], w] for w in row[1:]])]


def _windows(phrases: list[str], count: int, rng: random.Random) -> list[str]:
    """Parts of phrases: one of them or two in a row, 1 to 6 words of it."""
    texts = []
    for _ in range(count):
        w = " ".join(rng.choice(phrases) for _ in range(rng.choice((1, 1, 2)))).split()
        first = rng.randrange(len(w))
        texts.append(" ".join(w if rng.random() < 0.4 else w[first : first + rng.randint(1, 6)]))
    return texts


def _arabizi(count: int, rng: random.Random) -> list[str]:
    texts = _windows(_lines("arabizi_phrases.txt"), count // 2, rng)
    for i, text in enumerate(texts):
        for old, new in RESPELL:
            if rng.random() < 0.12:
                text = text.replace(old, new)
        texts[i] = text
    rows = _rows("arabizi_words.txt")
    for _ in range(count - len(texts)):
        way = _spelling(rng)
        forms = (_inflect(rng.choice(rows), rng) for _ in range(rng.randint(1, 4)))
        text = " ".join("".join(way.get(s, s) for s in form) for form in forms)
        texts.append(text.replace("-", "").replace("_", " "))
    return texts


def _from_list(language: str, count: int, rng: random.Random) -> list[str]:
    """Strings of 1 to 6 words of `wordfreq`'s list, the common ones more often; every second without accents."""
    import wordfreq

    listed = [w for w in wordfreq.top_n_list(language, 15000, wordlist="small") if w.isalpha() or "'" in w]
    chance = [1 / (rank + 20) ** 0.8 for rank in range(len(listed))]
    texts = [" ".join(rng.choices(listed, chance, k=rng.randint(1, 6))) for _ in range(count)]
    return [
        unicodedata.normalize("NFKD", t).encode("ascii", "ignore").decode() if i % 2 else t for i, t in enumerate(texts)
    ]


def examples(seed: int = 0, size: int = 1000) -> tuple[list[str], list[int]]:
    """Training texts and their classes: 20 x `size` Arabizi, 15 x English, over 30 x other."""
    rng = random.Random(seed)
    negatives = (DATA / "arabizi_negatives.txt").read_text(encoding="utf-8").split("## english in haste\n")
    other, haste = ([p for p in part.splitlines() if p and p[0] != "#"] for part in negatives)
    groups = [
        _arabizi(20 * size, rng),
        _from_list("en", 13 * size, rng) + _windows(haste, 2 * size, rng),
        [t for language in LATIN for t in _from_list(language, size, rng)] + _windows(other, 7 * size, rng),
    ]
    return [t for g in groups for t in g], [c for c, g in enumerate(groups) for _ in g]


def train(path: Path = WEIGHTS) -> None:
    """Trains on `examples()` and writes the table."""
    texts, classes = examples()
    ngrams.save(path, *ngrams.fit([words(t) for t in texts], classes, BUCKETS))


if __name__ == "__main__":
    train()
