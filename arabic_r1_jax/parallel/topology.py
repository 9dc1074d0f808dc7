"""The machines that `plan` knows: accelerators by generation, and slices or nodes by name.

    v5p:2x2x2    a TPU slice: generation and chips along each axis of its torus; libtpu compiles for it with no device
    2xv5p:2x2x2  several such slices, joined by the data centre's network
    h100x8       GPUs: kind and number; there is no compiler for them without one, so a TPU slice stands in

`memory` of a TPU is what its compiler allows a device (libtpu 0.0.42), of a GPU what the driver leaves of the data
sheet's. Rates are the vendors' data sheets, dense bfloat16 and one direction; they enter estimates of time only.
"""

import dataclasses
import math
import re

from arabic_r1_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """One device, as JAX counts them."""

    memory_gib: float
    tflops: float  # dense bfloat16
    memory_gbps: float
    network_gbps: float  # to its neighbours in the slice or node
    devices_per_chip: int = 1


# What libtpu would ask a real TPU machine, for the environment of a process that only compiles, before it imports jax.
OFFLINE = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "TPU_ACCELERATOR_TYPE": "v5p-8",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
}
TPUS = {
    "v5e": Accelerator(15.75, 197, 819, 200),
    "v5p": Accelerator(95.74, 459, 2765, 600),
    "v6e": Accelerator(31.25, 918, 1640, 448),
    "tpu7x": Accelerator(94.75, 1153, 3690, 600, devices_per_chip=2),
}
GPUS = {
    "h100": Accelerator(79.1, 989, 3350, 450),
    "h200": Accelerator(139.8, 989, 4800, 450),
    "b200": Accelerator(178.0, 2250, 8000, 900),
}
# Slices that can be had, smallest first.
SLICES = {
    "v5e": ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16"),
    "v5p": ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8"),
    "v6e": ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16"),
    "tpu7x": ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4"),
}
_STAND_IN = {8: "v5p:2x2x2", 16: "v5p:2x2x4", 32: "v5p:2x4x4", 64: "v5p:4x4x4"}


@dataclasses.dataclass(frozen=True)
class Topology:
    """A slice or a set of GPUs."""

    name: str
    kind: str
    accelerator: Accelerator
    chips: int
    compiled_as: str  # the TPU slices for which programs are compiled: themselves, or a GPU node's stand-in
    slices: int = 1

    @property
    def devices(self) -> int:
        return self.chips * self.accelerator.devices_per_chip

    @property
    def is_gpu(self) -> bool:
        return self.kind in GPUS


def parse(name: str) -> Topology:
    """The topology of a name; raises `UserError` that tells the forms and the kinds."""
    if match := re.fullmatch(r"(?:([1-9]\d{0,3})x)?([A-Za-z]\w*):(\d+(?:x\d+)+)", name):
        slices, kind, shape = int(match[1] or 1), match[2].lower(), match[3]
        if kind in TPUS:
            if shape not in SLICES[kind]:
                raise UserError(f"topology {name}: {kind} comes in slices of {', '.join(SLICES[kind])}")
            chips = slices * math.prod(map(int, shape.split("x")))
            named = f"{kind}:{shape}" if slices == 1 else f"{slices}x{kind}:{shape}"
            return Topology(named, kind, TPUS[kind], chips, named, slices)
    if (match := re.fullmatch(r"(\w+?)x(\d+)", name)) and match[1].lower() in GPUS:
        kind, count = match[1].lower(), int(match[2])
        if count not in _STAND_IN:
            raise UserError(f"topology {name}: plan counts {', '.join(map(str, _STAND_IN))} GPUs")
        return Topology(f"{kind}x{count}", kind, GPUS[kind], count, _STAND_IN[count])
    raise UserError(
        f"topology {name!r} is unknown; name a TPU slice such as v5p:2x2x2 ({', '.join(TPUS)}), several such as "
        f"2xv5p:2x2x2, or GPUs such as h100x8 ({', '.join(GPUS)})"
    )
