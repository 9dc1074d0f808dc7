"""The loop of the checker: any text is taken, findings lie within it, and what is not edited prose is left alone."""

import itertools
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from arabic_r1_jax.text import check
from arabic_r1_jax.text.clauses import clauses, sentences
from arabic_r1_jax.text.findings import Finding
from arabic_r1_jax.text.words import Word

WORDS = """ذهبنا الى هذا المدرسة الكبيرة مع ثلاث رجال المعلمون المعلمين لم يذهبون لن إن كان أبوك في على من و ، . « » ( )
كتبٌ الشَمس word 12 ٣ ـــ ههه \u200f ﻻ \n""".split(" ")


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)))
def test_any_text_has_ordered_findings_within_it_that_do_not_overlap(text):
    spans = [finding.span for finding in check(text)]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_a_finding_says_what_where_and_why():
    text = "زرنا أمس هذا المدرسة الجديدة."
    (finding,) = check(text)
    assert isinstance(finding, Finding)
    assert text[slice(*finding.span)] == "هذا المدرسة"
    assert (finding.kind, finding.suggestion) == ("agreement.demonstrative", "هذه المدرسة")
    assert "المدرسة" in finding.evidence
    assert finding.message.endswith(".")
    assert 0.5 <= finding.confidence < 1


def test_spans_count_from_the_beginning_of_the_text_in_every_line():
    text = "سطر أول.\nعدنا إلى هذا المدرسة.\r\nثم زرنا هذه البيت."
    assert [text[slice(*finding.span)] for finding in check(text)] == ["هذا المدرسة", "هذه البيت"]


def test_findings_less_sure_than_asked_are_kept_back():
    text = "عدنا إلى هذا المدرسة."
    (finding,) = check(text)
    assert check(text, confidence=finding.confidence) == [finding]
    assert check(text, confidence=finding.confidence + 0.01) == []


def test_quoted_speech_is_left_alone():
    assert check("قال الطفل: «عدنا إلى هذا المدرسة»، فضحكنا.") == []
    assert len(check("قال الطفل: عدنا إلى هذا المدرسة، فضحكنا.")) == 1


def test_a_quotation_mark_that_is_never_closed_ends_with_its_line():
    assert len(check("قال: «نعم\nعدنا إلى هذا المدرسة")) == 1


def test_clauses_end_at_punctuation_and_know_what_stood_before():
    found = list(clauses("جاء الولد، وذهب. ثم «عاد»", Word))
    assert [[word.text for word in clause.words] for clause in found] == [["جاء", "الولد"], ["وذهب"], ["ثم"], ["عاد"]]
    assert [clause.begins_sentence for clause in found] == [True, False, True, False]
    assert [clause.quoted for clause in found] == [False, False, False, True]


def test_sentences_cover_the_text_between_full_stops():
    text = "واحد. اثنان؟ «ثلاثة!»\n\nأربعة"
    assert [text[start:end].strip() for start, end in sentences(text)] == ["واحد.", "اثنان؟", "«ثلاثة!»", "أربعة"]


def test_the_text_tools_import_no_jax():
    program = (
        "import sys, arabic_r1_jax as ar1; ar1.text.check('نص'); ar1.text.normalize('نص'); ar1.text.identify('نص');"
        "print(sorted({'jax', 'flax', 'tensorflow_datasets', 'grain'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
