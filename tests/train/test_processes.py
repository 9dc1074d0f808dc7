"""Several processes do one run: the losses, the checkpoint and the end of one process, in any number of them.

Processes are real, on this host, and share 8 simulated devices. Losses and adapters agree to 1e-5: what is summed is
the same, in what order may differ.
"""

import json
import os
import signal
import time

import jax
import numpy as np
import pytest
import safetensors.numpy

from arabic_r1_jax import artifacts, paths
from arabic_r1_jax.checkpoint import peft
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.parallel import processes
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.parallel.processes import STOPPED
from arabic_r1_jax.paths import as_path


@pytest.fixture
def start(set_words, start_processes):
    """A function: start the same run in `count` processes, `last` settings in the last one alone."""

    def run(count, out, *words, last=(), env=os.environ, **changes):
        settings, own = (
            [word for setting in each for word in ("--set", setting)] for each in (set_words(**changes), last)
        )
        clean = {key: value for key, value in env.items() if key != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
        return start_processes(count, ["train", *settings, "--out", out, "--json", *words], own, clean)

    return run


def ended(started, seconds=240):
    """(exit codes, what each printed on stdout, what each printed on stderr)."""
    said = [process.communicate(timeout=seconds) for process in started]
    return [p.returncode for p in started], [out for out, _ in said], [err for _, err in said]


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(got, want):
    """The same examples in every step, losses 1e-5 apart at most, adapters close, and one manifest."""
    for ours, theirs in zip(lines(got), lines(want), strict=True):
        assert ours["tokens_by_category"] == theirs["tokens_by_category"]
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
    adapters = [safetensors.numpy.load((run / "adapter" / peft.WEIGHTS).read_bytes()) for run in (got, want)]
    assert adapters[0].keys() == adapters[1].keys()
    for name, wanted in adapters[1].items():
        np.testing.assert_allclose(adapters[0][name], wanted, atol=5e-4, err_msg=name)
    assert artifacts.read_manifest(got)["kind"] == "run"


def until_logged(started, out):
    """Wait until a run has opened its log; its first step is then being compiled."""
    while not (out / "metrics.jsonl").exists():
        assert all(process.poll() is None for process in started), ended(started)
        time.sleep(0.05)


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_do_the_run_of_one(count, start, whole, tmp_path):
    codes, said, errors = ended(start(count, tmp_path / "run"))
    assert codes == [0] * count, errors
    assert json.loads(said[0])["steps"] == 6
    assert set(said[1:]) == {""}  # the first process speaks for all
    assert_same_run(tmp_path / "run", whole.out)
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == ["4", "6"]


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_second_run_compiles_nothing_and_computes_the_same_bits(count, start, tmp_path):
    """The programs come from the user's cache, which only the first process writes."""
    env, programs, logged = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}, [], []
    for out in (tmp_path / "first", tmp_path / "second"):
        codes, _, errors = ended(start(count, out, env=env, train__steps=2))
        assert codes == [0] * count, errors
        programs.append({path.name for path in (tmp_path / "arabic-r1" / "compiled").iterdir()})
        logged.append((out / "metrics.jsonl").read_bytes() + (out / "adapter" / peft.WEIGHTS).read_bytes())
    assert any(name.startswith("jit_step") for name in programs[0])
    assert programs[0] == programs[1]
    assert logged[0] == logged[1]


@pytest.mark.slow
def test_several_processes_do_a_run_in_a_bucket(start, base, records, whole, bucket):
    model, data, out = (as_path(f"{bucket}/{name}") for name in ("base", "records.jsonl", "run"))
    for name in paths.sizes(base()):
        artifacts.copy(base() / name, model / name)
    artifacts.copy(records, data)
    for words in ([], ["--resume"]):  # the second time it is whole and left as it is
        codes, said, errors = ended(start(2, out, *words, model__path=str(model), data__records=[str(data)]))
        assert codes == [0, 0], errors
        assert json.loads(said[0])["adapter"] == str(out / "adapter")
        assert said[1] == ""
    assert_same_run(out, whole.out)
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["4", "6"]


