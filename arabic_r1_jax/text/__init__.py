"""Arabic text: `normalize` it, `identify` its language, `check` its spelling and grammar. Needs no jax.

Names are imported on first use, so that one tool does not load the data of another.
"""

import importlib

_HOMES = {
    "Finding": "findings",
    "Identified": "languages",
    "check": "checker",
    "identify": "languages",
    "normalize": "normal",
    "normalize_with_offsets": "normal",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
