"""The characters that a text is typed with: plain letters, one system of digits, nothing invisible, nothing stretched.

Patterns run in verse, dialect and the Quran too, unless such text is written so.
"""

import re
import unicodedata

from arabic_r1_jax.text import dictionary
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Pattern, Rule
from arabic_r1_jax.text.letters import ARABIC_LETTERS, INVISIBLE, JOINERS, MARKS, QURAN_SIGNS, TATWEEL, strip_marks
from arabic_r1_jax.text.rules.lookalikes import FOREIGN_LETTERS
from arabic_r1_jax.text.words import PRONOUNS, Word

_A, _M = ARABIC_LETTERS, MARKS
_QURAN = re.compile(f"[\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed{QURAN_SIGNS}ٱ\u08f0-\u08f2\u0656\u0657\u065e]")


# Presentation forms: glyphs of old fonts. The ligatures that are signs of their own (ﷺ, ﷽, ﷼) and the ornate brackets
# are written so on purpose.
_GLYPHS = "".join(map(chr, (*range(0xFB50, 0xFBB2), *range(0xFBD3, 0xFD3E), *range(0xFD50, 0xFDC8))))
_GLYPHS += "".join(map(chr, (*range(0xFE70, 0xFE75), *range(0xFE76, 0xFEFD))))


def _letters_of_glyphs(match: re.Match) -> str | None:
    plain = "".join(unicodedata.normalize("NFKC", char).strip() for char in match.group())
    return None if plain == match.group() else plain


# A stretched word. Tatweel may carry a mark (الرحمـٰن), end a prefix before foreign letters (الـPDF) or stand in هـ.
_PREFIXES = frozenset("ال ب ل ك و ف بال كال وال فال لل وب ول وك فل س ولل وبال مال عال هال".split())


def _stretched(match: re.Match) -> str | None:
    token, line = match.group(), match.string
    plain = token.replace(TATWEEL, "")
    bare = strip_marks(plain)
    inside = TATWEEL in token.strip(TATWEEL + _M)
    first, _, rest = token.partition(TATWEEL)
    if len(first) == 1 and (rest in PRONOUNS or rest.startswith("ال") or not dictionary.known(bare)):  # وـها، بـالقلم
        return None
    if first in ("ب", "ل", "ك") and len(rest) > 3 and dictionary.known(strip_marks(rest)):  # بـحوالي
        return None
    if token[0] == TATWEEL or len(bare) < 3 or bare in _PREFIXES or _QURAN.search(line):
        return None
    if not inside and not dictionary.known(bare):
        return None
    words = re.findall(f"[{_A}{_M}{TATWEEL}]{{4,}}", line)
    padded = sum(TATWEEL in word for word in words)
    return None if padded >= 3 and 2 * padded >= len(words) else plain


# Invisible characters. Zero width and direction marks have their uses beside Latin text and digits, none in a word.
_EDGE = "\u00ad\u200b\u200c\u2060\u180e\ufeff"


def _visible(match: re.Match) -> str | None:
    token = match.group()
    if match.start() == 0 and token[0] == "\ufeff":  # the mark of the beginning of a file
        return None
    if any(char in FOREIGN_LETTERS for char in match.string) and any(char in JOINERS for char in token):
        return None  # Persian, which has words with a joiner inside
    return re.sub(f"[{INVISIBLE}]+", "", token)


# Digits.
_SYSTEMS = ("0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")


def _one_system(match: re.Match) -> str | None:
    number = match.group()
    counts = [sum(char in digits for char in number) for digits in _SYSTEMS]
    if (counts[1] == counts[2] and counts[1]) or (counts[2] and counts[1] >= counts[0]):
        digits = _SYSTEMS[1]
    else:
        digits = _SYSTEMS[counts.index(max(counts))]
    return "".join(digits[int(char)] if char.isdecimal() else char for char in number)


