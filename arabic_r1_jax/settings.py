"""Settings from TOML and `section.key=value` words into nested frozen dataclasses, with errors a person can act on.

A dataclass declares each setting once, with `option`: type, default, meaning, allowed values. `read` walks what was
written, checks every value against its declaration, and builds the dataclass:

    class TrainSection:  steps: int = option(200, "optimiser steps", low=1)
    class RunConfig:     train: TrainSection = section(TrainSection)

    run.toml: unknown key train.stpes; did you mean train.steps?
    --set train.steps=0: train.steps must be an integer of at least 1, not 0

Knows nothing of any particular setting (`config` declares them).
"""

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from arabic_r1_jax.errors import UsageError

Config = TypeVar("Config")


@dataclass(frozen=True)
class Allowed:
    """What a setting accepts beyond its type; in a list or table, what each element must satisfy."""

    low: float | None = None
    high: float | None = None
    above: float | None = None  # a lower bound that is itself excluded
    choices: tuple[str, ...] = ()
    required: bool = False  # must not stay empty

    def __str__(self) -> str:
        if self.choices:
            return f"out of {', '.join(self.choices)}"
        upper = "" if self.high is None else f" and at most {self.high:,}"
        if self.above is not None:
            return f"above {self.above:,}{upper}"
        return f"of at least {self.low:,}{upper}" if self.low is not None else ""

    def admits(self, value: str | float) -> bool:
        """Whether one element lies in the range or among the choices; nan and infinity never do."""
        if isinstance(value, str):
            return not self.choices or value in self.choices
        return (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )


def option(default: Any, meaning: str, **allowed: Any) -> Any:
    """Declare a setting: its default, what it means in a few words, and the arguments of `Allowed`."""
    metadata = {"meaning": meaning, "allowed": Allowed(**allowed)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def section(cls: type[Config]) -> Config:
    """Declare a table of settings, all at their defaults."""
    return dataclasses.field(default_factory=cls)


def leaves(cls: type, prefix: str = "") -> dict[str, dataclasses.Field]:
    """Every setting below `cls` by its dotted key, in the order of declaration."""
    found = {}
    for item in dataclasses.fields(cls):
        key = prefix + item.name
        found |= leaves(item.type, f"{key}.") if dataclasses.is_dataclass(item.type) else {key: item}
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...] | None:
    values = [value] if isinstance(value, str) else value
    return tuple(values) if isinstance(values, list) and all(isinstance(item, str) for item in values) else None


def _integer(value: object) -> int | None:
    return value if _is_number(value) and isinstance(value, int) else None


def _number(value: object) -> float | None:
    return float(value) if _is_number(value) else None


def _numbers(value: object) -> dict[str, float] | None:
    flat = _flat(value) if isinstance(value, dict) else {"": None}
    return {key: float(item) for key, item in flat.items()} if all(map(_is_number, flat.values())) else None


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Inner tables flattened: TOML's bare `ar.text = 9` means this table's entry "ar.text"."""
    found = {}
    for name, value in table.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


# A field's annotation -> (its name in errors, what turns TOML's value into the field's, or into None if it is not one).
KINDS: dict[Any, tuple[str, Callable[[object], Any]]] = {
    str: ("a string", _text),
    int: ("an integer", _integer),
    int | None: ("an integer", _integer),
    float: ("a number", _number),
    tuple[str, ...]: ("a string or a list of strings", _texts),
    dict[str, float]: ("a table of numbers", _numbers),
}


def expects(item: dataclasses.Field) -> str:
    """What a setting takes, in words: "an integer of at least 1 and at most 4,096"."""
    return f"{KINDS[item.type][0]} {item.metadata['allowed']}".rstrip()


def default(item: dataclasses.Field) -> str:
    """A setting's default as TOML would say it; nothing for one that is unset."""
    value = item.default_factory() if item.default is dataclasses.MISSING else item.default
    return "" if value is None else json.dumps(value)


def _checked(key: str, item: dataclasses.Field, value: object, where: str) -> Any:
    """`value` in the type of setting `key`, or `UsageError` saying what the setting accepts."""
    converted = KINDS[item.type][1](value)
    if isinstance(converted, dict):
        elements: Sequence[Any] = list(converted.values())
    else:
        elements = converted if isinstance(converted, tuple) else [converted]
    if converted is None or not all(map(item.metadata["allowed"].admits, elements)):
        shown = json.dumps(value, ensure_ascii=False, default=str)
        raise UsageError(f"{where}: {key} must be {expects(item)}, not {shown}")
    return converted


def _walk(cls: type, table: dict[str, Any], where: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, checked value) for everything in a parsed TOML table."""
    known = leaves(cls)
    for name, value in table.items():
        key = prefix + name
        if key in known:
            yield key, _checked(key, known[key], value, where)
        elif not any(other.startswith(f"{key}.") for other in known):
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UsageError(f"{where}: unknown key {key}; did you mean {nearest}?")
        elif not isinstance(value, dict):
            raise UsageError(f"{where}: {key} is a table of settings, such as {next(iter(_below(key, known)))}")
        else:
            yield from _walk(cls, value, where, f"{key}.")


def _below(key: str, known: dict[str, dataclasses.Field]) -> list[str]:
    return [other for other in known if other.startswith(f"{key}.")]


def _parse_word(cls: type, word: str) -> dict[str, Any]:
    """`section.key=value` as the TOML table that would say the same; text needs no quotes, a list of it no brackets."""
    key, equals, raw = (part.strip() for part in word.partition("="))
    if not equals or not key:
        raise UsageError(f"--set {word}: write it as section.key=value, such as train.steps=100")
    try:
        value = tomllib.loads(f"value = {raw}")["value"] if "\n" not in raw else raw
    except tomllib.TOMLDecodeError:
        value = raw
    item = leaves(cls).get(key)
    if item is not None and item.type is str and not isinstance(value, str):
        value = raw  # a folder may be called 2024
    if item is not None and item.type == tuple[str, ...] and not isinstance(value, list):
        value = [part for part in raw.split(",") if part] if value == raw or not isinstance(value, str) else [value]
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not valid TOML: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _build(cls: type[Config], values: dict[str, Any], prefix: str = "") -> Config:
    built = {}
    for item in dataclasses.fields(cls):
        key = prefix + item.name
        if dataclasses.is_dataclass(item.type):
            built[item.name] = _build(item.type, values, f"{key}.")
        elif key in values:
            built[item.name] = values[key]
    return cls(**built)


def read(cls: type[Config], path: Path, overrides: Sequence[str] = ()) -> Config:
    """The settings in the TOML file `path`, then `overrides` in order; a table's entries are added to those it has.

    Raises `UsageError`: one line that names the file or the `--set`, the key, and what is allowed or was meant.
    """
    sources = [(str(path), _read_toml(path))] + [(f"--set {word}", _parse_word(cls, word)) for word in overrides]
    values: dict[str, Any] = {}
    for where, table in sources:
        for key, value in _walk(cls, table, where):
            values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    for key, item in leaves(cls).items():
        if item.metadata["allowed"].required and not values.get(key, item.default):
            raise UsageError(f"{path}: {key} is missing ({item.metadata['meaning']}); add --set {key}=...")
    return _build(cls, values)
