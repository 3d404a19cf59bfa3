"""What a killed attempt took is known, whatever the time of day did."""

import json
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from tuneoff.running import compute_study
from tuneoff.training import attempts
from tuneoff.training.attempts import Attempts
from tuneoff.training.state import Interrupted

KEY = "k" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stage" / "attempts.jsonl"


def lived(path, *seconds, key=KEY):
    """Write attempts that lived so long each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"key": key, "attempt": n, "lived": s} for n, end in enumerate(seconds, 1) for s in (0.0, end)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_a_first_attempt_lost_nothing(path):
    with Attempts(path, KEY) as one:
        assert (one.count, one.seconds_lost(0.0), one.kept_before()) == (1, 0.0, {})


def test_seconds_of_all_earlier_attempts_but_those_that_it_goes_on_from_were_lost(path):
    lived(path, 10.0, 4.5)
    with Attempts(path, KEY) as third:
        assert third.count == 3
        assert third.seconds_lost(kept=6.0) == 8.5 and third.seconds_lost(kept=20.0) == 0.0


def test_attempts_with_other_settings_and_torn_lines_do_not_count(path):
    lived(path, 10.0, key="o" * 64)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"key": "kkk\n7\nnull\n')
    with Attempts(path, KEY) as one:
        assert (one.count, one.seconds_lost(0.0)) == (1, 0.0)


def test_of_what_was_computed_twice_and_is_kept_the_last_counts(path):
    for seconds in (3.0, 5.0):
        with Attempts(path, KEY) as one:
            one.paid({"features": seconds})
    with Attempts(path, KEY) as third:
        assert third.kept_before() == {"features": 5.0} and third.count == 3


LIVE = """
import pathlib, sys, time
from tuneoff.training import attempts
attempts.BEAT = 0.05
with attempts.Attempts(pathlib.Path(sys.argv[1]), sys.argv[2]):
    time.sleep(0.5); print("living", flush=True); time.sleep(600)
"""


def test_a_killed_attempt_lived_until_its_last_sign_of_life(path):
    with subprocess.Popen([sys.executable, "-c", LIVE, path, KEY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "living\n"
        process.kill()
    assert 0.2 < Attempts(path, KEY).seconds_lost(0.0) < 30


def test_the_time_of_day_reaches_no_second(path, monkeypatch):
    """The clock is set back by an hour while an attempt lives."""
    now = iter([1000.0, -2600.0] * 50)
    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=time.monotonic, time=lambda: next(now)))
    with Attempts(path, KEY):
        pass
    assert 0 <= Attempts(path, KEY).seconds_lost(0.0) < 30


def test_where_no_account_can_be_kept_the_stage_goes_on(path):
    path.mkdir(parents=True)
    with Attempts(path, KEY) as one:
        one.paid({"features": 1.0})
    assert one.count == 1


def test_an_interrupted_stage_says_what_was_lost_and_the_next_begins_with_none(study, listener, tmp_path):
    read = study(["lora", "linear-probe"])
    with pytest.raises(Interrupted):
        compute_study(read, tmp_path / "out", listener(stop_after=3))
    (file,) = (tmp_path / "out").rglob("attempts.jsonl")
    slow = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    file.write_text(json.dumps({**slow[-1], "lived": 1000.0}) + "\n", encoding="utf-8")
    store = compute_study(read, tmp_path / "out", listener())
    probe, lora = (next(one for one in store.records() if one.technique == name) for name in ("linear-probe", "lora"))
    assert (lora.attempts, probe.attempts, probe.seconds_lost) == (2, 1, 0.0)
    assert 900 < lora.seconds_lost < 1000  # what the checkpoint held was not lost
    assert not list((tmp_path / "out").rglob("attempts.jsonl"))


def test_vectors_that_a_killed_attempt_left_are_paid_by_its_stage(study, listener, tmp_path):
    """It is killed after they were computed and before its first checkpoint."""
    read = study(["linear-probe"])
    with pytest.raises(Interrupted):
        compute_study(read, tmp_path / "out", listener(stop_after=1))
    (checkpoint,) = (tmp_path / "out").rglob("checkpoint.safetensors")
    checkpoint.unlink()
    (record,) = compute_study(read, tmp_path / "out", listener()).records()
    assert record.seconds["features"] == record.seconds_alone["features"] > 0 and record.attempts == 2
