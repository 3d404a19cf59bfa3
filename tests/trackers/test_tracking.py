"""A study that tells trackers: each run once, each step once, whatever stops or fails; and it trains the same."""

import numpy as np
import pytest

import tuneoff
from tuneoff.cli import main
from tuneoff.errors import StudyError
from tuneoff.evidence.metrics import measure_frame
from tuneoff.store import CHECKPOINT
from tuneoff.techniques import get
from tuneoff.trackers import TRACKERS, check_trackers, is_installed


def by_name(heard):
    """Points as (step, name): value; each may be there once."""
    pairs = [((step, name), value) for step, values in heard for name, value in values.items()]
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def without_final(points):
    return {key: value for key, value in points.items() if not key[1].startswith("final/")}


def test_each_run_is_told_its_rows_its_settings_and_its_final_numbers(kept, told, expected, capsys):
    tracker = kept()
    store, quiet = told("linear-probe", "linear-probe+lora", seeds=2)
    assert {place.rpartition("/")[0].rpartition("/")[2] for place in tracker.heard} == {
        "linear-probe",
        "linear-probe+lora",
    }
    assert len(tracker.heard) == 4 and {run.study for run in tracker.runs.values()} == {"tiny"}
    assert len({run.id for run in tracker.runs.values()}) == 4
    for record in store.records():
        place = record.address.folder.removeprefix("stages/")
        own = [one for one in store.records() if one.address.seed == record.address.seed]
        found = {}
        for one in own:
            if record.address.chain.startswith(one.address.chain):
                for key, value in expected_of(store, one).items():
                    found.setdefault(key, value)
        points = by_name(tracker.heard[place])
        assert without_final(points) == found
        last = max(step for step, _ in points)
        measured = measure_frame(store.predictions(record.address))
        assert {name: points[last, f"final/{name}"] for name in measured} == measured
        assert points[last, "final/trained_parameters"] == record.parameters["trained"]
        assert points[last, "final/seconds"] > 0 and points[last, "final/peak_memory_bytes"] > 0
        steps = [step for step, _ in tracker.heard[place]]
        assert steps == sorted(steps) and last == 6 * (1 + record.address.chain.count("+"))
    assert capsys.readouterr().out == "" and "look here" in quiet.notes


def expected_of(store, record):
    found = {}
    for row in store.history(record.address):
        names = {"train": ("loss", "accuracy", "learning_rate", "grad_norm"), "eval": ("loss", "accuracy")}[
            row["event"]
        ]
        split = row.get("split", "train")
        found |= {(row["step"], f"{split}/{name}"): row[name] for name in names}
    return found


def test_settings_are_those_of_the_last_stage_and_of_those_before(kept, told):
    tracker = kept()
    told("linear-probe+lora")
    (run,) = tracker.runs.values()
    settings = run.settings
    assert settings["technique"] == "linear-probe+lora" == run.technique and settings["seed"] == 0
    assert settings["rank"] == get("lora").settings_class().rank
    assert settings["linear-probe/learning_rate"] != settings["learning_rate"]
    assert settings["batch_size"] == settings["linear-probe/batch_size"] == 8 and settings["steps"] == 6
    assert all(isinstance(value, bool | int | float | str) for value in settings.values())


def test_rows_are_told_as_they_appear(kept, told, monkeypatch):
    tracker = kept()
    counts = []
    log = tracker.log

    def counted(values, step=None):
        counts.append(step)
        log(values, step)

    tracker.log = counted
    told("full", stop_after=6)
    assert counts == [0, 1, 2, 3, 4]  # six events: evaluations at 0 and 3, steps 1 to 4


@pytest.mark.parametrize("kill", [False, True])
def test_a_run_that_was_stopped_goes_on_without_telling_a_step_twice(kept, told, expected, kill):
    tracker = kept()
    store, _ = told("full", stop_after=5)
    (place,) = tracker.heard
    before = list(tracker.heard[place])
    assert 0 < len(before) < 7
    if kill:  # nothing of the stage is left, and its steps are made again
        for checkpoint in store.root.rglob(CHECKPOINT):
            checkpoint.unlink()
    again, _ = told("full")
    assert [last for _, last in tracker.opened] == [None, before[-1][0]]
    points = by_name(tracker.heard[place])
    assert without_final(points) == expected(again, "full")


