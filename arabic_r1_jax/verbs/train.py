"""`arabic-r1 train`: a LoRA run, from its settings to its adapter."""

from pathlib import Path

from arabic_r1_jax import config, progress, settings
from arabic_r1_jax.verbs.verb import Options, Parser, Verb, simulate_cpus


def _options(parser: Parser) -> None:
    parser.add_argument("--config", type=Path, metavar="RUN.toml", help=f"default: configs/{config.DEFAULT}")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; repeatable")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR from its last checkpoint")


def _notes() -> str:
    fields = settings.leaves(config.RunConfig).items()
    rows = [f"  {f'{key} = {settings.default(item)}':<54}{item.metadata['meaning']}" for key, item in fields]
    return "\n".join(["settings, with the values they have where RUN.toml is silent:", *rows])


def _run(options: Options) -> dict:
    cfg = config.load_run_config(options.config, options.set)
    simulate_cpus(cfg.mesh.cpu_devices)
    from arabic_r1_jax.train import loop

    with progress.bar("Training", cfg.train.steps) as update:
        return loop.train(cfg, options.out, options.resume, update)


def _show(result: dict) -> None:
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
    notes=_notes,
    again="run the same command with --resume to continue from the last checkpoint",
)
