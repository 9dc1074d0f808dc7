"""The safetensors file format: equality with the reference implementation, and garbage in."""

import json

import hypothesis
import ml_dtypes
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from arabic_r1_jax.checkpoint import shards
from arabic_r1_jax.errors import UserError

reference = pytest.importorskip("safetensors.numpy")

TENSORS = {
    "b": np.arange(3, dtype=np.float16),
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.array(7, np.int64),
    "empty": np.zeros((0, 4), np.float32),
    "flag": np.array([True, False, True]),
}


def save(path, tensors):
    shards.write(path, shards.specs_of(tensors), tensors.__getitem__)
    return path


def raw(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_the_reference_reads_what_is_written(tmp_path):
    found = reference.load_file(save(tmp_path / "x.safetensors", TENSORS))
    assert found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_the_reference_writes_is_read(tmp_path):
    reference.save_file(TENSORS, tmp_path / "x.safetensors")
    shard = shards.Shard(tmp_path / "x.safetensors")
    assert shard.specs == shards.specs_of(TENSORS)
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(shard.read(name), array)


@hypothesis.given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)), st.booleans())
@hypothesis.settings(deadline=None, max_examples=50)
def test_every_bfloat16_bit_pattern_survives(tmp_path_factory, bits, transposed):
    path = tmp_path_factory.mktemp("bits") / "x.safetensors"
    array = bits.view(ml_dtypes.bfloat16)
    array = array.T if transposed else array  # a view that is not contiguous is written in row-major order
    found = shards.Shard(save(path, {"x": array, "odd": np.zeros(3, np.uint8)})).read("x")
    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


LIES = {
    "no header length": (b"abc", None, "cannot hold its header"),
    "a header longer than the file": ((10**15).to_bytes(8, "little") + b"{}", None, "cannot hold its header"),
    "a header that is not JSON": (None, b"{'x'", "not valid JSON"),
    "a header that is a list": (None, b"[]", "not a JSON object"),
    "a tensor twice": (None, b'{"x": {}, "x": {}}', "given twice"),
    "no dtype": (None, {"x": {"shape": [], "data_offsets": [0, 4]}}, "tensor x has dtype None"),
    "an unknown dtype": (None, {"x": entry([1], 0, 4, "F31")}, "tensor x has dtype 'F31'"),
    "a negative size": (None, {"x": entry([-1], 0, 4)}, "tensor x has shape"),
    "a size that is no number": (None, {"x": entry(["1"], 0, 4)}, "tensor x has shape"),
    "a huge size": (None, {"x": entry([2**62, 2**62], 0, 4)}, "tensor x takes 4 bytes"),
    "offsets backwards": (None, {"x": entry([1], 4, 0)}, "tensor x takes -4 bytes"),
    "no offsets": (None, {"x": {"dtype": "F32", "shape": [1]}}, "tensor x has data_offsets None"),
    "an entry that is a number": (None, {"x": 3}, "tensor x has no dtype"),
    "an overlap": (None, {"x": entry([2], 0, 8), "y": entry([1], 4, 8)}, "tensor y starts at byte 4"),
    "a gap": (None, {"x": entry([1], 0, 4), "y": entry([1], 8, 12)}, "tensor y starts at byte 8"),
    "a tensor past the end": (None, {"x": entry([4], 0, 16)}, "truncated: tensor x"),
    "bytes after the end": (None, {"x": entry([1], 0, 4)}, "8 bytes follow"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_file_is_refused_by_name(tmp_path, lie):
    whole, header, message = LIES[lie]
    path = tmp_path / "x.safetensors"
    path.write_bytes(whole) if whole is not None else raw(path, header, bytes(12))
    with pytest.raises(UserError, match=message) as error:
        shards.Shard(path)
    assert str(path) in str(error.value)


def test_a_header_too_long_to_be_one_is_not_read(tmp_path):
    path = tmp_path / "x.safetensors"
    with open(path, "wb") as file:
        file.write((200_000_000).to_bytes(8, "little"))
        file.truncate(300_000_000)  # a hole: nothing on the disk
    with pytest.raises(UserError, match="claims 200,000,000 bytes"):
        shards.Shard(path)


@hypothesis.given(st.binary(max_size=64))
def test_garbage_is_an_error_for_a_person(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("garbage") / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"x\.safetensors"):
        shards.Shard(path)


@hypothesis.given(cut=st.integers(0, 10_000))
@hypothesis.settings(deadline=None, max_examples=30)
def test_a_truncated_file_is_refused(tmp_path_factory, cut):
    path = save(tmp_path_factory.mktemp("cut") / "x.safetensors", TENSORS)
    data = path.read_bytes()
    path.write_bytes(data[: cut % len(data)])
    with pytest.raises(UserError, match="truncated"):
        shards.Shard(path)
