"""A file of prompts completed into a file of completions, and a conversation at the keyboard.

In, one object a line:    {"id", "prompt"}     continued as it stands
                          {"id", "messages"}   rendered in DeepSeek-R1's chat template
Out, in the same order:   {"id", "completion", "finish_reason"}, the reason being "stop" or "length"

`arabic-r1 generate` calls both.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from arabic_r1_jax import artifacts
from arabic_r1_jax.data.chat import messages_prompt
from arabic_r1_jax.data.jsonl import read_jsonl
from arabic_r1_jax.data.prefix import DEFAULT, Prefix
from arabic_r1_jax.data.tokenizers import Tokenizer
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.engine import Generation, generate_ids
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.parallel import processes


def tokenizer_of(lm: LanguageModel) -> Tokenizer:
    """The model's tokenizer; raises `UserError` when its folder has none."""
    if lm.tokenizer is None:
        raise UserError(f"{lm.source} has no tokenizer.json or tokenizer.model; copy the model's own into it")
    return lm.tokenizer


def read_prompts(path: Path, tok: Tokenizer, prefix: Prefix = DEFAULT) -> tuple[list[object], list[list[int]]]:
    """The ids (as the file names them, else line numbers) and token ids of a prompts file; errors name the line."""
    names, prompts = [], []
    for number, row in read_jsonl(path):
        where = f"{path}: line {number}"
        if "messages" in row:
            ids = messages_prompt(row["messages"], tok, where, prefix)
        elif isinstance(row.get("prompt"), str):
            ids = [tok.bos_id, *tok.encode(row["prompt"])]
        else:
            raise UserError(f'{where} has neither a "prompt" string nor "messages"')
        names.append(row.get("id", number))
        prompts.append(ids)
    if not prompts:
        raise UserError(f"{path} holds no prompts")
    return names, prompts


def complete_file(
    lm: LanguageModel, names: Sequence[object], prompts: Sequence[Sequence[int]], out: Path, **options: object
) -> dict:
    """Complete `prompts` and write one line each to `out`, whole or not at all. `options` go to `generate_ids`.

    Of several processes, inside `processes.together`, the first writes.
    Returns {"n", "finished": how many reached their end, "tokens", "out"}.
    """
    done = generate_ids(lm, prompts, stop_ids=_stops(lm), **options)
    rows = [_row(name, one, lm.tokenizer) for name, one in zip(names, done, strict=True)]
    processes.from_first(lambda: _write(out, rows))
    finished = sum(one.finish_reason == "stop" for one in done)
    return {"n": len(done), "finished": finished, "tokens": sum(len(one.ids) for one in done), "out": str(out)}


def chat(
    lm: LanguageModel, lines: Iterable[str], say: Callable[[str], None], prefix: Prefix = DEFAULT, **options: object
) -> int:
    """Answer each of `lines` in one conversation, passing the answers to `say`; an empty line starts a new one.

    Returns the number of answers.
    """
    tok, messages, answers = tokenizer_of(lm), [], 0
    for line in lines:
        if not line.strip():
            messages = []
            continue
        messages.append({"role": "user", "content": line.strip()})
        prompt = messages_prompt(messages, tok, "the conversation", prefix)
        (done,) = generate_ids(lm, [prompt], stop_ids=_stops(lm), **options)
        answer = tok.decode(done.ids)
        messages.append({"role": "assistant", "content": answer})
        answers += 1
        say(answer)
    return answers


def _write(out: Path, rows: Sequence[dict]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _stops(lm: LanguageModel) -> set[int]:
    return {i for i in (lm.tokenizer.eos_id, lm.config.eos_token_id) if i is not None}


def _row(name: object, done: Generation, tok: Tokenizer) -> dict:
    return {"id": name, "completion": tok.decode(done.ids), "finish_reason": done.finish_reason}
