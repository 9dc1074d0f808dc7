"""Completions are split at their markers, whatever a model wrote."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.distill import phases
from arabic_r1_jax.distill.phases import MARKERS, parse

NAMES = ("analysis", "elimination", "check", "synthesis", "final")
PIECES = (
    *MARKERS.values(),
    *(marker.strip() for marker in MARKERS.values()),
    "الإجابة:",
    "الإجابة: أ",
    " ",
    "\n",
    "- أ: ",
)
garbage = st.lists(st.one_of(st.text(), st.sampled_from(PIECES))).map("".join)
bodies = st.text().filter(lambda text: not any(marker.strip() in text for marker in MARKERS.values()))


@settings(deadline=None)
@given(garbage)
def test_garbage_is_read_without_an_error(text):
    found = parse(text)
    assert [*found.spans] == [name for name in NAMES if name in found.spans]
    edges = [*found.spans.values()]
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(edges))
    assert all(0 <= start < end for start, end in edges)
    assert not edges or edges[-1][1] == len(text)
    for name in NAMES:
        part = getattr(found, name)
        assert (part is None) == (name not in found.spans)
        if part is not None:
            start, end = found.spans[name]
            assert text[start:end].startswith(MARKERS[name].strip())
            assert part in text[start:end]
    assert found.label is None or re.fullmatch(r"\S+", found.label)


@settings(deadline=None)
@given(bodies, bodies, bodies, bodies, st.sampled_from("أبجدABCD"))
def test_what_is_joined_is_split_again(analysis, elimination, check, synthesis, label):
    text = phases.join(analysis, elimination, check, synthesis, label)
    found = parse(text)
    assert found[:6] == (
        *(part.strip() for part in (analysis, elimination, check, synthesis)),
        f"الإجابة: {label}",
        label,
    )
    assert found.spans["analysis"][0] == 0
    assert "".join(text[start:end] for start, end in found.spans.values()) == text


@pytest.mark.parametrize(
    "text, present, label",
    [
        ("", (), None),
        ("الجواب أ", (), None),
        ("## التحليل\nأ\n## الاستبعاد\nب", ("analysis", "elimination"), None),
        ("## التحليل\nأ\n</think>\n\nالإجابة: ج", ("analysis", "final"), "ج"),
        ("</think>\n\nالإجابة: هـ\n", ("final",), "هـ"),
        ("</think>\n\nالإجابة:", ("final",), None),
        ("</think>\n\nالإجابة: أ أو ب", ("final",), None),
        ("الإجابة: أ", (), None),
    ],
)
def test_what_is_absent_is_none(text, present, label):
    found = parse(text)
    assert tuple(found.spans) == present
    assert found.label == label
