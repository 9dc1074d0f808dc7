"""Which text is checked for its spelling and grammar, and which only for its characters."""

from arabic_r1_jax.text import varieties


def is_edited(line: str) -> bool:
    """Whether a line is prose in the standard language: no dialect, and not of the Quran, hadith or verse."""
    return not varieties.in_dialect(line) and varieties.register(line) is None
