"""Every form of 24,188 attested verbs, as unvocalised strings: what the letters of a word may be.

    table = load()                 # {"يكتبون": a set of slots, as the bits of an int}
    table["يكتبون"] & slots("ind_3mp")

Conjugated by `mazini` (CC-BY-4.0, after Arabic Wiktionary's conjugation module), which takes about a minute; so that is
done once, under a lock and with a progress bar, and kept in the user's cache. Active and passive share a slot.
"""

import contextlib
import fcntl
import functools
import importlib.metadata
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from arabic_r1_jax import artifacts, progress, user_cache
from arabic_r1_jax.text.letters import strip_marks

PERSONS = ("1s", "2ms", "2fs", "3ms", "3fs", "2d", "3md", "3fd", "1p", "2mp", "2fp", "3mp", "3fp")
SLOTS = (
    *(f"{tense}_{person}" for tense in ("past", "ind", "sub", "juss") for person in PERSONS),
    *(f"imp_{person}" for person in ("2ms", "2fs", "2d", "2mp", "2fp")),
    *("ap", "pp", "vn"),  # active participle, passive participle, masdar
)
_BIT = {name: 1 << number for number, name in enumerate(SLOTS)}
_LAYOUT = 1  # of the file


@functools.cache
def slots(*names: str) -> int:
    """The bits of slots, or of all that begin with a name: slots("juss_3mp"), slots("juss", "sub")."""
    return sum(bit for slot, bit in _BIT.items() if any(f"{slot}_".startswith(f"{name}_") for name in names))


@functools.cache
def load() -> dict[str, int]:
    """The table, conjugated first if this user has not had it yet."""
    folder = user_cache.folder("text")
    path = folder / f"verbs-{importlib.metadata.version('mazini')}-{_LAYOUT}.json"
    with contextlib.suppress(OSError):
        return _read(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if not path.is_file():
                artifacts.write_text(path, _written(_conjugated()))
    except OSError:  # a cache that cannot be written to costs a minute each time
        return _conjugated()
    return _read(path)


@functools.cache
def having(*names: str) -> frozenset[str]:
    """The forms that have one of these slots: a small set for a question that is asked often."""
    wanted = slots(*names)
    return frozenset(form for form, found in load().items() if found & wanted)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """While one process conjugates the others wait; the lock goes with the process that holds it."""
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _conjugated() -> dict[str, int]:
    from mazini import MaziniError, conjugate
    from mazini.lexicon import attested_wazns, lexicon_roots

    table, roots = {}, lexicon_roots()
    with progress.bar("Conjugating Arabic verbs, once for this user", len(roots)) as advance:
        for root in roots:
            for pattern in attested_wazns(root):
                with contextlib.suppress(MaziniError):  # a pattern that this root cannot take after all
                    for slot, forms in conjugate(root, pattern).slots.items():
                        if bit := _BIT.get(slot.replace("_pass", "")):
                            for form in forms:
                                plain = strip_marks(unicodedata.normalize("NFC", form.form)).replace("ٱ", "ا")
                                table[plain] = table.get(plain, 0) | bit
            advance()
    table.pop("?", None)
    return table


def _written(table: dict[str, int]) -> str:
    masks = sorted(set(table.values()))
    number = {mask: index for index, mask in enumerate(masks)}
    return json.dumps([" ".join(table), masks, [number[mask] for mask in table.values()]], ensure_ascii=False)


def _read(path: Path) -> dict[str, int]:
    forms, masks, numbers = json.loads(path.read_text(encoding="utf-8"))
    return dict(zip(forms.split(), map(masks.__getitem__, numbers), strict=True))
