"""Calling a loaded model."""

import numpy as np
import pytest

from arabic_r1_jax.errors import UserError
from arabic_r1_jax.parallel.mesh import make_mesh


def test_a_batch_need_not_divide_the_mesh(tiny, random_model):
    ids = np.random.default_rng(0).integers(2, 61, (3, 7), np.int32)
    one, eight = random_model(tiny()), random_model(tiny(), make_mesh(1, 8))
    assert eight(ids).shape == (3, 7, 61)
    np.testing.assert_allclose(eight(ids), one(ids), atol=2e-5)


def test_logits_are_float32_and_lists_are_taken(tiny, random_model):
    logits = random_model(tiny())([[5, 6, 7]])
    assert logits.dtype == np.float32


@pytest.mark.parametrize("ids, message", [([[5, 61]], "token 61"), ([[-1, 5]], "token -1"), ([5, 6], "must be")])
def test_ids_that_no_model_has_are_refused(tiny, random_model, ids, message):
    with pytest.raises(UserError, match=message):
        random_model(tiny())(ids)
