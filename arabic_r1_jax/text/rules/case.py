"""Case where the letters of a dual or sound masculine plural show it, and their ن in front of a genitive.

A word counts only if every reading of it is a dual or a sound plural of one case: سلطان and قانون never do.
"""

import re

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.rules.dual_plural import ENDING, is_human, is_plain, is_short, readings, shown_case, turned_hit
from arabic_r1_jax.text.rules.governors import (
    FEMININE,
    INNA,
    TIME,
    Demand,
    demand,
    ends,
    is_preposition,
    opens,
    predicate,
    stem,
    takes_object,
    verb_only,
)
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_BOUND = re.compile("..+(?:و|ا|ي|[واي](?:ه|ها|هما|هم|هن|ك|كم|كما|نا))")
_PLURAL_VERB = slots("ind_3mp", "past_3mp", "ind_3md", "past_3md")
_PAIRS = frozenset("يد عين ساق قدم أذن ذراع والد كتف ركبة شفة طرف جانب جناح شقيق صديق خد حاجب كف ولد ابن".split())


def _noun_demand(clause: Clause, index: int) -> Demand | None:
    """What is asked of a noun by a word in front of it, or at the beginning of a sentence by the verb behind it."""
    word, after = clause.words[index], clause.word(index + 1)
    definite = all(r.state for r in word.nominals)
    if asked := demand(clause, index, is_human(word), not definite):
        if asked.case == "g" and is_short(word) and clause.words[index - 1].core != "بين":
            return None
        time = any(r.nominal.lemma in TIME for r in word.nominals)
        if asked.case == "a" and asked.verb and any(r.nominal.gender != "m" for r in word.nominals):
            return None if asked.verb & FEMININE else asked
        if asked.case == "n" and (time or not (is_human(word) or (not definite and _exists(clause)))):
            return None
        return asked
    before = clause.word(index - 1)
    if before and before.core in {"هذان", "هاتان"} and all(r.state == "al" for r in word.nominals):
        return Demand("n", f"قبله «{before.text}» وهو مرفوع")
    if before and before.core in {"هذين", "هاتين"} and all(r.state == "al" for r in word.nominals):
        return Demand("a", f"قبله «{before.text}» وهو بالياء")
    if (
        before
        and "kana" in before.classes
        and before.core[-1] in "نحرلتس"
        and definite
        and is_human(word)
        and after
        and before.core in {"كان", "كانت", "يكون", "أصبح", "ليس", "ظل", "صار", "زال", "يزال", "يكن", "بات"}
    ):
        return Demand("n", f"هو اسم «{before.text}»")
    if (
        index == 0
        and clause.begins_sentence
        and definite
        and after
        and ends(clause, 1)
        and ENDING.fullmatch(after.bare)
        and shown_case(after) == "n"
        and not any(r.state for r in after.nominals)
    ):
        return Demand("n", "الاسم مبتدأ")
    if index == 0 and clause.begins_sentence and definite and after and verb_only(after) and after.slots & _PLURAL_VERB:
        return Demand("n", "الاسم مبتدأ") if not any(v.pronoun for v in after.verbs) else None
    return None


def _exists(clause: Clause) -> bool:
    """Whether the clause says what there is: يوجد, هناك, لدي."""
    first = clause.words[0]
    return first.core in {"يوجد", "توجد", "هناك", "ثمة"} or "prep_pron" in first.classes


def _free(clause: Clause, index: int) -> Hit | None:
    """A dual or plural with its ن, whose case the words in front of it settle."""
    word = clause.words[index]
    case = shown_case(word)
    if not case:
        return None
    attached = {r.preposition for r in readings(word)}
    if "" not in attached and case == "n":
        if attached == {"ل"} and not any(r.state for r in word.nominals):
            return None  # the ل of emphasis: إنهم لصادقون
        if word.bare.endswith("ان") and not word.bare.endswith("تان") and not any(r.state for r in word.nominals):
            return None  # a name may end so
        return None if is_short(word) else turned_hit(clause, index, f"قبله «{attached.pop()}» وهي تجر")
    if not is_plain(word):
        return None
    if asked := _noun_demand(clause, index):
        wrong = (asked.case == "n") != (case == "n")
        return turned_hit(clause, index, asked.evidence) if wrong else None
    if not any(r.state for r in word.nominals):
        return _indefinite(clause, index, case)
    return _idafa_or_adjective(clause, index, case)


