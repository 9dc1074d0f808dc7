"""From a folder to a model on a mesh: every bit in its place, and an adapted model that equals the merged one."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert, hf, orbax, peft, source, weight_map
from arabic_r1_jax.checkpoint.load import base_sha, load, place
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import TARGETS, LoraConfig
from arabic_r1_jax.model.transformer import abstract_state, flat
from arabic_r1_jax.parallel.mesh import make_mesh

VARIANTS = ["v3", "v3-no-q-lora-tied", "v3-no-dense", "v2-lite", "v2-q-lora"]
LORA = LoraConfig(rank=4, alpha=6.0, targets=TARGETS, expert_rank=2)


@pytest.fixture
def adapted(make_hf, random_adapter, tmp_path):
    """(base, adapter, merged): folders of a float32 V3 whose every linear is adapted."""
    base = make_hf(dtype="float32", torch_dtype="float32")
    cfg = ModelConfig.from_hf(hf.read_config(base))
    peft.save_adapter(tmp_path / "adapter", random_adapter(cfg, LORA), cfg, LORA, base_sha(base))
    convert.merge(base, tmp_path / "adapter", tmp_path / "merged")
    return base, tmp_path / "adapter", tmp_path / "merged"


@pytest.mark.parametrize("form", ["hf", "orbax"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_bit_lies_where_the_model_wants_it(make_hf, tmp_path, variant, form):
    folder = make_hf(variant, shard_bytes=3000, mtp=True)
    released = hf.open_folder(folder)
    if form == "orbax":
        convert.hf_to_orbax(folder, tmp_path / "orbax")
        folder = tmp_path / "orbax"
    mesh = make_mesh(data=2, expert=4)
    model = load(folder, mesh=mesh)
    wanted = flat(abstract_state(model.config, None, mesh, jnp.bfloat16)[1])
    found = flat(model.state)
    assert found.keys() == wanted.keys() == weight_map.entries(model.config).keys()
    for name, entry in weight_map.entries(model.config).items():
        assert found[name].sharding == wanted[name].sharding, name
        assert np.asarray(found[name]).tobytes() == weight_map.stack(entry, released.read).tobytes(), name


def test_each_device_reads_its_own_experts_only(make_hf):
    folder = source.open_folder(make_hf())[0]
    cfg = ModelConfig.from_hf(folder.config)
    shape = flat(abstract_state(cfg, None, make_mesh(expert=4, devices=jax.devices()[:4]), jnp.bfloat16)[1])
    parts = []
    original = weight_map.stack

    def watch(entry, read, window=None, dtype=None):
        parts.append(original(entry, read, window, dtype))
        return parts[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_map, "stack", watch)
        place(folder, cfg, {"experts.up.weight": shape["experts.up.weight"]})
    assert [part.shape for part in parts] == [(2, 1, 12, 24)] * 4


@pytest.mark.parametrize(
    "stored, asked, compute, weights",
    [
        ("bf16", None, "bfloat16", "bfloat16"),
        ("float32", None, "float32", "float32"),
        ("bf16", "float32", "float32", "bfloat16"),  # widened where it is used: exact, and half the memory
        ("float32", "bf16", "bfloat16", "bfloat16"),
        ("float32", jnp.bfloat16, "bfloat16", "bfloat16"),
    ],
)
@pytest.mark.parametrize("form", ["hf", "orbax"])
def test_the_compute_dtype_narrows_weights_and_never_the_router(
    make_hf, tmp_path, form, stored, asked, compute, weights
):
    folder = make_hf(dtype=stored)
    if form == "orbax":
        convert.hf_to_orbax(folder, tmp_path / "orbax")
        folder = tmp_path / "orbax"
    model = load(folder, dtype=asked)
    assert model.dtype == compute
    for name, array in flat(model.state).items():
        if name == "moe.router.bias" or (name == "moe.router.weight" and stored == "float32"):
            assert array.dtype == jnp.float32
        else:
            assert array.dtype == weights, name


def test_the_adapted_model_equals_its_merged_form_in_transformers(adapted):
    """On 8 devices, every module kind adapted. 2e-4 at logits of order 10: float32 sums in another order."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    base, adapter, merged = adapted
    model = load(base, adapter, mesh=make_mesh(data=2, expert=4))
    ids = np.random.default_rng(0).integers(0, model.config.vocab_size, (3, 12))
    with torch.no_grad():
        reference = transformers.AutoModelForCausalLM.from_pretrained(merged, dtype="float32").eval()
        want = reference(torch.from_numpy(ids)).logits.numpy()
    np.testing.assert_allclose(np.asarray(model(ids)), want, atol=2e-4 * max(1, np.abs(want).max() / 10))
    assert model.lora.rank_of("experts") == 2


