"""References: random checkpoints that transformers itself made, of every variant."""

import dataclasses
import functools
from pathlib import Path

import pytest

try:
    import torch
    import transformers
except ImportError:
    torch = transformers = None

YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 40.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
}
V3 = {
    "vocab_size": 512,
    "hidden_size": 96,
    "intermediate_size": 160,
    "moe_intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "n_shared_experts": 1,
    "n_routed_experts": 16,
    "num_experts_per_tok": 4,
    "n_group": 4,
    "topk_group": 2,
    "first_k_dense_replace": 1,
    "routed_scaling_factor": 2.5,
    "norm_topk_prob": True,
    "q_lora_rank": 48,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "rope_parameters": YARN,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
V2 = {k: v for k, v in V3.items() if k != "norm_topk_prob"} | {
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "rope_parameters": YARN | {"mscale": 0.707, "mscale_all_dim": 0.707},
}
KINDS = {
    "v3": ("DeepseekV3", V3),
    # No dimension a multiple of another, two dense layers, no query latent, plain rotary embedding, no normalisation.
    "v3-odd": (
        "DeepseekV3",
        V3
        | {
            "hidden_size": 100,
            "intermediate_size": 165,
            "moe_intermediate_size": 36,
            "q_lora_rank": None,
            "v_head_dim": 24,
            "n_shared_experts": 2,
            "n_routed_experts": 12,
            "n_group": 3,
            "num_experts_per_tok": 3,
            "first_k_dense_replace": 2,
            "norm_topk_prob": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 50000.0},
        },
    ),
    "v3-tied": ("DeepseekV3", V3 | {"tie_word_embeddings": True, "first_k_dense_replace": 0}),
    "v2-lite": (
        "DeepseekV2",
        V2
        | {"topk_method": "greedy", "n_group": 1, "topk_group": 1, "q_lora_rank": None, "routed_scaling_factor": 1.0},
    ),
    "v2-group": ("DeepseekV2", V2 | {"topk_method": "group_limited_greedy", "routed_scaling_factor": 16.0}),
    "v2-all-dense": (
        "DeepseekV2",
        V2 | {"topk_method": "greedy", "first_k_dense_replace": 3, "routed_scaling_factor": 1.0},
    ),
}


@dataclasses.dataclass(frozen=True)
class Reference:
    """A checkpoint in `folder` and the transformers model that wrote it."""

    folder: Path
    model: object
    config: dict

    def run(self, ids, **options):
        """(logits float32 [B, T, V], router logits and chosen experts of each mixture-of-experts layer)."""
        seen = []
        gates = [module for name, module in self.model.named_modules() if name.endswith("mlp.gate")]
        hooks = [gate.register_forward_hook(lambda gate, _, out: seen.append((gate, out))) for gate in gates]
        with torch.no_grad():
            logits = self.model(torch.from_numpy(ids).long(), **options).logits.float().numpy()
        for hook in hooks:
            hook.remove()
        shape = (*ids.shape, -1)
        return logits, [
            (gate, out[0].float().numpy().reshape(shape), out[2].numpy().reshape(shape)) for gate, out in seen
        ]

    def stored_as(self, dtype):
        """The same checkpoint with its weights rounded to `dtype`; the model in memory becomes another."""
        self.model.to(getattr(torch, dtype)).save_pretrained(self.folder)
        return self.loaded(dtype)

    def loaded(self, dtype):
        """The folder as transformers loads it to compute in `dtype`."""
        model = type(self.model).from_pretrained(self.folder, dtype=getattr(torch, dtype)).eval()
        model.set_experts_implementation("eager")
        return dataclasses.replace(self, model=model)


def make_reference(folder, family, config, seed=0):
    """A transformers model in `folder`, its weights drawn so that routing, norms and the correction bias matter."""
    model = getattr(transformers, f"{family}ForCausalLM")(getattr(transformers, f"{family}Config")(**config)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in [*model.named_parameters(), *model.named_buffers()]:
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("e_score_correction_bias"):
                weight.copy_(noise * 0.05)
            elif "norm" in name:
                weight.copy_(1 + 0.1 * noise)
            elif weight.ndim >= 2:
                weight.copy_(noise * 1.5 / weight.shape[-1] ** 0.5)
    model.set_experts_implementation("eager")  # torch's grouped product wants sizes that are multiples of 16 bytes
    model.save_pretrained(folder)
    return Reference(folder, model, config)


@pytest.fixture(scope="session")
def draw_reference(tmp_path_factory):
    """A function: the reference of any configuration of "DeepseekV2" or "DeepseekV3"."""
    if transformers is None:
        pytest.skip("torch and transformers are not installed")
    return lambda family, config, seed=0: make_reference(tmp_path_factory.mktemp("hf"), family, config, seed)


@pytest.fixture(scope="session")
def reference(draw_reference):
    """A function: the reference of one of `KINDS`, made once."""
    return functools.cache(lambda kind: draw_reference(*KINDS[kind]))


@pytest.fixture(scope="session")
def kinds():
    return KINDS
