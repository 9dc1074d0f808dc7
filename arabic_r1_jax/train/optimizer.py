"""AdamW with linear warm-up, cosine decay and clipping by global norm: the optimiser of every adapter."""

import optax

DECAY_TO = 0.05  # the last learning rate as a share of the peak


def make_optimizer(
    steps: int, lr: float, warmup_steps: int, weight_decay: float, clip: float
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """The optimiser for a run of `steps`, and its learning rate as a function of the step."""
    warmup = min(warmup_steps, max(steps - 1, 0))
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, warmup, steps, DECAY_TO * lr)
    if warmup == 0:
        schedule = optax.cosine_decay_schedule(lr, steps, DECAY_TO)
    adamw = optax.adamw(schedule, b1=0.9, b2=0.98, weight_decay=weight_decay)
    return optax.chain(optax.clip_by_global_norm(clip), adamw), schedule
