"""Files that are either whole or absent: atomic writes, staged folders, and the manifest as commit mark.

Every output folder carries a `manifest.json`, written last, whose `kind` says what the folder is
(hf, orbax, adapter, run, corpus, records, evaluation). Most are built under a temporary name beside their
destination, synced, and renamed (`staged`); a process killed at any moment leaves the destination as it was. What
takes hours is built in place and goes on where it was stopped (`continued`).

In a bucket (gs://...) a file is one object, which appears whole. There `staged` builds in $TMPDIR and copies, the
manifest last; a folder with `unfinished.json` and no manifest is what a killed command left: no reader takes it, and
the same command replaces it or goes on.
Used by every command that leaves files.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.paths import as_path, is_local, remove_tree, sizes

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"  # what is being made in a folder that has no manifest yet
VERSION = "0.1.0"
_COPYING = {"does": "copy"}  # what `unfinished.json` says of a folder on its way into a bucket


def sha256(path: Path) -> str:
    """Hex sha256 of a file, read in 1 MiB pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file so that a reader sees the old content or the whole new one."""
    path = as_path(path)
    if not is_local(path):
        path.write_text(text)
        return
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """`write_text` of readable JSON (Arabic kept as Arabic)."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> object:
    """Parse a JSON file; raises `UserError` that names it when it is absent or malformed."""
    try:
        return json.loads(as_path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None


def write_manifest(folder: Path, kind: str, **fields: object) -> None:
    """Mark `folder` as whole. `fields` are what a later reader needs: inputs by sha256, config, counts."""
    write_json(as_path(folder) / MANIFEST, {"kind": kind, "version": VERSION, **fields})


def read_manifest(folder: Path) -> dict | None:
    """The manifest of `folder`, or None when it has none (not one of our outputs, or not finished)."""
    path = as_path(folder) / MANIFEST
    manifest = read_json(path) if path.is_file() else None
    return manifest if isinstance(manifest, dict) and "kind" in manifest else None


def check_finished(folder: Path) -> None:
    """Raise `UserError` when a command was stopped before it had made all of `folder`."""
    if (folder / UNFINISHED).is_file() and read_manifest(folder) is None:
        raise UserError(f"{folder} is unfinished; run the command that makes it again")


def check_free(destination: Path) -> None:
    """Raise `UserError` unless a folder can be put at `destination`: nothing, or an empty folder, may be there."""
    holds = destination.exists() and (not destination.is_dir() or any(destination.iterdir()))
    if holds and not _left_by_send(destination):
        raise UserError(f"{destination} already exists and is not empty; remove it or name another output")
    if not is_local(destination):
        return
    place = destination.resolve()
    if place.is_mount() or place == Path.cwd():
        what = "a mount point" if place.is_mount() else "the working directory"
        raise UserError(f"{destination} is {what}, which cannot be replaced; name a folder inside it")


def _left_by_send(destination: Path) -> bool:
    mark = destination / UNFINISHED
    if is_local(destination) or not mark.is_file():
        return False
    return read_json(mark) == _COPYING and read_manifest(destination) is None


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under its name, synced, when the block ends without an error; one writer at a time."""
    if not is_local(path):
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def copy(source: Path, destination: Path) -> None:
    """Copy one file, whole or not at all, from anywhere to anywhere."""
    with source.open("rb") as file, atomic(destination) as out:
        shutil.copyfileobj(file, out, 1 << 20)


def check_room(destination: Path, needed: int) -> None:
    """Raise `UserError` unless the disk of `destination` has `needed` bytes free."""
    free = free_bytes(destination)
    if free is not None and free < needed:
        raise UserError(
            f"{destination} needs {needed:,} bytes more and its disk has {free:,} free; make room or name another place"
        )


def free_bytes(destination: Path) -> int | None:
    """Free bytes where `destination` is, or will be; None for a bucket, which has no end."""
    place = destination.resolve()
    if not is_local(place):
        return None
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def copy_rate(source: Path | None, destination: Path, most: int = 256 << 20) -> float:
    """Bytes a second at which the head of a file is copied, synced, to where `destination` will be; removed again.

    Without a source, at which as many random bytes are written there.
    """
    place = destination.resolve()
    while is_local(place) and not place.is_dir():
        place = place.parent
    noise, done, copied = os.urandom(16 << 20), 0, place / f".{uuid.uuid4().hex[:8]}.sample"
    started = time.perf_counter()
    try:
        with (source or Path(os.devnull)).open("rb") as file, copied.open("wb") as out:
            while done < most and (piece := file.read(16 << 20) if source else noise):
                done += out.write(piece)
            if is_local(copied):
                out.flush()
                os.fsync(out.fileno())
        return max(done, 1) / (time.perf_counter() - started)
    finally:
        copied.unlink(missing_ok=True)


def check_continues(destination: Path) -> None:
    """Raise `UserError` unless `continued` can build at `destination`: nothing there, or unfinished work."""
    if not (destination / UNFINISHED).is_file():
        check_free(destination)


@contextlib.contextmanager
def continued(destination: Path, plan: dict) -> Iterator[Path]:
    """Yield `destination` to be filled in place, file by `atomic` file, and finished by its manifest.

    For work of hours: after an error or a kill the files made so far stay, beside `unfinished.json` with the plan, and
    the same plan goes on with them. No folder is renamed, which object stores cannot do. Raises `UserError` when
    something else is there, or the work of another plan.
    """
    mark = destination / UNFINISHED
    check_continues(destination)
    if not mark.is_file():
        destination.mkdir(parents=True, exist_ok=True)
        write_json(mark, plan)
    elif read_json(mark) != plan:
        raise UserError(
            f"{destination} is the unfinished work of another command or source; remove it or name another output"
        )
    yield destination
    mark.unlink()


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Yield a local temporary folder that becomes `destination` when the block ends without an error.

    A link is followed: its target becomes the folder. Raises `UserError` as `check_free` does. The manifest belongs
    inside the block, last.
    """
    destination = as_path(destination)
    check_free(destination)
    destination = destination.resolve()
    if is_local(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}.tmp")
        temporary.mkdir()
    else:
        temporary = Path(tempfile.mkdtemp(prefix="arabic-r1-"))
    try:
        yield temporary
        (_rename if is_local(destination) else _send)(temporary, destination)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, destination: Path) -> None:
    for path in [*temporary.rglob("*"), temporary]:
        _sync(path)
    if destination.exists():
        destination.rmdir()
    os.rename(temporary, destination)
    _sync(destination.parent)


def _send(temporary: Path, destination: Path) -> None:
    """Copy a folder into a bucket, the manifest last."""
    remove_tree(destination)  # what a killed `_send` left
    write_json(destination / UNFINISHED, _COPYING)
    for name in sorted(sizes(temporary), key=lambda name: name == MANIFEST):
        copy(temporary / name, destination / name)
    (destination / UNFINISHED).unlink()
