"""A small classifier of words by their letters: softmax regression over hashed byte n-grams, in numpy.

`arabizi` and `arabic_script` each train one and ship its weights (`data/*_weights.npz`, int8). Training needs no
BLAS and no random numbers, so that it gives the same table again.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

LONGEST = 5  # bytes of the longest n-gram in Latin letters; Arabic letters are folded to a byte each
WORDS_KEPT = 1 << 16  # of which the sums are remembered; most words of a text are seen again


def features(word: bytes, buckets: int) -> list[int]:
    """The buckets of a word's n-grams of 1 to `LONGEST` bytes and of the whole word: crc32, the same everywhere."""
    b = b"^" + word + b"$"
    grams = [b[i : i + n] for n in range(1, LONGEST + 1) for i in range(len(b) - n + 1)]
    return [crc32(g) % buckets for g in (*grams[1:], b"=" + b)]


class Model(NamedTuple):
    """A trained table: `word_sums(word)` is its count of n-grams and, a class each, the sum of their weights."""

    word_sums: Callable[[bytes], tuple[float, ...]]
    bias: list[float]

    def logits(self, words: Sequence[bytes]) -> list[float]:
        """Log-odds of the classes, of zero mean; all 0 without a word.

        Sums over n-grams are divided by the root of their number: two words say more than one, but a long
        text does not get surer without end.
        """
        if not words:
            return [0.0] * len(self.bias)
        n, *sums = map(sum, zip(*map(self.word_sums, words), strict=True))
        z = [s / n**0.5 + b for s, b in zip(sums, self.bias, strict=True)]
        mean = sum(z) / len(z)
        return [x - mean for x in z]


def load(path: Path) -> Model:
    """Reads what `save` wrote."""
    with np.load(path) as f:
        table, bias = f["weights"].astype(np.float32) * f["scale"], f["bias"].tolist()

    @lru_cache(WORDS_KEPT)
    def word_sums(word: bytes) -> tuple[float, ...]:
        rows = features(word, len(table))
        return len(rows), *table[rows].sum(0).tolist()

    return Model(word_sums, bias)


def save(path: Path, weights: np.ndarray, bias: np.ndarray) -> None:
    """Writes weights [buckets, classes] as int8 with one scale, and the bias as float32."""
    scale = np.float32(np.quantile(np.abs(weights), 0.9995) / 127)
    q = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    np.savez_compressed(path, weights=q, scale=scale, bias=bias.astype(np.float32))


def fit(
    texts: Sequence[list[bytes]], classes: list[int], buckets: int, steps: int = 120
) -> tuple[np.ndarray, np.ndarray]:
    """Fits weights f64 [buckets, classes] and bias f64 [classes] to texts, lists of words, by Adam over all of them.

    Each class weighs the same, however many its texts. Rows are scaled as `Model.logits` scales them.
    """
    cached = lru_cache(None)(lambda word: features(word, buckets))
    rows = [[f for word in text for f in cached(word)] for text in texts]
    sizes = np.array([len(r) for r in rows])
    column = np.fromiter((f for r in rows for f in r), np.int64, sizes.sum())
    row = np.repeat(np.arange(len(rows)), sizes)
    value = 1 / np.sqrt(sizes)[row]
    count = max(classes) + 1
    wanted = np.eye(count)[classes]
    share = (wanted / wanted.sum(0) / count).sum(1, keepdims=True)
    p = np.zeros((buckets + 1, count))  # the last row is the bias
    m, v = np.zeros_like(p), np.zeros_like(p)
    for step in range(1, steps + 1):
        z = np.stack([np.bincount(row, value * p[column, c], len(rows)) for c in range(count)], 1) + p[-1]
        z = np.exp(z - z.max(1, keepdims=True))
        d = (z / z.sum(1, keepdims=True) - wanted) * share
        g = [np.append(np.bincount(column, value * d[row, c], buckets), d[:, c].sum()) for c in range(count)]
        g = np.stack(g, 1)
        g[:-1] += 2e-7 * p[:-1]  # a light L2
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        p -= 0.15 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-9)
    return p[:-1], p[-1]
