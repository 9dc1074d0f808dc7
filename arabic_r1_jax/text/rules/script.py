"""The characters that a text is typed with: each word in the letters of its own script, and nothing invisible in it.

Patterns run in verse, dialect and the Quran too unless such text is written so; repeated letters and words, which
speech and verse have for their effect, are looked for in edited prose alone.
"""

import itertools
import re
import unicodedata

from arabic_r1_jax.text import dictionary
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Pattern, Rule
from arabic_r1_jax.text.letters import ARABIC_LETTERS, INVISIBLE, JOINERS, MARKS, QURAN_SIGNS, TATWEEL, strip_marks
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import PRONOUNS, Word

_A, _M = ARABIC_LETTERS, MARKS
_QURAN = re.compile(f"[\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed{QURAN_SIGNS}ٱ\u08f0-\u08f2]")


def _known(letters: str) -> bool:
    word = Word(strip_marks(letters).replace(TATWEEL, ""))
    return word.known


def _spelled(token: str, table: dict[str, str]) -> str | None:
    """The first known word that the token may stand for, with every character of the table put in all its ways."""
    ways = [table.get(char, char) or char for char in token]
    spellings = ("".join(letters) for letters in itertools.islice(itertools.product(*ways), 64))
    found = [spelling for spelling in spellings if _known(spelling)]
    return next((spelling for spelling in found if Word(spelling).classes), found[0] if found else None)


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


# Letters of Persian, Urdu, Kurdish, Uyghur and their like, and the Arabic letters that they are typed for.
_FOREIGN = {
    "ک": "ك",
    "ی": "يى",
    "ہ": "هة",
    "ھ": "ه",
    "ە": "هة",
    "ۀ": "ةه",
    "ۂ": "ةه",
    "ۃ": "ة",
    "ۆ": "و",
    "ۇ": "و",
    "ې": "ي",
    "ێ": "ي",
    "ے": "يى",
    "ڪ": "ك",
    "ٹ": "ت",
    "ڈ": "د",
    "ڑ": "ر",
    "ں": "ن",
    "ۋ": "و",
    "ڵ": "ل",
    "ڕ": "ر",
    "ٲ": "أ",
    "ٳ": "إ",
    "ڧ": "ق",
    "ڢ": "ف",
    "ۈ": "و",
    "ۅ": "و",
    "ۍ": "يى",
    "ڼ": "ن",
    "ګ": "ك",
    "ڭ": "ك",
    "ڬ": "ك",
    "ٵ": "أ",
    "ٶ": "ؤ",
    "ٸ": "ئ",
    "ۓ": "ئ",
    "ݣ": "ك",
    "ڨ": "ق",
    "ڊ": "د",
    "ړ": "ر",
    "ښ": "ش",
    "ځ": "ح",
    "څ": "ح",
}
_LOAN = {"گ": "ك", "چ": "جش", "پ": "ب", "ڤ": "ف", "ژ": "زج"}  # also of loanwords and dialects
_LOANWORDS = re.compile("ڤي(?:ديو|روس|تامين|زا|لا|ينا)|ڤول|ڤيد|ڤير|ڤيت|پاري|پي|چات|چاد|چيك|چي|گوگل|گاز|گيم")
_FOREIGN_LETTERS = "".join(_FOREIGN) + "".join(_LOAN)
_TOKEN = re.compile(f"[{_A}{_M}{_FOREIGN_LETTERS}]*[{_FOREIGN_LETTERS}][{_A}{_M}{_FOREIGN_LETTERS}]*")


def _foreign_letter(match: re.Match) -> str | None:
    token = match.group()
    if len(strip_marks(token)) < 2:
        return None
    loan = any(char in _LOAN for char in token)
    if loan and _LOANWORDS.search(token):
        return None
    found = _spelled(token, _FOREIGN | _LOAN)
    if found is None or (loan and not _native(found)):
        return None
    others = [other.group() for other in _TOKEN.finditer(match.string)]
    strange = sum(_spelled(other, _FOREIGN | _LOAN) is None for other in others if other != token)
    return None if strange else found


def _native(letters: str) -> bool:
    word = Word(strip_marks(letters))
    return bool(word.slots or word.nominals or word.classes)


