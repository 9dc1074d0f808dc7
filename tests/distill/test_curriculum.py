"""Every item of the curriculum is right by grammar, every record proves it, and no held-out word is trained on."""

import random
import re
from collections import Counter

import pytest

from arabic_r1_jax.distill import curriculum, parse
from arabic_r1_jax.distill.curriculum import FAMILIES
from arabic_r1_jax.distill.words import lexicon

N = 2000  # of each family
EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def trained():
    """Family -> N training records, gold positions in turn."""
    return {family: made(family, held_out=False) for family in FAMILIES}


@pytest.fixture(scope="module")
def held_out():
    """Family -> 400 records about held-out words."""
    return {family: made(family, held_out=True, n=400) for family in FAMILIES}


def made(family, held_out, n=N):
    rng = random.Random(0)
    items = curriculum.items(family, n, seed=0, held_out=held_out)
    return [curriculum.record(item, number % 4, rng) for number, item in enumerate(items)]


# ---- items


@EACH_FAMILY
def test_a_family_holds_thousands_of_different_questions(family, trained):
    questions = [record.question for record in trained[family]]
    assert len({question.id for question in questions}) == N
    assert len({(question.question, frozenset(question.options)) for question in questions}) == N


@EACH_FAMILY
def test_items_are_a_pure_function_of_the_seed(family):
    first, again, other = (list(curriculum.items(family, 50, seed, held_out=False)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_more_items_than_a_family_has_are_refused():
    with pytest.raises(ValueError, match="five_verbs has fewer than 1500"):
        list(curriculum.items("five_verbs", 1500, 0, held_out=True))


def test_there_are_four_arabic_families_or_more_and_an_english_one():
    languages = Counter(family.lang for family in FAMILIES.values())
    assert languages["ar"] >= 4
    assert languages["en"] >= 1


@EACH_FAMILY
def test_the_gold_option_stands_where_it_is_asked_to_and_the_others_anywhere(family, trained, near):
    places = Counter()
    for number, record in enumerate(trained[family]):
        question = record.question
        assert question.answer == number % 4
        assert len(set(question.options)) == 4
        distractors = [text for text in question.options if text != question.options[question.answer]]
        places[distractors.index(min(distractors))] += 1
    assert all(near(count, N, 1 / 3) for count in places.values()), places


@EACH_FAMILY
def test_grammar_gives_the_gold_answer(family, trained, held_out, solve):
    """The plain reading of a question, by a solver that sees only its text, is the answer; its reason is the step's."""
    for record in trained[family] + held_out[family]:
        question = record.question
        index, reading = solve(question)[0]
        assert index == question.answer, (question, reading)
        step = parse(record.completion).analysis.splitlines()[2]
        assert all(words in step for words in reading.because), (question.question, step, reading.because)


@EACH_FAMILY
def test_no_other_option_is_good_grammar(family, trained, held_out, solve):
    admitted = {
        record.question.question: {record.question.options[index] for index, _ in solve(record.question)}
        for record in trained[family] + held_out[family]
    }
    ambiguous = {question: options for question, options in admitted.items() if len(options) > 1}
    assert not ambiguous, f"{len(ambiguous)} of {len(admitted)}, such as {next(iter(ambiguous.items()))}"


# ---- the split by word

PREFIXES = ("", "ال", "ت")
SUFFIXES = ("", "ة", "ون", "ين", "ان", "ات", "تان", "وا", "s")


def stems(token: str) -> set[str]:
    """What is left of a word, without diacritics, when any beginning and any ending of the curriculum is taken off."""
    bare = re.sub("[\u064b-\u0652]", "", token)
    return {
        bare[len(prefix) : len(bare) - len(suffix)]
        for prefix in PREFIXES
        for suffix in SUFFIXES
        if bare.startswith(prefix) and bare.endswith(suffix)
    }


def test_no_held_out_word_occurs_in_training_whole_or_as_a_stem(trained):
    hidden = {word.removesuffix("ة") for words in lexicon(held_out=True) for word in words}
    tokens = {
        token
        for records in trained.values()
        for record in records
        for text in (record.question.question, *record.question.options, record.completion)
        for token in re.findall(r"\w+", text)
    }
    shown = {stem: token for token in tokens for stem in stems(token) if stem in hidden}
    assert not shown


def test_every_list_keeps_enough_words_on_either_side():
    for train, hidden in zip(lexicon(held_out=False), lexicon(held_out=True), strict=True):
        assert len(train) >= 60
        assert len(hidden) >= 15
        assert not {*train} & {*hidden}


# ---- records


@EACH_FAMILY
def test_every_record_is_well_formed(family, trained, assert_well_formed):
    for record in trained[family]:
        assert_well_formed(record)


def test_the_verdict_follows_the_feature_that_the_analysis_requires(trained):
    for record in (record for records in trained.values() for record in records):
        found = parse(record.completion)
        required = re.search(r"(?:المطلوب ما|the blank) (.+) ✓$", found.analysis).group(1)
        for line in found.elimination.splitlines():
            feature, mark = re.search(r'[»"] (.+) ([✓✗])', line).groups()
            assert (feature == required) == (mark == "✓"), record.completion


# ---- records with random facts


@EACH_FAMILY
def test_random_facts_keep_the_form_and_lose_the_rule(family, solve, near, assert_well_formed):
    rng, n, agree, steps = random.Random(0), 2000, 0, 0
    for item in curriculum.items(family, n, seed=0, held_out=False):
        changed = curriculum.with_random_facts(item, rng)
        assert changed._replace(steps=item.steps, required=item.required) == item
        record = curriculum.record(changed, rng.randrange(4), rng)
        assert_well_formed(record)
        agree += record.question.answer == solve(record.question)[0][0]
        steps += changed.steps == item.steps
    assert near(agree, n, 1 / 4), agree / n
    assert near(steps, n, 1 / len(set(FAMILIES[family].steps))), steps / n


def test_every_phrase_that_records_repeat_is_offered_to_the_tokenizer(trained):
    phrases = curriculum.fixed_phrases()
    assert len(phrases) == len(set(phrases))
    longest_first = re.compile("|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True)))
    for record in (records[0] for records in trained.values()):
        rest = re.sub(r'«.+?»|- \w: ".+?"', lambda quote: quote[0][:1] + "-" + quote[0][-1:], record.completion)
        left = longest_first.sub(" ", rest.replace("</think>", ""))
        assert not re.search(r"\w\w", left), left
