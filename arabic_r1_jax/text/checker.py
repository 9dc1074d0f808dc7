"""The Arabic checker: a text -> findings. Rules are data; this is the loop that reads them.

    for finding in check("ذهبت الى هذا المدرسة."):
        print(finding.kind, finding.suggestion)

Word types are analysed once and kept: a rule's `at` is asked when a spelling is first met, so that only rules that its
letters can trigger run where it stands again.
"""

import bisect
import functools
from collections import defaultdict
from collections.abc import Callable, Iterator

from arabic_r1_jax.text import gate
from arabic_r1_jax.text.clauses import Clause, clauses
from arabic_r1_jax.text.findings import Finding, Pattern, Rule
from arabic_r1_jax.text.rules import PATTERNS, RULES
from arabic_r1_jax.text.words import Word

CONFIDENCE = 0.5  # findings below it are kept back


@functools.cache
def _by_spelling() -> dict[str, tuple[Rule, ...]]:
    """The rules that wait for certain words, by these."""
    found = defaultdict(list)
    for rule in RULES:
        for spelling in rule.at if isinstance(rule.at, frozenset) else ():
            found[spelling].append(rule)
    return {spelling: tuple(rules) for spelling, rules in found.items()}


@functools.cache
def _by_question(first: str, last: str, marked: bool) -> list[tuple[Callable[[Word], bool], tuple[Rule, ...]]]:
    """The other rules that a word with these letters at its ends may trigger, by what must be asked of it."""
    found = defaultdict(list)
    for rule in RULES:
        fits = (not rule.ends or last in rule.ends) and (not rule.starts or first in rule.starts)
        if fits and (marked or not rule.marked) and not isinstance(rule.at, frozenset):
            found[rule.at].append(rule)
    return [(at, tuple(rules)) for at, rules in found.items()]


@functools.lru_cache(maxsize=1 << 17)
def _word(text: str) -> Word:
    word = Word(text)
    rules = list(_by_spelling().get(word.bare, ()))
    for at, asked in _by_question(word.bare[:1], word.bare[-1:], word.marked):
        if at(word):
            rules += asked
    word.rules = tuple([(rule.find, rule) for rule in rules])
    return word


def check(text: str, confidence: float = CONFIDENCE) -> list[Finding]:
    """What is wrong in an Arabic text, in its order; no two findings overlap.

    Text in dialect, verse, hadith and the Quran is checked for its characters only; other languages and quoted speech
    are left alone.
    Raises nothing for any text; findings whose confidence is below `confidence` are left out. The first use of a user's
    life takes a minute or two (`verb_forms`), the first of a process two seconds.
    """
    found = []
    start = 0
    for line in text.splitlines(keepends=True):
        arabic = gate.is_arabic(line)
        edited = arabic and gate.is_edited(line)
        if arabic:
            found += _patterns(line, start, edited)
        if edited:
            for clause in clauses(line, _word):
                found += _rules(clause, start)
        start += len(line)
    return _apart(finding for finding in found if finding.confidence >= confidence)


def _patterns(line: str, start: int, edited: bool) -> Iterator[Finding]:
    chars = set(line)
    for pattern in PATTERNS:
        if (edited or pattern.everywhere) and not (pattern.needs and pattern.needs.isdisjoint(chars)):
            for match in pattern.regex.finditer(line):
                suggestion = pattern.suggest(match)
                if suggestion is not None:
                    span = start + match.start(), start + match.end()
                    yield _finding(span, pattern, suggestion, match.group())


def _rules(clause: Clause, start: int) -> Iterator[Finding]:
    if clause.quoted:
        return
    for index, word in enumerate(clause.words):
        for find, rule in word.rules:
            if hit := find(clause, index):
                span = start + clause.spans[hit.first][0], start + clause.spans[hit.last][1]
                yield _finding(span, rule, hit.suggestion, hit.evidence)


def _finding(span: tuple[int, int], rule: Rule | Pattern, suggestion: str | None, evidence: str) -> Finding:
    return Finding(span, rule.kind, rule.message, suggestion, rule.confidence, evidence)


def _apart(found: Iterator[Finding]) -> list[Finding]:
    """Of findings that overlap the surest stays, and of equally sure ones the shortest."""
    kept: list[Finding] = []  # in the order of the text
    for finding in sorted(found, key=lambda one: (-one.confidence, one.span[1] - one.span[0], one.span)):
        start, end = finding.span
        at = bisect.bisect(kept, start, key=lambda one: one.span[0])
        if (at == 0 or kept[at - 1].span[1] <= start) and (at == len(kept) or end <= kept[at].span[0]):
            kept.insert(at, finding)
    return kept
