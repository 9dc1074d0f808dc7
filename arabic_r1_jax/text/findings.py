"""What a checker says, and what a rule is: data that the loop of `check` reads.

Two kinds of rule. A `Pattern` looks at the characters of a text. A `Rule` looks at the words of a clause: `at` says of
which word types, once for each, and `find` is asked wherever one stands, so that a rule costs nothing elsewhere.
Both carry their examples, which are their tests (`tests/text/test_rules.py`): in `wrong`, {these words→those} are what
the rule must find and suggest; in `right` it must find nothing.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from arabic_r1_jax.text.clauses import Clause
    from arabic_r1_jax.text.words import Word


class Finding(NamedTuple):
    """One thing that is wrong in a text."""

    span: tuple[int, int]  # characters of the text, [start, end)
    kind: str  # "family.rule"
    message: str  # plain Arabic
    suggestion: str | None  # what to write in place of the span; "" to delete it, None if that is for the writer to say
    confidence: float  # 0 to 1: the share of such findings expected to be true on edited text
    evidence: str  # what the rule saw, in Arabic


class Hit(NamedTuple):
    """What a rule found: words `first` to `last` of the clause, what to write there, and why."""

    first: int
    last: int  # included
    suggestion: str | None
    evidence: str


class Rule(NamedTuple):
    """A rule over words. `find` gets a clause and the index of a word that `at` holds for, or whose spelling it has."""

    kind: str
    message: str
    at: Callable[["Word"], bool] | frozenset[str]  # of spellings without marks
    find: Callable[["Clause", int], Hit | None]
    wrong: tuple[str, ...]
    right: tuple[str, ...]
    confidence: float = 0.9
    ends: str = ""  # letters: `at` is asked of words that end in one of them only
    starts: str = ""  # and that begin with one of them
    marked: bool = False  # and only of words with diacritics


class Pattern(NamedTuple):
    """A rule over characters. `suggest` gets a match; None from it means that nothing is wrong there."""

    kind: str
    message: str
    regex: re.Pattern
    suggest: Callable[[re.Match], str | None]
    wrong: tuple[str, ...]
    right: tuple[str, ...]
    confidence: float = 0.9
    everywhere: bool = True  # also in dialect, verse and the Quran
    needs: frozenset[str] = frozenset()  # lines with none of these characters are not searched; empty: all are
