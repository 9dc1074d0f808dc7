"""How often a spelling is met on the web, misspellings too: support for one of two spellings, never proof of a word."""

import functools


@functools.cache
def _table() -> dict[str, float]:
    from wordfreq import get_frequency_dict

    return get_frequency_dict("ar", wordlist="best")


def frequency(word: str) -> float:
    """The share of `word`, letters without marks, among the words of web text (`wordfreq`); 0 if it is not met."""
    return _table().get(word, 0.0)
