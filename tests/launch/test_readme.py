"""What launch/README.md tells a person to type exists, parses and works."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from arabic_r1_jax import cli
from arabic_r1_jax.checkpoint import hf
from arabic_r1_jax.checkpoint.load import load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "launch/README.md").read_text()
COMMANDS = sorted(
    {line.split("   #")[0].strip("`. ") for line in re.findall(r"arabic-r1 (?:plan|convert|doctor)[^`\n]*", TEXT)}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command):
    assert cli.parse(*cli.find_verb(shlex.split(command)[1:]))


def test_every_file_it_names_is_there():
    for name in re.findall(r"configs/run/[\w.-]+|(?<![/\w])launch/[\w.-]+\w", TEXT):
        assert name == "launch/WAY.sh" or (ROOT / name).is_file(), name


def test_a_base_in_fp8_is_made_as_it_says(make_base, tmp_path, monkeypatch):
    (tmp_path / "DeepSeek-V2-Lite").symlink_to(make_base(dtype="bfloat16"))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    exec(code, {})
    assert any(spec.dtype.itemsize == 1 for spec in hf.open_folder(tmp_path / "v2-lite-fp8").specs.values())
    model = load(tmp_path / "v2-lite-fp8")
    assert model.tokenizer is not None
    assert np.isfinite(np.asarray(model(np.ones((1, 4), np.int32)))).all()
