"""`arabic-r1 plan`: will a model fit a TPU slice or a GPU node, and how long would a run take. Needs no device."""

import importlib.util
import os
from pathlib import Path

from arabic_r1_jax import progress
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.verbs.verb import Options, Parser, Verb, bounded, count

# What libtpu asks a real TPU machine; without one it would wait for an answer.
_NO_TPU_HERE = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_ACCELERATOR_TYPE": "v5p-8",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
}


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
    parser.add_argument("--price", type=bounded(float, 0), metavar="USD", help="of a chip-hour")


def _run(o: Options) -> dict:
    if not o.search and o.topology is None:
        raise UserError("name a --topology such as v5p:2x2x2, or let --search find one")
    if importlib.util.find_spec("libtpu") is None:
        raise UserError("plan compiles with libtpu, which is not installed: pip install 'arabic_r1_jax[tpu]'")
    for name, value in _NO_TPU_HERE.items():
        os.environ.setdefault(name, value)
    from arabic_r1_jax.model.lora import LoraConfig
    from arabic_r1_jax.parallel import plan
    from arabic_r1_jax.parallel.topology import parse

    cfg = _model(o.model)
    lora = LoraConfig(o.lora_rank, 2.0 * o.lora_rank, tuple(o.lora_targets.split(",")), o.expert_rank)
    asked = {"seq": o.seq, "step": o.step, "price": o.price}
    with progress.bar("Compiling"):
        if o.search:
            return {"model": o.model, "found": plan.search(cfg, lora, **asked)}
        return {"model": o.model, **plan.plan(cfg, lora, parse(o.topology), **asked)}


def _model(name: str):
    from arabic_r1_jax.checkpoint.hf import read_config
    from arabic_r1_jax.model.config import ModelConfig
    from arabic_r1_jax.model.published import published

    if Path(name).is_dir():
        return ModelConfig.from_hf(read_config(Path(name)), str(Path(name) / "config.json"))
    return published(name)


_COLUMNS = (
    "topology",
    "chips",
    "fits",
    "GiB a device",
    "of",
    "arguments",
    "temporaries",
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
        number(report["temporaries_gib"]),
        report["bound_by"],
        f"{report['tokens_per_second']:,.0f}",
        number(report["hours"]) if "hours" in report else "",
    )


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
    print("the slowest counts, and a real run reaches a part of it. hours: for 372M tokens")
    for report in reports:
        sent = ", ".join(f"{kind} {size:.1f}" for kind, size in report.get("collectives_gib", {}).items())
        print(f"{report['topology']}: GiB sent a step and device: {sent or 'nothing'}")
        if report["estimated"]:
            print(f"{report['topology']}: temporaries are those of the TPU slice with as many devices, an estimate")
        if report.get("cost") is not None:
            print(f"{report['topology']}: {report['cost']:,.0f} USD for 372M tokens")
        if "advice" in report:
            print(f"{report['topology']}: {report['advice']}")


VERB = Verb(
    does="tell whether a model fits a TPU slice or GPU node, and how fast it could be",
    example="arabic-r1 plan --model deepseek-r1 --topology v5p:2x2x4 --seq 4096 --lora-rank 16 --price 4.2",
    options=_options,
    run=_run,
    show=_show,
)
