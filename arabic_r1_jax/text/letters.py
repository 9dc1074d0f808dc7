"""The characters of Arabic text in classes, for every module of `text`.

Each class is a string of characters: usable with `in` for one character, and inside the brackets of a regular
expression as it is. Letters of other languages in Arabic script are with the module that tells languages apart.
"""

import re


def _spans(*spans: str) -> str:
    """The characters of each two-character span, both ends included."""
    return "".join(chr(code) for first, last in spans for code in range(ord(first), ord(last) + 1))


SUN_LETTERS = "تثدذرزسشصضطظلن"
MOON_LETTERS = "ابجحخعغفقكمهوي"
ALPHABET = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
HAMZA_FORMS = "ءآأؤإئ"
ARABIC_LETTERS = ALPHABET + HAMZA_FORMS + "ةىٱ"

# Letters of the script in any language: the blocks Arabic, Supplement, Extended-B and Extended-A, without tatweel.
SCRIPT_LETTERS = _spans(
    *("\u0620\u063f", "\u0641\u064a", "\u066e\u066f", "\u0671\u06d3", "\u06d5\u06d5", "\u06ee\u06ef", "\u06fa\u06fc"),
    *("\u06ff\u06ff", "\u0750\u077f", "\u0870\u0887", "\u0889\u088e", "\u08a0\u08c8"),
)

HARAKAT = _spans("\u064b\u0652")  # tanween, fatha, damma, kasra, shadda, sukun
# What is written on a letter: harakat, hamza and madda as marks, superscript alef, honorifics, Quranic marks. The small
# waw and ya of the Quran (06E5, 06E6) stand beside a letter but are read as marks.
MARKS = _spans(
    *("\u0610\u061a", "\u064b\u065f", "\u0670\u0670", "\u06d6\u06dc", "\u06df\u06e8", "\u06ea\u06ed"),
    *("\u0898\u089f", "\u08ca\u08e1", "\u08e3\u08ff"),
)
QURAN_SIGNS = "\u06dd\u06de\u06e9"  # end of verse, quarter of a hizb, prostration
TATWEEL = "\u0640"

JOINERS = "\u200c\u200d"  # zero-width non-joiner and joiner
# Characters without a glyph: soft hyphen, direction marks (061C too, which many lists forget), zero width, byte order.
INVISIBLE = "\u00ad\u061c\u180e" + _spans("\u200b\u200f", "\u202a\u202e", "\u2060\u206f") + "\ufeff\ufff9\ufffa\ufffb"

_ARABIC = frozenset(ARABIC_LETTERS)
_MARK_RUN = re.compile(f"[{MARKS}]+")  # with few marks five times as fast as str.translate, with many as fast


def is_arabic_letter(char: str) -> bool:
    """Whether `char` is one letter of the Arabic language: the alphabet, the hamza forms, ة, ى or ٱ."""
    return char in _ARABIC


def strip_marks(text: str) -> str:
    """`text` without its `MARKS`; a hamza or madda that is part of a letter (أ, آ in NFC) stays."""
    return _MARK_RUN.sub("", text)
