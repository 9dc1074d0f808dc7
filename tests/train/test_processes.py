"""Several processes do one run: the losses, the checkpoint and the end of one process, in any number of them.

Processes are real, on this host, and share 8 simulated devices. Losses agree to 1e-5: sums over devices are the same,
what XLA:CPU makes of a program may differ.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import peft
from arabic_r1_jax.parallel.processes import STOPPED

SETTINGS = {
    "lora.rank": 2,
    "lora.expert_rank": 3,
    "lora.targets": "attention,shared,dense,experts",
    "train.steps": 6,
    "train.batch": 8,
    "train.seq": 160,
    "train.lr": 0.01,
    "train.warmup_steps": 2,
    "train.save_every": 2,
    "train.dtype": "float32",
    "mesh.cpu_devices": 8,
}


@pytest.fixture
def start(base, records):
    """A function: start the same command in `count` processes; ended with the test."""
    started = []

    def run(count, out, *words, resume=False, **changes):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        values = {"model.path": base(), "data.records": records} | SETTINGS
        values |= {key.replace("__", "."): value for key, value in changes.items()}
        settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "arabic_r1_jax", "train", *settings, "--out", str(out), "--json", *words]
        clean = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
        several = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": str(count)}
        for index in range(count):
            env = clean | (several | {"JAX_PROCESS_ID": str(index)} if count > 1 else {})
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            started.append(subprocess.Popen(command + ["--resume"] * resume, env=env, **pipes))
        return started[-count:]

    yield run
    for process in started:
        process.kill()


def ended(processes, seconds=240):
    """(exit codes, what each printed on stdout, what each printed on stderr)."""
    said = [process.communicate(timeout=seconds) for process in processes]
    return [p.returncode for p in processes], [out for out, _ in said], [err for _, err in said]


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(got, want):
    """The same examples in every step, losses 1e-5 apart at most, adapters close, and one manifest."""
    for ours, theirs in zip(lines(got), lines(want), strict=True):
        assert ours["tokens_by_category"] == theirs["tokens_by_category"]
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
    adapters = [load_file(run / "adapter" / peft.WEIGHTS) for run in (got, want)]
    assert adapters[0].keys() == adapters[1].keys()
    for name, wanted in adapters[1].items():
        # Adam divides by a gradient's size, so that one near 0 magnifies its rounding.
        np.testing.assert_allclose(adapters[0][name], wanted, atol=5e-4, err_msg=name)
    assert artifacts.read_manifest(got)["kind"] == "run"


def test_two_processes_do_the_run_of_one(start, whole, tmp_path):
    codes, said, errors = ended(start(2, tmp_path / "run"))
    assert codes == [0, 0], errors
    assert json.loads(said[0])["steps"] == 6
    assert said[1] == ""  # the first process speaks for all
    assert_same_run(tmp_path / "run", whole.out)


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 1])
def test_a_run_stopped_in_two_processes_ends_in_other_numbers_of_them(count, start, whole, tmp_path):
    out = tmp_path / "run"
    processes = start(2, out)
    while not (out / "metrics.jsonl").exists() or len(lines(out)) < 1:
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.1)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    codes, said, errors = ended(processes)
    assert codes == [STOPPED, STOPPED], errors
    assert "go on with --resume" in json.loads(said[0])["error"]
    assert artifacts.read_manifest(out) is None
    assert ended(start(count, out, resume=True))[0] == [0] * count
    assert_same_run(out, whole.out)


@pytest.mark.slow
def test_a_lone_process_saves_when_it_is_told_to_stop(start, whole, tmp_path):
    out = tmp_path / "run"
    (process,) = start(1, out, train__save_every=1000)
    while not (out / "metrics.jsonl").exists():
        assert process.poll() is None, ended([process])
        time.sleep(0.05)
    time.sleep(0.5)  # the log is opened just before signals are heeded
    process.send_signal(signal.SIGTERM)
    codes, _, errors = ended([process])
    assert codes == [STOPPED], errors
    assert ended(start(1, out, resume=True, train__save_every=1000))[0] == [0]
    assert_same_run(out, whole.out)


def test_a_mistake_is_told_once_and_ends_all(start, tmp_path):
    out = tmp_path / "run"
    codes, _, errors = ended(start(2, out, data__records=tmp_path / "absent.jsonl"), seconds=60)
    assert codes == [1, 1]
    assert sum("absent.jsonl" in error for error in errors) == 1
    assert not out.exists()


@pytest.mark.slow
def test_the_others_end_when_a_process_is_killed(start, tmp_path):
    out = tmp_path / "run"
    processes = start(2, out, train__steps=100000)
    while not (out / "metrics.jsonl").exists():
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.1)
    processes[1].kill()
    codes, _, _ = ended(processes[:1], seconds=200)
    assert codes[0] != 0


def test_incomplete_settings_are_refused(tmp_path):
    env = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_PROCESSES": "2"}
    command = [sys.executable, "-m", "arabic_r1_jax", "train", "--set", "model.path=x", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "JAX_NUM_PROCESSES is set and JAX_COORDINATOR_ADDRESS, JAX_PROCESS_ID is not" in done.stderr
