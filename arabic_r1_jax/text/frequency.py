"""How often a spelling is met on the web, misspellings too: support for one of two spellings, never proof of a word."""

import functools


@functools.cache
def table() -> dict[str, float]:
    """The counts themselves, for loops that ask often."""
    from wordfreq import get_frequency_dict

    return get_frequency_dict("ar", wordlist="best")


def frequency(word: str) -> float:
    """The share of `word`, letters without marks, among the words of web text (`wordfreq`); 0 if it is not met."""
    return table().get(word, 0.0)
