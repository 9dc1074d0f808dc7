"""Will it fit, and how fast could it be? The very step that trains or decodes, compiled for machines not at hand.

    report = plan(published("deepseek-r1"), LoraConfig(16), parse("v5p:2x2x2"), seq=4096)

libtpu compiles for a named slice on any Linux machine (`jax.experimental.topologies`); its compiler says what each
device will hold. Weights are shapes only, so R1's 661 GB take no memory here. For GPUs arguments are exact, by the
sharding, and temporaries are those of the TPU slice with as many devices. What the compiler said is kept (`reports`).
"""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental.mesh_utils import create_device_mesh
from jax.sharding import Mesh

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.cache import Cache, decode
from arabic_r1_jax.infer.language_model import resident
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.remat import EVERY_LAYER, Remat
from arabic_r1_jax.model.transformer import abstract_state, flat
from arabic_r1_jax.parallel import reports
from arabic_r1_jax.parallel.collectives import collective_bytes
from arabic_r1_jax.parallel.mesh import sharding, slice_of
from arabic_r1_jax.parallel.roofline import GIB, estimate
from arabic_r1_jax.parallel.topology import SLICES, Topology, parse
from arabic_r1_jax.train.losses import KINDS
from arabic_r1_jax.train.optimizer import make_optimizer
from arabic_r1_jax.train.step import BATCH_AXES, Adapted, TrainState, make_step, shardings

TILE = 128  # rows of a TPU's matrix unit: a sequence is a multiple of it
_QUICK = {"exec_time_optimization_effort": -1.0}  # a third of the compile time, and memory within 1%
_NEAR = 0.03  # a verdict this near the limit is confirmed at full effort

# Cheapest in time first: `plan` takes the first that fits.
REMATS = (Remat(), Remat(2), Remat(2, "host"))


class Question(NamedTuple):
    """What is to be compiled."""

    cfg: ModelConfig
    lora: LoraConfig
    topology: Topology
    seq: int  # tokens of the one sequence that a device has
    step: str  # "train" (LoRA, forward and backward) or "decode" (one token of every sequence)
    remat: Remat = EVERY_LAYER

    def to_json(self) -> list:
        """All that decides what the compiler says."""
        return [dataclasses.asdict(self.cfg), dataclasses.asdict(self.lora), self.topology.compiled_as, *self[3:]]


def plan(
    cfg: ModelConfig,
    lora: LoraConfig,
    topology: Topology,
    *,
    seq: int,
    step: str = "train",
    price: float | None = None,
    remat: Remat | None = None,
    watch: Callable[[str], None] | None = None,
) -> dict:
    """Compile one step for `topology`, a sequence of `seq` tokens a device, and report on it.

    step: as in `Question`. price: of a chip-hour. remat: what a backward pass keeps; None tries `REMATS` until one
    fits. watch is told what is being compiled.
    Raises `UserError` for a sequence that is no multiple of `TILE` or longer than the model's positions.
    """
    if seq < TILE or seq % TILE or seq > cfg.max_position_embeddings:
        raise UserError(
            f"seq is {seq}; it must be a multiple of {TILE} up to the model's {cfg.max_position_embeddings:,} positions"
        )
    choices = REMATS if remat is None and step == "train" else (remat or EVERY_LAYER,)
    for choice in dict.fromkeys(c._replace(period=c.period_of(cfg.num_moe_layers)) for c in choices):
        question = Question(cfg, lora, topology, seq, step, choice)
        measured = _measured(question, watch)
        report = _report(question, price, measured)
        if report["fits"] or measured["temporaries_gib"] is None:
            break
    return report


def search(cfg: ModelConfig, lora: LoraConfig, *, seq: int, step: str = "train", **asked) -> list[dict]:
    """The smallest slice of each generation that fits; arguments as `plan`.

    Few are compiled: a slice is passed over when its arguments alone are too much, or with four fifths of the
    temporaries of a smaller slice of its kind, for those hardly depend on the number of devices.
    """
    found = []
    for kind, shapes in SLICES.items():
        temporaries = 0.0
        for topology in (parse(f"{kind}:{shape}") for shape in shapes):
            limit = topology.accelerator.memory_gib
            if temporaries and arguments_gib(Question(cfg, lora, topology, seq, step)) + 0.8 * temporaries > limit:
                continue
            report = plan(cfg, lora, topology, seq=seq, step=step, **asked)
            if report["fits"]:
                found.append(report)
                break
            temporaries = report["temporaries_gib"] or 0.0
    return found