# Hamza and madda typed behind the letter that they belong to.
_SEATED = {
    "ا\u0654": "أ",
    "ا\u0655": "إ",
    "ا\u0653": "آ",
    "و\u0654": "ؤ",
    "ي\u0654": "ئ",
    "ى\u0654": "ئ",
    "ی\u0654": "ئ",
}
_SEATED |= {
    "ا\u0674": "أ",
    "و\u0674": "ؤ",
    "ي\u0674": "ئ",
    "ى\u0674": "ئ",
    "ا\u065f": "إ",
    "ى\u0655": "ئ",
    "ي\u0655": "ئ",
}
_SEAT = re.compile("([اويى])([\u064b-\u0652]*)([\u0653-\u0655\u065f\u0674])")


def _composed(match: re.Match) -> str | None:
    if "\u0653" in match.group() and len(re.findall(f"[{_M}]", match.group())) > 1:  # madda over a long vowel
        return None
    if "\u0670" in match.string or _QURAN.search(match.string):
        return None
    done = _SEAT.sub(lambda seat: _SEATED.get(seat[1] + seat[3], seat[1] + seat[3]) + seat[2], match.group())
    return None if done == match.group() else done


_LOOSE = re.compile("([يى])ء(?=[ء-ي])|(و)ء(?=[^واةهتكي])|^(ا)ء")


def _is_loose(word: Word) -> bool:
    return bool("ء" in word.bare and _LOOSE.search(word.bare) and not word.known)


def _seated(clause: Clause, index: int) -> Hit | None:
    bare = clause.word(index).bare
    for match in _LOOSE.finditer(bare):
        for seat in {"ا": "أإ", "و": "ؤ", "ي": "ئ", "ى": "ئ"}[match.group()[0]]:
            written = bare[: match.start()] + seat + bare[match.end() :]
            if Word(written).known:
                return Hit(index, index, written, f"«{match.group()}» حرفان في موضع «{seat}»")
    return None


def _chars(letters: str) -> frozenset[str]:
    return frozenset(letters)


_NUMBER = r"[\d.,/:٫٬]"

_PERSIAN_LETTERS = re.compile("[پچژگکی]")


