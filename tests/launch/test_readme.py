"""What launch/README.md tells a person to type exists, parses and works."""

import re
import shlex
from pathlib import Path

import pytest

from arabic_r1_jax import cli

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
