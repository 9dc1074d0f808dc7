"""One command run by several processes: how they find each other, agree, and end together.

    processes.join()                       before JAX starts its backend; alone, a process waits for nobody
    with processes.together():             a failure of one is everybody's
        plan = processes.from_first(read)  read once, known to all

The same command is started once on every host. TPU pods, SLURM (`srun`) and Open MPI are recognised; anywhere else
the environment says it, with JAX_COORDINATOR_ADDRESS (host:port of process 0), JAX_NUM_PROCESSES and JAX_PROCESS_ID.
The first process alone writes to the output folder and speaks; all see that folder. What they tell each other goes
through the key-value store of JAX's coordination service, so that nobody waits inside a collective for a file to be
read. A process that dies without a word is missed by that service, which then ends the others.
"""

import contextlib
import glob
import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import numpy as np
from jax._src import distributed  # the store has no public name; Orbax reaches it the same way
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from arabic_r1_jax.errors import UserError

STOPPED = 75  # exit code after SIGTERM (EX_TEMPFAIL of sysexits.h): start the same command with --resume
ADDRESS, COUNT, INDEX = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
GRACE = 30  # seconds that a failed process gives the first one to come and say so
PARTING = 15  # seconds between the ends of the first and the last process, before JAX calls it an accident
_rounds = itertools.count()  # of `exchange`, the same on all processes
T = TypeVar("T")


class Told(UserError):
    """The failure of another process, or one that the first process reports; only the first prints it."""


class Stopped(UserError):
    """SIGTERM came, and what was reached is saved. Raised on all processes."""


def join() -> None:
    """Become one of several processes where the environment says so, else nothing. Waits for the others at most 300 s.

    Must come before JAX starts its backend. Raises `UserError` when the environment is incomplete or the processes do
    not find each other.
    """
    if jax.distributed.is_initialized():
        return
    given = {name: value for name in (ADDRESS, COUNT, INDEX) if (value := os.environ.get(name))}
    missing = [name for name in (ADDRESS, COUNT, INDEX) if name not in given]
    if given and missing and not (_launched() and ADDRESS in given):
        raise UserError(f"{', '.join(given)} is set and {', '.join(missing)} is not; set all three, or none")
    if not given and not _launched() and not _tpu_host():
        return
    try:
        named = {"coordinator_address": given.get(ADDRESS)}
        named |= {
            key: int(given[name]) for key, name in (("num_processes", COUNT), ("process_id", INDEX)) if name in given
        }
        jax.distributed.initialize(**named, shutdown_timeout_seconds=PARTING)
    except (ValueError, RuntimeError, IndexError) as error:
        if not given and not _launched():  # chips, but no pod around them
            return
        said = str(error).splitlines()[0]
        raise UserError(
            f"the processes of this run did not find each other ({given or 'SLURM or MPI'}): {said}"
        ) from None


def _launched() -> bool:
    """Whether a launcher started several of us; `jax.distributed.initialize` then finds the rest by itself.

    Inside an interactive allocation SLURM_NTASKS counts tasks that nobody started, hence the step's own number.
    """
    return any(int(os.environ.get(name) or 1) > 1 for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"))


def _tpu_host() -> bool:
    """Whether TPU chips may be attached and used. On a host of a pod, JAX asks its metadata for the other hosts."""
    wanted = os.environ.get("JAX_PLATFORMS", "")
    return (not wanted or "tpu" in wanted) and bool(glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*"))


def count() -> int:
    """How many processes run this command; does not start JAX's backend."""
    return distributed.global_state.num_processes


def is_first() -> bool:
    """Whether this process is the one that writes and speaks; does not start JAX's backend."""
    return distributed.global_state.process_id == 0


def simulated(devices: int | None) -> int | None:
    """This process's share of `mesh.cpu_devices`, which counts those of all processes together; at least one."""
    return devices and -(-devices // count())


# ---- agreeing


def exchange(value: T) -> list[T]:
    """The `value` of every process, JSON, by index. All processes must call it, inside `together`.

    Raises `Told` when one has failed since the last exchange.
    """
    if count() == 1:
        return [value]
    number = next(_rounds)
    _post(number, {"value": value})
    said = [_read(number, index) for index in range(count())]
    for index, answer in enumerate(said):
        if "error" in answer:
            raise Told(answer["error"] if index == 0 else f"process {index}: {answer['error']}")
    return [answer["value"] for answer in said]


def from_first(make: Callable[[], T]) -> T:
    """What `make` returns on the first process, JSON, on all; the others only wait. See `exchange`."""
    return exchange(make() if is_first() else None)[0]


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Fail as one: what the block raises on one process is raised on all at their next exchange or at the block's end.

    A process whose failure the first one does not notice within `GRACE` speaks for itself.
    """
    try:
        yield
    except (Told, Stopped):
        raise
    except Exception as error:
        if count() > 1:
            mine = isinstance(error, UserError)
            number = next(_rounds)
            _post(number, {"error": str(error) if mine else f"{type(error).__name__}: {error}"})
            if mine and not is_first() and _read(number, 0, GRACE):
                raise Told(str(error)) from error
        raise
    exchange(None)


def _post(number: int, answer: dict) -> None:
    distributed.global_state.client.key_value_set(_key(number, distributed.global_state.process_id), json.dumps(answer))


def _read(number: int, index: int, seconds: float = float("inf")) -> dict | None:
    """The answer of process `index`; None when it has not come in time."""
    while seconds > 0:
        wait = min(seconds, 5)  # a wait cannot be interrupted
        with contextlib.suppress(_NotYet), _not_yet():
            return json.loads(distributed.global_state.client.blocking_key_value_get(_key(number, index), wait * 1000))
        seconds -= wait
    return None


def _key(number: int, index: int) -> str:
    return f"arabic_r1/{number}/{index}"


class _NotYet(Exception):
    pass


@contextlib.contextmanager
def _not_yet() -> Iterator[None]:
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        raise (_NotYet if "DEADLINE_EXCEEDED" in str(error) else error) from None


# ---- working together


def check_mesh(mesh: Mesh) -> None:
    """Raise `UserError` unless every process has a device of the mesh: one without could take no part."""
    used = {device.process_index for device in mesh.devices.flat}
    if len(used) < count():
        raise UserError(
            f"the mesh of {mesh.size} devices lies on {len(used)} of {count()} processes; "
            "ask for more with mesh.data or mesh.expert, or start fewer processes"
        )


def gather(array: jax.Array) -> np.ndarray:
    """An array that lies on the devices of all processes, whole. All processes must call it."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    return multihost_utils.process_allgather(array, tiled=True)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Yield asked(step): whether SIGTERM has come, to be called after every step; true after one step on all processes.

    Outside the block SIGTERM ends a lone process as ever. JAX catches it for several; they agree on a step that none
    has passed, so that they may be asked a few steps later.
    """
    if jax.distributed.is_initialized():
        yield multihost_utils.reached_preemption_sync_point
    elif threading.current_thread() is not threading.main_thread():  # where Python allows no handler
        yield lambda step: False
    else:
        came = threading.Event()
        before = signal.signal(signal.SIGTERM, lambda *_: came.set())
        try:
            yield lambda step: came.is_set()
        finally:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def one_voice() -> Iterator[None]:
    """Let the first process alone end the block as it ends; the others leave the program silently, with its exit code.

    Collectives on CPUs print as they connect, from C: standard output is standard error inside the block.
    """
    if count() == 1:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    except (Told, Stopped) as error:
        if not is_first():
            raise SystemExit(STOPPED if isinstance(error, Stopped) else 1) from None
        raise
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    if not is_first():
        raise SystemExit(0)
