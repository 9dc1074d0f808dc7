"""Tokenizers lose nothing, and build the prompt that DeepSeek-R1 was trained on."""

import json

import pytest
import tokenizers as library
from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.data import tokenizers
from arabic_r1_jax.data.tokenizers import ASSISTANT, BOS, THINK, USER, chat_prompt, load_tokenizer
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


@pytest.mark.parametrize("name, think", [("deepseek", 128821), ("r1", 128798)])
def test_chat_prompt_is_the_template_of_r1_in_the_ids_of_the_tokenizer_at_hand(request, name, think):
    tok, text = request.getfixturevalue(name), "ما جمع «معلم»؟"
    expected = [0, 128803, *tok.encode(text), 128804, think, 201]
    assert chat_prompt(tok, text) == chat_prompt(tok, text, "think_nl") == expected
    assert chat_prompt(tok, text, "none") == expected[:-2]
    assert (tok.think_id, tok.end_think_id) == (think, think + 1)
    assert tok.encode("<think>نعم</think>") == [think, *tok.encode("نعم"), think + 1]


@pytest.mark.parametrize("prefix, opening", [("none", ""), ("think_nl", f"{THINK}\n")])
@pytest.mark.parametrize("text", ["ما جمع «معلم»؟", " سطر\n\nوآخر \n", "كَتَبَ 123", "question\n"])
def test_chat_prompt_equals_the_template_tokenised_as_one_string(deepseek, text, prefix, opening):
    whole = library.Tokenizer.from_file(str(deepseek.path)).encode(
        f"{BOS}{USER}{text}{ASSISTANT}{opening}", add_special_tokens=False
    )
    assert chat_prompt(deepseek, text, prefix) == whole.ids


def test_a_file_that_adds_bos_by_itself_gives_no_second_one(deepseek, rewritten):
    def add_bos(content: dict) -> None:
        first, text = {"SpecialToken": {"id": BOS, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [first, text],
            "pair": [first, text, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {BOS: {"id": BOS, "ids": [0], "tokens": [BOS]}},
        }

    folder = rewritten(add_bos)
    (folder / "tokenizer_config.json").write_text(json.dumps({"add_bos_token": True}))
    assert library.Tokenizer.from_file(str(folder / "tokenizer.json")).encode("س").ids[0] == 0
    tok = load_tokenizer(folder)
    assert chat_prompt(tok, "سؤال") == chat_prompt(deepseek, "سؤال")
    assert tok.encode_with_ends("سؤال")[0] == deepseek.encode("سؤال")


@pytest.mark.parametrize("name", ["sentencepiece", "deepseek"])
def test_bos_in_the_users_text_is_text(request, name):
    tok = request.getfixturevalue(name)
    ids = chat_prompt(tok, f"{BOS}سؤال{BOS}")
    assert ids.count(tok.bos_id) == 1
    assert tok.decode(ids).count(BOS) == 2


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
    monkeypatch.undo()
    monkeypatch.setattr(sentencepiece, "think_id", None)
    with pytest.raises(UserError, match="no piece <think>"):
        chat_prompt(sentencepiece, "سؤال")
    assert chat_prompt(sentencepiece, "سؤال", "none")[-1] == sentencepiece.assistant_id


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
