"""One plain message for a mistake, and exit status 2."""

from pathlib import Path

import pytest


def told(result):
    """Return the one plain message of a mistake."""
    status, out, err = result
    assert status == 2, err
    assert out == "" and err.count("error:") == 1 and "Traceback" not in err
    return err[err.index("error:") :]


def test_a_technique_or_model_that_there_is_not_is_told(tuneoff, tmp_path):
    assert "did you mean lora" in told(tuneoff("techniques", "loar"))
    assert str(tmp_path / "none") in told(tuneoff("techniques", "--model", tmp_path / "none"))


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
