"""`arabic-r1 convert ...`: between checkpoint formats. `tools/convert_weights.py` is the same."""

from typing import TYPE_CHECKING

from arabic_r1_jax import artifacts, progress
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.verbs.verb import Options, Parser, Verb

if TYPE_CHECKING:
    from arabic_r1_jax.checkpoint.convert import Job


def _folders(parser: Parser, source: str = "folder to convert") -> None:
    parser.add_argument("src", type=as_path, metavar="SRC", help=source)
    parser.add_argument("dst", type=as_path, metavar="DST", help="folder to make")
    parser.add_argument(
        "--dtype",
        choices=("stored", "bf16", "fp8", "float32"),
        default="stored",
        help="fp8 is DeepSeek's block FP8, half of bf16; default: stored",
    )
    _dry_run(parser)


def _dry_run(parser: Parser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="check everything, then tell bytes, disk and time only")


def _folders_or_hub(parser: Parser) -> None:
    _folders(
        parser, "Hugging Face folder, or a Hub id such as deepseek-ai/DeepSeek-R1, whose shards are fetched in turn"
    )


def _merge_options(parser: Parser) -> None:
    parser.add_argument("base", type=as_path, metavar="BASE", help="Hugging Face or Orbax folder")
    parser.add_argument("adapter", type=as_path, metavar="ADAPTER", help="PEFT folder, such as runs/mine/adapter")
    parser.add_argument("dst", type=as_path, metavar="DST", help="folder to make")
    _dry_run(parser)
    parser.add_argument(
        "--dtype", choices=("bf16", "fp8", "float32"), help="of the result; default: the base's, bf16 for an FP8 base"
    )


def _run(o: Options, job: "Job") -> dict:
    if o.dry_run:
        return {"out": str(o.dst), **job.estimate()}
    with progress.bar(f"Writing {o.dst}") as update:
        job.run(lambda done, total: update.to(done, total, GB=done / 1e9))
    manifest = artifacts.read_manifest(o.dst)
    return {"out": str(o.dst), "kind": manifest["kind"], **manifest["counts"]}


def _hf_to_orbax(o: Options) -> dict:
    from arabic_r1_jax.checkpoint import convert

    return _run(o, convert.orbax_job(o.src, o.dst, o.dtype))


def _orbax_to_hf(o: Options) -> dict:
    from arabic_r1_jax.checkpoint import convert

    return _run(o, convert.hf_job(o.src, o.dst, o.dtype))


def _merge(o: Options) -> dict:
    from arabic_r1_jax.checkpoint import convert

    return _run(o, convert.merge_job(o.base, o.adapter, o.dst, o.dtype))


def _verify_options(parser: Parser) -> None:
    parser.add_argument("src", type=as_path, metavar="SRC", help="model folder")
    parser.add_argument("dst", type=as_path, metavar="DST", help="what was made of it")
    parser.add_argument("--logits", action="store_true", help="compare a forward pass too; both must fit in memory")


def _verify(o: Options) -> dict:
    from arabic_r1_jax.checkpoint import verify

    with progress.bar(f"Comparing {o.dst}") as update:
        found = verify.verify(o.src, o.dst, lambda done, total: update.to(done, total, GB=done / 1e9))
    logits = verify.compare_logits(o.src, o.dst) if o.logits and not found else None
    return {
        "equal": not found,
        "kinds": verify.by_kind(found),
        "findings": [f._asdict() for f in found],
        "logits": logits,
    }


def _show_verified(result: dict) -> None:
    for finding in result["findings"][:50]:
        print(f"{finding['kind']}: {finding['tensor']} {finding['detail']}".rstrip())
    if (more := len(result["findings"]) - 50) > 0:
        print(f"... and {more:,} more")
    if result["logits"]:
        print(
            "logits: at most {max_abs:.1e} apart (largest {largest_logit:.1f}), best token the same in "
            "{same_best:.1%} of places".format(**result["logits"])
        )
    counts = ", ".join(f"{n} {kind}" for kind, n in result["kinds"].items())
    print("every tensor is equal" if result["equal"] else f"not equal: {counts}")


