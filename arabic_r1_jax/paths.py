"""What a person typed, as a path: a `pathlib.Path`, or for gs://bucket/... a `bucket.BucketPath`.

    as_path("runs/mine")         PosixPath, without a look at anything
    as_path("gs://bucket/mine")  BucketPath, once the bucket was found to be there

Both have the methods of pathlib that the package calls, so what takes a `Path` takes either. The functions below do
what pathlib has no method for; `artifacts` writes. Used wherever a name comes in.
"""

import hashlib
import mmap
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from arabic_r1_jax.errors import UsageError

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<bucket>[^/]*)")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]+[a-z0-9]")
Ranges = Callable[[int, int], memoryview | bytes]  # first byte and how many -> those bytes


def as_path(name: str | os.PathLike) -> Path:
    """The file or folder that `name` means; a path comes back as it is.

    Raises `UsageError` for a URL that is no gs://bucket/..., and `UserError` when the package for buckets is missing
    or the bucket cannot be read.
    """
    if isinstance(name, Path):
        return name
    text = os.fspath(name)
    url = _URL.match(text)
    if url is None:
        return Path(text)
    if url["scheme"] != "gs":
        raise UsageError(f"{text}: {url['scheme']}:// is not supported; name a local path or gs://BUCKET/PATH")
    if not _BUCKET.fullmatch(url["bucket"]):
        raise UsageError(f"{text} names no bucket; write gs://BUCKET/PATH")
    from arabic_r1_jax import bucket  # takes a second, which a local path need not wait for

    return bucket.path(text)


def is_local(path: Path) -> bool:
    """Whether `path` lies in the file system, where files can be renamed, mapped and synced."""
    return isinstance(path, Path)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file below a folder, by relative name; {} when it is not there. A bucket is asked once."""
    if not is_local(folder):
        return folder.sizes()
    return {
        os.path.relpath(file, folder): os.stat(file).st_size
        for where, _, names in os.walk(folder, followlinks=True)
        for file in (os.path.join(where, name) for name in names)
        if os.path.isfile(file)
    }


def ranges(path: Path) -> Ranges:
    """A reader of parts of one file: views into a local one, which is mapped once, or requests for those bytes."""
    if not is_local(path):
        return path.read_range
    with open(path, "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return lambda start, size: mapped[start : start + size]


def remove_tree(folder: Path) -> None:
    """Remove a folder and what is in it, if it is there."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.rmtree(missing_ok=True)


def local_copy(folder: Path, version: bytes) -> Path:
    """`folder`, or for a bucket's the folder of $TMPDIR to which its files were fetched.

    version: bytes that change with the content, such as the manifest. Processes of one host share the copy, and a file
    that is there in its size is not fetched again.
    """
    if is_local(folder):
        return folder
    key = hashlib.sha256(str(folder).encode() + version).hexdigest()[:16]
    copy = Path(tempfile.gettempdir()) / f"arabic-r1-{folder.name}-{key}"
    for name, size in folder.sizes().items():
        file = copy / name
        if not (file.is_file() and file.stat().st_size == size):
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.tmp")
            with (folder / name).open("rb") as source, open(temporary, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
            os.replace(temporary, file)
    return copy