def test_an_adapter_is_loaded_onto_the_orbax_form_of_its_base(adapted, random_adapter, tmp_path):
    base, adapter, _ = adapted
    convert.hf_to_orbax(base, tmp_path / "orbax")
    model = load(tmp_path / "orbax", adapter)
    for name, factor in random_adapter(model.config, LORA).items():
        np.testing.assert_array_equal(np.asarray(flat(model.state)[name]), factor)


def test_an_adapter_of_another_base_is_refused(adapted, make_hf, tmp_path):
    _, adapter, _ = adapted
    other = make_hf(dtype="float32", seed=5, at="other")
    convert.hf_to_orbax(other, tmp_path / "other-orbax")
    for folder in (other, tmp_path / "other-orbax"):
        with pytest.raises(UserError, match="trained on another base"):
            load(folder, adapter)


def test_a_folder_that_is_no_model_is_refused_by_what_it_is(adapted, tmp_path):
    _, adapter, _ = adapted
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    artifacts.write_manifest(tmp_path / "run", "run")
    for folder, message in {
        tmp_path / "nowhere": "does not exist",
        tmp_path / "empty": "holds no model",
        tmp_path / "run": "holds no model",
        adapter: "holds an adapter, not a model",
    }.items():
        with pytest.raises(UserError, match=message):
            load(folder)


def test_a_tokenizer_of_another_model_is_refused(make_hf, phrase_tokenizer):
    folder = make_hf()  # a vocabulary of 40
    shutil.copy(phrase_tokenizer / "tokenizer.model", folder)
    with pytest.raises(UserError, match=r"tokenizer\.model has 640 pieces, but the model's vocab_size is 40"):
        load(folder)


def test_an_unknown_dtype_is_refused(make_hf):
    with pytest.raises(UserError, match="'int8' is unknown"):
        load(make_hf(), dtype="int8")


def test_a_damaged_orbax_folder_is_refused(make_hf, tmp_path):
    convert.hf_to_orbax(make_hf(), tmp_path / "orbax")
    (tmp_path / "orbax" / orbax.PARAMS / "_METADATA").unlink()
    with pytest.raises(UserError, match="_METADATA is missing"):
        load(tmp_path / "orbax")
    manifest = artifacts.read_json(tmp_path / "orbax" / artifacts.MANIFEST)
    for key in ("params", "files", "base_sha"):
        artifacts.write_json(tmp_path / "orbax" / artifacts.MANIFEST, {**manifest, key: None})
        with pytest.raises(UserError, match=f'manifest.json has no "{key}"'):
            load(tmp_path / "orbax")


@pytest.mark.parametrize("form", ["hf", "orbax"])
def test_a_loaded_fp8_folder_has_the_logits_of_its_dequantised_form(make_fp8, tmp_path, form):
    folder = make_fp8()
    convert.hf_to_orbax(folder, tmp_path / "wide", "float32")
    if form == "orbax":
        convert.hf_to_orbax(folder, tmp_path / "orbax")
        folder = tmp_path / "orbax"
    lm = load(folder, dtype="float32", mesh=make_mesh(1, 2))
    assert flat(lm.state)["experts.up.weight"].dtype == jnp.float8_e4m3fn
    assert load(folder).dtype == jnp.bfloat16
    ids = np.random.default_rng(0).integers(0, lm.config.vocab_size, (4, 12), np.int32)
    expected = np.asarray(load(tmp_path / "wide", dtype="float32")(ids))
    np.testing.assert_allclose(np.asarray(lm(ids)), expected, atol=1e-4 * max(1, np.abs(expected).max() / 10), rtol=0)
