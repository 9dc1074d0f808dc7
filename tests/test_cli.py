"""The command line as a person meets it: help, mistakes, and every verb once on a tiny model."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from arabic_r1_jax import cli
from arabic_r1_jax.checkpoint import hf, shards, views, weight_map
from arabic_r1_jax.data import tokenizers
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.config import ModelConfig
from arabic_r1_jax.verbs import VERBS

CHATS = [
    {"id": i, "messages": [{"role": "user", "content": f"كم {i}؟"}, {"role": "assistant", "content": f"الجواب {i}."}]}
    for i in range(12)
]
QUESTIONS = [
    {"id": str(i), "question": f"ما {i}؟", "options": ["أول", "ثان", "ثالث"], "answer": i % 3, "subject": "عدد"}
    for i in range(5)
]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory, hf_config):
    """A folder with model/ (Hugging Face form, random weights), chats.jsonl, questions.jsonl and prompts.jsonl."""
    folder = tmp_path_factory.mktemp("cli")
    model = folder / "model"
    model.mkdir()
    random, config = np.random.default_rng(0), hf_config(vocab_size=300)
    tensors = {
        name: random.normal(0, 0.3, entry.part).astype(np.float32)
        for entry in weight_map.entries(ModelConfig.from_hf(config)).values()
        for _, name in entry.tensors()
    }
    hf.write_weights(model, shards.specs_of(tensors), tensors.__getitem__)
    (model / "config.json").write_text(json.dumps(config))
    lines = [message["content"] for row in CHATS for message in row["messages"]]
    lines += ["حضر المعلمون ورأيت المعلمين والمعلمات.", "كتب الطالب الدرس ثم قرأه الطالب على المعلم."] * 3
    tokenizers.train_sentencepiece(lines, model / "tokenizer.model", vocab_size=300, symbols=["الجواب "])
    write_jsonl(folder / "chats.jsonl", CHATS)
    write_jsonl(folder / "questions.jsonl", QUESTIONS)
    write_jsonl(folder / "prompts.jsonl", [{"id": "a", "prompt": "كم"}, {"messages": CHATS[0]["messages"][:1]}])
    return folder


def run(capsys, *words) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def run_json(capsys, *words) -> dict:
    code, out, err = run(capsys, *words, "--json")
    assert code == 0, err
    (line,) = out.splitlines()
    return json.loads(line)


# ---- help and mistakes


def test_help_answers_at_once():
    def used() -> float:  # processor time of children: what a busy machine does not stretch
        times = os.times()
        return times.children_user + times.children_system

    before = used()
    done = subprocess.run([sys.executable, "-m", "arabic_r1_jax", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(name in done.stdout for name in VERBS)
    assert used() - before < 0.3


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main([*name.split(), "--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert VERBS[name].example in shown
    assert "--json" in shown


@pytest.mark.parametrize("name", VERBS)
def test_every_example_is_a_command_that_parses(name):
    found, rest = cli.find_verb(VERBS[name].example.split()[1:])
    assert found == name
    assert cli.parse(name, rest)


def test_a_group_of_verbs_lists_its_own(capsys):
    code, out, _ = run(capsys, "convert", "--help")
    assert code == 0
    assert "convert merge" in out
    assert "evaluate" not in out


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "a verb is needed, one of: demo, convert hf-to-orbax"),
        (["trian"], "unknown verb trian; did you mean train?"),
        (["convert"], "a verb is needed, one of: convert hf-to-orbax"),
        (["convert", "merg", "a"], "unknown verb convert merg; did you mean convert merge?"),
        (["train"], "the following arguments are required: --out; see arabic-r1 train --help"),
        (["train", "--out", "x", "--stpes", "3"], "unrecognized arguments: --stpes 3"),
        (["train", "--out", "x", "--set", "train.stpes=3"], "did you mean train.steps?"),
        (["train", "--out", "x", "--config", "none.toml"], "none.toml cannot be read: No such file or directory"),
        (["train", "--out", "x"], "model.path is missing"),
        (["convert", "hf-to-orbax", "a", "b", "--dtype", "fp4"], "invalid choice: 'fp4'"),
        (["generate", "--model", "m"], "name both --prompts and --out"),
        (["generate", "--model", "m", "--chat", "--json"], "leave out --prompts, --out and --json"),
        (["generate", "--model", "m", "--temperature", "-1"], "'-1' is not a number from 0 to 100"),
        (["evaluate", "--model", "m", "--limit", "none"], "'none' is not an integer from 1 to"),
    ],
)
def test_a_command_that_is_wrong_is_one_line_and_exit_code_2(words, said, capsys):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert out == "" or json.loads(out)["error"] in err


@pytest.mark.parametrize(
    "words, said",
    [
        (["convert", "hf-to-orbax", "none", "OUT"], "none"),
        (["convert", "orbax-to-hf", "model", "OUT"], "model"),
        (["train", "--set", "model.path=none", "--set", "data.records=chats.jsonl", "--out", "OUT"], "none"),
        (["train", "--set", "model.path=model", "--set", "data.records=none.jsonl", "--out", "OUT"], "none.jsonl"),
        (["train", "--set", "model.path=model", "--set", "data.records=bad.jsonl", "--out", "OUT"], "line 17"),
        (["train", "--set", "model.path=model", "--out", "OUT"], "data.records"),
        (["generate", "--model", "model", "--prompts", "none.jsonl", "--out", "OUT"], "none.jsonl"),
        (["generate", "--model", "model", "--prompts", "bad.jsonl", "--out", "OUT"], "line 17"),
        (["generate", "--model", "none", "--prompts", "prompts.jsonl", "--out", "OUT"], "none"),
        (["generate", "--model", "none", "--prompts", "prompts.jsonl", "--out", "bad.jsonl/o.jsonl"], "bad.jsonl: "),
        (["evaluate", "--model", "model", "--data", "bad.jsonl", "--protocol", "reasoning", "--out", "OUT"], "line 17"),
        (
            ["evaluate", "--model", "none", "--data", "questions.jsonl", "--protocol", "reasoning", "--out", "OUT"],
            "none",
        ),
        (
            ["evaluate", "--model", "none", "--data", "questions.jsonl", "--protocol", "reasoning", "--out", "model"],
            "model already exists",
        ),
    ],
)
def test_wrong_inputs_are_one_line_and_leave_nothing_that_looks_whole(words, said, files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    rows = QUESTIONS if "evaluate" in words else CHATS if "train" in words else [{"prompt": "كم"}]
    (files / "bad.jsonl").write_text("".join(json.dumps(rows[0]) + "\n" for _ in range(16)) + '{"id": \n')
    code, out, err = run(capsys, *words, "--json")
    line = err.splitlines()[-1]
    assert code == 1, err
    assert said in line
    assert "Traceback" not in err
    assert json.loads(out) == {"error": line.removeprefix("arabic-r1: ")}
    assert not (files / "OUT" / "manifest.json").exists()
    assert not (files / "OUT").is_file()
    shutil.rmtree(files / "OUT", ignore_errors=True)


def fails(error):
    def options(parser):
        pass

    def raise_it(_):
        print("noise of a library")
        raise error

    return cli.Verb("fail", "arabic-r1 demo", options, raise_it, lambda _: None, again="do it again")


@pytest.mark.parametrize(
    "error, code, said",
    [
        (UserError("no such\nmodel"), 1, "arabic-r1: no such model"),
        (PermissionError(13, "Permission denied", "/out"), 1, "arabic-r1: /out: Permission denied"),
        (OSError(28, "No space left on device"), 1, "arabic-r1: No space left on device"),
        (KeyboardInterrupt(), 130, "arabic-r1: interrupted; do it again"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(error, code, said, capsys, monkeypatch):
    monkeypatch.setitem(VERBS, "demo", fails(error))
    assert run(capsys, "demo") == (code, "noise of a library\n", said + "\n")
    got, out, _ = run(capsys, "demo", "--json")
    assert got == code
    assert "error" in json.loads(out)


def test_a_bug_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setitem(VERBS, "demo", fails(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["demo"])


# ---- every verb, on a tiny model


def test_weights_go_to_orbax_and_back(files, capsys, tmp_path):
    done = run_json(capsys, "convert", "hf-to-orbax", files / "model", tmp_path / "orbax")
    assert done["kind"] == "orbax"
    assert done["out"] == str(tmp_path / "orbax")
    code, out, _ = run(capsys, "convert", "orbax-to-hf", tmp_path / "orbax", tmp_path / "hf")
    assert code == 0
    assert f"{done['bytes']:,} bytes" in out
    before, after = (hf.open_folder(folder) for folder in (files / "model", tmp_path / "hf"))
    assert before.specs == after.specs
    code, _, err = run(capsys, "convert", "orbax-to-hf", tmp_path / "orbax", tmp_path / "hf")
    assert code == 1
    assert "already exists" in err


@pytest.fixture(scope="module")
def trained(files):
    """A run of two steps."""
    words = ["--set", f"model.path={files / 'model'}", "--set", f"data.records={files / 'chats.jsonl'}"]
    small = ["train.steps=2", "train.batch=8", "train.seq=64", "train.save_every=1", "mesh.cpu_devices=8"]
    for word in small:
        words += ["--set", word]
    words += ["--out", str(files / "run")]
    assert cli.main(["train", *words]) == 0
    return words


def test_a_run_leaves_its_files_and_resumes(trained, files, capsys):
    assert len((files / "run/metrics.jsonl").read_text().splitlines()) == 2
    assert (files / "run/adapter/adapter_config.json").is_file()
    before = {path: path.stat().st_mtime_ns for path in (files / "run").rglob("*")}
    again = run_json(capsys, "train", *trained, "--resume")
    assert again["steps"] == 2
    assert {path: path.stat().st_mtime_ns for path in (files / "run").rglob("*")} == before  # it was whole
    code, _, err = run(capsys, "train", *trained)
    assert code == 1
    assert "--resume" in err


def test_a_loss_that_is_no_number_ends_the_run(files, capsys, tmp_path):
    source = hf.open_folder(files / "model")
    broken = shutil.copytree(files / "model", tmp_path / "broken")
    hf.write_weights(broken, source.specs, lambda name: source.read(name) * np.float32("nan"))
    words = ["--set", f"model.path={broken}", "--set", f"data.records={files / 'chats.jsonl'}", "--set", "train.seq=64"]
    code, _, err = run(capsys, "train", *words, "--set", "mesh.cpu_devices=8", "--out", tmp_path / "run")
    assert code == 1
    assert "loss is nan at step 1" in err.splitlines()[-1]
    assert (tmp_path / "run/metrics.jsonl").read_text() == ""
    assert not (tmp_path / "run/adapter").exists()


def test_an_fp8_base_trains_answers_and_merges(files, capsys, tmp_path):
    source = hf.open_folder(files / "model")
    quantised = views.quantised(source, ModelConfig.from_hf(source.config))
    base = tmp_path / "fp8"
    base.mkdir()
    hf.write_weights(base, quantised.specs, quantised.read)
    hf.write_config(quantised, base)
    shutil.copy(files / "model/tokenizer.model", base)
    words = ["--set", f"data.records={files / 'chats.jsonl'}", "--set", "train.steps=2", "--set", "train.seq=64"]
    words += [
        "--set",
        'lora.targets=["attention", "experts"]',
        "--set",
        "mesh.cpu_devices=8",
        "--out",
        tmp_path / "run",
    ]
    assert run(capsys, "train", "--set", f"model.path={base}", *words)[0] == 0
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 2
    assert all(np.isfinite(losses))
    adapter = tmp_path / "run/adapter"
    asked = ["--prompts", files / "prompts.jsonl", "--out", tmp_path / "o.jsonl", "--max-new-tokens", 3]
    assert run_json(capsys, "generate", "--model", base, "--adapter", adapter, *asked)["n"] == 2
    done = run_json(capsys, "convert", "merge", base, adapter, tmp_path / "merged", "--dtype", "fp8")
    assert done["tensors"] == len(quantised.specs)


def test_an_adapter_merges(trained, files, capsys, tmp_path):
    done = run_json(capsys, "convert", "merge", files / "model", files / "run/adapter", tmp_path / "merged")
    assert done["kind"] == "hf"
    assert (tmp_path / "merged/tokenizer.model").is_file()


def test_prompts_become_completions_in_order(trained, files, capsys, tmp_path):
    model = ["--model", files / "model", "--adapter", files / "run/adapter", "--max-new-tokens", 5]
    out = tmp_path / "new" / "o.jsonl"
    done = run_json(capsys, "generate", *model, "--prompts", files / "prompts.jsonl", "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["a", 2]
    assert all(set(row) == {"id", "completion", "finish_reason"} for row in rows)
    assert (done["n"], done["prefix"]) == (2, "think_nl")
    code, _, err = run(capsys, "generate", *model, "--prompts", files / "prompts.jsonl", "--out", out)
    assert code == 1
    assert "already exists" in err


def test_an_adapter_is_asked_by_the_policy_that_it_records(trained, files, capsys, tmp_path):
    adapter = shutil.copytree(files / "run/adapter", tmp_path / "adapter")
    manifest = json.loads((adapter / "manifest.json").read_text())
    (adapter / "manifest.json").write_text(json.dumps({**manifest, "prefix": "none"}))
    words = ["--model", files / "model", "--adapter", adapter, "--max-new-tokens", 4]
    ask = ["evaluate", *words, "--data", files / "questions.jsonl", "--limit", 2, "--protocol", "reasoning", "--out"]
    assert run_json(capsys, *ask, tmp_path / "a")["prefix"] == "none"
    assert run_json(capsys, *ask, tmp_path / "b", "--prefix", "think_nl")["prefix"] == "think_nl"
    write = ["generate", *words, "--prompts", files / "prompts.jsonl", "--out", tmp_path / "o.jsonl"]
    assert run_json(capsys, *write)["prefix"] == "none"


def test_chat_answers_what_is_typed(files, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("كم 3؟\n\nكم 4؟\n"))
    code, _, err = run(capsys, "generate", "--model", files / "model", "--chat", "--max-new-tokens", 4)
    assert code == 0
    assert err.count("> ") == 4


@pytest.mark.parametrize("protocol", ["loglikelihood", "reasoning"])
def test_questions_become_a_score_with_its_interval(protocol, files, capsys, tmp_path):
    words = ["--model", files / "model", "--data", files / "questions.jsonl", "--max-new-tokens", 4, "--limit", 4]
    out = tmp_path / "scores"
    results = run_json(capsys, "evaluate", *words, "--protocol", protocol, "--out", out)
    assert results["n"] == 4
    assert results["ci95"][0] <= results["accuracy"] <= results["ci95"][1]
    assert results == {**json.loads((out / "results.json").read_text()), "out": str(out)}
    code, shown, _ = run(capsys, "evaluate", *words, "--protocol", protocol, "--out", tmp_path / "more")
    assert code == 0
    assert "95% interval" in shown


def test_arabic_is_checked_and_each_finding_stands_on_its_line(capsys, tmp_path):
    (tmp_path / "essay.txt").write_text("عدنا إلى البيت.\nعدنا إلى هذا المدرسة أمس.\n", encoding="utf-8")
    assert cli.main(["check", str(tmp_path / "essay.txt")]) == 0
    shown = capsys.readouterr().out
    assert f"{tmp_path / 'essay.txt'}:2:10 agreement.demonstrative" in shown
    assert "«هذا المدرسة» ← «هذه المدرسة»" in shown
    assert "1 of 2 sentences flagged: 50.00%" in shown
    assert cli.main(["check", str(tmp_path / "essay.txt"), "--json"]) == 0
    assert [found["line"] for found in json.loads(capsys.readouterr().out)["findings"]] == [2]


def test_arabic_is_checked_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("عدنا إلى هذا المدرسة أمس.".encode())))
    assert cli.main(["check", "-", "--json"]) == 0
    assert [found["where"] for found in json.loads(capsys.readouterr().out)["findings"]] == ["stdin"]
