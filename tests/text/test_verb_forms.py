"""The table of verb forms: right slots, made once by one process, whole or not at all."""

import os
import signal
import subprocess
import sys
import time

import pytest

from arabic_r1_jax.text import verb_forms
from arabic_r1_jax.text.verb_forms import SLOTS, slots

FORMS = {  # what the letters of a form may be, at least, and what they may not
    "يكتبون": ("ind_3mp", "juss_3mp"),
    "يكتبوا": ("juss_3mp", "ind_3mp"),
    "تكتبين": ("ind_2fs", "sub_2fs"),
    "ينته": ("juss_3ms", "ind_3ms"),
    "يمشي": ("ind_3ms", "juss_3ms"),
    "قلت": ("past_1s", "ind_1s"),
    "استعملت": ("past_3fs", "ind_3fs"),
    "معلم": ("ap", "past"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_has_the_slots_that_its_letters_allow(form):
    allowed, excluded = FORMS[form]
    found = verb_forms.load()[form]
    assert found & slots(allowed)
    assert not found & slots(excluded)


def test_slots_names_one_or_all_that_begin_so():
    assert slots("ind_3ms") != slots("ind")
    assert slots("ind").bit_count() == 13
    assert slots(*(name.partition("_")[0] for name in SLOTS)).bit_count() == len(SLOTS)


def test_a_table_comes_back_from_its_file_as_it_was(tmp_path):
    table = {"كتب": slots("past_3ms", "imp"), "يكتب": slots("ind_3ms"), "اكتب": slots("imp")}
    path = tmp_path / "table.json"
    path.write_text(verb_forms._written(table), encoding="utf-8")
    assert verb_forms._read(path) == table


PROGRAM = """
import time
from arabic_r1_jax.text import verb_forms
def slow():
    print("conjugates", flush=True)
    time.sleep({seconds})
    return {{"كتب": 1}}
verb_forms._conjugated = slow
print(verb_forms.load(), flush=True)
"""


def start(cache, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(seconds=seconds)],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_of_two_processes_one_conjugates_and_both_have_the_table(tmp_path):
    answers = [process.communicate(timeout=60)[0].split("\n") for process in [start(tmp_path, 1), start(tmp_path, 1)]]
    assert sum(answer.count("conjugates") for answer in answers) == 1
    assert all("{'كتب': 1}" in answer for answer in answers)


def test_a_process_killed_at_it_leaves_nothing_that_looks_whole_and_no_lock(tmp_path):
    first = start(tmp_path, 600)
    assert first.stdout.readline() == "conjugates\n"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not list((tmp_path / "arabic-r1" / "text").glob("*.json"))
    began = time.monotonic()
    assert "{'كتب': 1}" in start(tmp_path, 0).communicate(timeout=60)[0]
    assert time.monotonic() - began < 60


def test_without_a_cache_the_table_is_made_in_memory(tmp_path):
    (tmp_path / "arabic-r1").write_text("a file where the folder should be")
    assert "{'كتب': 1}" in start(tmp_path, 0).communicate(timeout=60)[0]
