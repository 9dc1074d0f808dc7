"""`verify` names every kind of difference, and finds none where there is none."""

import json

import numpy as np
import pytest

from arabic_r1_jax.checkpoint import convert, hf
from arabic_r1_jax.checkpoint.shards import specs_of
from arabic_r1_jax.checkpoint.verify import compare_logits, verify
from arabic_r1_jax.cli import main


def rewrite(folder, change):
    """Change a Hugging Face folder's tensors: `change(tensors)`."""
    source = hf.open_folder(folder)
    tensors = {name: np.array(source.read(name)) for name in source.specs}
    change(tensors)
    for path in folder.glob("model*"):
        path.unlink()
    hf.write_weights(folder, specs_of(tensors), tensors.__getitem__)


@pytest.mark.parametrize("dtype", ["stored", "bf16", "float32"])
def test_a_conversion_is_equal_to_its_source(make_hf, tmp_path, dtype):
    source = make_hf(mtp=True)
    convert.hf_to_orbax(source, tmp_path / "orbax", dtype)
    assert verify(source, tmp_path / "orbax") == []


@pytest.mark.parametrize("dtype", ["stored", "bf16"])
def test_an_fp8_conversion_is_equal_to_its_source(make_fp8, tmp_path, dtype):
    source = make_fp8()
    convert.hf_to_orbax(source, tmp_path / "orbax", dtype)
    assert verify(source, tmp_path / "orbax") == []


NAME = "model.layers.1.mlp.experts.2.up_proj.weight"
DIFFERENCES = {
    "missing": lambda t: t.pop(NAME),
    "extra": lambda t: t.update(odd=np.zeros(3, np.float32)),
    "shape": lambda t: t.update({NAME: t[NAME].T.copy()}),
    "dtype": lambda t: t.update({NAME: t[NAME].astype(np.float32)}),
    "bytes": lambda t: t[NAME].reshape(-1)[:1].view(np.uint8).__ixor__(1),
    "not_finite": lambda t: t[NAME].__setitem__((0, 0), np.nan),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_each_difference_is_named(make_hf, tmp_path, kind, capsys):
    source, other = make_hf(at="one"), make_hf(at="two")
    rewrite(other, DIFFERENCES[kind])
    found = verify(source, other)
    assert {finding.kind for finding in found} == {kind} | ({"bytes"} if kind == "not_finite" else set())
    assert {finding.tensor for finding in found} == {"odd" if kind == "extra" else NAME}
    assert main(["convert", "verify", str(source), str(other), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["kinds"][kind] == 1


def test_a_nan_that_both_have_is_named(make_hf, tmp_path):
    source = make_hf()
    rewrite(source, DIFFERENCES["not_finite"])
    convert.hf_to_orbax(source, tmp_path / "orbax")
    assert [(f.kind, f.tensor) for f in verify(source, tmp_path / "orbax")] == [("not_finite", NAME)]


def test_equal_folders_exit_with_0_and_have_the_same_logits(make_hf, tmp_path, capsys):
    source = make_hf()
    convert.hf_to_orbax(source, tmp_path / "orbax")
    assert main(["convert", "verify", str(source), str(tmp_path / "orbax"), "--logits"]) == 0
    assert "every tensor is equal" in capsys.readouterr().out
    logits = compare_logits(source, tmp_path / "orbax")
    assert logits["max_abs"] == 0.0
    assert logits["largest_logit"] > 0
    assert logits["same_best"] == 1.0
