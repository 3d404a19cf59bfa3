"""The command line: quick help, one plain message for a mistake, and the exit status that the help promises."""

import errno
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tuneoff.cli import main
from tuneoff.reading import resolved_yaml, shipped_studies
from tuneoff.techniques import get, names

COMMANDS = ("run", "plan", "doctor", "report", "predict", "audit", "compare", "init", "studies", "techniques", "clean")
HEAVY = {
    *("torch", "transformers", "peft", "accelerate", "datasets", "sklearn"),
    *("pandas", "numpy", "pyarrow", "altair", "pydantic", "jinja2", "yaml"),
}


@pytest.fixture
def study_file(study, tmp_path):
    """Return a function that writes a small study of a tiny model to a file and returns the file's name."""

    def write(*techniques, **changes):
        path = tmp_path / "tiny.yaml"
        path.write_text(resolved_yaml(study(techniques or ("linear-probe",), **changes).study), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def tuneoff(capsys):
    """Return a function that runs a command and returns its exit status, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


# Help


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
    assert status == 0
    for name in names():
        assert get(name).summary in out and all(f"{field}: " in out for field in get(name).settings_class.model_fields)


# Mistakes


def told(result):
    """Return the one plain message of a mistake."""
    status, out, err = result
    assert status == 2, err
    assert out == "" and err.count("error:") == 1 and "Traceback" not in err
    return err[err.index("error:") :]


@pytest.mark.parametrize("command", ["run", "plan"])
def test_an_unknown_study_is_answered_with_the_shipped_ones(tuneoff, command):
    assert "'terra-2052'" in (message := told(tuneoff(command, "terra-2052"))) and "terra-2025" in message


@pytest.mark.parametrize("command", ["run", "plan"])
def test_an_unknown_key_is_named_with_its_line_and_the_near_one(tuneoff, study_file, command):
    path = study_file()
    lines = Path(path).read_text(encoding="utf-8").replace("batch_size:", "batchsize:")
    Path(path).write_text(lines, encoding="utf-8")
    number = next(n for n, line in enumerate(lines.splitlines(), start=1) if "batchsize" in line)
    message = told(tuneoff(command, path))
    assert f"tiny.yaml:{number}" in message and "'batch_size'" in message
    assert "unknown key" in told(tuneoff(command, "demo", "--set", "protocol.stepz=3"))


def test_all_that_is_wrong_is_told_at_once(tuneoff):
    message = told(tuneoff("run", "demo", "--set", "protocol.stepz=3", "--set", "protocol.batch_size=none"))
    assert "stepz" in message and "batch_size" in message


def test_a_missing_data_file_is_named(tuneoff, study_file, tmp_path):
    path = study_file()
    (tmp_path / "train.jsonl").unlink()
    assert "train.jsonl" in told(tuneoff("run", path, "--out", tmp_path / "out"))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_missing_model_is_named(tuneoff, study_file, tmp_path, command):
    missing = str(tmp_path / "no" / "model")
    assert missing in told(tuneoff(command, study_file(), "--model", missing, "--out", tmp_path / "out"))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_an_out_that_is_a_file_is_refused_and_stays(tuneoff, study_file, tmp_path, command):
    (tmp_path / "out").write_text("mine")
    result = tuneoff(command, study_file(), "--out", tmp_path / "out")
    if command == "run":
        assert "cannot be written" in told(result) and "--out" in result[2]
    assert (tmp_path / "out").read_text() == "mine"


def test_a_device_that_is_not_there_is_refused(tuneoff, study_file, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("the device is there")
    assert "protocol.device" in told(tuneoff("run", study_file(device="cuda"), "--out", tmp_path / "out"))


def test_a_folder_that_is_no_run_directory_has_no_report(tuneoff, tmp_path):
    assert "not a run directory" in told(tuneoff("report", tmp_path))


@pytest.mark.parametrize(
    "arguments", [("run", "demo", "--steps", "0"), ("run",), ("fly",), ("plan", "demo", "--stepz")]
)
def test_a_command_line_that_cannot_be_read_has_status_2(tuneoff, arguments):
    status, out, err = tuneoff(*arguments)
    assert status == 2 and out == "" and "Usage" in err and "Traceback" not in err


def test_ctrl_c_before_anything_began_says_how_to_go_on(tuneoff, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tuneoff.reading.read_study", pressed)
    status, _, err = tuneoff("run", "demo")
    assert status == 130 and err == "interrupted; run the same command again to go on\n"


# Running


def test_a_study_is_run_once_and_then_done_already(tuneoff, study_file, tmp_path):
    path, out = study_file(steps=2, eval_every=1), tmp_path / "out"
    status, table, progress = tuneoff("run", path, "--out", out)
    assert status == 0 and "linear-probe" in table and "Traceback" not in progress
    assert "[1/1] linear-probe, seed 0" in progress and "done   linear-probe, seed 0 in" in progress
    assert f"report: {out / 'report.html'}\n" in progress and (out / "report.html").is_file()
    status, again, progress = tuneoff("run", path, "--out", out)
    assert (status, again) == (0, table)
    assert "1 of 1 stages are done already" in progress and "[1/1]" not in progress
    status, reported, _ = tuneoff("report", out)
    assert (status, reported) == (0, table)


def test_options_change_the_study(tuneoff, study_file, tmp_path):
    options = ("--seeds", 2, "--steps", 3, "--limit", 12, "--set", "protocol.eval_every=3", "--json")
    status, out, _ = tuneoff("plan", study_file(), "--out", tmp_path / "out", *options)
    stages = json.loads(out)["stages"]
    assert status == 0 and [stage["seed"] for stage in stages] == [0, 1]
    assert all(stage["train_rows"] == 12 for stage in stages)
    assert stages[0]["budget"] == {"steps": 3, "batch_size": 8, "eval_every": 3, "eval_on": "test"}


def test_a_technique_that_fails_is_a_row_and_status_1(tuneoff, study_file, tmp_path, no_figures):
    wild = {"name": "wild", "use": "full", "learning_rate": 1e38}
    path = study_file(wild, "linear-probe", schedule="constant", warmup=0.0, max_grad_norm="off", steps=2)
    status, table, progress = tuneoff("run", path, "--out", tmp_path / "out")
    assert status == 1 and "wild" in table and "failed" in table and "Traceback" not in progress
    assert "failed wild, seed 0" in progress and "not finite" in progress
    assert "done   linear-probe, seed 0" in progress
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    facts = r"failed: the loss or its gradient was not finite at step \d \(learning rate 1e\+38; gradient norm .+; "
    assert re.search(facts + r"last finite evaluation at step 0 on test: accuracy 0\.\d+, loss \d\.\d+\)", page)


HOLD = """
import pathlib, sys
from tuneoff.store import Store
with Store(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_command_is_refused_while_the_first_works_and_not_when_it_was_killed(
    tuneoff, study_file, tmp_path, no_figures
):
    path, out = study_file(steps=1, eval_every=1), tmp_path / "out"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], **pipes) as first:
        assert first.stdout.readline() == "held\n"
        status, table, err = tuneoff("run", path, "--out", out)
        assert (status, table) == (2, "") and f"{out}: another tuneoff is working here" in err
        assert not (out / "stages").exists()
        first.kill()
    assert tuneoff("run", path, "--out", out)[0] == 0


