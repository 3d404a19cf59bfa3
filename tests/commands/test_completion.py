"""What Tab offers for a study: shipped names, study files, folders."""

import os
import subprocess
import sys

import pytest

from tuneoff.checks import all_checks
from tuneoff.commands.completion import complete_check, complete_study, complete_technique
from tuneoff.techniques import names


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


def offered(line):
    """What bash is offered at the end of a line, each where the shell would ask for it."""
    words = line.split(" ")
    environment = {"_TUNEOFF_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    program = "import sys; from tuneoff.cli import app\ntry: app(prog_name='tuneoff')\nfinally: "
    program += "print(*sorted({'torch', 'transformers', 'peft', 'pandas'} & {*sys.modules}), file=sys.stderr)"
    found = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert found.stderr.strip() == ""  # nothing heavy was imported, and nothing went wrong
    return found.stdout.split()


@pytest.fixture
def run_directory(folder):
    """A run directory as far as completion reads it: folders, and the marks of stages that are done."""
    for chain in ("lora", "linear-probe", "linear-probe+lora"):
        for place in ("a/terra", "b/rcb"):
            for seed in ("seed-0", "seed-2", "seed-10-fold-1"):
                if (chain, place) != ("lora", "b/rcb"):
                    (folder / "run/stages" / place / chain / seed).mkdir(parents=True)
                    (folder / "run/stages" / place / chain / seed / "DONE").touch()
    (folder / "run/stages/a/terra/full/seed-0").mkdir(parents=True)  # begun, not done
    return folder


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tuneoff techniques ran", ["randlora"]),
        ("tuneoff run demo --force l", ["labels", "leakage", "length"]),
        ("tuneoff run demo --track t", ["tensorboard", "trackio"]),
        ("tuneoff predict run f.csv --format ", ["jsonl", "csv", "parquet", "russian-superglue"]),
        ("tuneoff predict run f.csv --technique ", ["linear-probe", "linear-probe+lora", "lora"]),
        ("tuneoff predict run f.csv --model b --technique l", ["linear-probe", "linear-probe+lora"]),
        ("tuneoff export run --task ", ["rcb", "terra"]),
        ("tuneoff export run --model a --task ", ["terra"]),
        ("tuneoff export run --model ", ["a", "b"]),
        ("tuneoff export run --technique lora --seed ", ["0", "2", "10"]),
        ("tuneoff export run --technique full --seed ", []),
        ("tuneoff export nowhere --technique ", []),
    ],
)
def test_names_are_offered_without_anything_heavy(line, expected, run_directory):
    assert offered(line) == expected


def test_what_may_be_forced_are_the_checks_that_a_run_makes():
    assert [*complete_check("")] == [check.name for check in all_checks() if check.quick]


def test_every_technique_is_offered():
    assert complete_technique("") == names()
