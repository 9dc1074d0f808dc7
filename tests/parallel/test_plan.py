"""What `plan` says follows from shapes and from the compiler; nonsense is refused before anything is compiled."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arabic_r1_jax.cli import main
from arabic_r1_jax.errors import UserError
from arabic_r1_jax.model.lora import LoraConfig
from arabic_r1_jax.model.published import published
from arabic_r1_jax.model.remat import Remat
from arabic_r1_jax.parallel import plan as plans
from arabic_r1_jax.parallel.collectives import collective_bytes
from arabic_r1_jax.parallel.roofline import step_flops
from arabic_r1_jax.parallel.topology import OFFLINE, parse

has_libtpu = pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu compiles, and is not here")


@pytest.mark.parametrize(
    "name, chips, devices", [("v5p:2x2x2", 8, 8), ("tpu7x:2x2x1", 4, 8), ("V6E:4x8", 32, 32), ("h100x8", 8, 8)]
)
def test_names_tell_chips_and_devices(name, chips, devices):
    topology = parse(name)
    assert (topology.chips, topology.devices) == (chips, devices)


@pytest.mark.parametrize("name", ["v5p", "v5p:3x3x3", "v5p-16", "h100x7", "a100x8", "", "v5p:2x2x2x2", "x8"])
def test_an_unknown_topology_is_refused(name):
    with pytest.raises(UserError, match="topology"):
        parse(name)


def test_r1_multiplies_37_billion_parameters_for_a_token():
    """DeepSeek-V3 report: 37B parameters are active. Three products of two operations each, and attention."""
    cfg = published("deepseek-r1")
    flops = step_flops(cfg, LoraConfig(1, targets=("attention",)), 128, "train") / 128
    assert flops / 6 == pytest.approx(37e9, rel=0.02)


def test_decoding_costs_a_third_of_training_and_the_cache():
    cfg, lora = published("deepseek-v2-lite"), LoraConfig(1, targets=("dense",))
    assert step_flops(cfg, lora, 128, "decode") == pytest.approx(
        step_flops(cfg, lora, 128, "train") / 3 / 128, rel=0.05
    )
    longer = step_flops(cfg, lora, 8192, "decode") - step_flops(cfg, lora, 4096, "decode")
    assert longer == 2 * 27 * 16 * 4096 * (2 * 512 + 64)


def test_a_remat_period_above_1_costs_another_forward_pass_and_0_saves_one():
    cfg, lora = published("deepseek-r1"), LoraConfig(1, targets=("attention",))
    none, one, two, more = (step_flops(cfg, lora, 128, "train", period) for period in (0, 1, 2, 29))
    assert (none / one, two / one, more / two) == pytest.approx((2 / 3, 4 / 3, 1), rel=0.01)


TEXT = """
HloModule jit_step

%region_body (p: (s32[], bf16[8,16])) -> (s32[], bf16[8,16]) {
  %all-gather.1 = bf16[8,16]{1,0} all-gather(%x), dimensions={0}
  %while.2 = (s32[], f32[4]) while(%t), condition=%dynamic, body=%inner
}

%region_condition (p: (s32[], bf16[8,16])) -> pred[] {
  %constant.3 = s32[]{:T(128)} constant(58)
  ROOT %compare.4 = pred[] fusion(%a, %constant.3), kind=kLoop, calls=%compared
}

%compared (p: s32[], q: s32[]) -> pred[] {
  ROOT %lt = pred[] compare(%p, %q), direction=LT
}

%inner (p: (s32[], f32[4])) -> (s32[], f32[4]) {
  %all-reduce.9 = f32[1024]{0} all-reduce(%x), to_apply=%add
}

%dynamic (p: (s32[], f32[4])) -> pred[] {
  ROOT %lt = pred[] compare(%p, %bound), direction=LT
}

