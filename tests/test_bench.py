"""The benchmarks run: nothing else would tell when the package, of which they are no part, leaves them behind."""

import importlib.util
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def bench_model(monkeypatch):
    """`tools/bench_model.py`, made small."""
    spec = importlib.util.spec_from_file_location("bench_model", TOOLS / "bench_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {"ROWS": 8, "TOKENS": 16, "NEW": 2, "REPEATS": 1}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_the_step_and_generation_have_a_speed(bench_model, tiny, random_model):
    lm = random_model(tiny())
    assert bench_model.train_speed(lm) > 0
    assert bench_model.generation_speed(lm) > 0
