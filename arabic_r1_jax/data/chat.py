"""DeepSeek-R1's chat template, built from ids: one rendering for training, generation and conversation.

    <bos>system<｜User｜>...<｜Assistant｜>...<eos><｜User｜>...<｜Assistant｜>...<eos>

The system text has no mark of its own, and every answer but a last one loses its thoughts, as in R1's template (which,
given a whole conversation, deletes those of the last one too). In: the "messages" of a
JSONL row. Out: pieces of ids, each with whether it is an assistant's to be learnt (`data.examples`) or joined as a
prompt (`infer.completions`). Never rendered as one string: that would merge pieces and delete the reasoning.
"""

from collections.abc import Iterator, Sequence

from arabic_r1_jax.data.prefix import DEFAULT, Prefix
from arabic_r1_jax.data.tokenizers import END_THINK, THINK, Tokenizer, assistant_opening, chat_prompt, think_opening
from arabic_r1_jax.errors import UserError

OPENING = f"{THINK}\n"
ROLES = ("system", "user", "assistant")
Turn = tuple[str, str]  # (role, content)


def read_messages(messages: object, where: str) -> list[Turn]:
    """The turns of a conversation; raises `UserError` that begins with `where` for anything else."""
    if not isinstance(messages, list) or not messages:
        raise UserError(f'{where}: "messages" must be a list of {{"role", "content"}} objects')
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise UserError(f'{where}: message {number} has no "content" string')
        if message.get("role") not in ROLES:
            raise UserError(f"{where}: the role of message {number} is {message.get('role')!r}; use {', '.join(ROLES)}")
        if message["role"] == "system" and number > 1:
            raise UserError(f"{where}: message {number} is a system message; only the first may be one")
    return [(message["role"], message["content"]) for message in messages]


def rendered(turns: Sequence[Turn], tok: Tokenizer, prefix: Prefix = DEFAULT) -> Iterator[tuple[list[int], bool]]:
    """Pieces (ids, learnt) of a conversation, `bos` first; learnt are the assistant's words and its `eos`.

    An answer that opens with `<think>` and a newline has that opening as a piece of its own, learnt unless the policy
    is that prompts have it. Raises `UserError` when the tokenizer has no chat pieces.
    """
    chat_prompt(tok, "", prefix)
    yield [tok.bos_id], False
    for number, (role, content) in enumerate(turns, 1):
        if role != "assistant":
            yield [tok.user_id] * (role == "user") + tok.encode(content), False
            continue
        yield [tok.assistant_id], False
        if number < len(turns):
            content = content.rpartition(END_THINK)[2]
        if content.startswith(OPENING):
            yield think_opening(tok), prefix == "none"
            content = content.removeprefix(OPENING)
        yield [*tok.encode(content), tok.eos_id], True


def messages_prompt(messages: object, tok: Tokenizer, where: str, prefix: Prefix = DEFAULT) -> list[int]:
    """Ids of a conversation up to the opening of the assistant's next turn, by the policy `prefix`."""
    turns = read_messages(messages, where)
    if turns[-1][0] != "user":
        raise UserError(f"{where}: the last message must be the user's, for the model answers it")
    return [i for ids, _ in rendered(turns, tok, prefix) for i in ids] + assistant_opening(tok, prefix)
