"""The benchmarks run: nothing else would tell when the package, of which they are no part, leaves them behind."""

import importlib.util
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


def program(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bench_model(monkeypatch):
    """`tools/bench_model.py`, made small."""
    module = program("bench_model")
    for name, value in {"ROWS": 8, "TOKENS": 16, "NEW": 2, "REPEATS": 1}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_the_step_and_generation_have_a_speed(bench_model, tiny, random_model):
    lm = random_model(tiny())
    assert bench_model.train_speed(lm) > 0
    assert bench_model.generation_speed(lm) > 0


@pytest.mark.parametrize("kind", ["bf16", "fp8"])
def test_conversion_has_a_speed_and_a_memory(tmp_path, monkeypatch, kind):
    bench = program("bench_convert")
    monkeypatch.setattr(bench, "REPEATS", 1)
    sizes = dict(num_hidden_layers=2, n_routed_experts=8, hidden_size=136, vocab_size=64, n_group=1, topk_group=1)
    bench.make(tmp_path / "src", {**bench.CHECKPOINTS[kind], **sizes})
    found = bench.measure(tmp_path / "src", tmp_path)
    assert all(found[name] > 0 for name in ("copy", "hf-to-orbax", "orbax-to-hf"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]
