"""The mark that a sentence needs: ؟ behind a question, ! behind wonder, » behind what « opened."""

import re

from arabic_r1_jax.text.findings import Pattern
from arabic_r1_jax.text.letters import ARABIC_LETTERS

_A = ARABIC_LETTERS
_START = "(?:^|(?<=[.؟!…] ))"
_SAME_SENTENCE = '[^.؟?!:؛…\\n"«»“”()]'


def _two_kinds(match: re.Match) -> str | None:
    line = match.string
    odd = line.count('"') == 1 and line.count("«") == line.count("»") + 1
    return match["quoted"] + "»" if odd else None


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "punctuation.question",
        "الجملة استفهام، وعلامته «؟».",
        re.compile(f"{_START}(?P<asks>(?:و|ف)?(?:هل|لماذا|أين) {_SAME_SENTENCE}{{3,90}})\\.(?=\\s*$|\\s+[{_A}«])"),
        lambda match: match["asks"] + "؟",
        wrong=("{هل وصل القطار في موعده.→هل وصل القطار في موعده؟}", "{لماذا تأخر الطبيب.→لماذا تأخر الطبيب؟}"),
        right=("هل وصل القطار في موعده؟", "سألته هل وصل القطار.", "لا أدري أين ذهب."),
        confidence=0.75,
        everywhere=False,
    ),
    Pattern(
        "punctuation.question",
        "الجملة استفهام، وعلامته «؟».",
        re.compile(
            f"{_START}(?P<asks>(?:متى (?:[يتنأ]|كان|وصل|بدأ|انته)|كم (?:[يت]بلغ|تبعد|يكلف|مرة|ساعة|يوما|عدد|سعر|ثمن))"
            f"{_SAME_SENTENCE}{{3,70}})\\.(?=\\s*$)"
        ),
        lambda match: match["asks"] + "؟" if "،" not in match["asks"] else None,  # متى جاء…، أزهرت: a condition
        wrong=(
            "{متى يصل القطار القادم من الساحل.→متى يصل القطار القادم من الساحل؟}",
            "{كم تبعد أقرب محطة عن هنا.→كم تبعد أقرب محطة عن هنا؟}",
        ),
        right=("متى يصل القطار القادم من الساحل؟", "متى جاء الربيع، أزهرت الحدائق."),
        confidence=0.7,
        everywhere=False,
    ),
    Pattern(
        "punctuation.exclamation",
        "الجملة تعجب، وعلامته «!».",
        re.compile(f"(?P<wonder>(?<![{_A}])يا ل(?:ه|ها|هم|هما|هن|ك|ي|نا) من {_SAME_SENTENCE}{{3,60}})؟"),
        lambda match: match["wonder"] + "!",
        wrong=("{يا لها من مفاجأة سارة؟→يا لها من مفاجأة سارة!}",),
        right=("يا لها من مفاجأة سارة!",),
        confidence=0.85,
        everywhere=False,
        needs=frozenset("؟"),
    ),
    Pattern(
        "punctuation.unbalanced",
        "علامتا الاقتباس من نوعين مختلفين.",
        re.compile('(?P<quoted>«[^«»"\\n]{1,120})"'),
        _two_kinds,
        wrong=('وصف الناقد الرواية بأنها {«تحفة فنية"→«تحفة فنية»} نادرة.',),
        right=('قال: «كتابه "الأيام" رائع».', "وصف الناقد الرواية بأنها «تحفة فنية» نادرة."),
        confidence=0.85,
        everywhere=False,
        needs=frozenset('"'),
    ),
)
