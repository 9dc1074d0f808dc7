"""Files and folders that are whole or absent, whatever stands where they are to go."""

import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.errors import UserError


def fill(destination):
    with artifacts.staged(destination) as folder:
        (folder / "text").write_text("whole")
        artifacts.write_manifest(folder, "records")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def fail():
        with artifacts.staged(tmp_path / "out") as folder:
            (folder / "text").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []
    fill(tmp_path / "deep" / "out")
    assert artifacts.read_manifest(tmp_path / "deep" / "out")["kind"] == "records"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_a_folder_that_holds_something_is_refused_before_any_work(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(UserError, match="already exists and is not empty"):
        fill(tmp_path)
    with pytest.raises(UserError, match="already exists and is not empty"):
        fill(tmp_path / "mine")


def test_a_link_to_an_empty_folder_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    fill(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "text").read_text() == "whole"


def test_what_cannot_be_replaced_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the working directory"):
        fill(".")
    monkeypatch.setattr(type(tmp_path), "is_mount", lambda path: path == tmp_path)
    with pytest.raises(UserError, match="a mount point"):
        fill(tmp_path)


@pytest.mark.parametrize("text", ["{", "\xff", "[" * 100_000, "9" * 5000])
def test_a_file_that_is_no_json_is_named(text, tmp_path):
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"config\.json is not valid JSON"):
        artifacts.read_json(tmp_path / "config.json")


@pytest.mark.parametrize("text", ["[]", '{"name": "a web page\'s manifest"}'])
def test_a_manifest_of_something_else_is_none_of_ours(text, tmp_path):
    (tmp_path / artifacts.MANIFEST).write_text(text)
    assert artifacts.read_manifest(tmp_path) is None
