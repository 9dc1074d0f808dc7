"""What a name becomes, and what the same call does here and in a bucket."""

import dataclasses
import sys

import numpy as np
import pytest

import arabic_r1_jax
from arabic_r1_jax import artifacts, paths
from arabic_r1_jax.cli import main
from arabic_r1_jax.errors import UsageError, UserError
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.verbs import VERBS


@pytest.fixture(params=["here", "bucket"])
def place(request, tmp_path):
    """A folder that is not there yet: in the file system, and in a bucket."""
    return tmp_path / "new" if request.param == "here" else as_path(request.getfixturevalue("bucket"))


def test_a_local_name_is_a_plain_path_and_a_url_keeps_its_slashes(bucket, tmp_path):
    assert as_path("runs/mine") == paths.Path("runs/mine")
    assert as_path(tmp_path) is tmp_path
    assert paths.is_local(as_path("odd:name/a:/b"))
    url = as_path(f"{bucket}/a/b.json")
    assert not paths.is_local(url)
    assert str(url) == f"{bucket}/a/b.json"
    assert str(url.parent / "c") == f"{bucket}/a/c"
    assert (url.name, url.suffix, as_path(url)) == ("b.json", ".json", url)
    assert str(as_path(f"{bucket}/a/")) == f"{bucket}/a"


@pytest.mark.parametrize(
    "name, said",
    [
        ("s3://b/x", "s3:// is not supported; name a local path or gs://BUCKET/PATH"),
        ("http://host/x", "http:// is not supported"),
        ("gs://", "names no bucket"),
        ("gs:///x", "names no bucket"),
        ("gs://Not_a_bucket/x", "names no bucket"),
    ],
)
def test_a_url_of_another_kind_is_a_wrong_command_in_one_line(name, said, capsys):
    with pytest.raises(UsageError, match=said):
        as_path(name)
    assert main(["convert", "verify", name, "here"]) == 2
    assert main(["train", "--set", f"model.path={name}", "--out", "runs/never"]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2
    assert all(said in line for line in shown)


def test_a_bucket_that_is_not_there_is_named_before_any_work(server, capsys):
    for words in (
        ["convert", "hf-to-orbax", "here", "gs://no-such-bucket/x"],
        ["generate", "--model", "gs://no-such-bucket/x", "--chat"],
        ["plan", "--model", "gs://no-such-bucket/x", "--topology", "v5p:2x2x2"],
    ):
        assert main(words) == 1
        assert capsys.readouterr().err == "arabic-r1: gs://no-such-bucket: there is no such bucket\n"


def test_without_the_package_for_buckets_its_command_is_told(monkeypatch):
    monkeypatch.delattr(arabic_r1_jax, "bucket", raising=False)
    monkeypatch.delitem(sys.modules, "arabic_r1_jax.bucket", raising=False)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=r"pip install 'arabic_r1_jax\[gcs\]'"):
        as_path("gs://bucket/x")


def test_files_are_written_and_read_alike(place):
    assert not place.exists()
    assert paths.sizes(place) == {}
    (place / "deep").mkdir(parents=True, exist_ok=True)
    artifacts.write_text(place / "a.txt", "سطر\n")
    artifacts.write_json(place / "deep" / "b.json", {"x": 1})
    assert paths.sizes(place) == {"a.txt": 7, "deep/b.json": 12}
    assert place.is_dir()
    assert not place.is_file()
    assert sorted(path.name for path in place.iterdir()) == ["a.txt", "deep"]
    assert [path.name for path in place.glob("*.txt")] == ["a.txt"]
    assert (place / "a.txt").read_text(encoding="utf-8") == "سطر\n"
    assert (place / "a.txt").is_file()
    assert (place / "a.txt").stat().st_size == 7
    assert artifacts.sha256(place / "a.txt") == artifacts.sha256(place / "a.txt")
    assert artifacts.read_json(place / "deep" / "b.json") == {"x": 1}
    artifacts.copy(place / "a.txt", place / "deep" / "c.txt")
    assert (place / "deep" / "c.txt").read_bytes() == (place / "a.txt").read_bytes()
    (place / "a.txt").unlink()
    (place / "a.txt").unlink(missing_ok=True)
    paths.remove_tree(place)
    paths.remove_tree(place)
    assert not place.exists()


def test_what_is_missing_is_named(place):
    for ask in (
        lambda path: path.open("rb").read(),
        lambda path: path.read_bytes(),
        lambda path: path.stat(),
        lambda path: path.unlink(),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            ask(place / "no")
        assert caught.value.errno
        assert str(caught.value.filename) == str(place / "no")
    with pytest.raises(UserError, match="no does not exist"):
        artifacts.read_json(place / "no")


def test_a_range_is_those_bytes(place):
    values = np.arange(1000, dtype=np.int32)
    place.mkdir()
    with artifacts.atomic(place / "x") as file:
        file.write(values)
    read = paths.ranges(place / "x")
    assert bytes(read(40, 12)) == values[10:13].tobytes()
    assert bytes(read(0, 4000)) == values.tobytes()
    assert bytes(read(8, 0)) == b""


def test_a_file_appears_whole_or_not_at_all(place):
    place.mkdir()

    def fail():
        with artifacts.atomic(place / "x") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (place / "x").exists()
    with artifacts.atomic(place / "x") as file:
        file.write(b"who")
        file.write(b"le")
    assert (place / "x").read_bytes() == b"whole"


def test_a_log_grows_and_is_there_after_every_flush(place):
    place.mkdir()
    with (place / "log").open("a", encoding="utf-8") as log:
        log.write("1\n")
        log.write("2\n")
        log.flush()
        assert (place / "log").read_text(encoding="utf-8") == "1\n2\n"
    with (place / "log").open("a", encoding="utf-8") as log:
        log.write("3\n")
    assert (place / "log").read_text(encoding="utf-8") == "1\n2\n3\n"


def test_what_a_bucket_refuses_in_the_midst_of_the_work_is_one_line(bucket, monkeypatch, capsys):
    there = as_path(bucket) / "x"

    async def refuse(*_, **__):
        raise OSError("Forbidden: no permission to create objects\nask its owner")

    monkeypatch.setattr("gcsfs.core.simple_upload", refuse)
    work = dataclasses.replace(VERBS["doctor"], run=lambda _: artifacts.write_text(there, "x"))
    monkeypatch.setitem(VERBS, "doctor", work)
    assert main(["doctor"]) == 1
    said = "the bucket does not answer as it should: OSError: Forbidden: no permission to create objects ask its owner"
    assert capsys.readouterr().err == f"arabic-r1: {said}\n"


def test_a_copy_of_a_bucket_is_made_once_and_mended(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    there = as_path(bucket) / "corpus"
    artifacts.write_text(there / "deep" / "a", "one")
    artifacts.write_text(there / "b", "two")
    copy = paths.local_copy(there, b"1")
    assert paths.sizes(copy) == {"deep/a": 3, "b": 3}
    (copy / "b").write_text("cut off"[:1])
    written = (copy / "deep" / "a").stat().st_mtime_ns
    assert paths.local_copy(there, b"1") == copy
    assert (copy / "b").read_text() == "two"
    assert (copy / "deep" / "a").stat().st_mtime_ns == written
    assert paths.local_copy(there, b"2") != copy
    assert paths.local_copy(tmp_path, b"1") == tmp_path
