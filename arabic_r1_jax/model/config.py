"""The sizes and variants of a DeepSeek-V2 or V3 model, read from a Hugging Face `config.json`.

Comes in: the parsed JSON, in the spelling of the release (`rope_scaling`, `rope_theta`) or of transformers 5
(`rope_parameters`). Goes out: frozen dataclasses that the rest of the package reads; field names are Hugging Face's.
A value that would change the model's numbers and that we do not compute is refused by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from arabic_r1_jax.errors import UserError

Family = Literal["deepseek_v2", "deepseek_v3"]
Scoring = Literal["softmax_greedy", "softmax_group", "sigmoid_bias"]

_SIZES = (
    "vocab_size hidden_size intermediate_size moe_intermediate_size num_hidden_layers num_attention_heads "
    "n_shared_experts n_routed_experts num_experts_per_tok kv_lora_rank qk_nope_head_dim qk_rope_head_dim v_head_dim"
).split()

# Keys whose other values mean another computation: what we compute, and what an absent key means in transformers.
_ONLY = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "rope_interleave": True,
    "moe_layer_freq": 1,
    "partial_rotary_factor": 1.0,
}
FP8_BLOCK = 128
# The one quantisation that is read, with what each key may say: DeepSeek-V3's release, and V3.1's `scale_fmt`, whose
# scales are powers of two and are stored the same way.
_FP8_KEYS: dict[str, tuple] = {
    "quant_method": ("fp8",),
    "fmt": ("e4m3", None),
    "activation_scheme": ("dynamic", None),
    "weight_block_size": ([FP8_BLOCK, FP8_BLOCK],),
    "scale_fmt": ("ue8m0", "float", None),
    "dequantize": (False, None),
}
_V2_SCORING: dict[str, Scoring] = {"greedy": "softmax_greedy", "group_limited_greedy": "softmax_group"}


@dataclass(frozen=True)
class RopeConfig:
    """Rotary embedding: `factor` 1.0 is plain RoPE, anything else YaRN (model/rope.py)."""

    theta: float = 10000.0
    factor: float = 1.0
    original_max_position_embeddings: int = 4096
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float = 0.0
    mscale_all_dim: float = 0.0

    @property
    def yarn(self) -> bool:
        return self.factor != 1.0


@dataclass(frozen=True)
class RouterConfig:
    """How scores become chosen experts and their weights (model/moe.py)."""

    scoring: Scoring
    n_group: int = 1
    topk_group: int = 1
    norm_topk_prob: bool = False
    routed_scaling_factor: float = 1.0


@dataclass(frozen=True)
class ModelConfig:
    """One model. The first `first_k_dense_replace` layers are dense, the rest mixture-of-experts."""

    family: Family
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    moe_intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    n_shared_experts: int
    n_routed_experts: int
    num_experts_per_tok: int
    first_k_dense_replace: int
    q_lora_rank: int | None
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    rms_norm_eps: float
    tie_word_embeddings: bool
    max_position_embeddings: int
    rope: RopeConfig
    router: RouterConfig
    bos_token_id: int | None
    eos_token_id: int | None
    pad_token_id: int | None = None
    fp8: bool = False  # linears are float8_e4m3fn with one float32 scale per FP8_BLOCK x FP8_BLOCK block

    @property
    def qk_head_dim(self) -> int:
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def num_dense_layers(self) -> int:
        return min(self.first_k_dense_replace, self.num_hidden_layers)

    @property
    def num_moe_layers(self) -> int:
        return self.num_hidden_layers - self.num_dense_layers

    @classmethod
    def from_hf(cls, config: Mapping[str, object], where: str = "config.json") -> "ModelConfig":
        """Read a parsed config.json; `where` names it in errors.

        Raises `UserError` for a missing key, a value of the wrong type, or a variant that we do not compute.
        """
        source = _Source(config, where)
        family = source.one_of("model_type", ("deepseek_v2", "deepseek_v3"))
        for key, value in _ONLY.items():
            if config.get(key, value) not in (value, None):
                raise source.error(key, f"is {config[key]!r} and only {value!r} is supported")
        sizes = {key: source.integer(key) for key in _SIZES}
        heads = config.get("num_key_value_heads")
        if heads not in (None, sizes["num_attention_heads"]):
            raise source.error(
                "num_key_value_heads", "differs from num_attention_heads; latent attention has no groups"
            )
        if sizes["qk_rope_head_dim"] % 2:
            raise source.error("qk_rope_head_dim", f"is {sizes['qk_rope_head_dim']}; rotary dimensions come in pairs")
        positions = source.integer("max_position_embeddings")
        return cls(
            family=family,
            **sizes,
            first_k_dense_replace=source.integer("first_k_dense_replace", low=0),
            q_lora_rank=source.optional_integer("q_lora_rank"),
            rms_norm_eps=source.number("rms_norm_eps", 1e-6),
            tie_word_embeddings=source.boolean("tie_word_embeddings", False),
            max_position_embeddings=positions,
            rope=_rope(source, positions),
            router=_router(source, family, sizes["n_routed_experts"], sizes["num_experts_per_tok"]),
            bos_token_id=source.token("bos_token_id"),
            eos_token_id=source.token("eos_token_id"),
            pad_token_id=source.token("pad_token_id"),
            fp8=_fp8(source),
        )


class _Source:
    """Typed look-ups in a config that raise errors naming the file and the key."""

    def __init__(self, config: Mapping[str, object], where: str):
        if not isinstance(config, Mapping):
            raise UserError(f"{where} is not a JSON object; a model's config.json is one")
        self.config, self.where = config, where

    def error(self, key: str, what: str) -> UserError:
        return UserError(f'{self.where}: "{key}" {what}')

    def need(self, key: str) -> object:
        if key not in self.config:
            raise UserError(f'{self.where} has no "{key}"; a DeepSeek-V2 or V3 config needs it')
        return self.config[key]

    def one_of(self, key: str, values: tuple[str, ...]) -> str:
        value = self.need(key)
        if value not in values:
            raise self.error(key, f"is {value!r}; supported: {', '.join(values)}")
        return value

    def integer(self, key: str, low: int = 1) -> int:
        value = self.need(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise self.error(key, f"is {value!r}; it must be a whole number of at least {low}")
        return value

    def optional_integer(self, key: str) -> int | None:
        return None if self.need(key) is None else self.integer(key)

    def token(self, key: str) -> int | None:
        value = self.config.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise self.error(key, f"is {value!r}; it must be a token number or null")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self.need(key) if default is None else self.config.get(key)
        value = default if value is None else value
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(key, f"is {value!r}; it must be a number")
        return float(value)

    def boolean(self, key: str, default: bool | None = None) -> bool:
        value = self.need(key) if default is None else self.config.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"is {value!r}; it must be true or false")
        return value


def _rope(source: _Source, positions: int) -> RopeConfig:
    name = "rope_parameters" if source.config.get("rope_parameters") else "rope_scaling"
    table = source.config.get(name) or {}
    if not isinstance(table, Mapping):
        raise source.error(name, "is not an object")
    rope = _Source(table, f'{source.where}: "{name}"')
    theta = rope.number("rope_theta", source.number("rope_theta", 10000.0))
    kind = table.get("rope_type", table.get("type", "default"))
    if kind == "default":
        return RopeConfig(theta=theta)
    if kind != "yarn":
        raise rope.error("rope_type", f"is {kind!r}; supported: default, yarn")
    for key, value in {"attention_factor": None, "truncate": True, "partial_rotary_factor": 1.0}.items():
        if table.get(key, value) != value:
            raise rope.error(key, f"is {table[key]!r} and only {value!r} is supported")
    original = rope.integer("original_max_position_embeddings")
    return RopeConfig(
        theta=theta,
        factor=rope.number("factor", positions / original),
        original_max_position_embeddings=original,
        beta_fast=rope.number("beta_fast", 32.0),
        beta_slow=rope.number("beta_slow", 1.0),
        mscale=rope.number("mscale", 0.0),
        mscale_all_dim=rope.number("mscale_all_dim", 0.0),
    )


def _fp8(source: _Source) -> bool:
    """Whether the weights are DeepSeek's block FP8; any other quantisation is refused by name."""
    table = source.config.get("quantization_config")
    if table is None:
        return False
    if not isinstance(table, Mapping):
        raise source.error("quantization_config", "is not an object")
    inner = _Source(table, f'{source.where}: "quantization_config"')
    for key, values in _FP8_KEYS.items():
        if table.get(key) not in values:
            raise inner.error(key, f"is {table.get(key)!r} and only {values[0]!r} is supported")
    return True


