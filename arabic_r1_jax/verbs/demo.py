"""`arabic-r1 demo`: the whole pipeline on a small model."""

import os
from pathlib import Path

from arabic_r1_jax.paths import as_path
from arabic_r1_jax.verbs.verb import Options, Parser, Verb, seed, simulate_cpus


def _options(parser: Parser) -> None:
    parser.add_argument("--out", type=as_path, metavar="DIR", default=Path("runs/demo"), help="default: runs/demo")
    parser.add_argument("--seed", type=seed, metavar="N", default=0, help="of the data and the adapter; default: 0")


def _run(options: Options) -> dict:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    simulate_cpus(8)
    from arabic_r1_jax import demo

    return demo.run(options.out, options.seed)


def _show(summary: dict) -> None:
    from arabic_r1_jax import demo

    demo.show(summary)


VERB = Verb(
    does="adapt a small DeepSeek-V3 model to Arabic grammar, end to end, on the CPU",
    example="arabic-r1 demo --out runs/demo",
    options=_options,
    run=_run,
    show=_show,
    runs_models=True,
)
