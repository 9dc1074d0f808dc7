"""Spelling that is decided from the word itself, and the boundaries of words.

A word is a mistake if it is in a closed list, or if no source knows it and a form that writers confuse with it is known
and far more frequent. Names and foreign words have no such form and are left alone.
"""

import functools
from collections.abc import Callable

from arabic_r1_jax.text import spelling_boundary as boundary
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.frequency import frequency
from arabic_r1_jax.text.spelling_evidence import correction, standing
from arabic_r1_jax.text.words import Word


def _is_mistake(word: Word) -> bool:
    return word.arabic and correction(word) is not None


_correction = functools.lru_cache(maxsize=1 << 12)(correction)  # rules of all kinds ask for that of the same word


def _correct(kind: str) -> Callable[[Clause, int], Hit | None]:
    def find(clause: Clause, index: int) -> Hit | None:
        found = _correction(clause.words[index])
        return Hit(index, index, found.right, found.evidence) if found.kind == kind else None

    return find


_NAMES = frozenset(wrong for wrong in boundary.pairs() if "عبدال" in wrong)


def _joined(word: Word) -> str | None:
    if not word.arabic or len(word.bare) < 4 or word.bare in _NAMES:
        return None
    if listed := boundary.pairs().get(word.bare):
        return listed
    return (boundary.fused(word.bare) or boundary.fused_verb(word.bare)) if boundary.may_be_two(word.bare) else None


def _apart(clause: Clause, index: int) -> Hit:
    right = _joined(clause.word(index))
    return Hit(index, index, right, f"«{right}» كلمات كتبت متصلة")


@functools.cache
def _first_halves() -> frozenset[str]:
    return frozenset(wrong.split(" ")[0] for wrong in boundary.pairs() if " " in wrong)


@functools.cache
def _second_halves() -> frozenset[str]:
    return frozenset(wrong.split(" ")[1] for wrong in boundary.pairs() if " " in wrong)


def _together(clause: Clause, index: int) -> Hit | None:
    """A pair of the closed list that stands in the text with a space."""
    if index + 1 == len(clause.words) or clause.words[index + 1].bare not in _second_halves():
        return None
    words = [word.bare for word in clause.words[index : index + 3]]
    for length in (3, 2):
        wrong = " ".join(words[:length])
        if len(words) >= length and (right := boundary.pairs().get(wrong)):
            after = clause.word(index + length)
            if wrong[-6:] == "عند ما" and not (after and after.slots and not any(verb.pronoun for verb in after.verbs)):
                return None
            return Hit(index, index + length - 1, right, f"«{wrong}» تكتب «{right}»")
    return None


_NO_LABELS = frozenset("بثحخذرزطظعغفكلنيس")  # letters that seldom stand for a word, as م and ق do
_PIECES = frozenset("بتثجحخدذرزسشصضطظعغفقكلمنهيةىا")


def _cut(clause: Clause, index: int) -> Hit | None:
    """A lone ال, a lone preposition of one letter, or a lone letter that makes a known word with its neighbour."""
    piece, after, before = clause.word(index).bare, clause.word(index + 1), clause.word(index - 1)
    if after and after.arabic and len(after.bare) > 2 and _goes_before(piece, after.bare, before):
        whole = piece + after.text if not (piece == "ل" and after.text[:2] == "ال") else "لل" + after.text[2:]
        return Hit(index, index + 1, whole, f"«{piece}» لا تنفصل عما بعدها")
    if piece in _PIECES and before and before.arabic and len(before.bare) > 1 and _goes_behind(piece, before):
        return Hit(index - 1, index, before.text + piece, f"«{before.bare + piece}» كلمة واحدة")
    return None


def _goes_behind(piece: str, before: Word) -> bool:
    whole = before.bare + piece
    if len(whole) < 4 or frequency(whole) < 2e-6 or standing(Word(whole)) != "known":
        return False
    return standing(before) != "known" or (piece in _NO_LABELS and frequency(whole) > 3 * frequency(before.bare))


def _goes_before(piece: str, after: str, before: Word | None) -> bool:
    if piece in ("ال", "لل"):
        return standing(Word(after)) != "unknown" and not after.startswith("ال")
    if piece in ("ب", "ل", "ك") and before is not None and before.arabic and len(before.bare) > 2:
        return standing(Word(after)) == "known" and frequency(after) > 1e-6
    return False


