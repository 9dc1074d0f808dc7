"""The smallest TPU slices and the GPU nodes on which the released models train and decode: README's table.

    python tools/plan_table.py             # prints Markdown; needs libtpu, some 20 minutes the first time on 2 cores

LoRA r=16 on attention, shared experts and dense networks; one sequence of 4,096 tokens a device. What was compiled is
kept, so a second run takes seconds.
"""

import os

from arabic_r1_jax import progress
from arabic_r1_jax.parallel.topology import OFFLINE, SLICES, parse

MODELS = ("deepseek-r1", "deepseek-v3", "deepseek-v2", "deepseek-v2-lite")
STEPS = {"train": "LoRA train", "decode": "decode"}
NODES = ("h100x8", "h200x8", "b200x8")
SEQ = 4096


def cell(report: dict | None) -> str:
    """What a slice or node needs: "2x2x2: 84.7 of 95.7", and how the residual streams are kept if not all of them."""
    if report is None:
        return "none"
    if not report["fits"]:
        return f"no: {report['hbm_gib_per_device']:.1f} of {report['hbm_limit_gib']:.1f}"
    kept = [f"remat {report['remat_period']}"] if report.get("remat_period", 1) > 1 else []
    kept += ["host"] if report.get("residuals") == "host" else []
    shape = report["topology"].partition(":")[2]
    used = f"{report['hbm_gib_per_device']:.1f} of {report['hbm_limit_gib']:.1f}"
    return (f"{shape}: " if shape else "") + used + (f" ({', '.join(kept)})" if kept else "")


def main() -> None:
    os.environ.update({name: os.environ.get(name, value) for name, value in OFFLINE.items()})
    from arabic_r1_jax.model.lora import LoraConfig
    from arabic_r1_jax.model.published import published
    from arabic_r1_jax.parallel import plan

    rows = []
    with progress.bar("Planning", len(MODELS) * len(STEPS)) as update:
        for name in MODELS:
            for step, words in STEPS.items():
                asked = {"seq": SEQ, "step": step, "watch": lambda what: update(0, now=what)}
                cfg, lora = published(name), LoraConfig(16)
                found = {r["topology"].partition(":")[0]: r for r in plan.search(cfg, lora, **asked)}
                nodes = [plan.plan(cfg, lora, parse(node), **asked) for node in NODES]
                rows.append([name, words, *map(cell, (*map(found.get, SLICES), *nodes))])
                update(1)
    for row in (["model", "step", *SLICES, *NODES], ["---"] * (2 + len(SLICES) + len(NODES)), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
