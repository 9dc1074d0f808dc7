"""Which option a model chose: a label read from what it wrote, or a reason why none can be read.

Only the text after the last `</think>` counts. Within it, in this order:

1. the last line that states an answer with a colon (`الإجابة: ب`, `**Answer:** B`, `\\boxed{ب}`);
2. the last answer stated in a sentence and not denied (`الإجابة الصحيحة هي ب`, `I choose B`, `والصحيح ب`);
3. a label that is the whole of the first or the last line, or opens it (`ب`, `(ب)`, `الخيار ب`, `ب) القاهرة`);
4. the one label that a sentence calls right (`ب هو الجواب الصحيح`, `option B is correct`);
5. the one option whose text is the whole answer or its last line.

In 1 and 2 an option's text may stand for its label. Otherwise the parser abstains: it never takes a letter out of a
word, out of a discussion of the options, or out of thinking that did not end. A label counts as a whole word only,
in any spelling (أ إ آ ا, هـ ه, presentation forms, Arabic-Indic digits) and from either alphabet by its index.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from arabic_r1_jax.data.questions import ARABIC_LABELS, LATIN_LABELS
from arabic_r1_jax.eval import lexicon
from arabic_r1_jax.eval.folding import Folded, core, fold, match_option, tidy

Outcome = Literal["parsed", "refusal", "ambiguous", "truncated", "no_end_tag", "out_of_range", "no_answer"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
END_TAG = "</think>"

_OPEN_TAG = "<think>"
_AMBIGUOUS, _OUT_OF_RANGE = -1, -2  # what a passage may claim, beside the option indices 0, 1, ...
_OUTCOME_OF = {_AMBIGUOUS: "ambiguous", _OUT_OF_RANGE: "out_of_range"}
_REACH = 4  # words after a label within which a denial still speaks of it
_CONTEXT = 80  # characters before a label that are searched for a denial

_WORD_FOLLOWS = re.compile(r"[ \t]+\w")
_LINE_ENDS = re.compile(r"[^\w\n]*(?:\n|\Z)")
_LISTED = re.compile(r"\s*[.):-]\s*\S")  # what parts a label from its option's text
_PARTED = re.compile(r"\s*[.):\]،,–—-]\s*")
_LINE_LEAD = re.compile(
    rf"[\W_]*(?:{lexicon.CONNECTIVE}[\W_]*)*(?P<named>{lexicon.OPTION}{lexicon.FILLER})?", re.IGNORECASE
)


class Parsed(NamedTuple):
    """The chosen label (None unless `outcome` is "parsed") and how the reading ended."""

    label: str | None
    outcome: Outcome


class _Alphabet(NamedTuple):
    labels: dict[str, int]  # folded label, in every spelling accepted -> index, which may be past the options
    ordinals: dict[str, int]  # "الاول" -> 0, ...
    token: re.Pattern  # group 1: a label, an ordinal, or another letter or number in the place of one
    count: int  # number of options


class _Mention(NamedTuple):
    """A label met in the text at [start, end)."""

    claim: int  # option index, or _OUT_OF_RANGE
    ordinal: bool
    start: int
    end: int


@functools.lru_cache(maxsize=64)
def _alphabet(labels: tuple[str, ...]) -> _Alphabet:
    index: dict[str, int] = {}
    for letters in (ARABIC_LABELS, LATIN_LABELS, tuple(letter.lower() for letter in LATIN_LABELS), labels):
        index |= {fold(letter).text: number for number, letter in enumerate(letters)}
    ordinals = {word: number for number, pair in enumerate(lexicon.ORDINALS) for word in pair}
    names = "|".join(re.escape(name) for name in sorted([*index, *ordinals], key=len, reverse=True))
    token = re.compile(rf"(?<!\w)({names}|[ء-ي]|\d+)(?![\w'’+])(?!-[A-Za-z])(?!\.\d)")
    return _Alphabet(index, ordinals, token, len(labels))


def _mention(text: str, start: int, alphabet: _Alphabet, alone: bool = False) -> _Mention | None:
    """The label at text[start:], or None; words that are also labels must not be followed by another word.

    Those words are the conjunction و, the article "a", and whatever is in the place of a label but is not one.
    With `alone`, no label may be followed by another word.
    """
    found = alphabet.token.match(text, start)
    if found is None:
        return None
    name = found.group(1)
    index = alphabet.labels.get(name, alphabet.ordinals.get(name, alphabet.count))
    doubtful = alone or name in ("a", "و") or (name not in alphabet.labels and name not in alphabet.ordinals)
    if doubtful and _WORD_FOLLOWS.match(text, found.end()):
        return None
    claim = index if index < alphabet.count else _OUT_OF_RANGE
    return _Mention(claim, name in alphabet.ordinals, *found.span(1))


def _joined_claim(text: str, mention: _Mention, alphabet: _Alphabet) -> int:
    """The claim of a label, ambiguous if another is joined to it: `أ أو ب`, `A and B`, `أ، ب`, `أ وب`."""
    for joint, alone in ((lexicon.BETWEEN_WORDS, False), (lexicon.BETWEEN_MARKS, True), (lexicon.WITH_WAW, True)):
        if between := joint.match(text, mention.end):
            # The و of "وب" stands before its word without a space: look at what follows it as a word of its own.
            rest = f" {text[between.end() : between.end() + 64]}"
            second = _mention(rest, 1, alphabet, alone)
            if second and second.claim >= 0 and second.claim != mention.claim:
                return _AMBIGUOUS
    return mention.claim


def _denied(text: str, start: int, end: int, alphabet: _Alphabet) -> bool:
    """Whether the clause around text[start:end], which mentions a label, says that it is not the answer."""
    if not lexicon.CLAUSE_BREAK.match(text, start):
        before = lexicon.CLAUSE_BREAK.split(text[max(0, start - _CONTEXT) : start])[-1]
        if lexicon.DENIED_BEFORE.search(lexicon.IDIOM.sub(" ", before)):
            return True
    after = lexicon.CLAUSE_BREAK.split(text[end : end + _CONTEXT].lstrip(")]}»\"'’”"))[0]
    after = lexicon.IDIOM.sub(" ", after)
    for number, word in enumerate(re.finditer(r"\S+", after)):
        if number >= _REACH or (word.group().startswith("و") and word.group() not in ("وهو", "وهي", "وهذا")):
            return False
        if lexicon.DENIED_AFTER.match(after, word.start()):
            # "ب لا أ", "B not A" deny the other one.
            contrast = lexicon.NOT.match(after, word.start())
            return not (contrast and _mention(after, contrast.end() + 1, alphabet))
    return False


def _option_text(folded: Folded, start: int, options: tuple[str, ...]) -> int | None:
    """The option whose text is what text[start:] holds up to the end of the line, or of the sentence."""
    longest = 2 * max(map(len, options), default=0) + 32
    line = folded.text[start : start + longest].partition("\n")[0]
    for length in (len(line), len(re.split("[.،؛]", line, maxsplit=1)[0])):
        if (found := match_option(folded.raw_from(start, start + length), options)) is not None:
            return found
    return None


def _stated(folded: Folded, options: tuple[str, ...], alphabet: _Alphabet) -> Iterator[tuple[bool, int]]:
    """(explicit, claim) for each answer that the text states, in its order; explicit: on a line, with a colon."""
    text = folded.text
    for cue in lexicon.CUE.finditer(text):
        start, (head, colon, _) = cue.end(), cue.group().partition(":")
        if (cue["option"] and not colon) or "\n" in head:
            continue
        lead = text[max(0, cue.start() - _CONTEXT) : cue.start()].rpartition("\n")[2]
        explicit = bool(colon) and not re.search(r"\w", re.sub(lexicon.CONNECTIVE, "", lead, flags=re.IGNORECASE))
        mention = _mention(text, start, alphabet)
        usual = mention and not mention.ordinal and mention.claim >= 0 and _LINE_ENDS.match(text, mention.end)
        signed = start - 1 if text[start - 1] == "-" else start  # the filler took the sign of "-5"
        if not usual and (number := _option_text(folded, signed, options)) is not None:
            if not _denied(text, cue.start(), cue.start(), alphabet):
                yield explicit, number
        elif mention and (explicit or not _denied(text, cue.start(), mention.end, alphabet)):
            yield explicit, _joined_claim(text, mention, alphabet)


def _line_claim(line: str, options: tuple[str, ...], alphabet: _Alphabet) -> int | None:
    """What a line claims that is a label, or opens with one before its option's text; None for any other line."""
    lead = _LINE_LEAD.match(line)
    mention = _mention(line, lead.end(), alphabet)
    if mention is None or (mention.ordinal and not lead["named"]):
        return None
    claim = _joined_claim(line, mention, alphabet)
    if claim == _AMBIGUOUS or _LINE_ENDS.match(line, mention.end):
        return claim
    mark = _PARTED.match(line, mention.end)
    if not mark or claim < 0 or _denied(line, mention.start, mark.end(), alphabet):
        return None
    said, own = core(line[mark.end() :]), core(fold(options[claim]).text) if options else ""
    second = _mention(line, mark.end(), alphabet)
    if said != own and second and _LINE_ENDS.match(line, second.end):
        return _AMBIGUOUS  # "ج: ب" may be short for "الجواب: ب"
    if not options:
        return claim
    if match_option(said, options) not in (None, claim):
        return _AMBIGUOUS
    # "د. أحمد" is a doctor unless option د says so.
    return None if "." in mark.group() and not (said.startswith(own) or own.startswith(said)) else claim


