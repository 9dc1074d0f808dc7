"""Case where the letters of a dual or sound masculine plural show it, and their ن in front of a genitive.

A word counts only if every reading of it is a dual or a sound plural of one case: سلطان and قانون never do.
"""

import functools
import re

from arabic_r1_jax.text import lexicon
from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.features import long_with_article
from arabic_r1_jax.text.findings import Hit, Pattern, Rule
from arabic_r1_jax.text.lexicon import Nominal
from arabic_r1_jax.text.rules.governors import (
    FEMININE,
    INNA,
    TIME,
    Demand,
    demand,
    ends,
    is_definite,
    is_preposition,
    opens,
    predicate,
    stem,
    takes_object,
    verb_only,
)
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Reading, Word

PATTERNS: tuple[Pattern, ...] = ()

_ENDING = re.compile("..+(?:ون|ين|ان)")
_BOUND = re.compile("..+(?:و|ا|ي|[واي](?:ه|ها|هما|هم|هن|ك|كم|كما|نا))")
_NAMES = re.compile(
    "[وفبلك]*(?:ال|ل)?(?:بحرين|حرمين|رافدين|نهرين|اثنين|اثنان|عابدين|سنين|سنون|بنون|حسنين|عراقين|فرقدين|فرقدان|ثقلين|أربعين|"
    "عليين|بارون|زيتون|عشرين|ثلاثين|خمسين|ستين|سبعين|ثمانين|تسعين|عشرون|إخوان|أجمعين|أجمعون|ألفين|مئتين|مائتين|دين|ثنتين|"
    "أبيضان|مشرقين|مغربين|قطبين|والدين|شرقين|قرنين|حين|عين|شين|هجين|عجين|سكين)"
)
_SINGULARS = frozenset(
    "عمان لبنان سودان يونان برلمان طهران وهران جبران حرمان كتمان نسيان غثيان هذيان جريان دوران طيران غليان "
    "ثوران إدمان إتقان "
    "إيمان أمان ضمان زمان مكان بيان كيان عيان لسان سنان أوان هوان حنان جنان بنان عنان دخان رهان حران جمان "
    "عمران لبان ربان شكران كفران غفران خسران فقدان وجدان نقصان بنيان مكران بطلان سريان جرمان لحمان كرمان "
    "رجحان خفقان قران ختان حصان خزان دهان".split()
)
_PLURAL_VERB = slots("ind_3mp", "past_3mp", "ind_3md", "past_3md")


_PREFIX = re.compile("^[وف]?(?:[بك]?ال|لل)")
_PARTICIPLE = re.compile("م...+|.ا..")
_PAIRS = frozenset("يد عين ساق قدم أذن ذراع والد كتف ركبة شفة طرف جانب جناح شقيق صديق خد حاجب كف ولد ابن".split())


def _readings(word: Word) -> list[Reading]:
    """Its readings; guesses behind و or ف count only where no list knows the whole word."""
    whole = any(r.listed and not (r.conjunction or r.preposition) for r in word.nominals)
    return [r for r in word.nominals if r.listed or not (whole and (r.conjunction or r.preposition))]


def _shown(word: Word, nominal: Nominal) -> str:
    if nominal.number == "p" and word.bare.endswith("ين") and not nominal.case:
        return "p"  # listed among broken plurals: محامين
    return nominal.case if nominal.number != "s" else ""


@functools.lru_cache(maxsize=1 << 16)
def _case(word: Word) -> str:
    """The case that all readings of a dual or sound plural show: n or o; "" if they differ or it is neither."""
    if not any(r.listed or _PARTICIPLE.fullmatch(r.nominal.lemma) for r in word.nominals):
        return ""
    found = {_shown(word, r.nominal) for r in _readings(word)}
    if len(found) == 2 and word.bare.endswith("ين") and found == {"o", "p"}:
        found = {"o"}
    if len(found) != 1 or word.classes or _NAMES.fullmatch(word.bare):
        return ""
    if word.bare.endswith("ان"):
        bare = _PREFIX.sub("", word.bare)
        if not any(r.listed for r in word.nominals) or bare in _SINGULARS or bare in lexicon.diptotes():
            return ""
    return found.pop().removesuffix("p")


