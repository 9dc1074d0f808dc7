"""Varieties and registers: what must be named, and above all what must not be called dialect."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arabic_r1_jax.text.varieties import DIALECTS, KINDS, register, variety

SNIPPETS = [
    line.split("\t") for line in (Path(__file__).parent / "snippets.tsv").read_text(encoding="utf-8").splitlines()
]


def test_dialect_snippets_are_called_dialect_and_standard_ones_are_not():
    named = [(want, variety(text), text) for _, want, text in SNIPPETS if want != "-"]
    named = [row for row in named if not row[2].isascii()]
    dialect = [row for row in named if row[0] in DIALECTS]
    missed = [row for row in dialect if row[1] not in DIALECTS]
    assert len(missed) <= 0.03 * len(dialect), missed
    assert [row for row in named if row[0] not in DIALECTS and row[1] in DIALECTS] == []
    right = sum(want == got for want, got, _ in dialect)
    assert right >= 0.85 * len(dialect), [row for row in dialect if row[0] != row[1]]


@pytest.mark.parametrize(
    "text",
    [
        "أعلن الوزير عن بدء العمل بتنفيذ المشروع في بيروت وبيت لحم، وبين أن بيع التذاكر سيبدأ غدا.",
        "فيما يتعلق بتطوير البرنامج وبتحديث بياناته، ينبغي أن نبدأ فورا بنقل الملفات من فضلك.",
        "هيكل المدينة القديمة وهندستها معروفان لدى الباحثين، وكيلومترات الطريق إليها قليلة.",
        "كنيسة في وادي النطرون قرب المنزل الذي بناه المفتش المدهش.",
        "قالها الرجل ثم راح إلى بيته وما في يده شيء سوى كتاب عمه.",
        "غيّر المهندس غرفة النوم في يونيو ويوليو، ونحن نرجو أن يدعو أصدقاءه.",
    ],
)
def test_standard_prose_with_the_looks_of_dialect_is_standard(text):
    assert variety(text) == "msa"


@pytest.mark.parametrize("text", ["ذهبت الى المدرسه مع صديقتي الجميله", "هذه السياره جديده وجميله جدا"])
def test_a_spelling_error_alone_is_no_dialect(text):
    assert variety(text) not in DIALECTS


@pytest.mark.parametrize("text", ["", "كتاب", "صباح الخير", "hello", "123", "من او را دوست دارم"[:5]])
def test_too_little_text_gets_no_variety(text):
    assert variety(text) is None


def test_a_dialect_that_hides_in_a_long_standard_text_does_not_rename_it():
    prose = (
        "يرى الباحثون أن هذه النتائج التي نشرت لم تكن متوقعة، وأنها تستحق دراسة أخرى خلال الأعوام القادمة. "
        "وقد أجريت التجارب في ثلاث مدن يسكنها أكثر من مليوني نسمة، ثم قورنت بما توصل إليه فريق آخر قبل عقد. "
        "ولم تظهر فروق كبيرة بين الرجال والنساء، إلا أن كبار السن كانوا أقل ميلا إلى المشاركة حينما سئلوا عنها. "
    )
    assert variety(prose + "وقال أحدهم: شو هيدا.") not in DIALECTS


def test_marks_change_nothing():
    assert variety("شُو بَدَّك تاكُل اليُوم") == variety("شو بدك تاكل اليوم") == "levantine"


@pytest.mark.parametrize(
    "text,name",
    [
        ("ٱلۡحَمۡدُ لِلَّهِ رَبِّ ٱلۡعَٰلَمِينَ", "quran"),
        ("﴿إن مع العسر يسرا﴾", "quran"),
        ("حدثنا عبد الله بن يوسف قال أخبرنا مالك عن نافع", "hadith"),
        ("عن أبي هريرة رضي الله عنه قال: قال رسول الله صلى الله عليه وسلم", "hadith"),
        ("قفا نبك من ذكرى حبيب ومنزل *** بسقط اللوى بين الدخول فحومل", "verse"),
        ("الخيل والليل والبيداء تعرفني\tوالسيف والرمح والقرطاس والقلم", "verse"),
        ("إذا المرء لم يدنس من اللؤم عرضه    فكل رداء يرتديه جميل", "verse"),
        ("على قدر أهل العزم تأتي العزائم ... وتأتي على قدر الكرام المكارم", "verse"),
        ("حدثنا المدير عن خطته الجديدة", None),
        ("قال الكاتب إن الآية ﴿اقرأ﴾ أول ما نزل من القرآن الكريم على النبي.", None),
        ("الاسم الأول\nاسم الأب\nتاريخ الميلاد\nمكان الإقامة\nرقم الهاتف\nالبريد الإلكتروني", None),
        ("- نوع القيمة ... وصف القيمة", None),
        ("", None),
    ],
)
def test_the_register_is_named(text, name):
    assert register(text) == name


def test_short_lines_that_rhyme_are_verse():
    lines = ["ولد الهدى فالكائنات ضياء", "وفم الزمان تبسم وثناء", "الروح والملأ الملائك حوله", "للدين والدنيا به بشراء"]
    lines += ["والعرش يزهو والحظيرة تزدهي", "والمنتهى والسدرة العصماء"]
    assert register("\n".join(lines)) == "verse"


@given(st.text(alphabet=st.characters(min_codepoint=0x600, max_codepoint=0x6FF) | st.sampled_from(" \n\t.*")))
def test_any_text_gets_a_variety_and_a_register_or_none(text):
    assert variety(text) in {None, *KINDS} - {"dialect", "informal"}
    assert register(text) in (None, "quran", "hadith", "verse")
