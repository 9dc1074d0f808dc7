"""A run from start to end: what it changes and what it leaves alone, and that it may be cut off anywhere."""

import itertools
import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from arabic_r1_jax import artifacts
from arabic_r1_jax.checkpoint import peft
from arabic_r1_jax.checkpoint.load import base_sha, load
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.transformer import flat, init_adapter
from arabic_r1_jax.parallel.mesh import make_mesh
from arabic_r1_jax.train.checkpoints import Checkpoints
from arabic_r1_jax.train.loop import train
from arabic_r1_jax.train.optimizer import make_optimizer
from arabic_r1_jax.train.step import Adapted, init_state, place_batch

LORA = LoraConfig(rank=2, alpha=32.0, targets=("attention", "shared", "dense", "experts"), expert_rank=3)
CUT = 5  # the step after which a run is cut off; it has checkpoints of steps 2 and 4
STEPS = 6


class Cut(Exception):
    pass


def cutter(steps):
    """A progress callback that interrupts the run after so many steps."""
    done = itertools.count(1)

    def progress(n, **fields):
        if fields and next(done) == steps:
            raise Cut

    return progress


def stop(n, **fields):
    """A progress callback that interrupts the run before its first step."""
    raise Cut


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(got, want):
    """Same adapter, byte for byte, same log, and both whole."""
    assert (got / "adapter" / peft.WEIGHTS).read_bytes() == (want / "adapter" / peft.WEIGHTS).read_bytes()
    assert (got / "metrics.jsonl").read_bytes() == (want / "metrics.jsonl").read_bytes()
    for run in (got, want):
        assert artifacts.read_manifest(run)["kind"] == "run"


@pytest.fixture(scope="module")
def cut(settings, watching, tmp_path_factory):
    """(folder of a run that an exception ended after step 5, the batches it saw)."""
    out = tmp_path_factory.mktemp("runs") / "cut"
    with watching() as seen, pytest.raises(Cut):
        train(settings(), out, progress=cutter(CUT))
    return out, seen.batches


# ---- what a run changes


def test_every_adapter_tensor_changes(whole, base):
    cfg = load(base()).config
    lora, after = peft.load_adapter(whole.out / "adapter", cfg)
    assert [lora.rank_of(target) for target in LORA.targets] == [LORA.rank_of(target) for target in LORA.targets]
    before = init_adapter(jax.random.key(0), cfg, LORA, make_mesh())
    assert after.keys() == before.keys()
    for name, array in after.items():
        matrices = array.reshape(-1, *array.shape[-2:])  # of every layer and every expert
        changed = (matrices != np.asarray(before[name]).reshape(matrices.shape)).any((1, 2))
        assert changed.all(), (name, changed)


def test_every_frozen_tensor_stays_bit_identical(whole):
    assert len(whole.seen.frozen) == STEPS + 1
    assert len(set(whole.seen.frozen)) == 1
    assert whole.base_after == whole.base_before


def test_a_run_leaves_its_files_and_the_manifest_says_what_it_is(whole, base, settings):
    assert {path.name for path in whole.out.iterdir()} == {
        "adapter", "checkpoints", "corpus", "manifest.json", "metrics.jsonl", "run.json"
    }  # fmt: skip
    manifest = artifacts.read_manifest(whole.out)
    assert manifest["base_sha"] == base_sha(base())
    assert manifest["config"]["train"]["lr"] == settings().train.lr
    assert artifacts.read_manifest(whole.out / "adapter")["base_sha"] == base_sha(base())
    for folder in (whole.out, whole.out / "corpus", whole.out / "adapter"):
        assert artifacts.read_manifest(folder)["prefix"] == "think_nl"
    assert whole.summary["steps"] == STEPS
    assert whole.summary["adapter"] == str(whole.out / "adapter")


