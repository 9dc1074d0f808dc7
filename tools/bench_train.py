"""One LoRA step beside transformers and PEFT, on the same checkpoint, batch and cores, turn by turn.

    python tools/bench_train.py            # prints a table; some three minutes on 2 cores. Needs the extra "parity"
    python tools/bench_train.py --json     # one object: ratio, sgemm_fraction, wall_ratio, load, and the seconds

The model is a DeepSeek-V3 of 107M parameters with random weights; 4 rows of 512 tokens, float32, LoRA r=16 on the
attention projections. Each side is a process of its own that makes a step when it is told to, so that both meet the
same machine, with the same allocator settings. CPU seconds are what other work on the machine disturbs least; `ratio`
is of those, PEFT's over ours. `sgemm_fraction` is the useful work of a step over what a 2048-cubed product reaches in
the same CPU time. All are of float32 and one core a side, where CPU seconds are work and not waiting; "all_cores" of
the --json object has the same for as many threads as there are cores, and "bfloat16" for weights and computation in
bfloat16 on one core, where the CPU has instructions for it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BATCH, TOKENS, RANK, ROUNDS = 4, 512, 16, 5
STEP_GFLOP = 247  # forward and gradient of the input, attention over the causal half; no gradient of a frozen weight
SGEMM = 2048
# Freed memory is kept, in pages of 2 MiB where Linux offers them: a process that waits for its turn would hand a
# gigabyte back and touch it anew, which on a virtual machine can take longer than the step.
ALLOCATOR = ":".join(
    f"glibc.malloc.{setting}" for setting in ("hugetlb=1", "arena_max=1", "mmap_max=0", f"trim_threshold={1 << 34}")
)
CONFIG = {
    "vocab_size": 8192,
    "hidden_size": 512,
    "intermediate_size": 1536,
    "moe_intermediate_size": 256,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "n_shared_experts": 1,
    "n_routed_experts": 32,
    "num_experts_per_tok": 4,
    "n_group": 4,
    "topk_group": 2,
    "first_k_dense_replace": 1,
    "q_lora_rank": 192,
    "kv_lora_rank": 128,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "max_position_embeddings": 4096,
}


def tokens():
    import numpy as np

    return np.random.default_rng(0).integers(2, CONFIG["vocab_size"], (BATCH, TOKENS), np.int32)


def peer(folder: Path, dtype: str) -> Callable[[], float]:
    """A function: one step of transformers and PEFT, returning the loss."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    targets = ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"]
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=targets)).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.from_numpy(tokens()).long()

    def step() -> float:
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def ours(folder: Path, dtype: str) -> Callable[[], float]:
    """A function: one step of `train`, returning the loss."""
    import jax
    import numpy as np

    from arabic_r1_jax.checkpoint.load import load
    from arabic_r1_jax.model.lora import LoraConfig
    from arabic_r1_jax.model.remat import Remat
    from arabic_r1_jax.model.transformer import flat, init_adapter
    from arabic_r1_jax.parallel.mesh import make_mesh
    from arabic_r1_jax.train.losses import KINDS
    from arabic_r1_jax.train.optimizer import make_optimizer
    from arabic_r1_jax.train.step import Adapted, init_state, make_step, place_batch

    base = load(folder, dtype=dtype, mesh=make_mesh(1, 1))
    lora = LoraConfig(RANK, 2.0 * RANK, ("attention",))
    optimizer, _ = make_optimizer(1000, 1e-4, 0, 0.0, 1.0)
    state = init_state(init_adapter(jax.random.key(0), base.config, lora, base.mesh), optimizer, base.mesh)
    model = Adapted.of(base.config, lora, base.mesh, base.dtype, Remat(0))
    run = make_step(model, optimizer, dict.fromkeys(KINDS[1:], 1.0), state)
    ids = tokens()
    # PEFT's loss is of the next token, the last one of a row having none.
    phase = np.full_like(ids, KINDS.index("other"), np.int8)
    phase[:, -1] = 0
    batch = {
        "tokens": ids,
        "targets": np.roll(ids, -1, axis=1),
        "segment_ids": np.ones_like(ids),
        "positions": np.broadcast_to(np.arange(TOKENS, dtype=np.int32), ids.shape),
        "phase": phase,
    }
    placed, frozen = place_batch(batch, base.mesh), flat(base.state)

    def step() -> float:
        nonlocal state
        state, metrics = run(state, frozen, placed)
        return float(metrics["loss"])

    return step


