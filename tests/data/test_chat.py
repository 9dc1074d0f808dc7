import pytest

from arabic_r1_jax.data.chat import messages_prompt
from arabic_r1_jax.data.tokenizers import chat_prompt
from arabic_r1_jax.errors import UserError


@pytest.fixture
def tok(sentencepiece):
    return sentencepiece


def turn(role, content):
    return {"role": role, "content": content}


def test_one_question_is_the_chat_prompt_of_evaluation(tok):
    assert messages_prompt([turn("user", "كم؟")], tok, "here") == chat_prompt(tok, "كم؟")
    assert messages_prompt([turn("user", "كم؟")], tok, "here", "none") == chat_prompt(tok, "كم؟", "none")


@pytest.mark.parametrize("name", ["sentencepiece", "deepseek", "r1"])
def test_a_conversation_is_rendered_as_deepseek_r1_does(request, name):
    tok = request.getfixturevalue(name)
    turns = [
        turn("system", "أجب."),
        turn("user", "كم؟"),
        turn("assistant", "<think>\nفكرة</think>\n\nسبعة"),
        turn("user", "حقا؟"),
    ]
    opened = [tok.assistant_id, tok.think_id, *tok.encode("\n")]
    assert messages_prompt(turns, tok, "here") == [
        *[tok.bos_id, *tok.encode("أجب.")],
        *[tok.user_id, *tok.encode("كم؟")],
        *[tok.assistant_id, *tok.encode("\n\nسبعة"), tok.eos_id],
        *[tok.user_id, *tok.encode("حقا؟"), *opened],
    ]
    assert messages_prompt(turns, tok, "here", "none") == messages_prompt(turns, tok, "here")[:-2]


@pytest.mark.parametrize(
    "messages, said",
    [
        ([], '"messages" must be a list'),
        ("كم؟", '"messages" must be a list'),
        (["كم؟"], 'message 1 has no "content" string'),
        ([{"role": "user"}], 'message 1 has no "content" string'),
        ([turn("tool", "x")], "the role of message 1 is 'tool'; use system, user, assistant"),
        ([turn("user", "x"), turn("system", "y"), turn("user", "z")], "message 2 is a system message"),
        ([turn("user", "x"), turn("assistant", "y")], "the last message must be the user's"),
    ],
)
def test_messages_that_cannot_be_answered_are_refused(messages, said, tok):
    with pytest.raises(UserError, match=r"^here: ") as caught:
        messages_prompt(messages, tok, "here")
    assert said in str(caught.value)
