import json
from dataclasses import replace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest, linregress, t

from tuneoff.evidence import build_results
from tuneoff.evidence.results import SCHEMA_FILE
from tuneoff.evidence.task_files import keep_test_columns
from tuneoff.store import StageAddress
from tuneoff.tasks import Split, TaskData

TASK = "mini-rte-ru-phenomenon"
KIND = ["x", "y", "y"] * 20


def address(technique="lora", seed=0, fold=None):
    return StageAddress("small-e5", TASK, technique, seed, fold)


def details(store, technique="lora"):
    results = build_results(store)
    jsonschema.validate(results, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    keys = [
        [(row["model"], row["task"], row["technique"]) for row in results[part]] for part in ("details", "techniques")
    ]
    assert keys[0] == keys[1]
    return next(row for row in results["details"] if row["technique"] == technique)


def change(store, where, predictions=None, history=None):
    """Write a stage again with other predictions or another history."""
    frame = store.predictions(where) if predictions is None else predictions
    store.finish(store.record(where), store.history(where) if history is None else history, frame, None)


def columns(store, columns, groups=None, rows=60, folded=False):
    """Keep the columns of made-up test rows."""
    texts = (["a text"] * rows,)
    test = Split("test", texts, np.zeros(rows, np.int64), np.arange(rows), [None] * rows, groups, columns)
    train = Split("train", (["another"],), np.zeros(1, np.int64), np.arange(1), [None], groups and ["none"])
    data = TaskData(TASK, TASK, ("a", "b"), ("text",), {"train": train, "test": test}, "f" * 64, "made up")
    keep_test_columns(store, TASK, data, folded=folded)


def last(frame, split="test"):
    """The labels and logits of a split's last evaluation, by row."""
    rows = frame[frame["split"] == split]
    rows = rows[rows["step"] == rows["step"].max()].sort_values("row")
    return rows["label"].to_numpy(), np.array(rows["logits"].to_list())


# Collapse


def test_a_seed_that_gives_one_answer_is_counted_and_its_answer_told(tmp_path, made_up):
    store = made_up(techniques=("lora", "full"), seeds=3).write(tmp_path)
    frame = store.predictions(address(seed=1))
    frame["logits"] = [[0.0, 0.5, 0.2 + 0.001 * row] for row in frame["row"]]
    change(store, address(seed=1), frame)
    found = details(store)["collapse"]
    assert found == {
        "seeds": 3,
        "collapsed": 1,
        "share": pytest.approx(1 / 3),
        "answers": [{"seed": 1, "fold": None, "class": 1}],
    }
    assert details(store, "full")["collapse"] == {"seeds": 3, "collapsed": 0, "share": 0.0, "answers": []}


def test_nothing_done_is_unknown_and_not_zero(tmp_path, made_up):
    row = details(made_up(techniques=("lora",), failed=(("lora", 0),)).write(tmp_path))
    assert row["collapse"] == {"seeds": 0, "collapsed": 0, "share": None, "answers": []}
    assert row["trend"]["slope"] is None and row["trend"]["seeds"] == 0
    assert row["calibration"]["fitted_on"] is None and row["calibration"]["loss"]["mean"] is None
    assert row["slices"] == {}


# Trend


def with_losses(store, where, losses, split="test", every=10):
    rows = [
        {"event": "eval", "split": split, "stage_step": every * n, "step": 300 + every * n, "loss": x, "accuracy": 0.5}
        for n, x in enumerate(losses)
    ]
    noise = {"event": "eval", "split": "another", "stage_step": 5, "step": 305, "loss": 9.0, "accuracy": 0.5}
    change(store, where, history=[{"event": "train", "stage_step": 1, "step": 301, "loss": 7.0}, noise, *rows])


def test_the_slope_of_several_seeds_has_the_t_interval_of_their_mean(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=3).write(tmp_path)
    rng = np.random.default_rng(4)
    curves = [2 - 0.03 * np.arange(16) + 0.001 * rng.normal(size=16) for _ in range(3)]
    for seed, losses in enumerate(curves):
        with_losses(store, address(seed=seed), losses.tolist())
    slopes = [100 * np.polyfit(10 * np.arange(12, 16), losses[-4:], 1)[0] for losses in curves]
    low, high = t.interval(0.95, 2, np.mean(slopes), np.std(slopes, ddof=1) / np.sqrt(3))
    found = details(store)["trend"]
    assert (found["slope"], found["low"], found["high"]) == pytest.approx((np.mean(slopes), low, high))
    assert (found["verdict"], found["covers"], found["seeds"], found["evaluations"]) == ("still falling", "seeds", 3, 4)
    assert found["split"] == "test" and found["reason"] is None


def test_one_seed_has_the_interval_of_the_regression(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    losses = [1.0, 0.8, 0.75, 0.72, 0.74]
    with_losses(store, address(), losses)
    fit = linregress([20, 30, 40], losses[-3:])
    low, high = (100 * (fit.slope + sign * t.ppf(0.975, 1) * fit.stderr) for sign in (-1, 1))
    found = details(store)["trend"]
    assert (found["slope"], found["low"], found["high"]) == pytest.approx((100 * fit.slope, low, high))
    assert (found["verdict"], found["covers"]) == ("flat or cannot be told", "evaluations")


def test_too_few_evaluations_say_so(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    with_losses(store, address(), [1.0, 0.5])
    found = details(store)["trend"]
    assert found["slope"] is None and found["evaluations"] == 2 and "3 evaluations" in found["reason"]


def test_the_curve_is_that_of_the_watched_split(tmp_path, made_up):
    store = made_up(techniques=("lora",), eval_on="dev").write(tmp_path)
    with_losses(store, address(), [3.0, 2.0, 1.0], split="dev")
    found = details(store)["trend"]
    assert found["split"] == "dev" and found["slope"] == pytest.approx(-10)


# Calibration


def best_temperature(labels, logits):
    """The temperature by a search that knows no derivative."""
    rows = np.arange(len(labels))
    found = minimize_scalar(
        lambda log: -log_softmax(logits / np.exp(log), axis=1)[rows, labels].mean(), bounds=(-6, 6), method="bounded"
    )
    return float(np.exp(found.x))


def loss_and_ece(labels, logits):
    """Loss and calibration error by loops."""
    shares = softmax(logits, axis=1)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    gaps = 0.0
    for low in np.arange(15) / 15:
        inside = (sure > low) & (sure <= low + 1 / 15)
        gaps += abs(right[inside].sum() - sure[inside].sum())
    return -np.log(shares[np.arange(len(labels)), labels]).mean(), gaps / len(labels)


def test_the_temperature_comes_from_dev_and_numbers_are_means_over_seeds(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=2, eval_on="dev").write(tmp_path)
    expected = []
    for seed in range(2):
        frame = store.predictions(address(seed=seed))
        labels, logits = last(frame)
        expected.append(loss_and_ece(labels, logits / best_temperature(*last(frame, "dev"))))
    found = details(store)["calibration"]
    losses, eces = zip(*expected, strict=True)
    assert found["fitted_on"] == "dev" and found["reason"] is None
    assert found["loss"]["mean"] == pytest.approx(np.mean(losses), abs=1e-5)
    assert found["loss"]["sd"] == pytest.approx(np.std(losses, ddof=1), abs=1e-5)
    assert (found["loss"]["n"], found["ece"]["n"]) == (2, 2)
    assert found["ece"]["mean"] == pytest.approx(np.mean(eces), abs=2e-3)


def test_dev_of_another_step_is_of_another_model(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=2, eval_on="dev").write(tmp_path)
    frame = store.predictions(address(seed=1))
    change(store, address(seed=1), frame[(frame["split"] == "test") | (frame["step"] < 40)])
    assert details(store)["calibration"]["fitted_on"] == "other folds of test"  # for both: they are to compare


def test_without_dev_groups_of_test_stay_in_one_fold(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    apart = details(store)["calibration"]
    assert apart["fitted_on"] == "other folds of test" and apart["loss"]["n"] == 1
    columns(store, {}, groups=[str(row) for row in range(60)])  # each row is its own group: the same folds
    assert details(store)["calibration"] == apart
    columns(store, {}, groups=["one"] * 60)  # one group fills one fold, and there is none to fit on
    alone = details(store)["calibration"]
    assert alone["loss"]["mean"] is None and alone["reason"] == "too few rows"


def test_a_seed_without_a_best_temperature_is_left_out_with_its_reason(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=2, eval_on="dev").write(tmp_path)
    frame = store.predictions(address(seed=1))
    perfect = np.eye(3)[frame["label"]].tolist()
    change(store, address(seed=1), frame.assign(logits=perfect))
    found = details(store)["calibration"]
    labels, logits = last(store.predictions(address()))
    scaled = logits / best_temperature(*last(store.predictions(address()), "dev"))
    assert found["loss"]["n"] == 1 and found["reason"].startswith("no temperature is best on dev")
    assert found["loss"]["mean"] == pytest.approx(loss_and_ece(labels, scaled)[0], abs=1e-5)


# Slices


def test_slices_are_means_over_seeds_with_wilsons_interval(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=2).write(tmp_path)
    columns(store, {"kind": KIND})
    right = []
    for seed in range(2):
        labels, logits = last(store.predictions(address(seed=seed)))
        right.append(logits.argmax(axis=1) == labels)
    found = details(store)["slices"]["kind"]
    assert [(one["value"], one["examples"]) for one in found] == [("x", 20), ("y", 40)]
    for one in found:
        inside = np.array(KIND) == one["value"]
        assert one["accuracy"] == pytest.approx(np.mean([seed[inside].mean() for seed in right]))
    store = made_up(techniques=("lora",)).write(tmp_path / "one")
    columns(store, {"kind": KIND})
    for one in details(store)["slices"]["kind"]:
        inside = np.array(KIND) == one["value"]
        interval = binomtest(int(right[0][inside].sum()), int(inside.sum())).proportion_ci(0.95, "wilson")
        assert (one["low"], one["high"]) == pytest.approx((interval.low, interval.high))


def test_rows_are_found_by_their_number_wherever_they_stand(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    columns(store, {"kind": KIND})
    before = details(store)
    frame = store.predictions(address())
    change(store, address(), frame.sample(frac=1.0, random_state=3))
    assert details(store)["slices"] == before["slices"]


def test_rows_that_are_not_known_give_no_slices(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    columns(store, {"kind": ["x", "y"] * 29}, rows=58)
    assert details(store)["slices"] == {}
    columns(store, {"kind": ["x", "y"] * 31}, rows=62)
    assert details(store)["slices"] == {}


# Folds


def test_folds_are_pooled_by_seed_and_a_seed_that_lacks_one_has_no_slices(tmp_path, made_up):
    import yaml

    store = made_up(techniques=("lora",), seeds=2).write(tmp_path)
    study = store.study()
    study["protocol"]["folds"] = 2
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    columns(store, {"kind": KIND}, folded=True)
    right, losses = {}, {0: [1.0, 0.9, 0.7, 0.6], 1: [1.2, 0.9, 0.9, 0.9]}
    for seed, fold in ((0, 0), (0, 1), (1, 0)):  # fold 1 of seed 1 has not been run
        frame = store.predictions(address(seed=seed))
        own = frame[frame["row"] % 2 == fold]
        if (seed, fold) == (0, 1):
            own = own.assign(logits=[[1.0, 0.0, 0.0]] * len(own))  # this fold collapsed
        record = replace(store.record(address(seed=seed)), address=address(seed=seed, fold=fold))
        rows = [
            {"event": "eval", "split": "test", "stage_step": 10 * n, "step": 10 * n, "loss": loss, "accuracy": 0.5}
            for n, loss in enumerate(losses[fold])
        ]
        store.finish(record, rows, own, None)
        if seed == 0:
            labels, logits = last(own)
            hits = (logits.argmax(axis=1) == labels).tolist()
            right |= dict(zip(sorted(own["row"].unique()), hits, strict=True))
    row = details(store)
    assert {one["value"]: one["accuracy"] for one in row["slices"]["kind"]} == {
        value: pytest.approx(np.mean([right[n] for n in range(60) if KIND[n] == value])) for value in "xy"
    }
    assert row["collapse"]["answers"] == [{"seed": 0, "fold": 1, "class": 0}] and row["collapse"]["seeds"] == 3
    means = np.mean([losses[0], losses[1]], axis=0)
    slopes = [100 * np.polyfit([10, 20, 30], curve[-3:], 1)[0] for curve in (means, losses[0])]
    assert row["trend"]["slope"] == pytest.approx(np.mean(slopes)) and row["trend"]["seeds"] == 2


def test_a_file_of_earlier_versions_without_row_numbers_is_read(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    columns(store, {"kind": KIND})
    change(store, address(), pd.DataFrame(store.predictions(address())).drop(columns="row"))
    row = details(store)
    assert row["slices"] == {} and row["collapse"]["seeds"] == 1
