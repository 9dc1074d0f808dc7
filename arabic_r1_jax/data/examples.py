"""Training examples: token ids, each with the phase it counts towards as a target.

In: JSONL rows of three forms, told apart by their keys. Out: `Example`s for `data.corpus`.

    {"text": ...}                          document  <bos> text <eos>                     loss on all of it
    {"question": ..., "completion": ...}   record    chat prompt | four phases <eos>      loss on the completion
    {"messages": [{"role", "content"}]}    chat      DeepSeek-R1's template               loss on assistant turns, <eos>

`<think>` and its newline belong to the prompt or to what is learnt, as the policy says (`data.prefix`).
`phase[j]` says what token j is worth as a target: 0 nothing (prompts), 1 to 5 the phases in the order of `PHASES`,
6 any other trained text. The trainer turns it into weights, so that weights can change without tokenising again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arabic_r1_jax.data.chat import OPENING, read_messages, rendered
from arabic_r1_jax.data.jsonl import read_jsonl
from arabic_r1_jax.data.prefix import DEFAULT, Prefix
from arabic_r1_jax.data.prompts import question_prompt
from arabic_r1_jax.data.questions import language
from arabic_r1_jax.data.tokenizers import THINK, Tokenizer, chat_prompt, think_opening
from arabic_r1_jax.distill import phases
from arabic_r1_jax.distill.record import Record, parse_record
from arabic_r1_jax.errors import UserError

PHASES = ("analysis", "elimination", "check", "synthesis", "final")
NO_LOSS, FINAL, OTHER = 0, PHASES.index("final") + 1, len(PHASES) + 1


@dataclass(frozen=True, eq=False)
class Example:
    """One document, record or conversation as tokens."""

    id: str
    lang: str  # "ar", "en", ...: with `category`, the unit of the mixture
    category: str
    tokens: np.ndarray  # int32 [n], n >= 2
    phase: np.ndarray  # int8 [n], what each token is worth as a target
    whole: bool = True  # False: a document, which may be cut at the length of a row
    where: str = ""  # file and line, for error messages


def _example(parts: Iterable[tuple[list[int], int | np.ndarray]], **fields: object) -> Example:
    """Join (ids, phase or phases of these ids) pairs."""
    ids, phase = zip(*parts, strict=True)
    spread = [np.broadcast_to(np.asarray(p, np.int8), len(part)) for part, p in zip(ids, phase, strict=True)]
    return Example(tokens=np.concatenate([np.array(part, np.int32) for part in ids]),
                   phase=np.concatenate(spread), **fields)  # fmt: skip


def _text(row: dict, key: str, default: str, where: str) -> str:
    value = row.get(key, default)
    if not isinstance(value, str) or not value:
        raise UserError(f'{where}: "{key}" must be a non-empty string, not {value!r}')
    return value


def _tags(row: dict, category: str, text: str, where: str) -> dict[str, str]:
    """The fields of `Example` that a row states itself; the language defaults to that of most letters at the start."""
    start = text[:2000].lower()
    arabic = sum("\u0600" <= letter <= "\u06ff" for letter in start)
    latin = sum("a" <= letter <= "z" for letter in start)
    return {
        "id": str(row.get("id", where)),
        "lang": language(_text(row, "lang", "en" if latin > arabic else "ar", where)),
        "category": _text(row, "category", category, where),
        "where": where,
    }


def from_document(row: dict, tok: Tokenizer, where: str = "document", prefix: Prefix = DEFAULT) -> Example:
    """`{"text"}` with optional `id`, `lang` (default: by script) and `category` (default "text")."""
    text = _text(row, "text", "", where)
    parts = [([tok.bos_id], NO_LOSS), ([*tok.encode(text), tok.eos_id], OTHER)]
    return _example(parts, whole=False, **_tags(row, "text", text, where))


def completion_phases(completion: str, tok: Tokenizer) -> tuple[list[int], np.ndarray]:
    """Ids of a completion, tokenised in one piece, and the phase of each (int8 [n]).

    A piece belongs to the phase in which its last character lies; text outside the phases is `OTHER`.
    """
    ids, ends = tok.encode_with_ends(completion)
    phase = np.full(len(ids), OTHER, np.int8)
    for name, (start, end) in phases.parse(completion).spans.items():
        phase[(ends > start) & (ends <= end)] = PHASES.index(name) + 1
    return ids, phase


def from_record(
    record: Record, tok: Tokenizer, category: str = "reasoning", where: str = "record", prefix: Prefix = DEFAULT
) -> Example:
    """The question as a chat prompt (no loss), then the completion and `eos`.

    By the policy "none" the opening `<think>` and newline is learnt, as a part of the completion's first phase.
    Prompt and completion are tokenised apart, as at inference: a completion that starts with white space would merge
    with the newline behind `<think>`, and is refused with a `UserError`, as is one that opens `<think>` itself.
    """
    if record.completion[:1].isspace():
        raise UserError(f'{where}: "completion" starts with white space; it must start at the first phase marker')
    if record.completion.startswith(THINK):
        raise UserError(f'{where}: "completion" starts with {THINK}, which data.prefix puts there; leave it out')
    question = record.question
    ids, phase = completion_phases(record.completion, tok)
    opening = think_opening(tok) if prefix == "none" else []
    parts = [(chat_prompt(tok, question_prompt(question), prefix), NO_LOSS), (opening, phase[0]), (ids, phase),
             ([tok.eos_id], FINAL if FINAL in phase else OTHER)]  # fmt: skip
    return _example(parts, id=question.id, lang=question.lang, category=category, where=where)


def from_messages(row: dict, tok: Tokenizer, where: str = "messages", prefix: Prefix = DEFAULT) -> Example:
    """`{"messages"}` (optional first system message) in DeepSeek-R1's template; loss on assistant turns and `eos`.

    What follows the last answer is left out, so that this answer is the last turn and keeps its thoughts. Raises
    `UserError` when there is no answer, or when one starts with white space, be it behind `<think>` and its newline.
    """
    turns = read_messages(row["messages"], where)
    answers = [number for number, (role, content) in enumerate(turns, 1) if role == "assistant" and content]
    if not answers:
        raise UserError(f"{where}: no assistant message with text to learn from")
    for number in answers:
        if turns[number - 1][1].removeprefix(OPENING)[:1].isspace():
            raise UserError(f"{where}: message {number} starts with white space, which no prompt leaves to the model")
    turns = turns[: answers[-1]]
    parts = [(ids, OTHER if learnt else NO_LOSS) for ids, learnt in rendered(turns, tok, prefix)]
    text = "".join(content for role, content in turns if role == "assistant")
    return _example(parts, **_tags(row, "dialogue", text, where))


def _record(row: dict, tok: Tokenizer, where: str, prefix: Prefix) -> Example:
    return from_record(parse_record(row, where), tok, _text(row, "category", "reasoning", where), where, prefix)


_FORMS = {"completion": _record, "messages": from_messages, "text": from_document}  # the first key present decides


def read_examples(paths: Iterable[Path], tok: Tokenizer, prefix: Prefix = DEFAULT) -> Iterator[Example]:
    """The examples of JSONL files (.jsonl, .jsonl.zst) in file order; raises `UserError` with file and line."""
    for path in paths:
        for number, row in read_jsonl(path):
            where = f"{path}: line {number}"
            form = next((form for key, form in _FORMS.items() if key in row), None)
            if form is None:
                found = "a question without a completion" if "question" in row else "no training example"
                raise UserError(f'{where} is {found}; a row needs "completion", "messages" or "text"')
            yield form(row, tok, where, prefix)
