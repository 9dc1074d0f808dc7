"""A file or folder of a Google Cloud Storage bucket, with the methods of `pathlib.Path` that the package calls.

Made by `paths.as_path` from gs://bucket/...; `etils.epath`, which Orbax takes too, with gcsfs below it. A bucket holds
objects: a folder is there while an object is below it, nothing can be renamed or appended to, and an object appears
whole, when its writer ends without an error. What a path is asked for is asked of the bucket, never of a cache: other
processes write there too.
"""

import contextlib
import errno
import functools
import io
import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, TextIO

from arabic_r1_jax.errors import UserError

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # else gcsfs first asks what kind each bucket is
try:
    import fsspec
    import gcsfs
    from etils.epath.gpath import PosixGPath
except ImportError:
    raise UserError("gs:// paths need the package gcsfs: pip install 'arabic_r1_jax[gcs]'") from None

_BLOCK = 32 << 20  # bytes of one upload request
# For Orbax's uses of epath as well: no TensorFlow where it happens to be installed, no listings kept.
os.environ.setdefault("EPATH_USE_TF", "0")
fsspec.config.conf.setdefault("gcs", {})["use_listings_cache"] = False


@functools.cache
def _client() -> "gcsfs.GCSFileSystem":
    """One for all threads; its credentials are the application default ones, or a machine's own."""
    return fsspec.filesystem("gcs")


class Stat(NamedTuple):
    """As much of `os.stat_result` as is asked for."""

    st_size: int
    st_mtime_ns: int


class BucketPath(PosixGPath):
    """gs://bucket/name. Raises FileNotFoundError with errno and name, as pathlib does."""

    def _info(self) -> dict | None:
        try:
            return _client().info(str(self))
        except FileNotFoundError:
            return None

    def exists(self) -> bool:
        return self._info() is not None

    def is_file(self) -> bool:
        return (self._info() or {}).get("type") == "file"

    def is_dir(self) -> bool:
        return (self._info() or {}).get("type") == "directory"

    def stat(self) -> Stat:
        if (info := self._info()) is None:
            raise _missing(self)
        return Stat(info["size"], int(info["mtime"].timestamp() * 1e9) if "mtime" in info else 0)

    def resolve(self, strict: bool = False) -> "BucketPath":
        return self

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: writing an object makes its folders."""

    def rmdir(self) -> None:
        """Nothing: an empty folder is none."""

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            _client().rm_file(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise _missing(self) from None

    def open(self, mode: str = "r", encoding: str | None = None) -> BinaryIO | TextIO:
        """Mode "rb" reads; "wb" writes an object that an error in the `with` block leaves undone; "a" appends lines."""
        if mode == "rb":
            try:
                return io.BufferedReader(_client().open(str(self), "rb"), 1 << 20)
            except FileNotFoundError:
                raise _missing(self) from None
        if mode == "wb":
            return _whole(_client().open(str(self), "wb", block_size=_BLOCK))
        if mode == "a":
            return _Rewritten(self)
        raise NotImplementedError(f"mode {mode!r} of {self}")

    def read_bytes(self) -> bytes:
        return self._cat(None, None)

    def read_text(self, encoding: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8")

    def read_range(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on."""
        return self._cat(start, start + size) if size else b""

    def _cat(self, start: int | None, end: int | None) -> bytes:
        try:
            return _client().cat_file(str(self), start, end)
        except FileNotFoundError:
            raise _missing(self) from None

    def write_bytes(self, data: bytes) -> int:
        _client().pipe_file(str(self), data)
        return len(data)

    def write_text(self, data: str, encoding: str | None = None) -> int:
        return self.write_bytes(data.encode(encoding or "utf-8"))

    def sizes(self) -> dict[str, int]:
        """Bytes of every object below this folder, by relative name."""
        root = f"{str(self).removeprefix('gs://')}/"
        found = _client().find(str(self), detail=True).items()
        return {name.removeprefix(root): info["size"] for name, info in found if name.startswith(root) and name != root}


def path(url: str) -> BucketPath:
    """The path of gs://bucket/...; raises `UserError` when its bucket cannot be listed."""
    found = BucketPath(url)
    _check_bucket(found.parts[2])
    return found


@functools.cache
def _check_bucket(name: str) -> None:
    """Ask once, so that a wrong name or missing rights are said before any work."""
    try:
        _client().ls(name, max_results=1)
    except FileNotFoundError:
        raise UserError(f"gs://{name}: there is no such bucket") from None
    except Exception as error:  # those of gcsfs, google.auth and aiohttp share no base class
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"gs://{name} cannot be read: {said}") from error


def _missing(where: BucketPath) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(where))


@contextlib.contextmanager
def _whole(file: BinaryIO) -> Iterator[BinaryIO]:
    try:
        yield file
    except BaseException:
        file.closed = True  # or the end of the object would be written; an upload without an end is forgotten
        raise
    file.close()


class _Rewritten(io.StringIO):
    """A text file that grows: its object is written anew, whole, at each flush and at the end."""

    def __init__(self, where: BucketPath):
        super().__init__(where.read_text() if where.is_file() else "")
        self.seek(0, io.SEEK_END)
        self._where = where

    def flush(self) -> None:
        self._where.write_text(self.getvalue())

    def close(self) -> None:
        if not self.closed:
            self.flush()
        super().close()