def _plain(word: Word) -> bool:
    """A dual or sound plural with its ن, without و, ف or an attached preposition."""
    return not any(r.conjunction or r.preposition or r.nominal.construct for r in _readings(word))


def _short(word: Word) -> bool:
    """Three letters and ان: عمران, مكران; most are singulars or names."""
    if not word.bare.endswith("ان") or word.bare.endswith("تان"):
        return False
    return all(len(r.nominal.lemma) <= 3 and not r.nominal.human and r.nominal.lemma not in TIME for r in word.nominals)


def _human(word: Word) -> bool:
    return any(r.nominal.human or not r.listed or r.nominal.adjective for r in word.nominals)


def _turned(word: Word, dual: bool) -> str:
    """The word in its other case."""
    text = word.bare
    if text.endswith("ين"):
        return text[:-2] + ("ان" if dual else "ون")
    if text.endswith(("ون", "ان")):
        return text[:-2] + "ين"
    return re.sub("[وا](ه|ها|هما|هم|هن|ك|كم|كما|نا)$|[وا]$", r"ي\1", text)


def _is_dual(clause: Clause, index: int) -> bool:
    """Whether an oblique, which may be dual or plural, is dual."""
    word, before, after = clause.words[index], clause.word(index - 1), clause.word(index + 1)
    if {r.nominal.number for r in word.nominals} == {"d"}:
        return True
    if not any(r.nominal.number == "p" and r.listed for r in word.nominals) and any(r.listed for r in word.nominals):
        return True
    if before and before.core in {"هذان", "هذين", "هما", "أنتما", "كانا"}:
        return True
    return bool(after and (after.core in {"اثنان", "كلاهما"} or after.slots & slots("ind_3md")))


def _hit(clause: Clause, index: int, why: str) -> Hit | None:
    word = clause.words[index]
    right = _turned(word, _case(word) == "o" and _is_dual(clause, index))
    return Hit(index, index, right, why) if right != word.bare else None


def _noun_demand(clause: Clause, index: int) -> Demand | None:
    """What is asked of a noun by a word in front of it, or at the beginning of a sentence by the verb behind it."""
    word, after = clause.words[index], clause.word(index + 1)
    definite = all(r.state for r in word.nominals)
    if asked := demand(clause, index, _human(word), not definite):
        if asked.case == "g" and _short(word) and clause.words[index - 1].core != "بين":
            return None
        time = any(r.nominal.lemma in TIME for r in word.nominals)
        if asked.case == "a" and asked.verb and any(r.nominal.gender != "m" for r in word.nominals):
            return None if asked.verb & FEMININE else asked
        if asked.case == "n" and (time or not (_human(word) or (not definite and _exists(clause)))):
            return None
        return asked
    before = clause.word(index - 1)
    if before and before.core in {"هذان", "هاتان"} and all(r.state == "al" for r in word.nominals):
        return Demand("n", f"قبله «{before.text}» وهو مرفوع")
    if before and before.core in {"هذين", "هاتين"} and all(r.state == "al" for r in word.nominals):
        return Demand("a", f"قبله «{before.text}» وهو بالياء")
    if before and "kana" in before.classes and before.core[-1] in "نحرلتس" and definite and _human(word) and after:
        if before.core in {"كان", "كانت", "يكون", "أصبح", "ليس", "ظل", "صار", "زال", "يزال", "يكن", "بات"}:
            return Demand("n", f"هو اسم «{before.text}»")
    if index == 0 and clause.begins_sentence and definite and after and ends(clause, 1):
        if _ENDING.fullmatch(after.bare) and _case(after) == "n" and not any(r.state for r in after.nominals):
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
    case = _case(word)
    attached = {r.preposition for r in _readings(word)}
    if "" not in attached and case == "n":
        if attached == {"ل"} and not any(r.state for r in word.nominals):
            return None  # the ل of emphasis: إنهم لصادقون
        if word.bare.endswith("ان") and not word.bare.endswith("تان") and not any(r.state for r in word.nominals):
            return None  # a name may end so
        return None if _short(word) else _hit(clause, index, f"قبله «{attached.pop()}» وهي تجر")
    if not _plain(word):
        return None
    if asked := _noun_demand(clause, index):
        wrong = (asked.case == "n") != (case == "n")
        return _hit(clause, index, asked.evidence) if wrong else None
    if not any(r.state for r in word.nominals):
        return _indefinite(clause, index, case)
    return _idafa_or_adjective(clause, index, case)