def mesh_of(topology: Topology, experts: int) -> Mesh:
    """The devices as (data, expert): along `expert` as many of a slice as divide the experts, slices along `data`."""
    from jax.experimental import topologies

    slices, name = topology.slices, topology.compiled_as.removeprefix(f"{topology.slices}x")
    try:
        devices = topologies.get_topology_desc(platform="tpu", topology_name=name, num_slices=slices).devices
    except Exception as error:  # libtpu missing or of another version: the runtime's own error type
        raise UserError(
            f"libtpu cannot compile for {topology.compiled_as} ({str(error).splitlines()[0][:100]}); "
            "pip install 'arabic_r1_jax[tpu]'"
        ) from error
    count = len(devices) // slices
    expert = max(n for n in range(1, count + 1) if count % n == 0 and experts % n == 0)
    # Any shape: make_mesh of `topologies` refuses those that split an axis of the torus.
    ordered = sorted(devices, key=slice_of)
    parts = [ordered[first : first + count] for first in range(0, len(ordered), count)]
    grids = [create_device_mesh((count // expert, expert), part, allow_split_physical_axes=True) for part in parts]
    return Mesh(np.concatenate(grids), ("data", "expert"))


def _train_step(cfg: ModelConfig, lora: LoraConfig, mesh: Mesh, seq: int, remat: Remat = EVERY_LAYER):
    """(the jitted step that `train` runs, its arguments as shapes)."""
    model = Adapted.of(cfg, lora, mesh, jnp.bfloat16, remat)
    optimizer, _ = make_optimizer(1000, 1e-4, 100, 0.0, 1.0)
    adapter = flat(model.adapter)
    state = jax.eval_shape(lambda a: TrainState(jnp.zeros((), jnp.int32), a, optimizer.init(a)), adapter)
    state = jax.tree.map(_placed, state, shardings(state, adapter, mesh))
    kinds = {"phase": jnp.int8}
    names = ("tokens", "segment_ids", "positions", "targets", "phase")
    batch = {name: _rows(mesh, seq, kinds.get(name, jnp.int32)) for name in names}
    step = make_step(model, optimizer, dict.fromkeys(KINDS[1:], 1.0), state)
    return step, (state, flat(model.frozen), batch)


def _decode_step(cfg: ModelConfig, lora: LoraConfig, mesh: Mesh, seq: int, _: Remat = EVERY_LAYER):
    """(one decoding step of a sequence a device, its arguments as shapes); the cache of `seq` places is donated."""
    graph, state = abstract_state(cfg, lora, mesh, jnp.bfloat16)
    rows = mesh.size
    empty = jax.eval_shape(lambda s: Cache.empty(nnx.merge(graph, s), rows, seq, jnp.bfloat16, mesh), state)
    axes = ("layer", "batch", None, None)
    cache = jax.tree.map(lambda part: _placed(part, sharding(axes, part.shape, mesh)), empty)
    row = jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=sharding(BATCH_AXES[:1], (rows,), mesh))
    place = jax.ShapeDtypeStruct((), jnp.int32, sharding=sharding((), (), mesh))

    def step(state, cache, ids, place, pad):
        model = resident(graph, state, mesh)
        h, cache = decode(model, ids, place, pad, cache, dtype=jnp.bfloat16, mesh=mesh)
        return jnp.argmax(model.logits(h, mesh), axis=-1).astype(jnp.int32), cache

    placed = (row.sharding, jax.tree.map(lambda part: part.sharding, cache))
    return jax.jit(step, donate_argnums=1, out_shardings=placed), (state, cache, row, place, row)


STEPS = {"train": _train_step, "decode": _decode_step}


def _placed(shape: jax.ShapeDtypeStruct, where) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=where)


def _rows(mesh: Mesh, seq: int, dtype) -> jax.ShapeDtypeStruct:
    shape = (mesh.size, seq)
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding(BATCH_AXES, shape, mesh))


def arguments_gib(question: Question) -> float:
    """What each device holds before a step begins, by the sharding alone."""
    return _held_gib(_program(question)[1])


