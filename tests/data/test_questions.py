"""Questions in both forms, the prompts byte for byte, and JSON Lines that are wrong in every way."""

import contextlib
import json

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from arabic_r1_jax.data.jsonl import read_jsonl
from arabic_r1_jax.data.prompts import question_prompt
from arabic_r1_jax.data.questions import Question, labels, parse_question, read_questions
from arabic_r1_jax.errors import UserError

PLAIN = {"id": "q1", "question": "ما جمع «كتاب»؟", "options": ["كتب", "كاتب", "مكتبة"], "answer": 0}
EXAMS = {"id": "Islamic_Studies-7", "question": "من نواقض الوضوء", "A": "النوم", "B": "العرق", "answer": "B"}
OPEN = {"id": 3, "question": "لماذا؟", "answer_text": "لأن ..."}


def _without(row: dict, key: str) -> dict:
    return {name: value for name, value in row.items() if name != key}


# ---- questions


def test_a_plain_row_is_a_question_with_arabic_labels():
    extra = {"family": "عدد", "level": "1", "value_laden": True, "completion": "left to its reader", "context": "نص"}
    question = parse_question({**PLAIN, **extra}, "here")
    assert (question.options, question.answer, question.form) == (("كتب", "كاتب", "مكتبة"), 0, "plain")
    assert (question.context, question.value_laden, question.lang) == (("نص",), True, "ar")
    assert labels(question) == ("أ", "ب", "ج")


def test_an_english_question_has_latin_labels():
    assert labels(parse_question({**PLAIN, "lang": "en"}, "here")) == ("A", "B", "C")


@pytest.mark.parametrize("tag, lang", [("AR", "ar"), ("ar-EG", "ar"), ("en_US", "en"), ("fr", "fr"), (None, "ar")])
def test_a_language_is_known_however_its_tag_is_written(tag, lang):
    assert parse_question({**PLAIN, "lang": tag}, "here").lang == lang


def test_labels_follow_the_abjad_order_up_to_eight():
    question = parse_question({**PLAIN, "options": list("abcdefgh")}, "here")
    assert labels(question) == tuple("أ ب ج د هـ و ز ح".split())


def test_an_exams_row_takes_its_subject_from_its_id():
    question = parse_question(EXAMS, "here")
    assert (question.options, question.answer, question.form) == (("النوم", "العرق"), 1, "exams")
    assert question.subject == "Islamic_Studies"
    assert parse_question({**EXAMS, "subject": "Science"}, "here").subject == "Science"


def test_an_open_row_has_no_options():
    question = parse_question(OPEN, "here")
    assert (question.id, question.options, question.answer, question.answer_text) == ("3", (), None, "لأن ...")
    assert labels(question) == ()


WRONG = [
    (_without(PLAIN, "id"), 'has no "id"'),
    (_without(PLAIN, "question"), 'has no "question"'),
    ({**PLAIN, "question": "  "}, '"question" must be a non-empty string'),
    ({**PLAIN, "question": 5}, '"question" must be a non-empty string'),
    (_without(PLAIN, "options"), 'has no "options"'),
    ({**PLAIN, "options": ["كتب"]}, "2 to 8 strings"),
    ({**PLAIN, "options": list("abcdefghi")}, "2 to 8 strings"),
    ({**PLAIN, "options": "كتب"}, "2 to 8 strings"),
    ({**PLAIN, "options": ["كتب", 2]}, 'every entry of "options"'),
    ({**PLAIN, "options": ["كتب", ""]}, 'every entry of "options"'),
    (_without(PLAIN, "answer"), "index of an option, 0 to 2, not None"),
    ({**PLAIN, "answer": 3}, "0 to 2, not 3"),
    ({**PLAIN, "answer": -1}, "0 to 2, not -1"),
    ({**PLAIN, "answer": True}, "not True"),
    ({**PLAIN, "answer": "A"}, "not 'A'"),
    ({**PLAIN, "form": "oral"}, "plain, exams, not 'oral'"),
    ({**PLAIN, "subject": 4}, '"subject" must be a string, not 4'),
    ({**PLAIN, "value_laden": "no"}, '"value_laden" must be true or false'),
    ({**PLAIN, "context": [1]}, '"context" must be a string or a list of strings'),
    (_without(EXAMS, "B"), 'no "B"'),
    ({**EXAMS, "answer": "C"}, "one of the letters A, B, not 'C'"),
    ({**EXAMS, "answer": 1}, "one of the letters A, B, not 1"),
    ({**EXAMS, "B": None}, '"B" must be a non-empty string'),
    ({**OPEN, "answer_text": ""}, '"answer_text" must be a non-empty string'),
]


@pytest.mark.parametrize("row, message", WRONG)
def test_a_wrong_row_is_refused_by_name(row, message):
    with pytest.raises(UserError) as error:
        parse_question(row, "q.jsonl: line 17")
    assert str(error.value).startswith("q.jsonl: line 17")
    assert message in str(error.value)


@given(st.dictionaries(st.sampled_from([*PLAIN, *EXAMS, "context", "lang", "form"]), st.from_type(object) | st.none()))
def test_a_row_of_anything_is_a_question_or_a_user_error(row):
    with contextlib.suppress(UserError):
        assert isinstance(parse_question(row, "here"), Question)


