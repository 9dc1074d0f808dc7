"""A copy of launch/ beside fake cloud tools that record how they were called."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FAKE = """#!/usr/bin/env bash
line=$(printf ' %q' "$(basename "$0")" "$@")
echo "${line:1}" >>"$RECORD"
answers=$ANSWERS/$(basename "$0")
if [[ -f $answers ]]; then . "$answers"; fi
"""


class Desk(NamedTuple):
    """Where somebody launches: `folder` holds the checkout's launch/, `bin` the fakes, `answers` what they do."""

    folder: Path

    def fake(self, tool: str, does: str = "") -> None:
        """Put `tool` on PATH: it records its call, then runs the lines of bash `does` ("$@" are its arguments)."""
        for name, text in (("bin", FAKE), ("answers", does)):
            path = self.folder / name / tool
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)

    def environment(self, **settings: str) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        mine = {"PATH": path, "HOME": str(self.folder), "RECORD": str(self.folder / "record")}
        mine["ANSWERS"] = str(self.folder / "answers")
        return {**mine, "BUCKET": "b", "PAUSE": "0", **settings}

    def run(self, script: str, *words: str, **settings: str) -> subprocess.CompletedProcess:
        command = ["bash", str(self.folder / "launch" / script), *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=self.folder, env=self.environment(**settings)
        )

    def calls(self) -> list[str]:
        record = self.folder / "record"
        return record.read_text().splitlines() if record.exists() else []


@pytest.fixture
def desk(tmp_path):
    shutil.copytree(ROOT / "launch", tmp_path / "launch")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    made = Desk(tmp_path)
    made.fake("uv", "if [[ $1 == build ]]; then touch build/launch/arabic_r1_jax-0.1.0-py3-none-any.whl; fi")
    return made
