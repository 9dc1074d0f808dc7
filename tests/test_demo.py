"""The demo runs every part of the package, on a tiny base and a few steps, and comes out the same again."""

import json
import random
import re
from collections import Counter

import numpy as np
import pytest

from arabic_r1_jax import artifacts, demo
from arabic_r1_jax.checkpoint.load import load
from arabic_r1_jax.config import load_run_config
from arabic_r1_jax.data.tokenizers import load_tokenizer
from arabic_r1_jax.distill.curriculum import FAMILIES
from arabic_r1_jax.distill.words import lexicon
from arabic_r1_jax.errors import UserError

HELD_OUT = 4
SMALL = ["train.steps=4", "train.batch=8", "train.seq=320", "train.save_every=4", "lora.rank=2", "lora.expert_rank=2"]


@pytest.fixture(scope="module")
def parrot(make_base, phrase_tokenizer):
    """A base that answers ب after every chat prompt: its layers add next to nothing, so each token decides the next."""
    tok = load_tokenizer(phrase_tokenizer)
    chain = [*tok.encode("\n"), tok.end_think_id, *tok.encode("الإجابة: ب"), tok.eos_id]
    assert len(chain) == 5

    draw = np.random.default_rng(0)

    def weights(name, shape):
        array = draw.normal(0, 0.03, shape) + ("norm" in name)
        if name == "model.embed_tokens.weight":
            array[chain] = np.eye(len(chain), shape[1])
        if name == "lm_head.weight":
            array[chain[1:]] += 4 * np.eye(len(chain) - 1, shape[1])
        return array

    return make_base(weights=weights)


