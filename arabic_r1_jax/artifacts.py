"""Files that are either whole or absent: atomic writes, staged folders, and the manifest as commit mark.

Every output folder carries a `manifest.json`, written last, whose `kind` says what the folder is
(hf, orbax, adapter, run, corpus, records, evaluation). A folder is built under a temporary name beside its
destination, synced, and renamed; a process killed at any moment leaves the destination as it was.
Used by every command that leaves files.
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from arabic_r1_jax.errors import UserError

MANIFEST = "manifest.json"
VERSION = "0.1.0"


def sha256(path: Path) -> str:
    """Hex sha256 of a file, read in 1 MiB pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
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
    path = Path(path)
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
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None


def write_manifest(folder: Path, kind: str, **fields: object) -> None:
    """Mark `folder` as whole. `fields` are what a later reader needs: inputs by sha256, config, counts."""
    write_json(Path(folder) / MANIFEST, {"kind": kind, "version": VERSION, **fields})


def read_manifest(folder: Path) -> dict | None:
    """The manifest of `folder`, or None when it has none (not one of our outputs, or not finished)."""
    path = Path(folder) / MANIFEST
    manifest = read_json(path) if path.is_file() else None
    return manifest if isinstance(manifest, dict) and "kind" in manifest else None


def check_free(destination: Path) -> None:
    """Raise `UserError` unless a folder can be put at `destination`: nothing, or an empty folder, may be there."""
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise UserError(f"{destination} already exists and is not empty; remove it or name another output")
    place = destination.resolve()
    if place.is_mount() or place == Path.cwd():
        what = "a mount point" if place.is_mount() else "the working directory"
        raise UserError(f"{destination} is {what}, which cannot be replaced; name a folder inside it")


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `destination` when the block ends without an error.

    A link is followed: its target becomes the folder. Raises `UserError` as `check_free` does. The manifest belongs
    inside the block, last.
    """
    check_free(destination := Path(destination))
    destination = destination.resolve()
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            _sync(path)
        if destination.exists():
            destination.rmdir()
        os.rename(temporary, destination)
        _sync(destination.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
