"""The four ways to launch, with fake tools: what they call, in which order, and what a preemption makes them do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*(ROOT / "launch").glob("*.sh"), ROOT / "launch/train.sbatch"])
WAYS = ("tpu", "xpk", "sky", "slurm")
TOOLS = ("gcloud", "xpk", "sky", "sbatch", "scancel", "kubectl", "tail")
ENDED = 'if [[ "$*" == *cat*ended ]]; then echo 0; fi'


def cloud_lines(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.split()[0] in (*TOOLS, "uv")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_valid_and_lints(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, "-x", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("verb", ["up", "logs", "down"])
@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_prints_exactly_the_calls_and_makes_none(way, verb, desk):
    for tool in TOOLS:
        desk.fake(tool, ENDED if tool == "gcloud" else "")
    dry = desk.run(f"{way}.sh", verb, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert desk.calls() == []
    assert not (desk.folder / "build").exists()
    done = desk.run(f"{way}.sh", verb)
    assert done.returncode == 0, done.stderr
    # host.sh, which slurm.sh calls by its name, calls uv once more
    assert cloud_lines(dry.stdout) == [line for line in desk.calls() if not line.startswith(("uv venv", "uv pip"))]
    assert cloud_lines(dry.stdout)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_sends_the_same_files(way, desk):
    for tool in TOOLS:
        desk.fake(tool, ENDED if tool == "gcloud" else "")
    assert desk.run(f"{way}.sh", "up", CONFIG="configs/run/v2-lite-80gb.toml").returncode == 0
    staged = desk.folder / ("arabic-r1/bucket/launch/r1" if way == "slurm" else "build/launch")
    names = {"arabic_r1_jax-0.1.0-py3-none-any.whl", "constraints.txt", "host.sh", "mount.sh", "run.toml"}
    assert {path.name for path in staged.iterdir()} == names
    assert (staged / "run.toml").read_text() == (ROOT / "configs/run/v2-lite-80gb.toml").read_text()


@pytest.mark.parametrize(
    "settings, words, said",
    [
        ({"BUCKET": "my-bucket"}, ["up"], "BUCKET is not set"),
        ({"RUN": "My_Run"}, ["up"], "RUN is 'My_Run'"),
        ({"RUN": "r1-"}, ["up"], "RUN is 'r1-'"),
        ({"CONFIG": "none.toml"}, ["up"], "there is no none.toml"),
        ({"ACCELERATOR": "v9-8"}, ["up"], "ACCELERATOR is 'v9-8'"),
        ({}, ["up", "--dryrun"], "unknown option --dryrun"),
        ({}, ["go"], "say what to do: up, logs or down"),
        ({}, [], "say what to do: up, logs or down"),
    ],
)
def test_a_wrong_setting_is_one_line_and_nothing_is_called(settings, words, said, desk):
    desk.fake("gcloud")
    done = desk.run("tpu.sh", *words, **settings)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert desk.calls() == []


# ---- queued resources


def script_of_states(*states: str, code: int = 0) -> str:
    """A fake gcloud whose slice goes through `states`, one a question; after the last the run has ended."""
    return f"""
states=({" ".join(f"'{state}'" for state in states)})
asked=$(grep -c 'queued-resources list' "$RECORD")
case "$*" in
  *'queued-resources list'*) echo "${{states[asked - 1]}}" ;;
  *cat*ended) ((asked >= {len(states)})) && echo {code} ;;
esac
"""


def orders(desk) -> list[str]:
    return [line.split()[4] for line in desk.calls() if "queued-resources" in line and " list " not in line]


def test_a_slice_that_was_taken_away_is_deleted_and_made_anew(desk):
    desk.fake("gcloud", script_of_states("", "PROVISIONING", "ACTIVE", "SUSPENDING", "SUSPENDED", "ACTIVE"))
    done = desk.run("tpu.sh", "up")
    assert done.returncode == 0, done.stderr
    assert orders(desk) == ["create", "delete", "create", "delete"]
    first, second = (line for line in desk.calls() if " create " in line)
    assert first == second
    assert "--metadata-from-file startup-script=launch/startup.sh" in second
    assert "done: gs://b/runs/r1/adapter" in done.stdout


def test_a_watch_that_is_started_again_takes_the_slice_that_is_there(desk):
    desk.fake("gcloud", script_of_states("ACTIVE", "ACTIVE"))
    assert desk.run("tpu.sh", "up").returncode == 0
    assert orders(desk) == ["delete"]


def test_a_question_that_fails_makes_no_second_slice(desk):
    desk.fake(
        "gcloud",
        script_of_states("", "", "ACTIVE").replace('echo "${states', '((asked == 2)) && exit 1; echo "${states'),
    )
    assert desk.run("tpu.sh", "up").returncode == 0
    assert orders(desk) == ["create", "delete"]


def test_a_request_that_always_fails_is_given_up(desk):
    desk.fake("gcloud", script_of_states("", *["FAILED"] * 10))
    done = desk.run("tpu.sh", "up")
    assert done.returncode == 2
    assert "got no slice five times" in done.stderr
    assert orders(desk).count("create") == 5


def test_a_training_that_failed_ends_the_watch_and_the_slice(desk):
    desk.fake("gcloud", script_of_states("", "ACTIVE", code=1))
    done = desk.run("tpu.sh", "up")
    assert done.returncode == 2
    assert "training ended with exit code 1; the logs are in gs://b/launch/r1" in done.stderr
    assert orders(desk) == ["create", "delete"]


@pytest.mark.parametrize(
    "accelerator, version",
    [("v5p-16", "v2-alpha-tpuv5"), ("v6e-32", "v2-alpha-tpuv6e"), ("v5litepod-64", "v2-alpha-tpuv5-lite")],
)
def test_the_runtime_is_that_of_the_generation(accelerator, version, desk):
    done = desk.run("tpu.sh", "up", "--dry-run", ACCELERATOR=accelerator, TIER="--reserved")
    assert f"--accelerator-type {accelerator} --runtime-version {version} --reserved" in done.stdout


# ---- SLURM's job


def submit(desk, code: int) -> subprocess.CompletedProcess:
    for tool in ("gcloud", "scontrol"):
        desk.fake(tool)
    desk.fake("srun", f"exit {code}")
    return desk.run("train.sbatch", RUN="r1", SLURM_JOB_ID="7")


def test_a_job_trains_on_every_gpu_and_uploads(desk):
    assert submit(desk, 0).returncode == 0
    assert desk.calls() == [
        "srun --kill-on-bad-exit=1 bash bucket/launch/r1/host.sh r1 train",
        "gcloud storage rsync --recursive bucket/runs/r1 gs://b/runs/r1",
    ]


def test_a_job_that_was_told_to_stop_goes_back_into_the_queue(desk):
    assert submit(desk, 143).returncode == 143
    assert desk.calls()[1:] == [
        "gcloud storage rsync --recursive bucket/runs/r1 gs://b/runs/r1",
        "scontrol requeue 7",
    ]


def test_a_job_that_failed_does_not(desk):
    assert submit(desk, 1).returncode == 1
    assert not any(line.startswith("scontrol") for line in desk.calls())