# Letters of other scripts and digits inside an Arabic word: alike to the eye, to the ear, or on the keyboard.
_ALIKE = {
    "a": "اش",
    "b": "بلا",
    "c": "سؤ",
    "d": "دي",
    "e": "عثي",
    "f": "فب",
    "g": "جل",
    "h": "هاح",
    "i": "ايه",
    "j": "جت",
    "k": "كن",
    "l": "ال",
    "m": "مة",
    "n": "نى",
    "o": "هاوةخ",
    "p": "بح",
    "q": "قض",
    "r": "رق",
    "s": "سص",
    "t": "تطف",
    "u": "وع",
    "v": "فر",
    "w": "وص",
    "x": "ء",
    "y": "يغ",
    "z": "زئ",
    "I": "ال",
    "L": "ل",
    "O": "هة",
    "J": "لج",
    "Y": "لاي",
    "|": "ا",
    "о": "هة",
    "ο": "هة",
    "а": "ا",
    "і": "ا",
    "ι": "ا",
    "е": "ع",
    "с": "س",
    "э": "ع",
    "ε": "ع",
    "é": "ي",
    "ó": "ه",
    "ö": "ه",
    "ı": "ا",
    "ĺ": "ا",
    "ɩ": "ا",
    "σ": "ه",
    "υ": "و",
    "ν": "ن",
    "1": "ا",
    "١": "ا",
    "۱": "ا",
    "0": "ةه",
    "5": "ةه",
    "٥": "ةه",
    "۵": "ةه",
    "9": "و",
    "٩": "و",
    "3": "ع",
    "7": "ح",
    "!": "ا",
    "٧": "ح",
    "٣": "ع",
    "٤": "ع",
    "٦": "ر",
    "2": "أء",
    "8": "ق",
    "6": "ط",
}
_SEEN = "oOlIioοоıɩι"  # what a reader takes for an Arabic letter, wherever it stands
_LATIN = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"


def _lookalike(match: re.Match) -> str | None:
    token = match.group()
    bare = strip_marks(token)
    runs = re.findall(f"[^{_A}]+", bare)
    letters = len(bare) - sum(map(len, runs))
    if len(runs) > 2 or any(len(run) > 2 for run in runs) or letters < 2:
        return None
    inside = bare[0] in _A and bare[-1] in _A
    strange = "".join(runs)
    if not inside and (len(strange) > 1 or letters < 3) and not all(char in _SEEN for char in strange):
        return None
    if bare[-1] in "IO" or any(char not in _ALIKE for char in strange):
        return None
    return _spelled(bare, _ALIKE)


def _digit_for_letter(match: re.Match) -> str | None:
    bare = strip_marks(match.group())
    ends = bare[-1] not in _A
    if sum(char in _A for char in bare) < 2 or (ends and (bare[-1] not in "٥۵" or dictionary.known(bare[:-1]))):
        return None
    return _spelled(bare, _ALIKE)


# Invisible characters. Zero width and direction marks have their uses beside Latin text and digits, none in a word.
_EDGE = "\u00ad\u200b\u200c\u2060\u180e\ufeff"


def _visible(match: re.Match) -> str | None:
    token = match.group()
    if match.start() == 0 and token[0] == "\ufeff":  # the mark of the beginning of a file
        return None
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
_SEAT = re.compile("([اويىی])([\u064b-\u0652]*)([\u0653-\u0655\u065f\u0674])")


def _composed(match: re.Match) -> str | None:
    if _QURAN.search(match.string):
        return None
    done = _SEAT.sub(lambda seat: _SEATED.get(seat[1] + seat[3], seat[1] + seat[3]) + seat[2], match.group())
    return None if done == match.group() else done


_LOOSE = re.compile("([ويى])ء(?=[ء-ي])|^(ا)ء")


def _is_loose(word: Word) -> bool:
    return bool("ء" in word.bare and _LOOSE.search(word.bare) and not word.known)


def _seated(clause: Clause, index: int) -> Hit | None:
    bare = clause.word(index).bare
    for match in _LOOSE.finditer(bare):
        for seat in {"ا": "أإ", "و": "ؤ", "ي": "ئ", "ى": "ئ"}[match[1] or match[2]]:
            written = bare[: match.start()] + seat + bare[match.end() :]
            if _known(written):
                return Hit(index, index, written, f"«{match.group()}» حرفان في موضع «{seat}»")
    return None


# Repeated letters.
_THRICE, _TWICE = re.compile(r"([ء-ي])\1\1"), re.compile(r"([ء-ي])\1")


_PREFIX = re.compile("^[وفسبل]*(?:ك?ال)?")
_ENDINGS = frozenset(("", "ا", "ة", "ات", "ين", "ون", "ان", "وا", "ت", "تا", "تم", *PRONOUNS))


