"""Which language a text is in: Arabic, English, Arabizi, a mixture, or another language.

In: any string. Out: `Identified(lang, score, variety)`. Curation keeps and counts documents by it, and the
checker leaves alone what it does not call Arabic. Short texts are the point: one to eight words.

Shares of scripts come first, counted without code, addresses, units and single terms; then `arabic_script`
or `latin_script` weighs letters, words and the votes of two detectors.
"""

import math
import re
import unicodedata
from typing import NamedTuple

from arabic_r1_jax.text import arabic_script, latin_script
from arabic_r1_jax.text.letters import MARKS, SCRIPT_LETTERS, TATWEEL
from arabic_r1_jax.text.varieties import variety

LEAST_SHARE = 0.2  # of the letters: what a second script needs for the text to be mixed
MOST_WORDS = 200  # of each script are weighed; a document is sure long before

# Set aside before anything is counted: code, addresses, tags and the {#anchors} of headings, units after a number.
_ASIDE = re.compile(
    r"```.*?```|`[^`\n]*`|https?://\S+|www\.\S+|\S+@\S+\.\w+|</?[A-Za-z][^>\n]*>|\{[#%][^}\n]*\}|&\w+;|@\w+"
    r"|(?<=\d)[ \u00a0]?(?:[kKMcnµ]?[mgsWVBJN]|mm|[kKMGT]i?B|[kMG]?Hz|[ckm]?m[²³23]|km/?h|m/s|kg|ml"
    r"|°?[CFK]|[ap]m|USD|EUR)(?!\w)(?!\s*[A-Za-z])",
    re.DOTALL,
)
_LATIN = "A-Za-zªº\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_WORDS = re.compile(
    rf"(?P<arabic>[{SCRIPT_LETTERS}][{SCRIPT_LETTERS}{MARKS}{TATWEEL}\u200c\u200d]*)"
    rf"|(?P<latin>[0-9]*'?[{_LATIN}][{_LATIN}0-9'’-]*)"
    rf"|(?P<other>[^\W\d_{_LATIN}{SCRIPT_LETTERS}{MARKS}{TATWEEL}]+)"
)
_FORMS = re.compile(r"[\ufb50-\ufdff\ufe70-\ufefc]")  # Arabic letters by their shape, as old PDF files have them

# Everyday English that people drop into Arabic: one such word in a sentence is a mixture, and not a term of it.
CHAT = frozenset(
    """meeting deadline manager weekend busy tired ok okay bye guys bro lol actually anyway seriously exam exams
    shopping party movie vacation interview birthday feedback cute cool crazy sad stress stressed office boss free
    late early maybe sure no yeah nope wow perfect amazing enjoy congrats congratulations weather""".split()
)


class Identified(NamedTuple):
    """What a text is: `lang` of ar, en, other, arabizi, mixed; `score` 0 to 1, how sure; `variety` of Arabic or None.

    A text without letters is other, with score 0. Mixed is Arabic together with another script. `variety` is
    what `varieties.variety` says, and None for all but ar and mixed.
    """

    lang: str
    score: float
    variety: str | None = None


def identify(text: str) -> Identified:
    """Names the language of `text`; see `Identified`. Takes any string and does not raise."""
    text = _ASIDE.sub(" ", text)
    if _FORMS.search(text):
        text = unicodedata.normalize("NFKC", text)
    words = [(m.lastgroup, m[0]) for m in _WORDS.finditer(text)]
    sizes = _letters(words)
    if sizes["arabic"] and sizes["latin"]:
        sizes = _letters(_without_terms(words))
    total = sum(sizes.values())
    if not total:
        return Identified("other", 0.0)
    main = max(sizes, key=sizes.__getitem__)
    of = {script: [w for s, w in words if s == script][:MOST_WORDS] for script in sizes}
    rest = total - sizes["arabic"]
    if sizes["arabic"] >= LEAST_SHARE * total:
        odds = arabic_script.log_odds(of["arabic"])
        if odds >= 0 and rest >= LEAST_SHARE * total:
            return Identified("mixed", _sigmoid(odds), variety(" ".join(of["arabic"])))
        if main == "arabic":
            return (
                Identified("ar", _sigmoid(odds), variety(text)) if odds >= 0 else Identified("other", _sigmoid(-odds))
            )
    if main != "latin":
        return Identified("other", sizes[main] / total)
    z = latin_script.log_odds(of["latin"])
    lang = max(z, key=z.__getitem__)
    return Identified(lang, 1 / sum(math.exp(max(-30.0, x - z[lang])) for x in z.values()))


def _letters(words: list[tuple[str, str]]) -> dict[str, int]:
    """How many letters each script has."""
    sizes = dict.fromkeys(("arabic", "latin", "other"), 0)
    for script, word in words:
        sizes[script] += sum(map(str.isalpha, word))
    return sizes


def _without_terms(words: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """`words` of a text in two scripts without the Latin terms and names in Arabic.

    Those are the words with a capital, and a single word beside two Arabic ones; no everyday word of a language is one.
    """
    latin = [w for script, w in words if script == "latin"]
    arabic = sum(script == "arabic" for script, _ in words)
    plain = [w for w in latin if w.lower() in CHAT or w.lower() in latin_script.own()]
    single = len(latin) == 1 and arabic >= 2
    terms = {w for w in latin if w not in plain and (single or not w.islower())}
    if arabic < min(2, len(terms)):
        return words
    return [(script, w) for script, w in words if script != "latin" or w not in terms]


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))
