"""One safetensors file: a header that is checked before anything is believed, views into the file, and a writer.

The format (huggingface/safetensors, README "Format"): 8 bytes little-endian header length, a JSON object
name -> {dtype, shape, data_offsets}, then the tensors, contiguous and in row-major order. Used by `hf` (folders of
many files) and `peft` (one file). Written here rather than taken from the safetensors package because that one
has no zero-copy numpy view of bfloat16 or FP8 and does not name the tensor in its errors.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.paths import Ranges, as_path, ranges

DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
_LONGEST_HEADER = 100_000_000  # the reference's own limit
CODES = {dtype: code for code, dtype in DTYPES.items()}


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a tensor is, without its values."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return math.prod(self.shape) * self.dtype.itemsize


def specs_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Spec]:
    """The specs of arrays in memory."""
    return {name: Spec(array.dtype, array.shape) for name, array in arrays.items()}


def unique(pairs: Iterable[tuple[str, object]]) -> dict:
    """`object_pairs_hook` for json: a key given twice raises ValueError instead of hiding the first."""
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is given twice")
        found[key] = value
    return found


class Shard:
    """A safetensors file opened for reading: `specs` by name, and `read(name)`, a read-only view into the file.

    Raises `UserError` that names the file, and the tensor where one is to blame, when the file is truncated or its
    header lies (overlaps, gaps, sizes that do not follow from dtype and shape).
    """

    def __init__(self, path: Path):
        self.path = as_path(path)
        header, self._data = _read_header(self.path)
        self.specs: dict[str, Spec] = {}
        self._start: dict[str, int] = {}
        for name, entry in header.items():
            if name != "__metadata__":
                self.specs[name], self._start[name] = _parse_entry(self.path, name, entry)
        self._check_layout()
        self._ranges: Ranges | None = None

    def _check_layout(self) -> None:
        """Tensors must cover the data without gap or overlap."""
        end, size = 0, self.path.stat().st_size - self._data
        for name in sorted(self.specs, key=lambda name: (self._start[name], self.specs[name].nbytes)):
            if self._start[name] != end:
                raise UserError(f"{self.path}: tensor {name} starts at byte {self._start[name]}, not at {end}")
            end += self.specs[name].nbytes
            if end > size:
                raise UserError(
                    f"{self.path}: truncated: tensor {name} ends at byte {end} of the data, which has {size}"
                )
        if end != size:
            raise UserError(f"{self.path}: {size - end} bytes follow the last tensor; the file is damaged")

    def read(self, name: str) -> np.ndarray:
        """The tensor, read-only: a view, of which pages are read from disk when touched, or fetched from its bucket."""
        if self._ranges is None:
            self._ranges = ranges(self.path)
        spec = self.specs[name]
        part = self._ranges(self._data + self._start[name], spec.nbytes)
        return np.frombuffer(part, spec.dtype, math.prod(spec.shape)).reshape(spec.shape)


def _read_header(path: Path) -> tuple[dict, int]:
    """The JSON header and the offset of the data."""
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise UserError(f"{path}: not a safetensors file, or truncated: {size} bytes cannot hold its header")
        if length > _LONGEST_HEADER:
            raise UserError(f"{path}: its header claims {length:,} bytes; the format allows {_LONGEST_HEADER:,}")
        try:
            header = json.loads(file.read(length), object_pairs_hook=unique)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: the safetensors header is not valid JSON: {error}") from None
    if not isinstance(header, dict):
        raise UserError(f"{path}: the safetensors header is not a JSON object")
    return header, 8 + length


def _natural(value: object) -> bool:
    return type(value) is int and value >= 0


def _parse_entry(path: Path, name: str, entry: object) -> tuple[Spec, int]:
    """One header entry -> (spec, first byte)."""
    where = f"{path}: tensor {name}"
    if not isinstance(entry, dict):
        raise UserError(f"{where} has no dtype, shape and data_offsets in the header")
    code, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(code, str) or code not in DTYPES:
        raise UserError(f"{where} has dtype {code!r}, which is not supported; supported are {', '.join(DTYPES)}")
    if not isinstance(shape, list) or not all(map(_natural, shape)):
        raise UserError(f"{where} has shape {shape!r}, which is no list of sizes")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_natural, offsets)):
        raise UserError(f"{where} has data_offsets {offsets!r}, which are not two byte positions")
    spec = Spec(DTYPES[code], tuple(shape))
    if offsets[1] - offsets[0] != spec.nbytes:
        raise UserError(f"{where} takes {offsets[1] - offsets[0]} bytes, but {code} {shape} needs {spec.nbytes}")
    return spec, offsets[0]


def _layout(specs: Mapping[str, Spec]) -> tuple[list[str], bytes]:
    """The order of the tensors in a file, and all that stands before the first.

    Wider dtypes come first so that every tensor is aligned, as the reference writer does.
    """
    names = sorted(specs, key=lambda name: -specs[name].dtype.itemsize)
    header: dict = {"__metadata__": {"format": "pt"}}  # transformers refuses a file without it
    end = 0
    for name in names:
        spec = specs[name]
        header[name] = {"dtype": CODES[spec.dtype], "shape": spec.shape, "data_offsets": [end, end + spec.nbytes]}
        end += spec.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return names, len(text).to_bytes(8, "little") + text


def is_written(path: Path, specs: Mapping[str, Spec]) -> bool:
    """Whether `write` has put these tensors there: it leaves whole files only."""
    if not path.is_file():
        return False
    _, header = _layout(specs)
    with path.open("rb") as file:
        same = file.read(len(header)) == header
    return same and path.stat().st_size == len(header) + sum(spec.nbytes for spec in specs.values())


def write(path: Path, specs: Mapping[str, Spec], read: Callable[[str], np.ndarray]) -> None:
    """Write one safetensors file, whole or not at all, asking `read` for one tensor at a time."""
    names, header = _layout(specs)
    with artifacts.atomic(path) as file:
        file.write(header)
        for name in names:
            array = np.asarray(read(name), order="C")
            assert Spec(array.dtype, array.shape) == specs[name], f"{name}: {array.dtype} {array.shape}"
            file.write(array.reshape(-1).view(np.uint8))