def _is_drawn_out(word: Word) -> bool:
    bare = word.bare
    if not _TWICE.search(bare) or not word.arabic or len(set(bare)) < 2 or word.known:
        return False
    return bool(_THRICE.search(bare)) or (len(bare) > 3 and _once(bare) is not None)


def _once(bare: str) -> str | None:
    """A known word with one of the doubled letters written once, where no prefix or pronoun begins between the two."""
    for match in _TWICE.finditer(bare):
        at = match.start()
        short, before, after = bare[:at] + bare[at + 1 :], _PREFIX.sub("", bare[: at + 1]), bare[at + 2 :]
        if before in ("", "م", "ت", "ن", "أ") or bare[at + 1 :] in PRONOUNS or match[1] == "ن":
            continue
        like = len(before) < 3 or before[0] in "يتأنام"  # القسس and الأمما, of roots with two like radicals
        if like and after in _ENDINGS and bare[at - 1] not in "اوي":
            continue
        if match[1] in "وي" and not any(one.listed and len(short) > 3 for one in Word(short).nominals):  # بيير
            continue
        if _native(short):
            return short
    return None


def _drawn_out(clause: Clause, index: int) -> Hit | None:
    bare = clause.word(index).bare
    if not (match := _THRICE.search(bare)):
        short = _once(bare)
        return Hit(index, index, short, "حرف مكتوب مرتين") if short else None
    for times in (r"\1", r"\1\1"):
        short = re.sub(r"([ء-ي])\1\1+", times, bare)
        for form in (short, _TWICE.sub(r"\1", short)):
            if _known(form):
                return Hit(index, index, form, f"«{match[1]}» مكررة")
    return None


# Repeated words.
_FUNCTION_TWICE = frozenset(
    "في إلى على عن مع قد لقد أن إن ثم أو حتى لن هذه ذلك تلك التي الذي الذين اللذين اللتين هذا هؤلاء عند منذ خلال لكن لأن "
    "سوف ليس كان كانت حيث إذا هي هو نحن هم من أنه أنها إنه إنها كما بعد قبل كل أي بين غير بعض عليه إليه فيه فيها به "
    "وفي ومن وعلى وإلى وأن وهو وهي وقد".split()
)
_BEFORE_NOUN = frozenset("هو هي من إن وهو وهي ومن كان كانت بعد قبل بين هم غير نحن كما بعض أي".split())  # also «من مَن»
_EMPHATIC = frozenset(
    "الله الآن اليوم الأول الأولى الحق النار الصلاة قال قالت يقول قيل حدثنا أخبرنا اللهم هيا نعم".split()
)


def _may_repeat(word: Word) -> bool:
    return word.arabic and len(word.bare) > 1 and (word.text in _FUNCTION_TWICE or len(word.bare) > 3)


def _twice(clause: Clause, index: int) -> Hit | None:
    words = clause.words
    if index + 1 >= len(words) or words[index + 1] is not words[index]:
        return None
    word, after = words[index], clause.word(index + 2)
    if clause.spans[index + 1][0] - clause.spans[index][1] != 1 or after is word or word is clause.word(index - 1):
        return None
    if word.text in _FUNCTION_TWICE:
        plain = after and not after.slots and not after.classes
        if word.text in _BEFORE_NOUN and not (plain if word.text == "من" else after and after.bare[:2] == "ال"):
            return None
        if word.text == "من" and (not index or clause.words[index - 1].classes):  # ولكن من من البشر
            return None
        return Hit(index, index + 1, word.text, f"«{word.text}» مكتوبة مرتين")
    bare = word.bare
    if bare in _EMPHATIC or word.classes or bare[-1] in "اىي" or bare[:3] == "الأ":
        return None
    bound = word.nominals and all(reading.definite and not reading.conjunction for reading in word.nominals)
    verb = word.slots and not word.nominals and bare[-2:] not in ("ين", "ان", "ون")
    if index == 0 and not (verb and not word.slots & slots("imp")):
        return None
    if (bound and bare[:2] in ("ال", "لل", "با") and not word.slots) or verb:
        return Hit(index, index + 1, word.text, f"«{word.text}» مكتوبة مرتين")
    return None


def _chars(letters: str) -> frozenset[str]:
    return frozenset(letters)


