"""A training run from start to end: `arabic-r1 train`.

Comes in: a `RunConfig` and an output folder. Goes out, in that folder:

    metrics.jsonl    one object a step: step, loss, tokens, lr, grad_norm, loss_by_phase, tokens_by_category
    checkpoints/     adapter, optimiser, step and data state (`train.checkpoints`)
    corpus/          the tokenised data (`data.corpus`)
    adapter/         the trained adapter in PEFT layout, with the hash of its base
    run.json         the configuration and what it names, by hash; written first: a resumed run must have the same
    manifest.json    written last: the run is whole

A run that was cut off goes on with `resume` and ends where it would have ended: step s reads rows s*batch onwards of
a plan that the configuration alone decides, and the adapter starts from the seed. SIGTERM cuts a run off after a step
that is saved. Several processes (`parallel.processes`) do one run in one folder: the first writes everything but the
checkpoints, to which each adds its shards, and any number of processes may resume.
"""

import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import peft
from arabic_r1_jax.checkpoint.load import base_sha, load
from arabic_r1_jax.config import RunConfig
from arabic_r1_jax.data import corpus as corpora
from arabic_r1_jax.data.mixture import shares
from arabic_r1_jax.data.packing import RowPlan, plan
from arabic_r1_jax.data.pipeline import batches
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.infer.language_model import LanguageModel
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.remat import Remat
from arabic_r1_jax.model.transformer import flat, init_adapter
from arabic_r1_jax.parallel import processes
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.paths import as_path, remove_tree
from arabic_r1_jax.train.checkpoints import Checkpoints
from arabic_r1_jax.train.optimizer import make_optimizer
from arabic_r1_jax.train.step import Adapted, by_kind, init_state, make_step, place_batch

RUN, METRICS, CORPUS = "run.json", "metrics.jsonl", "corpus"
SUMMARY = ("steps", "loss", "loss_by_phase", "tokens_by_category", "utilisation", "seconds", "adapter")
Progress = Callable[..., None]  # progress(steps done now, loss=...)


class Run(NamedTuple):
    """What a run works with, all decided by its configuration."""

    base: LanguageModel
    lora: LoraConfig
    data: corpora.Corpus
    plan: RowPlan


def train(cfg: RunConfig, out: Path, resume: bool = False, progress: Progress | None = None) -> dict:
    """Train an adapter; see the head of this file. Returns the summary that the manifest records.

    A run that is whole already is left as it is.
    Raises `UserError` when `out` holds a run and `resume` is not set, when it holds another run's configuration or the
    data have changed since, when the base has no tokenizer, when the data cannot be used, or when the loss or its
    gradient is no longer a number; `processes.Stopped` after a SIGTERM.
    """
    out = as_path(out)
    with processes.together():
        sha = processes.from_first(lambda: base_sha(as_path(cfg.model.path)))
        begun = processes.from_first(lambda: claim(out, cfg, sha, resume))
        if whole := processes.from_first(lambda: artifacts.read_manifest(out)):
            return {key: whole[key] for key in SUMMARY}
        try:
            run = prepare(cfg, out)
            processes.exchange(None)
        except UserError:
            if begun and processes.is_first():  # nothing was trained: the mended command may use the same folder
                release(out)
            raise
        started = time.monotonic()
        adapter, last = _steps(cfg, run, out, progress)
        whole = {name: processes.gather(factor) for name, factor in sorted(adapter.items())}
        seconds = round(time.monotonic() - started, 1)
        return processes.from_first(lambda: finish(cfg, run, out, sha, whole, last, seconds))


def finish(
    cfg: RunConfig, run: Run, out: Path, sha: str, adapter: dict[str, np.ndarray], last: dict, seconds: float
) -> dict:
    """Write the adapter, then the manifest; returns the summary."""
    remove_tree(out / "adapter")
    peft.save_adapter(out / "adapter", adapter, run.base.config, run.lora, sha, fields={"prefix": cfg.data.prefix})
    summary = {
        "steps": cfg.train.steps,
        "loss": last["loss"],
        "loss_by_phase": last["loss_by_phase"],
        "tokens_by_category": _dotted(run.plan.tokens()),
        "utilisation": run.plan.utilisation,
        "seconds": seconds,
        "adapter": str(out / "adapter"),
    }
    config = dataclasses.asdict(cfg)
    artifacts.write_manifest(out, "run", config=config, prefix=cfg.data.prefix, base_sha=sha, **summary)
    return summary


def claim(out: Path, cfg: RunConfig, sha: str, resume: bool) -> bool:
    """Make `out` this run's folder (True), or find that it already is (False).

    Raises `UserError` when it is something else's. A corpus alone is no hindrance: `prepare` uses it if it fits.
    """
    config = json.loads(json.dumps(dataclasses.asdict(cfg)))
    for free in ("model.path", "train.save_every"):  # the base is known by its hash
        section, key = free.split(".")
        del config[section][key]
    identity = {"config": config, "base_sha": sha}
    identity |= {f"the content of {path}": artifacts.sha256(path) for path in data_files(cfg) if path.is_file()}
    recorded = out / RUN
    if not recorded.exists():
        if out.exists() and any(path.name != CORPUS for path in out.iterdir()):
            raise UserError(f"{out} exists and holds no run; name another --out")
        out.mkdir(parents=True, exist_ok=True)
        artifacts.write_json(recorded, identity)
        return True
    if not resume:
        raise UserError(f"{out} already holds a run; go on with --resume, or name another --out")
    before = artifacts.read_json(recorded)
    changed = _differences(before, identity)
    if changed:
        raise UserError(f"{out} was started with other settings ({', '.join(changed)}); a resumed run keeps its own")
    return False


