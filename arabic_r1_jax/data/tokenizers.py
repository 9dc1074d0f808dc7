"""Text to token ids and back without loss: SentencePiece models and Hugging Face `tokenizer.json` behind one face.

In: the tokenizer file beside a checkpoint. Out: ids for `data.examples`, `data.prompts` and `infer.engine`.
The special pieces are DeepSeek-R1's own (`chat_prompt` below). Two rules hold for both kinds, and tests draw
strings at random to prove them:

* `decode(encode(s)) == s` for every string: no normalisation, no added or removed space;
* the text of `<｜begin▁of▁sentence｜>`, `<｜end▁of▁sentence｜>` or the padding piece inside a document is
  ordinary text; only `chat_prompt` and `data.examples` place those ids.
"""

import abc
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.data.prefix import DEFAULT, Prefix
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.paths import as_path

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
THINK, END_THINK = "<think>", "</think>"
SPACE = "▁"  # U+2581, how SentencePiece writes a space inside a piece


class Tokenizer(abc.ABC):
    """What the package asks of a tokenizer; ids are Python ints, texts are str.

    Attributes:
        vocab_size: number of ids, special pieces included.
        bos_id, eos_id, pad_id: `pad_id` is `eos_id` where the tokenizer has no padding piece (DeepSeek-V2).
        user_id, assistant_id, think_id, end_think_id: None where the tokenizer lacks the piece.
        sha256: identity of the tokenizer file; corpora and checkpoints record it.
    """

    def __init__(self, path: Path):
        self.path = path
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self.bos_id, self.eos_id = self._need(BOS), self._need(EOS)
        pad = self._id(PAD)
        self.pad_id = self.eos_id if pad is None else pad
        self.user_id, self.assistant_id = self._id(USER), self._id(ASSISTANT)
        self.think_id, self.end_think_id = self._id(THINK), self._id(END_THINK)

    @property
    @abc.abstractmethod
    def vocab_size(self) -> int: ...

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of `text` alone: no `bos`, no `eos`. `<think>` and `</think>` in it become their own ids."""

    @abc.abstractmethod
    def encode_with_ends(self, text: str) -> tuple[list[int], np.ndarray]:
        """`encode(text)`, and for each id the offset in `text` (int64, characters) at which its piece ends.

        A piece that ends inside a character (bytes of it) counts as ending behind that character.
        """

    @abc.abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids`; `bos`, `eos` and padding vanish, broken UTF-8 becomes U+FFFD."""

    @abc.abstractmethod
    def _id(self, piece: str) -> int | None:
        """Id of a piece spelled exactly so, or None."""

    def _need(self, piece: str) -> int:
        found = self._id(piece)
        if found is None:
            raise UserError(f"{self.path} has no piece {piece}; a DeepSeek tokenizer has one")
        return found

    def save(self, folder: Path) -> None:
        """Copy the tokenizer file into `folder` under the name by which `load_tokenizer` finds it."""
        artifacts.copy(self.path, as_path(folder) / self.path.name)


class SentencePieceTokenizer(Tokenizer):
    """`tokenizer.model` as `train_sentencepiece` writes it."""

    def __init__(self, path: Path):
        import sentencepiece

        try:
            self._model = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        except (OSError, RuntimeError) as error:
            raise UserError(f"{path} is not a SentencePiece model: {error}") from None
        super().__init__(path)
        size = self._model.get_piece_size()
        self._bytes = [self._piece_bytes(i) for i in range(size)]
        for i in {self.bos_id, self.eos_id, self.pad_id}:
            self._bytes[i] = b""
        # U+2581 in a text is not a space, yet inside pieces it stands for one; its UTF-8 bytes have their own pieces.
        self._mark = [self._model.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE.encode()]

    def _piece_bytes(self, i: int) -> bytes:
        piece = self._model.id_to_piece(i)
        if self._model.is_byte(i):
            return bytes([int(piece[3:5], 16)])
        return piece.replace(SPACE, " ").encode()

    @property
    def vocab_size(self) -> int:
        return self._model.get_piece_size()

    def encode(self, text: str) -> list[int]:
        first, *rest = text.split(SPACE)
        ids = self._model.encode(first)
        for part in rest:
            ids += self._mark
            ids += self._model.encode(part)
        return ids

    def encode_with_ends(self, text: str) -> tuple[list[int], np.ndarray]:
        ids = self.encode(text)
        opens = np.frombuffer(text.encode(), np.uint8) & 0xC0 != 0x80  # [bytes] first byte of a character
        last_byte = np.cumsum([len(self._bytes[i]) for i in ids], dtype=np.int64) - 1
        return ids, np.cumsum(opens, dtype=np.int64)[last_byte]

    def decode(self, ids: Iterable[int]) -> str:
        unknown = "\ufffd".encode()  # a model may have more rows than its tokenizer has pieces
        return b"".join([self._bytes[i] if i < len(self._bytes) else unknown for i in ids]).decode(errors="replace")

    def _id(self, piece: str) -> int | None:
        found = self._model.piece_to_id(piece)
        return None if self._model.is_unknown(found) else found


