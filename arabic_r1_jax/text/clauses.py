"""A text as clauses: runs of words with no punctuation inside, each word with its place in the text.

Rules look at neighbours, and no rule looks across a comma or the end of a line.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from arabic_r1_jax.text.letters import INVISIBLE, MARKS, TATWEEL
from arabic_r1_jax.text.words import Word

_WORD = re.compile(f"[\\w{MARKS}{TATWEEL}{INVISIBLE}]+|\\n|[^\\w\\s]")
_OPENS, _CLOSES = "«“‹", "»”›"
_NAMED = frozenset(
    "كلمة كتابة عبارة قول قولهم لفظ لفظة جملة خطأ صيغة".split()
)  # a word in "marks" behind these is mentioned
SENTENCE_ENDS = ".!?؟\n"
_SENTENCE = re.compile(r"[^.!?؟\n]+(?:[.!?؟]+[»”)\]]*|\n|$)")


class Clause(NamedTuple):
    """Words that follow each other, and where they stand."""

    words: list[Word]
    spans: list[tuple[int, int]]  # characters of the text
    before: str  # the mark in front of it; "\\n" at the beginning of a line or of the text
    quoted: bool  # between «guillemets» or “quotation marks”, or a word that is talked about in "marks"
    mark: str = "\n"  # the mark behind it

    def word(self, index: int) -> Word | None:
        """The word at an index; None outside the clause."""
        return self.words[index] if 0 <= index < len(self.words) else None

    def after(self, index: int) -> list[Word]:
        """The words behind an index."""
        return self.words[index + 1 :]

    @property
    def begins_sentence(self) -> bool:
        return self.before in SENTENCE_ENDS


def clauses(text: str, word: Callable[[str], Word]) -> Iterator[Clause]:
    """Cut a text into clauses; `word` gives the `Word` of a spelling."""
    words, spans, before, quotes, mentioned = [], [], "\n", 0, False
    for match in _WORD.finditer(text):
        token = match.group()
        if len(token) > 1 or token.isalnum():
            if (one := word(token)).bare:  # and not a tatweel alone
                words.append(one)
                spans.append(match.span())
            continue
        named = token == '"' and bool(words) and words[-1].bare.removeprefix("ال") in _NAMED
        if words:
            yield Clause(words, spans, before, quotes > 0 or mentioned, token)
            words, spans = [], []
        before = token
        if token in '"\n':
            mentioned = named and not mentioned
        if token in _OPENS:
            quotes += 1
        elif token in _CLOSES or token == "\n":
            quotes = max(0, quotes - 1) if token != "\n" else 0
    if words:
        yield Clause(words, spans, before, quotes > 0 or mentioned)


def sentences(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end: up to a full stop, question mark, exclamation mark or new line."""
    return [match.span() for match in _SENTENCE.finditer(text) if not match.group().isspace()]