def release(out: Path) -> None:
    """Undo `claim`; a corpus that was built stays."""
    (out / RUN).unlink()
    with contextlib.suppress(OSError):  # not empty
        out.rmdir()


def data_files(cfg: RunConfig) -> list[Path]:
    """The files that a run learns from."""
    return [as_path(path) for path in (*cfg.data.records, *cfg.data.documents)]


def _differences(before: Mapping, now: Mapping, prefix: str = "") -> list[str]:
    """Dotted keys at which two nested tables differ."""
    found = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key}".removeprefix("config."))
    return found


def prepare(cfg: RunConfig, out: Path) -> Run:
    """Load the base onto the mesh, tokenise the data, plan the rows."""
    if not (out / RUN).is_file():  # which the first process has written
        raise UserError(f"{out} is not the folder that the first process sees; --out must lie on a disk that all share")
    lora = LoraConfig(cfg.lora.rank, cfg.lora.alpha, cfg.lora.targets, cfg.lora.expert_rank)
    mesh = make_mesh(cfg.mesh.data, cfg.mesh.expert)
    processes.check_mesh(mesh)
    base = load(cfg.model.path, dtype=cfg.train.dtype, mesh=mesh)
    if base.tokenizer is None:
        raise UserError(f"{cfg.model.path} has no tokenizer.json or tokenizer.model; training needs one")
    files = data_files(cfg)
    if not files:
        raise UserError("data.records and data.documents are both empty; add --set data.records=FILE.jsonl")
    if cfg.train.seq > base.config.max_position_embeddings:
        raise UserError(
            f"train.seq is {cfg.train.seq} and the model has {base.config.max_position_embeddings} positions; lower it"
        )
    processes.exchange(None)  # a corpus takes long: not for a run that one process cannot start
    processes.from_first(lambda: str(corpora.build(files, base.tokenizer, out / CORPUS, cfg.data.prefix)))
    data = corpora.open(out / CORPUS)
    asked = shares(data.targets(), cfg.mixture.ar, cfg.mixture.categories)
    rows = cfg.train.steps * cfg.train.batch
    return Run(base, lora, data, plan(data, asked, seq=cfg.train.seq, rows=rows, seed=cfg.train.seed))


def _steps(cfg: RunConfig, run: Run, out: Path, progress: Progress | None) -> tuple[dict[str, jax.Array], dict]:
    """Run every step that is left; returns the adapter and the last step's metrics."""
    base, settings = run.base, cfg.train
    remat = Remat(settings.remat_period, settings.residuals)
    model = Adapted.of(base.config, run.lora, base.mesh, base.dtype, remat)
    optimizer, schedule = make_optimizer(
        settings.steps, settings.lr, settings.warmup_steps, settings.weight_decay, settings.clip
    )
    start = init_adapter(jax.random.key(settings.seed), base.config, run.lora, base.mesh)
    state = init_state(start, optimizer, base.mesh)
    step = make_step(model, optimizer, dataclasses.asdict(settings.phase_weights), state)
    # SIGTERM is heeded before there is a log, so that who sees the log may send it.
    with (
        processes.stop_requests() as asked_to_stop,
        contextlib.closing(Checkpoints(out / "checkpoints")) as checkpoints,
    ):
        found = checkpoints.restore(state)
        state, row = found if found else (state, 0)
        done = int(state.step)
        last = processes.from_first(lambda: _keep(out / METRICS, done))
        frozen = flat(base.state)
        if progress:
            progress(done)
        with (out / METRICS if processes.is_first() else Path(os.devnull)).open("a", encoding="utf-8") as log:
            for host in batches(run.data, run.plan, settings.batch, pad_id=base.tokenizer.pad_id, start_row=row):
                state, metrics = step(state, frozen, place_batch(host, base.mesh))
                row += settings.batch
                last = _record(jax.device_get(metrics), row, settings.batch, run.plan, schedule)
                _check_finite(last, out)
                log.write(json.dumps(last) + "\n")
                done, ended = last["step"], last["step"] == settings.steps
                stop = asked_to_stop(done) and not ended
                if done % settings.save_every == 0 or ended or stop:
                    log.flush()
                    checkpoints.save(done, state, row)
                if progress:
                    progress(1, loss=last["loss"])
                if stop:
                    raise processes.Stopped(f"stopped after step {done}, which is saved; go on with --resume")
    return state.adapter, last


def _record(metrics: Mapping[str, np.ndarray], row: int, batch: int, rows: RowPlan, schedule) -> dict:
    """One line of metrics.jsonl."""
    step = row // batch
    counted = rows.tokens(row - batch, row)
    return {
        "step": step,
        "loss": float(metrics["loss"]),
        "tokens": sum(counted.values()),
        "lr": float(schedule(jnp.array(step - 1))),
        "grad_norm": float(metrics["grad_norm"]),
        "loss_by_phase": by_kind(metrics["by_kind"], metrics["count"]),
        "tokens_by_category": _dotted(counted),
    }


def _check_finite(line: Mapping, out: Path) -> None:
    """Raise `UserError` before a state that holds NaN is logged, kept or exported."""
    for name in ("loss", "grad_norm"):
        if not math.isfinite(line[name]):
            raise UserError(
                f"{name} is {line[name]} at step {line['step']}, and nothing can be learnt from there on; train into "
                f"another folder than {out} with a lower train.lr or train.dtype=float32, on a base without NaN"
            )


def _dotted(counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    return {".".join(stream): count for stream, count in counts.items()}


def _keep(path: Path, steps: int) -> dict:
    """Cut the log after `steps` lines (a run that was cut off may have logged more); returns the last line kept."""
    kept = list(_read_lines(path))[:steps] if path.exists() else []
    artifacts.write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
    return kept[-1] if kept else {}


def _read_lines(path: Path) -> Iterator[dict]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # the line that was being written when the run was cut off
            return
