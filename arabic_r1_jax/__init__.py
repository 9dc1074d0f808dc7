"""Adapts DeepSeek mixture-of-experts reasoning models to Arabic, in JAX.

    import arabic_r1_jax as ar1
    model = ar1.load("v2-lite-orbax", adapter="runs/mine/adapter")
    ar1.generate(model, ["عاصمة المغرب هي"], max_new_tokens=8)

Names are imported on first use (PEP 562), so this line alone imports no jax.
"""

import importlib

from arabic_r1_jax.artifacts import VERSION as __version__

_FUNCTIONS = {
    "generate": "arabic_r1_jax.infer.engine",
    "load": "arabic_r1_jax.checkpoint.load",
    "make_mesh": "arabic_r1_jax.parallel.mesh",
}
_MODULES = ("data", "distill", "eval", "text")

__all__ = ["__version__", *sorted(_FUNCTIONS), *_MODULES]


def __getattr__(name: str) -> object:
    if name in _FUNCTIONS:
        found = getattr(importlib.import_module(_FUNCTIONS[name]), name)
    elif name in _MODULES:
        found = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