def _indefinite(clause: Clause, index: int, case: str) -> Hit | None:
    """A predicate, or the object behind a verb and its subject."""
    asked = predicate(clause, index)
    if asked and asked.case == "a" and case == "n":
        return _hit(clause, index, asked.evidence)
    if asked and asked.case == "n" and case == "o":
        before = clause.words[index - 1]
        many = "pronoun" in before.classes or any(r.nominal.number in "dp" for r in before.nominals)
        if many and ends(clause, index) and not any(_case(w) == "n" for w in clause.after(index)):
            return _hit(clause, index, asked.evidence)
    before, verb = clause.word(index - 1), clause.word(index - 2)
    if case == "n" and index > 1 and verb_only(verb) and opens(clause, index - 2):
        person = any(
            r.state and r.nominal.human and not (r.conjunction or r.preposition) for r in before.nominals
        ) and not _human(clause.words[index])
        if person and stem(verb) not in {"قال", "يقول", "قالت"}:
            return _hit(clause, index, f"الاسم مفعول به للفعل «{verb.text}»")
    return _adjective(clause, index, case)


def _same_kind(noun: Word, adjective: Word) -> bool:
    return {r.state for r in noun.nominals} == {r.state for r in adjective.nominals} and not noun.classes


def _adjective(clause: Clause, index: int, case: str) -> Hit | None:
    """An adjective in another case than the dual or plural in front of it."""
    word, noun = clause.words[index], clause.word(index - 1)
    if noun is None or not _ENDING.fullmatch(noun.bare) or not _same_kind(noun, word):
        return None
    if not all(r.nominal.adjective for r in word.nominals) or _case(noun) in ("", case) or noun.slots:
        return None
    if noun.bare.endswith("ون") and word.bare.endswith("ان"):
        return None
    front = clause.word(index - 2)
    governed = is_preposition(clause, index - 2) or all(r.preposition for r in noun.nominals)
    if _case(noun) == "o" and governed and not (front and front.core in INNA):
        return _hit(clause, index, f"نعت «{noun.text}» وهو بالياء")
    if _case(noun) == "n" and index == 1 and all(r.state == "al" for r in noun.nominals):
        return _hit(clause, index, f"نعت «{noun.text}» وهو مرفوع")
    return None


def _idafa_or_adjective(clause: Clause, index: int, case: str) -> Hit | None:
    """A definite nominative behind a noun that only an idafa explains: بيت المعلمون."""
    word, before, front = clause.words[index], clause.word(index - 1), clause.word(index - 2)
    if hit := _adjective(clause, index, case):
        return hit
    if case == "n" and index and _head(clause, index - 1) and _human(word):
        return _hit(clause, index, f"هو مضاف إلى «{before.text}»")
    if case == "o" or index < 2 or before.classes or not before.nominals or not all(r.listed for r in before.nominals):
        return None
    bare = all(not r.state and not r.nominal.case and not r.conjunction for r in before.nominals)
    attached = not before.slots and all(r.preposition and not r.state for r in before.nominals)
    if front.core == "من" and before.slots:
        return None
    if bare and (("prep" in front.classes and is_preposition(clause, index - 2)) or attached):
        if not any(r.nominal.adjective for r in before.nominals) and _human(word):
            return _hit(clause, index, f"هو مضاف إلى «{before.text}»")
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


def _is_construct(word: Word) -> bool:
    """معلمو or يداه: a nominative by every reading, whose ن is gone."""
    if not _BOUND.fullmatch(word.bare) or word.classes:
        return False
    return bool(word.nominals) and all(
        r.nominal.construct
        and (r.nominal.lemma in _PAIRS or r.nominal.number == "p")
        and r.nominal.case == "n"
        and not r.conjunction
        for r in word.nominals
    )


def _construct(clause: Clause, index: int) -> Hit | None:
    """معلمو or يداه behind a preposition: the ن is gone, the case letter shows."""
    word = clause.words[index]
    after = clause.word(index + 1)
    if all(r.state != "pron" for r in word.nominals) and not (after and after.nominals):
        return None
    if index and clause.words[index - 1].classes & {"prep"} and is_preposition(clause, index - 1):
        return _hit(clause, index, f"قبله «{clause.words[index - 1].text}» وهي تجر")
    if index and not word.slots and clause.words[index - 1].core in INNA:
        return _hit(clause, index, f"قبله «{clause.words[index - 1].text}» وهي تنصب اسمها")
    return None


