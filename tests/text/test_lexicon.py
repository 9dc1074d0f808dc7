"""The word lists: well formed, consistent, and spread into the right forms."""

import unicodedata

import pytest

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.letters import ARABIC_LETTERS

LISTS = {  # file: number of fields, what the second field may be
    "nouns_things.txt": (3, {"m", "f", "b", "mh", "fh", "bh"}),
    "nouns_people_ideas.txt": (3, {"m", "f", "b", "mh", "fh", "bh"}),
    "adjectives.txt": (3, None),
    "diptotes.txt": (2, {"name", "place", "afal", "fala", "mafail", "other"}),
    "function_words.txt": (2, None),
}


@pytest.mark.parametrize("name", LISTS)
def test_every_line_of_a_list_has_its_fields_in_arabic(name):
    fields, classes = LISTS[name]
    for row in lexicon.rows(name):
        assert len(row) == fields
        assert set(row[0]) <= set(ARABIC_LETTERS)
        assert unicodedata.is_normalized("NFC", row[0])
        assert classes is None or row[1] in classes


def test_the_lists_hold_some_thousand_nouns():
    assert sum(1 for name in LISTS if name.startswith("nouns") for _ in lexicon.rows(name)) > 3000


FORMS = {  # form: lemma, gender, number, case, construct
    "مدرسة": ("مدرسة", "f", "s", "", False),
    "مدرستان": ("مدرسة", "f", "d", "n", False),
    "مدرستي": ("مدرسة", "f", "d", "o", True),
    "مدارس": ("مدرسة", "f", "p", "", False),
    "معلمون": ("معلم", "m", "p", "n", False),
    "معلمين": ("معلم", "m", "p", "o", False),
    "معلمو": ("معلم", "m", "p", "n", True),
    "سيارات": ("سيارة", "f", "p", "", False),
    "كتابا": ("كتاب", "m", "s", "a", False),
    "كبيرة": ("كبير", "f", "s", "", False),
    "حمراء": ("أحمر", "f", "s", "", False),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_has_this_reading(form):
    lemma, gender, number, case, construct = FORMS[form]
    readings = [nominal for nominal in lexicon.forms()[form] if nominal.lemma == lemma]
    assert (gender, number, case, construct) in [(n.gender, n.number, n.case, n.construct) for n in readings]


def test_what_a_plural_agrees_with():
    agrees = {form: {nominal.agrees for nominal in lexicon.forms()[form]} for form in ("كتب", "رجال", "معلمات")}
    assert agrees == {"كتب": {"fs"}, "رجال": {"mp"}, "معلمات": {"fp"}}


@pytest.mark.parametrize(
    "word, shown",
    [("كتاب", "كتابا"), ("شيء", "شيئا"), ("جزء", "جزءا"), ("مدرسة", None), ("سماء", None), ("خطأ", None)],
)
def test_the_accusative_shows_where_a_letter_is_added(word, shown):
    assert lexicon.accusative(word) == shown


def test_a_hamza_takes_the_seat_of_its_case_before_a_pronoun():
    assert {"أصدقاء", "أصدقاؤ", "أصدقائ"} <= set(lexicon.bound_forms())