ENTRY %main (a: f32[4]) -> f32[4] {
  %while.5 = (s32[], bf16[8,16]) while(%t), condition=%region_condition, body=%region_body
  %all-to-all.6 = (f8e4m3fn[2,8], f8e4m3fn[2,8]) all-to-all(%u, %v), dimensions={0}
  %all-reduce-start.7 = (f32[2], f32[4]) all-reduce-start(%w), to_apply=%add
}
"""


def test_collectives_in_a_loop_count_as_often_as_it_runs():
    assert collective_bytes(TEXT) == {"all-gather": 58 * 8 * 16 * 2, "all-to-all": 16, "all-reduce": 16}


@pytest.mark.parametrize(
    "words, message",
    [
        (["--topology", "v9:2x2"], "topology 'v9:2x2' is unknown"),
        (["--topology", "v5p:2x2x2", "--seq", "4100"], "multiple of 128"),
        (["--topology", "v5p:2x2x2", "--seq", "10000000"], "multiple of 128"),
        (["--topology", "v5p:2x2x2", "--lora-rank", "0"], "a rank is at least 1"),
        (["--topology", "v5p:2x2x2", "--lora-targets", "router"], '"router" is unknown'),
        (["--topology", "v5p:2x2x2", "--model", "gpt"], "'gpt' is no published model"),
        ([], "--topology"),
    ],
)
def test_nonsense_is_one_line(words, message, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: name)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert main(["plan", "--model", "deepseek-r1", *words]) == 1
    assert message in capsys.readouterr().err


def test_without_libtpu_the_command_that_installs_it_is_named(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    assert main(["plan", "--model", "deepseek-r1", "--topology", "v5p:2x2x2"]) == 1
    assert "pip install 'arabic_r1_jax[tpu]'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A function: the report of a command, in a process of its own, for libtpu wants its own environment."""
    home = tmp_path_factory.mktemp("cache")
    clean = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}

    def run(*words):
        command = [sys.executable, "-m", "arabic_r1_jax", "plan", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env={**clean, "XDG_CACHE_HOME": str(home)})
        assert done.returncode == 0, done.stderr[-500:]
        return json.loads(done.stdout)

    run.home = home
    return run


@has_libtpu
def test_a_slice_is_split_as_far_as_the_experts_divide():
    """160 experts on the 8 x 8 torus of 64 chips: 32 along `expert`, which is no axis of the torus."""
    program = (
        "from arabic_r1_jax.parallel import plan, topology\n"
        "print(dict(plan.mesh_of(topology.parse('v5e:8x8'), 160).shape))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | OFFLINE)
    assert done.stdout.strip() == "{'data': 2, 'expert': 32}", done.stderr[-500:]


@has_libtpu
def test_a_small_model_is_planned_and_the_report_kept(planned, tmp_path):
    config = json.loads((Path(__file__).parents[2] / "configs/model/deepseek-v2-lite.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    words = ["--model", str(tmp_path), "--topology", "v5p:2x2x1", "--seq", "256", "--price", "4"]
    report = planned(*words)
    assert report["fits"] is True
    assert (report["devices"], report["chips"], report["mesh"]) == (4, 4, {"data": 1, "expert": 4})
    # 3 layers of V2-Lite in bfloat16, split over 4: at least that, and little more than adapter and optimiser.
    weights = 2 * (102400 * 2048 * 2 + 3 * 14e6 + 2 * 64 * 3 * 2048 * 1408) / 4 / 2**30
    assert weights < report["arguments_gib"] < 1.3 * weights
    parts = (report[f"{name}_gib"] for name in ("arguments", "temporaries", "output"))
    assert report["hbm_gib_per_device"] == pytest.approx(sum(parts) - report["alias_gib"])
    assert report["alias_gib"] == pytest.approx(report["output_gib"], rel=0.01)  # adapter and optimiser are donated
    assert report["collectives_gib"]["all-gather"] > 0
    assert math.isclose(report["cost"], report["hours"] * 4 * 4)
    (kept,) = planned.home.rglob("*.json")
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "temporaries_gib": 1234.5}))
    assert planned(*words)["temporaries_gib"] == 1234.5  # read, not compiled again
    decoded = planned(*words, "--step", "decode")
    assert decoded["fits"] is True
    assert "hours" not in decoded


