"""params/ is Orbax's own form though we write it: Orbax restores it bit for bit, onto any mesh, whatever the chunks."""

import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from arabic_r1_jax.checkpoint import convert, hf, orbax, weight_map
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.parallel.mesh import make_mesh, sharding


@pytest.fixture(params=["one file a tensor", "several files a tensor"])
def chunks(request, monkeypatch):
    if request.param.startswith("several"):
        monkeypatch.setattr(orbax, "CHUNK_BYTES", 130)  # rows that do not divide a matrix, and one wider than a chunk


def test_orbax_itself_restores_what_is_written(make_hf, tmp_path, chunks):
    source = make_hf(shard_bytes=3000)
    convert.hf_to_orbax(source, tmp_path / "orbax")
    found = ocp.StandardCheckpointer().restore(tmp_path / "orbax" / orbax.PARAMS)
    tensors = hf.open_folder(source)
    table = weight_map.entries(ModelConfig.from_hf(tensors.config))
    assert found.keys() == table.keys()
    for name, entry in table.items():
        assert np.asarray(found[name]).tobytes() == weight_map.stack(entry, tensors.read).tobytes(), name


def test_every_mesh_gets_the_same_bits(make_hf, tmp_path, chunks):
    convert.hf_to_orbax(make_hf(), tmp_path / "orbax")
    specs = orbax.specs(orbax.read_manifest(tmp_path / "orbax"))
    restored = []
    for data, expert in ((1, 1), (1, 4), (2, 2)):
        mesh = make_mesh(data, expert)
        axes = {name: (None, "expert", None, None) if len(spec.shape) == 4 else () for name, spec in specs.items()}
        like = {
            name: jax.ShapeDtypeStruct(
                spec.shape, spec.dtype, sharding=sharding(axes[name] or (None,) * len(spec.shape), spec.shape, mesh)
            )
            for name, spec in specs.items()
        }
        restored.append({name: np.asarray(a).tobytes() for name, a in orbax.restore(tmp_path / "orbax", like).items()})
    assert restored[0] == restored[1] == restored[2]


def test_tensors_of_several_files_come_back(make_hf, contents, tmp_path, chunks):
    source = make_hf(mtp=True)
    convert.hf_to_orbax(source, tmp_path / "orbax")
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)


def test_an_fp8_checkpoint_comes_back_byte_for_byte(make_fp8, contents, tmp_path):
    source = make_fp8()
    convert.hf_to_orbax(source, tmp_path / "orbax")
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)
    assert (tmp_path / "back" / "config.json").read_bytes() == (source / "config.json").read_bytes()
    dtypes = {spec.dtype.name for spec in orbax.specs(orbax.read_manifest(tmp_path / "orbax")).values()}
    assert dtypes == {"float8_e4m3fn", "float32", "bfloat16"}


def test_a_scale_that_is_missing_is_named(make_fp8, tmp_path):
    lost = "model.layers.1.mlp.experts.2.up_proj.weight_scale_inv"
    source = make_fp8(without=lost)
    with pytest.raises(convert.UserError, match=f"{lost} is missing"):
        convert.hf_to_orbax(source, tmp_path / "orbax")
    assert not (tmp_path / "orbax").exists()


def test_a_weight_that_is_not_fp8_among_others_is_named(make_fp8, tmp_path):
    odd = "model.layers.2.self_attn.o_proj.weight"
    source = make_fp8(kept_wide=odd)
    with pytest.raises(convert.UserError, match=f"{odd} is bfloat16, not float8_e4m3fn"):
        convert.hf_to_orbax(source, tmp_path / "orbax")


@pytest.mark.skipif(sys.platform != "linux", reason="reads RssAnon from /proc")
def test_memory_does_not_grow_with_the_number_of_layers(make_hf, tmp_path, monkeypatch):
    """96 MB of experts over 24 layers: what a conversion holds at once is a few tensors of 64 KB."""
    sizes = dict(hidden_size=256, moe_intermediate_size=128, num_hidden_layers=25, n_routed_experts=20)
    source = make_hf(name="v3", first_k_dense_replace=1, **sizes)
    peak, before = 0, _anonymous()

    def watch(done, total):
        nonlocal peak
        peak = max(peak, _anonymous() - before)

    convert.hf_to_orbax(source, tmp_path / "orbax", progress=watch)
    assert peak < 30 << 20
    assert sum(spec.nbytes for spec in hf.open_folder(source).specs.values()) > 90 << 20


def _anonymous() -> int:
    """Bytes of this process's anonymous memory: what a file mapped for reading takes can be had back."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) << 10
