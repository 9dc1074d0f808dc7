"""How fast a step could be: operations from the model's shape, bytes, and the rates that vendors state.

The slowest of three counts: products in dense bfloat16; weights read from memory; bytes sent to other devices. A real
run overlaps them imperfectly and reaches a part of each rate, so this is a bound, for comparing machines.
"""

import math

from arabic_r1_jax.checkpoint import weight_map
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.remat import Remat
from arabic_r1_jax.parallel.dispatch import chunk_count
from arabic_r1_jax.parallel.topology import Topology

GIB = 2**30
_SENT = {"all-reduce": 2}  # bytes sent for a byte of a collective's result: a reduce-scatter, then an all-gather
CORPUS_TOKENS = 372e6  # the paper's mixture, arXiv 2604.06421


def estimate(
    cfg: ModelConfig, lora: LoraConfig, topology: Topology, seq: int, step: str, remat: Remat, measured: dict
) -> dict:
    """Seconds a step by what bounds it, tokens a second of all devices, and for training the hours for the corpus.

    measured: memory, collectives and mesh, as `plan` finds them.
    """
    accelerator, flops = topology.accelerator, step_flops(cfg, lora, seq, step, remat.period)
    # Experts are read again for every chunk of tokens, in the passes that `step_flops` counts; decoding also reads
    # the other weights and the cache, which lie in its temporaries.
    passes = 2 + min(remat.period, 2) if step == "train" else 1
    chunks = chunk_count(seq * cfg.hidden_size * 2, measured["mesh"]["expert"]) if step == "train" else 1
    read = measured["arguments_gib"] * passes * chunks + (0 if step == "train" else measured["temporaries_gib"] or 0)
    sent = sum(size * _SENT.get(kind, 1) for kind, size in measured.get("collectives_gib", {}).items())
    seconds = {
        "compute": flops / (accelerator.tflops * 1e12),
        "memory": read * GIB / (accelerator.memory_gbps * 1e9),
        "network": sent * GIB / (accelerator.network_gbps * 1e9),
    }
    bound = max(seconds, key=seconds.__getitem__)
    tokens = topology.devices * (seq if step == "train" else 1) / seconds[bound]
    found = {"flops_per_sequence": flops, "seconds": seconds, "bound_by": bound, "tokens_per_second": tokens}
    return found | ({"hours": CORPUS_TOKENS / tokens / 3600} if step == "train" else {})


def step_flops(cfg: ModelConfig, lora: LoraConfig, seq: int, step: str, period: int = 1) -> float:
    """Floating-point operations of one sequence in one step, from the model's shape.

    Training multiplies every frozen matrix three times (forward, again in the backward pass, gradient of its input),
    an adapter four times, and attention's scores and values four times over the causal half; each once more with a
    remat `period` above 1, once less with 0. Decoding does each once, attention over the latent cache of `seq` places.
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
    passes = 2 + min(period, 2)
    return 2 * seq * (passes * frozen + (passes + 1) * (adapters + attention))