def turn_a_digit(path):
    content = bytearray(path.read_bytes())
    place = next(at for at in range(len(content) // 2, len(content)) if content[at] in b"1234")
    content[place] += 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["stage.json", "history.jsonl", "predictions.parquet"])
def test_an_altered_file_is_named_and_without_its_folder_the_study_is_as_before(
    tuneoff, study_file, tmp_path, no_figures, name
):
    path, out = study_file(steps=2, eval_every=1), tmp_path / "out"
    assert tuneoff("run", path, "--out", out)[0] == 0
    before = json.loads((out / "results.json").read_text(encoding="utf-8"))["runs"][0]["metrics"]
    folder = out / "stages/tiny-bert/train/linear-probe/seed-0"
    turn_a_digit(folder / name)
    for command in (("run", path, "--out"), ("report",)):
        status, table, err = tuneoff(*command, out)
        assert (status, table) == (2, "") and f"{folder / name}: not what was written" in err and "Traceback" not in err
    shutil.rmtree(folder)
    assert tuneoff("run", path, "--out", out)[0] == 0
    assert json.loads((out / "results.json").read_text(encoding="utf-8"))["runs"][0]["metrics"] == before


def test_altered_weights_are_named_before_a_stage_starts_from_them(tuneoff, study_file, tmp_path, no_figures):
    path, out = study_file(steps=1, eval_every=1), tmp_path / "out"
    assert tuneoff("run", path, "--out", out)[0] == 0
    weights = out / "stages/tiny-bert/train/linear-probe/seed-0/weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    path = study_file("linear-probe", "linear-probe+lora", steps=1, eval_every=1)
    status, _, err = tuneoff("run", path, "--out", out)
    assert status == 2 and f"{weights}: not what was written" in err
    assert not (out / "stages/tiny-bert/train/linear-probe+lora").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells which file a descriptor is of")
@pytest.mark.parametrize("name", ["history.jsonl", "predictions.parquet", "stage.json", "results.json"])
def test_a_disk_that_is_full_is_told_and_with_room_it_goes_on(
    tuneoff, study_file, tmp_path, no_figures, monkeypatch, name
):
    """Whatever is being written when there is no more room."""
    path, out = study_file("lora", "linear-probe", steps=2, eval_every=1), tmp_path / "out"
    with monkeypatch.context() as patch:

        def full(descriptor):
            if Path(f"/proc/self/fd/{descriptor}").readlink().name == name:
                raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "fsync", full)
        status, table, err = tuneoff("run", path, "--out", out)
    assert (status, table) == (2, "") and "Traceback" not in err
    assert f"{name}: cannot be written (No space left on device); make room on the disk" in err
    assert not list(out.rglob(".part-*"))
    assert tuneoff("run", path, "--out", out)[0] == 0


def test_ctrl_c_stops_says_how_to_go_on_and_it_does(tuneoff, study_file, tmp_path, no_figures):
    """In a process of its own, as a terminal would do it: interrupted while the second seed is trained."""
    import signal

    path, out = study_file("full", seeds=2, steps=75, eval_every=75, batch_size=2), tmp_path / "out"
    command = [sys.executable, "-c", "from tuneoff.cli import main; main()", "run", path, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
    progress = []
    for line in process.stderr:
        progress.append(line)
        if line.startswith("[2/2]"):  # once, or it would be sent twice
            process.send_signal(signal.SIGINT)
    table = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    said = "".join(progress)
    assert process.wait() == 130, said
    assert said.count("[2/2]") == said.count("stopping after this step") == 1
    assert "To go on, run the same command again." in said
    assert str(out) in said and "Traceback" not in said and table == ""
    second = out / "stages/tiny-bert/train/full/seed-1"
    assert (second / "checkpoint.safetensors").is_file() and not (second / "DONE").exists()
    status, table, progress = tuneoff("run", path, "--out", out)
    assert status == 0 and "full" in table
    assert "1 of 2 stages are done already" in progress and "[2/2] full, seed 1" in progress
    assert not (second / "checkpoint.safetensors").exists() and (second / "DONE").is_file()
