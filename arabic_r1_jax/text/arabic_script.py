"""Tells Arabic from Persian, Urdu, Kurdish, Pashto, Sindhi, Uyghur and others of the same script.

In: words of Arabic script. Out: log-odds of Arabic against all of them together. What adds up: letters that
Arabic has not or the others have not, words that belong to one side, a table of letter n-grams (`ngrams`, on
folded letters, so that it knows the words and not the keyboard), and the votes of `detectors`.

`python -m arabic_r1_jax.text.arabic_script` trains the table again, from `wordfreq`'s Arabic, Persian and Urdu
and our word lists.
"""

import random
from functools import cache
from pathlib import Path

from arabic_r1_jax.text import ngrams
from arabic_r1_jax.text.detectors import own_words, votes, word_lists
from arabic_r1_jax.text.letters import TATWEEL, strip_marks

DATA = Path(__file__).parent / "data"
WEIGHTS = DATA / "arabic_script_weights.npz"
BUCKETS = 1 << 14

# Letters that Arabic does not have, and how much one says against it. Iraqi and Gulf writers use the second
# row; Persian keyboards and phones put the third into Arabic. Maghrebi writers use ڤ ڨ ڭ: those do not count.
AGAINST = {
    "ٹڈڑںےۓۂۃێڕڵۆټډړښېۍځڅڼږګۇۈۋٻڀٺٿڄڃڇڌڊڏڍڳڱڪڦڻڙ": 3.0,
    "پچژگ": 1.2,  # half of it beside ي or ك, which Persian and Kurdish keyboards do not give
    "ە": 2.0,
    "یکہھۀ": 0.8,
}
LENT, KEYBOARD = "پچژگ", "یکہھۀ"
FOR = {"ة": 1.6, "أ": 0.8, "إ": 1.6, "ٱ": 2.0, "ك": 0.6, "ي": 0.2, "ؤ": 0.3}
_AGAINST = {letter: weight for letters, weight in AGAINST.items() for letter in letters}
_FOLD = str.maketrans("یکہھەۀےۃأإآٱ", "يكههههيةاااا", TATWEEL + "\u200c\u200d")
_KEYS = str.maketrans(KEYBOARD, "يكههه")
ARTICLES = ("ال", "وال", "بال", "فال", "كال", "لل", "ولل")
# What one piece of evidence adds. `seat` is for places: ئ begins words before a vowel in Kurdish and Uyghur, ى stands
# inside them in Uyghur, and in Arabic neither happens; `joiner` is for the zero-width non-joiner of Persian.
WEIGHT = dict(prior=1.3, word=1.5, article=1.0, joiner=2.0, seat=2.5, model=0.4, cld2=1.5, fasttext=1.5)
ARABIC, OTHERS = {"ar", "arz"}, {"fa", "ur", "ps", "ug", "sd", "ckb", "ku", "ks", "azb", "mzn", "pnb"}
LISTS = ("fa", "ur", "ckb", "ps", "sd", "ug")


def fold(word: str) -> str:
    """The word without marks and with one letter for each that keyboards confuse; hamzas on alef go too."""
    return strip_marks(word).translate(_FOLD)


def _bytes(folded: str) -> bytes:
    return folded.encode("utf-16-le")[::2]  # the low byte of U+06xx: a letter a byte


@cache
def _model() -> ngrams.Model:
    return ngrams.load(WEIGHTS)


@cache
def _own() -> dict[str, int]:
    """Word -> 1 if Arabic alone has it, -1 if another language alone has: as written, else folded."""
    lists = {language: {w for w in listed if len(w) > 1} for language, listed in word_lists().items()}
    ours, theirs = lists["ar"], set().union(*(lists[language] for language in LISTS))
    return own_words(set(map(fold, ours)), set(map(fold, theirs))) | own_words(ours, theirs)


def log_odds(words: list[str]) -> float:
    """Log-odds that `words`, at least one, are Arabic and not another language of the script."""
    text = strip_marks(" ".join(words))
    words, folded = text.split(" "), text.translate(_FOLD).split(" ")
    own = sum(_own().get(w, 0) or _own().get(f, 0) for w, f in zip(words, folded, strict=True))
    articles = sum(f.startswith(ARTICLES) and len(f) > 4 for f in folded)
    ours, theirs = _model().logits([_bytes(f) for f in folded])
    root = max(1.0, len(words) / 5)  # a rare letter in a long text is a foreign name
    letters = set(text)
    weak = 1.0 if own + articles <= 0 else 0.25  # a Persian keyboard is no Persian if the words are Arabic
    z = WEIGHT["prior"] + WEIGHT["word"] * own + WEIGHT["article"] * articles + WEIGHT["model"] * (ours - theirs)
    z -= WEIGHT["joiner"] * sum("\u200c" in w[1:-1] for w in words)
    z -= WEIGHT["seat"] * sum(w[0] == "ئ" or "ى" in w[:-1] for w in words) / root
    share = dict.fromkeys(KEYBOARD, weak) | dict.fromkeys(LENT, 0.5 if letters & {"ي", "ك"} else 1.0)
    for letter in letters:
        n = min(text.count(letter), 4) / root
        z += FOR.get(letter, 0) * n - _AGAINST.get(letter, 0) * n * share.get(letter, 1)
    vote = votes(text.translate(_KEYS) if weak < 1 else text)
    z += WEIGHT["cld2"] * ((vote.cld2 in ARABIC) - (vote.cld2 in OTHERS))
    said = {k: p for k, p in vote.fasttext.items() if k in ARABIC | OTHERS}
    return z + WEIGHT["fasttext"] * sum(p if k in ARABIC else -p for k, p in said.items())


def _examples(seed: int = 0, size: int = 20000) -> tuple[list[list[bytes]], list[int]]:
    """Strings of 1 to 4 words a side: half of them of all words alike, half the common ones more often."""
    import wordfreq

    rng = random.Random(seed)
    lists = {k: [fold(w) for w in wordfreq.top_n_list(k, 25000) if not w.isascii()] for k in ("ar", "fa", "ur")}
    lists |= {f"own {k}": [fold(w) for w in word_lists()[k]] for k in ("ar", *LISTS)}
    texts, classes = [], []
    for name, words in lists.items():
        chance = [1 / (rank + 30) ** 0.7 for rank in range(len(words))]
        count = size * 2 if name == "ar" else size if " " not in name else size // 5
        for i in range(count):
            k = rng.randint(1, 4)
            drawn = rng.choices(words, k=k) if i % 2 else rng.choices(words, chance, k=k)
            texts.append([_bytes(w) for w in drawn])
            classes.append(int(not name.endswith("ar")))
    return texts, classes


def train(path: Path = WEIGHTS) -> None:
    """Trains and writes the table."""
    ngrams.save(path, *ngrams.fit(*_examples(), BUCKETS))


if __name__ == "__main__":
    train()
