import json

import pytest

from arabic_r1_jax.data.tokenizers import chat_prompt, load_tokenizer, train_sentencepiece
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.completions import read_prompts

LINES = ["حضر المعلمون ورأيت المعلمين والمعلمات.", "كتب الطالب الدرس ثم قرأه الطالب على المعلم."] * 4


@pytest.fixture(scope="module")
def tok(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_sentencepiece(LINES, folder / "tokenizer.model", vocab_size=300, symbols=[])
    return load_tokenizer(folder)


def turn(role, content):
    return {"role": role, "content": content}


def test_prompts_are_read_in_both_forms_and_named(tok, tmp_path):
    path = tmp_path / "p.jsonl"
    rows = [{"id": "a", "prompt": "حضر"}, {"messages": [turn("user", "كم؟")]}, {"id": 7, "prompt": ""}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    names, prompts = read_prompts(path, tok)
    assert names == ["a", 2, 7]
    assert prompts == [[tok.bos_id, *tok.encode("حضر")], chat_prompt(tok, "كم؟"), [tok.bos_id]]
    _, opened_by_the_model = read_prompts(path, tok, "none")
    assert opened_by_the_model == [prompts[0], chat_prompt(tok, "كم؟", "none"), prompts[2]]


@pytest.mark.parametrize(
    "text, said",
    [
        ('{"prompt": "a"}\n{"prompt": 3}\n', 'line 2 has neither a "prompt" string nor "messages"'),
        ('{"prompt": "a"}\n{"messages": 3}\n', 'line 2: "messages" must be a list'),
        ('{"prompt": "a"}\n\n[]\n', "line 3"),
        ("\n", "holds no prompts"),
    ],
)
def test_a_prompts_file_with_a_mistake_is_refused_by_its_line(text, said, tok, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=r"p\.jsonl") as caught:
        read_prompts(path, tok)
    assert said in str(caught.value)
