"""Arabic text brought to one spelling, so that an answer is recognised however it was typed.

`fold` is for recognising words and labels (it forgets diacritics and letter variants, and keeps where each character
came from); `match_option` is for comparing an answer with the options, where diacritics may be all that differs.
Used by `eval.parsing` only.
"""

import functools
import re
import unicodedata
from typing import NamedTuple

from arabic_r1_jax.text.letters import INVISIBLE, MARKS, TATWEEL

_DROPPED = re.compile(f"[{TATWEEL}{MARKS}{INVISIBLE}*`#$~]")  # the last five are of Markdown and TeX
_VARIANTS = str.maketrans("أإآٱىیکہھ", "ااااييكهه") | str.maketrans("_", " ")
_EDGES = " \t\r\n.,،;؛:!?؟\"'«»“”‘’()[]{}"  # not signs: "-5" is not "5"
_BOXED = re.compile(r"\\boxed\s*\{([^{}]*)\}")
_TEX_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathit)\s*\{([^{}]*)\}")
_ANSWER_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)


class Folded(NamedTuple):
    """`text` is the folded form of `raw`; the character text[i] comes from raw[origin[i]], and the end from the end."""

    raw: str
    text: str
    origin: list[int]

    def raw_from(self, start: int, end: int) -> str:
        """The unfolded characters behind text[start:end]."""
        return self.raw[self.origin[start] : self.origin[end]]


@functools.lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    kept = _DROPPED.sub("", unicodedata.normalize("NFKC", character)).translate(_VARIANTS)
    # ٠-٩, ۰-۹ and every other decimal digit become 0-9.
    return "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in kept)


def fold(raw: str) -> Folded:
    """Fold presentation forms, alef and ya variants, digits; drop tatweel, harakat, direction and Markdown marks."""
    pieces = [_fold_character(character) for character in raw]
    origin = [index for index, piece in enumerate(pieces) for _ in piece]
    return Folded(raw, "".join(pieces), [*origin, len(raw)])


def words(*texts: str) -> str:
    """Regular-expression source for any one of the words in `texts`, folded; `_` joins the words of a phrase."""
    folded = (fold(word).text for word in " ".join(texts).split())
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in folded)


def tidy(output: str) -> str:
    """Rewrite \\boxed{X} and <answer>X</answer> as a line of their own, `answer: X`; unwrap \\text{X}."""
    output = _TEX_TEXT.sub(r"\1", output)
    output = _BOXED.sub(r"\nanswer: \1\n", output)
    return _ANSWER_TAG.sub(lambda tag: "\n" if tag.group(1) else "\nanswer: ", output)


def core(text: str) -> str:
    """`text` in lower case, with single spaces, and without sentence marks, quotes or brackets at its ends."""
    return " ".join(text.split()).strip(_EDGES).lower()


def match_option(answer: str, options: tuple[str, ...]) -> int | None:
    """Index of the one option that equals `answer`, letter for letter or else folded; None when none or several do."""
    for spell in (lambda text: unicodedata.normalize("NFC", text), lambda text: fold(text).text):
        wanted = core(spell(answer))
        found = [index for index, option in enumerate(options) if wanted and core(spell(option)) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            return None
    return None
