"""The routed experts beside the same work in equal blocks: one batched product, as if routing were balanced.

    python tools/bench_experts.py            # prints a table; a minute on one core
    python tools/bench_experts.py --json     # one object: forward, forward_backward (our speed over the peer's), load

2,048 tokens to 4 of 32 experts each, 512 to 256 and back, float32 as in `bench_train.py`, routed unevenly as a router
does. Ours gathers, multiplies and adds up what `parallel.expert_loop` does for one layer; the peer multiplies 32 groups
of 256 rows that lie ready, by `jnp.einsum`. Both count the 8,192 real rows. One process, one core, the same allocator,
turn by turn; gradients are of the rows, the experts being frozen.
"""

import argparse
import json
import os
import resource
import statistics
import sys
from collections.abc import Callable

from bench_train import ALLOCATOR

TOKENS, EXPERTS, PER_TOKEN, WIDTH, HIDDEN, ROUNDS = 2048, 32, 4, 512, 256, 15
FORWARD_GFLOP = 2 * 3 * TOKENS * PER_TOKEN * WIDTH * HIDDEN / 1e9


def routed():
    """ids i32 [1, T, K] of a skewed router: the busiest expert gets some four times the least busy one's tokens."""
    import numpy as np

    rng = np.random.default_rng(0)
    scores = rng.gumbel(size=(TOKENS, EXPERTS)) + np.linspace(-0.7, 0.7, EXPERTS)
    return np.argsort(-scores, axis=-1)[None, :, :PER_TOKEN].astype(np.int32)


def ours() -> tuple[Callable, tuple]:
    """A function of rows and what else it needs, and these arguments."""
    import jax.numpy as jnp
    import numpy as np

    from arabic_r1_jax.parallel.dispatch import experts_ffn
    from arabic_r1_jax.parallel.mesh import make_mesh

    rng, mesh = np.random.default_rng(1), make_mesh(1, 1)

    def draw(*shape: int):
        return jnp.asarray(rng.standard_normal(shape) * shape[-1] ** -0.5, jnp.float32)

    shapes = {"gate": (HIDDEN, WIDTH), "up": (HIDDEN, WIDTH), "down": (WIDTH, HIDDEN)}
    stacks = {f"{name}.weight": draw(EXPERTS, *shape) for name, shape in shapes.items()}
    weights = jnp.full((1, TOKENS, PER_TOKEN), 1 / PER_TOKEN)

    def run(x, ids, stacks):
        return experts_ffn(x, weights, ids, stacks, 1.0, jnp.int32(0), mesh)

    return run, (draw(1, TOKENS, WIDTH), jnp.asarray(routed()), stacks)


def peer() -> tuple[Callable, tuple]:
    """As `ours`: equal groups that lie ready."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    rng, rows = np.random.default_rng(1), TOKENS * PER_TOKEN // EXPERTS

    def draw(*shape: int):
        return jnp.asarray(rng.standard_normal(shape) * shape[-1] ** -0.5, jnp.float32)

    matrices = draw(EXPERTS, WIDTH, HIDDEN), draw(EXPERTS, WIDTH, HIDDEN), draw(EXPERTS, HIDDEN, WIDTH)

    def run(x, matrices):
        gate, up, down = matrices
        hidden = jax.nn.silu(jnp.einsum("erd,edf->erf", x, gate)) * jnp.einsum("erd,edf->erf", x, up)
        return jnp.einsum("erf,efd->erd", hidden, down)

    return run, (draw(EXPERTS, rows, WIDTH), matrices)


def measure(rounds: int = ROUNDS) -> dict:
    """Median GFLOP/s of useful work of both, forward and forward with backward, and the ratios."""
    import jax

    def forms(run: Callable) -> dict[str, Callable]:
        def both(x, *rest):
            y, back = jax.vjp(lambda x: run(x, *rest), x)
            return y, back(y)

        return {"forward": jax.jit(run), "forward_backward": jax.jit(both)}

    sides = {name: (forms(run), values) for name, (run, values) in {"ours": ours(), "peer": peer()}.items()}
    taken = {(form, side): [] for form in ("forward", "forward_backward") for side in sides}
    for round_ in range(rounds + 1):
        for (form, side), seconds in taken.items():
            function, values = sides[side][0][form], sides[side][1]
            before = _cpu()
            jax.block_until_ready(function(*values))
            if round_:  # the first compiles
                seconds.append(_cpu() - before)
    work = {"forward": FORWARD_GFLOP, "forward_backward": 2 * FORWARD_GFLOP}
    rates = {key: work[key[0]] / statistics.median(seconds) for key, seconds in taken.items()}
    found = {form: rates[form, "ours"] / rates[form, "peer"] for form in work}
    named = {f"{form}_{side}": rate for (form, side), rate in rates.items()}
    return found | {"gflops": named, "load": os.getloadavg()[0]}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object")
    asked = parser.parse_args()
    if os.environ.get("GLIBC_TUNABLES") != ALLOCATOR:  # read when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"GLIBC_TUNABLES": ALLOCATOR})
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    found = measure()
    if asked.json:
        print(json.dumps(found))
        return
    from arabic_r1_jax import progress

    rates, rows = found["gflops"], []
    for form in ("forward", "forward_backward"):
        both = (f"{rates[f'{form}_{side}']:.0f}" for side in ("ours", "peer"))
        rows.append((form.replace("_", " and "), *both, f"{found[form]:.0%}"))
    progress.table("Routed experts, GFLOP/s", ("", "arabic-r1-jax", "equal blocks", "ours of theirs"), rows)
    print(f"load {found['load']:.1f}")


if __name__ == "__main__":
    main()
