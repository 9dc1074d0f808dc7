import json
import subprocess
import sys
from pathlib import Path

import pytest

from arabic_r1_jax.demo import BASE

PROGRAM = Path(__file__).parents[1] / "tools" / "make_demo_base.py"


def run(folder, steps):
    command = [sys.executable, str(PROGRAM), "--work", str(folder / "work"), "--out", str(folder / "out")]
    return subprocess.run([*command, "--steps", str(steps)], capture_output=True, text=True)


@pytest.mark.slow
def test_a_base_that_fails_its_gates_is_not_written_and_its_training_is_kept(tmp_path):
    first = run(tmp_path, 2)
    assert first.returncode == 1
    assert "a gate is not met; nothing was written" in first.stderr
    assert not (tmp_path / "out").exists()
    again = run(tmp_path, 2)
    assert "Pre-training: 2 of 2" in again.stderr.splitlines()[0]  # from the checkpoint, no step run anew
    assert again.stdout == first.stdout


def test_the_shipped_base_met_every_gate():
    gates = json.loads((BASE / "manifest.json").read_text())["gates"]
    assert len(gates) == 5
    assert all(gate["met"] for gate in gates.values())


def test_the_shipped_base_is_small():
    assert sum(path.stat().st_size for path in BASE.iterdir()) < 8_000_000
