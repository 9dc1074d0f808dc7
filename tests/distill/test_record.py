"""A record is one JSON line that reads back as itself; a wrong line is one clear error."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.data.questions import Question
from arabic_r1_jax.distill import Record, parse_record
from arabic_r1_jax.errors import UserError

ROW = {"id": "1", "question": "اختر.", "options": ["أول", "ثان"], "answer": 1, "completion": "## التحليل\nنص"}

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
maybe = st.none() | texts
choices = st.lists(texts, min_size=2, max_size=8).flatmap(
    lambda options: st.fixed_dictionaries(
        {"options": st.just(tuple(options)), "answer": st.integers(0, len(options) - 1), "answer_text": maybe}
    )
)
open_ended = st.fixed_dictionaries({"answer_text": texts})
others = st.fixed_dictionaries(
    {"id": texts, "question": texts, "context": st.lists(texts).map(tuple), "lang": st.sampled_from(["ar", "en", "fr"]),
     "value_laden": st.booleans()} | dict.fromkeys(("subject", "variety", "task", "family", "level"), maybe)
)  # fmt: skip
questions = st.tuples(others, choices | open_ended).map(lambda parts: Question(**parts[0], **parts[1]))
records = st.builds(Record, questions, texts.filter(lambda text: not text[0].isspace()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@settings(deadline=None)
@given(records)
def test_a_record_reads_back_as_itself(record):
    line = json.dumps(record.to_json(), ensure_ascii=False)
    assert "\n" not in line
    assert parse_record(json.loads(line), "here") == record


def test_a_record_leaves_out_what_is_unset_and_states_its_schema():
    row = Record(Question("1", "اختر.", ("أول", "ثان"), 0), "نص").to_json()
    assert row == {
        "schema": 1,
        "id": "1",
        "question": "اختر.",
        "options": ("أول", "ثان"),
        "answer": 0,
        "completion": "نص",
    }


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from([*ROW, *(field.name for field in dataclasses.fields(Question)), "schema"]), json_values
    )
)
def test_a_wrong_row_is_a_record_or_one_clear_error(changes):
    found, said = None, ""
    try:
        found = parse_record(ROW | changes, "mine.jsonl: line 17")
    except UserError as error:
        said = str(error)
    assert isinstance(found, Record) or (said.startswith("mine.jsonl: line 17") and len(said.splitlines()) == 1)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"schema": 2}, "schema 2 is not known"),
        ({"completion": " \n"}, '"completion" must be a non-empty string'),
        ({"completion": None}, '"completion" must be a non-empty string'),
        ({"completion": "\n## التحليل"}, '"completion" starts with white space'),
        ({"options": ["واحد"]}, '"options" must be a list of 2 to 8 strings'),
    ],
)
def test_an_error_says_what_is_wrong(changes, said):
    with pytest.raises(UserError, match=f"^here: {said}"):
        parse_record(ROW | changes, "here")
