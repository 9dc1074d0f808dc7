"""Will it fit, and how fast could it be? The very step that trains or decodes, compiled for machines not at hand.

    report = plan(published("deepseek-r1"), LoraConfig(16), parse("v5p:2x2x2"), seq=4096)

libtpu compiles for a named slice on any Linux machine (`jax.experimental.topologies`); its compiler says what each
device will hold. Weights are shapes only, so R1's 661 GB take no memory here. For GPUs arguments are exact, by the
sharding, and temporaries are those of the TPU slice with as many devices. Reports are kept by a hash of all that
decides them, the code included: compiling R1 takes minutes.
"""

import dataclasses
import hashlib
import json
import math
import os
import re
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import weight_map
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.cache import Cache, decode
from arabic_r1_jax.infer.language_model import resident
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import abstract_state, flat
from arabic_r1_jax.parallel.collectives import collective_bytes
from arabic_r1_jax.parallel.mesh import sharding
from arabic_r1_jax.parallel.topology import SLICES, Topology, parse
from arabic_r1_jax.train.losses import KINDS
from arabic_r1_jax.train.optimizer import make_optimizer
from arabic_r1_jax.train.step import BATCH_AXES, Adapted, TrainState, make_step, shardings

GIB = 2**30
CORPUS_TOKENS = 372e6  # the paper's mixture, arXiv 2604.06421
TILE = 128  # rows of a TPU's matrix unit: a sequence is a multiple of it
_QUICK = {"exec_time_optimization_effort": -1.0}  # a third of the compile time, and memory within 1%
_NEAR = 0.03  # a verdict this near the limit is confirmed at full effort


def plan(
    cfg: ModelConfig, lora: LoraConfig, topology: Topology, *, seq: int, step: str = "train", price: float | None = None
) -> dict:
    """Compile one step for `topology`, a sequence of `seq` tokens a device, and report on it.

    step: "train" (LoRA, forward and backward) or "decode" (one token of every sequence). price: of a chip-hour.
    Raises `UserError` for a sequence that is no multiple of `TILE` or longer than the model's positions.
    """
    if seq < TILE or seq % TILE or seq > cfg.max_position_embeddings:
        raise UserError(
            f"seq is {seq}; it must be a multiple of {TILE} up to the model's {cfg.max_position_embeddings:,} positions"
        )
    key = _key(cfg, lora, topology, seq, step)
    measured = _recall(key)
    if measured is None:
        measured = _measure(cfg, lora, topology, seq, step)
        _remember(key, measured)
    return _report(cfg, lora, topology, seq, step, price, measured)


def search(
    cfg: ModelConfig, lora: LoraConfig, *, seq: int, step: str = "train", price: float | None = None
) -> list[dict]:
    """The smallest slice of each generation that fits; arguments alone rule most out before any is compiled."""
    found = []
    for kind, shapes in SLICES.items():
        for shape in shapes:
            topology = parse(f"{kind}:{shape}")
            if arguments_gib(cfg, lora, topology, step, seq) > topology.accelerator.memory_gib:
                continue
            report = plan(cfg, lora, topology, seq=seq, step=step, price=price)
            if report["fits"]:
                found.append(report)
                break
    return found


