"""Conversion: every bit survives both ways, and whatever goes wrong leaves nothing that looks whole."""

import json
import os
import signal
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert, hf, orbax
from arabic_r1_jax.checkpoint.source import base_sha, kind
from arabic_r1_jax.cli import main
from arabic_r1_jax.errors import UserError


@pytest.mark.parametrize("dtype", ["bf16", "float32"])
@pytest.mark.parametrize("name", ["v3", "v3-no-q-lora-tied", "v3-no-dense", "v2-lite", "v2-q-lora"])
def test_every_tensor_comes_back_bit_for_bit(make_hf, contents, tmp_path, name, dtype):
    source = make_hf(name, dtype, shard_bytes=3000, mtp=True)
    convert.hf_to_orbax(source, tmp_path / "orbax")
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)
    for file in ("config.json", "tokenizer_config.json", "generation_config.json"):
        assert (tmp_path / "back" / file).read_bytes() == (source / file).read_bytes()


def test_negative_zeros_and_nan_payloads_survive(make_hf, contents, tmp_path):
    source = make_hf(dtype="float32")
    shard = hf.open_folder(source)
    tensors = {name: np.array(shard.read(name)) for name in shard.specs}
    tensors["model.norm.weight"][:] = -0.0
    tensors["lm_head.weight"].view(np.uint32)[:] = 0x7FC12345
    hf.write_weights(source, shard.specs, tensors.__getitem__)
    convert.hf_to_orbax(source, tmp_path / "orbax")
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)


def test_the_manifest_says_what_the_folder_holds(make_hf, tmp_path):
    source = make_hf(mtp=True)
    convert.hf_to_orbax(source, tmp_path / "orbax")
    manifest = artifacts.read_manifest(tmp_path / "orbax")
    assert manifest["kind"] == "orbax"
    assert manifest["params"]["experts.gate.weight"] == ["BF16", [2, 4, 12, 24]]
    assert manifest["counts"]["tensors"] == len(hf.open_folder(source).specs)
    assert manifest["inputs"]["config.json"] == artifacts.sha256(source / "config.json")


@pytest.mark.parametrize("stored, asked", [("float32", "bf16"), ("bf16", "float32"), ("bf16", "bf16")])
def test_a_cast_changes_every_dtype_but_never_narrows_the_router(make_hf, tmp_path, stored, asked):
    source = make_hf(dtype=stored)
    convert.hf_to_orbax(source, tmp_path / "orbax", asked)
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    before, after = hf.open_folder(source), hf.open_folder(tmp_path / "back")
    wanted = np.dtype(ml_dtypes.bfloat16 if asked == "bf16" else np.float32)
    for name in before.specs:
        stored = before.specs[name].dtype
        dtype = stored if ".mlp.gate." in name and stored.itemsize > wanted.itemsize else wanted
        assert after.specs[name].dtype == dtype, name
        np.testing.assert_array_equal(after.read(name), before.read(name).astype(dtype), err_msg=name)
    assert json.loads((tmp_path / "back" / "config.json").read_text())["torch_dtype"] == wanted.name


def test_progress_reaches_the_total(make_hf, tmp_path):
    seen = []
    convert.hf_to_orbax(make_hf(mtp=True), tmp_path / "orbax", progress=lambda *at: seen.append(at))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    seen.clear()
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back", progress=lambda *at: seen.append(at))
    assert seen[-1][0] == seen[-1][1]


def test_a_base_is_the_same_in_every_form(make_hf, tmp_path):
    source, sharded = make_hf(at="one"), make_hf(at="many", shard_bytes=3000, mtp=True)
    convert.hf_to_orbax(source, tmp_path / "orbax")
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    forms = [source, sharded, tmp_path / "orbax", tmp_path / "back"]
    assert [kind(form) for form in forms] == ["hf", "hf", "orbax", "hf"]
    assert len({base_sha(form) for form in forms}) == 1


@pytest.mark.parametrize("change", [{"seed": 1}, {"dtype": "float32"}, {"routed_scaling_factor": 2.0}])
def test_another_base_has_another_identity(make_hf, change):
    assert base_sha(make_hf(at="one")) != base_sha(make_hf(at="two", **change))


