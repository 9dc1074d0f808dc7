"""What a machine need not work out twice, in the user's cache: $XDG_CACHE_HOME/arabic-r1, or ~/.cache/arabic-r1.

    plan/       what a compiler said of a step (`parallel.reports`)
    compiled/   compiled programs, kept by JAX under a hash of program, versions, flags and the processor's features

Verbs that run models switch `compiled/` on through the environment, which JAX reads as it is imported. A process that
has JAX already, such as a user's own program, keeps its settings.
"""

import contextlib
import os
import sys
from pathlib import Path

MOST_BYTES = 2 << 30  # of compiled programs; those of a run take some MB
_FOLDER, _SECONDS = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def folder(name: str) -> Path:
    """Where things of one kind lie; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "arabic-r1" / name


def keep_compiled() -> None:
    """Let JAX, not yet imported, keep what it compiles, and no more than `MOST_BYTES` of earlier runs.

    Nothing happens where the user's environment names a folder of its own (or none: ""), and where ours cannot be
    written to.
    """
    if "jax" in sys.modules or _FOLDER in os.environ:
        return
    place = folder("compiled")
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
    if os.access(place, os.W_OK):
        trim(place, MOST_BYTES)
        os.environ[_FOLDER] = str(place)
        os.environ.setdefault(_SECONDS, "0")  # a run compiles a hundred small programs too


def trim(place: Path, most: int) -> None:
    """Remove the files below `place` that were read longest ago, until the rest has at most `most` bytes.

    JAX can do this, with locks and another package; but a program that goes while another process wants it is only
    compiled anew.
    """
    kept = 0
    with contextlib.suppress(OSError):  # another process trims too
        files = [(path.stat(), path) for path in place.rglob("*") if path.is_file()]
        for stat, path in sorted(files, key=lambda file: file[0].st_atime, reverse=True):
            kept += stat.st_size
            if kept > most:
                path.unlink()
