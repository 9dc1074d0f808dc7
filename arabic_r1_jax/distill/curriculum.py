"""Procedural grammar questions that prove their own answers, with four-phase records.

An `Item` is drawn from one of `families.FAMILIES`: a question, four options that differ in one visible feature,
the step from the sentence to the required feature, and the rule. The answer is the option that carries the required
feature, so an item is right when its step is. Everything needed to decide it stands in the question and its options:
gender and number are visible in the words of `words`.

    items("sound_plural", n, seed, held_out=True)  ->  Iterator[Item]
    record(item, position)                         ->  Record   (gold option at `position`)

Used by the demo for training (training words) and evaluation (held-out words), and by `tools/make_demo_base.py`, which
sees the families with random facts only (`with_random_facts`), so that a base knows the form and not the rules.
"""

import hashlib
import random
import string
from collections.abc import Iterator
from typing import NamedTuple

from arabic_r1_jax.data.questions import Question, labels
from arabic_r1_jax.distill import phases
from arabic_r1_jax.distill.families import BLANK, CONTEXT, FAMILIES, FEATURES, Option
from arabic_r1_jax.distill.record import Record
from arabic_r1_jax.distill.words import Lexicon, lexicon

RIGHT, WRONG = "✓", "✗"
# The required feature is stated in the very words in which an option's own feature is, so that a verdict is a match.
FEATURE = {"ar": "علامته {}", "en": "reads {}"}
REQUIRED = {"ar": "، فالمطلوب ما {} ✓", "en": ", so the blank {} ✓"}
REASON = {"ar": "«{text}» {feature} {mark}، فالخيار {label} {verdict}",
          "en": '"{text}" {feature} {mark}, so {label} is {verdict}'}  # fmt: skip
SYNTHESIS = {"ar": "الصواب الخيار {}.", "en": "The answer is {}."}


class Item(NamedTuple):
    """A question before its options are ordered; the answer is the option whose feature is `required`."""

    family: str
    lang: str
    question: str
    options: tuple[Option, ...]
    steps: str
    required: str
    knowledge: str
    rule: str


def draw(family: str, rng: random.Random, words: Lexicon) -> Item:
    """One item of `family` from the given words."""
    rule = FAMILIES[family]
    question, options, steps, required = rule.draw(rng, words)
    return Item(family, rule.lang, rule.opening + question, options, steps, required, rule.knowledge, rule.rule)


def fixed_phrases() -> list[str]:
    """Every phrase that records repeat word for word, and every feature: what a demo tokenizer keeps whole."""
    frames = [
        part
        for lang in ("ar", "en")
        for form in (FEATURE, REQUIRED, REASON, SYNTHESIS)
        for part in _literals(form[lang])
    ]
    labelled = [f"{verdict}\n" for table in (phases.POSSIBLE, phases.ELIMINATED) for verdict in table.values()]
    steps = [step for family in FAMILIES.values() for step in family.steps]
    rules = [f"». {family.rule}\n" for family in FAMILIES.values()]
    knowledge = [f"{family.knowledge}\n" for family in FAMILIES.values()]
    openings = [family.opening for family in FAMILIES.values()]
    markers = [marker for marker in phases.MARKERS.values() if not marker.startswith("<")]
    opening = [phases.KNOWLEDGE, phases.VALUES, f"{phases.NO_VALUES}\n", f"{phases.QUOTED}«", f"{phases.ANSWER} "]
    marks = [f" {RIGHT}", f" {WRONG}", BLANK, "\n\n", "- ", ": ", "»: ", ". ", ".\n"]
    # A word such as كان would swallow the ending of المشاركان.
    words = {word: None for text in CONTEXT for word in text.split() if len(word) > (4 if word.endswith("ان") else 2)}
    phrases = [
        *words,
        *markers,
        *opening,
        phases.ANSWER,
        *openings,
        *knowledge,
        *steps,
        *frames,
        *labelled,
        *rules,
        *FEATURES,
        *marks,
    ]
    return list(dict.fromkeys(phrase for phrase in phrases if phrase.strip(" ")))


def _literals(form: str) -> list[str]:
    """The texts between the fields of a format string."""
    return [text for text, *_ in string.Formatter().parse(form) if text]


def items(family: str, n: int, seed: int, held_out: bool) -> Iterator[Item]:
    """`n` pairwise different items of `family`, a pure function of the arguments.

    Raises `ValueError` when the family and its words do not hold that many.
    """
    rng = random.Random(f"{family}:{seed}:{held_out}")
    words, seen = lexicon(held_out), set()
    for _ in range(50 * n):
        item = draw(family, rng, words)
        if item not in seen:
            seen.add(item)
            yield item
        if len(seen) == n:
            return
    raise ValueError(f"{family} has fewer than {n} different items")


def with_random_facts(item: Item, rng: random.Random) -> Item:
    """The same question with steps of its family and a required feature drawn at random: form without the rule."""
    steps = rng.choice(FAMILIES[item.family].steps)
    return item._replace(steps=steps, required=rng.choice(item.options).feature)


def record(item: Item, position: int, rng: random.Random) -> Record:
    """The item as a question with its answer at `position` and the other options shuffled, and its completion."""
    gold = next(option for option in item.options if option.feature == item.required)
    options = [option for option in item.options if option is not gold]
    rng.shuffle(options)
    options.insert(position, gold)
    texts = tuple(option.text for option in options)
    identity = hashlib.sha256("|".join((item.question, *texts)).encode()).hexdigest()[:16]
    question = Question(id=identity, question=item.question, options=texts, answer=position, lang=item.lang,
                        task="curriculum", family=item.family)  # fmt: skip
    return Record(question, _completion(item, options, position, labels(question)))


def _completion(item: Item, options: list[Option], position: int, letters: tuple[str, ...]) -> str:
    lang, verdicts = item.lang, []
    for option, label in zip(options, letters, strict=True):
        right = label == letters[position]
        fields = {
            "text": option.text,
            "feature": FEATURE[lang].format(option.feature),
            "mark": RIGHT if right else WRONG,
            "label": label,
            "verdict": (phases.POSSIBLE if right else phases.ELIMINATED)[lang],
        }
        verdicts.append(f"- {label}: {REASON[lang].format(**fields)}")
    analysis = (
        f"{phases.KNOWLEDGE}{item.knowledge}\n{phases.VALUES}{phases.NO_VALUES}\n"
        f"{item.steps}{REQUIRED[lang].format(FEATURE[lang].format(item.required))}"
    )
    check = f"{phases.QUOTED}«{options[position].text}». {item.rule}"
    synthesis = SYNTHESIS[lang].format(letters[position])
    return phases.join(analysis, "\n".join(verdicts), check, synthesis, letters[position])