def mesh_of(topology: Topology, experts: int) -> Mesh:
    """The devices of a slice as (data, expert): as many along `expert` as divide the experts."""
    from jax.experimental import topologies

    try:
        described = topologies.get_topology_desc(platform="tpu", topology_name=topology.compiled_as)
    except Exception as error:  # libtpu missing or of another version: the runtime's own error type
        raise UserError(
            f"libtpu cannot compile for {topology.compiled_as} ({str(error).splitlines()[0][:100]}); "
            "pip install 'arabic_r1_jax[tpu]'"
        ) from error
    count = len(described.devices)
    expert = max(n for n in range(1, count + 1) if count % n == 0 and experts % n == 0)
    return topologies.make_mesh(described, (count // expert, expert), ("data", "expert"))


def _train_step(cfg: ModelConfig, lora: LoraConfig, mesh: Mesh, seq: int):
    """(the jitted step that `train` runs, its arguments as shapes)."""
    model = Adapted.of(cfg, lora, mesh, jnp.bfloat16)
    optimizer, _ = make_optimizer(1000, 1e-4, 100, 0.0, 1.0)
    adapter = flat(model.adapter)
    state = jax.eval_shape(lambda a: TrainState(jnp.zeros((), jnp.int32), a, optimizer.init(a)), adapter)
    state = jax.tree.map(_placed, state, shardings(state, adapter, mesh))
    kinds = {"phase": jnp.int8}
    names = ("tokens", "segment_ids", "positions", "targets", "phase")
    batch = {name: _rows(mesh, seq, kinds.get(name, jnp.int32)) for name in names}
    step = make_step(model, optimizer, dict.fromkeys(KINDS[1:], 1.0), state)
    return step, (state, flat(model.frozen), batch)


def _decode_step(cfg: ModelConfig, lora: LoraConfig, mesh: Mesh, seq: int):
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


def arguments_gib(cfg: ModelConfig, lora: LoraConfig, topology: Topology, step: str, seq: int) -> float:
    """What each device holds before a step begins, by the sharding alone."""
    return _held_gib(STEPS[step](cfg, lora, mesh_of(topology, cfg.n_routed_experts), seq)[1])


def _held_gib(arguments: object) -> float:
    leaves = jax.tree.leaves(arguments)
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves) / GIB


def _measure(cfg: ModelConfig, lora: LoraConfig, topology: Topology, seq: int, step: str) -> dict:
    """Compile, and read off memory and collectives; GiB per device."""
    program, arguments = STEPS[step](cfg, lora, mesh_of(topology, cfg.n_routed_experts), seq)
    lowered, held = program.lower(*arguments), _held_gib(arguments)
    measured = _compile(lowered, held, _QUICK)
    limit = topology.accelerator.memory_gib
    if not topology.is_gpu and abs(measured["hbm_gib_per_device"] / limit - 1) < _NEAR:
        measured = _compile(lowered, held, {})
    return measured


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
        return {**parts, "hbm_gib_per_device": gib, "compiled": False}
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
    return {**parts, "hbm_gib_per_device": total, "collectives_gib": collectives, "compiled": True}


def step_flops(cfg: ModelConfig, lora: LoraConfig, seq: int, step: str) -> float:
    """Floating-point operations of one sequence in one step, from the model's shape.

    Training multiplies every frozen matrix three times (forward, again in the backward pass, gradient of its input),
    an adapter four times, and attention's scores and values four times over the causal half. Decoding does each once,
    attention over the latent cache of `seq` places.
    """
    frozen = adapters = 0.0
    for entry in weight_map.entries(cfg).values():
        if len(entry.part) != 2 or entry.name == "embed.weight" or entry.name.endswith(".scale"):
            continue
        layers = entry.stack[0] if entry.stack else 1
        used = cfg.num_experts_per_tok if entry.lora == "experts" else 1
        frozen += layers * used * math.prod(entry.part)
        adapters += layers * used * lora.rank_of(entry.lora) * sum(entry.part) if entry.lora else 0
    if cfg.tie_word_embeddings:
        frozen += cfg.vocab_size * cfg.hidden_size
    heads = cfg.num_hidden_layers * cfg.num_attention_heads
    if step == "decode":
        attention = heads * seq * (2 * cfg.kv_lora_rank + cfg.qk_rope_head_dim)
        return 2 * (frozen + adapters + attention)
    attention = heads * seq / 2 * (cfg.qk_head_dim + cfg.v_head_dim)
    return 2 * seq * (3 * frozen + 4 * adapters + 4 * attention)


def _report(
    cfg: ModelConfig, lora: LoraConfig, topology: Topology, seq: int, step: str, price: float | None, measured: dict
) -> dict:
    """Everything that is said of one plan."""
    accelerator, devices = topology.accelerator, topology.devices
    limit = accelerator.memory_gib
    flops = step_flops(cfg, lora, seq, step)
    arguments = measured["arguments_gib"]
    passes = 3 if step == "train" else 1
    seconds = {
        "compute": flops / (accelerator.tflops * 1e12),
        "memory": passes * arguments * GIB / (accelerator.memory_gbps * 1e9),
        "network": sum(measured.get("collectives_gib", {}).values()) * GIB / (accelerator.network_gbps * 1e9),
    }
    bound = max(seconds, key=seconds.__getitem__)
    tokens = devices * (seq if step == "train" else 1) / seconds[bound]
    hours = CORPUS_TOKENS / tokens / 3600
    fits = bool(measured["compiled"] and measured["hbm_gib_per_device"] <= limit)
    report = {
        "fits": fits,
        "topology": topology.name,
        "step": step,
        "seq": seq,
        "devices": devices,
        "chips": topology.chips,
        "hbm_limit_gib": limit,
        **measured,
        "flops_per_sequence": flops,
        "seconds": seconds,
        "bound_by": bound,
        "tokens_per_second": tokens,
        "estimated": topology.is_gpu,
    }
    if step == "train":
        report |= {"hours": hours, "cost": None if price is None else hours * price * topology.chips}
    if not fits:
        report["advice"] = _advice(measured, limit)
    return report


def _advice(measured: dict, limit: float) -> str:
    """Which knob frees most."""
    arguments, temporaries = measured["arguments_gib"], measured["temporaries_gib"]
    if arguments > limit:
        return "the weights alone are too much: take a larger slice, twice the devices hold half of them each"
    over = measured["hbm_gib_per_device"] - limit
    if over < temporaries / 2:
        return f"{over:.1f} GiB too much: half the sequence frees up to {temporaries / 2:.1f} GiB, or a larger slice"
    return f"{over:.1f} GiB too much: a larger slice frees up to {arguments / 2:.1f} GiB of arguments"


def _key(cfg: ModelConfig, lora: LoraConfig, topology: Topology, seq: int, step: str) -> str:
    """A hash of everything that a report follows from: the question, the code and the compiler."""
    import importlib.metadata

    package = Path(__file__).resolve().parents[1]
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(package.rglob("*.py")))).hexdigest()
    versions = [importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax")]
    asked = [dataclasses.asdict(cfg), dataclasses.asdict(lora), topology.name, seq, step, code, versions]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _kept(key: str) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return root / "arabic-r1" / "plan" / f"{key}.json"


def _recall(key: str) -> dict | None:
    path = _kept(key)
    return artifacts.read_json(path) if path.is_file() else None


def _remember(key: str, measured: dict) -> None:
    path = _kept(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_json(path, measured)