def _indefinite(clause: Clause, index: int, case: str) -> Hit | None:
    """A predicate, or the object behind a verb and its subject."""
    asked = predicate(clause, index)
    if asked and asked.case == "a" and case == "n":
        return turned_hit(clause, index, asked.evidence)
    if asked and asked.case == "n" and case == "o":
        before = clause.words[index - 1]
        many = "pronoun" in before.classes or any(r.nominal.number in "dp" for r in before.nominals)
        if many and ends(clause, index) and not any(shown_case(w) == "n" for w in clause.after(index)):
            return turned_hit(clause, index, asked.evidence)
    before, verb = clause.word(index - 1), clause.word(index - 2)
    if case == "n" and index > 1 and verb_only(verb) and opens(clause, index - 2):
        person = any(
            r.state and r.nominal.human and not (r.conjunction or r.preposition) for r in before.nominals
        ) and not is_human(clause.words[index])
        if person and stem(verb) not in {"قال", "يقول", "قالت"}:
            return turned_hit(clause, index, f"الاسم مفعول به للفعل «{verb.text}»")
    return _adjective(clause, index, case)


def _same_kind(noun: Word, adjective: Word) -> bool:
    return {r.state for r in noun.nominals} == {r.state for r in adjective.nominals} and not noun.classes


def _adjective(clause: Clause, index: int, case: str) -> Hit | None:
    """An adjective in another case than the dual or plural in front of it."""
    word, noun = clause.words[index], clause.word(index - 1)
    if noun is None or not ENDING.fullmatch(noun.bare) or not _same_kind(noun, word):
        return None
    if not all(r.nominal.adjective for r in word.nominals) or shown_case(noun) in ("", case) or noun.slots:
        return None
    if noun.bare.endswith("ون") and word.bare.endswith("ان"):
        return None
    front = clause.word(index - 2)
    governed = is_preposition(clause, index - 2) or all(r.preposition for r in noun.nominals)
    if shown_case(noun) == "o" and governed and not (front and front.core in INNA):
        return turned_hit(clause, index, f"نعت «{noun.text}» وهو بالياء")
    if shown_case(noun) == "n" and index == 1 and all(r.state == "al" for r in noun.nominals):
        return turned_hit(clause, index, f"نعت «{noun.text}» وهو مرفوع")
    return None


def _idafa_or_adjective(clause: Clause, index: int, case: str) -> Hit | None:
    """A definite nominative behind a noun that only an idafa explains: بيت المعلمون."""
    word, before, front = clause.words[index], clause.word(index - 1), clause.word(index - 2)
    if hit := _adjective(clause, index, case):
        return hit
    if case == "n" and index and _head(clause, index - 1) and is_human(word):
        return turned_hit(clause, index, f"هو مضاف إلى «{before.text}»")
    if case == "o" or index < 2 or before.classes or not before.nominals or not all(r.listed for r in before.nominals):
        return None
    bare = all(not r.state and not r.nominal.case and not r.conjunction for r in before.nominals)
    attached = not before.slots and all(r.preposition and not r.state for r in before.nominals)
    if front.core == "من" and before.slots:
        return None
    if (
        bare
        and (("prep" in front.classes and is_preposition(clause, index - 2)) or attached)
        and not any(r.nominal.adjective for r in before.nominals)
        and is_human(word)
    ):
        return turned_hit(clause, index, f"هو مضاف إلى «{before.text}»")
    return None


def _head(clause: Clause, index: int) -> bool:
    """Whether the word at an index is the first part of an idafa: a thing that begins a sentence or is an object."""
    word, front = clause.words[index], clause.word(index - 1)
    if word.classes or not word.nominals:
        return False
    if re.fullmatch("أ...", word.bare) and index > 0 and front.core == "من":
        return True
    if word.slots:
        return False
    for r in word.nominals:
        if (
            r.state
            or not r.listed
            or r.nominal.adjective
            or r.nominal.case
            or r.nominal.human
            or r.nominal.lemma in TIME
        ):
            return False
    return clause.begins_sentence if index == 0 else takes_object(front)


def _both(clause: Clause, index: int) -> Hit | None:
    """كلاهما behind a preposition."""
    word, before = clause.words[index], clause.word(index - 1)
    attached = word.bare[0] in "بل"
    if attached or (index and (before.core in {"إلى", "على", "في", "عن", "مع"})):
        return Hit(
            index, index, re.sub("كل(تا|ا)", lambda m: "كلتي" if m[1] == "تا" else "كلي", word.bare), "قبله حرف جر"
        )
    return None


def _construct(clause: Clause, index: int) -> Hit | None:
    """معلمو or يداه behind a preposition: the ن is gone, the case letter shows."""
    word = clause.words[index]
    cases = {r.nominal.case for r in word.nominals if not r.conjunction}
    alone = all(r.nominal.construct and (r.nominal.lemma in _PAIRS or r.nominal.number == "p") for r in word.nominals)
    if not word.nominals or word.classes or not alone or cases != {"n"} or any(r.conjunction for r in word.nominals):
        return None
    after = clause.word(index + 1)
    if all(r.state != "pron" for r in word.nominals) and not (after and after.nominals):
        return None
    if index and clause.words[index - 1].classes & {"prep"} and is_preposition(clause, index - 1):
        return turned_hit(clause, index, f"قبله «{clause.words[index - 1].text}» وهي تجر")
    if index and not word.slots and clause.words[index - 1].core in INNA:
        return turned_hit(clause, index, f"قبله «{clause.words[index - 1].text}» وهي تنصب اسمها")
    return None


