"""text.normalize: composition equals Python's own, levels are idempotent and nest, offsets lead back to the source."""

import itertools
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.text import letters
from arabic_r1_jax.text.normal import LEVELS, STEPS, normalize, normalize_with_offsets

FORMS = "".join(map(chr, (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFF00))))
FENCE = "中"  # no step touches or makes it, and it composes with nothing
FAMILY, HEART, FLAG = "👩‍👩‍👧", "❤️‍🔥", "🏴\U000e0067\U000e0062\U000e007f"

# What the steps look at, far more often than plain text has it.
PIECES = st.one_of(
    st.sampled_from("ابلويىهةءأإآؤئٱکیہھۀ" + letters.TATWEEL * 4),
    st.sampled_from("\u064b\u064e\u0651\u0653\u0654\u0655\u0670\u06d6\u06e5\u0301\u0307\u0308\u0323\u0338\u094d"),
    st.sampled_from("ﷲﷺﷻ﷼﷽ﹰﹱﹲﱞﱠﴼﻻﻵﺍﻟ\ufeff") | st.sampled_from(FORMS),
    st.sampled_from(letters.INVISIBLE) | st.sampled_from(letters.JOINERS) | st.characters(max_codepoint=0xA0),
    st.sampled_from(" \t\n\r\v\f\x85\xa0\u2003\u2028\u2029\u3000") | st.sampled_from(["  ", "\r\n", " \n"]),
    st.sampled_from(["👩", "🔥", "\ufe0f", "🏽", "↔", "1️⃣", FAMILY, HEART, FLAG]),
    st.sampled_from("aeTHİIJǅÅḖ") | st.sampled_from("٣۴5٫٬،؛؟٪…«»“’—﴾۝"),
    st.sampled_from("가ᄀ각각\u1161\u11a8कक़ா\u0bc6\u09c7\u09be\U00011099\U000110ba") | st.just(FENCE),
    st.characters(),
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)
each_level = pytest.mark.parametrize("level", LEVELS)
thorough = settings(max_examples=100, deadline=None)


# --- properties of every level


@thorough
@given(TEXTS | st.text())
@example("각 각 \u0344 \u0958 q\u0307\u0323")
def test_nfc_is_what_python_composes(text):
    assert normalize(text, "nfc") == unicodedata.normalize("NFC", text)
    assert normalize_with_offsets(text, "nfc").text == unicodedata.normalize("NFC", text)


@each_level
@thorough
@given(text=TEXTS)
@example(text="\u0640\u0654\u0640\u0323")
@example(text="İ\u0640\u0323")
@example(text="\u0654\u200b\u0323\u0640\u064e")
@example(text="😀\u200d↔\u200d\u0338")
def test_a_second_time_changes_nothing(level, text):
    once = normalize(text, level)
    assert normalize(once, level) == once


@pytest.mark.parametrize("lower, higher", list(itertools.combinations(LEVELS, 2)))
@thorough
@given(text=TEXTS)
def test_a_level_gives_the_same_after_a_lower_one(lower, higher, text):
    assert normalize(normalize(text, lower), higher) == normalize(text, higher)


@each_level
@thorough
@given(text=TEXTS)
def test_offsets_agree_with_the_text_and_do_not_go_back(level, text):
    found = normalize_with_offsets(text, level)
    assert found.text == normalize(text, level)
    assert len(found.origin) == len(found.text) + 1
    assert found.origin[-1] == len(text)
    assert all(0 <= first <= second for first, second in itertools.pairwise(found.origin))
    assert all(position < len(text) for position in found.origin[:-1])


@each_level
@thorough
@given(text=TEXTS)
def test_the_whole_comes_from_the_whole_and_neighbours_leave_no_gap(level, text):
    found = normalize_with_offsets(text, level)
    assert found.source_span(0, len(found.text)) == (0, len(text))
    spans = [found.source_span(index, index + 1) for index in range(len(found.text))]
    assert all(first < last for first, last in spans)
    assert all(one == two or one[1] == two[0] for one, two in itertools.pairwise(spans))


@each_level
@thorough
@given(parts=st.lists(TEXTS, min_size=1, max_size=4))
def test_a_span_covers_all_that_made_its_characters(level, parts):
    source = FENCE + FENCE.join(parts) + FENCE
    found = normalize_with_offsets(source, level)
    fences = [index for index, char in enumerate(found.text) if char == FENCE]
    assert [found.origin[index] for index in fences] == [index for index, char in enumerate(source) if char == FENCE]
    for first, last in itertools.combinations(fences, 2):
        start, end = found.source_span(first, last)
        assert source[end] == FENCE
        assert normalize(source[start : end + 1], level) == found.text[first : last + 1]


