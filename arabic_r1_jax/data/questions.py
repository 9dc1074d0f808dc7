"""Questions: the one form in which benchmarks, curricula and users' own files reach the rest of the package.

On disk a question is one JSON line, either

    {"id": "q1", "question": "...", "options": ["...", "..."], "answer": 0}         0-based index, 2 to 8 options
    {"id": "q2", "question": "...", "answer_text": "..."}                           open, no options
    {"id": "Social-12", "question": "...", "A": "...", "B": "...", "answer": "B"}   the form of Arabic EXAMS

with optional `context` (a passage or a list of them), `subject`, `lang`, `variety`, `value_laden`, `task`, `family`
and `level`. Other keys are left to their readers (`completion` of a record, say).
"""

import re
from dataclasses import dataclass, fields
from pathlib import Path

from arabic_r1_jax.data.jsonl import read_jsonl
from arabic_r1_jax.errors import UserError

ARABIC_LABELS = ("أ", "ب", "ج", "د", "هـ", "و", "ز", "ح")
LATIN_LABELS = tuple("ABCDEFGH")
FORMS = ("plain", "exams")
_OPTIONAL_TEXT = ("answer_text", "subject", "variety", "task", "family", "level")


@dataclass(frozen=True)
class Question:
    """A multiple-choice question (`options` and the index `answer`) or an open one (no options, `answer_text`)."""

    id: str
    question: str
    options: tuple[str, ...] = ()
    answer: int | None = None
    answer_text: str | None = None
    context: tuple[str, ...] = ()
    subject: str | None = None
    lang: str = "ar"
    variety: str | None = None
    value_laden: bool = False
    task: str | None = None
    family: str | None = None
    level: str | None = None
    form: str = "plain"  # which prompt it takes: see data.prompts

    def to_json(self) -> dict:
        """The JSON object that `parse_question` reads back as this question; what is left at its default is left out.

        (`answer` 0 is no default: it is the first option.)
        """
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


def language(tag: str) -> str:
    """The language that a tag names however it is written: "ar", "AR" and "ar-EG" are Arabic."""
    return re.split("[-_]", tag.lower(), maxsplit=1)[0] or tag


def labels(question: Question) -> tuple[str, ...]:
    """The labels of the question's options, in order: أ ب ج د هـ و ز ح, or A to H for an English question."""
    alphabet = LATIN_LABELS if question.lang == "en" else ARABIC_LABELS
    return alphabet[: len(question.options)]


def _text(row: dict, key: str, where: str) -> str:
    if key not in row:
        raise UserError(f'{where} has no "{key}"')
    if not isinstance(row[key], str) or not row[key].strip():
        raise UserError(f'{where}: "{key}" must be a non-empty string')
    return row[key]


def _optional(row: dict, key: str, kind: type, where: str) -> object:
    value = row.get(key)
    if value is not None and not isinstance(value, kind):
        expected = "true or false" if kind is bool else "a string"
        raise UserError(f'{where}: "{key}" must be {expected}, not {value!r}')
    return value


def _id(row: dict, where: str) -> str:
    value = row.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(row, "id", where)


def _context(row: dict, where: str) -> tuple[str, ...]:
    """The passages that are not blank; a single string counts as one passage."""
    value = row.get("context") or ()
    passages = [value] if isinstance(value, str) else value
    if not isinstance(passages, list | tuple) or not all(isinstance(passage, str) for passage in passages):
        raise UserError(f'{where}: "context" must be a string or a list of strings')
    return tuple(passage for passage in passages if passage.strip())


def _exams_options(row: dict, where: str) -> tuple[tuple[str, ...], int]:
    """Options and gold index of a row that keeps its options under A, B, ... and its answer as a letter."""
    count = next((index for index, letter in enumerate(LATIN_LABELS) if letter not in row), len(LATIN_LABELS))
    letters = LATIN_LABELS[:count]
    if count < 2:
        raise UserError(f'{where} has an option "A" but no "B"; a multiple-choice question needs 2 to 8 options')
    answer = row.get("answer")
    if answer not in letters:
        raise UserError(f'{where}: "answer" must be one of the letters {", ".join(letters)}, not {answer!r}')
    return tuple(_text(row, letter, where) for letter in letters), letters.index(answer)


def _plain_options(row: dict, where: str) -> tuple[tuple[str, ...], int]:
    options, answer = row["options"], row.get("answer")
    if not isinstance(options, list | tuple) or not 2 <= len(options) <= 8:
        raise UserError(f'{where}: "options" must be a list of 2 to 8 strings')
    if not all(isinstance(option, str) and option.strip() for option in options):
        raise UserError(f'{where}: every entry of "options" must be a non-empty string')
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(options):
        raise UserError(f'{where}: "answer" must be the index of an option, 0 to {len(options) - 1}, not {answer!r}')
    return tuple(options), answer


def _choices(row: dict, where: str) -> tuple[str, tuple[str, ...], int | None]:
    """(form, options, gold index); no options and no index for an open question."""
    if row.get("options"):
        form = row.get("form", "plain")
        if form not in FORMS:
            raise UserError(f'{where}: "form" must be one of {", ".join(FORMS)}, not {form!r}')
        return form, *_plain_options(row, where)
    if "A" in row:
        return "exams", *_exams_options(row, where)
    if "answer_text" not in row:
        raise UserError(
            f'{where} has no "options" (2 to 8 strings, with the index "answer") and no "answer_text" (open question)'
        )
    _text(row, "answer_text", where)
    return "plain", (), None


def parse_question(row: dict, where: str) -> Question:
    """Read a question from a JSON object; `where` (file and line) opens the message of any `UserError`.

    The subject of an EXAMS row without one is taken from its id ("Social-12" -> "Social"), as its mirrors need.
    """
    identifier, question = _id(row, where), _text(row, "question", where)
    form, options, answer = _choices(row, where)
    fields = {key: _optional(row, key, str, where) for key in _OPTIONAL_TEXT}
    if form == "exams" and not fields["subject"]:
        fields["subject"] = identifier.rpartition("-")[0] or None
    return Question(
        id=identifier,
        question=question,
        options=options,
        answer=answer,
        context=_context(row, where),
        lang=language(_optional(row, "lang", str, where) or "ar"),
        value_laden=bool(_optional(row, "value_laden", bool, where)),
        form=form,
        **fields,
    )


def read_questions(path: Path, limit: int | None = None) -> list[Question]:
    """The questions of a JSONL file (at most the first `limit`); raises `UserError` on a bad line or an empty file."""
    questions: list[Question] = []
    for number, row in read_jsonl(path):
        if limit is not None and len(questions) >= limit:
            break
        questions.append(parse_question(row, f"{path}: line {number}"))
    if not questions:
        raise UserError(f"{path} holds no questions")
    return questions