def test_a_run_records_the_policy_by_which_it_learns_to_open_its_thinking(whole, settings, tmp_path):
    train(settings(data__prefix="none", train__steps=1, train__warmup_steps=0), tmp_path / "run")
    for folder in (tmp_path / "run", tmp_path / "run" / "corpus", tmp_path / "run" / "adapter"):
        assert artifacts.read_manifest(folder)["prefix"] == "none"
    (learnt,), (masked,) = (
        artifacts.read_manifest(run / "corpus")["streams"][:1] for run in (tmp_path / "run", whole.out)
    )
    assert learnt["tokens"] == masked["tokens"]
    assert learnt["trained"] == masked["trained"] + 2 * masked["examples"]


def test_the_log_has_one_line_a_step_with_what_it_promises(whole, settings):
    rows = lines(whole.out)
    _, schedule = make_optimizer(STEPS, settings().train.lr, 2, 0.0, 1.0)
    for step, row in enumerate(rows, 1):
        assert set(row) == {"step", "loss", "tokens", "lr", "grad_norm", "loss_by_phase", "tokens_by_category"}
        assert row["step"] == step
        assert row["lr"] == pytest.approx(float(schedule(step - 1)), rel=1e-6)
        assert row["tokens"] == sum(row["tokens_by_category"].values()) <= 8 * 160
        assert set(row["loss_by_phase"]) == {"analysis", "elimination", "check", "synthesis", "final"}
        assert all(math.isfinite(value) for value in (row["loss"], row["grad_norm"], *row["loss_by_phase"].values()))
    assert len(rows) == STEPS
    assert rows[-1]["loss"] < rows[0]["loss"]
    seen = whole.summary["tokens_by_category"]
    assert sum(seen.values()) == sum(row["tokens"] for row in rows)
    # Four fifths of the tokens are Arabic, within one row.
    assert seen["ar.reasoning"] == pytest.approx(0.8 * sum(seen.values()), abs=160)


def test_the_adapter_is_a_peft_folder_that_gives_the_trained_model(whole, base, settings):
    names = artifacts.read_json(whole.out / "adapter" / "adapter_config.json")
    assert names["peft_type"] == "LORA"
    trained = load(base(), adapter=whole.out / "adapter", mesh=make_mesh())
    start = init_adapter(jax.random.key(0), trained.config, LORA, trained.mesh)
    optimizer, _ = make_optimizer(STEPS, 0.01, 2, 0.0, 1.0)
    checkpoints = Checkpoints(whole.out / "checkpoints")
    state, row = checkpoints.restore(init_state(start, optimizer, trained.mesh))
    checkpoints.close()
    assert (int(state.step), row) == (STEPS, STEPS * 8)
    arrays = flat(trained.state)
    for name, array in state.adapter.items():
        assert np.array_equal(arrays[name], array), name
    model = Adapted.of(trained.config, LORA, trained.mesh, trained.dtype)
    ids = np.arange(160).reshape(8, 20) + 10
    batch = {"tokens": ids, "segment_ids": np.ones_like(ids), "positions": np.tile(np.arange(20), (8, 1))}
    frozen = {name: array for name, array in arrays.items() if "lora" not in name}
    expected = np.asarray(jax.jit(model.logits)(state.adapter, frozen, place_batch(batch, trained.mesh)))
    np.testing.assert_allclose(trained(ids), expected, atol=1e-5 * np.abs(expected).max())  # two compiled programs
    assert np.abs(np.asarray(load(base())(ids)) - expected).max() > 1e-2


# ---- interruption


def test_a_resumed_run_ends_where_the_uninterrupted_one_ends(cut, whole, settings, watching, tmp_path):
    out, before = shutil.copytree(cut[0], tmp_path / "run"), cut[1]
    assert len(lines(out)) == CUT
    assert artifacts.read_manifest(out) is None
    assert not (out / "adapter").exists()
    with open(out / "metrics.jsonl", "a") as log:
        log.write('{"step": 6, "lo')  # what a kill in the middle of a line leaves
    with watching() as seen:
        train(settings(), out, resume=True)
    assert_same_run(out, whole.out)
    assert before == whole.seen.batches[:CUT]
    assert seen.batches == whole.seen.batches[4:]  # from the checkpoint of step 4


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(cut, whole, settings, watching, tmp_path):
    out = shutil.copytree(cut[0], tmp_path / "run")
    for path in (out / "checkpoints" / "4").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with watching() as seen:
        train(settings(), out, resume=True)
    assert seen.batches == whole.seen.batches[2:]
    assert_same_run(out, whole.out)


