"""The prefix policy: whether the prompt or the model opens the think block of an answer.

    think_nl    the prompt ends <｜Assistant｜><think> and a newline, which are not learnt; R1's later chat templates
    none        the prompt ends <｜Assistant｜>, and the model learns to write <think> and a newline; R1's first one

A model must be asked as it was trained: each corpus, run, adapter and evaluation records its policy as "prefix" in its
manifest. Imports nothing heavy, for the command line offers the choice.
"""

from pathlib import Path
from typing import Literal, get_args

from arabic_r1_jax import artifacts
from arabic_r1_jax.errors import UserError

Prefix = Literal["none", "think_nl"]
PREFIXES: tuple[Prefix, ...] = get_args(Prefix)
DEFAULT: Prefix = "think_nl"


def prefix_for(asked: Prefix | None, adapter: Path | None) -> Prefix:
    """The policy asked for, else the one that the adapter's manifest records, else `DEFAULT`.

    Raises `UserError` when the manifest records a policy that is none of `PREFIXES`.
    """
    if asked is not None or adapter is None:
        return asked or DEFAULT
    recorded = (artifacts.read_manifest(adapter) or {}).get("prefix", DEFAULT)
    if recorded not in PREFIXES:
        where = adapter / artifacts.MANIFEST
        raise UserError(f'{where}: "prefix" is {recorded!r}, not {" or ".join(PREFIXES)}; choose one with --prefix')
    return recorded