@pytest.fixture(scope="module")
def small(parrot):
    """The demo with a tiny base, a few questions and a few steps of its own configuration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "BASE", parrot)
        patch.setattr(demo, "HELD_OUT", HELD_OUT)
        patch.setattr(demo, "RECORDS", 30)
        patch.setattr(demo, "DOCUMENTS", 20)
        patch.setattr(demo, "MAX_NEW_TOKENS", 12)
        patch.setattr(demo, "load_run_config", lambda path, words: load_run_config(path, [*words, *SMALL]))
        yield


@pytest.fixture(scope="module")
def done(small, tmp_path_factory):
    """(the folder of a demo, its summary)."""
    out = tmp_path_factory.mktemp("demo") / "out"
    return out, demo.run(out)


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_demo_leaves_what_it_promises(done):
    out, summary = done
    assert json.loads((out / "summary.json").read_text(encoding="utf-8")) == summary
    kinds = {name: artifacts.read_manifest(out / name)["kind"] for name in ("orbax", "data", "before", "run", "after")}
    assert kinds == {"orbax": "orbax", "data": "records", "before": "evaluation", "run": "run", "after": "evaluation"}
    assert artifacts.read_manifest(out)["kind"] == "demo"
    assert {*summary} >= {"heldout_before", "heldout_after", "families", "seconds", "outputs"}
    assert {*summary["outputs"]} == {"base", "orbax", "adapter", "merged"}
    assert [*summary["seconds"]] == ["convert", "write data", "evaluate before", "train", "evaluate after", "merge"]


def test_the_summary_holds_the_figures_of_the_evaluations(done):
    out, summary = done
    before, after = (artifacts.read_json(out / name / "results.json") for name in ("before", "after"))
    assert (summary["heldout_before"], summary["heldout_after"]) == (before["accuracy"], after["accuracy"])
    assert {*summary["families"]} == {*FAMILIES}
    for name, family in summary["families"].items():
        assert family["n"] == HELD_OUT
        for score, results in ((family["before"], before), (family["after"], after)):
            assert score["accuracy"] == results["tasks"][name]["accuracy"]
            assert score["ci95"][0] <= score["accuracy"] <= score["ci95"][1]
            assert score["parse_failures"] == results["tasks"][name]["parse_failures"]
    assert summary["all"]["n"] == HELD_OUT * len(FAMILIES)


def test_a_base_that_always_says_one_label_is_at_chance(done):
    _, summary = done
    for name, family in summary["families"].items():
        before = family["before"]
        assert (before["accuracy"], before["parse_failures"]) == (0.25, 0), name


def test_tokens_keep_to_the_mixture_that_was_asked_for(done):
    _, summary = done
    tokens = summary["tokens"]
    assert {*tokens} == {"ar.reasoning", "ar.text", "en.reasoning", "en.text"}
    assert sum(row["asked"] for row in tokens.values()) == pytest.approx(1, abs=1e-3)
    assert sum(row["asked"] for name, row in tokens.items() if name.startswith("ar")) == pytest.approx(0.8, abs=1e-3)
    total = sum(row["tokens"] for row in tokens.values())
    for row in tokens.values():
        assert row["share"] == pytest.approx(row["tokens"] / total, abs=1e-4)
        assert abs(row["tokens"] - row["asked"] * total) <= 320  # one row
    assert {*summary["loss_by_phase"]} >= {"analysis", "elimination", "check", "synthesis", "final"}


def test_the_merged_model_is_the_base_with_the_adapter(done):
    out, summary = done
    adapted, merged = load(out / "orbax", adapter=summary["outputs"]["adapter"]), load(summary["outputs"]["merged"])
    ids = np.random.default_rng(0).integers(0, 640, (2, 16))
    expected = np.asarray(adapted(ids))
    np.testing.assert_allclose(merged(ids), expected, atol=2e-4)
    assert np.abs(np.asarray(load(out / "base")(ids)) - expected).max() > 1e-3


def test_held_out_words_and_training_data_do_not_meet(done):
    out, _ = done
    hidden = {word for words in lexicon(held_out=True) for word in words}
    texts = [row["text"] for row in rows(out / "data" / "text.jsonl")]
    assert not hidden & set(re.findall(r"\w+", " ".join(texts)))
    train = {(row["question"], frozenset(row["options"])) for row in rows(out / "data" / "train.jsonl")}
    asked = [(row["question"], frozenset(row["options"])) for row in rows(out / "data" / "heldout.jsonl")]
    assert len({*asked}) == len(asked)
    assert not train & {*asked}


def test_gold_positions_are_balanced(done):
    out, _ = done
    for name in ("train", "heldout"):
        places = Counter((row["family"], row["answer"]) for row in rows(out / "data" / f"{name}.jsonl"))
        by_family = {family: [places[family, place] for place in range(4)] for family in FAMILIES}
        assert all(max(counts) - min(counts) <= 1 for counts in by_family.values()), (name, by_family)


def test_the_example_is_a_question_with_what_the_model_wrote(done):
    out, summary = done
    example = summary["example"]
    written = {item["completion"]: item for item in rows(out / "after" / "items.jsonl")}
    item = written[example["completion"]]
    assert item["correct"] == any(row["correct"] for row in written.values())
    assert example["prompt"].endswith("الإجابة:")
    assert example["gold"] in "أبجدABCD"


def test_a_person_is_shown_every_figure(done, capsys):
    _, summary = done
    demo.show(summary)
    shown = capsys.readouterr().out
    for text in (
        *FAMILIES,
        "ar.reasoning",
        "elimination",
        "evaluate after",
        "merged",
        f"{summary['heldout_after']:.3f}",
    ):
        assert text in shown


def test_a_second_run_into_the_folder_gives_the_same(done):
    out, first = done
    before = [rows(out / name / "items.jsonl") for name in ("before", "after")]
    adapter = artifacts.sha256(out / "run" / "adapter" / "adapter_model.safetensors")
    second = demo.run(out)
    assert [rows(out / name / "items.jsonl") for name in ("before", "after")] == before
    assert artifacts.sha256(out / "run" / "adapter" / "adapter_model.safetensors") == adapter
    varying = {"seconds"}
    assert {k: v for k, v in second.items() if k not in varying} == {k: v for k, v in first.items() if k not in varying}


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="holds no demo; name another --out"):
        demo.run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_an_interrupted_demo_left_is_made_anew(small, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "write_data", interrupt)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            demo.run(tmp_path / "out")
        assert artifacts.read_manifest(tmp_path / "out") is None


def test_plain_text_depends_on_the_seed_alone():
    first, again, other = (demo._plain_text(lambda rng: f"{rng.random()}.", random.Random(seed)) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.slow
def test_a_demo_in_a_bucket_scores_as_one_here_and_is_made_anew(small, done, bucket):
    timed = ("seconds", "outputs")
    for _ in range(2):
        summary = demo.run(bucket)
        assert {key: summary[key] for key in summary if key not in timed} == {
            key: done[1][key] for key in done[1] if key not in timed
        }
        assert summary["outputs"]["merged"] == f"{bucket}/merged"
        assert artifacts.read_manifest(bucket)["kind"] == "demo"
