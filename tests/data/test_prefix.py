import pytest

from arabic_r1_jax.artifacts import write_manifest
from arabic_r1_jax.data.prefix import prefix_for
from arabic_r1_jax.errors import UserError


def test_an_adapter_is_asked_as_it_was_trained_unless_told_otherwise(tmp_path):
    assert prefix_for(None, None) == prefix_for(None, tmp_path) == "think_nl"  # no adapter, or PEFT's own
    write_manifest(tmp_path, "adapter", prefix="none")
    assert prefix_for(None, tmp_path) == "none"
    assert prefix_for("think_nl", tmp_path) == "think_nl"
    assert prefix_for("none", None) == "none"


def test_an_unknown_policy_in_a_manifest_is_refused_by_its_file(tmp_path):
    write_manifest(tmp_path, "adapter", prefix="think")
    with pytest.raises(UserError, match=r"manifest\.json: \"prefix\" is 'think', not none or think_nl"):
        prefix_for(None, tmp_path)
    assert prefix_for("none", tmp_path) == "none"
