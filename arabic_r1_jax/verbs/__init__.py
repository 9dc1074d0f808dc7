"""What `arabic-r1` can do: one module a verb, one row of `VERBS` each. `cli` finds the row and runs it."""

from arabic_r1_jax.verbs import check, convert, demo, doctor, evaluate, generate, plan, train
from arabic_r1_jax.verbs.verb import Verb

VERBS: dict[str, Verb] = {
    "demo": demo.VERB,
    **{f"convert {name}": verb for name, verb in convert.VERBS.items()},
    "check": check.VERB,
    "train": train.VERB,
    "generate": generate.VERB,
    "evaluate": evaluate.VERB,
    "plan": plan.VERB,
    "doctor": doctor.VERB,
}