def _without_listing(lines: list[str], alphabet: _Alphabet) -> list[str]:
    """The lines less every run of two or more that repeats the options: `أ. ...`, `ب. ...`."""
    kept, run = [], []
    for line in lines:
        text = fold(line).text
        mention = _mention(text, re.match(r"\W*", text).end(), alphabet)
        number = mention.claim if mention and _LISTED.match(text, mention.end) else None
        if number != len(run):
            kept += run if len(run) < 2 else []
            run = []
        (run if number == len(run) else kept).append(line)
    return kept + (run if len(run) < 2 else [])


def _agreed(claims: Sequence[int]) -> int | None:
    """The claim that all make; ambiguous when they differ; None when there is none."""
    return (claims[0] if len(set(claims)) == 1 else _AMBIGUOUS) if claims else None


def _affirmed(text: str, alphabet: _Alphabet) -> int | None:
    """The label that a sentence calls right."""
    mentions = (_mention(text, found.start(1), alphabet) for found in alphabet.token.finditer(text))
    return _agreed(
        [
            mention.claim
            for mention in mentions
            if mention
            and lexicon.AFFIRMED_AFTER.match(text, mention.end)
            and not _denied(text, mention.start, mention.end, alphabet)
        ]
    )


def _claim(answer: str, options: tuple[str, ...], alphabet: _Alphabet) -> int | None:
    """The reading of the final answer's text by the five rules of this module, or None."""
    lines = _without_listing([line for line in answer.split("\n") if line.strip()], alphabet)
    folded = fold("\n".join(lines))
    stated = list(_stated(folded, options, alphabet))
    if stated:
        return next((claim for explicit, claim in reversed(stated) if explicit), stated[-1][1])
    claims = [_line_claim(line, options, alphabet) for line in folded.text.split("\n")]
    if claims[0] is not None or claims[-1] is not None:
        return _agreed([claim for claim in claims if claim is not None])
    if (affirmed := _affirmed(folded.text, alphabet)) is not None:
        return affirmed
    texts = (answer, *lines[-1:])
    return next((number for text in texts if (number := match_option(text, options)) is not None), None)