_MESSAGES = {
    "hamza": "الهمزة في أول الكلمة ليست على رسمها الصحيح.",
    "hamza_seat": "الهمزة ليست على كرسيها الصحيح.",
    "alef_maqsura": "التبست الياء والألف المقصورة في آخر الكلمة.",
    "ta_marbuta": "التبست التاء المربوطة والهاء والتاء المفتوحة.",
    "alif_waw": "الألف بعد الواو تكتب بعد واو الجماعة في الفعل فقط.",
    "tanween": "تنوين النصب ليس على رسمه الصحيح.",
    "dad_za": "التبست الضاد والظاء.",
    "spelling": "هذه الكلمة مكتوبة بغير رسمها الصحيح.",
}
_EXAMPLES = {  # kind: wrong, right
    "hamza": (
        (
            "ذهب {الى→إلى} السوق",
            "{إجتماعا→اجتماعا} طويلا",
            "ارتفعت {اسعار→أسعار} القمح",
            "كتب {إسمه→اسمه} على الغلاف",
        ),
        ("ذهب إلى السوق", "اكتب اسمك هنا", "انتظر الطبيب ساعة", "زار أوباما مدينة ياسين"),
    ),
    "hamza_seat": (
        (
            "على {شاطىء→شاطئ} البحر",
            "كان {مسؤلا→مسؤولا} عنها",
            "في {البيأة→البيئة} الصحراوية",
            "هذا {السوال→السؤال} سهل",
        ),
        ("هو مسئول عن شئون القرية", "رفعوا رءوسهم وبدءوا العمل", "رفعوا رؤوسهم وبدؤوا العمل", "قرأوا مئة صفحة"),
    ),
    "alef_maqsura": (
        ("جلس {القاضى→القاضي} وحده", "يعيش {فى→في} الغابة", "{حتي→حتى} الأطفال شاركوا", "القانون {الدولى→الدولي}"),
        ("جلس القاضي في المقهى", "هو على حق", "مشى الفتى إلى المستشفى"),
    ),
    "ta_marbuta": (
        ("من {القاهره→القاهرة} إليها", "نادى {بيوة→بيوت} القرية"),
        ("هذه مياه نقية", "رفع الطفل يده", "كتابه جديد"),
    ),
    "alif_waw": (
        ("{ذهبو→ذهبوا} إلى الشاطئ",),
        ("ذهبوا إلى الشاطئ", "نرجو منكم الرد", "معلمو المدرسة هنا"),
    ),
    "tanween": (
        ("{أحيانن→أحيانا} أسهر",),
        ("شكرا لكم", "كتب جزءا منها", "قال إن النساء جلسن"),
    ),
    "dad_za": (
        ("{ظابط→ضابط} الشرطة", "{النضام→النظام} الغذائي", "{بعظ→بعض} الطيور", "{انتضرنا→انتظرنا} ساعة"),
        ("ضابط الشرطة ينتظر", "غض النظر عن الظل", "نضيف الملح"),
    ),
    "spelling": (
        ("{لاكن→لكن} هاتفه مغلق", "{اللذي→الذي} كسر النافذة"),
        ("لكن هاتفه مغلق", "ذلك الذي كسر النافذة", "سار في السوق"),
    ),
}

RULES: tuple[Rule, ...] = (
    *(
        Rule(f"orthography.{kind}", message, _is_mistake, _correct(kind), *_EXAMPLES[kind], 0.88)
        for kind, message in _MESSAGES.items()
    ),
    Rule(
        "orthography.boundary",
        "كلمات كتبت متصلة وحقها الفصل.",
        lambda word: _joined(word) is not None,
        _apart,
        wrong=(
            "{لابد→لا بد} من إصلاحه",
            "وصل {إلىالمطار→إلى المطار}",
            "إنه {لايعرف→لا يعرف} المتهم",
            "حضر {ثلاثةطلاب→ثلاثة طلاب} فقط",
            "كان باردا {ومعذلك→ومع ذلك} خرج",
        ),
        right=("لا بد من إصلاحه", "سافر ماكرون إلى لندن", "زار كلينتون بلغاريا"),
    ),
    Rule(
        "orthography.boundary",
        "كتبت الكلمة مقطعة وحقها الوصل.",
        _first_halves(),
        _together,
        wrong=("سألت {عن ما→عما} يحتاج إليه", "أحبه {من ذ→منذ} طفولته", "سنزوركم {إنشاء الله→إن شاء الله}"),
        right=("سألت عما يحتاج إليه", "إنشاء المدرسة مهم"),
    ),
    Rule(
        "orthography.boundary",
        "كتبت الكلمة مقطعة وحقها الوصل.",
        lambda word: (
            len(word.bare) < 4 and word.text == word.bare and (word.bare in _PIECES or word.bare in ("ال", "لل"))
        ),
        _cut,
        wrong=("فتحت {ال كتاب→الكتاب} أمس", "سافرت {ب السيارة→بالسيارة} وحدي", "شرح {الدر س→الدرس} جيدا"),
        right=("الكتاب هنا", "عام ألف ق م تقريبا"),
    ),
)
