"""Several slices: `data` goes across them and `expert` stays within one, planned and real alike."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.parallel.topology import OFFLINE, parse


@dataclasses.dataclass(frozen=True)
class Device:
    """What `make_mesh` reads of a device."""

    id: int
    slice_index: int
    platform: str = "tpu"


def interleaved(platform="tpu"):
    """8 devices of 2 slices, one of each in turn."""
    return [Device(number, number % 2, platform) for number in range(8)]


def slices(mesh):
    return [[device.slice_index for device in row] for row in mesh.devices]


def test_several_slices_are_named_by_their_number():
    two = parse("2xV5p:2x2x2")
    assert (two.name, two.slices, two.chips, two.devices) == ("2xv5p:2x2x2", 2, 16, 16)
    assert parse("3xtpu7x:2x2x1").devices == 24
    assert parse("1xv5p:2x2x2") == parse("v5p:2x2x2")


@pytest.mark.parametrize(
    "name", ["0xv5p:2x2x2", "xv5p:2x2x2", "-2xv5p:2x2x2", "2x2xv5p:2x2x2", "2xh100x8", "2*v5p:2x2x2"]
)
def test_other_numbers_of_slices_are_refused(name):
    with pytest.raises(UserError, match="topology"):
        parse(name)


@pytest.mark.parametrize(
    "data, expert, wanted", [(2, 4, [[0] * 4, [1] * 4]), (4, 2, [[0] * 2] * 2 + [[1] * 2] * 2), (1, 4, [[0] * 4])]
)
def test_data_goes_across_slices(data, expert, wanted):
    mesh = make_mesh(data, expert, interleaved())
    assert slices(mesh) == wanted
    ids = np.vectorize(lambda device: device.id, otypes=[int])(mesh.devices)
    assert len(np.unique(ids)) == data * expert


@pytest.mark.parametrize("expert", [None, 8])
def test_experts_across_slices_are_refused(expert):
    with pytest.raises(UserError, match="multiple of the 2 slices"):
        make_mesh(1, expert, interleaved())


def test_gpus_of_several_hosts_may_share_the_experts():
    """JAX counts a host's GPUs as a slice; between hosts they have their own network."""
    assert slices(make_mesh(1, 8, interleaved("gpu"))) == [[0] * 4 + [1] * 4]


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu describes slices, and is not here")
@pytest.mark.parametrize(
    "name, experts, wanted",
    [("2xv5p:2x2x2", 256, [[0] * 8, [1] * 8]), ("2xv5e:2x4", 12, [[0] * 4] * 2 + [[1] * 4] * 2)],
)
def test_a_plan_has_data_across_slices(name, experts, wanted):
    program = (
        "import json; from arabic_r1_jax.parallel import plan, topology;"
        f"mesh = plan.mesh_of(topology.parse({name!r}), {experts});"
        "print(json.dumps([[d.slice_index for d in row] for row in mesh.devices]))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | OFFLINE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == wanted
