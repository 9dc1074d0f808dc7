"""Hugging Face folders: sharded or not, whole or damaged."""

import json

import pytest

from arabic_r1_jax.checkpoint import hf
from arabic_r1_jax.errors import UserError


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_shards_hold_what_one_file_holds(make_hf, contents):
    one = make_hf(at="one")
    many = make_hf(at="many", shard_bytes=3000)
    assert len(list(many.glob("model-*.safetensors"))) > 3
    assert contents(one) == contents(many)


def test_the_index_lists_every_tensor_and_the_total_size(make_hf, contents):
    folder = make_hf(shard_bytes=3000)
    index = json.loads((folder / hf.INDEX).read_text())
    found = contents(folder)
    assert index["weight_map"].keys() == found.keys()
    assert index["metadata"]["total_size"] == sum(len(data) for _, data in found.values())
    sizes = [path.stat().st_size for path in folder.glob("model-*.safetensors")]
    assert max(sizes) < 3000 + 3000  # a shard's tensors, and its header


def test_layer_ten_follows_layer_nine():
    names = [f"model.layers.{layer}.x" for layer in (10, 9, 2)]
    assert sorted(names, key=hf._natural_key) == names[::-1]


@pytest.mark.parametrize(
    "name",
    [
        "../out.safetensors",
        "/etc/out.safetensors",
        "a/b.safetensors",
        "..",
        ".safetensors",
        "model.bin",
        "a\\b.safetensors",
        7,
    ],
)
def test_a_shard_outside_the_folder_is_refused(make_hf, name):
    folder = make_hf(shard_bytes=3000)
    edit(folder / hf.INDEX, lambda index: index["weight_map"].update({"lm_head.weight": name}))
    with pytest.raises(UserError, match=r"lm_head.weight lies in"):
        hf.open_folder(folder)


def test_a_missing_shard_is_named(make_hf):
    folder = make_hf(shard_bytes=3000)
    victim = sorted(folder.glob("model-*.safetensors"))[1]
    victim.unlink()
    with pytest.raises(UserError, match=f"{victim} does not exist"):
        hf.open_folder(folder)


def test_an_empty_shard_is_named(make_hf):
    folder = make_hf(shard_bytes=3000)
    victim = sorted(folder.glob("model-*.safetensors"))[1]
    victim.write_bytes(b"")
    with pytest.raises(UserError, match=f"{victim}: .*truncated"):
        hf.open_folder(folder)


def test_an_index_that_names_the_wrong_shard_is_refused(make_hf):
    folder = make_hf(shard_bytes=3000)
    last = max(path.name for path in folder.glob("model-*.safetensors"))
    edit(folder / hf.INDEX, lambda index: index["weight_map"].update({"lm_head.weight": last}))
    with pytest.raises(UserError, match=r"lm_head\.weight lies|lacks tensor lm_head\.weight"):
        hf.open_folder(folder)


def test_a_tensor_that_the_index_hides_is_refused(make_hf):
    folder = make_hf(shard_bytes=3000)
    edit(folder / hf.INDEX, lambda index: index["weight_map"].pop("model.norm.weight"))
    with pytest.raises(UserError, match=r"holds tensor model\.norm\.weight"):
        hf.open_folder(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": []}', '{"weight_map": {"a": "x", "a": "y"}}'])
def test_a_malformed_index_is_refused(make_hf, text):
    folder = make_hf(shard_bytes=3000)
    (folder / hf.INDEX).write_text(text)
    with pytest.raises(UserError, match=hf.INDEX):
        hf.open_folder(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere is not a folder"):
        hf.open_folder(tmp_path / "nowhere")


def test_a_folder_without_weights_is_refused(make_hf):
    folder = make_hf()
    (folder / hf.SINGLE).unlink()
    with pytest.raises(UserError, match="weights are missing"):
        hf.open_folder(folder)


def test_pickled_weights_are_never_opened(make_hf):
    folder = make_hf()
    (folder / hf.SINGLE).rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickled weights"):
        hf.open_folder(folder)


def test_a_config_that_is_no_object_is_refused(make_hf):
    folder = make_hf()
    (folder / "config.json").write_text("[]")
    with pytest.raises(UserError, match="not a JSON object"):
        hf.open_folder(folder)
