"""`arabic-r1 plan`: will a model fit a TPU slice or a GPU node, and how long would a run take. Needs no device."""

import importlib.util
import os

from arabic_r1_jax import progress
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.parallel.topology import OFFLINE, parse
from arabic_r1_jax.paths import as_path, is_local
from arabic_r1_jax.verbs.verb import Options, Parser, Verb, bounded, count


def _options(parser: Parser) -> None:
    parser.add_argument(
        "--model", required=True, metavar="NAME|DIR", help="deepseek-r1, another published one, or a folder"
    )
    parser.add_argument("--topology", metavar="NAME", help="v5p:2x2x2 and the like, or h100x8")
    parser.add_argument("--search", action="store_true", help="the smallest slice of each TPU generation that fits")
    parser.add_argument("--seq", type=count, metavar="S", default=4096, help="tokens of the one sequence a device has")
    parser.add_argument("--step", choices=("train", "decode"), default="train", help="default: train")
    parser.add_argument("--lora-rank", type=int, metavar="R", default=16, help="default: 16")
    parser.add_argument("--lora-targets", default="attention,shared,dense", help="default: attention,shared,dense")
    parser.add_argument(
        "--expert-rank", type=int, metavar="R", help="of adapters of routed experts; default: --lora-rank"
    )
    parser.add_argument(
        "--remat-period", type=count, metavar="N", help="layers between kept residual streams; default: what fits"
    )
    parser.add_argument("--residuals", choices=("device", "host"), help="where they are kept; default: what fits")
    parser.add_argument("--price", type=bounded(float, 0), metavar="USD", help="of a chip-hour")


def _run(o: Options) -> dict:
    if not o.search and o.topology is None:
        raise UserError("name a --topology such as v5p:2x2x2, or let --search find one")
    if importlib.util.find_spec("libtpu") is None:
        raise UserError("plan compiles with libtpu, which is not installed: pip install 'arabic_r1_jax[tpu]'")
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    from arabic_r1_jax.model.lora import LoraConfig
    from arabic_r1_jax.model.remat import Remat
    from arabic_r1_jax.parallel import plan

    cfg = _model(o.model)
    lora = LoraConfig(o.lora_rank, 2.0 * o.lora_rank, tuple(o.lora_targets.split(",")), o.expert_rank)
    forced = o.remat_period is not None or o.residuals is not None
    remat = Remat(o.remat_period or 1, o.residuals or "device") if forced else None
    asked = {"seq": o.seq, "step": o.step, "price": o.price, "remat": remat}
    with progress.bar("Compiling; a large model takes a minute or so") as update:
        asked["watch"] = lambda what: update(1, now=what)
        if o.search:
            return {"model": o.model, "found": plan.search(cfg, lora, **asked)}
        return {"model": o.model, **plan.plan(cfg, lora, parse(o.topology), **asked)}


def _model(name: str):
    from arabic_r1_jax.checkpoint.hf import read_config
    from arabic_r1_jax.model.config import ModelConfig
    from arabic_r1_jax.model.published import published

    folder = as_path(name)
    if folder.is_dir() or not is_local(folder):
        return ModelConfig.from_hf(read_config(folder), str(folder / "config.json"))
    return published(name)


_COLUMNS = (
    "topology",
    "chips",
    "fits",
    "GiB a device",
    "of",
    "arguments",
    "temporaries",
    "remat",
    "bound by",
    "tokens/s",
    "hours",
)


def _row(report: dict) -> tuple:
    number = "{:.1f}".format
    return (
        report["topology"],
        report["chips"],
        "yes" if report["fits"] else "no",
        number(report["hbm_gib_per_device"]),
        number(report["hbm_limit_gib"]),
        number(report["arguments_gib"]),
        "" if report["temporaries_gib"] is None else number(report["temporaries_gib"]),
        _remat(report),
        report["bound_by"] if report["fits"] else "",
        f"{report['tokens_per_second']:,.0f}" if report["fits"] else "",
        number(report["hours"]) if report["fits"] and "hours" in report else "",
    )


def _remat(report: dict) -> str:
    if report["step"] != "train":
        return ""
    return f"{report['remat_period']}{', host' if report['residuals'] == 'host' else ''}"


def _show(result: dict) -> None:
    reports = result.get("found", [result])
    if not reports:
        print("no slice that is known fits; lower --seq or --lora-rank")
        return
    progress.table(
        f"{result['model']}, {reports[0]['step']}, {reports[0]['seq']:,} tokens a device",
        _COLUMNS,
        [_row(r) for r in reports],
    )
    print(
        "tokens/s: a roofline of the vendors' rates: products in dense bfloat16, weights read in each pass, bytes sent;"
    )
    print("the slowest counts, and a real run reaches a part of it. hours: for 372M tokens. remat: layers between kept")
    print("residual streams, host: kept in the host's memory")
    for report in reports:
        if "collectives_gib" in report:
            sent = ", ".join(f"{kind} {size:.1f}" for kind, size in report["collectives_gib"].items() if size >= 0.05)
            print(f"{report['topology']}: GiB sent a step and device: {sent or 'nothing'}")
        if report["estimated"]:
            print(f"{report['topology']}: temporaries are those of the TPU slice with as many devices, an estimate")
        if report["fits"] and report.get("cost") is not None:
            print(f"{report['topology']}: {report['cost']:,.0f} USD for 372M tokens")
        if not report["fits"]:
            over = report["hbm_gib_per_device"] - report["hbm_limit_gib"]
            knobs = "; ".join(f"{knob} frees about {gib:.1f} GiB" for knob, gib in report["knobs_gib"].items())
            print(f"{report['topology']}: {over:.1f} GiB too much a device; {knobs}")


VERB = Verb(
    does="tell whether a model fits a TPU slice or GPU node, and how fast it could be",
    example="arabic-r1 plan --model deepseek-r1 --topology v5p:2x2x4 --seq 4096 --lora-rank 16 --price 4.2",
    options=_options,
    run=_run,
    show=_show,
)