def _router(source: _Source, family: Family, experts: int, chosen: int) -> RouterConfig:
    if chosen > experts:
        raise source.error("num_experts_per_tok", f"is {chosen} and there are {experts} routed experts")
    v3 = family == "deepseek_v3"
    expected = ("sigmoid", "noaux_tc") if v3 else ("softmax", source.config.get("topk_method") or "greedy")
    for key, value in zip(("scoring_func", "topk_method"), expected, strict=True):
        if source.config.get(key, value) not in (value, None):
            raise source.error(key, f"is {source.config[key]!r}; a {family} model has {value!r}")
    if not v3 and expected[1] not in _V2_SCORING:
        raise source.error("topk_method", f"is {expected[1]!r}; supported: {', '.join(_V2_SCORING)}")
    scoring: Scoring = "sigmoid_bias" if v3 else _V2_SCORING[expected[1]]
    groups = topk_group = 1
    if scoring != "softmax_greedy":
        groups, topk_group = source.integer("n_group"), source.integer("topk_group")
        if experts % groups or topk_group > groups:
            raise source.error("n_group", f"is {groups}; it must divide the {experts} experts and be >= topk_group")
        if v3 and (chosen > topk_group * (experts // groups) or experts // groups < 2):
            raise source.error("n_group", f"is {groups}: too few experts are left to choose {chosen} from")
    return RouterConfig(
        scoring=scoring,
        n_group=groups,
        topk_group=topk_group,
        # transformers' V2 router never normalises, whatever the config says; no V2 release asks for it.
        norm_topk_prob=v3 and source.boolean("norm_topk_prob"),
        routed_scaling_factor=source.number("routed_scaling_factor"),
    )
