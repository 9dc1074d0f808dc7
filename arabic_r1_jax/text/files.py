"""Files checked: texts and JSON Lines in, findings with their places and the share of flagged sentences out."""

import bisect
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from arabic_r1_jax.data.jsonl import read_jsonl
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.text.checker import check
from arabic_r1_jax.text.clauses import sentences
from arabic_r1_jax.text.findings import Finding

STDIN = "-"
_AROUND = 40  # characters of the text shown on each side of a finding


def documents(source: Path | str) -> Iterator[tuple[str, str]]:
    """(where, text) for each text of a source: the "text" of every line of JSON Lines, else the whole file.

    Raises `UserError` for a file that is absent, not UTF-8, or a line without "text".
    """
    if source == STDIN:
        yield "stdin", _decoded(sys.stdin.buffer.read(), "stdin")
    elif ".jsonl" in source.suffixes:
        for number, row in read_jsonl(source):
            if not isinstance(row.get("text"), str):
                raise UserError(f'{source}: line {number} has no "text"; each line needs one, a string')
            yield f"{source}:{number}", row["text"]
    else:
        try:
            yield str(source), _decoded(source.read_bytes(), str(source))
        except OSError as error:
            raise UserError(f"{source} cannot be read: {error.strerror}") from None


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None


def examine(texts: Sequence[tuple[str, str]], confidence: float, advance: Callable[[int], None]) -> dict:
    """Check (where, text) pairs; `advance` is told the characters done.

    Returns {"findings": [...], "words", "sentences", "flagged" (sentences with a finding), "rate", "kinds"}.
    """
    found, kinds, words, total, flagged = [], Counter(), 0, 0, 0
    for where, text in texts:
        findings = check(text, confidence)
        places = sentences(text)
        starts = [start for start, _ in places]
        words, total = words + len(text.split()), total + len(places)
        flagged += len({bisect.bisect_right(starts, finding.span[0]) for finding in findings})
        kinds.update(finding.kind for finding in findings)
        found += [_placed(finding, where, text) for finding in findings]
        advance(len(text))
    return {
        "findings": found,
        "words": words,
        "sentences": total,
        "flagged": flagged,
        "rate": flagged / max(total, 1),
        "kinds": dict(kinds.most_common()),
    }


def _placed(finding: Finding, where: str, text: str) -> dict:
    """A finding as a row, with its line and column (from 1) and the words around it."""
    start, end = finding.span
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    before = text[max(line_start, start - _AROUND) : start]
    after = text[end : min(end + _AROUND, line_end if line_end >= 0 else len(text))]
    return {
        "where": where,
        "line": text.count("\n", 0, start) + 1,
        "column": start - line_start + 1,
        **finding._asdict(),
        "text": text[start:end],
        "before": before,
        "after": after,
    }
