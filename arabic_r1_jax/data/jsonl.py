"""JSON Lines, plain (`.jsonl`) or compressed (`.jsonl.zst`): one JSON object a line, errors that name file and line.

Every reader of documents, questions, records and chats in the package goes through `read_jsonl`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import zstandard

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.paths import as_path

_PIECE = 1 << 20


def _zstd_pieces(path: Path) -> Iterator[bytes]:
    """The decompressed bytes of a zstd file of one or more frames; raises `UserError` when a frame is cut short."""
    with path.open("rb") as file:
        decoder = zstandard.ZstdDecompressor().decompressobj()
        started = False
        while piece := file.read(_PIECE):
            while piece:
                if decoder.eof:
                    decoder = zstandard.ZstdDecompressor().decompressobj()
                started = True
                yield decoder.decompress(piece)
                piece = decoder.unused_data
        if started and not decoder.eof:
            raise UserError(f"{path} is truncated: its last zstd frame has no end; copy or compress the file again")


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream of bytes into lines at b"\\n" only (never at U+2028, which JSON strings may hold)."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _plain_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _parse(line: bytes, where: str) -> dict:
    try:
        row = json.loads(line.decode("utf-8").rstrip())
        # An escaped half of a surrogate pair is legal JSON but no text: no tokenizer and no file can take it.
        if b"\\ud" in line.lower():
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where} is not UTF-8 text ({error.reason} at byte {error.start} of the line); save the file as UTF-8"
        ) from None
    except UnicodeEncodeError:
        raise UserError(f"{where} holds half of a surrogate pair (\\ud800 to \\udfff), which is not text") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is not valid JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise UserError(f"{where} is not valid JSON: it is nested too deeply") from None
    except ValueError:  # Python reads no more digits than this
        raise UserError(f"{where} holds a whole number of more than 4,300 digits; write it as a string") from None
    if not isinstance(row, dict):
        raise UserError(f"{where} holds a JSON {type(row).__name__}; every line must be an object {{...}}")
    return row


def read_jsonl(path: Path) -> Iterator[tuple[int, dict]]:
    """Yield (line number from 1, object) for every line that is not blank; a byte-order mark is skipped.

    Raises `UserError` naming file and line when the file is absent, unreadable, cut short, not UTF-8, not JSON, or
    when a line is not an object.
    """
    path = as_path(path)
    lines = _split(_zstd_pieces(path)) if path.suffix == ".zst" else _plain_lines(path)
    try:
        for number, line in enumerate(lines, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, _parse(line, f"{path}: line {number}")
    except zstandard.ZstdError as error:
        raise UserError(f"{path} is not a whole zstd file: {error}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
