"""What happens on a host: install, train, go on after a failure, pass on a signal, and leave a mark at the end."""

import os
import signal
import subprocess
import time

import pytest

STAGED = "bucket/launch/r1"
TRAIN = f"arabic-r1 train --config {STAGED}/run.toml --out bucket/runs/r1 --resume"


@pytest.fixture
def host(desk):
    """A host with the bucket mounted; `train(does)` says what its `arabic-r1` does."""
    staged = desk.folder / STAGED
    staged.mkdir(parents=True)
    (staged / "arabic_r1_jax-0.1.0-py3-none-any.whl").touch()
    (staged / "host.sh").write_text((desk.folder / "launch/host.sh").read_text())
    desk.fake("uv", 'if [[ $1 == venv ]]; then mkdir -p env/bin; ln -s "$(command -v true)" env/bin/python; fi')
    return desk


def train(host, does: str) -> None:
    host.fake("arabic-r1", does)
    (host.folder / "env/bin").mkdir(parents=True, exist_ok=True)
    (host.folder / "env/bin/arabic-r1").symlink_to(host.folder / "bin/arabic-r1")


def nth(codes: str) -> str:
    """A command whose n-th call exits with the n-th code."""
    return f'codes=({codes}); exit "${{codes[$(grep -c "^arabic-r1" "$RECORD") - 1]}}"'


def test_a_host_installs_the_staged_package_with_exact_versions_and_trains(host):
    train(host, "exit 0")
    done = host.run("host.sh", "r1", EXTRA="tpu")
    assert done.returncode == 0, done.stderr
    wheel = f"{host.folder}/{STAGED}/arabic_r1_jax-0.1.0-py3-none-any.whl"
    assert host.calls()[0] == "uv venv --quiet --python 3.11 env"
    assert f"--constraint {STAGED}/constraints.txt" in host.calls()[1]
    assert f"arabic_r1_jax\\[tpu\\]\\ @\\ file://{wheel}" in host.calls()[1]
    assert host.calls()[2] == TRAIN
    assert len(host.calls()) == 3


def test_a_host_that_cannot_install_does_not_train(host):
    host.fake("uv", "exit 3")
    assert host.run("host.sh", "r1").returncode == 3
    assert len(host.calls()) == 1


def test_a_training_that_fails_goes_on_by_the_same_command(host):
    train(host, nth("1 134 0"))
    assert host.run("host.sh", "r1", "train").returncode == 0
    assert host.calls() == [TRAIN] * 3


def test_a_training_that_always_fails_is_given_up_after_five_attempts(host):
    train(host, "exit 1")
    assert host.run("host.sh", "r1", "train").returncode == 1
    assert len(host.calls()) == 5


def test_a_wrong_command_is_given_up_at_once(host):
    train(host, "exit 2")
    assert host.run("host.sh", "r1", "train").returncode == 2
    assert len(host.calls()) == 1


def test_a_stop_of_another_host_is_no_failure(host):
    train(host, nth("75 75 75 75 75 75 0"))
    assert host.run("host.sh", "r1", "train").returncode == 0
    assert len(host.calls()) == 7


def started(host, script: str, *words: str, **settings: str) -> subprocess.Popen:
    """The script in the background, once the training under it has begun."""
    command = ["bash", str(host.folder / "launch" / script), *words]
    process = subprocess.Popen(command, cwd=host.folder, env=host.environment(**settings))
    deadline = time.monotonic() + 30
    while not (host.folder / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


SAVES = "trap 'touch saved; exit 75' TERM; touch begun; while :; do sleep 0.05; done"


def test_a_host_told_to_stop_lets_the_training_save_and_says_so(host):
    train(host, SAVES)
    process = started(host, "host.sh", "r1", "train")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert (host.folder / "saved").exists()
    assert len(host.calls()) == 1


# ---- the startup script of a TPU host


def boot(host, does: str) -> dict[str, str]:
    """Prepare a boot whose `arabic-r1` does that; returns the settings of startup.sh."""
    train(host, does)
    host.fake("curl", 'case "$*" in *attributes/bucket) echo b ;; *attributes/run) echo r1 ;; esac')
    host.fake("gcloud", 'if [[ "$1 $2" == "storage cp" ]]; then echo "mkdir -p bucket" >"$4"; fi')
    (host.folder / "env/bin/python").symlink_to("/bin/true")
    return {"WORK": str(host.folder), "LOG": str(host.folder / "log"), "HOSTNAME": "h-0"}


def ended(host) -> str | None:
    path = host.folder / STAGED / "ended"
    return path.read_text().strip() if path.exists() else None


WRITES = "echo trained; mkdir -p bucket/runs/r1; touch bucket/runs/r1/manifest.json"


def test_a_boot_mounts_trains_marks_the_end_and_leaves_its_log(host):
    assert host.run("startup.sh", **boot(host, WRITES)).returncode == 0
    assert "gcloud storage cp gs://b/launch/r1/mount.sh mount.sh" in host.calls()
    assert host.calls()[-1] == TRAIN
    assert ended(host) == "0"
    assert "trained" in (host.folder / STAGED / "log-h-0.txt").read_text()


def test_a_host_done_before_the_manifest_leaves_the_mark_to_the_one_that_writes_it(host):
    assert host.run("startup.sh", **boot(host, "exit 0")).returncode == 0
    assert ended(host) is None


def test_a_training_that_was_given_up_is_marked_with_its_code(host):
    host.run("startup.sh", **boot(host, "exit 1"))
    assert ended(host) == "1"


def test_a_host_that_is_taken_away_marks_no_end(host):
    process = started(host, "startup.sh", **boot(host, SAVES))
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(30) == 143
    assert (host.folder / "saved").exists()
    assert ended(host) is None


def test_a_bucket_is_mounted_once_and_nothing_of_it_is_cached(desk):
    desk.fake("gcsfuse")
    desk.fake("mountpoint", "[[ -e mounted ]]")
    assert desk.run("mount.sh", "b", "folder").returncode == 0
    (call,) = [line for line in desk.calls() if line.startswith("gcsfuse")]
    assert "--metadata-cache-ttl-secs=0 --metadata-cache-negative-ttl-secs=0" in call
    assert call.endswith(" b folder")
    (desk.folder / "mounted").touch()
    assert desk.run("mount.sh", "b", "folder").returncode == 0
    assert len([line for line in desk.calls() if line.startswith("gcsfuse")]) == 1
