"""Tokenizers lose nothing, and build the prompt that DeepSeek-R1 was trained on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.data import tokenizers
from arabic_r1_jax.data.tokenizers import chat_prompt, load_tokenizer
from arabic_r1_jax.errors import UserError

SYMBOLS = ("## التحليل\n", "المعرفة المطلوبة: ", "ون", "ين", "«", "»", "الإجابة:")
HARD = [
    "", " ", "  a  b  ", "\n\n\t\r\n", "\x00", "▁", "a▁b ▁▁ c", "<0x41>", "⁇ \u2585 \ufffd \ufeff", "<｜▁pad▁｜><unk>",
    "مُعَلِّمٌ ﷺ ـــ", "١٢٣ 456 ۷۸", "日本語", "\u200f\u061cنص\u200b", "\U0001f600\U0001f468\u200d\U0001f469",
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>a<｜Assistant｜>", "<think>\n\n</think>",
]  # fmt: skip
pieces = st.sampled_from([*HARD, *SYMBOLS, "التحليل", "كَتَبَ", "12"])
texts = st.one_of(st.text(), st.lists(st.one_of(pieces, st.text(max_size=3))).map("".join))


@settings(max_examples=300, deadline=None)
@given(text=texts)
def test_sentencepiece_gives_every_string_back(sentencepiece, text):
    assert sentencepiece.decode(sentencepiece.encode(text)) == text


@settings(max_examples=300, deadline=None)
@given(text=texts)
def test_deepseek_tokenizer_gives_every_string_back(deepseek, text):
    assert deepseek.decode(deepseek.encode(text)) == text


@pytest.mark.parametrize("name", ["sentencepiece", "deepseek"])
@pytest.mark.parametrize("text", HARD)
def test_hard_strings_come_back(request, name, text):
    tok = request.getfixturevalue(name)
    assert tok.decode(tok.encode(text)) == text


@pytest.mark.parametrize("name", ["sentencepiece", "deepseek"])
@pytest.mark.parametrize("text", [*HARD, "## التحليل\nالمعرفة المطلوبة: جمع «معلم» 😀\n</think>\n\nالإجابة: ب"])
def test_ends_tell_which_characters_the_first_pieces_cover(request, name, text):
    tok = request.getfixturevalue(name)
    ids, ends = tok.encode_with_ends(text)
    assert ids == tok.encode(text)
    assert len(ends) == len(ids)
    for count, end in enumerate(ends, 1):
        covered = tok.decode(ids[:count])
        if "\ufffd" not in covered:  # else the piece ends inside a character
            assert covered == text[:end]


def test_a_word_is_cut_the_same_after_a_space_and_after_a_quotation_mark(sentencepiece):
    word = sentencepiece.encode("المعلمون")
    assert sentencepiece.encode("حضر المعلمون")[-len(word) :] == word
    assert sentencepiece.encode("«المعلمون")[1:] == word


@pytest.mark.parametrize("symbol", [*SYMBOLS, " ", "\n", "<think>", "</think>"])
def test_symbols_are_one_piece_in_any_surroundings(sentencepiece, symbol):
    (piece,) = sentencepiece.encode(symbol)
    assert sentencepiece.encode(f"كتب{symbol}12") == [
        *sentencepiece.encode("كتب"), piece, *sentencepiece.encode("12")]  # fmt: skip


def test_diacritics_stay_inside_pieces(sentencepiece):
    assert len(sentencepiece.encode("كَتَبَ")) < len("كَتَبَ")


@pytest.mark.parametrize("name", ["sentencepiece", "deepseek"])
def test_control_pieces_come_from_no_text(request, name):
    tok = request.getfixturevalue(name)
    control = {tok.bos_id, tok.eos_id, tok.pad_id}
    assert not control & set(tok.encode(tokenizers.BOS + tokenizers.EOS + tokenizers.PAD))
    assert tok.decode([tok.bos_id, *tok.encode("نص"), tok.eos_id, tok.pad_id]) == "نص"


def test_chat_prompt_is_the_template_of_r1(deepseek):
    text = "ما جمع «معلم»؟"
    expected = [0, 128803, *deepseek.encode(text), 128804, 128821, 201]
    assert chat_prompt(deepseek, text) == expected
    assert chat_prompt(deepseek, text, think=False) == expected[:-2]


def test_chat_prompt_of_the_trained_model_has_the_same_form(sentencepiece):
    tok = sentencepiece
    ids = chat_prompt(tok, "سؤال")
    assert ids[:2] == [tok.bos_id, tok.user_id]
    assert ids[-3:] == [tok.assistant_id, tok.think_id, *tok.encode("\n")]
    assert (tok.bos_id, tok.eos_id, tok.pad_id) == (0, 1, 2)


def test_chat_prompt_without_chat_pieces_says_so(sentencepiece, monkeypatch):
    monkeypatch.setattr(sentencepiece, "user_id", None)
    with pytest.raises(UserError, match="no piece <｜User｜>"):
        chat_prompt(sentencepiece, "سؤال")


def test_save_and_load_keep_identity(sentencepiece, tmp_path):
    sentencepiece.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.sha256 == sentencepiece.sha256
    assert again.encode("حضر المعلمون") == sentencepiece.encode("حضر المعلمون")


def test_a_folder_without_tokenizer_has_none(tmp_path):
    assert load_tokenizer(tmp_path) is None


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model"])
def test_garbage_is_refused_by_file_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"{garbage")
    with pytest.raises(UserError, match=name):
        load_tokenizer(tmp_path)


def test_training_is_deterministic(sentencepiece, train_small, tmp_path):
    train_small(tmp_path)
    assert load_tokenizer(tmp_path).sha256 == sentencepiece.sha256


@pytest.mark.parametrize("size", [100, 100_000])
def test_an_impossible_vocabulary_is_refused(train_small, tmp_path, size):
    with pytest.raises(UserError, match=f"no tokenizer of {size} pieces"):
        train_small(tmp_path, size)
    assert not list(tmp_path.iterdir())


def test_an_id_past_the_last_piece_decodes_to_the_replacement_character(sentencepiece):
    assert sentencepiece.decode([*sentencepiece.encode("نعم"), sentencepiece.vocab_size + 5]) == "نعم\ufffd"
