"""Imperatives, prohibitions and conditions whose verb keeps a ن or a weak letter that it should lose."""

from arabic_r1_jax.text.clauses import Clause
from arabic_r1_jax.text.findings import Hit, Rule
from arabic_r1_jax.text.lexicon import with_conjunctions
from arabic_r1_jax.text.rules.mood import INDICATIVE, table, without_noon
from arabic_r1_jax.text.verb_forms import slots
from arabic_r1_jax.text.words import Word

_REQUESTS = {"أرجوكم", "أرجوك", "فضلكم", "فضلك", "رجاء", "سمحت", "سمحتم", "أرجو", "نرجوكم"}
_STATES = set("تعلمون تعرفون تدرون ترون تريدون تستطيعون تملكون تجدون تحبون تفهمون تشعرون تسمعون تعقلون تؤمنون".split())
_PROHIBITED = (
    {  # weak verbs that a prohibition commonly has
        form: form[:-1]
        for form in "تنسى تخشى تتخلى تبقى تتمادى تتوانى تتعدى تتلهى تدعو تشكو تسهو تغفو تتباهى تتناسى تتغاضى".split()
    }
    | {
        form: form[:-2] + form[-1]
        for form in "تقول تخاف تنام تلوم تطيل تخون تبيع تغيب تصيح تستهين تغتاب تطيع تضيع تزور تعود".split()
    }
)
_MASCULINE = set("بني ولدي أبي أخي صديقي ابني ولد رجل أخ سيدي أستاذ أستاذي محمد أحمد علي خالد عمر عزيزي حبيبي".split())
_HOLLOW_ORDERS = {form: form[0] + form[2] for form in "قول نام خاف كون صوم زور بيع عيش قوم عود سير".split()}
_OPENERS = {"إن", "مهما", "أينما", "حيثما"}


def _condition(clause: Clause, index: int) -> Hit | None:
    verb = clause.word(index + 1)
    if not verb or not verb.bare or any(word.bare == "إلا" for word in clause.after(index)):
        return None
    if short := without_noon(verb.bare):
        return Hit(index + 1, index + 1, short, f"«{clause.words[index].text}» أداة شرط تجزم الفعل المضارع")
    return None


def _prohibition(clause: Clause, index: int) -> Hit | None:
    verb, before = clause.word(index + 1), clause.word(index - 1)
    request = before is not None and (
        before.bare in _REQUESTS or bool(clause.word(index - 2) and clause.words[index - 2].bare == "يا")
    )
    start = not index and (clause.begins_sentence or clause.before == "،")
    if not verb or not (request or (start and not clause.words[index].conjunction)):
        return None
    right, follower = None, clause.word(index + 2)
    if verb.bare in _PROHIBITED:
        women = follower and any(one.nominal.agrees in ("fs", "fp", "bs") for one in follower.nominals)
        right = _PROHIBITED[verb.bare] if follower and (request or not women) else None
    elif verb.bare.startswith("ت") and verb.bare.endswith("ون") and verb.bare not in _STATES:
        right = without_noon(verb.bare) if request or clause.begins_sentence else None
    return Hit(index + 1, index + 1, right, "«لا» الناهية تجزم الفعل المضارع") if right else None


def _imperative(clause: Clause, index: int) -> Hit | None:
    form = clause.words[index].bare
    vocative = next((n for n, one in enumerate(clause.after(index)[:5], index + 1) if one.bare == "يا"), None)
    called = clause.word(vocative + 1) if vocative is not None else None
    before = index > 1 and clause.words[index - 2].bare == "يا" and clause.words[index - 1]
    masculine = any(one and one.bare in _MASCULINE for one in (called, before))
    if index and not before:
        return None
    if form in _HOLLOW_ORDERS:
        right = _HOLLOW_ORDERS[form] if masculine else None
    elif form[-1] == "ي":
        right = form[:-1] if masculine and table(form) & slots("imp_2fs") and _weak_order(form[:-1]) else None
    else:
        right = form[:-1] if not table(form) & ~INDICATIVE & ~slots("past", "sub") and _weak_order(form[:-1]) else None
        right = right if right and not table(form) & slots("past") else None
    return Hit(index, index, right, "فعل الأمر يبنى على حذف حرف العلة") if right else None


def _weak_order(form: str) -> bool:
    """Whether a form is the imperative of a verb that ends in a weak letter."""
    return bool(table(form) & slots("imp_2ms")) and any(table("ي" + form[1:] + letter) & INDICATIVE for letter in "يىو")


def _imperative_at(word: Word) -> bool:
    bare = word.bare
    return bare in _HOLLOW_ORDERS or (bare[:1] == "ا" and bare[-1:] in "يىو" and 3 < len(bare) < 8)


RULES: tuple[Rule, ...] = (
    Rule(
        "case_mood.jussive",
        "فعل الشرط مجزوم: تحذف نونه.",
        with_conjunctions(_OPENERS),
        _condition,
        wrong=("مهما {تفعلون→تفعلوا} فلن ينفع",),
        right=("مهما تفعلوا فلن ينفع",),
        confidence=0.8,
    ),
    Rule(
        "case_mood.jussive",
        "الفعل المضارع بعد «لا» الناهية مجزوم: تحذف نونه أو حرف العلة منه.",
        with_conjunctions(("لا",)),
        _prohibition,
        wrong=("أرجوكم لا {تتأخرون→تتأخروا} عن الموعد", "لا {تنسى→تنس} موعد الدواء"),
        right=("لا تقول الصحيفة شيئا", "لا تعلمون شيئا"),
        confidence=0.8,
    ),
    Rule(
        "case_mood.imperative",
        "فعل الأمر المعتل للمفرد المذكر يحذف منه حرف العلة.",
        _imperative_at,
        _imperative,
        wrong=("{امشي→امش} يا بني في طريق الخير", "{ادعو→ادع} ربك كل يوم", "{قول→قل} الحق يا ولدي"),
        right=("امشي يا بنتي إلى البيت", "قول الحق فضيلة"),
        confidence=0.89,
    ),
)
