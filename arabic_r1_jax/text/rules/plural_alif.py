"""Alif after waw: it marks the plural of a verb (كتبوا), not the waw of a root (يدعو) or of a plural noun (معلمو)."""

from arabic_r1_jax.text import lexicon, verb_forms
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.confusions import CLASSES
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_WITH_WAW = frozenset(  # present stems of verbs that end in waw
    "دعو رجو شكو نمو بدو علو سمو خلو دنو غزو تلو محو كسو عفو صحو سلو نجو هجو حبو جفو زهو صفو طفو غفو قسو نبو هفو عدو "
    "خطو عزو حدو حذو رسو ربو زكو سطو شدو غدو فشو كبو لهو نحو جثو جلو حلو حنو خبو صبو عرو سخو رخو غلو ألو".split()
)
_SECOND = frozenset("بدو دعو رجو شكو نمو علو غزو دنو طفو صحو كسو رسو هفو".split())  # تخطوا is a past tense too
_FIRST = frozenset("دعو رجو شكو نمو علو غزو دنو طفو هفو تلو نجو خلو عفو محو سمو غفو حذو".split())
_GOVERNS = frozenset(
    "لم لن أن ألا كي لكي حتى كيلا لكيلا لئلا لما لا إن من مهما متى أينما حيثما أو ثم إذن ما بأن لأن كأن".split()
)
_BEFORE_PLURAL = frozenset("لم لن أن ألا كي لكي حتى لا الذين قد لقد".split())


def _singular_waw(word: Word) -> bool:
    bare = word.bare
    if bare[-2:] != "وا" or len(bare) != 5:
        return False
    allowed = {"ي": _WITH_WAW, "ت": _SECOND, "أ": _FIRST, "ن": _FIRST}.get(bare[0], ())
    return bare[1:4] in allowed


def _waw_with_alif(clause: Clause, index: int) -> Hit | None:
    word = clause.words[index]
    if word.bare[0] in "يت" and any(
        one.core in _GOVERNS or one.bare[-2:] == "وا" or (one.bare[0] == "ل" and one.slots & _PLURAL)
        for one in clause.words[:index]
    ):
        return None
    if word.bare == "أدعوا" and index + 1 < len(clause.words) and clause.words[index + 1].bare in _CALLED:
        return None
    return Hit(index, index, word.bare[:-1], f"واو «{word.bare[:-1]}» من أصل الفعل")


_CALLED = frozenset("الله ربكم لي له لهم".split())
_SINGULAR = slots("ind_3ms", "ind_3fs")
_PLURAL = slots("past_3mp", "sub_3mp", "juss_3mp", "imp_2mp", "sub_2mp", "juss_2mp")


def _plural_waw(word: Word) -> bool:
    bare = word.bare
    if bare[-1:] != "و" or len(bare) < 4 or bare[1:] in _WITH_WAW or bare[0] in "أن":
        return False
    table = verb_forms.load()
    participle = table.get(bare[:-1], 0) & slots("ap", "pp")
    return bool(table.get(bare + "ا", 0) & _PLURAL) and not participle and not word.nominals


def _waw_without_alif(clause: Clause, index: int) -> Hit | None:
    word, before = clause.words[index], clause.word(index - 1)
    plural = before and any(one.state == "al" and one.nominal.agrees == "mp" for one in before.nominals)
    if plural and not word.slots & _SINGULAR:
        return Hit(index, index, word.bare + "ا", f"فاعله «{before.text}» جمع")
    if not before or before.core not in _BEFORE_PLURAL:
        return None
    if word.bare[0] not in "يت" and before.core not in ("الذين", "قد", "لقد"):
        return None
    if word.slots & _SINGULAR and before.core not in ("لا", "لم"):
        return None
    return Hit(index, index, word.bare + "ا", "واو الجماعة في الفعل تتبعها ألف")


def _construct_with_alif(word: Word) -> bool:
    if word.bare[-2:] != "وا" or len(word.bare) < 5 or word.bare in lexicon.forms():
        return False
    stems = {word.bare[:-1], word.bare[:-1].removeprefix("و")}
    found = [one for stem in stems for one in lexicon.forms().get(stem, ())]
    return bool(found) and all(one.construct and one.case == "n" for one in found)


def _sound_plural(clause: Clause, index: int) -> Hit | None:
    before, after = clause.word(index - 1), clause.word(index + 1)
    verb = before and before.slots & slots("past_3ms") and not before.classes
    construct = verb and after and CLASSES["definite"](after) and clause.words[index].bare[0] != "و"
    if clause.words[index].slots and not construct:
        return None
    return Hit(index, index, clause.words[index].bare[:-1], "واو جمع المذكر السالم لا تتبعها ألف")


RULES: tuple[Rule, ...] = (
    Rule(
        "orthography.singular_waw",
        "الواو من أصل الفعل المضارع فلا تتبعها ألف.",
        _singular_waw,
        _waw_with_alif,
        ends="ا",
        wrong=("{يدعوا→يدعو} الإمام المصلين", "{يبدوا→يبدو} أن المطر قريب"),
        right=("لم يدعوا أحدا", "يدعو الإمام", "يجب أن يعفوا عنه"),
    ),
    Rule(
        "orthography.plural_waw",
        "تتبع واو الجماعة في الفعل ألف.",
        _plural_waw,
        _waw_without_alif,
        ends="و",
        wrong=("لا {تنسو→تنسوا} إحضار الكتب",),
        right=("لا تنسوا إحضار الكتب", "يدعو الإمام"),
    ),
    Rule(
        "orthography.sound_plural_alif",
        "واو جمع المذكر السالم المضاف لا تتبعها ألف.",
        _construct_with_alif,
        _sound_plural,
        ends="ا",
        wrong=("اجتمع {معلموا→معلمو} المدرسة",),
        right=("معلمو المدرسة", "كتبوا الدرس"),
    ),
)
