"""What a backward pass keeps of the forward one, and where; everything else is computed again.

Comes in: a layer's body and the stacked layers to scan it over. Used by `model.transformer`; `plan` chooses among the
settings, `train` takes them from its configuration.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import lax
from jax.ad_checkpoint import checkpoint_name

_KEPT = "residual stream"
# With all activations kept, up to so many layers are written out one after another: their activations then lie where
# they were made, and are not copied into stacks and out again, a tenth of a small model's step on a CPU.
WRITTEN_OUT = 8


class Remat(NamedTuple):
    """Kept is the residual stream [B, T, D] before every `period`-th layer, no activations and no gathered weights.

    A layer is computed again in the backward pass; with a period above 1 it is computed a third time, with 0 never
    again: all activations are kept. residuals: what is kept waits in the memory of the "device"
    or of its "host". The period is lowered to a divisor of the number of layers.
    """

    period: int = 1
    residuals: str = "device"

    @property
    def offload(self) -> bool:
        return self.residuals == "host"

    def period_of(self, layers: int) -> int:
        """The period that so many layers of a kind have."""
        if self.period == 0:
            return 0
        return max(n for n in range(1, max(min(self.period, layers), 1) + 1) if layers % n == 0)

    def scan(self, body: Callable, carry: tuple, scanned: object, layers: int) -> tuple[tuple, object]:
        """`lax.scan` of `layers` layers of a kind; carry is (residual stream, anything)."""
        period = self.period_of(layers)
        if period == 0:
            return lax.scan(body, carry, scanned, unroll=layers <= WRITTEN_OUT)
        if period == 1:
            return lax.scan(self._keeping(body), carry, scanned)
        parts = jax.tree.map(lambda a: a.reshape(-1, period, *a.shape[1:]), scanned)
        several = self._keeping(lambda carry, part: lax.scan(jax.checkpoint(body), carry, part))
        carry, out = lax.scan(several, carry, parts)
        return carry, jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), out)

    def _keeping(self, body: Callable) -> Callable:
        """`body`, of which the backward pass keeps the residual stream that goes in."""

        def named(carry: tuple, scanned: object) -> tuple[tuple, object]:
            return body((checkpoint_name(carry[0], _KEPT), carry[1]), scanned)

        if not self.offload:
            return jax.checkpoint(named)
        policy = jax.checkpoint_policies.save_and_offload_only_these_names(
            names_which_can_be_saved=[],
            names_which_can_be_offloaded=[_KEPT],
            offload_src="device",
            offload_dst="pinned_host",
        )
        return jax.checkpoint(named, policy=policy)


EVERY_LAYER = Remat()
