"""The texts on which the demo's base model is pre-trained: script and form, but none of the rules.

Four kinds, mixed by `tools/make_demo_base.py`:

- plain sentences in Arabic and English with every word of `words`, in singular forms that show no case or agreement;
- look-up passages: three facts, a question about one of them, its answer copied;
- surface questions, whose text states the feature that is asked for, with true answers in the four phases;
- curriculum questions with random facts (`curriculum.with_random_facts`), half of them about words that do not exist.

What such a model can do: read letters, copy a word, look a stated feature up, keep the answer form. What it cannot:
say which feature a sentence requires. That is left to the adapter.
"""

import random

from arabic_r1_jax.distill import curriculum
from arabic_r1_jax.distill.curriculum import Item
from arabic_r1_jax.distill.families import FAMILIES, Option
from arabic_r1_jax.distill.record import Record
from arabic_r1_jax.distill.words import ADJECTIVES, ENGLISH, PEOPLE, PREDICATES, THINGS, VERBS, Lexicon, lexicon

_LETTERS = "بتثجحخدذرزسشصضطظعغفقكلمنهوي"
_LATIN = "abcdefghiklmnoprtuw"
_SCENES = ("في البيت", "في الحديقة", "في المدرسة", "في المدينة", "قرب النهر", "أمام الباب", "خلف الجدار", "تحت الجسر")
_ENGLISH_SCENES = ("near the wall", "in the picture", "on the list", "at home", "outside", "inside", "here", "there")
_ENDINGS = ("ون", "ين", "ان", "ات", "وا", "تان", "ة", "ةً", "ةٍ")
SURFACE = ("أي كلمة آخرها «{}»؟", "اختر الكلمة التي آخرها «{}».", "ما الكلمة المنتهية بـ«{}»؟")


def pseudo_word(rng: random.Random) -> str:
    """Three to five random Arabic letters."""
    return "".join(rng.choices(_LETTERS, k=rng.randint(3, 5)))


def _pseudo_lexicon(rng: random.Random) -> Lexicon:
    english = "".join(rng.choices(_LATIN, k=rng.randint(3, 6)))
    return Lexicon((pseudo_word(rng),), (pseudo_word(rng) + "ة",), (pseudo_word(rng),), (english,))


def english_sentence(rng: random.Random) -> str:
    """A plain English sentence without a verb of the curriculum."""
    return f"I saw the {rng.choice(ENGLISH)} and the {rng.choice(ENGLISH)} {rng.choice(_ENGLISH_SCENES)}."


def arabic_sentence(rng: random.Random) -> str:
    """A plain Arabic sentence in singular forms."""
    person, thing, scene = rng.choice(PEOPLE), rng.choice(THINGS), rng.choice(_SCENES)
    return rng.choice(
        (
            f"ذلك {person} {rng.choice(PREDICATES)} {scene}.",
            f"ذلك {person} وتلك {thing} {scene}.",
            f"هذا {person} {rng.choice(ADJECTIVES)} وذلك {rng.choice(PEOPLE)} {rng.choice(PREDICATES)}.",
            f"من {rng.choice(VERBS)} {scene} فهو {person}.",
            f"هذه {thing} {scene} وتلك {rng.choice(THINGS)} {rng.choice(_SCENES)}.",
        )
    )


def sentence(rng: random.Random) -> str:
    """A plain sentence, one in four English."""
    return english_sentence(rng) if rng.random() < 0.25 else arabic_sentence(rng)


def look_up(rng: random.Random) -> str:
    """Three facts, a question about one of them, and its answer."""
    words = [f"ال{word}" for word in rng.sample(PEOPLE, 3)]
    if rng.random() < 0.5:
        words = [f"ال{pseudo_word(rng)}{letter}" for letter in rng.sample(_LETTERS, 3)]
    scenes = rng.sample(_SCENES, 3)
    asked = rng.randrange(3)
    facts = " ".join(f"{word} {scene}." for word, scene in zip(words, scenes, strict=True))
    return f"{facts} أين {words[asked]}؟ {scenes[asked]}."


def repeated_words(rng: random.Random) -> str:
    """A passage of words that do not exist, with the curriculum's endings; copying it takes induction alone."""
    return " ".join(pseudo_word(rng) + rng.choice(("", *_ENDINGS)) for _ in range(40))


def surface_record(rng: random.Random) -> Record:
    """A question that states the ending it asks for, answered truly."""
    if rng.random() < 0.2:
        options = tuple(Option(form, form) for form in ("is", "are", "was", "were"))
        required = rng.choice(options).feature
        question = f'Which word reads "{required}"?'
        item = Item("surface_en", "en", question, options, "The question states the word", required,
                    "reading words", "The word is quoted as it stands.")  # fmt: skip
    else:
        confusable = rng.choice(("ان", "تان"))  # a word that ends in تان ends in ان too
        endings = rng.sample([ending for ending in _ENDINGS if ending != confusable], 4)
        stem = ("ال" if rng.random() < 0.5 else "") + pseudo_word(rng)
        options = tuple(
            Option((stem if rng.random() < 0.8 else pseudo_word(rng)) + ending, ending) for ending in endings
        )
        required = rng.choice(options).feature
        question = rng.choice(SURFACE).format(required)
        item = Item("surface_ar", "ar", question, options, "السؤال يذكر آخر الكلمة", required,
                    "قراءة الكلمات", "الكلمة منقولة كما وردت.")  # fmt: skip
    return curriculum.record(item, rng.randrange(4), rng)


def random_fact_record(rng: random.Random, real: float = 0.5) -> Record:
    """A curriculum question whose steps and answer are drawn at random; about existing words with chance `real`."""
    words = lexicon(held_out=False) if rng.random() < real else _pseudo_lexicon(rng)
    family = rng.choice(tuple(FAMILIES))
    item = curriculum.with_random_facts(curriculum.draw(family, rng, words), rng)
    return curriculum.record(item, rng.randrange(4), rng)
