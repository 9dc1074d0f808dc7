"""The answer parser: the table of known peer failures, adversarial outputs in two languages, and garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arabic_r1_jax.data.questions import ARABIC_LABELS, LATIN_LABELS
from arabic_r1_jax.eval.parsing import OUTCOMES, parse_answer, parse_reasoning

FOUR = ARABIC_LABELS[:4]
CITIES = ("القاهرة", "دمشق", "بغداد", "الرباط")

# What two published parsers get wrong, and what is wanted.
KNOWN_FAILURES = [
    ("الإجابة: د", 5, "د"),
    ("الإجابة الصحيحة هي ب لأن الخيار أ خاطئ", 3, "ب"),
    ("لا أستطيع الإجابة عن هذا السؤال", 3, "refusal"),
    ("الإجابة: ا", 3, "أ"),
    ("الإجابة: إ", 3, "أ"),
    ("أ أو ب", 3, "ambiguous"),
    ("ه", 5, "هـ"),
]

# (output after the end tag, number of options, wanted label or outcome), without option texts.
ARABIC = [
    # forms of one letter
    ("الإجابة: أ", 4, "أ"),
    ("الإجابة: آ", 4, "أ"),
    ("الإجابة: ٱ", 4, "أ"),
    ("الإجابة: أَ", 4, "أ"),
    ("الإجابـــة: بـ", 4, "ب"),
    ("الإجابة: هـ", 5, "هـ"),
    ("الإجابة: ه\u200d", 5, "هـ"),
    ("الإجابة: \ufeeb", 5, "هـ"),
    ("الإجابة: \ufe8f", 4, "ب"),
    ("\u202bالإجابة: \u2067ج\u2069\u202c", 4, "ج"),
    ("الإِجَابَةُ: جـ", 4, "ج"),
    ("الاجابه: د", 4, "د"),
    ("الإجابة: ة", 5, "out_of_range"),
    # marks around it
    ("**الإجابة:** ب", 4, "ب"),
    ("**الإجابة: (ب)**", 4, "ب"),
    ("### الإجابة النهائية\n\n**ج**", 4, "ج"),
    ("الإجابة:\n\nب", 4, "ب"),
    ("الإجابة: «ب»", 4, "ب"),
    ("الإجابة: [د]", 4, "د"),
    ("\\boxed{ب}", 4, "ب"),
    ("إذن $\\boxed{\\text{ج}}$.", 4, "ج"),
    ("<answer>ب</answer>", 4, "ب"),
    ('{"answer": "ب"}', 4, "ب"),
    ("الإجابة: ب.", 4, "ب"),
    ("الإجابة: ب، لأن أ لا تصح", 4, "ب"),
    ("الإجابة: ب) القاهرة", 4, "ب"),
    ("الإجابة هي... ب", 4, "ب"),
    # sentences
    ("الجواب الصحيح هو الخيار (ج).", 4, "ج"),
    ("فالإجابة هي د", 4, "د"),
    ("إجابتي النهائية: أ", 4, "أ"),
    ("الإجابة عن هذا السؤال هي: ب", 4, "ب"),
    ("بعد استبعاد الخيارات الأخرى فإن الإجابة الصحيحة هي ب", 4, "ب"),
    ("بعد استبعاد أ، الإجابة هي ب", 4, "ب"),
    ("لا شك أن الإجابة هي ب", 4, "ب"),
    ("ليس أ بل ب", 4, "ب"),
    ("الإجابة ليست أ بل ب.", 4, "ب"),
    ("الإجابة ب وليس أ", 4, "ب"),
    ("الإجابة ب لا أ", 4, "ب"),
    ("أختار الخيار ج", 4, "ج"),
    ("والصحيح: د", 4, "د"),
    ("الخيار الصحيح هو ب", 4, "ب"),
    ("ب هي الإجابة الصحيحة", 4, "ب"),
    ("الخيار أ خاطئ. الخيار ب صحيح. الخيار ج خاطئ.", 4, "ب"),
    ("الإجابة الصحيحة هي الخيار الثاني", 4, "ب"),
    ("العبارة الصحيحة هي الثالثة", 4, "ج"),
    ("لا أعرف على وجه اليقين لكن الإجابة الأقرب... الإجابة: ب", 4, "ب"),
    ("الإجابة: أ\nعذرا، أخطأت.\nالإجابة: ج", 4, "ج"),
    ("الإجابة: ب\n\nقد يظن بعض الطلاب أن الإجابة هي أ", 4, "ب"),
    ("الإجابة هي أ؟ كلا، فالإجابة هي ب", 4, "ب"),
    ("الجواب: ب والله أعلم", 4, "ب"),
    ("الخيار ب خاطئ والخيار ج صحيح", 4, "ج"),
    ("الخيارات أ وب ود كلها خاطئة، إذن الإجابة ج.", 4, "ج"),
    ("الإجابة ليست أ ولا ب ولا د، فهي ج", 4, "no_answer"),
    ("السؤال يطلب العبارة الخاطئة، والإجابة هي ب", 4, "ب"),
    ("الإجابة الخاطئة هي أ", 4, "no_answer"),
    ("الإجابة الصحيحة: ب\nالإجابات الخاطئة: أ، ج، د", 4, "ب"),
    ("الإجابة: ب لا غير", 4, "ب"),
    ("نختار الإجابة ب", 4, "ب"),
    # bare labels and lines
    ("ب", 4, "ب"),
    ("(ب)", 4, "ب"),
    ("ب) القاهرة", 4, "ب"),
    ("ب. القاهرة", 4, "ب"),
    ("الخيار ب", 4, "ب"),
    ("إذن: ب", 4, "ب"),
    ("القاهرة أكبر مدن مصر.\nب", 4, "ب"),
    ("ب\nلأن القاهرة عاصمة مصر.", 4, "ب"),
    ("أ. القاهرة\nب. دمشق\nج. بغداد\nد. الرباط\nالإجابة: ج", 4, "ج"),
    ("و", 6, "و"),
    ("الإجابة: و", 6, "و"),
    ("B", 4, "ب"),
    ("الإجابة: C", 4, "ج"),
    # abstentions
    ("", 4, "no_answer"),
    ("   \n ", 4, "no_answer"),
    ("الإجابة:", 4, "no_answer"),
    ("الجواب واضح من النص.", 4, "no_answer"),
    ("أرى أن السؤال صعب", 4, "no_answer"),
    ("أ. القاهرة\nب. دمشق\nج. بغداد\nد. الرباط", 4, "no_answer"),
    ("الإجابة ليست أ", 4, "no_answer"),
    ("ليست الإجابة ب", 4, "no_answer"),
    ("الخيار أ خاطئ", 4, "no_answer"),
    ("نستبعد الخيار أ", 4, "no_answer"),
    ("الخيار أ يتحدث عن مصر، والخيار ب يتحدث عن الشام", 4, "no_answer"),
    ("لا يمكن أن تكون الإجابة ب", 4, "no_answer"),
    ("د. أحمد زويل عالم مصري", 3, "no_answer"),
    ("الإجابة: أ أو ب", 4, "ambiguous"),
    ("الإجابة: أ وب", 4, "ambiguous"),
    ("الإجابة: أ، ب", 4, "ambiguous"),
    ("الإجابة إما أ أو ج", 4, "ambiguous"),
    ("الإجابة: أ و ب معا", 4, "ambiguous"),
    ("أ\nب", 4, "ambiguous"),
    ("ج: ب", 4, "ambiguous"),
    ("الإجابة ب أو بالأحرى ج", 4, "ambiguous"),
    ("الخيار أ صحيح والخيار ج صحيح", 4, "ambiguous"),
    ("الإجابة: هـ", 4, "out_of_range"),
    ("الإجابة: و", 4, "out_of_range"),
    ("الإجابة: ت", 4, "out_of_range"),
    ("الإجابة: ٧", 4, "out_of_range"),
    ("الخيار ح", 4, "out_of_range"),
    ("عذرا، لا يمكنني تقديم إجابة", 4, "refusal"),
    ("أعتذر عن الإجابة", 4, "refusal"),
    ("لا أعرف", 4, "refusal"),
    ("الله أعلم، لست متأكدًا", 4, "refusal"),
]

ENGLISH = [
    ("Answer: B", 4, "B"),
    ("**Answer:** (b)", 4, "B"),
    ("The correct answer is C because A is wrong.", 4, "C"),
    ("The answer is not A. The answer is D.", 4, "D"),
    ("The answer is B, not A.", 4, "B"),
    ("The answer is B not A", 4, "B"),
    ("I choose option C.", 4, "C"),
    ("Option A is incorrect. Option B is correct.", 4, "B"),
    ("B. Cairo", 4, "B"),
    ("So the final answer is:\n\n$\\boxed{D}$", 4, "D"),
    ("answer: ب", 4, "B"),
    ("The answer is a dog", 4, "no_answer"),
    ("A careful reading shows that nothing follows", 4, "no_answer"),
    ("The question asks about option A, which is Cairo, a city in", 4, "no_answer"),
    ("It could be that the answer, as I said, depends", 4, "no_answer"),
    ("A or B", 4, "ambiguous"),
    ("Answer: A and C", 4, "ambiguous"),
    ("Answer: A/B", 4, "ambiguous"),
    ("Answer: G", 4, "out_of_range"),
    ("I cannot answer this question.", 4, "refusal"),
    ("I'm sorry, I don't know.", 4, "refusal"),
    ("The answer isn't B", 4, "no_answer"),
    ("Eliminating A leaves C", 3, "C"),
    ("Only C is correct.", 4, "C"),
    ("The answer is A? No, the answer is B.", 4, "B"),
    ("I can't determine whether the answer is A or B", 4, "refusal"),
    ("Neither A nor B", 4, "no_answer"),
    ("Answer: A or maybe B", 4, "ambiguous"),
]

# (output, options, wanted): the option's text stands for its label, or beside it.
WITH_OPTIONS = [
    ("الإجابة: دمشق", CITIES, "ب"),
    ("الإجابة الصحيحة هي القاهرة.", CITIES, "أ"),
    ("بغداد", CITIES, "ج"),
    ("بعد التفكير:\nالرباط", CITIES, "د"),
    ("ب. دمشق", CITIES, "ب"),
    ("ب - دمشق", CITIES, "ب"),
    ("ب. دمشق، وهي عاصمة سوريا", CITIES, "ب"),
    ("ب) بغداد", CITIES, "ambiguous"),
    ("د. أحمد زويل عالم مصري", CITIES, "no_answer"),
    ("الإجابة: حلب", CITIES, "no_answer"),
    ("القاهرة أو دمشق", CITIES, "no_answer"),
    ("الإجابة: أ وب معا", ("الماء", "الهواء", "التراب", "أ وب معا"), "د"),
    ("الإجابة: ب", ("ب", "ت", "ث", "ن"), "ب"),
    ("الإجابة: ٣", ("1", "2", "3", "4"), "ج"),
    ("الإجابة: -5", ("5", "-5", "0", "1"), "ب"),
    ("الإجابة: الطالبَ", ("الطالبُ", "الطالبَ", "الطالبِ"), "ب"),
    ("الإجابة: الطالب", ("الطالبُ", "الطالبَ", "الطالبِ"), "no_answer"),
    ("الإجابة: ب خاطئة", ("صحيحة", "خاطئة"), "ب"),
    ("خاطئة", ("صحيحة", "خاطئة"), "ب"),
    ("الأول", ("الثاني", "الأول"), "ب"),
    ("Answer: C++", ("C", "Java", "C++"), "ج"),
]

DIGITS = [
    ("الإجابة: 2", ("1", "2", "3", "4"), "2"),
    ("الإجابة: ٢", ("1", "2", "3", "4"), "2"),
    ("الإجابة: ۳", ("1", "2", "3", "4"), "3"),
    ("الإجابة: ب", ("1", "2", "3", "4"), "2"),
    ("الإجابة: ب", ("0", "1", "2"), "1"),
    ("Answer: A", ("0", "1", "2"), "0"),
    ("الإجابة: 5", ("1", "2", "3", "4"), "out_of_range"),
    ("الإجابة: 1.5", ("1", "2"), "no_answer"),
    ("0", ("0", "1"), "0"),
]


def _assert_reads(output, labels, options, wanted):
    parsed = parse_reasoning(f"تفكير: لعل الإجابة أ.</think>\n\n{output}", labels, options)
    if wanted in OUTCOMES:
        assert parsed == (None, wanted)
    else:
        assert parsed == (wanted, "parsed")
    assert parse_answer(output, labels, options) == parsed.label


@pytest.mark.parametrize("output, count, wanted", KNOWN_FAILURES)
def test_outputs_that_published_parsers_misread_are_read(output, count, wanted):
    _assert_reads(output, ARABIC_LABELS[:count], None, wanted)


@pytest.mark.parametrize("output, count, wanted", ARABIC)
def test_arabic_outputs(output, count, wanted):
    _assert_reads(output, ARABIC_LABELS[:count], None, wanted)


@pytest.mark.parametrize("output, count, wanted", ENGLISH)
def test_english_outputs(output, count, wanted):
    _assert_reads(output, LATIN_LABELS[:count], None, wanted)


@pytest.mark.parametrize("output, options, wanted", WITH_OPTIONS)
def test_the_text_of_an_option_stands_for_its_label(output, options, wanted):
    _assert_reads(output, ARABIC_LABELS[: len(options)], options, wanted)


@pytest.mark.parametrize("output, labels, wanted", DIGITS)
def test_digit_labels_take_every_digit_script_and_letters_by_index(output, labels, wanted):
    _assert_reads(output, labels, None, wanted)


def test_english_thinking_that_a_limit_ended_has_no_label():
    output = "Okay, so the question asks about option A or b. The answer is B because"
    assert parse_reasoning(output, FOUR, finish_reason="length") == (None, "truncated")
    assert parse_reasoning(f"x</think>{output}", FOUR, finish_reason="length").label == "ب"


def test_thinking_that_did_not_end_has_no_label():
    assert parse_reasoning("<think>الإجابة: ب أو ج", FOUR) == (None, "no_end_tag")
    assert parse_reasoning("الإجابة: ب", FOUR) == (None, "no_end_tag")
    assert parse_answer("<think>الإجابة: ب", FOUR) is None
    assert parse_answer("الإجابة: ب", FOUR) == "ب"


def test_only_text_after_the_last_end_tag_counts():
    assert parse_reasoning("<think>أ</think>الإجابة: ج</think>الإجابة: ب", FOUR) == ("ب", "parsed")
    assert parse_answer("الإجابة: ج</think>لا أعرف", FOUR) is None


def test_a_word_that_the_limit_may_have_cut_is_not_a_label():
    assert parse_reasoning("</think>الإجابة: أ", FOUR, finish_reason="length") == (None, "truncated")
    assert parse_reasoning("</think>الإجابة: أ\n", FOUR, finish_reason="length") == ("أ", "parsed")


@given(st.integers(2, 8), st.data())
def test_every_label_is_read_in_the_answer_form(count, data):
    labels = data.draw(st.sampled_from([ARABIC_LABELS, LATIN_LABELS]))[:count]
    label = data.draw(st.sampled_from(labels))
    for output in (f"## الخلاصة\n</think>\n\nالإجابة: {label}", f"</think>{label}", f"</think>**({label})**"):
        assert parse_reasoning(output, labels) == (label, "parsed")


_PIECES = [
    *(
        "الإجابة",
        "الجواب",
        "الخيار",
        ":",
        " ",
        "\n",
        "أ",
        "ب",
        "هـ",
        "و",
        "ليس",
        "لا",
        "خاطئ",
        "صحيح",
        "أو",
        "بل",
        "هو",
    ),
    *(
        "</think>",
        "<think>",
        "answer",
        "is",
        "A",
        "b",
        "not",
        "\\boxed{",
        "}",
        "**",
        "\u200f",
        "\u0651",
        "(",
        ")",
        ".",
        "،",
    ),
    *("<answer>", "\ud800", "\x00", "٣", "7", "'", "-"),
]


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)),
    st.sampled_from([FOUR, LATIN_LABELS[:5], ("1", "2"), ("0", "1", "2"), ARABIC_LABELS, ()]),
    st.one_of(st.none(), st.just(CITIES), st.lists(st.text(max_size=6), max_size=4).map(tuple)),
    st.sampled_from(["stop", "length"]),
)
def test_garbage_gives_a_label_or_an_outcome_and_never_raises(output, labels, options, finish_reason):
    if options is not None:
        options = (*options, *CITIES)[: len(labels)]
    parsed = parse_reasoning(output, labels, options, finish_reason)
    assert parsed.outcome in OUTCOMES
    assert (parsed.label in labels) if parsed.outcome == "parsed" else parsed.label is None
    assert parse_answer(output, labels, options) in (None, *labels)


def test_long_repetitive_output_is_read_in_time_linear_in_its_length():
    for piece in ("الإجابة ", "الخيار ", "ليس ", "(((", "أ أو ", "answer is ", "\\boxed{"):
        parse_answer(piece * 20_000, FOUR)
