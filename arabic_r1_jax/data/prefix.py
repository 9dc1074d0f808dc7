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


def prefix_for(asked: Prefix | None, *folders: Path | None) -> Prefix:
    """The policy asked for, else that of the first folder (an adapter, a model) whose manifest records one.

    `DEFAULT` when none does. Raises `UserError` when a manifest records a policy that is none of `PREFIXES`.
    """
    manifests = [(folder, artifacts.read_manifest(folder) or {}) for folder in folders if folder is not None]
    recorded = next(((folder, manifest["prefix"]) for folder, manifest in manifests if "prefix" in manifest), None)
    if asked is not None or recorded is None:
        return asked or DEFAULT
    folder, prefix = recorded
    if prefix not in PREFIXES:
        where = folder / artifacts.MANIFEST
        raise UserError(f'{where}: "prefix" is {prefix!r}, not {" or ".join(PREFIXES)}; choose one with --prefix')
    return prefix