_DIGIT_PAIR = "[0-9][.,/:٫٬]?[٠-٩۰-۹]|[٠-٩۰-۹][.,/:٫٬]?[0-9]|[٠-٩][.,/:٫٬]?[۰-۹]|[۰-۹][.,/:٫٬]?[٠-٩]"
_NUMBER = r"[\d.,/:٫٬]"

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
        "script.foreign_letter",
        "في الكلمة حرف ليس من حروف العربية.",
        re.compile(f"(?<![{_A}{_M}{_FOREIGN_LETTERS}]){_TOKEN.pattern}(?![{JOINERS}])"),
        _foreign_letter,
        wrong=("{کان→كان} الجو صحوا", "زرنا {مدینة→مدينة} فاس", "يقيم {پاسم→باسم} في ليون", "املأ {خانۀ→خانة} الاسم"),
        right=("شاهدت ڤيديو قصيرا", "سافر إلى پاريس", "این کتاب را دیروز خواندم", "سنة ١٤٤٥ ھ"),
        everywhere=False,
        needs=_chars(_FOREIGN_LETTERS),
    ),
    Pattern(
        "script.latin_lookalike",
        "في الكلمة حرف لاتيني في موضع حرف عربي.",
        re.compile(
            f"(?<![\\w{_M}{TATWEEL}/.@#-])(?:[{_A}{_M}]+[{_LATIN}]{{1,2}}|[{_LATIN}]{{1,2}}[{_A}])[{_A}{_M}{_LATIN}]*(?![\\w/@])"
        ),
        _lookalike,
        wrong=("{الهlتف→الهاتف} جديد", "هذا {فoم→فهم} خاطئ", "أعلن {قرارo→قراره} أمام الحشد", "{Iلجو→الجو} بارد"),
        right=("أرسله بWhatsApp أمس", "ملف الPDF مرفق", "مساحته 5كم أو م2", "القسمA والقسمB"),
        everywhere=False,
        needs=_chars("abcdefghijklmnopqrstuvwxyzILOJYоοаіιесэεéóöıĺɩσυν"),
    ),
    Pattern(
        "script.latin_lookalike",
        "في الكلمة رقم في موضع حرف.",
        re.compile(f"(?<![\\w{_M}{TATWEEL}/.@#-])[{_A}{_M}]+\\d[{_A}{_M}]*(?![\\w/@{TATWEEL}])"),
        _digit_for_letter,
        wrong=("هذه {المسأل٥→المسألة} سهلة", "قرأ {الكت1ب→الكتاب} كله"),
        right=("في الغرفة5 سرير", "المساحة م2 والحجم م3", "انظر الهامش٥"),
        confidence=0.8,
        everywhere=False,
        needs=_chars("0123456789٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹"),
    ),
    Pattern(
        "script.invisible",
        "في الكلمة حرف لا يظهر.",
        re.compile(f"[{_A}{_M}{TATWEEL}]+(?:[{INVISIBLE}]+[{_A}{_M}{TATWEEL}]+)+(?![{_FOREIGN_LETTERS}])"),
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
            f"(?<=[{_A}{_M}])[{_EDGE}]+(?![{_A}{_M}{_FOREIGN_LETTERS}])|(?<![{_A}{_M}{_FOREIGN_LETTERS}])[{_EDGE}]+(?=[{_A}])"
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
        "script.hamza_separate",
        "الهمزة مكتوبة علامة منفصلة عن حرفها.",
        re.compile(f"[{_A}{_M}ی]*[اويىی][\u064b-\u0652]*[\u0653-\u0655\u065f\u0674][{_A}{_M}ی\u0674]*"),
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
        right=("قراءة الكتاب", "في المروءة خير", "جاء سوءا"),
        confidence=0.85,
    ),
    Rule(
        "script.repeated_letter",
        "في الكلمة حرف مكرر.",
        _is_drawn_out,
        _drawn_out,
        wrong=("المنظر {جميييل→جميل} جدا", "{كتتب→كتب} المراسل تقريره", "الطريق {طوووويل→طويل} ومتعب"),
        right=("ضحك وقال ههههه", "تتتبع الشرطة أثره", "ممثل الشعب يكافح", "يمكننا ذلك"),
        confidence=0.85,
    ),
    Rule(
        "script.repeated_word",
        "كلمة مكتوبة مرتين.",
        _may_repeat,
        _twice,
        wrong=("ذهب {إلى إلى→إلى} البيت", "فاز {الفريق الفريق→الفريق} بالبطولة", "خرج {من من→من} المحطة"),
        right=("هو أكبر من من سبقه", "جاؤوا صفا صفا", "الله الله في اليتيم", "الشيء هو هو لا يتغير", "نعم نعم قلت ذلك"),
        confidence=0.85,
    ),
)