def _tens(clause: Clause, index: int) -> Hit | None:
    """عشرون or عشرين by what stands in front."""
    word = clause.words[index]
    if word.conjunction or index == 0 or clause.words[index - 1].core in {"عام", "سنة"}:
        return None
    asked = demand(clause, index, False, True)
    if not asked or (asked.case == "a" and asked.verb & FEMININE):
        return None
    if asked.case == "n" and not {w.bare for w in clause.words[:index]} & {"يوجد", "توجد"}:
        return None
    if (asked.case == "n") == (word.bare[-2] == "و"):
        return None
    return Hit(index, index, word.bare[:-2] + ("ون" if asked.case == "n" else "ين"), asked.evidence)


_TENS = frozenset(root + end for root in "عشر ثلاث أربع خمس ست سبع ثمان تسع".split() for end in ("ون", "ين"))
_MESSAGE = "علامة إعراب المثنى وجمع المذكر السالم لا توافق موقعه: الرفع بالألف أو الواو، والنصب والجر بالياء."


RULES: tuple[Rule, ...] = (
    Rule(
        "case_mood.plural",
        _MESSAGE,
        lambda word: bool(ENDING.fullmatch(word.bare)) and word.bare[-2] != "ا" and bool(shown_case(word)),
        _free,
        ends="ن",
        wrong=(
            "تحدث الوزير إلى {الصحفيون→الصحفيين} بعد الاجتماع",
            "باع بضاعته {للمستوردون→للمستوردين} الأجانب",
            "إن {اللاعبون→اللاعبين} مستعدون",
            "قابلت {الموظفون→الموظفين} الجدد",
            "سافر {المهندسين→المهندسون} جميعهم",
            "{المعلمين→المعلمون} يشاركون في الدورة",
            "كان {المتظاهرين→المتظاهرون} يرفعون الأعلام",
            "أصبح السكان {خائفون→خائفين} من الزلزال",
            "هم {متطوعين→متطوعون} في الهلال الأحمر",
        ),
        right=(
            "رأيت المعلمين",
            "في فلسطين والصين قانون واحد",
            "حتى المعلمون حضروا",
            "كان المعلمون مجتهدين",
            "من المسؤولون عن هذا؟",
            "خرجوا وهم مسرعون",
        ),
    ),
    Rule(
        "case_mood.plural",
        "ألفاظ العقود ترفع بالواو وتنصب وتجر بالياء.",
        frozenset(_TENS),
        _tens,
        wrong=("غاب بعد {عشرون→عشرين} يوما", "يوجد في المستشفى {عشرين→عشرون} طبيبا"),
        right=("غاب عشرين يوما", "بعد عشرين يوما", "عندي عشرون كتابا"),
    ),
    Rule(
        "case_mood.dual",
        _MESSAGE,
        lambda word: word.bare.endswith("ان") and bool(ENDING.fullmatch(word.bare) and shown_case(word)),
        _free,
        ends="ن",
        wrong=(
            "رأيت {الولدان→الولدين} يركضان",
            "وقع الحادث بين {سيارتان→سيارتين} على الطريق",
            "كان اللاعبان {متعبان→متعبين} بعد المباراة",
            "اشترى والدي {قميصان→قميصين} من السوق",
        ),
        right=("مع السلطان في الميدان", "رأيت عثمان في رمضان", "منذ شهران", "في لبنان بستان"),
    ),
    Rule(
        "case_mood.dual",
        "«كلا» و«كلتا» مع الضمير تعربان إعراب المثنى: الجر بالياء.",
        frozenset(start + both for start in ("", "ب", "ل") for both in ("كلاهما", "كلتاهما")),
        _both,
        wrong=("تحدثت مع {كلاهما→كليهما}", "مررت {بكلتاهما→بكلتيهما}"),
        right=("جاء كلاهما", "مع كليهما"),
    ),
    Rule(
        "case_mood.dual",
        _MESSAGE,
        lambda word: bool(_BOUND.fullmatch(word.bare)) and not word.classes and word.bare[-1] != "ي",
        _construct,
        wrong=("في {يداه→يديه} آثار حروق", "تحدثت إلى {معلمو→معلمي} المدرسة"),
        right=("يداه نظيفتان", "معلمو المدرسة حاضرون"),
    ),
)
