"""What a compiler said, kept: compiling R1's step takes a minute, reading what came of it no time.

    measured = kept(question, lambda: compile(...))        the dict that was made before, or made now

A report is found again by a hash of all that it follows from: the question, the code that is compiled, the versions of
the compilers. One JSON file each, in the user's cache.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path

from arabic_r1_jax import artifacts, user_cache

PACKAGES = ("infer", "kernels", "model", "parallel", "train")  # whose code is compiled
COMPILERS = ("jax", "jaxlib", "flax", "libtpu")


def kept(question: object, make: Callable[[], dict]) -> dict:
    """The report on `question`, JSON, as it was made before; else what `make` returns, from now on kept."""
    path = user_cache.folder("plan") / f"{_key(question)}.json"
    if path.is_file():
        return artifacts.read_json(path)
    report = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_json(path, report)
    return report


def _key(question: object) -> str:
    package = Path(__file__).resolve().parents[1]
    files = sorted(path for part in PACKAGES for path in (package / part).rglob("*.py"))
    code = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    versions = [importlib.metadata.version(name) for name in COMPILERS]
    return hashlib.sha256(json.dumps([question, code, versions], sort_keys=True).encode()).hexdigest()
