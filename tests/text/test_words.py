"""The readings of a word: every way to take its prefixes and pronouns off, and no other."""

import pytest

from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

NOMINALS = {  # word: conjunction, preposition, state, lemma
    "وبالمدرسة": ("و", "ب", "al", "مدرسة"),
    "للطلاب": ("", "ل", "al", "طالب"),
    "فكتابهم": ("ف", "", "pron", "كتاب"),
    "مدرستنا": ("", "", "pron", "مدرسة"),
    "للغة": ("", "ل", "al", "لغة"),
    "كتاب": ("", "", "", "كتاب"),
    "لمعلمين": ("", "ل", "", "معلم"),
}


@pytest.mark.parametrize("text", NOMINALS)
def test_a_noun_is_read_behind_its_prefixes(text):
    readings = [(r.conjunction, r.preposition, r.state, r.nominal.lemma) for r in Word(text).nominals]
    assert NOMINALS[text] in readings


VERBS = {  # word: conjunction, future, pronoun, a slot
    "وسيكتبونها": ("و", True, "ها", "ind_3mp"),
    "كتبوه": ("", False, "ه", "past_3mp"),
    "رماهم": ("", False, "هم", "past_3ms"),
    "فكتبتموها": ("ف", False, "ها", "past_2mp"),
    "علمني": ("", False, "ني", "past_3ms"),
}


@pytest.mark.parametrize("text", VERBS)
def test_a_verb_is_read_behind_its_prefixes_and_before_its_object(text):
    conjunction, future, pronoun, slot = VERBS[text]
    found = [v for v in Word(text).verbs if (v.conjunction, v.future, v.pronoun) == (conjunction, future, pronoun)]
    assert any(verb.slots & slots(slot) for verb in found)


def test_the_future_is_of_the_indicative_only():
    assert not Word("سيكتبوا").verbs


def test_marks_tatweel_and_direction_marks_do_not_change_what_a_word_is():
    for text in ("المَدْرَسَةُ", "المـدرسة", "\u200fالمدرسة", "ٱلمدرسة"):
        assert Word(text).bare == "المدرسة"
        assert Word(text).nominals == Word("المدرسة").nominals


def test_a_function_word_has_its_classes_with_and_without_a_conjunction():
    assert "demonstrative" in Word("هذا").classes
    assert (Word("وهذا").conjunction, Word("وهذا").core) == ("و", "هذا")
    assert "prep" in Word("فإلى").classes
    assert Word("ولد").conjunction == ""


def test_what_is_no_arabic_word_has_no_readings():
    for text in ("word", "a1", "مcول", "12"):
        assert Word(text).nominals == () == Word(text).verbs
    assert Word("١٢").number == 12


def test_names_and_foreign_words_are_not_known():
    assert Word("المدرسة").known
    assert not Word("زغلبوشات").known