@pytest.fixture
def pretended(monkeypatch):
    """A function: lets `plan` find these temporaries for (period, residuals) instead of compiling; returns what ran."""

    def install(temporaries, arguments=lambda topology: 60.0):
        ran = []

        def measured(question, watch):
            topology, remat = question.topology, question.remat
            held, mesh = arguments(topology), {"data": 1, "expert": topology.devices}
            if held > topology.accelerator.memory_gib:
                return {"arguments_gib": held, "temporaries_gib": None, "hbm_gib_per_device": held, "mesh": mesh}
            ran.append((topology.name, remat.period, remat.residuals))
            extra = temporaries[remat.period, remat.residuals]
            return {"arguments_gib": held, "temporaries_gib": extra, "hbm_gib_per_device": held + extra, "mesh": mesh}

        monkeypatch.setattr(plans, "_measured", measured)
        monkeypatch.setattr(plans, "arguments_gib", lambda question: arguments(question.topology))
        return ran

    return install


R1, LORA = published("deepseek-r1"), LoraConfig(16)


def test_what_fits_is_kept_in_the_way_that_costs_least_time(pretended):
    ran = pretended({(1, "device"): 50.0, (2, "device"): 30.0, (2, "host"): 10.0})
    report = plans.plan(R1, LORA, parse("v5p:2x2x2"), seq=4096)
    assert (report["fits"], report["remat_period"], report["residuals"]) == (True, 2, "device")
    assert [choice[1:] for choice in ran] == [(1, "device"), (2, "device")]
    forced = plans.plan(R1, LORA, parse("v5p:2x2x2"), seq=4096, remat=Remat(2, "host"))
    assert (forced["residuals"], len(ran)) == ("host", 3)


def test_a_period_that_divides_nothing_is_compiled_once(pretended):
    ran = pretended({(1, "device"): 50.0, (1, "host"): 45.0})
    v2 = published("deepseek-v2")  # 59 layers of experts
    assert not plans.plan(v2, LORA, parse("v5p:2x2x2"), seq=4096)["fits"]
    assert [choice[1:] for choice in ran] == [(1, "device"), (1, "host")]


def test_what_does_not_fit_says_what_would_free_most(pretended):
    pretended({(1, "device"): 50.0, (2, "device"): 48.0, (2, "host"): 44.0})
    report = plans.plan(R1, LORA, parse("v5p:2x2x2"), seq=4096)
    assert report["fits"] is False
    assert list(report["knobs_gib"].items()) == [("a slice of twice the devices", 30.0), ("half the sequence", 22.0)]
    kept = plans.plan(R1, LORA, parse("v5p:2x2x2"), seq=4096, remat=Remat(1))["knobs_gib"]
    assert kept["residuals in the host's memory"] == pytest.approx(58 * 4096 * 7168 * 2 / 2**30)


def test_a_search_compiles_no_slice_that_cannot_fit(pretended):
    """600 GiB of arguments in all, and 14 of temporaries: too much for v5e:8x8, and so at sight for v5e:8x16."""
    ran = pretended(
        {(1, "device"): 14.0, (2, "device"): 14.0, (2, "host"): 14.0}, lambda topology: 600 / topology.devices
    )
    found = {report["topology"]: report["devices"] for report in plans.search(R1, LORA, seq=4096)}
    assert found == {"v5p:2x2x2": 8, "v6e:8x8": 64, "tpu7x:2x2x1": 8}
    assert [name for name, *_ in ran if name.startswith("v5e")] == ["v5e:8x8"] * 3 + ["v5e:16x16"] * 3
