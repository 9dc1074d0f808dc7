"""Files checked: where things stand, what the rate counts, and what is said of a file that cannot be read."""

import json

import pytest

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.text import files

TEXT = "سطر أول سليم.\nزرنا أمس هذا المدرسة. ثم عدنا إلى البيت."


def nothing(_):
    pass


def test_a_finding_has_the_line_and_column_where_a_reader_finds_it():
    (finding,) = files.examine([("notes.txt", TEXT)], 0.5, nothing)["findings"]
    assert (finding["where"], finding["line"], finding["column"]) == ("notes.txt", 2, 10)
    assert (finding["before"], finding["text"], finding["after"]) == (
        "زرنا أمس ",
        "هذا المدرسة",
        ". ثم عدنا إلى البيت.",
    )


def test_the_rate_is_of_sentences_with_any_finding():
    twice = "عدنا إلى هذا المدرسة وهذه البيت. عدنا إلى البيت. ما أجمل البيت!"
    result = files.examine([("a", TEXT), ("b", twice)], 0.5, nothing)
    assert (result["sentences"], result["flagged"], len(result["findings"])) == (6, 2, 3)
    assert result["rate"] == 2 / 6
    assert result["kinds"] == {"agreement.demonstrative": 3}


def test_nothing_at_all_has_no_rate():
    result = files.examine([("empty", "")], 0.5, nothing)
    assert (result["sentences"], result["rate"], result["findings"]) == (0, 0, [])


def test_progress_is_told_in_characters():
    told = []
    files.examine([("a", TEXT), ("b", "نص.")], 0.5, told.append)
    assert told == [len(TEXT), 3]


def test_json_lines_are_one_text_a_line(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("أول", "ثان")), encoding="utf-8")
    assert list(files.documents(path)) == [(f"{path}:1", "أول"), (f"{path}:2", "ثان")]


@pytest.mark.parametrize("row", [{"body": "نص"}, {"text": 3}])
def test_a_line_without_text_is_named(tmp_path, row):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "نص"}\n' + json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match='line 2 has no "text"'):
        list(files.documents(path))


def test_a_file_that_is_absent_or_no_text_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.txt cannot be read"):
        list(files.documents(tmp_path / "nowhere.txt"))
    (tmp_path / "latin.txt").write_bytes("مرحبا".encode("cp1256"))
    with pytest.raises(UserError, match=r"latin\.txt is not UTF-8 text"):
        list(files.documents(tmp_path / "latin.txt"))


def test_a_byte_order_mark_at_the_beginning_is_not_part_of_the_text(tmp_path):
    (tmp_path / "bom.txt").write_text("\ufeffنص", encoding="utf-8")
    assert next(files.documents(tmp_path / "bom.txt"))[1] == "نص"
