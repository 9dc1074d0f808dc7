"""The mesh and the table of rules."""

import jax
import pytest
from jax.sharding import PartitionSpec

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.parallel.mesh import make_mesh, sharding


def test_the_expert_axis_takes_the_devices_that_data_leaves():
    assert dict(make_mesh(data=2).shape) == {"data": 2, "expert": 4}


def test_a_mesh_may_use_fewer_devices():
    assert make_mesh(1, 3).size == 3


@pytest.mark.parametrize(
    "data, expert, message", [(3, None, "does not divide"), (4, 4, "16 devices"), (0, 8, "at least 1")]
)
def test_an_impossible_mesh_is_refused(data, expert, message):
    with pytest.raises(UserError, match=message):
        make_mesh(data, expert)


def test_a_batch_lies_over_both_axes_and_weights_over_expert():
    mesh = make_mesh(2, 4)
    assert sharding(("batch", None), (8, 5), mesh).spec == PartitionSpec(("data", "expert"), None)
    assert sharding(("layer", None, "wide"), (3, 5, 8), mesh).spec == PartitionSpec(None, None, "expert")


def test_a_dimension_that_does_not_divide_stays_whole():
    mesh = make_mesh(1, 8)
    assert sharding(("layer", "expert", None, None), (3, 12, 4, 4), mesh).spec == PartitionSpec(None, None, None, None)


def test_axes_must_fit_the_shape():
    with pytest.raises(ValueError, match="2 axes"):
        sharding(("batch", None), (8,), make_mesh(devices=jax.devices()[:1]))
