"""No array of a step's program is a wider copy of the block-FP8 expert stack, whole or of a layer.

The sizes are primes or nearly so: an array with the elements of this device's experts is a copy of them.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest

from arabic_r1_jax.parallel.topology import OFFLINE

LAYERS, OWNED, HIDDEN, WIDTH = 5, 7, 384, 640
CHANGES = {
    "hidden_size": WIDTH,
    "moe_intermediate_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "first_k_dense_replace": 0,
    "n_routed_experts": 4 * OWNED,
    "num_attention_heads": 4,
    "q_lora_rank": 256,
    "kv_lora_rank": 128,
    "vocab_size": 512,
}
PROGRAM = """
import dataclasses, json, sys
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.published import published
from arabic_r1_jax.parallel import plan
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.parallel.topology import parse

r1, (changes, where, step) = published("deepseek-r1"), sys.argv[1:]
router = dataclasses.replace(r1.router, n_group=4, topk_group=2)
cfg = dataclasses.replace(r1, **json.loads(changes), router=router)
mesh = make_mesh(1, 4) if where == "cpu" else plan.mesh_of(parse(where), cfg.n_routed_experts)
lora = LoraConfig(4, targets=("attention", "shared", "dense", "experts"))
program, arguments = plan.STEPS[step](cfg, lora, mesh, 256)
print(program.lower(*arguments).compile().as_text())
"""
WIDE = re.compile(r"\b(?:bf16|f16|f32)\[([\d,]+)\]")


def wide_copies(text: str) -> set[str]:
    """Arrays in a wider dtype that have as many elements as a device's, or all, experts of one or of all layers."""
    matrix = HIDDEN * WIDTH
    sizes = {matrix * experts * layers for experts in (OWNED, 4 * OWNED) for layers in (1, LAYERS)}

    def elements(shape: str) -> int:
        product = 1
        for dimension in shape.split(","):
            product *= int(dimension)
        return product

    return {shape for shape in WIDE.findall(text) if elements(shape) in sizes}


def test_a_wide_copy_would_be_seen():
    text = f"%a = f8e4m3fn[{LAYERS},{OWNED},{HIDDEN},{WIDTH}] p0\n%b = bf16[{OWNED * HIDDEN},{WIDTH}]{{1,0}} fusion(%a)"
    assert wide_copies(text) == {f"{OWNED * HIDDEN},{WIDTH}"}


@pytest.mark.parametrize("step", ["train", "decode"])
@pytest.mark.parametrize("where", ["cpu", "v5p:2x2x1", pytest.param("v6e:2x2", marks=pytest.mark.slow)])
def test_experts_are_widened_nowhere_but_in_a_product(where, step):
    if where != "cpu" and importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu compiles, and is not here")
    environment = os.environ | OFFLINE | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    command = [sys.executable, "-c", PROGRAM, json.dumps(CHANGES), where, step]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-500:]
    assert f"f8e4m3fn[{LAYERS},{OWNED},{HIDDEN},{WIDTH}]" in done.stdout
    assert not wide_copies(done.stdout)
