"""Low-rank adapters, and the two kinds of variable that a model holds.

    y = x W^T + (alpha / rank) (x A^T) B^T          W [out, in] frozen, A [rank, in], B [out, rank] trained

A starts normal(0, 1/sqrt(in)) and B zero, so an untrained adapter changes nothing (Hu et al. 2021, section 4.1).
`Frozen` and `Adapter` are different types, so that `nnx.split_state` by type gives exactly what gradients, optimiser
and run checkpoints may see.
"""

from dataclasses import dataclass

from flax import nnx

from arabic_r1_jax.errors import UserError

TARGETS = ("attention", "shared", "dense", "experts")


class Frozen(nnx.Variable):
    """A released weight. Carries `axes`, the logical name of each dimension."""


class Adapter(nnx.Variable):
    """A trained low-rank factor, float32. Carries `axes`, the logical name of each dimension."""


@dataclass(frozen=True)
class LoraConfig:
    """Which linears get an adapter, and its size.

    targets: `attention` (every projection of MLA), `shared` and `dense` (feed-forward), `experts` (routed; at 256
    experts a rank of 16 is 20 times all other adapters, hence their own `expert_rank`, None meaning `rank`).
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ("attention", "shared", "dense")
    expert_rank: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        unknown = [target for target in self.targets if target not in TARGETS]
        if unknown:
            raise UserError(f'lora.targets: "{unknown[0]}" is unknown; choose from {", ".join(TARGETS)}')
        if self.rank < 1 or (self.expert_rank is not None and self.expert_rank < 1):
            raise UserError(f"lora.rank: {self.rank} (experts: {self.expert_rank}); a rank is at least 1")

    @property
    def scale(self) -> float:
        """What every adapter's product is multiplied by, the experts' included."""
        return self.alpha / self.rank

    def rank_of(self, target: str) -> int:
        """The rank of one target's adapters; 0 when it has none."""
        if target not in self.targets:
            return 0
        return self.expert_rank or self.rank if target == "experts" else self.rank