def _peft_options(parser: Parser) -> None:
    parser.add_argument(
        "adapter", type=as_path, metavar="ADAPTER", help="PEFT folder of a DeepSeek model, ours or another's"
    )
    parser.add_argument("dst", type=as_path, metavar="DST", help="folder to make")
    parser.add_argument("--layout", choices=("per-expert", "fused"), default="per-expert", help="default: per-expert")
    parser.add_argument(
        "--serve-target", choices=("transformers", "vllm", "sglang"), help="refuse what this server would silently drop"
    )
    parser.add_argument(
        "--base", type=as_path, metavar="DIR", help="the adapter's model; needed when it was made elsewhere"
    )


def _peft(o: Options) -> dict:
    from arabic_r1_jax.checkpoint.relay import relay

    return {"out": str(o.dst), "layout": o.layout, **relay(o.adapter, o.dst, o.layout, o.serve_target, o.base)}


def _show_adapter(result: dict) -> None:
    print("{out} ({layout}): {tensors:,} tensors, {parameters:,} parameters".format(**result))
    print("largest rank {max_rank} (vLLM's --max-lora-rank), alpha / r {alpha_over_r:g}".format(**result))


def _show(result: dict) -> None:
    if "seconds" not in result:
        print(f"{result['out']} ({result['kind']}): {result['tensors']:,} tensors, {result['bytes']:,} bytes")
        return
    print(f"{result['out']}: {result['bytes']:,} bytes, {result['bytes_left']:,} of them still to write")
    if result["free"] is not None:
        enough = "" if result["free"] >= result["bytes_left"] else ": too little"
        print(f"free on that disk: {result['free']:,} bytes{enough}")
    print(f"time: about {result['seconds'] / 60:,.1f} minutes at the speed at which a sample was copied there")
    if result["download"]:
        print(
            f"and the download: {result['download']:,} bytes, of which three shards lie in the temporary folder at once"
        )


_AGAIN = "run the same command again, it goes on from here"
VERBS = {
    "hf-to-orbax": Verb(
        does="Hugging Face safetensors -> Orbax checkpoint, bit for bit unless --dtype says otherwise",
        example="arabic-r1 convert hf-to-orbax DeepSeek-V2-Lite v2-lite-orbax",
        options=_folders_or_hub,
        run=_hf_to_orbax,
        show=_show,
        again=_AGAIN,
    ),
    "orbax-to-hf": Verb(
        does="Orbax checkpoint -> Hugging Face safetensors, bit for bit unless --dtype says otherwise",
        example="arabic-r1 convert orbax-to-hf v2-lite-orbax v2-lite-again",
        options=_folders,
        run=_orbax_to_hf,
        show=_show,
        again=_AGAIN,
    ),
    "merge": Verb(
        does="base + LoRA adapter -> Hugging Face safetensors that need no adapter",
        example="arabic-r1 convert merge DeepSeek-V2-Lite runs/mine/adapter v2-lite-arabic",
        options=_merge_options,
        run=_merge,
        show=_show,
        again=_AGAIN,
    ),
    "verify": Verb(
        does="compare every tensor of two model folders, and their logits; exit code 1 when they differ",
        example="arabic-r1 convert verify DeepSeek-V2-Lite v2-lite-orbax --logits",
        options=_verify_options,
        run=_verify,
        show=_show_verified,
        runs_models=True,
        failed=lambda result: not result["equal"],
    ),
    "peft": Verb(
        does="LoRA adapter of any origin -> PEFT folder in one layout, checked for a server",
        example="arabic-r1 convert peft runs/mine/adapter served --serve-target sglang",
        options=_peft_options,
        run=_peft,
        show=_show_adapter,
    ),
}
