"""A run in a bucket, against a server of its protocol: base, data, log, checkpoints and adapter lie there.

It ends as the run here does, bit for bit, wherever it was cut off; and what is asked of its adapter is answered alike.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from arabic_r1_jax import artifacts, paths
from arabic_r1_jax.checkpoint import peft
from arabic_r1_jax.cli import main
from arabic_r1_jax.paths import as_path
from arabic_r1_jax.train.loop import train

KILLED = """
import os, signal, sys
from arabic_r1_jax.cli import main
from arabic_r1_jax.train import loop
record = loop._record
def watched(*arguments):
    line = record(*arguments)
    if line["step"] == 5:  # the checkpoint of step 4 may still be on its way
        os.kill(os.getpid(), signal.SIGKILL)
    return line
loop._record = watched
main(sys.argv[1:])
"""


class Cut(Exception):
    pass


def send(path, where):
    """Copy a file or folder into the bucket; returns where it then is."""
    if path.is_file():
        artifacts.copy(path, as_path(where) / path.name)
        return f"{where}/{path.name}"
    for name in paths.sizes(path):
        artifacts.copy(path / name, as_path(where) / name)
    return where


def assert_same_run(got, want):
    """Same adapter and log, byte for byte, and both whole."""
    for name in (f"adapter/{peft.WEIGHTS}", "metrics.jsonl"):
        assert (got / name).read_bytes() == (want / name).read_bytes(), name
    assert artifacts.read_manifest(got)["kind"] == "run"


@pytest.fixture(scope="module")
def there(server, base, records):
    """(base, records) of the run here, in the bucket."""
    return send(base(), "gs://arabic-r1/base"), send(records, "gs://arabic-r1/data")


@pytest.fixture
def words(there, set_words):
    """The words of a run whose base and data lie in the bucket."""
    settings = set_words(model__path=there[0], data__records=[there[1]])
    return ["train", *(word for setting in settings for word in ("--set", setting))]


def test_a_killed_run_in_a_bucket_goes_on_and_ends_as_one_here(words, whole, bucket, capsys):
    out = as_path(f"{bucket}/run")
    words = [*words, "--out", str(out)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], env=os.environ, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert artifacts.read_manifest(out) is None
    assert main(words) == 1
    said = f"arabic-r1: {out} already holds a run; go on with --resume, or name another --out\n"
    assert capsys.readouterr().err == said
    assert main([*words, "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["adapter"] == f"{bucket}/run/adapter"
    assert_same_run(out, whole.out)
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["4", "6"]
    assert {name.partition("/")[0] for name in paths.sizes(out)} == {path.name for path in whole.out.iterdir()}
    assert main([*words, "--resume", "--json"]) == 0  # whole: left as it is
    assert json.loads(capsys.readouterr().out) == told


@pytest.mark.slow
@pytest.mark.parametrize("uncommitted", [False, True])
def test_a_log_in_a_bucket_is_cut_to_the_checkpoint(uncommitted, settings, whole, bucket):
    """Step 5 was logged, and the run goes on from step 4, or from step 2 when a kill has left step 4 half written."""
    out, seen = as_path(f"{bucket}/run"), []

    def progress(n, **fields):
        seen.append(n)
        if fields and sum(seen) == 5:
            raise Cut

    with pytest.raises(Cut):
        train(settings(), out, progress=progress)
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 5
    if uncommitted:
        (out / "checkpoints" / "4" / "commit_success.txt").unlink()
    train(settings(), out, resume=True)
    assert_same_run(out, whole.out)


@pytest.mark.parametrize("protocol", ["loglikelihood", pytest.param("reasoning", marks=pytest.mark.slow)])
def test_an_evaluation_in_a_bucket_says_what_one_here_says(protocol, there, base, whole, records, bucket, tmp_path):
    adapter = send(whole.out / "adapter", f"{bucket}/adapter")
    asked = ["evaluate", "--protocol", protocol, "--limit", "4", "--max-new-tokens", "4"]
    mine = ["--model", there[0], "--adapter", adapter, "--data", there[1], "--out", f"{bucket}/e"]
    here = ["--model", base(), "--adapter", whole.out / "adapter", "--data", records, "--out", tmp_path / "e"]
    assert main([*asked, *mine]) == 0
    assert main([*asked, *map(str, here)]) == 0
    got, want = as_path(f"{bucket}/e"), tmp_path / "e"
    assert (got / "items.jsonl").read_bytes() == (want / "items.jsonl").read_bytes()
    theirs = artifacts.read_json(want / "results.json")
    assert artifacts.read_json(got / "results.json") == {**theirs, "model": there[0]}
    assert artifacts.read_manifest(got)["kind"] == "evaluation"
    assert main([*asked, *mine]) == 1  # it is there already


def test_completions_in_a_bucket_are_those_here(there, base, whole, write_jsonl, bucket, tmp_path, capsys):
    adapter = send(whole.out / "adapter", f"{bucket}/adapter")
    prompts = write_jsonl(tmp_path / "p.jsonl", [{"prompt": "اختر"}, {"messages": [{"role": "user", "content": "ما"}]}])
    asked = ["generate", "--max-new-tokens", "4"]
    mine = ["--model", there[0], "--adapter", adapter, "--prompts", send(prompts, bucket), "--out", f"{bucket}/o.jsonl"]
    here = ["--model", str(base()), "--adapter", str(whole.out / "adapter"), "--prompts", str(prompts)]
    assert main([*asked, *mine]) == 0, capsys.readouterr().err
    assert main([*asked, *here, "--out", str(tmp_path / "o.jsonl")]) == 0
    assert as_path(f"{bucket}/o.jsonl").read_bytes() == (tmp_path / "o.jsonl").read_bytes()
    capsys.readouterr()
    assert main([*asked, *mine]) == 1
    assert "already exists" in capsys.readouterr().err


def test_data_and_settings_that_are_not_in_the_bucket_are_named(words, there, bucket, capsys):
    for more, said, code in (
        (["--set", f"data.records={bucket}/no.jsonl"], f"{bucket}/no.jsonl is not a file", 1),
        (["--set", f"model.path={bucket}/no"], f"{bucket}/no does not exist", 1),
        (["--config", f"{bucket}/no.toml"], f"{bucket}/no.toml cannot be read: No such file or directory", 2),
    ):
        assert main([*words, *more, "--out", f"{bucket}/run"]) == code
        shown = capsys.readouterr().err
        assert said in shown
        assert shown.count("\n") == 1
    asked = ["evaluate", "--model", there[0], "--protocol", "reasoning"]
    assert main([*asked, "--data", f"{bucket}/q", "--out", f"{bucket}/e"]) == 1
    assert capsys.readouterr().err == f"arabic-r1: {bucket}/q cannot be read: No such file or directory\n"
    assert not as_path(f"{bucket}/run").exists()
