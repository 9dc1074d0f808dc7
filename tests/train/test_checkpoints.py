"""Checkpoints by themselves; `test_loop` damages and interrupts those of a run."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.parallel import processes
from arabic_r1_jax.parallel.mesh import make_mesh, sharding
from arabic_r1_jax.train.checkpoints import Checkpoints
from arabic_r1_jax.train.step import TrainState


def state(step, mesh):
    """A state whose numbers tell the step, its rows split over `expert`."""
    rows = jax.device_put(np.full((8, 3), step, np.float32), sharding(("wide", None), (8, 3), mesh))
    whole = jax.device_put(jnp.int32(step), sharding((), (), mesh))
    return TrainState(whole, {"a.lora_a": rows}, {"mu": {"a.lora_a": rows + 1}})


@pytest.fixture
def saved(tmp_path):
    """A folder with the checkpoints that steps 1 to 3 leave."""
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, state(step, make_mesh(1, 8)), 10 * step)
    return tmp_path


@pytest.fixture
def restored(saved):
    """A function: the step and the next row of the checkpoint that is chosen, restored onto another mesh."""

    def restore():
        like = state(0, make_mesh(2, 4))
        with contextlib.closing(Checkpoints(saved)) as checkpoints:
            found, row = checkpoints.restore(like)
        for got, wanted, asked in zip(
            *map(jax.tree.leaves, (found, state(row // 10, make_mesh(2, 4)), like)), strict=True
        ):
            assert got.sharding == asked.sharding
            np.testing.assert_array_equal(got, wanted)
        return int(found.step), row

    return restore


def test_the_newest_returns_on_any_mesh(restored):
    assert restored() == (3, 30)


def test_two_are_kept(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["2", "3"]


def test_a_new_run_has_none(tmp_path):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        assert checkpoints.restore(state(0, make_mesh())) is None


def test_one_that_another_process_cannot_read_is_passed_over_and_removed(restored, saved, monkeypatch):
    answers = iter([[True, False], [True, True]])
    monkeypatch.setattr(processes, "exchange", lambda mine: next(answers) if mine is True else [mine])
    assert restored() == (2, 20)
    assert [path.name for path in saved.iterdir()] == ["2"]


def test_none_that_all_can_read_is_an_error(restored, saved, monkeypatch):
    monkeypatch.setattr(processes, "exchange", lambda mine: [mine, False] if mine is True else [mine])
    with pytest.raises(UserError, match=r"none of the checkpoints \[2, 3\] can be read"):
        restored()
    assert sorted(path.name for path in saved.iterdir()) == ["2", "3"]