_text = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(st.lists(_text, min_size=2, max_size=8), st.data())
def test_a_question_survives_its_json(options, data):
    question = Question(
        id=data.draw(_text),
        question=data.draw(_text),
        options=tuple(options),
        answer=data.draw(st.integers(0, len(options) - 1)),
        context=tuple(data.draw(st.lists(_text, max_size=2))),
        lang=data.draw(st.sampled_from(["ar", "en"])),
        family=data.draw(st.none() | _text),
        value_laden=data.draw(st.booleans()),
    )
    assert parse_question(json.loads(json.dumps(question.to_json())), "here") == question


# ---- prompts: literal strings of the Open Arabic LLM Leaderboard v2


def test_the_arabic_mmlu_prompt_is_exact():
    assert question_prompt(parse_question(PLAIN, "here")) == (
        "السؤال التالي هو سؤال متعدد الإختيارات. اختر الإجابة الصحيحة:\n\n"
        "ما جمع «كتاب»؟\n"
        "أ. كتب\n"
        "ب. كاتب\n"
        "ج. مكتبة\n"
        "الإجابة:"
    )


def test_the_exams_prompt_is_exact():
    assert question_prompt(parse_question(EXAMS, "here")) == (
        "الأسئلة التالية هي أسئلة متعددة الإختيارات مع الجواب الصحيح حول Islamic Studies. \n\n"
        "السؤال: من نواقض الوضوء\n"
        " أ) النوم\n"
        "\n"
        " ب) العرق\n"
        "\n"
        "الإجابة:"
    )


def test_context_stands_before_the_question_and_only_when_there_is_one():
    bare = question_prompt(parse_question(PLAIN, "here"))
    for blank in ("", [], ["  "], None):
        assert question_prompt(parse_question({**PLAIN, "context": blank}, "here")) == bare
    prompt = question_prompt(parse_question({**PLAIN, "context": ["النص الأول.", "النص الثاني."]}, "here"))
    assert prompt == bare.replace("ما جمع", "النص الأول.\n\nالنص الثاني.\n\nما جمع")


def test_an_english_question_keeps_the_prompt_and_changes_the_labels():
    prompt = question_prompt(parse_question({**PLAIN, "lang": "en"}, "here"))
    assert "\nA. كتب\nB. كاتب\nC. مكتبة\nالإجابة:" in prompt


# ---- files


def _write(path, text: str | bytes):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_questions_are_read_in_order_up_to_a_limit(tmp_path):
    rows = [{**PLAIN, "id": f"q{n}"} for n in range(5)]
    path = _write(tmp_path / "q.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [question.id for question in read_questions(path)] == ["q0", "q1", "q2", "q3", "q4"]
    assert [question.id for question in read_questions(path, limit=2)] == ["q0", "q1"]


def test_a_file_without_questions_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no questions"):
        read_questions(_write(tmp_path / "q.jsonl", "\n \n"))


def test_a_wrong_row_is_named_by_file_and_line(tmp_path):
    path = _write(tmp_path / "q.jsonl", json.dumps(PLAIN) + "\n\n" + json.dumps(_without(PLAIN, "answer")))
    with pytest.raises(UserError, match=r"q\.jsonl: line 3: \"answer\" must be the index"):
        read_questions(path)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_lines_are_counted_blank_ones_and_a_byte_order_mark_skipped(suffix, tmp_path):
    data = '\ufeff{"a": "\u2028أ"}\r\n\n{"b": 1}'.encode()
    frames = zstandard.compress(data[:9]) + zstandard.compress(data[9:])
    path = _write(tmp_path / f"d{suffix}", frames if suffix.endswith("zst") else data)
    assert list(read_jsonl(path)) == [(1, {"a": "\u2028أ"}), (3, {"b": 1})]


def test_an_empty_file_has_no_lines(tmp_path):
    assert list(read_jsonl(_write(tmp_path / "d.jsonl", ""))) == []
    assert list(read_jsonl(_write(tmp_path / "d.jsonl.zst", b""))) == []


@pytest.mark.parametrize(
    "line, message",
    [
        (b'{"a": 1', "line 17 is not valid JSON: Expecting ',' delimiter at column 8"),
        (b'{"id": ' + b"9" * 5000 + b"}", "line 17 holds a whole number of more than 4,300 digits"),
        (b"[1]", "line 17 holds a JSON list"),
        (b'"text"', "line 17 holds a JSON str"),
        (b'{"a": "\xff"}', "line 17 is not UTF-8"),
        (b'{"a": "\\ud800"}', "line 17 holds half of a surrogate pair"),
        (b'{"a":' + b"[" * 100_000, "line 17 is not valid JSON"),
    ],
)
def test_a_wrong_line_is_named_by_file_and_number(line, message, tmp_path):
    path = _write(tmp_path / "d.jsonl", b'{"a": "\\ud83d\\ude00"}\n' * 16 + line + b"\n{}\n")
    with pytest.raises(UserError) as error:
        list(read_jsonl(path))
    assert f"d.jsonl: {message}" in str(error.value)


def test_a_missing_folder_like_or_broken_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl cannot be read: No such file"):
        list(read_jsonl(tmp_path / "none.jsonl"))
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        list(read_jsonl(tmp_path))
    with pytest.raises(UserError, match="not a whole zstd file"):
        list(read_jsonl(_write(tmp_path / "d.jsonl.zst", "plain text")))


def test_a_zstd_file_cut_anywhere_is_never_read_as_whole(tmp_path):
    whole = zstandard.compress(b'{"a": 1}\n' * 1000)
    for size in range(1, len(whole)):
        with pytest.raises(UserError):
            list(read_jsonl(_write(tmp_path / "d.jsonl.zst", whole[:size])))


@given(st.lists(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("jsonl") / "d.jsonl"
    _write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    assert [row for _, row in read_jsonl(path)] == rows
