"""What a verb is, and the options that several share.

`run` takes the parsed options and returns a dict, which `--json` prints as it is; `show` prints the same for a person.
Verbs import jax, and all that needs it, inside `run`, so that help and mistakes answer at once.
"""

import argparse
import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from arabic_r1_jax.paths import as_path

Parser, Options = argparse.ArgumentParser, argparse.Namespace


@dataclass(frozen=True)
class Verb:
    """A row of the table of verbs."""

    does: str  # completes "arabic-r1 VERB: ..."
    example: str
    options: Callable[[Parser], None]
    run: Callable[[Options], dict]
    show: Callable[[dict], None]
    notes: Callable[[], str] = str  # more text for --help
    failed: Callable[[dict], int] = lambda result: 0  # the exit code of an answer that is no success
    runs_models: bool = False  # what it compiles is kept (`user_cache`)
    again: str = "nothing half-written was left; run the same command again"  # said after an interruption


def bounded(kind: type, low: float, high: float = 2**31 - 1) -> Callable[[str], float]:
    """An argparse type: an int or float from `low` to `high`."""

    def parse(word: str) -> float:
        with contextlib.suppress(ValueError):
            if low <= kind(word) <= high:
                return kind(word)
        name = "an integer" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"{word!r} is not {name} from {low:,} to {high:,}")

    return parse


count, seed = bounded(int, 1), bounded(int, 0)


def model_options(parser: Parser) -> None:
    """The options of verbs that run a model; `load` reads them."""
    parser.add_argument("--model", type=as_path, metavar="DIR", required=True, help="Hugging Face or Orbax folder")
    parser.add_argument("--adapter", type=as_path, metavar="DIR", help="PEFT folder that was trained on that model")
    parser.add_argument("--dtype", choices=("bf16", "float32"), help="of the computation; default: as stored")
    parser.add_argument("--batch", type=count, metavar="N", default=64, help="rows at a time; default: 64")
    parser.add_argument(
        "--max-new-tokens", type=count, metavar="N", default=1024, help="at most for a completion; default: 1024"
    )


def load(options: Options):
    """The `LanguageModel` of `model_options`, over all devices that JAX finds, on all processes or none (`as_one`)."""
    from arabic_r1_jax.checkpoint.load import load
    from arabic_r1_jax.parallel import processes
    from arabic_r1_jax.parallel.mesh import make_mesh

    lm = load(options.model, options.adapter, options.dtype, make_mesh())
    processes.exchange(None)
    return lm


SEVERAL = """\
several processes: start the same command once on every host of a TPU pod, or with srun or mpirun; elsewhere set
JAX_COORDINATOR_ADDRESS=HOST:PORT, JAX_NUM_PROCESSES and JAX_PROCESS_ID. All must see the folders; the first one writes
and speaks."""


@contextlib.contextmanager
def as_one() -> Iterator[bool]:
    """Let the processes of one command, where the environment says that there are several, do the block together.

    Yields whether this is the one that shows progress. The others leave the program at the block's end.
    """
    from arabic_r1_jax.parallel import processes

    processes.join()
    with processes.one_voice(), processes.together():
        if processes.count() > 1:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # JAX catches it for training, which saves
        yield processes.is_first()


def simulate_cpus(devices: int | None) -> None:
    """Let JAX split the CPU into `devices`. Once JAX runs it is too late, and the mesh then says what is lacking."""
    import jax

    if devices is not None:
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", devices)
