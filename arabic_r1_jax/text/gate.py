"""Which text is checked for its spelling and grammar, and which only for its characters."""

import re

from arabic_r1_jax.text import varieties

_QUOTED = re.compile("«[^»\n]*»|“[^”\n]*”")


def is_edited(line: str) -> bool:
    """Whether a line is prose in the standard language: no dialect but in quotes, no Quran, hadith or verse."""
    return not varieties.in_dialect(_QUOTED.sub(" ", line)) and varieties.register(line) is None
