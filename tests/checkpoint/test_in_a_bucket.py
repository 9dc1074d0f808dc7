"""Conversions from and to a bucket, against a server of its protocol: the same bytes, and the manifest comes last."""

import json

import numpy as np
import pytest

from arabic_r1_jax import artifacts, paths
from arabic_r1_jax.checkpoint import convert, hf, orbax, peft, shards
from arabic_r1_jax.checkpoint.load import base_sha, load
from arabic_r1_jax.cli import main
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.verbs import plan

LORA = LoraConfig(rank=2, alpha=8.0, targets=("attention", "shared", "dense"))


def run(capsys, *words):
    """The JSON answer of a command that must succeed."""
    assert main([*map(str, words), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def assert_same_files(got, want):
    """Every file alike but the manifest, whose `source` is another path."""
    assert paths.sizes(got).keys() == paths.sizes(want).keys()
    for name in paths.sizes(want):
        if name != artifacts.MANIFEST:
            assert (got / name).read_bytes() == (want / name).read_bytes(), name
    mine, theirs = artifacts.read_manifest(got), artifacts.read_manifest(want)
    assert mine.keys() == theirs.keys()
    assert mine["counts"] == theirs["counts"]


def send(folder, where):
    """Copy a folder into the bucket, as `gcloud storage cp` would."""
    for name in paths.sizes(folder):
        artifacts.copy(folder / name, as_path(where) / name)
    return where


def test_a_model_goes_into_a_bucket_and_back_bit_for_bit(make_hf, contents, bucket, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(orbax, "CHUNK_BYTES", 300)  # several files a tensor
    source = make_hf(mtp=True, shard_bytes=3000)
    told = run(capsys, "convert", "hf-to-orbax", source, f"{bucket}/orbax")
    assert (told["out"], told["kind"]) == (f"{bucket}/orbax", "orbax")
    convert.hf_to_orbax(source, tmp_path / "orbax")
    assert_same_files(as_path(f"{bucket}/orbax"), tmp_path / "orbax")
    assert run(capsys, "convert", "verify", source, f"{bucket}/orbax")["equal"]
    run(capsys, "convert", "orbax-to-hf", f"{bucket}/orbax", f"{bucket}/back")
    run(capsys, "convert", "orbax-to-hf", f"{bucket}/orbax", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)
    assert_same_files(as_path(f"{bucket}/back"), tmp_path / "back")
    run(capsys, "convert", "hf-to-orbax", f"{bucket}/back", tmp_path / "again")
    assert base_sha(tmp_path / "again") == base_sha(f"{bucket}/orbax") == base_sha(f"{bucket}/back")


def test_a_model_in_a_bucket_answers_as_here(make_hf, bucket, tmp_path):
    source = make_hf(dtype="float32")
    ids = np.arange(12, dtype=np.int32)[None]
    wanted = np.asarray(load(source)(ids))
    send(source, f"{bucket}/hf")
    convert.hf_to_orbax(f"{bucket}/hf", f"{bucket}/orbax")
    for where in (f"{bucket}/hf", f"{bucket}/orbax"):
        np.testing.assert_array_equal(np.asarray(load(where)(ids)), wanted)


def test_an_adapter_in_a_bucket_merges_and_is_laid_out_anew(make_hf, random_adapter, bucket, tmp_path, capsys):
    source = make_hf(dtype="float32")
    cfg = ModelConfig.from_hf(hf.read_config(source))
    adapter, sha = random_adapter(cfg, LORA), base_sha(source)
    for where in (tmp_path / "adapter", f"{bucket}/adapter"):
        peft.save_adapter(where, adapter, cfg, LORA, sha)
    assert_same_files(as_path(f"{bucket}/adapter"), tmp_path / "adapter")
    send(source, f"{bucket}/hf")
    run(capsys, "convert", "merge", f"{bucket}/hf", f"{bucket}/adapter", f"{bucket}/merged")
    run(capsys, "convert", "merge", source, tmp_path / "adapter", tmp_path / "merged")
    merged = as_path(f"{bucket}/merged")
    for name in paths.sizes(tmp_path / "merged").keys() - {artifacts.MANIFEST}:
        assert (merged / name).read_bytes() == (tmp_path / "merged" / name).read_bytes(), name
    run(capsys, "convert", "peft", f"{bucket}/adapter", f"{bucket}/served", "--layout", "fused")
    run(capsys, "convert", "peft", tmp_path / "adapter", tmp_path / "served", "--layout", "fused")
    assert_same_files(as_path(f"{bucket}/served"), tmp_path / "served")


def test_a_dry_run_asks_for_no_disk_and_leaves_nothing(make_hf, bucket, capsys):
    told = run(capsys, "convert", "hf-to-orbax", make_hf(), f"{bucket}/x", "--dry-run")
    assert told["free"] is None
    assert told["bytes_left"] == told["bytes"] > 0
    assert not as_path(f"{bucket}/x").exists()
    assert main(["convert", "hf-to-orbax", str(make_hf(at="two")), f"{bucket}/x", "--dry-run"]) == 0
    assert "free on that disk" not in capsys.readouterr().out


def test_an_interrupted_conversion_is_unfinished_to_readers_and_goes_on(make_hf, bucket, tmp_path, monkeypatch, capsys):
    source, there = make_hf(), as_path(f"{bucket}/orbax")
    written, write = [], orbax.write_tensor

    def break_off(folder, entry, index, values):
        if len(written) == 9:
            raise KeyboardInterrupt
        written.append(entry.theirs(index))
        write(folder, entry, index, values)

    monkeypatch.setattr(orbax, "write_tensor", break_off)
    assert main(["convert", "hf-to-orbax", str(source), str(there)]) == 130
    assert artifacts.read_manifest(there) is None
    capsys.readouterr()
    assert main(["convert", "verify", str(source), str(there)]) == 1
    assert capsys.readouterr().err == f"arabic-r1: {there} is unfinished; run the command that makes it again\n"
    monkeypatch.setattr(orbax, "write_tensor", lambda *them: written.append(them[1].theirs(them[2])) or write(*them))
    run(capsys, "convert", "hf-to-orbax", source, there)
    assert len(written) == len(set(written)) == len(hf.open_folder(source).specs)  # nothing was written twice
    convert.hf_to_orbax(source, tmp_path / "orbax")
    assert_same_files(there, tmp_path / "orbax")


def fill(where, text="whole", manifest=True):
    with artifacts.staged(where) as folder:
        artifacts.write_text(folder / "text", text)
        if manifest:
            artifacts.write_manifest(folder, "records")


def test_a_folder_gets_its_manifest_last_and_nothing_after_an_error(bucket, monkeypatch):
    there, order, copy = as_path(f"{bucket}/out"), [], artifacts.copy
    monkeypatch.setattr(artifacts, "copy", lambda *them: order.append(them[1].name) or copy(*them))

    def fail():
        with artifacts.staged(there) as folder:
            (folder / "text").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not there.exists()
    fill(there)
    assert order == ["text", "manifest.json"]
    assert paths.sizes(there).keys() == {"text", "manifest.json"}
    with pytest.raises(UserError, match="already exists and is not empty"):
        fill(there)


def test_what_a_killed_command_left_is_taken_by_no_reader_and_made_anew(make_hf, random_adapter, bucket, monkeypatch):
    source = make_hf()
    cfg = ModelConfig.from_hf(hf.read_config(source))
    there, copy = as_path(f"{bucket}/adapter"), artifacts.copy

    def cut(one, other):
        if other.name == artifacts.MANIFEST:
            raise ConnectionError
        copy(one, other)

    monkeypatch.setattr(artifacts, "copy", cut)
    with pytest.raises(ConnectionError):
        peft.save_adapter(there, random_adapter(cfg, LORA), cfg, LORA, "sha")
    monkeypatch.undo()
    assert {peft.CONFIG, peft.WEIGHTS} < paths.sizes(there).keys()  # all but the manifest
    with pytest.raises(UserError, match="adapter is unfinished; run the command that makes it again"):
        peft.load_adapter(there, cfg)
    with pytest.raises(UserError, match="is unfinished"):
        load(source, adapter=there)
    peft.save_adapter(there, random_adapter(cfg, LORA), cfg, LORA, "sha")
    assert peft.load_adapter(there, cfg)[0] == LORA
    assert paths.sizes(there).keys() == {peft.CONFIG, peft.WEIGHTS, artifacts.MANIFEST}


def test_missing_and_damaged_objects_are_one_line(make_hf, bucket, capsys):
    source = make_hf()
    convert.hf_to_orbax(source, f"{bucket}/orbax")
    there = as_path(f"{bucket}/orbax")
    chunk = next(name for name in artifacts.read_manifest(there)["files"] if "/c/" in name)
    (there / chunk).write_bytes(b"short")
    send(source, f"{bucket}/hf")
    shard = as_path(f"{bucket}/hf") / hf.SINGLE
    shard.write_bytes(shard.read_bytes()[:-1])
    for words, said in (
        (["orbax-to-hf", f"{bucket}/none"], "is not a finished Orbax checkpoint"),
        (["orbax-to-hf", there], f"{chunk} has 5 bytes instead of"),
        (["hf-to-orbax", f"{bucket}/none"], "does not exist or is no folder"),
        (["hf-to-orbax", f"{bucket}/hf"], "truncated: tensor"),
    ):
        assert main(["convert", *map(str, words), f"{bucket}/out"]) == 1
        shown = capsys.readouterr().err
        assert shown.count("\n") == 1
        assert said in shown
    assert not as_path(f"{bucket}/out").exists()
    (there / chunk).unlink()
    with pytest.raises(UserError, match=r"is missing, but gs://.*/manifest\.json lists it"):
        load(there)


def test_a_plan_takes_the_model_of_a_bucket(make_hf, bucket):
    source = make_hf()
    assert plan._model(send(source, bucket)) == plan._model(str(source))
    with pytest.raises(UserError, match=f"{bucket}/none is not a folder"):
        plan._model(f"{bucket}/none")


def test_a_shard_of_a_bucket_is_read_by_ranges(make_hf, bucket, monkeypatch):
    there = as_path(send(make_hf(), bucket)) / hf.SINGLE
    asked, read = [], type(there).read_range
    monkeypatch.setattr(type(there), "read_range", lambda *them: asked.append(them[2]) or read(*them))
    shard = shards.Shard(there)
    assert asked == []
    shard.read("model.norm.weight")
    assert asked == [shard.specs["model.norm.weight"].nbytes]
