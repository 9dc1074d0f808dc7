"""`arabic-r1 train`: a LoRA run, from its settings to its adapter.

Several processes, one a host or a GPU, are given the same command (`parallel.processes`).
"""

import sys

from arabic_r1_jax import config, progress, settings
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.verbs.verb import SEVERAL, Options, Parser, Verb, simulate_cpus

_SEVERAL = f"""\
{SEVERAL} mesh.cpu_devices counts the devices of all processes together, so that a run may be resumed by another
number of them. After SIGTERM the run saves and exits with 75: start it again with --resume."""


def _options(parser: Parser) -> None:
    parser.add_argument("--config", type=as_path, metavar="RUN.toml", help=f"default: configs/{config.DEFAULT}")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; repeatable")
    parser.add_argument("--out", type=as_path, metavar="DIR", required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR from its last checkpoint")


def _notes() -> str:
    fields = settings.leaves(config.RunConfig).items()
    rows = [f"  {f'{key} = {settings.default(item)}':<54}{item.metadata['meaning']}" for key, item in fields]
    return "\n".join(["settings, with the values they have where RUN.toml is silent:", *rows, "", _SEVERAL])


def _run(options: Options) -> dict:
    cfg = config.load_run_config(options.config, options.set)
    from arabic_r1_jax.parallel import processes

    processes.join()
    simulate_cpus(processes.simulated(cfg.mesh.cpu_devices))
    from arabic_r1_jax.train import loop

    try:
        with (
            processes.one_voice(),
            progress.bar("Training", cfg.train.steps, shown=processes.is_first()) as update,
        ):
            return loop.train(cfg, options.out, options.resume, update)
    except processes.Stopped as stopped:
        return {"error": str(stopped), "exit_code": processes.STOPPED}


def _show(result: dict) -> None:
    if "error" in result:
        print(f"arabic-r1: {result['error']}", file=sys.stderr)
        return
    progress.table("Tokens trained on", ("language and kind", "tokens"), list(result["tokens_by_category"].items()))
    by_phase = ", ".join(f"{phase} {loss:.4f}" for phase, loss in result["loss_by_phase"].items())
    print(f"loss {result['loss']:.4f} after {result['steps']:,} steps, {result['seconds']:.0f} s ({by_phase})")
    print(f"adapter: {result['adapter']}")


VERB = Verb(
    does="train a LoRA adapter on records, messages and documents",
    example="arabic-r1 train --set model.path=v2-lite-orbax --set data.records=mine.jsonl --out runs/mine",
    options=_options,
    run=_run,
    show=_show,
    runs_models=True,
    failed=lambda result: result.get("exit_code", 0),
    notes=_notes,
    again="run the same command with --resume to continue from the last checkpoint",
)
