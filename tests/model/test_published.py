"""The published shapes have the published sizes."""

import math

import pytest

from arabic_r1_jax.checkpoint import weight_map
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.published import names, published

# Parameters without MTP layers, as the models' cards say: 15.7B, 236B, 671B, 671B.
PARAMETERS = {
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v3": 671_026_419_200,
    "deepseek-r1": 671_026_419_200,
}


def test_every_file_is_named_here():
    assert set(names()) == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_published_model_has_its_published_size(name):
    entries = weight_map.entries(published(name)).values()
    found = sum(math.prod(e.shape) for e in entries if not e.name.endswith(".scale"))
    assert found == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_v3_and_r1_are_fp8_and_the_older_ones_are_not(name):
    assert published(name).fp8 is (name in ("deepseek-v3", "deepseek-r1"))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match="'gpt' is no published model; choose from deepseek-r1, deepseek-v2,"):
        published("gpt")
