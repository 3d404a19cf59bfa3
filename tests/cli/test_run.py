"""Runs by the command line: gone on with, held, altered, out of room, stopped."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


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