@each_level
@thorough
@given(text=TEXTS)
def test_the_result_is_composed(level, text):
    assert unicodedata.is_normalized("NFC", normalize(text, level))


@each_level
@thorough
@given(st.sampled_from([FAMILY, HEART, FLAG, "👩🏽‍💻", "1️⃣", "🇪🇬"]), st.sampled_from(["", "ب", " ", "\u200f", "a"]))
def test_emoji_stay_whole(level, emoji, beside):
    assert emoji in normalize(beside + emoji + beside, level)


# --- the steps, by hand: (level, source, result)

CASES = {
    "controls": [
        ("clean", "ا\u061cب\u200bت\u200eث\u200f\u202b\u2067\u2060\ufeff\u00ad\x00\x1b\x7f\x9fج", "ابتثج"),
        ("nfc", "\u061cا\u200f", "\u061cا\u200f"),
        ("clean", "ا\u200b\u0653", "آ"),  # what a control kept apart is composed
    ],
    "joiners": [
        ("clean", "کتاب\u200cها ه\u200d", "کتابها ه"),
        ("clean", f"{FAMILY}\u200d ب\u200d🔥", f"{FAMILY} ب🔥"),
    ],
    "words": [
        *(("clean", source, "الله") for source in ("ﷲ", "اﷲ", "ﺍﷲ", "اـﷲ")),
        ("clean", "ٱﷲ", "ٱلله"),
        *(("clean", source, "والله بالله") for source in ("وﷲ بﷲ", "واﷲ باﷲ", "وـﷲ بـﷲ")),
        *(("clean", source, source.replace("ﷲ", "له")) for source in ("لﷲ", "لِﷲ", "ولﷲ", "وَلِﷲ", "فلﷲ")),
        ("clean", "رسولﷲ قال ﷲ", "رسولالله قال الله"),
        ("clean", "محمدﷺقال", "محمد صلى الله عليه وسلم قال"),
        ("clean", "(ﷺ) ﷻ.", "(صلى الله عليه وسلم) جل جلاله."),
        ("clean", "٥﷼ ﷽", "٥ ريال بسم الله الرحمن الرحيم"),
    ],
    "forms": [
        ("clean", "ﺍﻟﻌﺮﺑﻴﺔ ﻻ ﻵ ﭘ ﯾ", "العربية لا لآ پ ی"),
        ("clean", "مﹰ مﹱ مﱠ شﹽ", "م\u064b م\u064b م\u064e\u0651 ش\u0651"),
        ("clean", "(ﹰ)", "(\u0640\u064b)"),  # without a letter the mark keeps a seat, and off the bracket
        ("clean", "ﬁ ½ Ａ", "ﬁ ½ Ａ"),  # other scripts' forms are not ours
    ],
    "tatweel": [
        ("clean", "العـــربـية هـ والـ ـه", "العربية ه وال ه"),
        ("clean", "القاهرة ـ وكالات ـــ 5ـ", "القاهرة - وكالات - 5-"),
        ("clean", "ٱلرَّحۡمَـٰنِ", unicodedata.normalize("NFC", "ٱلرَّحۡمَٰنِ")),
        ("clean", "شَيْـًٔا", unicodedata.normalize("NFC", "شَيْئًا")),
        ("clean", "سَوْـَٔة", "سَوْئَة"),  # not سَؤْ
        ("clean", "الفتحة (ــَ)", "الفتحة (ـَ)"),
        ("bare", "الفتحة (ـَ) ـَم", "الفتحة (-) م"),
    ],
    "spacing": [
        ("clean", "ا\t\xa0\u2003ب \u3000\r\nج\rد  \n\n \n\n ه  ", "ا ب\nج\nد\n\n ه"),
        ("clean", "ا\fب\u2028ج\u2029د", "ا\nب\nج\nد"),
        ("clean", "صدر *** عجز … صدر", "صدر *** عجز … صدر"),
        ("clean", "ا\n\nب\n", "ا\n\nب\n"),
    ],
    "marks": [
        ("bare", "كَتَبَ هٰذا عَلَيۡهِۦ ۞", "كتب هذا عليه"),
        ("bare", "أَإِآؤُئِ ٱلله", "أإآؤئ الله"),
        ("clean", "كَتَبَ", "كَتَبَ"),
        ("bare", "é ê", "é ê"),  # of Arabic only
        ("bare", "ا َ ب", "ا ب"),
    ],
    "letters": [
        ("match", "أحمد إلى آدم ٱسم مؤمن قائم مدرسة ماء", "احمد الي ادم اسم مومن قايم مدرسه ماء"),
        ("match", "کتاب ایران ہم ھم", "كتاب ايران هم هم"),
    ],
    "digits": [("match", "٠١٢٣٤٥٦٧٨٩ ۰۱۲۳۴۵۶۷۸۹", "0123456789 0123456789")],
    "punctuation": [("match", "«نعم»، لا؛ كم؟ ٥٪ ٣٫٥ ١٬٠٠٠ — …", '"نعم", لا; كم? 5% 3.5 1,000 - ...')],
    "case": [("match", "JAX Été İstanbul Σ", "jax été istanbul Σ")],
}


