"""The weights of the best evaluation on dev: found, kept over a kill, reported, and what the next stage starts from."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tuneoff.choosing import merit
from tuneoff.evidence.results import build_results
from tuneoff.running import compute_study
from tuneoff.training.best import keep_if_best, put_best_back
from tuneoff.training.job import Budget
from tuneoff.training.state import Interrupted, TrainingState

WILD = {"steps": 8, "eval_every": 1, "schedule": "constant", "warmup": 0.0, "max_grad_norm": "off"}
BEST = {**WILD, "eval_on": "dev", "checkpoint": "best"}
PROBE = {"name": "linear-probe", "learning_rate": 2.0}  # so large that the loss on dev goes up and down
FULL = {"name": "full", "learning_rate": 0.02}


def dev_rows(store, record):
    return [row for row in store.history(record.address) if row.get("split") == "dev"]


def best_of(rows, by):
    """The definition, written out: the first of the rows that no other beats."""

    def beats(one, other):
        first, second = (one["accuracy"], other["accuracy"]), (other["loss"], one["loss"])
        for mine, theirs in (first, second) if by == "accuracy" else (second, first):
            if mine != theirs:
                return mine > theirs
        return False

    return next(row for row in rows if not any(beats(other, row) for other in rows))


@pytest.mark.parametrize("by", ["accuracy", "loss"])
def test_merit_is_the_number_asked_for_and_the_other_decides_ties(by):
    rows = [{"accuracy": a, "loss": b} for a, b in [(0.5, 0.9), (0.8, 0.7), (0.8, 0.6), (0.7, 0.5), (0.6, 0.5)]]
    assert max(rows, key=lambda row: merit(**row, by=by)) == best_of(rows, by) == rows[2 if by == "accuracy" else 3]


@pytest.mark.parametrize("by", ["accuracy", "loss"])
def test_the_best_of_dev_is_chosen_and_reported(study, listener, tmp_path, by):
    store = compute_study(study([PROBE, FULL], **BEST, choose_by=by), tmp_path / "out", listener())
    steps = []
    for record in store.records():
        expected = best_of(dev_rows(store, record), by)
        assert record.chosen == {"split": "dev", "by": by} | {
            "step": expected["stage_step"],
            "accuracy": expected["accuracy"],
            "loss": expected["loss"],
        }
        tested = store.predictions(record.address).query("split == 'test'")
        assert set(tested["step"]) == {expected["stage_step"]} and len(tested) == 17
        steps.append(expected["stage_step"])
    assert min(steps) < 8, "make the rates wilder: the last step was the best of both"
    run = {run["technique"]: run for run in build_results(store)["runs"]}["full"]
    record = store.records()[0]
    assert run["chosen"] == record.chosen and run["step"] == record.chosen["step"]
    assert run["test_opened"] == record.test_opened and record.started <= record.test_opened <= record.ended


def test_it_is_what_training_gave_at_that_step(study, listener, tmp_path):
    """Weights and logits are those of a stage that keeps its last weights and ends there (without a schedule)."""
    chosen = compute_study(study([FULL], family="distilbert", **BEST), tmp_path / "best", listener())
    (record,) = chosen.records()
    step = record.chosen["step"]
    assert 0 < step < 8
    ends_there = {**BEST, "checkpoint": "last", "steps": step}
    plain = compute_study(study([FULL], family="distilbert", **ends_there), tmp_path / "last", listener())
    (other,) = plain.records()
    mine, theirs = (load_file(store.weights(record.address)) for store in (chosen, plain))
    assert mine.keys() == theirs.keys() and other.chosen is None
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    for split in ("dev", "test"):
        frames = [store.predictions(record.address) for store in (chosen, plain)]
        logits = [np.stack(f[(f["split"] == split) & (f["step"] == step)]["logits"]) for f in frames]
        np.testing.assert_array_equal(*logits)


def test_the_next_stage_starts_from_the_chosen_weights(study, listener, tmp_path):
    store = compute_study(study([PROBE, "linear-probe+lora"], **BEST), tmp_path / "out", listener())
    probe, child = store.records()
    assert probe.chosen["step"] < 8
    began, ended = (store.predictions(one.address).query("split == 'dev'") for one in (child, probe))
    np.testing.assert_allclose(
        np.stack(began[began["step"] == 0]["logits"]),
        np.stack(ended[ended["step"] == probe.chosen["step"]]["logits"]),
        atol=1e-5,
    )


@pytest.mark.parametrize("after", [4, 9, 14])
def test_interrupted_it_chooses_the_same(study, listener, tmp_path, after):
    whole = compute_study(study([FULL], family="distilbert", **BEST), tmp_path / "whole", listener())
    with pytest.raises(Interrupted):
        compute_study(study([FULL], family="distilbert", **BEST), tmp_path / "cut", listener(stop_after=after))
    resumed = compute_study(study([FULL], family="distilbert", **BEST), tmp_path / "cut", listener())
    (first,), (second,) = whole.records(), resumed.records()
    assert first.chosen == second.chosen
    frames = [store.predictions(first.address) for store in (whole, resumed)]
    assert frames[0].to_dict("list").__repr__() == frames[1].to_dict("list").__repr__()
    mine, theirs = (load_file(store.weights(first.address)) for store in (whole, resumed))
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_equal_evaluations_keep_the_first_and_the_copy_is_not_made_anew(make_job):
    job = make_job("linear-probe")
    job.budget = Budget(3, 4, 1, "dev", "accuracy")
    state = TrainingState()
    weight = job.trained["head.weight"]
    kept = []
    for step, accuracy in enumerate([0.5, 0.5, 0.75, 0.5]):
        with torch.no_grad():
            weight.fill_(step)
        state.history.append({"stage_step": step, "accuracy": accuracy, "loss": 1.0})
        keep_if_best(job, state)
        kept.append((state.best.step, state.best.weights["head.weight"].data_ptr()))
    assert [step for step, _ in kept] == [0, 0, 2, 2] and len({place for _, place in kept}) == 1
    assert put_best_back(job, state) == 2 and (weight == 2).all()


def test_the_time_at_which_test_was_opened_is_that_of_its_first_evaluation(study, listener, tmp_path):
    quiet = listener(stop_after=4)
    with pytest.raises(Interrupted):
        compute_study(study(["linear-probe"], eval_every=1), tmp_path / "out", quiet)
    from safetensors import safe_open

    (path,) = (tmp_path / "out").rglob("checkpoint.safetensors")
    with safe_open(path, framework="pt") as file:
        assert '"test_opened": "20' in file.metadata()["state"]  # watched from the first step on
    (record,) = compute_study(study(["linear-probe"], eval_every=1), tmp_path / "out", listener()).records()
    assert record.test_opened is not None and record.chosen is None
