"""Tokens a second of a LoRA step and of greedy generation, on 1 and on 8 simulated CPU devices.

    python tools/bench_model.py            # prints a table; about two minutes on 2 cores

The model has the shape of the demo's base (0.9M parameters, DeepSeek-V3 architecture) and random weights. Eight
simulated devices share the same cores, so the second column shows what splitting the experts costs, not what it gains.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from arabic_r1_jax import progress
from arabic_r1_jax.checkpoint import hf
from arabic_r1_jax.demo import BASE
from arabic_r1_jax.infer.engine import generate_ids
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import abstract_state, flat, init_adapter
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.train.losses import KINDS
from arabic_r1_jax.train.optimizer import make_optimizer
from arabic_r1_jax.train.step import Adapted, init_state, make_step, place_batch

LORA = LoraConfig(16, 32.0, ("attention", "shared", "dense", "experts"), 4)
ROWS, TOKENS, NEW, REPEATS = 16, 224, 64, 5


def model_on(mesh: Mesh, cfg: ModelConfig) -> LanguageModel:
    """A model of random weights."""
    random = np.random.default_rng(0)
    like = flat(abstract_state(cfg, None, mesh, jnp.float32)[1])
    arrays = {name: random.normal(0, 0.05, leaf.shape).astype(np.float32) for name, leaf in like.items()}
    return LanguageModel.from_arrays(cfg, arrays, mesh)


def train_speed(lm: LanguageModel) -> float:
    """Tokens a second of the LoRA step on full rows."""
    optimizer, _ = make_optimizer(100, 1e-3, 0, 0.0, 1.0)
    state = init_state(init_adapter(jax.random.key(0), lm.config, LORA, lm.mesh), optimizer, lm.mesh)
    weights = dict.fromkeys(KINDS[1:], 1.0)
    step = make_step(Adapted.of(lm.config, LORA, lm.mesh, jnp.float32), optimizer, weights, state)
    ids = np.random.default_rng(1).integers(2, lm.config.vocab_size, (ROWS, TOKENS), np.int32)
    batch = {
        "tokens": ids,
        "targets": np.roll(ids, -1, axis=1),
        "segment_ids": np.ones_like(ids),
        "positions": np.broadcast_to(np.arange(TOKENS, dtype=np.int32), ids.shape),
        "phase": np.full_like(ids, KINDS.index("other"), dtype=np.int8),
    }
    placed, frozen = place_batch(batch, lm.mesh), flat(lm.state)

    def run() -> None:
        nonlocal state
        state, metrics = step(state, frozen, placed)
        jax.block_until_ready(metrics)

    return ROWS * TOKENS / fastest(run)


def generation_speed(lm: LanguageModel) -> float:
    """Generated tokens a second, 64 rows at a time."""
    prompts = np.random.default_rng(2).integers(2, lm.config.vocab_size, (64, 96)).tolist()
    return 64 * NEW / fastest(lambda: generate_ids(lm, prompts, max_new_tokens=NEW, batch=64))


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs, after one that compiles."""
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    jax.config.update("jax_num_cpu_devices", 8)
    cfg = ModelConfig.from_hf(hf.read_config(BASE))
    models = {n: model_on(make_mesh(devices=jax.devices()[:n]), cfg) for n in (1, 8)}
    rows = [
        (name, *(f"{speed(lm):,.0f}" for lm in models.values()))
        for name, speed in (("LoRA step", train_speed), ("greedy generation", generation_speed))
    ]
    progress.table("Tokens a second", ("", "1 device", "8 simulated devices"), rows)


if __name__ == "__main__":
    main()
