"""The words by which answers are announced, denied, doubted and refused, in Arabic and English.

Everything here is a regular expression over folded text (`eval.folding`). Words are written in their ordinary
spelling, `_` joins the words of a phrase; they are folded here. Used by `eval.parsing` only.
"""

import re

from arabic_r1_jax.eval.folding import words


def _whole(*patterns: str) -> str:
    """Any of the patterns, as a whole word."""
    return rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)"


def _compiled(pattern: str) -> re.Pattern:
    return re.compile(pattern, re.IGNORECASE)


def _with_prefix(*texts: str) -> str:
    """The words, with or without the conjunctions و and ف in front."""
    return rf"[وف]?(?:{words(*texts)})"


# "الإجابة", "فالجواب", "answer": what follows is the answer.
_ANSWER = _with_prefix(
    "الإجابة الإجابه إجابة إجابه للإجابة إجابتي إجابتك الجواب جواب جوابي الحل",
    "answer ans solution",
)
# "والصحيح هو ب", "أختار ب", "ليس أ بل ب", "فيبقى ب": as good as the word "answer".
_CHOSEN = "|".join(
    (
        _with_prefix("الصحيح الصحيحة الصواب الأصح الأنسب الأدق الأفضل الأمثل"),
        _with_prefix("أختار سأختار نختار سنختار اخترت اخترنا اختياري أرجح نرجح يبقى تبقى بل"),
        words("correct_option right_option best_option correct_choice right_choice best_choice go_with"),
        words("choose chose pick select leaves leaving"),
    )
)
# "الخيار ب", "option B": only names an option, unless a colon follows ("الخيار: ب").
_OPTION = _with_prefix("الخيار خيار الاختيار اختيار البديل الحرف حرف العبارة الفقرة option choice letter")
_FILLER = words(
    "الصحيحة الصحيح النهائية النهائي الأدق الأنسب الأفضل المناسبة المناسب المطلوبة المطلوب الوحيدة هو هي هى",
    "تكون يكون ستكون سيكون كانت كان على عن علي هذا السؤال للسؤال سؤالك إذن إذًا إما ربما رقم رمز برأيي بالتالي",
    "is was be the correct final right best would should must will to for this question that likely most",
    "probably either therefore then my number",
)
FILLER = rf"(?:{_whole(_FILLER, _OPTION)}|\.{{2,}}|[\s:=()\[\]{{}}<>«»\"'“”‘’|→–—-]){{0,16}}+"
CUE = _compiled(_whole(f"{_ANSWER}|{_CHOSEN}|(?P<option>{_OPTION})") + FILLER)
OPTION = _whole(_OPTION)
CONNECTIVE = _whole(
    words("إذن إذًا لذلك لذا وعليه وبالتالي بالتالي ومن_ثم therefore so thus hence final the correct my")
)

# Where one statement ends and another begins: the reach of a negation.
CLAUSE_BREAK = _compiled(
    r"[.,،;؛:!?؟\n()\[\]«»“”—–]|\s-\s|"
    + _whole(
        words("لأن لأنه لأنها لأنهما لأنهم لأنك لكن ولكن لكنه لكنها بل لذا لذلك إذن فإن وعليه بينما أما حيث إذ"),
        words("وليس وليست فقط يبقى تبقى فيبقى فتبقى leaves leaving because but so therefore thus hence since while"),
        words("whereas rather as and"),
    )
)
IDIOM = _compiled(_whole(_with_prefix("لا_شك لا_ريب لا_بد لا_محالة لا_غير لا_سيما no_doubt not_only")))
_NOT = words("ليس ليست ليسا ليستا فليس فليست لا لن لم غير not never cannot isn't isn’t can't can’t")
_WRONG = words(
    "خاطئ خاطئة الخاطئ الخاطئة خطأ الخطأ مستبعد مستبعدة مرفوض مرفوضة باطل باطلة مغلوط مغلوطة",
    "wrong incorrect false eliminated excluded",
)
_EXCLUDING = _with_prefix(
    "نستبعد أستبعد يستبعد تستبعد استبعاد باستبعاد استبعدت استبعدنا سوى",
    "exclude excludes excluded excluding eliminate eliminates eliminating rule_out rules_out ruled_out ruling_out",
)
NOT = _compiled(_whole(_NOT))
DENIED_BEFORE = _compiled(rf"{_whole(_NOT)}|{_whole(_EXCLUDING, _WRONG)}(?:\s+(?!و)\w+)?\s*$")
DENIED_AFTER = _compiled(_whole(_NOT, _WRONG))

# After a label: "ب هو الجواب الصحيح", "ب صحيح", "B is correct", "B is the answer".
_COPULAS = rf"(?:{_whole(words('هو هي هى يعد تعد يعتبر تعتبر is the option choice most'))}\s+)"
_TITLE = _whole(words("الإجابة الإجابه الجواب الخيار الاختيار الحل البديل answer"))
_RIGHT = _whole(
    words("صحيح صحيحة الصحيح الصحيحة صواب الصواب الأصح الأنسب الأدق الأفضل الأمثل المطلوب correct right best")
)
AFFIRMED_AFTER = _compiled(rf"[\s)\]»\"':-]*(?:{_COPULAS}*(?:{_TITLE}\s+)?{_RIGHT}|{_COPULAS}+{_TITLE})")

# Between two labels: "أ أو ب", "A, B"; or the و of "أ وب".
_HEDGE = _whole(words("ربما لعله لعلها بالأحرى حتى أيضا maybe perhaps possibly even rather"))
BETWEEN_WORDS = _compiled(
    rf"[\s)\]»\"'،,/]*{_whole(words('أو أم و or and'))}\s*(?:{_HEDGE}\s*)?(?:{OPTION}\s*)?[(\[«\"']?"
)
BETWEEN_MARKS = _compiled(r"[ \t)\]»\"']*[،,/\\&+|-][ \t]*[(\[«\"']?")
WITH_WAW = _compiled(r"[\s)\]»\"']+و")

ORDINALS = tuple(
    tuple(words(pair).split("|"))
    for pair in (
        *("الأول الأولى", "الثاني الثانية", "الثالث الثالثة", "الرابع الرابعة"),
        *("الخامس الخامسة", "السادس السادسة", "السابع السابعة", "الثامن الثامنة"),
    )
)

REFUSAL = _compiled(
    _whole(
        _with_prefix(
            "لا_أستطيع لا_نستطيع لا_يمكنني لا_يمكننا لا_أقدر لا_أعرف لا_نعرف لا_أعلم لا_أدري لست_متأكدا لست_متأكدة",
            "لست_قادرا لست_قادرة غير_قادر غير_قادرة لم_أتمكن لن_أتمكن ليس_بإمكاني ليس_بوسعي ليس_لدي أرفض يتعذر",
            "أعتذر نعتذر عذرا معذرة آسف آسفة لا_يمكن_الإجابة لا_يمكن_تحديد لا_تتوفر لا_توجد_معلومات_كافية",
            "المعلومات_غير_كافية",
        ),
        r"can(?:not|['’]?t|\s+not)\s+(?:answer|determine|help|assist|provide|say|tell|be\s+determined)",
        r"unable\s+to|(?:do\s+not|don['’]?t)\s+know|not\s+sure|sorry|apologi[sz]e|refuse|decline",
        r"not\s+enough\s+information",
    )
)