@pytest.mark.parametrize("loses", [1, 9])
def test_what_a_tracker_lost_in_a_kill_is_told_again(kept, told, expected, loses):
    tracker = kept()
    told("linear-probe+full", stop_after=14)  # in the second stage
    tracker.loses = loses
    store, _ = told("linear-probe+full")
    (heard,) = tracker.heard.values()
    steps = [step for step, _ in heard]
    assert steps == sorted(steps) and len(tracker.opened) == 3
    found, wanted = without_final(by_name(heard)), expected(store, "linear-probe", "linear-probe+full")
    assert found == wanted


def test_a_run_that_is_told_to_its_end_is_not_opened_again(kept, told):
    tracker = kept()
    told("linear-probe", "full")
    calls = tracker.calls
    told("linear-probe", "full")
    assert tracker.calls == calls


def test_runs_that_were_done_before_are_told_afterwards(kept, told, expected):
    tracker = kept()
    told("linear-probe", "linear-probe+lora", track=())
    assert tracker.calls == 0
    store, quiet = told("linear-probe", "linear-probe+lora")
    assert quiet.heard == [] and len(tracker.heard) == 2
    for place, heard in tracker.heard.items():
        chains = ["linear-probe", "linear-probe+lora"][: 1 + place.count("+")]
        assert without_final(by_name(heard)) == expected(store, *chains)


def test_other_settings_make_another_run(kept, told):
    tracker = kept()
    told("full")
    (first,) = tracker.runs.values()
    told("full", steps=3)
    (second,) = tracker.runs.values()
    assert first.id != second.id and first.place == second.place
    assert [last for _, last in tracker.opened] == [None, None]


@pytest.mark.parametrize("fails", [1, 4, 9])
def test_a_tracker_that_fails_costs_one_warning_and_no_training(kept, told, fails):
    plain, _ = told("full", track=(), out="plain")
    tracker = kept(fails)
    store, quiet = told("full")
    assert tracker.calls == fails
    notes = [note for note in quiet.notes if "kept" in note]
    assert notes == ["kept is told nothing more (RuntimeError: the disk is full); training goes on"]
    (record,), (other,) = store.records(), plain.records()
    np.testing.assert_array_equal(
        np.array(store.predictions(record.address)["logits"].to_list()),
        np.array(plain.predictions(other.address)["logits"].to_list()),
    )


def test_trials_are_not_told(kept, told):
    tracker = kept()
    told("linear-probe", tune={"trials": 2}, eval_on="dev")
    assert len(tracker.heard) == 1


def test_a_run_that_diverged_is_told_as_far_as_it_came(kept, told):
    tracker = kept()
    store, _ = told({"name": "full", "learning_rate": 1e38})
    (record,) = store.records()
    (heard,) = tracker.heard.values()
    assert record.status == "failed" and heard and "final/accuracy" not in heard[-1][1]


def test_what_is_not_known_or_not_installed_is_refused_before_anything(study, tmp_path, monkeypatch):
    with pytest.raises(
        StudyError, match=r"no tracker 'tensorbord'. Did you mean 'tensorboard'\? Trackers: tensorboard,"
    ):
        check_trackers(["tensorbord"])
    monkeypatch.setattr("tuneoff.trackers.is_installed", lambda _: False)
    for name in TRACKERS:
        with pytest.raises(StudyError, match=rf"{name} is not installed; get it by: pip install 'tuneoff\[{name}\]'"):
            check_trackers([name])
    with pytest.raises(StudyError, match="not installed"):
        tuneoff.run("no-such-model", "terra", track=["mlflow"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tracking_is_off_by_default_and_changes_no_key(kept, told):
    tracker = kept()
    store, _ = told("linear-probe", track=())
    (plain,) = store.records()
    assert tracker.calls == 0 and not (store.root / "trackers").exists()
    tracked_store, _ = told("linear-probe", out="other")
    assert [record.key for record in tracked_store.records()] == [plain.key]


def test_a_folder_of_a_packages_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "no_such_tracker").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed("no_such_tracker") and is_installed("tuneoff")


def test_the_command_refuses_an_unknown_tracker_with_status_2(capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", "demo", "--track", "trackoi"])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "no tracker 'trackoi'. Did you mean 'trackio'?" in said