def test_a_damaged_checkpoint_is_written_anew(cut, whole, settings, watching, tmp_path):
    out = shutil.copytree(cut[0], tmp_path / "run")
    for path in (out / "checkpoints" / "4").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(Cut):
        train(settings(), out, resume=True, progress=cutter(CUT - 2))  # it starts again from step 2
    with watching() as seen:
        train(settings(), out, resume=True)
    assert seen.batches == whole.seen.batches[4:]


def test_a_run_whose_checkpoints_are_all_damaged_says_so(cut, settings, tmp_path):
    out = shutil.copytree(cut[0], tmp_path / "run")
    for path in (out / "checkpoints").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(UserError, match=r"none of the checkpoints \[2, 4\] can be read"):
        train(settings(), out, resume=True)
    assert artifacts.read_manifest(out) is None


KILLED = """
import os, pickle, signal, sys
import jax
jax.config.update("jax_num_cpu_devices", 8)
from arabic_r1_jax.train.loop import train
cfg, out = pickle.load(sys.stdin.buffer)
done = 0
def progress(n, **fields):
    global done
    done += n
    if done == 4:  # the checkpoint of step 4 is being written
        os.kill(os.getpid(), signal.SIGKILL)
train(cfg, out, progress=progress)
"""


@pytest.mark.slow
def test_a_killed_run_resumes_as_if_nothing_had_happened(whole, settings, tmp_path):
    out = tmp_path / "run"
    killed = subprocess.run([sys.executable, "-c", KILLED], input=pickle.dumps((settings(), out)), env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert artifacts.read_manifest(out) is None
    with pytest.raises(UserError, match="go on with --resume"):
        train(settings(), out)
    train(settings(), out, resume=True)
    assert_same_run(out, whole.out)


@pytest.mark.slow
def test_a_run_cut_off_before_its_first_checkpoint_starts_again(whole, settings, tmp_path):
    with pytest.raises(Cut):
        train(settings(), tmp_path / "run", progress=cutter(1))
    train(settings(), tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", whole.out)


# ---- folders


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"train__lr": 0.02}, "train.lr"),
        ({"data__prefix": "none"}, "data.prefix"),
        ({"train__steps": 7, "lora__rank": 4}, "lora.rank, train.steps"),
        ({"train__phase_weights__final": 2.0}, "train.phase_weights.final"),
        ({"mixture__categories": '{"ar.reasoning" = 1.0}'}, r"mixture.categories.ar\.reasoning"),
    ],
)
def test_a_resumed_run_keeps_its_settings(changes, named, cut, settings, files):
    before = files(cut[0])
    with pytest.raises(UserError, match=rf"other settings \({named}"):
        train(settings(**changes), cut[0], resume=True)
    assert files(cut[0]) == before


def test_a_resumed_run_keeps_its_base(cut, settings, base):
    with pytest.raises(UserError, match=r"other settings \(base_sha\)"):
        train(settings(model__path=str(base("bfloat16"))), cut[0], resume=True)


def test_a_resumed_run_keeps_its_data(cut, settings, records, tmp_path):
    out, mine = tmp_path / "run", shutil.copy(records, tmp_path / "mine.jsonl")
    cfg = settings(data__records=str(mine))
    with pytest.raises(Cut):
        train(cfg, out, progress=stop)
    mine.write_text(mine.read_text().replace("حضر", "وصل"))
    with pytest.raises(UserError, match=r"other settings \(the content of .*mine.jsonl\)"):
        train(cfg, out, resume=True)


def test_a_finished_run_is_not_run_again(whole, settings, files):
    before = files(whole.out)
    with pytest.raises(UserError, match="already holds a run; go on with --resume"):
        train(settings(), whole.out)
    assert files(whole.out) == before


def test_a_whole_run_is_left_as_it_is(whole, settings, files):
    before = files(whole.out)
    assert train(settings(), whole.out, resume=True) == whole.summary
    assert files(whole.out) == before