def truncate(folder):
    path = sorted(folder.glob("model-*.safetensors"))[2]
    path.write_bytes(path.read_bytes()[:-7])


def drop(key):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        del config[key]
        (folder / "config.json").write_text(json.dumps(config))

    return change


DAMAGES = {
    "a truncated shard": (truncate, "model-00003-of-.*truncated"),
    "a config without a needed key": (drop("kv_lora_rank"), 'config.json has no "kv_lora_rank"'),
    "no config": (lambda folder: (folder / "config.json").unlink(), "holds no model"),
    "a config that is not JSON": (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
    "no index": (lambda folder: (folder / hf.INDEX).unlink(), "weights are missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_source_leaves_no_output(make_hf, tmp_path, damage):
    source = make_hf(shard_bytes=3000)
    change, message = DAMAGES[damage]
    change(source)
    with pytest.raises(UserError, match=message) as error:
        convert.hf_to_orbax(source, tmp_path / "orbax")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_a_missing_source_leaves_no_output(tmp_path):
    for job in (convert.hf_to_orbax, convert.orbax_to_hf):
        with pytest.raises(UserError, match="nowhere"):
            job(tmp_path / "nowhere", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_destination_is_left_alone(make_hf, tmp_path):
    source = make_hf()
    (tmp_path / "orbax").mkdir()
    (tmp_path / "orbax" / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="already exists"):
        convert.hf_to_orbax(source, tmp_path / "orbax")
    assert [path.name for path in (tmp_path / "orbax").iterdir()] == ["mine.txt"]


def test_a_source_of_the_other_kind_is_refused(make_hf, tmp_path):
    convert.hf_to_orbax(make_hf(), tmp_path / "orbax")
    with pytest.raises(UserError, match="is an Orbax checkpoint already"):
        convert.hf_to_orbax(tmp_path / "orbax", tmp_path / "out")
    with pytest.raises(UserError, match="not a finished Orbax checkpoint"):
        convert.orbax_to_hf(tmp_path / "hf", tmp_path / "out")


def test_an_unknown_dtype_is_refused_before_any_work(make_hf, tmp_path):
    with pytest.raises(UserError, match="'int4' is unknown"):
        convert.hf_to_orbax(make_hf(), tmp_path / "orbax", "int4")


def test_a_failure_while_writing_leaves_no_folder_that_looks_whole(make_hf, tmp_path, monkeypatch):
    convert.hf_to_orbax(make_hf(), tmp_path / "orbax")

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(hf, "copy_companions", fail)
    with pytest.raises(OSError, match="no space"):
        convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    with pytest.raises(UserError, match="unfinished"):
        kind(tmp_path / "back")


def largest(folder):
    files = [path for path in (folder / "params").glob("*/c/**/*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def delete_data(folder):
    largest(folder).unlink()


def shorten_data(folder):
    path = largest(folder)
    path.write_bytes(path.read_bytes()[:-1])


def widen_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 41}))


def garble(key, value):
    def change(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, key: value}))

    return change


ORBAX_DAMAGES = {
    "parameters that are no table": (garble("params", [1]), '"params" of manifest.json is damaged'),
    "a parameter of no known dtype": (garble("params", {"norm.weight": ["F31", [24]]}), "is damaged"),
    "a shape that is no shape": (garble("params", {"norm.weight": ["F32", "wide"]}), "is damaged"),
    "files that are no table": (garble("files", 3), '"files" of .* is damaged'),
    "a data file deleted": (delete_data, "is missing"),
    "a data file shortened": (shorten_data, "bytes instead of"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "not a finished Orbax checkpoint"),
    "another config": (widen_config, r"embed.weight is \(40, 24\), but config.json asks for \(41, 24\)"),
}


@pytest.mark.parametrize("damage", ORBAX_DAMAGES)
def test_a_damaged_orbax_folder_is_refused(make_hf, tmp_path, damage):
    convert.hf_to_orbax(make_hf(), tmp_path / "orbax")
    change, message = ORBAX_DAMAGES[damage]
    change(tmp_path / "orbax")
    with pytest.raises(UserError, match=message):
        convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_flipped_bit_of_orbax_data_is_another_identity(make_hf, tmp_path):
    convert.hf_to_orbax(make_hf(), tmp_path / "orbax")
    path = largest(tmp_path / "orbax")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    assert base_sha(tmp_path / "back") != orbax.read_manifest(tmp_path / "orbax")["base_sha"]


KILLED = """
import sys, time
from arabic_r1_jax.checkpoint import convert
def stop(done, total):
    if done > total * float(sys.argv[4]):
        print("working", flush=True)
        time.sleep(60)
getattr(convert, sys.argv[1])(sys.argv[2], sys.argv[3], progress=stop)
"""


@pytest.mark.parametrize("job, at", [("hf_to_orbax", 0.5), ("orbax_to_hf", 0.0), ("orbax_to_hf", 0.9)])
def test_a_killed_conversion_leaves_no_folder_that_looks_whole(make_hf, tmp_path, job, at):
    source = make_hf()
    if job == "orbax_to_hf":
        convert.hf_to_orbax(source, tmp_path / "orbax")
        source = tmp_path / "orbax"
    command = [sys.executable, "-c", KILLED, job, source, tmp_path / "out", str(at)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    assert process.stdout.readline() == b"working\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(UserError, match="unfinished"):
        kind(tmp_path / "out")
    whole = [path for path in (tmp_path / "out").glob("params/*/c/**/0") if path.is_file()]
    kept = {path: path.stat().st_mtime_ns for path in whole}
    assert kept or job == "orbax_to_hf"
    getattr(convert, job)(source, tmp_path / "out")
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())  # it went on and did not start again
    getattr(convert, job)(source, tmp_path / "whole")
    files = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    assert files == {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    for name in files:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_quantisation_that_was_interrupted_ends_with_the_same_bytes(make_hf, contents, tmp_path):
    source = make_hf(mtp=True)

    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert.hf_to_orbax(source, tmp_path / "out", "fp8", progress=stop)
    whole = [path for path in (tmp_path / "out").glob("params/*/c/**/0") if path.is_file()]
    kept = {path: path.stat().st_mtime_ns for path in whole}
    assert kept
    with pytest.raises(UserError, match="another command or source"):
        convert.hf_to_orbax(source, tmp_path / "out", "bf16")
    for name in ("out", "whole"):
        convert.hf_to_orbax(source, tmp_path / name, "fp8")
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_unfinished_work_of_another_source_is_not_gone_on_with(make_hf, tmp_path, monkeypatch):
    monkeypatch.setattr(hf, "copy_companions", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        convert.hf_to_orbax(make_hf(at="one"), tmp_path / "out")
    monkeypatch.undo()
    for source, dtype in ((make_hf(at="two", seed=1), "stored"), (tmp_path / "one", "float32")):
        with pytest.raises(UserError, match="unfinished work of another"):
            convert.hf_to_orbax(source, tmp_path / "out", dtype)


def test_a_disk_that_is_too_small_is_named_before_any_work(make_hf, tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "free_bytes", lambda _: 1000)
    with pytest.raises(UserError, match="its disk has 1,000 free"):
        convert.hf_to_orbax(make_hf(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("free, enough", [(10**15, True), (1000, False)])
def test_a_dry_run_tells_bytes_disk_and_time_and_writes_nothing(make_hf, tmp_path, monkeypatch, capsys, free, enough):
    monkeypatch.setattr(artifacts, "free_bytes", lambda _: free)
    source = make_hf()
    assert main(["convert", "hf-to-orbax", str(source), str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bytes"] == told["bytes_left"] == sum(s.nbytes for s in hf.open_folder(source).specs.values())
    assert told["free"] == free
    assert told["seconds"] > 0
    assert main(["convert", "hf-to-orbax", str(source), str(tmp_path / "out"), "--dry-run"]) == 0
    assert ("too little" in capsys.readouterr().out) is not enough
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]
