"""Where compiled programs are kept, for whom, and how many."""

import os
import subprocess
import sys

import jax
import pytest

from arabic_r1_jax import user_cache

FOLDER = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """A function: the folder for JAX that a command of its own process names, in an environment with `words`."""

    def ask(**words):
        monkeypatch.delitem(sys.modules, "jax")
        for name, value in ({"XDG_CACHE_HOME": str(tmp_path)} | words).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(os, "environ", dict(os.environ))
        user_cache.keep_compiled()
        return os.environ.get(FOLDER)

    return ask


def test_a_command_keeps_programs_in_the_users_cache(kept, tmp_path):
    assert kept() == str(tmp_path / "arabic-r1" / "compiled")
    assert os.path.isdir(os.environ[FOLDER])


@pytest.mark.parametrize("own", ["elsewhere", ""])
def test_a_folder_of_the_users_own_wins(own, kept, tmp_path):
    assert kept(**{FOLDER: own}) == own
    assert not (tmp_path / "arabic-r1").exists()


def test_a_cache_that_cannot_be_made_is_none(kept, tmp_path):
    (tmp_path / "file").touch()
    assert kept(XDG_CACHE_HOME=str(tmp_path / "file")) is None


def test_a_cache_that_cannot_be_written_to_is_none(kept, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert kept() is None


def test_a_process_that_has_jax_keeps_its_settings(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    user_cache.keep_compiled()
    assert FOLDER not in os.environ
    assert jax.config.jax_compilation_cache_dir is None


def test_the_package_as_a_library_keeps_nothing():
    code = "import arabic_r1_jax as ar1; ar1.load; import jax; print(jax.config.jax_compilation_cache_dir)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "None", done.stderr


def test_what_was_read_longest_ago_goes_first(tmp_path):
    (tmp_path / "inner").mkdir()
    for age, name in enumerate(["new", "inner/old", "older"]):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9))
    user_cache.trim(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["new", "old"]
    user_cache.trim(tmp_path, 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
