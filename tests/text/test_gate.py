"""What is checked for its grammar: prose of the standard language, with its mistakes, and nothing that is other."""

import pytest

from arabic_r1_jax.text import check
from arabic_r1_jax.text.gate import is_arabic, is_edited

PROSE = (
    "ذهب الطلاب إلى المدرسة في الصباح.",
    "غاب سمير عن المدرسة لانه مريض.",
    "هاذا الكتاب من تأليف نجيب محفوظ.",
    "تقع مدرسه الحي قرب الحديقة.",
    "قال البائع: «مفيش عندنا مقاسك يا أستاذ»، فخرجت من المتجر.",
)
OTHER = (
    "مش عايز اروح الشغل النهارده، تعبان اوي والله.",
    "شو عم تعملي هلق؟ بدي احكي معك شوي.",
    "وش رايكم نطلع البر هالويكند؟ الجو يجنن.",
    "بزاف ديال الناس مافهموش شنو بغيت نقول.",
    "ٱلۡحَمۡدُ لِلَّهِ رَبِّ ٱلۡعَٰلَمِينَ",
    "قَالَ لِفَتَىٰهُ ءَاتِنَا غَدَاءَنَا",
    "حدثنا مسدد قال حدثنا يحيى عن شعبة عن قتادة عن أنس رضي الله عنه عن النبي صلى الله عليه وسلم",
    "على قدر أهل العزم تأتي العزائم *** وتأتي على قدر الكرام المكارم",
)


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_checked_though_it_has_mistakes(text):
    assert is_edited(text)


@pytest.mark.parametrize("text", OTHER)
def test_dialect_quran_hadith_and_verse_are_left_alone(text):
    assert not is_edited(text)
    assert check(text) == []


def test_characters_are_checked_in_dialect_too():
    assert [finding.kind for finding in check("مش عايز ﻻ حاجة النهارده")] == ["script.presentation"]


@pytest.mark.parametrize(
    "text",
    [
        "A sentence , in English .",
        "این کتاب برای کودکان نوشته شده است و خیلی گیرا است",
        "یہ کتاب بچوں کے لیے ہے , اور اچھی ہے",
    ],
)
def test_other_languages_are_left_alone(text):
    assert not is_arabic(text)
    assert check(text) == []


def test_arabic_from_a_persian_keyboard_is_arabic():
    assert is_arabic("ذهب الولد إلى المدرسة فی الصباح مع أخیه وصدیقه وأختیه")
