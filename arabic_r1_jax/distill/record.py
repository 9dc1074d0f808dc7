"""A training record: a question and the four-phase completion that answers it.

On disk a record is one JSON line, `{"schema": 1, ...question, "completion": "..."}`; `data.examples` turns it into
tokens, `curriculum` and teachers make it.
"""

from typing import NamedTuple

from arabic_r1_jax.data.questions import Question, parse_question
from arabic_r1_jax.errors import UserError

SCHEMA = 1


class Record(NamedTuple):
    """A question with a teacher's completion (from the first phase marker to the end of the final answer)."""

    question: Question
    completion: str

    def to_json(self) -> dict:
        """The JSON object of this record; fields of the question that are unset are left out."""
        return {"schema": SCHEMA, **self.question.to_json(), "completion": self.completion}


def parse_record(row: dict, where: str) -> Record:
    """Read a record from a JSON object; `where` (file and line) opens the message of any `UserError`."""
    if row.get("schema", SCHEMA) != SCHEMA:
        raise UserError(f"{where}: schema {row['schema']!r} is not known; this version reads schema {SCHEMA}")
    completion = row.get("completion")
    if not isinstance(completion, str) or not completion.strip():
        raise UserError(f'{where}: "completion" must be a non-empty string')
    if completion[0].isspace():
        raise UserError(f'{where}: "completion" starts with white space; it must start at the first phase marker')
    return Record(parse_question(row, where), completion)
