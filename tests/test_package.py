"""What `pip install` gives: an import that is cheap, one version, the configs in the wheel."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import arabic_r1_jax as ar1
from arabic_r1_jax import artifacts, config

ROOT = Path(__file__).parents[1]
HEAVY = (
    *("jax", "flax", "optax", "orbax", "numpy", "ml_dtypes", "safetensors"),
    *("tensorflow_datasets", "grain", "array_record", "tokenizers", "sentencepiece", "rich", "torch"),
)


def imported_by(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has after running `code`."""
    show = f"import sys; print(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_no_jax():
    assert imported_by("import arabic_r1_jax as ar1; ar1.__version__; dir(ar1)") == set()


def test_help_and_settings_import_no_jax():
    assert imported_by("from arabic_r1_jax.cli import main; main(['--help'])") == set()
    assert imported_by("from arabic_r1_jax.config import load_run_config as f; f(None, ['model.path=x'])") == set()


def test_the_help_of_no_verb_imports_a_heavy_package():
    code = """
from contextlib import suppress
from arabic_r1_jax.cli import main
from arabic_r1_jax.verbs import VERBS
for name in VERBS:
    with suppress(SystemExit):
        main([*name.split(), '--help'])
"""
    assert imported_by(code) == set()


def test_reading_phases_imports_no_jax():
    assert imported_by("import arabic_r1_jax as ar1; ar1.distill.parse('## التحليل')") == set()


def test_every_public_name_is_found():
    for name in ar1.__all__:
        assert getattr(ar1, name) is not None, name
    assert set(ar1.__all__) <= set(dir(ar1))
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        ar1.laod  # noqa: B018


def test_the_version_is_said_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "arabic_r1_jax/artifacts.py"
    assert ar1.__version__ == artifacts.VERSION


def test_constraints_are_exact_and_name_no_index():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all("==" in line and "/" not in line and "+" not in line for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = project["dependencies"] + extras["parity"] + extras["gcs"] + extras["hub"] + extras["dev"]
    for requirement in [each for each in named if not each.startswith("arabic_r1_jax")]:  # its own extras
        name = requirement.split("=")[0].split(">")[0].split("[")[0].lower().replace("_", "-")
        assert name in pinned, requirement


def test_the_wheel_carries_the_configs_and_all_data_files(tmp_path):
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        file.extractall(tmp_path / "installed")
    for path in (ROOT / "configs").rglob("*.toml"):
        assert f"arabic_r1_jax/{path.relative_to(ROOT)}" in names
    for path in (ROOT / "arabic_r1_jax").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert not any(name.startswith(("tests/", "tools/")) for name in names)
    code = "from arabic_r1_jax import config; print(config.packaged(config.DEFAULT))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "installed", capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "installed/arabic_r1_jax/configs" / config.DEFAULT)