def _program(q: Question) -> tuple[jax.stages.Wrapped, tuple, Mesh]:
    """(the jitted step, its arguments as shapes, the mesh they lie on)."""
    mesh = mesh_of(q.topology, q.cfg.n_routed_experts)
    return *STEPS[q.step](q.cfg, q.lora, mesh, q.seq, q.remat), mesh


def _held_gib(arguments: object) -> float:
    leaves = jax.tree.leaves(arguments)
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves) / GIB


def _measured(q: Question, watch: Callable[[str], None] | None) -> dict:
    """Memory and collectives in GiB per device, compiled or as compiled before; arguments alone if they are too much.

    Near the limit the compiler is asked again, to do its best.
    """
    program, arguments, mesh = _program(q)
    held, limit = _held_gib(arguments), q.topology.accelerator.memory_gib
    where = {"mesh": dict(mesh.shape)}
    if held > limit:
        return {"arguments_gib": held, "temporaries_gib": None, "hbm_gib_per_device": held, **where}

    def compiled(options: dict) -> dict:
        def make() -> dict:
            if watch:
                kept = f", remat period {q.remat.period}, residuals on the {q.remat.residuals}"
                watch(q.topology.name + (kept if q.step == "train" else ""))
            return _compile(program.lower(*arguments), held, options)

        return reports.kept([q.to_json(), options], make) | where

    measured = compiled(_QUICK)
    near = abs(measured["hbm_gib_per_device"] / limit - 1) < _NEAR
    return compiled({}) if near and not q.topology.is_gpu else measured


def _compile(lowered: jax.stages.Lowered, held: float, options: dict) -> dict:
    """Memory and collectives of a program whose arguments take `held` GiB a device, or what it would have needed."""
    try:
        compiled = lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError as error:
        needed = re.search(r"required for HLO temporaries \(([\d.]+)G\)|Used ([\d.]+)G", str(error))
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        gib = float(next(filter(None, needed.groups()))) if needed else math.inf
        parts = {"arguments_gib": held, "temporaries_gib": max(gib - held, 0.0)}
        return {**parts, "hbm_gib_per_device": gib}
    memory = compiled.memory_analysis()
    parts = {
        "arguments_gib": memory.argument_size_in_bytes / GIB,
        "temporaries_gib": memory.temp_size_in_bytes / GIB,
        "output_gib": memory.output_size_in_bytes / GIB,
        "alias_gib": memory.alias_size_in_bytes / GIB,
        "host_gib": memory.host_temp_size_in_bytes / GIB,
    }
    total = parts["arguments_gib"] + parts["temporaries_gib"] + parts["output_gib"] - parts["alias_gib"]
    collectives = {kind: size / GIB for kind, size in collective_bytes(compiled.as_text()).items()}
    return {**parts, "hbm_gib_per_device": total, "collectives_gib": collectives}


def _report(q: Question, price: float | None, measured: dict) -> dict:
    """Everything that is said of one plan."""
    topology, limit = q.topology, q.topology.accelerator.memory_gib
    report = {
        "fits": measured["hbm_gib_per_device"] <= limit,
        "topology": topology.name,
        "step": q.step,
        "seq": q.seq,
        "devices": topology.devices,
        "chips": topology.chips,
        "hbm_limit_gib": limit,
        **measured,
        **estimate(*q, measured),
        "estimated": topology.is_gpu,
    }
    if q.step == "train":
        report |= {"remat_period": q.remat.period, "residuals": q.remat.residuals}
        report["cost"] = None if price is None else report["hours"] * price * topology.chips
    if not report["fits"]:
        report["knobs_gib"] = _knobs(q, measured)
    return report


def _knobs(q: Question, measured: dict) -> dict[str, float]:
    """About how much each change would free on a device, most first."""
    temporaries = measured["temporaries_gib"]
    found = {"a slice of twice the devices": measured["arguments_gib"] / 2}
    if temporaries is not None:
        found["half the sequence"] = temporaries / 2
        if q.step == "train" and not q.remat.offload:
            streams = q.cfg.num_moe_layers / q.remat.period
            found["residuals in the host's memory"] = streams * q.seq * q.cfg.hidden_size * 2 / GIB
    return dict(sorted(found.items(), key=lambda item: -item[1]))