@pytest.mark.slow
@pytest.mark.parametrize("before, after", [(2, 1), (2, 4), (4, 2), (1, 4)])
def test_a_run_stopped_in_some_processes_ends_in_another_number_of_them(before, after, start, whole, tmp_path):
    """Each is stopped by a SIGTERM to its last process, wherever in its first steps that comes."""
    out = tmp_path / "run"
    started = start(before, out, train__save_every=1000)
    until_logged(started, out)
    started[-1].send_signal(signal.SIGTERM)
    codes, said, errors = ended(started)
    assert codes == [STOPPED] * before, errors
    assert "go on with --resume" in json.loads(said[0])["error"]
    assert set(said[1:]) <= {""}
    assert artifacts.read_manifest(out) is None
    done = lines(out)[-1]["step"]
    assert 0 < done < 6
    assert [path.name for path in (out / "checkpoints").iterdir()] == [str(done)]
    codes, _, errors = ended(start(after, out, "--resume", train__save_every=1000))
    assert codes == [0] * after, errors
    assert_same_run(out, whole.out)


def test_a_mistake_is_told_once_and_ends_all(start, tmp_path):
    out = tmp_path / "run"
    codes, said, errors = ended(start(2, out, data__records=str(tmp_path / "absent.jsonl")), seconds=60)
    assert codes == [1, 1]
    assert "absent.jsonl" in json.loads(said[0])["error"]
    assert [error.count("absent.jsonl") for error in errors] == [1, 0]
    assert not out.exists()


def test_a_failure_of_one_process_ends_all_and_is_told_by_the_first(start, tmp_path):
    out = tmp_path / "run"
    codes, said, errors = ended(start(2, out, last=["model.path=elsewhere"]), seconds=60)
    assert codes == [1, 1], errors
    assert json.loads(said[0])["error"].startswith("process 1: elsewhere does not exist")
    assert [error.count("elsewhere") for error in errors] == [1, 0]
    assert not out.exists()


@pytest.mark.slow
def test_the_others_end_when_a_process_is_killed(start, tmp_path):
    """At the latest when JAX's coordination service misses its heartbeat, after 100 s."""
    out = tmp_path / "run"
    started = start(2, out, train__steps=2000)
    until_logged(started, out)
    started[1].kill()
    codes, _, _ = ended(started[:1], seconds=200)
    assert codes[0] != 0


# ---- how a process knows that it is one of several


@pytest.fixture
def environment(monkeypatch):
    """A function: the environment's own words about processes are these; a stand-in notes what JAX is asked for."""
    asked = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda **named: asked.append(named))
    monkeypatch.setattr(processes.glob, "glob", lambda pattern: [])

    def make(**words):
        for name in (processes.ADDRESS, processes.COUNT, processes.INDEX, *LAUNCHERS):
            monkeypatch.delenv(name, raising=False)
        for name, value in words.items():
            monkeypatch.setenv(name, value)
        return asked

    return make


LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


@pytest.mark.parametrize(
    "words", [{}, {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "8"}, {"OMPI_COMM_WORLD_SIZE": "1"}]
)
def test_a_process_alone_waits_for_nobody(words, environment):
    asked = environment(**words)
    processes.join()
    assert asked == []
    assert (processes.count(), processes.is_first(), processes.simulated(8)) == (1, True, 8)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_task_of_a_launcher_leaves_the_rest_to_jax(launcher, environment):
    asked = environment(**{launcher: "4"})
    processes.join()
    assert asked == [{"coordinator_address": None, "shutdown_timeout_seconds": processes.PARTING}]


def test_the_variables_are_handed_on(environment):
    asked = environment(JAX_COORDINATOR_ADDRESS="host:1", JAX_NUM_PROCESSES="4", JAX_PROCESS_ID="2")
    processes.join()
    assert {"coordinator_address": "host:1", "num_processes": 4, "process_id": 2}.items() <= asked[0].items()


@pytest.mark.parametrize(
    "words, said",
    [
        ({"JAX_NUM_PROCESSES": "2"}, "JAX_NUM_PROCESSES is set and JAX_COORDINATOR_ADDRESS, JAX_PROCESS_ID is not"),
        ({"JAX_COORDINATOR_ADDRESS": "host:1"}, "set all three, or none"),
        (
            {"JAX_COORDINATOR_ADDRESS": "host:1", "JAX_NUM_PROCESSES": "two", "JAX_PROCESS_ID": "0"},
            "did not find each other .*two",
        ),
    ],
)
def test_what_the_environment_leaves_unclear_is_refused(words, said, environment):
    asked = environment(**words)
    with pytest.raises(UserError, match=said):
        processes.join()
    assert asked == []


def test_a_mesh_that_leaves_a_process_out_is_refused(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 2)
    with pytest.raises(UserError, match="lies on 1 of 2 processes"):
        processes.check_mesh(make_mesh())


def test_simulated_devices_are_shared_out(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 4)
    assert [processes.simulated(devices) for devices in (8, 1, None)] == [2, 1, None]