def sgemm(_: Path, __: str) -> Callable[[], float]:
    """A function: one product of two square float32 matrices, by the library that multiplies for us."""
    import jax
    import jax.numpy as jnp

    a = jnp.ones((SGEMM, SGEMM))
    product = jax.jit(lambda a: a @ a)
    return lambda: float(product(a).block_until_ready()[0, 0])


SIDES = {"ours": ours, "peer": peer, "sgemm": sgemm}


def serve(side: str, folder: Path, cores: int, dtype: str) -> None:
    """Make a step for every line of standard input, and say what it took: [CPU seconds, wall seconds, loss]."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    step = SIDES[side](folder, dtype)
    for _ in sys.stdin:
        cpu, wall = _cpu(), time.perf_counter()
        loss = step()
        print(json.dumps([_cpu() - cpu, time.perf_counter() - wall, loss]), flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(folder: Path, rounds: int, cores: int, dtype: str = "float32") -> dict:
    """Median CPU and wall seconds of each side on so many cores, and what follows from them."""
    env = os.environ | {"JAX_PLATFORMS": "cpu", "OMP_WAIT_POLICY": "passive", "GLIBC_TUNABLES": ALLOCATOR}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env}
    words = [str(folder), str(cores), dtype]
    running = {side: subprocess.Popen([sys.executable, __file__, side, *words], **pipes) for side in SIDES}

    def step(side: str) -> list[float]:
        process = running[side]
        process.stdin.write("\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        first = {side: step(side) for side in SIDES}  # compiled, and pages touched
        taken = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side in SIDES:
                taken[side].append(step(side))
    finally:
        for process in running.values():
            process.kill()
    cpu, wall = ({side: statistics.median(t[i] for t in taken[side]) for side in SIDES} for i in (0, 1))
    rate = 2 * SGEMM**3 / 1e9 / cpu["sgemm"]
    return {
        "ratio": cpu["peer"] / cpu["ours"],
        "wall_ratio": wall["peer"] / wall["ours"],
        "sgemm_fraction": STEP_GFLOP / cpu["ours"] / rate,
        "peer_sgemm_fraction": STEP_GFLOP / cpu["peer"] / rate,
        "load": os.getloadavg()[0],
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "first_loss": {side: first[side][2] for side in ("ours", "peer")},
        "sgemm_gflops": rate,
    }


def make(folder: Path) -> None:
    """The checkpoint, written by transformers."""
    import torch
    from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

    torch.manual_seed(0)
    DeepseekV3ForCausalLM(DeepseekV3Config(**CONFIG)).save_pretrained(folder)


def has_bfloat16() -> bool:
    """Whether Linux reports instructions that multiply bfloat16."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object")
    asked, cores = parser.parse_args(), len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        found = {"1": measure(Path(name), ROUNDS, 1)}
        if cores > 1:
            found["all_cores"] = {"cores": cores, **measure(Path(name), ROUNDS, cores)}
        if has_bfloat16():
            found["bfloat16"] = measure(Path(name), ROUNDS, 1, "bfloat16")
    if asked.json:
        print(json.dumps({**found.pop("1"), **found}))
        return
    from arabic_r1_jax import progress

    names = {"1": "1 core", "all_cores": f"{cores} cores", "bfloat16": "1 core, bfloat16"}
    columns = ("", "", "CPU s", "wall s", "of sgemm", "ratio", "ratio of wall times")
    rows = [row for key, values in found.items() for row in _rows(names[key], values)]
    progress.table("One LoRA step", columns, rows)
    print(f"load {os.getloadavg()[0]:.1f}; a ratio is the peer's seconds over ours")


def _rows(setting: str, found: dict) -> list[tuple]:
    cpu, wall = found["cpu_seconds"], found["wall_seconds"]

    def row(name: str, side: str, fraction: str, *ratios: str) -> tuple:
        return (setting, name, f"{cpu[side]:.2f}", f"{wall[side]:.2f}", f"{found[fraction]:.0%}", *ratios)

    ratios = f"{found['ratio']:.2f}", f"{found['wall_ratio']:.2f}"
    return [
        row("arabic-r1-jax", "ours", "sgemm_fraction", *ratios),
        row("transformers + PEFT", "peer", "peer_sgemm_fraction", "", ""),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in SIDES:
        serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main()