def test_a_run_on_a_base_that_is_no_number_stops_before_anything_is_kept(make_base, settings, tmp_path):
    base = make_base(weights=lambda name, shape: np.full(shape, np.nan if name == "lm_head.weight" else 1.0))
    with pytest.raises(UserError, match="loss is nan at step 1"):
        train(settings(model__path=str(base)), tmp_path / "run")
    assert lines(tmp_path / "run") == []
    assert not [path for path in (tmp_path / "run").iterdir() if path.name in ("adapter", "manifest.json")]


def test_a_folder_with_something_else_is_refused(settings, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    for resume in (False, True):
        with pytest.raises(UserError, match="holds no run; name another --out"):
            train(settings(), tmp_path, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


# ---- data


CHATS = [
    {"id": i, "messages": [{"role": "user", "content": f"كم {i}؟"}, {"role": "assistant", "content": f"الجواب {i}."}]}
    for i in range(40)
]
DOCUMENTS = [{"id": i, "text": f"وصل المهندسون وعددهم {i} ثم عادوا."} for i in range(40)]


@pytest.mark.parametrize(
    "rows, key, dtype", [(CHATS, "data__records", "bfloat16"), (DOCUMENTS, "data__documents", "float32")]
)
def test_conversations_or_documents_alone_train(
    rows, key, dtype, base, settings, watching, write_jsonl, files, tmp_path
):
    path = base(dtype)
    own = {"data__records": [], "model__path": str(path), "train__dtype": dtype, "train__steps": 3, "train__seq": 64}
    cfg = settings(**own | {key: [str(write_jsonl(tmp_path / "rows.jsonl", rows))]})
    before = files(path)
    with watching() as seen:
        summary = train(cfg, tmp_path / "run")
    assert set(summary["loss_by_phase"]) == {"other"}
    assert lines(tmp_path / "run")[-1]["loss"] < lines(tmp_path / "run")[0]["loss"]
    assert len(set(seen.frozen)) == 1
    assert files(path) == before
    after = load(path, adapter=tmp_path / "run" / "adapter")
    assert after.dtype == np.dtype(dtype)


def test_a_malformed_line_is_named_and_the_mended_file_trains(settings, records, tmp_path):
    out, mine = tmp_path / "run", tmp_path / "mine.jsonl"
    rows = records.read_text().splitlines()
    mine.write_text("\n".join([*rows[:16], '{"id": 17, "question": ', *rows[16:]]))
    cfg = settings(data__records=str(mine))
    with pytest.raises(UserError, match=r"mine\.jsonl: line 17 is not valid JSON") as error:
        train(cfg, out)
    assert len(str(error.value).splitlines()) == 1
    assert not out.exists()
    mine.write_text("\n".join(rows))
    with pytest.raises(Cut):
        train(cfg, out, progress=stop)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"data__records": "none.jsonl"}, r"none\.jsonl is not a file"),
        ({"data__records": []}, r"data\.records and data\.documents are both empty"),
        ({"model__path": "none"}, "none does not exist"),
        ({"mesh__expert": 9}, "needs 9 devices"),
    ],
)
def test_a_run_that_cannot_start_leaves_nothing(changes, said, settings, tmp_path):
    with pytest.raises(UserError, match=said):
        train(settings(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"train__seq": 40}, r"takes \d+ tokens and a row holds 40"),
        ({"mixture__categories": '{"ar.poems" = 1.0}'}, r"the data holds no ar\.poems"),
    ],
)
def test_a_run_that_its_data_do_not_fit_leaves_the_corpus_for_the_next(changes, said, settings, files, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(UserError, match=said):
        train(settings(**changes), out)
    built = files(out)
    assert {path.name for path in out.iterdir()} == {"corpus"}
    with pytest.raises(Cut):
        train(settings(), out, progress=stop)
    assert built.items() <= files(out).items()


def test_a_base_without_a_tokenizer_is_refused(settings, base, tmp_path):
    bare = shutil.copytree(base(), tmp_path / "bare")
    (bare / "tokenizer.model").unlink()
    with pytest.raises(UserError, match=r"has no tokenizer\.json or tokenizer\.model"):
        train(settings(model__path=str(bare)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