class HFTokenizer(Tokenizer):
    """`tokenizer.json` of a released DeepSeek checkpoint (byte-level BPE), read by the `tokenizers` library.

    `<｜User｜>` and `<｜Assistant｜>` are plain added tokens in those files, so their text encodes to their ids.
    """

    def __init__(self, path: Path):
        import tokenizers

        try:
            self._model = tokenizers.Tokenizer.from_buffer(path.read_bytes())
        except Exception as error:  # the library raises bare Exception
            raise UserError(f"{path} is not a tokenizer.json: {error}") from None
        self._model.encode_special_tokens = True  # the text of a special piece is text
        super().__init__(path)
        self._silent = {self.bos_id, self.eos_id, self.pad_id}

    @property
    def vocab_size(self) -> int:
        return self._model.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        return self._model.encode(text, add_special_tokens=False).ids

    def encode_with_ends(self, text: str) -> tuple[list[int], np.ndarray]:
        encoding = self._model.encode(text, add_special_tokens=False)
        return encoding.ids, np.array([end for _, end in encoding.offsets], np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        kept = [int(i) for i in ids if i not in self._silent]
        return self._model.decode(kept, skip_special_tokens=False)

    def _id(self, piece: str) -> int | None:
        return self._model.token_to_id(piece)


FILES = {"tokenizer.json": HFTokenizer, "tokenizer.model": SentencePieceTokenizer}  # in order of preference


def load_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of a checkpoint folder, chosen by the file present; None when there is none."""
    for name, kind in FILES.items():
        if (path := as_path(folder) / name).is_file():
            return kind(path)
    return None


def chat_prompt(tok: Tokenizer, user_text: str, prefix: Prefix = DEFAULT) -> list[int]:
    """Ids of `<bos><｜User｜>text<｜Assistant｜>` and, by the policy "think_nl", `<think>` and a newline.

    The ids are built piece by piece: the template as one string would put a second `bos` in front, and would merge
    the newline with what follows it. A completion is encoded apart and must not start with white space.

    Raises `UserError` when the tokenizer lacks one of the pieces.
    """
    user = _chat_id(tok, USER, tok.user_id)
    return [tok.bos_id, user, *tok.encode(user_text), *assistant_opening(tok, prefix)]


def assistant_opening(tok: Tokenizer, prefix: Prefix) -> list[int]:
    """Ids with which a prompt ends: `<｜Assistant｜>`, and by "think_nl" what `think_opening` gives."""
    return [_chat_id(tok, ASSISTANT, tok.assistant_id), *(think_opening(tok) if prefix == "think_nl" else [])]


def think_opening(tok: Tokenizer) -> list[int]:
    """Ids of `<think>` and a newline."""
    return [_chat_id(tok, THINK, tok.think_id), *tok.encode("\n")]


def _chat_id(tok: Tokenizer, piece: str, i: int | None) -> int:
    if i is None:
        raise UserError(f"{tok.path} has no piece {piece}, which a chat prompt needs; use an R1 or V3 tokenizer")
    return i


# The defaults of SentencePiece rewrite Arabic text (NFKC), cut diacritics off their letters (splitting by script), and
# add and remove spaces.
_LOSSLESS = {
    "model_type": "bpe",
    "normalization_rule_name": "identity",
    "split_by_unicode_script": False,
    "split_digits": True,
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "byte_fallback": True,
    "max_sentence_length": 1 << 20,
    "minloglevel": 2,
}
_PIECES = {
    "bos_id": 0,
    "bos_piece": BOS,
    "eos_id": 1,
    "eos_piece": EOS,
    "pad_id": 2,
    "pad_piece": PAD,
    "unk_id": 3,
    "control_symbols": [USER, ASSISTANT],
}


def train_sentencepiece(
    lines: Iterable[str],
    model_path: Path,
    *,
    vocab_size: int,
    symbols: Sequence[str],
    character_coverage: float = 0.9995,
) -> None:
    """Train a lossless BPE model for Arabic and write it to `model_path`, whole or not at all.

    Args:
        lines: texts of any length; newlines inside are kept.
        model_path: the file, by convention `tokenizer.model`.
        vocab_size: number of ids, of which 256 are bytes and 10 the special pieces, the space and the newline.
        symbols: texts that are never cut and never merged with a neighbour, longest match first, written with
            ordinary spaces and newlines ("## التحليل\\n").
        character_coverage: share of the characters that get pieces; the rest are spelt in bytes.

    The space is a symbol of its own, so that a word is cut the same after a space as after a quotation mark: a small
    model copies a word piece by piece only then.

    Raises `UserError` when the texts cannot fill or the symbols overfill `vocab_size`.
    """
    import sentencepiece

    pieces = dict.fromkeys([THINK, END_THINK, " ", "\n", *symbols])
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            user_defined_symbols=[piece.replace(" ", SPACE) for piece in pieces],
            **_LOSSLESS,
            **_PIECES,
        )
    except RuntimeError as error:
        raise UserError(f"{model_path}: no tokenizer of {vocab_size} pieces from these texts: {error}") from None
    model_path = Path(model_path)
    temporary = model_path.with_name(f".{model_path.name}.tmp")
    temporary.write_bytes(model.getvalue())
    os.replace(temporary, model_path)
