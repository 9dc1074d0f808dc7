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


def test_a_step_of_ours_and_of_the_peers_has_the_same_loss(tmp_path, monkeypatch):
    pytest.importorskip("peft")
    bench = program("bench_train")
    small = dict(vocab_size=64, hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=2)
    small |= dict(n_routed_experts=8, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8)
    monkeypatch.setattr(bench, "CONFIG", bench.CONFIG | small | dict(v_head_dim=8))
    monkeypatch.setattr(bench, "TOKENS", 16)
    bench.make(tmp_path)
    losses = [side(tmp_path, "float32")() for side in (bench.ours, bench.peer)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    losses = [side(tmp_path, "bfloat16")() for side in (bench.ours, bench.peer)]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)
    assert bench.sgemm(tmp_path, "float32")() == bench.SGEMM


def test_the_steps_are_taken_in_turns_and_compared(tmp_path, monkeypatch):
    """With processes that answer at once: ours takes 2 CPU seconds, the peer 4, the product 0.1."""
    bench, told = program("bench_train"), {"ours": 2.0, "peer": 4.0, "sgemm": 0.1}
    fake = tmp_path / "fake.py"
    fake.write_text(
        f"import json, sys\nfor _ in sys.stdin:\n    print(json.dumps([{told}[sys.argv[1]], 1.0, 0.5]), flush=True)\n"
    )
    monkeypatch.setattr(bench, "__file__", str(fake))
    found = bench.measure(tmp_path, rounds=3, cores=1)
    assert (found["ratio"], found["wall_ratio"]) == (2.0, 1.0)
    assert found["sgemm_fraction"] == pytest.approx(bench.STEP_GFLOP / 2.0 / (2 * 2048**3 / 1e9 / 0.1))


def test_the_experts_are_compared_with_equal_blocks(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    bench = program("bench_experts")
    for name, value in {"TOKENS": 32, "EXPERTS": 4, "PER_TOKEN": 2, "WIDTH": 16, "HIDDEN": 8}.items():
        monkeypatch.setattr(bench, name, value)
    found = bench.measure(rounds=1)
    assert found["forward"] > 0
    assert found["forward_backward"] > 0
    assert len(found["gflops"]) == 4


def test_a_planted_error_is_found_where_the_sentences_differ():
    bench_check = program("bench_check")
    one = bench_check.pair("orthography.hamza", "ذهب {الى→إلى} السوق")
    assert (one.wrong, one.right) == ("ذهب الى السوق", "ذهب إلى السوق")
    assert one.wrong[slice(*one.changed)] == "ا"
    missing = bench_check.pair("orthography.boundary", "{لابد→لا بد} منه")
    assert missing.wrong[slice(*missing.changed)] == "اب"
    assert bench_check.found(one)


def test_the_development_set_is_whole():
    bench_check = program("bench_check")
    work, held = bench_check.pairs("work"), bench_check.pairs("held")
    assert len(work) + len(held) >= 600
    assert len(bench_check.clean("work")) + len(bench_check.clean("held")) >= 300
    assert {one.wrong for one in work}.isdisjoint(one.wrong for one in held)
    assert all(one.wrong != one.right for one in work + held)
