"""What Tab offers for a study: shipped names, study files, folders."""

import os
import subprocess
import sys

import pytest

from tuneoff.commands.completion import complete_study


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    for name in ("demo-of-mine.yaml", "notes.txt", "mine/first.yml"):
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("demo", ["demo", "demo-label", "demo-tasks", "demo-of-mine.yaml"]),
        ("mi", ["mine/"]),
        ("mine/", ["mine/first.yml"]),
        ("mine/f", ["mine/first.yml"]),
        ("nowhere/x", []),
        ("zzz", []),
    ],
)
def test_names_files_and_folders_that_begin_so_are_offered(folder, typed, offered):
    assert list(complete_study(typed)) == offered


def test_bash_is_offered_them_too(folder):
    environment = {"_TUNEOFF_COMPLETE": "complete_bash", "COMP_WORDS": "tuneoff run demo-", "COMP_CWORD": "2"}
    command = [sys.executable, "-c", "from tuneoff.cli import app; app(prog_name='tuneoff')"]
    found = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert found.stdout.split() == ["demo-label", "demo-tasks", "demo-of-mine.yaml"], found.stderr
