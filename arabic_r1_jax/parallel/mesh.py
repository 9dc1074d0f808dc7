"""The device mesh and the one table from logical axes to mesh axes.

Comes in: how many devices along `data` and `expert`. Goes out: a mesh, and a `NamedSharding` for any array whose
dimensions have names. The rest of the package names logical axes only; this is the one place that says where they lie.
"""

import math
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from arabic_r1_jax.errors import UserError

# What each logical axis is split over. `data` only repeats weights: it exists for more devices than there are experts
# to split, and for several slices. Weights that are no experts' are split over `expert` too (by their `wide`
# dimension) and gathered a layer at a time, or they alone would fill a chip's memory.
RULES: dict[str, str | tuple[str, ...] | None] = {
    "layer": None,
    "batch": ("data", "expert"),
    "expert": "expert",
    "wide": "expert",
    "vocab": "expert",
}


def make_mesh(data: int = 1, expert: int | None = None, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of `data` x `expert` devices with axes ("data", "expert").

    `expert=None` takes as many as `data` leaves of `devices` (default: all that JAX sees). Slices lie along `data`.
    Raises `UserError` when the devices do not suffice, `data` does not divide them, or `expert` would cross TPU slices.
    """
    devices = list(jax.devices() if devices is None else devices)
    if data < 1 or (expert is not None and expert < 1):
        raise UserError(f"mesh: data={data}, expert={expert}; both must be at least 1")
    if expert is None:
        if len(devices) % data:
            raise UserError(f"mesh: data={data} does not divide the {len(devices)} devices; name a divisor")
        expert = len(devices) // data
    wanted = data * expert
    if wanted > len(devices):
        raise UserError(
            f"mesh: data={data} x expert={expert} needs {wanted} devices and there are {len(devices)}; "
            "ask for fewer, or simulate more on the CPU with mesh.cpu_devices"
        )
    devices.sort(key=slice_of)
    grid = np.array(devices[:wanted]).reshape(data, expert)
    if any(len({slice_of(device) for device in row}) > 1 for row in grid if row[0].platform == "tpu"):
        raise UserError(
            f"mesh: expert={expert} crosses TPU slices, whose network is far slower than a slice's own; "
            f"set mesh.data to a multiple of the {len({slice_of(device) for device in devices})} slices"
        )
    # Auto: the compiler places what the code does not say. jax.make_mesh's default (Explicit) would put shardings
    # into array types, and then every shard_map argument must have been declared so.
    return Mesh(grid, ("data", "expert"), axis_types=(AxisType.Auto, AxisType.Auto))


def slice_of(device: jax.Device) -> int:
    """The number of the slice that a device belongs to; of GPUs, of the host."""
    return getattr(device, "slice_index", 0)


def platform(mesh: Mesh) -> str:
    """ "cpu", "gpu" or "tpu": whose kernels a program for this mesh uses. Its devices need not be here."""
    return mesh.devices.flat[0].platform


def capability(device: jax.Device) -> float:
    """The compute capability of an NVIDIA GPU, 0 of anything else (AMD's have names like gfx942)."""
    version = str(getattr(device, "compute_capability", ""))
    return float(version) if version[:1].isdigit() else 0.0


def sharding(axes: Sequence[str | None], shape: Sequence[int], mesh: Mesh) -> NamedSharding:
    """Where an array of `shape` with these logical axes lies; None is a dimension that is never split.

    A dimension whose size its mesh axes do not divide stays whole: XLA would pad it, but shard_map and explicit
    `jit` shardings need equal pieces, and a whole array gives the same numbers.
    """
    if len(axes) != len(shape):
        raise ValueError(f"{len(axes)} axes {tuple(axes)} for an array of shape {tuple(shape)}")
    rules = [RULES[axis] if axis is not None else None for axis in axes]
    spec = [
        rule if rule is None or size % _size(mesh, rule) == 0 else None for rule, size in zip(rules, shape, strict=True)
    ]
    return NamedSharding(mesh, PartitionSpec(*spec))


def constrain(x: jax.Array, axes: Sequence[str | None], mesh: Mesh) -> jax.Array:
    """`x`, placed by the rules inside a jitted function; no axes means whole on every device."""
    return jax.lax.with_sharding_constraint(x, sharding(axes or (None,) * x.ndim, x.shape, mesh))


def _size(mesh: Mesh, rule: str | tuple[str, ...]) -> int:
    return math.prod(mesh.shape[name] for name in ((rule,) if isinstance(rule, str) else rule))
