"""Quick help, and lists of what there is."""

import json
import resource
import shutil
import statistics
import subprocess
import sys
from importlib.metadata import version

import pytest

from tuneoff.shipped import shipped_studies
from tuneoff.techniques import get, names

COMMANDS = ("run", "plan", "doctor", "report", "predict", "audit", "compare", "init", "studies", "techniques", "clean")
HEAVY = {
    *("torch", "transformers", "peft", "accelerate", "datasets", "sklearn"),
    *("pandas", "numpy", "pyarrow", "altair", "pydantic", "jinja2", "yaml"),
}


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_answers_within_half_a_second():
    """By the processor's time, which other work on the machine does not lengthen; it waits for nothing else."""
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        help_text = python("from tuneoff.cli import main; main(['--help'])")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert all(command in help_text for command in COMMANDS)
    assert statistics.median(took) < 0.5


def test_nothing_heavy_is_imported_before_a_command_needs_it():
    loaded = python("import sys, tuneoff.cli; print(*sys.modules)").split()
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(tuneoff, command):
    status, out, err = tuneoff(command, "--help")
    assert status == 0 and command in out and err == ""


def test_the_exit_statuses_are_in_the_help_of_run(tuneoff):
    _, out, _ = tuneoff("run", "--help")
    assert "0 all done, 1 some runs failed, 2 bad input, 130 interrupted" in " ".join(out.replace("│", " ").split())


def test_without_arguments_it_shows_help(tuneoff):
    status, out, err = tuneoff()
    assert status in (0, 2) and "Usage" in out + err


def test_the_version_is_the_packages(tuneoff):
    assert tuneoff("--version") == (0, version("tuneoff") + "\n", "")


def test_studies_and_techniques_are_listed_whole(tuneoff):
    status, out, _ = tuneoff("studies")
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == list(shipped_studies())
    status, out, _ = tuneoff("techniques")
    lines = out.splitlines()
    assert status == 0 and [line.split()[0] for line in lines[: len(names())]] == names()
    assert all(get(name).summary in line for name, line in zip(names(), lines, strict=False))


@pytest.mark.parametrize("name", ["full", "lora", "adalora", "peft"])
def test_one_technique_is_told_with_every_setting(tuneoff, name):
    status, out, _ = tuneoff("techniques", name)
    assert status == 0 and out.startswith(f"{name}: {get(name).summary}\n")
    for field, info in get(name).settings_class.model_fields.items():
        assert f"    {field}: {info.description} Default: " in out


def test_trained_parameters_are_told_of_a_model_by_its_config_alone(tuneoff, model_folder, tmp_path):
    shutil.copytree(model_folder("gpt2"), tmp_path / "gpt2", ignore=shutil.ignore_patterns("*.safetensors"))
    status, out, _ = tuneoff("techniques", "--model", tmp_path / "gpt2", "--json")
    found = {one["name"]: one for one in json.loads(out)["techniques"]}
    assert status == 0 and list(found) == names()
    assert found["linear-probe"]["trained"] == 2 * 32 and found["full"]["share"] == 1
    assert found["lora"]["trained"] == 2 * 32 + 2 * 8 * (32 + 96)
    assert found["oft"]["trained"] is None and "Conv1D" in found["oft"]["refused"]
    status, out, _ = tuneoff("techniques", "lora", "--model", tmp_path / "gpt2")
    assert status == 0 and f"trained: {found['lora']['trained']:,} (" in out
    status, out, _ = tuneoff("techniques", "--model", tmp_path / "gpt2")
    assert status == 0 and "oft does not fit this model: oft: peft cannot put OFT on this model" in out
    assert f"{found['full']['trained']:,}" in out
