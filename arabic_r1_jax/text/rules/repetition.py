"""Letters and words written twice by a slip of the hand, in edited prose alone: speech and verse repeat for effect.

Arabic has words with like letters side by side (القسس) and repeats words on purpose (صفا صفا, الله الله): a repeated
letter needs an unknown word that is known without it, a repeated word a class that is never doubled for emphasis.
"""

import re

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import PRONOUNS, Word

# Repeated letters.
_THRICE, _TWICE = re.compile(r"([ء-ي])\1\1"), re.compile(r"([ء-ي])\1")


_PREFIX = re.compile("^[وفسبل]*(?:ك?ال)?")
_ENDINGS = frozenset(("", "ا", "ة", "ات", "ين", "ون", "ان", "وا", "ت", "تا", "تم", *PRONOUNS))


def _is_native(bare: str) -> bool:
    word = Word(bare)
    return bool(word.slots or word.nominals or word.classes)


def _is_drawn_out(word: Word) -> bool:
    bare = word.bare
    if not _TWICE.search(bare) or not word.arabic or len(set(bare)) < 3 or bare.endswith("والله") or word.known:
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
        if _is_native(short):
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
            if Word(form).known:
                return Hit(index, index, form, f"«{match[1]}» مكررة")
    return None


# Repeated words.
_FUNCTION_TWICE = frozenset(
    "في إلى على عن مع قد لقد أن إن ثم أو حتى لن هذه "
    "ذلك تلك التي الذي الذين اللذين اللتين هذا هؤلاء عند منذ خلال لكن لأن "
    "سوف ليس كان كانت حيث إذا نحن هم من أنه أنها إنه إنها كما بعد قبل كل أي بين غير بعض عليه إليه فيه فيها به "
    "وفي ومن وعلى وإلى وأن وهو وهي وقد هو هي كانوا يكون تكون "
    "منه منها منهم له لها لهم بها بهم فيهم عنه عنها عنهم إليها "
    "إليهم عليها عليهم معه معها معهم لكنه لكنها لأنه لأنها ولا ولم "
    "فقط أيضا وكان وكانت وهذا وهذه عندما بينما حينما أما لدى نحو "
    "حول ضد دون تحت فوق داخل خارج أمام خلف مثل سوى فقد كذلك هناك لهذا لذلك بهذا بهذه لهذه".split()
)
_BEFORE_NOUN = frozenset("هو هي من إن وهو وهي ومن كان كانت بعد قبل بين هم غير نحن كما بعض أي".split())  # also «من مَن»
_EMPHATIC = frozenset(
    "الله الآن اليوم الأول الأولى الحق النار الصلاة قال قالت يقول قيل حدثنا أخبرنا اللهم هيا نعم".split()
)


_CONDITIONS = frozenset("إن إذا لو من كلما متى مهما لما حيثما أينما".split())


def _may_repeat(word: Word) -> bool:
    return word.arabic and (len(word.bare) > 3 or (len(word.bare) > 1 and word.text in _FUNCTION_TWICE))


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
        if word.text in _BEFORE_NOUN and "relative" in after.classes:  # هو هو الذي
            return None
        if word.text == "من" and (not index or clause.words[index - 1].classes):  # ولكن من من البشر
            return None
        return Hit(index, index + 1, word.text, f"«{word.text}» مكتوبة مرتين")
    bare = word.bare
    if bare in _EMPHATIC or word.classes or bare[-1] in "اىي" or bare[:3] == "الأ":
        return None
    bound = word.nominals and all(reading.definite and not reading.conjunction for reading in word.nominals)
    verb = word.slots and not word.nominals and bare[-2:] not in ("ين", "ان", "ون")
    if verb and any(other.core in _CONDITIONS for other in words[:index]):  # إن أحسنتم أحسنتم
        return None
    if index == 0 and not (verb and not word.slots & slots("imp")):
        return None
    describes = bare[-1] == "ة" and word.nominals and all(one.nominal.adjective for one in word.nominals)
    if (bound and not word.slots) or verb or (describes and not word.slots):
        return Hit(index, index + 1, word.text, f"«{word.text}» مكتوبة مرتين")
    return None


RULES: tuple[Rule, ...] = (
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
