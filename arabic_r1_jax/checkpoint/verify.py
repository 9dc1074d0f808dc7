"""Is one model folder what conversion makes of another? Every tensor compared, and a forward pass if asked.

Either folder may be Hugging Face's or Orbax. What was cast or quantised in conversion (the destination's manifest says
so) is compared with the source cast or quantised anew.
"""

import collections
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert, hf, source
from arabic_r1_jax.checkpoint.shards import Spec
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig

# The unsigned integer and the bits that are all set in a NaN or an infinity; e4m3fn has NaN only, and it is all ones.
_NOT_FINITE = {
    "float64": (np.uint64, 0x7FF0_0000_0000_0000),
    "float32": (np.uint32, 0x7F80_0000),
    "float16": (np.uint16, 0x7C00),
    "bfloat16": (np.uint16, 0x7F80),
    "float8_e4m3fn": (np.uint8, 0x7F),
    "float8_e5m2": (np.uint8, 0x7C),
}


class Finding(NamedTuple):
    """One thing that is wrong: missing, extra, shape, dtype, bytes or not_finite, and of which tensor."""

    kind: str
    tensor: str
    detail: str = ""


def verify(src: Path, dst: Path, progress: hf.Progress | None = None) -> list[Finding]:
    """Everything in which `dst` is not what conversion makes of `src`; an empty list when it is whole and equal.

    Raises `UserError` when a folder cannot be read at all. Holds one tensor of each at a time.
    """
    wanted, found = source.open_any(src), source.open_any(dst)
    cfg = ModelConfig.from_hf(wanted.config, str(wanted.folder / "config.json"))
    wanted = convert.in_dtype(wanted, cfg, (artifacts.read_manifest(dst) or {}).get("dtype"))
    total, done, findings = sum(spec.nbytes for spec in wanted.specs.values()), 0, []
    for name in [*wanted.specs, *(found.specs.keys() - wanted.specs.keys())]:
        findings += _compare(name, wanted, found)
        done += wanted.specs[name].nbytes if name in wanted.specs else 0
        if progress is not None:
            progress(done, total)
    return findings


def _compare(name: str, wanted: hf.Tensors, found: hf.Tensors) -> Iterator[Finding]:
    want, have = wanted.specs.get(name), found.specs.get(name)
    if want is None or have is None:
        yield Finding("extra" if want is None else "missing", name)
        return
    for kind, one, other in (("shape", list(want.shape), list(have.shape)), ("dtype", want.dtype, have.dtype)):
        if one != other:
            yield Finding(kind, name, f"{other} instead of {one}")
    values = np.ascontiguousarray(found.read(name)).reshape(-1)
    if (wrong := _count_not_finite(values, have)) > 0:
        yield Finding("not_finite", name, f"{wrong:,} of {values.size:,} values are NaN or infinite")
    if want == have:
        expected = np.ascontiguousarray(wanted.read(name)).reshape(-1)
        if differ := int((expected.view(np.uint8) != values.view(np.uint8)).sum()):
            yield Finding("bytes", name, f"{differ:,} of {have.nbytes:,} bytes differ")


def _count_not_finite(values: np.ndarray, spec: Spec) -> int:
    if spec.dtype.name not in _NOT_FINITE:
        return 0
    kind, mask = _NOT_FINITE[spec.dtype.name]
    bits = values.view(kind)
    return int(((bits & kind(mask)) == mask).sum())


def by_kind(findings: list[Finding]) -> Mapping[str, int]:
    """How many findings of each kind."""
    return dict(collections.Counter(finding.kind for finding in findings))


def compare_logits(src: Path, dst: Path, rows: int = 2, time: int = 64) -> dict[str, float]:
    """Both models' logits on the same random tokens, in float32: the greatest difference, and how often the best agree.

    Returns {"max_abs", "largest_logit", "same_best"}. Raises `UserError` when the two do not fit in memory together
    or have not the same vocabulary.
    """
    from arabic_r1_jax.checkpoint.load import load

    needed = sum(spec.nbytes for folder in (src, dst) for spec in source.open_any(folder).specs.values())
    free = _available_memory()
    if needed > free:
        raise UserError(
            f"{src} and {dst} take {needed:,} bytes and {free:,} are available; leave --logits out, or run it on a "
            "larger machine"
        )
    one, other = load(src, dtype="float32"), load(dst, dtype="float32")
    if one.config.vocab_size != other.config.vocab_size:
        raise UserError(f"{src} has {one.config.vocab_size:,} tokens and {dst} {other.config.vocab_size:,}")
    ids = np.random.default_rng(0).integers(0, one.config.vocab_size, (rows, time), np.int32)
    a, b = np.asarray(one(ids)), np.asarray(other(ids))
    return {
        "max_abs": float(np.abs(a - b).max()),
        "largest_logit": float(np.abs(a).max()),
        "same_best": float((a.argmax(-1) == b.argmax(-1)).mean()),
    }


def _available_memory() -> float:
    """Bytes that can be had without swapping; infinite where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return math.inf
