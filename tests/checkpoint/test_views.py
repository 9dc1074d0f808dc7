"""FP8 in and out of a checkpoint: exactly DeepSeek's numbers, and nothing that was not asked for changes."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arabic_r1_jax.checkpoint import convert, hf, peft, views
from arabic_r1_jax.checkpoint.load import load
from arabic_r1_jax.checkpoint.source import base_sha, open_folder
from arabic_r1_jax.checkpoint.verify import verify
from arabic_r1_jax.cli import main
from arabic_r1_jax.model.lora import LoraConfig

E4M3, BF16 = ml_dtypes.float8_e4m3fn, ml_dtypes.bfloat16


def test_every_code_widens_to_its_own_value():
    torch = pytest.importorskip("torch")
    codes = np.arange(256, dtype=np.uint8)
    wide = views.widen(codes.view(E4M3).reshape(2, 128), np.full((1, 1), 1.5, np.float32))
    expected = torch.from_numpy(codes).view(torch.float8_e4m3fn).float().numpy().reshape(2, 128) * np.float32(1.5)
    np.testing.assert_array_equal(wide, expected)
    assert np.isnan(wide).sum() == 2
    assert wide[0, 1] == 1.5 * 2**-9  # the smallest subnormal


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_quantising_is_within_half_a_step_of_every_value(rows, columns, seed):
    random = np.random.default_rng(seed)
    values = (random.normal(size=(rows, columns)) * 10.0 ** random.integers(-6, 6)).astype(np.float32)
    codes, scale = views.narrow(values)
    assert scale.shape == (-(-rows // 128), -(-columns // 128))
    wide = views.widen(codes, scale)
    step = np.repeat(np.repeat(scale, 128, 0), 128, 1)[:rows, :columns]
    assert (np.abs(wide - values) <= np.maximum(np.abs(values) * 2**-4, step * 2**-10) * 1.0001).all()
    again = views.narrow(wide)
    np.testing.assert_array_equal(views.widen(*again), wide)  # what is FP8 stays itself


def test_a_matrix_of_zeros_stays_zero():
    codes, scale = views.narrow(np.zeros((3, 200), np.float32))
    assert np.isfinite(scale).all()
    assert not views.widen(codes, scale).any()


@pytest.mark.parametrize("dtype", ["bf16", "float32"])
def test_a_dequantised_conversion_has_the_references_values(make_fp8, tmp_path, dtype):
    source = hf.open_folder(make_fp8(mtp=True))
    convert.hf_to_orbax(source.folder, tmp_path / "orbax", dtype)
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    back = hf.open_folder(tmp_path / "back")
    assert "quantization_config" not in back.config
    wanted = np.dtype(BF16 if dtype == "bf16" else np.float32)
    assert back.config["torch_dtype"] == wanted.name
    weights = [name for name, spec in source.specs.items() if spec.dtype == E4M3]
    assert any(name.startswith("model.layers.3.") for name in weights)  # the MTP layer's too
    for name in weights:
        scale = source.read(name + "_scale_inv")
        whole = np.kron(scale, np.ones((128, 128), np.float32))[
            : source.specs[name].shape[0], : source.specs[name].shape[1]
        ]
        expected = (source.read(name).astype(np.float32) * whole).astype(wanted)
        np.testing.assert_array_equal(back.read(name), expected, err_msg=name)
    assert not [name for name in back.specs if name.endswith("_scale_inv")]


def adapter_of(folder, at, random_adapter, targets=("attention",)):
    _, cfg = open_folder(folder)
    lora = LoraConfig(2, 4.0, targets)
    factors = random_adapter(cfg, lora)
    peft.save_adapter(at, factors, cfg, lora, base_sha(folder))
    return cfg, *peft.open_adapter(at, cfg)[:2]


def test_a_merge_into_fp8_rounds_what_is_adapted_and_keeps_the_bytes_of_the_rest(make_fp8, tmp_path, random_adapter):
    source = hf.open_folder(make_fp8(mtp=True))
    cfg, lora, pair = adapter_of(source.folder, tmp_path / "adapter", random_adapter)
    convert.merge(source.folder, tmp_path / "adapter", tmp_path / "merged", "fp8")
    merged, _ = open_folder(tmp_path / "merged")
    assert merged.specs.keys() == source.specs.keys()
    assert merged.config["quantization_config"] == source.config["quantization_config"]
    wide = views.cast(source, cfg, np.dtype(np.float32))
    summed = peft.merged(wide.read, cfg, lora, pair)
    for name in source.specs:
        if ".self_attn." in name and "norm" not in name and "layers.3" not in name:
            weight = name.removesuffix("_scale_inv")
            expected = views.narrow(summed(weight))[name.endswith("_scale_inv")]
            np.testing.assert_array_equal(merged.read(name), expected, err_msg=name)
        else:
            assert merged.read(name).tobytes() == source.read(name).tobytes(), name


def test_a_merge_of_an_fp8_base_is_bfloat16_by_default(make_fp8, tmp_path, random_adapter):
    source = hf.open_folder(make_fp8())
    cfg, lora, pair = adapter_of(source.folder, tmp_path / "adapter", random_adapter, ("attention", "experts"))
    convert.merge(source.folder, tmp_path / "adapter", tmp_path / "merged")
    merged, found = open_folder(tmp_path / "merged")
    assert not found.fp8
    summed = peft.merged(views.cast(source, cfg, np.dtype(np.float32)).read, cfg, lora, pair)
    for name in merged.specs:
        expected = summed(name)
        if merged.specs[name].dtype == BF16:
            expected = expected.astype(BF16)
        assert merged.read(name).tobytes() == expected.tobytes(), name


def test_a_bfloat16_base_merges_into_fp8_that_is_read_again(make_hf, tmp_path, random_adapter):
    folder = make_hf(hidden_size=136)
    adapter_of(folder, tmp_path / "adapter", random_adapter)
    convert.merge(folder, tmp_path / "adapter", tmp_path / "merged", "fp8")
    merged, cfg = open_folder(tmp_path / "merged")
    assert cfg.fp8
    assert merged.specs["model.layers.1.mlp.gate.weight"].dtype == BF16
    assert merged.specs["model.layers.1.mlp.gate.e_score_correction_bias"].dtype == np.float32
    assert merged.specs["model.layers.1.mlp.experts.0.up_proj.weight"].dtype == E4M3


def test_scales_are_those_of_quantising():
    values = np.random.default_rng(0).normal(size=(130, 300)).astype(np.float32)
    np.testing.assert_array_equal(views.scales(values), views.narrow(values)[1])


@pytest.mark.parametrize("name, stored", [("v3", "bf16"), ("v2-lite", "bf16"), ("v3-no-q-lora-tied", "float32")])
def test_a_base_becomes_fp8_in_its_linears_and_bfloat16_in_the_rest(make_hf, tmp_path, name, stored):
    """Sizes at, above and below a block. Equal to quantising by hand; released again with what readers ask for."""
    source, _ = open_folder(make_hf(name, stored, mtp=True, hidden_size=136, moe_intermediate_size=128))
    convert.hf_to_orbax(source.folder, tmp_path / "orbax", "fp8")
    made, cfg = open_folder(tmp_path / "orbax")
    assert cfg.fp8
    assert made.config["quantization_config"] == views.QUANTIZATION
    assert made.config["torch_dtype"] == "bfloat16"
    linears = {n for n, spec in source.specs.items() if "_proj" in n and "eh_proj" not in n}
    assert {n for n, spec in made.specs.items() if spec.dtype == E4M3} == linears
    for weight in source.specs:
        values = source.read(weight).astype(np.float32)
        if weight in linears:
            codes, scale = views.narrow(values)
            assert made.read(weight).tobytes() == codes.tobytes(), weight
            np.testing.assert_array_equal(made.read(weight + "_scale_inv"), scale, err_msg=weight)
        elif "mlp.gate." in weight:  # the router
            np.testing.assert_array_equal(made.read(weight), source.read(weight), err_msg=weight)
        else:
            kept = source.read(weight) if "layers.3" in weight else values.astype(BF16)
            assert made.read(weight).tobytes() == kept.tobytes(), weight
    assert verify(source.folder, tmp_path / "orbax") == []
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "released")
    released, _ = open_folder(tmp_path / "released")
    assert released.config == made.config
    assert all(released.read(each).tobytes() == made.read(each).tobytes() for each in made.specs)
    assert base_sha(tmp_path / "released") == base_sha(tmp_path / "orbax")


def test_a_model_quantised_on_either_way_is_the_same(make_hf, contents, tmp_path):
    convert.hf_to_orbax(source := make_hf(), tmp_path / "small", "fp8")
    convert.orbax_to_hf(tmp_path / "small", tmp_path / "there")
    convert.hf_to_orbax(source, tmp_path / "wide")
    convert.orbax_to_hf(tmp_path / "wide", tmp_path / "back", "fp8")
    assert contents(tmp_path / "there") == contents(tmp_path / "back")
    for quantised in ("there", "back", "small"):
        assert verify(tmp_path / quantised, tmp_path / "back") == []
    assert verify(tmp_path / "wide", tmp_path / "back") == []
    convert.hf_to_orbax(tmp_path / "back", tmp_path / "again", "fp8")  # what is FP8 stays as it is
    assert base_sha(tmp_path / "again") == base_sha(tmp_path / "small")


def test_the_logits_of_a_quantised_base_are_near(make_base, tmp_path, capsys):
    """FP8 has 3 bits behind the point: some percent of the logits. The median, for a token that the random router now
    sends to another expert is far off."""
    source = make_base("bfloat16")
    words = ["convert", "hf-to-orbax", str(source), str(tmp_path / "orbax"), "--dtype", "fp8"]
    assert main(words) == 0
    assert main(["convert", "verify", str(source), str(tmp_path / "orbax")]) == 0
    small = load(tmp_path / "orbax")
    assert small.config.fp8
    assert small.dtype == BF16
    assert small.tokenizer is not None
    ids = np.random.default_rng(0).integers(0, 640, (4, 32), np.int32)
    assert np.isfinite(np.asarray(small(ids))).all()
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "dequantised", "float32")
    got, same, wide = (
        np.asarray(load(folder, dtype="float32")(ids))
        for folder in (tmp_path / "orbax", tmp_path / "dequantised", source)
    )
    np.testing.assert_allclose(got, same, atol=1e-4)
    assert 0 < np.median(np.abs(got - wide)) < 0.1 * wide.std()
