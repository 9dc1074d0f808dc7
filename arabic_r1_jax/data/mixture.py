"""Which share of the tokens each stream gets, and in which order rows of several streams are served to keep to it.

A stream is a (language, category) pair. Every row of the packing plan holds one stream only, so a mixture of streams
is a sequence of rows, and its shares are exact in tokens: at every point of a run each stream is within one row of
its share (tests draw shares and row sizes at random).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from arabic_r1_jax.errors import UserError

Stream = tuple[str, str]  # (language, category)


def shares(
    tokens: Mapping[Stream, int], arabic: float, categories: Mapping[str, float] | None = None
) -> dict[Stream, float]:
    """The share of all tokens that each stream gets; the shares sum to 1.

    Args:
        tokens: what the data holds (`Corpus.targets()`).
        arabic: share of the Arabic streams together, the rest goes to the other languages; without effect where the
            data holds only one of the two sides.
        categories: weight of "language.category" inside its language. A language with no entry is divided as its data
            is; one with any entry needs an entry (0 is allowed) for each of its categories.

    Streams with a share of 0 are left out. Raises `UserError` when an entry of `categories` names no stream of the
    data, when one is missing, and when all are 0.
    """
    held = {stream: count for stream, count in tokens.items() if count > 0}
    weights = {stream: weight for stream, weight in _weights(held, categories or {}).items() if weight > 0}
    if not weights:
        raise UserError("mixture.categories leaves nothing to train on; give one category a weight above 0")
    side, language, within = Counter(), Counter(), Counter()  # tokens by side, tokens and weights by language
    for (lang, category), weight in weights.items():
        side[lang == "ar"] += held[lang, category]
        language[lang] += held[lang, category]
        within[lang] += weight
    asked = {True: arabic, False: 1.0 - arabic} if len(side) == 2 else {True: 1.0, False: 1.0}
    result = {
        (lang, category): asked[lang == "ar"] * language[lang] / side[lang == "ar"] * weight / within[lang]
        for (lang, category), weight in weights.items()
    }
    return {stream: share for stream, share in result.items() if share > 0}


def _weights(held: Mapping[Stream, int], categories: Mapping[str, float]) -> dict[Stream, float]:
    """The weight of each stream inside its language; `UserError` for an entry too many or too few."""
    names = {f"{lang}.{category}": (lang, category) for lang, category in sorted(held)}
    for name in categories:
        if name not in names:
            raise UserError(f"mixture.categories: the data holds no {name}; it holds {', '.join(names)}")
    chosen = {names[name][0] for name in categories}
    missing = [name for name, (lang, _) in names.items() if lang in chosen and name not in categories]
    if missing:
        raise UserError(f"mixture.categories: give {', '.join(missing)} a weight too (0 leaves it out)")
    return {stream: float(categories.get(name, held[stream])) for name, stream in names.items()}


def serve(sizes: Sequence[Iterator[int]], parts: Sequence[float]) -> Iterator[int]:
    """Yield the index of the stream whose next row is due, without end.

    Args:
        sizes: for each stream, the tokens of its rows in order; read one ahead.
        parts: share of each stream, positive, summing to 1.

    This is worst-case fair weighted fair queueing (WF2Q; Bennett and Zhang, "WF2Q: worst-case fair weighted fair
    queueing", 1996, with rows for packets): of the streams that are not ahead of their share, the one whose next row
    would finish first. No stream is ever ahead of or behind its share by more than one row.
    """
    served = [0] * len(parts)
    ahead = [next(row) for row in sizes]
    total = 0
    while True:
        due = [i for i, part in enumerate(parts) if served[i] <= part * total + 1e-6]
        i = min(due, key=lambda i: (served[i] + ahead[i]) / parts[i])
        yield i
        served[i] += ahead[i]
        total += ahead[i]
        ahead[i] = next(sizes[i])
