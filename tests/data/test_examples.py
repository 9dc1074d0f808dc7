"""Rows become tokens with the phase that each counts towards."""

import json
import random

import numpy as np
import pytest
import tokenizers as library

from arabic_r1_jax.data.examples import (
    NO_LOSS,
    OTHER,
    PHASES,
    completion_phases,
    from_document,
    from_messages,
    from_record,
    read_examples,
)
from arabic_r1_jax.data.prompts import question_prompt
from arabic_r1_jax.data.tokenizers import ASSISTANT, BOS, EOS, USER, chat_prompt
from arabic_r1_jax.distill import curriculum, phases
from arabic_r1_jax.distill.record import Record, parse_record
from arabic_r1_jax.errors import UserError

COMPLETION = phases.join(
    "المعرفة المطلوبة: إعراب جمع المذكر السالم.\nالموقع فاعل، فالمطلوب ما آخره ون",
    "- أ: «المعلمون» آخره ون، فالخيار أ محتمل\n- ب: «المعلمين» آخره ين، فالخيار ب مستبعد",
    "العبارة المدققة: «المعلمون». يرفع جمع المذكر السالم بالواو.",
    "الصواب الخيار أ.",
    "أ",
)
QUESTION = {"id": "q1", "question": "اختر: حضر ____.", "options": ["المعلمون", "المعلمين"], "answer": 0}
RECORD = QUESTION | {"completion": COMPLETION}
TOKENIZERS = pytest.mark.parametrize("name", ["sentencepiece", "deepseek"])


def texts_by_phase(tok, ids, phase) -> dict[int, str]:
    return {int(p): tok.decode(np.asarray(ids)[np.asarray(phase) == p]) for p in np.unique(phase)}


@TOKENIZERS
def test_a_document_is_trained_whole(request, name):
    tok = request.getfixturevalue(name)
    example = from_document({"id": 7, "text": "كتب الطالب الدرس.", "category": "books"}, tok)
    assert example.tokens.tolist() == [tok.bos_id, *tok.encode("كتب الطالب الدرس."), tok.eos_id]
    assert example.phase.tolist() == [NO_LOSS] + [OTHER] * (len(example.tokens) - 1)
    assert (example.id, example.lang, example.category, example.whole) == ("7", "ar", "books", False)
    assert (example.tokens.dtype, example.phase.dtype) == (np.int32, np.int8)


@pytest.mark.parametrize("text, lang", [("The river", "en"), ("النهر river", "ar"), ("123", "ar")])
def test_the_language_of_a_document_is_that_of_its_letters(sentencepiece, text, lang):
    assert from_document({"text": text}, sentencepiece).lang == lang
    assert from_document({"text": text, "lang": "fr"}, sentencepiece).lang == "fr"
    assert from_document({"text": text, "lang": "AR-eg"}, sentencepiece).lang == "ar"


@TOKENIZERS
def test_a_record_masks_its_prompt_and_labels_its_phases(request, name):
    tok = request.getfixturevalue(name)
    record = parse_record(RECORD, "here")
    example = from_record(record, tok)
    prompt = chat_prompt(tok, question_prompt(record.question))
    assert example.tokens[: len(prompt)].tolist() == prompt
    assert not example.phase[: len(prompt)].any()
    assert (example.tokens[-1], example.phase[-1]) == (tok.eos_id, PHASES.index("final") + 1)
    assert example.whole
    spans = phases.parse(COMPLETION).spans
    found = texts_by_phase(tok, example.tokens[len(prompt) :], example.phase[len(prompt) :])
    assert found == {number: COMPLETION[slice(*spans[phase])] for number, phase in enumerate(PHASES, 1)}


@TOKENIZERS
def test_the_pieces_of_a_completion_are_those_of_its_phases(request, name):
    tok = request.getfixturevalue(name)
    ids, _ = completion_phases(COMPLETION, tok)
    parts = [COMPLETION[slice(*span)] for span in phases.parse(COMPLETION).spans.values()]
    assert ids == [i for part in parts for i in tok.encode(part)]
    assert ids.count(tok.end_think_id) == 1