def _arabic_digits(match: re.Match) -> str | None:
    if _PERSIAN_LETTERS.search(match.string):
        return None
    return "".join(chr(ord(digit) - ord("۰") + ord("٠")) for digit in match.group())


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "script.presentation",
        "أشكال الحروف المتصلة لا تكتب نصا: اكتب الحروف نفسها.",
        re.compile(f"[{_A}{_M}{_GLYPHS}{TATWEEL}]*[{_GLYPHS}][{_A}{_M}{_GLYPHS}{TATWEEL}]*"),
        _letters_of_glyphs,
        wrong=("عاد {السﻼم→السلام} إلى المنطقة", "دخلت {ﺑﻨﺖ→بنت} صغيرة"),
        right=("قال النبي ﷺ ذلك", "قرأ ﴿الحمد لله﴾ في الصلاة"),
        confidence=0.97,
        needs=_chars(_GLYPHS),
    ),
    Pattern(
        "script.presentation",
        "لفظ الجلالة مكتوب حرفا واحدا: اكتبه بحروفه.",
        re.compile(f"[{_A}]*ﷲ"),
        lambda match: "لله" if match.group() == "لﷲ" else match.group().replace("ﷲ", "الله"),
        wrong=("بارك {ﷲ→الله} في أعمالكم",),
        right=("بارك الله في أعمالكم", "الحمد لله"),
        confidence=0.7,
        everywhere=False,
        needs=_chars("ﷲ"),
    ),
    Pattern(
        "script.tatweel",
        "في الكلمة تطويل لا حاجة إليه.",
        re.compile(f"[{_A}{_M}{TATWEEL}]*{TATWEEL}(?![{_M}])[{_A}{_M}{TATWEEL}]*"),
        _stretched,
        wrong=("هذا {كتـاب→كتاب} نادر", "{الجمهوريـــة→الجمهورية} احتفلت بعيدها"),
        right=("سنة 1445هـ في مكة", "ملف الـPDF مرفق", "إِلَـٰهِ النَّاسِ", "ضمير الغائب ـه وـها"),
        everywhere=False,
        needs=_chars(TATWEEL),
    ),
    Pattern(
        "script.invisible",
        "في الكلمة حرف لا يظهر.",
        re.compile(f"[{_A}{_M}{TATWEEL}]+(?:[{INVISIBLE}]+[{_A}{_M}{TATWEEL}]+)+(?![{FOREIGN_LETTERS}])"),
        _visible,
        wrong=(
            "استقبلت {الم\u200bدينة→المدينة} الزوار",
            "{البرنا\u00adمج→البرنامج} متاح",
            "وقع {العق\u200eد→العقد} أمس",
        ),
        right=("سنة ١٤٤٥ ه\u200d في مكة", "اسمه \u200eWindows\u200f هنا"),
        confidence=0.95,
        needs=_chars(INVISIBLE),
    ),
    Pattern(
        "script.invisible",
        "بجانب الكلمة حرف لا يظهر.",
        re.compile(
            f"(?<=[{_A}{_M}])[{_EDGE}]+(?![{_A}{_M}{FOREIGN_LETTERS}])|(?<![{_A}{_M}{FOREIGN_LETTERS}])[{_EDGE}]+(?=[{_A}])"
        ),
        lambda match: None if match.start() == 0 and match.group() == "\ufeff" else "",
        wrong=("استقبلت المدينة{\u200b→} الزوار",),
        right=("\ufeffاستقبلت المدينة الزوار",),
        confidence=0.7,
        everywhere=False,
        needs=_chars(_EDGE),
    ),
    Pattern(
        "script.invisible",
        "في النص حرف تحكم.",
        re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]+"),
        lambda match: "",
        wrong=("استقبلت الم{\x02→}دينة الزوار",),
        right=("استقبلت المدينة\tالزوار",),
        needs=_chars("".join(map(chr, (*range(9), *range(14, 28), *range(127, 133), *range(134, 160))))),
    ),
    Pattern(
        "script.mixed_digits",
        "في العدد أرقام من نظامين.",
        re.compile(
            f"(?<!\\d)\\d{_NUMBER}*?(?<=\\d)(?:(?<=[0-9])[.,/:٫٬]?[٠-٩۰-۹]|(?<=[٠-٩])[.,/:٫٬]?[0-9۰-۹]|(?<=[۰-۹])[.,/:٫٬]?[0-9٠-٩])(?:[.,/:٫٬]?\\d)*"
        ),
        _one_system,
        wrong=("حضر {١2٣→١٢٣} شخصا", "سنة {19٩8→1998} في عمان", "طوله {١۴٥٠→١٤٥٠} كيلومترا"),
        right=("بين ١٩٩٠ و2000", "سنة ١٩٩٨ و 1998", "يوم 12/5/2020"),
        confidence=0.95,
        needs=_chars("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹"),
    ),
    Pattern(
        "script.mixed_digits",
        "الأرقام فارسية في نص عربي.",
        re.compile("(?<![\\d.,٫٬])[۰-۹]*[۴-۶][۰-۹]*(?![\\d.,٫٬])"),
        _arabic_digits,
        wrong=("بلغ عدد المسجلين {۴۵۶→٤٥٦} طالبا",),
        right=("بلغ عدد المسجلين ٤٥٦ طالبا",),
        everywhere=False,
        needs=_chars("۴۵۶"),
    ),
    Pattern(
        "script.hamza_separate",
        "الهمزة مكتوبة علامة منفصلة عن حرفها.",
        re.compile(f"[{_A}{_M}]*[اويى][\u064b-\u0652]*[\u0653-\u0655\u065f\u0674][{_A}{_M}\u0674]*"),
        _composed,
        wrong=("{ا\u0654خبرني→أخبرني} الجار", "{قاى\u0654د→قائد} الفرقة", "كل {مو\u0654من→مؤمن} يحب الخير"),
        right=("أخبرني الجار", "قائد الفرقة"),
        everywhere=False,
        needs=_chars("\u0653\u0654\u0655\u065f\u0674"),
    ),
)

RULES: tuple[Rule, ...] = (
    Rule(
        "script.hamza_separate",
        "الهمزة مكتوبة منفصلة عن حرفها.",
        _is_loose,
        _seated,
        wrong=("كان {مسىءولا→مسئولا} عن العمل", "هو {موءمن→مؤمن} بالله"),
        right=("قراءة الكتاب", "في المروءة خير", "جاء سوءا", "سئلت الموءودة"),
        confidence=0.85,
    ),
)
