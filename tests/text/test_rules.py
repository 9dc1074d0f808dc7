"""Every rule on its own examples: each wrong one is found, with its suggestion; no right one is flagged by any rule."""

import re

import pytest

from arabic_r1_jax.text import check
from arabic_r1_jax.text.rules import PATTERNS, RULES

_MARKED = re.compile(r"\{([^{}]*)→([^{}]*)\}")
WRONG = [(rule.kind, marked) for rule in (*PATTERNS, *RULES) for marked in rule.wrong]
RIGHT = [(rule.kind, text) for rule in (*PATTERNS, *RULES) for text in rule.right]


@pytest.mark.parametrize("kind, marked", WRONG, ids=[f"{kind}-{number}" for number, (kind, _) in enumerate(WRONG)])
def test_a_rule_finds_its_wrong_examples_and_suggests_the_right_ones(kind, marked):
    wrong, right = _MARKED.search(marked).groups()
    text = _MARKED.sub(lambda match: match[1], marked)
    found = {(text[slice(*one.span)], one.suggestion or "") for one in check(text) if one.kind == kind}
    assert found == {(wrong, right)}


@pytest.mark.parametrize("kind, text", RIGHT, ids=[f"{kind}-{number}" for number, (kind, _) in enumerate(RIGHT)])
def test_nothing_is_found_in_a_right_example(kind, text):
    assert check(text) == []
    assert check(_MARKED.sub(lambda match: match[2], text)) == []


def test_every_rule_has_examples_of_both_kinds():
    assert [rule.kind for rule in (*PATTERNS, *RULES) if not rule.wrong or not rule.right] == []
