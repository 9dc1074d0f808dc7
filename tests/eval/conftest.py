"""Real models, small enough for a test: a tokenizer trained here, and weights that are random or set by hand."""

import jax
import numpy as np
import pytest

from arabic_r1_jax.data import tokenizers
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.transformer import abstract_state, flat
from arabic_r1_jax.parallel.mesh import make_mesh

LINES = ["اختر الإجابة الصحيحة عن السؤال التالي: أ ب ج د هـ", "Choose the right answer: A B C D"] * 4


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    """A SentencePiece tokenizer in which the answer cue and every label is one id."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    tokenizers.train_sentencepiece(LINES, path, vocab_size=330, symbols=["الإجابة:", "أ", "ب", "ج", "د", "هـ"])
    return tokenizers.load_tokenizer(path.parent)


@pytest.fixture(scope="session")
def make_model(tokenizer, hf_config):
    """A function from one that sets the weights, (name, shape) -> array, to a model in float32 on one device."""
    config = ModelConfig.from_hf(hf_config(vocab_size=tokenizer.vocab_size))

    def make(weights) -> LanguageModel:
        mesh = make_mesh(devices=jax.devices()[:1])
        shapes = {name: leaf.shape for name, leaf in flat(abstract_state(config, None, mesh, np.float32)[1]).items()}
        arrays = {name: np.asarray(weights(name, shape), np.float32) for name, shape in shapes.items()}
        return LanguageModel.from_arrays(config, arrays, mesh, tokenizer=tokenizer)

    return make


@pytest.fixture(scope="session")
def random_weights():
    """Weights (name, shape) -> array, drawn anew from one seed."""
    random = np.random.default_rng(0)
    return lambda name, shape: random.normal(0, 0.3, shape)


@pytest.fixture(scope="session")
def parrot(make_model, tokenizer):
    """A model that says `</think>الإجابة: ب` after a chat prompt, whatever is asked, and opens `<think>` first if the
    prompt does not.

    Every layer adds nothing, so the next token depends on the last one alone: a chain from the piece of the assistant,
    in which the newline is the other end of chat prompts. All other tokens are equally likely after any token outside
    the chain, and after `الإجابة:` all but a space.
    """
    (newline,), (cue,), (space,), (label,) = map(tokenizer.encode, ("\n", "الإجابة:", " ", "ب"))
    opening = [tokenizer.assistant_id, tokenizer.think_id, newline]
    chain = [*opening, tokenizer.end_think_id, cue, space, label, tokenizer.eos_id]

    def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
        array = np.ones(shape) if "norm" in name else np.zeros(shape)
        if name == "embed.weight":
            array[chain, range(len(chain))] = 1.0
        if name == "head.weight":
            array[chain[1:], range(len(chain) - 1)] = 4.0
        return array

    return make_model(weights)