@pytest.mark.parametrize("level, source, result", [case for cases in CASES.values() for case in cases])
def test_by_hand(level, source, result):
    assert normalize(source, level) == result


def test_a_span_of_the_result_leads_to_the_words_of_the_source():
    source = "\ufeffقال مُحَمَّدٌﷺ: ﻻ"
    found = normalize_with_offsets(source, "match")
    assert found.text == "قال محمد صلي الله عليه وسلم: لا"

    def behind(words):
        start = found.text.index(words)
        first, last = found.source_span(start, start + len(words))
        return source[first:last]

    assert behind("محمد") == "مُحَمَّدٌ"  # with the marks that were dropped
    assert behind("الله") == "ﷺ"
    assert behind("لا") == "ﻻ"
    assert behind("قال") == "\ufeffقال"


def test_a_letter_keeps_its_place_when_its_marks_change_theirs():
    assert normalize_with_offsets("بدّ\u064eا\u0653", "nfc") == ("بد\u064eّآ", [0, 1, 2, 2, 4, 6])


def test_spans_outside_the_text_are_refused():
    found = normalize_with_offsets("ﷺ")
    assert found.source_span(3, 3) == (0, 0)
    for span in ((-1, 2), (2, 1), (0, len(found.text) + 1)):
        with pytest.raises(ValueError, match="is not a span of 18 characters"):
            found.source_span(*span)


# --- the tables


def test_an_unknown_level_is_named_with_the_levels_there_are():
    for function in (normalize, normalize_with_offsets):
        with pytest.raises(UserError, match=r'no level "soft"; the levels are nfc, clean, bare, match'):
            function("نص", "soft")


def test_steps_have_names_of_their_own_and_climb_the_ladder():
    assert len({step.name for step in STEPS}) == len(STEPS)
    climbs = [LEVELS.index(step.level) for step in STEPS]
    assert climbs == sorted(climbs)
    assert set(climbs) == set(range(len(LEVELS)))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
@thorough
@given(text=TEXTS)
def test_a_step_rewrites_what_its_edits_say(step, text):
    parts, done = [], 0
    for start, end, new in step.edits(text):
        assert done <= start < end
        parts += text[done:start], new
        done = end
    assert "".join((*parts, text[done:])) == step.rewrite(text)


def test_every_pair_that_composes_in_this_unicode_is_composed_with_offsets():
    for char in map(chr, range(0x110000)):
        pair = unicodedata.decomposition(char).split()
        if len(pair) == 2 and "<" not in pair[0] and unicodedata.normalize("NFC", char) == char:
            halves = "".join(chr(int(half, 16)) for half in pair)
            assert normalize_with_offsets(halves, "nfc") == (char, [0, 2])


def test_letters_are_sorted_into_classes():
    assert sorted(letters.SUN_LETTERS + letters.MOON_LETTERS) == sorted(letters.ALPHABET)
    assert len(letters.ALPHABET) == 28
    assert len(set(letters.ARABIC_LETTERS)) == 37
    assert set(letters.ARABIC_LETTERS) < set(letters.SCRIPT_LETTERS)
    assert set(letters.HARAKAT) < set(letters.MARKS)


def test_marks_are_the_combining_characters_of_the_arabic_blocks():
    blocks = [chr(code) for code in (*range(0x600, 0x700), *range(0x8A0, 0x900))]
    combining = {char for char in blocks if unicodedata.combining(char)}
    assert combining <= set(letters.MARKS)
    assert {char for char in set(letters.MARKS) & set(blocks) if not unicodedata.combining(char)} == set("\u06e5\u06e6")


def test_script_letters_are_the_letters_of_the_arabic_blocks():
    blocks = [chr(code) for code in (*range(0x600, 0x700), *range(0x750, 0x780), *range(0x8A0, 0x8C9))]
    assert {char for char in blocks if unicodedata.category(char) == "Lo"} == set(letters.SCRIPT_LETTERS) & set(blocks)


def test_strip_marks_and_is_arabic_letter():
    assert letters.strip_marks("مُحَمَّدٌ أَحْمَد") == "محمد أحمد"
    assert [char for char in ("ب", "ة", "ٱ", "پ", "ـ", "َ", "b", "") if letters.is_arabic_letter(char)] == [
        "ب",
        "ة",
        "ٱ",
    ]
