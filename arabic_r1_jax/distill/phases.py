"""The four-phase completion: its fixed phrases, how it is written, and how it is read back.

A completion runs from the first phase marker to the end of the final answer:

    ## التحليل            analysis: the knowledge needed, the values at stake, what is required
    ## الاستبعاد          elimination: each option in order, its reason, then its verdict
    ## التدقيق اللغوي     linguistic check: a quoted span and the rule it obeys
    ## الخلاصة            synthesis: the surviving option
    </think>              final: "الإجابة: <label>"

The form follows arXiv 2604.06421 (Analysis, Elimination, Linguistic Check, Synthesis); the reason stands before the
verdict, because a verdict written first must be guessed in one forward pass.
"""

import re
from typing import NamedTuple

MARKERS = {
    "analysis": "## التحليل\n",
    "elimination": "## الاستبعاد\n",
    "check": "## التدقيق اللغوي\n",
    "synthesis": "## الخلاصة\n",
    "final": "</think>\n\n",
}
KNOWLEDGE = "المعرفة المطلوبة: "
VALUES = "القيم والاعتبارات: "
NO_VALUES = "لا توجد اعتبارات قيمية في هذا السؤال."
QUOTED = "العبارة المدققة: "
ANSWER = "الإجابة:"
POSSIBLE = {"ar": "محتمل", "en": "possible"}
ELIMINATED = {"ar": "مستبعد", "en": "eliminated"}

_LABEL = re.compile(rf"{ANSWER} *(\S+)\s*\Z")


class Phases(NamedTuple):
    """The parsed parts of a completion; a part that is absent is None. `spans` are character offsets (start, end)
    of the phases that are present, contiguous when all are."""

    analysis: str | None
    elimination: str | None
    check: str | None
    synthesis: str | None
    final: str | None
    label: str | None
    spans: dict[str, tuple[int, int]]


def join(analysis: str, elimination: str, check: str, synthesis: str, label: str) -> str:
    """The completion made of the four phase texts and the answer label."""
    texts = (analysis, elimination, check, synthesis)
    body = "".join(f"{marker}{text.strip()}\n" for marker, text in zip(MARKERS.values(), texts, strict=False))
    return f"{body}{MARKERS['final']}{ANSWER} {label}"


def parse(completion: str) -> Phases:
    """Split a completion at its markers, each searched after the one before it. Never raises."""
    starts: dict[str, int] = {}
    cursor = 0
    for phase, marker in MARKERS.items():
        found = completion.find(marker.rstrip("\n"), cursor)
        if found >= 0:
            starts[phase] = found
            cursor = found + len(marker.rstrip("\n"))
    ends = [*starts.values()][1:] + [len(completion)] * bool(starts)
    spans = {phase: (start, end) for (phase, start), end in zip(starts.items(), ends, strict=True)}
    texts = {
        phase: completion[start:end].removeprefix(MARKERS[phase].rstrip("\n")).strip()
        for phase, (start, end) in spans.items()
    }
    label = _LABEL.search(texts.get("final", ""))
    return Phases(*(texts.get(phase) for phase in MARKERS), label.group(1) if label else None, spans)
