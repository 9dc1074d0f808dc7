import contextlib
import dataclasses
import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arabic_r1_jax import config, settings
from arabic_r1_jax.config import RunConfig, load_run_config
from arabic_r1_jax.errors import UsageError

BASE = "model.path=base"


def refused(path, *words) -> str:
    """The message of the `UsageError` that these settings raise; it must be one line."""
    with pytest.raises(UsageError) as caught:
        load_run_config(path, [BASE, *words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "run.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_every_setting_of_a_file_arrives_in_its_type(toml):
    path = toml("""
        model.path = "base"
        data = {records = ["a.jsonl", "b.jsonl"], documents = "c.jsonl", prefix = "none"}
        mixture.categories = {"ar.reasoning" = 9, "ar.text" = 1.5}
        lora = {rank = 4, alpha = 8, targets = ["experts"], expert_rank = 2}
        [train]
        steps = 10
        lr = 1e-3
        phase_weights.check = 0.5
        [mesh]
        expert = 8
    """)
    cfg = load_run_config(path)
    assert cfg.data == config.DataSection(("a.jsonl", "b.jsonl"), ("c.jsonl",), "none")
    assert cfg.mixture == config.MixtureSection(0.8, {"ar.reasoning": 9.0, "ar.text": 1.5})
    assert cfg.lora == config.LoraSection(4, 8.0, ("experts",), 2)
    assert (cfg.train.steps, cfg.train.lr, cfg.train.batch) == (10, 1e-3, config.TrainSection().batch)
    assert cfg.train.phase_weights == config.PhaseWeights(check=0.5)
    assert cfg.mesh == config.MeshSection(1, 8, None)
    assert isinstance(cfg.lora.alpha, float)


def test_the_command_line_wins_over_the_file_and_the_last_word_over_the_first(toml):
    path = toml("[train]\nsteps = 10\nseed = 3\n[mixture.categories]\nar.text = 1\n")
    words = ["train.steps=20", "train.steps=30", "mixture.categories.ar.reasoning=4", "train.phase_weights={final = 2}"]
    cfg = load_run_config(path, [BASE, *words])
    assert (cfg.train.steps, cfg.train.seed, cfg.train.phase_weights.final) == (30, 3, 2.0)
    assert cfg.mixture.categories == {"ar.text": 1.0, "ar.reasoning": 4.0}


@pytest.mark.parametrize(
    "word, expected",
    [
        ("data.records=a.jsonl", ("a.jsonl",)),
        ("data.records=a.jsonl,b.jsonl", ("a.jsonl", "b.jsonl")),
        ('data.records="a,b.jsonl"', ("a,b.jsonl",)),
        ('data.records=["a,b.jsonl", "c"]', ("a,b.jsonl", "c")),
        ("data.records=2024", ("2024",)),
        ("data.records=بيانات/أسئلة.jsonl", ("بيانات/أسئلة.jsonl",)),
        ("data.records=", ()),
    ],
)
def test_a_list_of_files_needs_no_quotes_on_the_command_line(word, expected):
    assert load_run_config(None, [BASE, word]).data.records == expected


@pytest.mark.parametrize("name", ["2024", "true", "C:\\models", "a = b", "نموذج"])
def test_a_folder_may_have_any_name(name):
    assert load_run_config(None, [f"model.path={name}"]).model.path == name


@pytest.mark.parametrize(
    "word, said",
    [
        ("train.bacth=3", "unknown key train.bacth; did you mean train.batch?"),
        ("steps=3", "unknown key steps; did you mean train.steps?"),
        ("lora.rnak=3", "unknown key lora.rnak; did you mean lora.rank?"),
        ("train.phase_weights.anaylsis=1", "did you mean train.phase_weights.analysis?"),
        ("train..lr=1", "unknown key train."),
        ("train=3", "train is a table of settings, such as train.steps"),
        ("train.steps=0", "train.steps must be an integer of at least 1 and at most 10,000,000, not 0"),
        ("train.steps=1.0", "must be an integer"),
        ("train.steps=true", "must be an integer"),
        ("train.steps=many", 'not "many"'),
        ("train.lr=0", "train.lr must be a number above 0 and at most 1, not 0"),
        ("train.lr=nan", "must be a number above 0"),
        ("train.lr=inf", "must be a number above 0"),
        ("train.lr.x=1", "must be a number above 0"),
        ("mixture.ar=1.5", "mixture.ar must be a number of at least 0 and at most 1, not 1.5"),
        ("mixture.categories=3", "must be a table of numbers of at least 0"),
        ("mixture.categories.ar.text=-1", "must be a table of numbers of at least 0"),
        ("mixture.categories.ar.text=much", "must be a table of numbers of at least 0"),
        ("lora.targets=attention,mlp", "out of attention, shared, dense, experts"),
        ("lora.targets=[1]", "must be a string or a list of strings"),
        ("train.dtype=fp8", 'train.dtype must be a string out of bfloat16, float32, not "fp8"'),
        ("data.prefix=think", 'data.prefix must be a string out of none, think_nl, not "think"'),
        ("mesh.cpu_devices=0", "mesh.cpu_devices must be an integer of at least 1 and at most 1,024, not 0"),
        ("train.steps", "write it as section.key=value"),
        ("=3", "write it as section.key=value"),
    ],
)
def test_a_wrong_word_is_one_line_naming_it_the_key_and_what_is_allowed(word, said):
    message = refused(None, word)
    assert message.startswith(f"--set {word}: ")
    assert said in message


def test_a_word_sets_one_key_and_cannot_smuggle_in_a_second():
    with pytest.raises(UsageError, match=r"train\.steps must be an integer"):
        load_run_config(None, [BASE, "train.steps=1\nlora.rank = 2"])


@pytest.mark.parametrize(
    "text, said",
    [
        ("[train]\nstpes = 3", "unknown key train.stpes; did you mean train.steps?"),
        ("[trian]\nsteps = 3", "unknown key trian; did you mean train."),
        (
            "[train]\nsteps = 1979-05-27",
            'train.steps must be an integer of at least 1 and at most 10,000,000, not "1979',
        ),
        ("[train]\nsteps = [1]", "must be an integer"),
        ('[train]\nlr = "0.1"', 'must be a number above 0 and at most 1, not "0.1"'),
        ("[[train]]\nsteps = 3", "train is a table of settings"),
        ("[train\nsteps = 3", "is not valid TOML"),
        ("[train]\nsteps = 3\nsteps = 4", "is not valid TOML"),
        (b"\xff\xfe", "is not valid TOML: it is not UTF-8 text"),
        ("\x00", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_one_line_naming_it(toml, text, said):
    path = toml(text)
    message = refused(path)
    assert message.startswith(str(path))
    assert said in message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert refused(tmp_path / "none.toml") == f"{tmp_path / 'none.toml'} cannot be read: No such file or directory"
    assert refused(tmp_path).startswith(f"{tmp_path} cannot be read: ")


def test_a_run_without_a_model_or_targets_is_refused(toml):
    with pytest.raises(UsageError, match=r"model\.path is missing .*; add --set model\.path="):
        load_run_config(None)
    assert "lora.targets is missing" in refused(toml("[lora]\ntargets = []"))


def test_a_byte_order_mark_is_no_part_of_a_file(toml):
    assert load_run_config(toml(b"\xef\xbb\xbf[train]\nsteps = 7"), [BASE]).train.steps == 7


@given(st.text(), st.text())
def test_no_word_raises_anything_but_a_usage_error(key, value):
    with contextlib.suppress(UsageError):
        load_run_config(None, [BASE, f"{key}={value}"])


@given(st.sampled_from(sorted(settings.leaves(RunConfig))), st.text() | st.integers().map(str) | st.floats().map(str))
def test_no_value_of_a_known_key_raises_anything_but_a_usage_error(key, value):
    try:
        cfg = load_run_config(None, [BASE, f"{key}={value}"])
    except UsageError:
        return
    assert isinstance(cfg, RunConfig)


def test_every_setting_has_an_allowed_default_a_meaning_and_a_kind():
    for key, item in settings.leaves(RunConfig).items():
        assert item.metadata["meaning"], key
        assert item.type in settings.KINDS, key
        value = tomllib.loads(f"v = {settings.default(item) or '0'}")["v"] if item.type != dict[str, float] else {}
        if settings.default(item) and not item.metadata["allowed"].required:
            path = key.split(".")
            table = {path[-1]: value}
            for name in reversed(path[:-1]):
                table = {name: table}
            assert dict(settings._walk(RunConfig, table, "defaults"))


@pytest.mark.parametrize("path", sorted(config.packaged(config.DEFAULT).parent.glob("*.toml")), ids=lambda p: p.name)
def test_the_packaged_configs_are_valid(path):
    assert load_run_config(path, [BASE]).model.path == "base"


def test_a_config_is_frozen_and_a_manifest_can_hold_it():
    cfg = load_run_config(None, [BASE])
    with pytest.raises(dataclasses.FrozenInstanceError):
        cfg.train.steps = 3
    assert json.loads(json.dumps(dataclasses.asdict(cfg)))["model"] == {"path": "base"}
