"""What `arabic-r1 doctor` says of machines that have something, lack it, or have it broken."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from arabic_r1_jax import cli, doctor

ROOT = Path(__file__).parents[1]
GIB = doctor.GIB
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    return requirement.split("=")[0].split(">")[0].split("<")[0].split("[")[0]


def machine(**changes) -> dict:
    """What `examine` finds on a healthy laptop, with any finding changed by name."""
    versions = dict.fromkeys(doctor.SHOWN, "1.0") | changes.pop("versions", {})
    found = {
        "command": "python",
        "versions": versions,
        "accelerators": {"tpu": 0, "gpu": 0},
        "devices": {"platform": "cpu", "kind": "cpu", "count": 1, "memory": [None]},
        "memory": {"cpus": 2, "total": 16 * GIB, "available": 8 * GIB},
        "parts": doctor.parts(versions),
    }
    return found | changes


def working(found: dict) -> set[str]:
    return {row.what for row in doctor.works(found) if row.works}


# ---- its tables are those of the project


def test_every_extra_that_a_user_installs_is_known_with_what_it_brings():
    extras = {name: packages for name, packages in PROJECT["optional-dependencies"].items() if name != "dev"}
    assert set(doctor.PARTS) == set(extras)
    stands_for = {"jax[tpu]": "libtpu", "jax[cuda12]": "jax-cuda12-plugin"}
    for name, packages in extras.items():
        for package in packages:
            assert stands_for.get(package, name_of(package)) in doctor.PARTS[name].brings


def test_every_dependency_is_looked_for():
    assert sorted(map(name_of, PROJECT["dependencies"])) == sorted(doctor.CORE)


def test_weights_of_released_models_are_those_of_their_shapes():
    shapes = {"deepseek-v2-lite": "DeepSeek-V2-Lite", "deepseek-v2": "DeepSeek-V2", "deepseek-r1": "DeepSeek-V3 and R1"}
    from arabic_r1_jax.model.published import published
    from arabic_r1_jax.model.transformer import abstract_state, flat
    from arabic_r1_jax.parallel.mesh import make_mesh

    for name, row in shapes.items():
        state = flat(abstract_state(published(name), None, make_mesh(), "bfloat16")[1])
        size = sum(each.size * each.dtype.itemsize for each in state.values()) / GIB
        # R1's row counts its multi-token prediction layer, which is converted and never run, and float32 parts
        assert size == pytest.approx(doctor.MODELS[row], rel=0.03)


# ---- this machine


def test_this_machine_is_told_in_one_object_and_in_lines(capsys):
    assert cli.main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert told["devices"]["platform"] == "cpu"
    assert told["versions"]["jax"]
    assert told["memory"]["total"] > GIB
    assert all(free > 0 for free in told["disk"].values())
    assert cli.main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert f"jax {told['versions']['jax']}" in shown
    assert all(row["what"] in shown for row in told["works"])


def test_it_imports_no_jax_itself():
    code = "import sys; from arabic_r1_jax import cli; cli.main(['doctor']); print({'jax', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_it_answers_when_nothing_is_installed():
    """An interpreter that sees this package and none of those it needs."""
    code = "import sys; sys.path.insert(0, '.'); from arabic_r1_jax import cli; sys.exit(cli.main(['doctor']))"
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert "cannot be imported" in done.stdout
    assert "pip install -c constraints.txt -e '.'" in done.stdout


# ---- broken devices are a line


@pytest.mark.parametrize(
    "program, said",
    [
        ("raise RuntimeError('Unable to initialize backend')", "RuntimeError: Unable to initialize backend"),
        ("import os; os.abort()", "exit code -6"),
        ("import os; os._exit(3)", "exit code 3"),
        ("print('no object')", "exit code 0"),
        ("print('[1]')", "exit code 0"),
        ("import sys; sys.stderr.write('a' * 5000)", "aaa"),
    ],
)
def test_a_backend_that_fails_in_any_way_is_one_line(program, said):
    error = doctor.devices(program)["error"]
    assert said in error
    assert len(error.splitlines()) == 1
    assert len(error) <= 300


def test_a_backend_that_hangs_is_given_up():
    error = doctor.devices("import time; time.sleep(600)", seconds=0.5)["error"]
    assert "all at once" in error


def test_what_a_plugin_prints_does_not_hide_the_answer():
    noisy = doctor._ASK_JAX.replace("import jax\n", "print('plugin loaded', flush=True); import jax\n")
    assert doctor.devices(noisy)["platform"] == "cpu"


def test_a_machine_whose_devices_are_broken_exits_with_1_and_says_so(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "devices", lambda ask: {"error": "XlaRuntimeError: no driver"})
    assert cli.main(["doctor"]) == 1
    assert "problem: JAX has no devices: XlaRuntimeError: no driver" in capsys.readouterr().out


# ---- what works where


def test_a_laptop_does_all_but_large_models():
    assert working(machine()) == {"demo", "convert a folder", "convert from the Hub", "plan"}


@pytest.mark.parametrize(
    "platform, count, gib, trains",
    [
        ("gpu", 1, 24, set()),
        ("gpu", 1, 79.1, {"DeepSeek-V2-Lite"}),
        ("gpu", 8, 79.1, {"DeepSeek-V2-Lite", "DeepSeek-V2"}),
        ("gpu", 8, 139.8, {"DeepSeek-V2-Lite", "DeepSeek-V2", "DeepSeek-V3 and R1"}),
        ("tpu", 8, 95.74, {"DeepSeek-V2-Lite", "DeepSeek-V2", "DeepSeek-V3 and R1"}),
        ("tpu", 4, 31.25, {"DeepSeek-V2-Lite"}),
    ],
)
def test_devices_train_what_their_memory_holds(platform, count, gib, trains):
    told = {"platform": platform, "kind": "x", "count": count, "memory": [gib * GIB]}
    assert {what for what in working(machine(devices=told)) if what.startswith("train ")} == {
        f"train {model}" for model in trains
    }


def test_devices_of_other_hosts_count():
    told = {"platform": "tpu", "kind": "x", "count": 8, "memory": [95 * GIB] * 4}
    assert doctor.device_bytes(machine(devices=told)) == 8 * 95 * GIB


def test_without_the_hub_and_tpu_parts_their_verbs_do_not_work_and_the_command_is_told():
    found = machine(versions={"huggingface_hub": None, "libtpu": None})
    assert working(found) == {"demo", "convert a folder"}
    rows = {row["part"]: row["install"] for row in found["parts"]}
    assert rows["tpu"].endswith("'.[tpu]'")
    assert rows["gpu"] is None
    assert doctor.problems(found) == []


def test_a_gpu_that_jax_does_not_use_is_a_problem_with_the_command_that_mends_it():
    (line,) = doctor.problems(machine(accelerators={"tpu": 0, "gpu": 1}, versions={"jax-cuda12-plugin": None}))
    assert line.startswith("this machine has a GPU and JAX computes on the cpu; ")
    assert line.endswith("-m pip install -c constraints.txt -e '.[gpu]'")
    (line,) = doctor.problems(machine(accelerators={"tpu": 0, "gpu": 1}))
    assert "JAX_PLATFORMS=cuda" in line


def test_a_gpu_in_use_is_none():
    told = {"platform": "gpu", "kind": "x", "count": 1, "memory": [GIB]}
    assert doctor.problems(machine(accelerators={"tpu": 0, "gpu": 1}, devices=told)) == []


def test_without_a_checkout_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "arabic_r1_jax/doctor.py"))
    assert doctor.install("tpu") == f"{sys.executable} -m pip install 'arabic_r1_jax[tpu]'"


# ---- the machine's files


def pci(root: Path, slot: str, vendor: str, device: str) -> None:
    folder = root / "sys/bus/pci/devices" / slot
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "device").write_text(f"{device}\n")


def test_tpu_chips_are_counted_and_network_cards_are_not(tmp_path):
    for slot in range(4):
        pci(tmp_path, f"0000:00:0{slot}.0", "0x1ae0", "0x0062")
    pci(tmp_path, "0000:00:05.0", "0x1ae0", "0x0042")
    pci(tmp_path, "0000:00:06.0", "0x8086", "0x0062")
    (tmp_path / "sys/bus/pci/devices/gone").mkdir()
    assert doctor.accelerators(tmp_path) == {"tpu": 4, "gpu": 0}


def test_a_gpu_driver_is_seen(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    assert doctor.accelerators(tmp_path) == {"tpu": 0, "gpu": 1}


@pytest.mark.parametrize("text", ["", "MemTotal", "MemTotal: many kB", "\x00"])
def test_a_memory_file_that_says_nothing_is_no_error(tmp_path, text):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(text)
    assert doctor.memory(tmp_path)["available"] is None


def test_memory_is_read_in_bytes(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:  2048 kB\nMemAvailable: 1024 kB\n")
    told = doctor.memory(tmp_path)
    assert (told["total"], told["available"]) == (2 << 20, 1 << 20)
