"""`evaluate` and `generate` in several processes: the answers of one, told once.

Two processes on this host share 4 simulated devices; what they are compared with ran on 8 devices of one. In float32
log-probabilities agree to 1e-5, the order of sums being all that differs, and greedy completions are the same.
"""

import json
import os

import numpy as np
import pytest

from arabic_r1_jax import cli
from arabic_r1_jax.checkpoint import peft
from arabic_r1_jax.checkpoint.source import base_sha, open_folder
from arabic_r1_jax.model.lora import LoraConfig

QUESTIONS = [
    {"id": str(i), "question": f"ما {i}؟", "options": ["أول", "ثان", "ثالث"], "answer": i % 3, "subject": "عدد"}
    for i in range(5)
]
PROMPTS = [{"id": i, "prompt": "كم " * (i + 1)} for i in range(5)]


@pytest.fixture(scope="module")
def files(make_base, tmp_path_factory):
    """(a base, an adapter of it that matters, questions.jsonl, prompts.jsonl)."""
    base, folder, random = make_base(), tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    cfg, lora, factors = open_folder(base)[1], LoraConfig(2, 4, ("attention", "experts")), {}
    for entry in peft.adapted(cfg, lora.targets):
        (d_out, d_in), path = entry.part, entry.name.removesuffix(".weight")
        factors[f"{path}.lora_a"] = random.normal(size=(*entry.stack, 2, d_in)).astype(np.float32)
        factors[f"{path}.lora_b"] = random.normal(size=(*entry.stack, d_out, 2)).astype(np.float32)
    peft.save_adapter(folder / "adapter", factors, cfg, lora, base_sha(base))
    for name, rows in (("questions", QUESTIONS), ("prompts", PROMPTS)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return base, folder / "adapter", folder / "questions.jsonl", folder / "prompts.jsonl"


@pytest.fixture
def together(start_processes):
    """A function: run a command in two processes; (exit codes, what they printed, what they complained of)."""

    def run(*words, last=(), devices=2):
        started = start_processes(2, [*words, "--json"], last, os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)})
        said = [process.communicate(timeout=120) for process in started]
        return [process.returncode for process in started], *map(list, zip(*said, strict=True))

    return run


def test_questions_are_scored_as_by_one_process(files, together, capsys, tmp_path):
    base, adapter, questions, _ = files
    words = ["evaluate", "--model", base, "--adapter", adapter, "--data", questions, "--protocol", "loglikelihood"]
    codes, said, errors = together(*words, "--out", tmp_path / "two")
    assert codes == [0, 0], errors
    assert cli.main([*map(str, words), "--out", str(tmp_path / "one"), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert json.loads(said[0]) == {**alone, "out": str(tmp_path / "two")}
    assert said[1] == ""
    assert "Evaluating" in errors[0]
    assert "Evaluating" not in errors[1]
    items = [(tmp_path / name / "items.jsonl").read_text().splitlines() for name in ("two", "one")]
    for got, want in zip(*([json.loads(line) for line in each] for each in items), strict=True):
        assert list(got.pop("logprobs").values()) == pytest.approx(list(want.pop("logprobs").values()), abs=1e-5)
        assert got == want
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_prompts_are_completed_as_by_one_process(files, together, capsys, tmp_path):
    base, adapter, _, prompts = files
    words = ["generate", "--model", base, "--adapter", adapter, "--prompts", prompts, "--max-new-tokens", 6]
    codes, said, errors = together(*words, "--out", tmp_path / "two.jsonl")
    assert codes == [0, 0], errors
    assert cli.main([*map(str, words), "--out", str(tmp_path / "one.jsonl"), "--json"]) == 0
    assert json.loads(said[0]) == {**json.loads(capsys.readouterr().out), "out": str(tmp_path / "two.jsonl")}
    assert said[1] == ""
    assert (tmp_path / "two.jsonl").read_text() == (tmp_path / "one.jsonl").read_text()


@pytest.mark.parametrize("who, last", [("", []), ("process 1: ", ["--prompts", "elsewhere.jsonl"])])
def test_a_mistake_is_told_once_and_ends_all(who, last, files, together, tmp_path):
    base, _, _, prompts = files
    words = [
        "generate",
        "--model",
        base,
        "--out",
        tmp_path / "o.jsonl",
        "--prompts",
        prompts if who else "elsewhere.jsonl",
    ]
    codes, said, errors = together(*words, last=last, devices=4)
    assert codes == [1, 1], errors
    assert json.loads(said[0])["error"].startswith(f"{who}elsewhere.jsonl")
    assert said[1] == ""
    assert [error.count("elsewhere") for error in errors] == [1, 0]
    assert not (tmp_path / "o.jsonl").exists()


def test_a_folder_that_is_there_already_ends_all(files, together, tmp_path):
    base, _, questions, _ = files
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").touch()
    words = ["evaluate", "--model", base, "--data", questions, "--protocol", "reasoning", "--out", tmp_path / "out"]
    codes, said, errors = together(*words)
    assert codes == [1, 1], errors
    assert "already exists" in json.loads(said[0])["error"]
    assert said[1] == errors[1] == ""


def test_a_conversation_is_for_one_process(files, start_processes):
    started = start_processes(2, ["generate", "--model", files[0], "--chat"])
    errors = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [1, 1]
    assert errors[0].startswith("arabic-r1: --chat is for one process")
    assert len(errors[0].splitlines()) == 1
    assert errors[1] == ""
