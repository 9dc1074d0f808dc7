"""What a training run can be told: the sections of a run's TOML file.

`load_run_config` gives one frozen `RunConfig`; `settings` does the reading and the checking. Paths are relative to
the folder the command runs in, or gs://. Imports no jax: the command line reads this first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arabic_r1_jax import settings
from arabic_r1_jax.data.prefix import DEFAULT as PREFIX
from arabic_r1_jax.data.prefix import PREFIXES
from arabic_r1_jax.packaged import packaged
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.settings import option, section

DEFAULT = "run/laptop.toml"


@dataclass(frozen=True)
class ModelSection:
    path: str = option("", "the base: an HF folder, or an Orbax folder made by `convert`", required=True)


@dataclass(frozen=True)
class DataSection:
    records: tuple[str, ...] = option((), "JSONL files of four-phase records or of messages")
    documents: tuple[str, ...] = option((), "JSONL files of plain text")
    prefix: str = option(PREFIX, "<think> opened by the prompt (think_nl) or by the model (none)", choices=PREFIXES)


@dataclass(frozen=True)
class MixtureSection:
    ar: float = option(0.8, "Arabic's share of the tokens", low=0, high=1)
    categories: dict[str, float] = option(
        {}, "weight of language.category inside its language; none: as much as the data has", low=0
    )


@dataclass(frozen=True)
class LoraSection:
    rank: int = option(16, "rank of an adapter", low=1, high=4096)
    alpha: float = option(32.0, "an adapter's output is scaled by alpha / rank", above=0, high=65536)
    targets: tuple[str, ...] = option(
        ("attention", "shared", "dense"),
        "which linears are adapted",
        choices=("attention", "shared", "dense", "experts"),
        required=True,
    )
    expert_rank: int | None = option(None, "rank of a routed expert's adapter; unset: rank", low=1, high=4096)


@dataclass(frozen=True)
class PhaseWeights:
    analysis: float = option(1.0, "loss weight of a token of the analysis", low=0, high=1000)
    elimination: float = option(1.0, "... of the elimination", low=0, high=1000)
    check: float = option(1.0, "... of the linguistic check", low=0, high=1000)
    synthesis: float = option(1.0, "... of the synthesis", low=0, high=1000)
    final: float = option(1.0, "... of the final answer", low=0, high=1000)
    other: float = option(1.0, "... of a document or of an assistant's turn in a conversation", low=0, high=1000)


@dataclass(frozen=True)
class TrainSection:
    steps: int = option(200, "optimiser steps", low=1, high=10_000_000)
    batch: int = option(8, "packed rows a step", low=1, high=1_048_576)
    seq: int = option(1024, "tokens a row", low=2, high=1_048_576)
    lr: float = option(2e-4, "peak learning rate", above=0, high=1)
    warmup_steps: int = option(20, "steps of linear warm-up", low=0, high=10_000_000)
    weight_decay: float = option(0.0, "AdamW's decay of the adapter", low=0, high=1)
    clip: float = option(1.0, "largest global norm of the gradient", above=0, high=1_000_000)
    seed: int = option(0, "of the adapter's start and the order of the data", low=0, high=2**31 - 1)
    dtype: str = option("bfloat16", "dtype of the computation", choices=("bfloat16", "float32"))
    remat_period: int = option(1, "layers between kept residual streams; 0: keep all activations", low=0, high=1000)
    residuals: str = option("device", "memory where kept residual streams wait", choices=("device", "host"))
    save_every: int = option(100, "steps between checkpoints", low=1, high=10_000_000)
    phase_weights: PhaseWeights = section(PhaseWeights)


@dataclass(frozen=True)
class MeshSection:
    data: int = option(1, "devices along data, which repeat the weights", low=1, high=65536)
    expert: int | None = option(None, "devices along expert; unset: all that data leaves", low=1, high=65536)
    cpu_devices: int | None = option(None, "CPU devices to simulate, over all processes", low=1, high=1024)


@dataclass(frozen=True)
class RunConfig:
    """All settings of one run; a run's manifest stores `dataclasses.asdict` of it."""

    model: ModelSection = section(ModelSection)
    data: DataSection = section(DataSection)
    mixture: MixtureSection = section(MixtureSection)
    lora: LoraSection = section(LoraSection)
    train: TrainSection = section(TrainSection)
    mesh: MeshSection = section(MeshSection)


def load_run_config(path: Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read `path` (None: configs/run/laptop.toml), then apply `overrides` ("section.key=value") in order.

    Raises `UsageError`, one line that names the file or the `--set`, the key, and what is allowed or was meant.
    """
    return settings.read(RunConfig, packaged(DEFAULT) if path is None else as_path(path), overrides)