@TOKENIZERS
def test_a_model_that_opens_its_thinking_learns_to_as_a_part_of_the_first_phase(request, name):
    tok = request.getfixturevalue(name)
    record = parse_record(RECORD, "here")
    masked, learnt = from_record(record, tok), from_record(record, tok, prefix="none")
    opening = [tok.think_id, *tok.encode("\n")]
    start = len(chat_prompt(tok, question_prompt(record.question), "none"))
    assert learnt.tokens.tolist() == masked.tokens.tolist()
    assert learnt.tokens[start : start + 2].tolist() == opening
    assert not learnt.phase[:start].any()
    assert not masked.phase[: start + 2].any()
    assert learnt.phase[start : start + 3].tolist() == [PHASES.index("analysis") + 1] * 3
    assert learnt.phase[start + 2 :].tolist() == masked.phase[start + 2 :].tolist()


@pytest.mark.parametrize("prefix", ["none", "think_nl"])
def test_a_record_tokenises_as_one_string_to_the_same_ids(deepseek, prefix):
    joint, rng = library.Tokenizer.from_file(str(deepseek.path)), random.Random(0)
    for family in curriculum.FAMILIES:
        for item in curriculum.items(family, 5, seed=0, held_out=False):
            record = curriculum.record(item, 0, rng)
            text = f"{BOS}{USER}{question_prompt(record.question)}{ASSISTANT}<think>\n{record.completion}{EOS}"
            example = from_record(record, deepseek, prefix=prefix)
            assert example.tokens.tolist() == joint.encode(text, add_special_tokens=False).ids


def test_a_completion_behind_white_space_would_merge_with_the_newline_of_the_prompt(deepseek):
    joined, apart = deepseek.encode("<think>\n\n## أ"), [deepseek.think_id, *deepseek.encode("\n")]
    assert joined[:2] != apart
    assert deepseek.encode("<think>\n## أ") == apart + deepseek.encode("## أ")


def test_text_outside_the_phases_is_trained_as_other_text(sentencepiece):
    record = Record(parse_record(RECORD, "here").question, "هذا جواب حر بلا أطوار.")
    example = from_record(record, sentencepiece)
    assert set(example.phase.tolist()) == {NO_LOSS, OTHER}
    assert example.phase[-1] == OTHER


@TOKENIZERS
def test_messages_are_trained_on_assistant_turns_only(request, name):
    tok = request.getfixturevalue(name)
    turns = [
        ("system", "كن موجزا"),
        ("user", "ما جمع معلم؟"),
        ("assistant", "معلمون"),
        ("user", "وكتاب؟"),
        ("assistant", "كتب"),
    ]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    example = from_messages(row, tok)
    system, first, answer, second, last = (tok.encode(content) for _, content in turns)
    expected = [
        ([tok.bos_id, *system, tok.user_id, *first, tok.assistant_id], NO_LOSS),
        ([*answer, tok.eos_id], OTHER),
        ([tok.user_id, *second, tok.assistant_id], NO_LOSS),
        ([*last, tok.eos_id], OTHER),
    ]
    assert example.tokens.tolist() == [i for ids, _ in expected for i in ids]
    assert example.phase.tolist() == [phase for ids, phase in expected for _ in ids]
    assert (example.lang, example.category) == ("ar", "dialogue")


def test_thoughts_are_learnt_in_the_last_turn_and_dropped_from_earlier_ones(sentencepiece):
    tok = sentencepiece
    thought = "<think>\nفكرة</think>\n\nجواب"
    row = {"messages": [{"role": role, "content": text} for role, text in [("user", "س"), ("assistant", thought)] * 2]}
    example = from_messages(row, tok)
    assert example.tokens.tolist().count(tok.think_id) == 1
    trained = tok.decode(example.tokens[example.phase == OTHER])
    assert trained == "\n\nجواب" + "فكرة</think>\n\nجواب"