def _may_be_kept(word: Word) -> bool:
    """Whether a word is a listed dual or sound plural with its ن that may own what is behind it."""
    if not _ENDING.fullmatch(word.bare) or not _case(word) or word.slots or not _plain(word):
        return False
    if any(r.state or not r.listed for r in _readings(word)) or all(r.nominal.adjective for r in word.nominals):
        return False
    return not any(r.nominal.lemma in TIME for r in word.nominals)


def _kept(clause: Clause, index: int) -> Hit | None:
    """The ن of معلمون kept in front of the definite noun that it belongs to."""
    word, after = clause.words[index], clause.word(index + 1)
    case = _case(word)
    if not after or after.classes or after.slots or not after.nominals:
        return None
    if any(r.state != "al" or r.nominal.adjective or r.preposition or not r.listed for r in after.nominals):
        return None
    before = clause.word(index - 1)
    if not _stands(clause, index, case, before):
        return None
    right = word.bare[:-1]
    return Hit(index, index, right, f"هو مضاف إلى «{after.text}»، ونون المثنى والجمع تحذف للإضافة")


def _stands(clause: Clause, index: int, case: str, before: Word | None) -> bool:
    """Whether a noun with ن stands where the next noun can only be its genitive."""
    word = clause.words[index]
    if case == "n":
        return (before is None and clause.begins_sentence) or bool(
            before and stem(before) in {"حضر", "وصل", "جاء", "احتج"}
        )
    active = re.fullmatch(".ا..", word.nominals[0].nominal.lemma)
    if is_preposition(clause, index - 1, True):
        return True
    front = clause.word(index - 2)
    subject = index == 2 and is_definite(before) and front.slots
    return not active and subject and all(r.nominal.human for r in before.nominals)


def _article(clause: Clause, index: int) -> Hit | None:
    """أضعت المفتاح السيارة: ال on a thing that a thing behind it owns."""
    word, after, before = clause.words[index], clause.word(index + 1), clause.word(index - 1)
    if not after or not before or index != 1:
        return None
    asked = demand(clause, index, False)
    if not asked or not asked.verb or asked.case != "a" or before.slots & FEMININE:
        return None
    for one in (word, after):
        if one.classes or not one.nominals or one.slots:
            return None
        for r in one.nominals:
            n = r.nominal
            if r.state != "al" or r.preposition or r.conjunction or not r.listed or n.adjective or n.human:
                return None
            if n.lemma in TIME or n.number != "s":
                return None
    return Hit(index, index, word.bare[2:], f"هو مضاف إلى «{after.text}»، والمضاف لا تدخله أل")


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
        lambda word: bool(_ENDING.fullmatch(word.bare)) and word.bare[-2] != "ا" and bool(_case(word)),
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
        lambda word: word.bare.endswith("ان") and bool(_ENDING.fullmatch(word.bare) and _case(word)),
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
        _is_construct,
        _construct,
        ends="واهمنك",
        wrong=("في {يداه→يديه} آثار حروق", "تحدثت إلى {معلمو→معلمي} المدرسة"),
        right=("يداه نظيفتان", "معلمو المدرسة حاضرون"),
    ),
    Rule(
        "case_mood.idafa",
        "نون المثنى وجمع المذكر السالم تحذف إذا أضيف إلى ما بعده.",
        _may_be_kept,
        _kept,
        ends="ن",
        wrong=(
            "{معلمون→معلمو} المدرسة يحضرون الحفل",
            "تحدثت مع {مراسلين→مراسلي} القناة",
        ),
        right=("معلمون كثيرون يحضرون الحفل", "خرجوا قاصدين المدينة"),
    ),
    Rule(
        "case_mood.idafa",
        "المضاف إلى معرفة لا تدخله أل.",
        long_with_article,
        _article,
        starts="ا",
        wrong=("أضعت {المفتاح→مفتاح} السيارة قرب النادي",),
        right=("أعطيت الولد الكتاب", "زرت المدينة القديمة"),
    ),
)