def _read(answer: str, labels: Sequence[str], options: Sequence[str] | None, cut: bool) -> Parsed:
    """Read a final answer; `cut` says that a length limit ended it, so that its last word may be half a word."""
    labels = tuple(labels)
    answer = tidy(re.sub(r"\S+\Z", "", answer) if cut else answer)
    claim = _claim(answer, tuple(options or ()), _alphabet(labels))
    if claim is not None and claim >= 0:
        return Parsed(labels[claim], "parsed")
    if cut:
        return Parsed(None, "truncated")
    if claim is not None:
        return Parsed(None, _OUTCOME_OF[claim])
    return Parsed(None, "refusal" if lexicon.REFUSAL.search(fold(answer).text) else "no_answer")


def parse_reasoning(
    output: str, labels: Sequence[str], options: Sequence[str] | None = None, finish_reason: str = "stop"
) -> Parsed:
    """Read a reasoning model's output, which must close its thinking with `</think>`. Never raises.

    Args:
      output: what the model wrote after the prompt; an opening `<think>` may or may not be in it.
      labels: the labels of the question's options, in order.
      options: the option texts, so that an answer given as text is understood; None if unknown.
      finish_reason: "stop" or "length" (a limit ended the output).

    Returns: the label and "parsed", or None and one of
      truncated: the limit ended it before an answer, in the thinking or after it;
      no_end_tag: it ended by itself without `</think>`;
      ambiguous: several options are given as the answer; out_of_range: a label that the question does not have;
      refusal: it says that it cannot answer; no_answer: none of these.
    """
    cut = finish_reason == "length"
    _, tag, answer = output.rpartition(END_TAG)
    if not tag:
        return Parsed(None, "truncated" if cut else "no_end_tag")
    return _read(answer, labels, options, cut)


def parse_answer(output: str, labels: Sequence[str], options: Sequence[str] | None = None) -> str | None:
    """The label that `output` gives as its answer, one of `labels`, or None. Never raises.

    Thinking is left aside: text after the last `</think>` counts, all of it when there is no tag, nothing when a
    `<think>` was not closed.
    """
    _, tag, answer = output.rpartition(END_TAG)
    if not tag and _OPEN_TAG in output:
        return None
    return _read(answer, labels, options, cut=False).label