@TOKENIZERS
@pytest.mark.parametrize("prefix", ["none", "think_nl"])
@pytest.mark.parametrize("after", [[], [("user", "شكرا")]])
def test_the_last_answer_keeps_its_thoughts_whatever_follows_it(request, name, prefix, after):
    tok = request.getfixturevalue(name)
    answer = "<think>\nفكرة\n</think>\n\nالإجابة: ب"
    turns = [("system", "أجب."), ("user", "كم؟"), ("assistant", answer), *after]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    example = from_messages(row, tok, prefix=prefix)
    start = example.tokens.tolist().index(tok.assistant_id) + 1
    assert tok.decode(example.tokens[start:]) == answer
    assert example.tokens[-1] == tok.eos_id
    assert example.phase[start:].tolist()[:2] == [OTHER if prefix == "none" else NO_LOSS] * 2
    assert set(example.phase[start + 2 :].tolist()) == {OTHER}
    assert not example.phase[:start].any()


def write(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_files_are_read_in_order_and_told_apart_by_their_keys(sentencepiece, tmp_path):
    chat = {"messages": [{"role": "user", "content": "س"}, {"role": "assistant", "content": "ج"}]}
    first = write(tmp_path / "a.jsonl", RECORD, chat)
    second = write(tmp_path / "b.jsonl", {"text": "نص"})
    examples = list(read_examples([first, second], sentencepiece))
    assert [example.category for example in examples] == ["reasoning", "dialogue", "text"]
    assert [example.where for example in examples] == [f"{first}: line 1", f"{first}: line 2", f"{second}: line 1"]


@pytest.mark.parametrize(
    "row, message",
    [
        (QUESTION, "is a question without a completion"),
        ({"txt": "نص"}, "is no training example"),
        (RECORD | {"completion": "\n## التحليل"}, '"completion" starts with white space'),
        (RECORD | {"completion": "\u00a0## التحليل"}, '"completion" starts with white space'),
        (RECORD | {"completion": "<think>\n## التحليل"}, '"completion" starts with <think>, which data.prefix puts'),
        ({"messages": [{"role": "assistant", "content": "\nج"}]}, "message 1 starts with white space"),
        ({"messages": [{"role": "assistant", "content": "<think>\n\n</think>\n\nج"}]}, "message 1 starts with white"),
        (RECORD | {"completion": ""}, '"completion" must be a non-empty string'),
        (RECORD | {"completion": ["a"]}, '"completion" must be a non-empty string'),
        (RECORD | {"category": 3}, '"category" must be a non-empty string'),
        (RECORD | {"options": ["one"]}, '"options" must be a list of 2 to 8'),
        ({"text": ""}, '"text" must be a non-empty string'),
        ({"text": None}, '"text" must be a non-empty string'),
        ({"messages": []}, '"messages" must be a list'),
        ({"messages": ["a"]}, 'message 1 has no "content" string'),
        ({"messages": [{"role": "user", "content": "س"}]}, "no assistant message"),
        ({"messages": [{"role": "bot", "content": "س"}]}, "the role of message 1 is 'bot'"),
        ({"messages": [{"role": "user", "content": "س"}, {"role": "system", "content": "س"}]}, "message 2 is a system"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(sentencepiece, tmp_path, row, message):
    path = write(tmp_path / "rows.jsonl", RECORD, row)
    with pytest.raises(UserError, match=message) as error:
        list(read_examples([path], sentencepiece))
    assert f"{path}: line 2" in str(error.value)


def test_bad_json_on_line_17_is_refused_with_file_and_line(sentencepiece, tmp_path):
    path = write(tmp_path / "rows.jsonl", *[RECORD] * 16)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"text": \n')
    with pytest.raises(UserError, match=r"rows\.jsonl: line 17 is not valid JSON"):
        list(read_examples([path], sentencepiece))
