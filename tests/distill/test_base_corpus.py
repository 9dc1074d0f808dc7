"""What the demo's base reads is true and clean, and holds none of the curriculum's rules."""

import random
import re

import pytest

from arabic_r1_jax.distill import base_corpus
from arabic_r1_jax.distill.words import ADJECTIVES, ENGLISH, PEOPLE, PREDICATES, THINGS, VERBS

WRITERS = (
    base_corpus.sentence,
    base_corpus.look_up,
    base_corpus.repeated_words,
    base_corpus.surface_record,
    base_corpus.random_fact_record,
)


@pytest.mark.parametrize("write", WRITERS)
def test_texts_are_a_pure_function_of_the_generator(write):
    first, again, other = ([write(random.Random(seed)) for _ in range(3)] for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_plain_sentences_show_no_ending_that_a_rule_decides():
    rng = random.Random(0)
    tokens = {token for _ in range(5000) for token in re.findall(r"\w+", base_corpus.sentence(rng))}
    listed = {*PEOPLE, *THINGS, *ADJECTIVES, *PREDICATES, *VERBS, *ENGLISH}
    assert listed <= tokens
    assert not [token for token in tokens - listed if token.endswith(("ون", "ين", "ان", "ات"))]
    assert not tokens & {"is", "are", "was", "were"}


def test_a_look_up_question_is_answered_from_its_facts():
    rng = random.Random(0)
    for _ in range(500):
        *facts, question = base_corpus.look_up(rng).replace("؟", "؟.").split(". ")[:-1]
        assert len(facts) == 3
        asked = question.removeprefix("أين ").removesuffix("؟")
        assert any(fact.startswith(f"{asked} ") for fact in facts)


@pytest.mark.parametrize("lang", ["ar", "en"])
def test_a_surface_question_states_the_ending_of_its_answer_alone(lang, assert_well_formed):
    rng = random.Random(0)
    records = [record for _ in range(2000) if (record := base_corpus.surface_record(rng)).question.lang == lang]
    assert len(records) > 300
    for record in records:
        assert_well_formed(record)
        question = record.question
        ending = re.search(r'[«"](.+)[»"]', question.question).group(1)
        gold = question.options[question.answer]
        assert gold.endswith(ending)
        others = [text for text in question.options if text != gold and text.endswith(ending)]
        assert all(text.endswith("تان") for text in others)  # of which ان is a part


@pytest.mark.parametrize("real", [0.0, 1.0])
def test_random_facts_about_real_and_made_up_words_agree_with_grammar_by_chance(real, solve, near, assert_well_formed):
    rng, n, agree = random.Random(0), 2000, 0
    for _ in range(n):
        record = base_corpus.random_fact_record(rng, real)
        assert_well_formed(record)
        found = solve(record.question)
        agree += bool(found) and record.question.answer == found[0][0]
    assert near(agree, n, 1 / 4), agree / n
