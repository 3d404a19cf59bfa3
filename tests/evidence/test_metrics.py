import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef

from tuneoff.evidence.metrics import METRICS, measure, measure_frame


@pytest.fixture
def sample():
    """Skewed classes, some of them never predicted."""
    rng = np.random.default_rng(0)
    labels = rng.choice(4, size=200, p=[0.7, 0.2, 0.09, 0.01])
    return labels, rng.normal(size=(200, 4)) + [2.0, 0.5, 0.0, -9.0] + 1.5 * np.eye(4)[labels]


def slow_ece(labels, shares):
    """Guo et al. (2017), eq. 3, bin by bin: rows with a confidence in ((m - 1) / 15, m / 15]."""
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    bins = [(sure > m / 15) & (sure <= (m + 1) / 15) for m in range(15)]
    return sum(inside.mean() * abs(right[inside].mean() - sure[inside].mean()) for inside in bins if inside.any())


def test_metrics_agree_with_sklearn(sample):
    labels, logits = sample
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = measure(labels, logits)
    assert found.pop("f1") is None  # there are four classes
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(labels, logits.argmax(axis=1)),
            "loss": log_loss(labels, shares, labels=range(4)),
            "macro_f1": f1_score(labels, logits.argmax(axis=1), average="macro", zero_division=0.0),
            "mcc": matthews_corrcoef(labels, logits.argmax(axis=1)),
            "ece": slow_ece(labels, shares),
        },
        rel=1e-12,
    )


def test_loss_neither_overflows_nor_loses_a_tiny_difference():
    labels = np.array([0, 1])
    assert METRICS["loss"].compute(labels, np.array([[1e4, 0.0], [1e4, 0.0]])) == 5e3
    assert METRICS["loss"].compute(labels[:1], np.array([[40.0, 0.0]])) == pytest.approx(
        np.log1p(np.exp(-40)), abs=1e-16
    )


def test_mcc_of_two_classes_is_the_closed_form_and_of_a_constant_predictor_zero():
    labels = np.array([0] * 6 + [1] * 4)
    guessed = np.array([0] * 5 + [1] + [1] * 3 + [0])
    logits = np.eye(2)[guessed]
    assert METRICS["mcc"].compute(labels, logits) == pytest.approx((5 * 3 - 1 * 1) / np.sqrt(6 * 4 * 6 * 4))
    assert METRICS["mcc"].compute(labels, np.tile([1.0, 0.0], (10, 1))) == 0
    assert METRICS["mcc"].compute(labels, 1 - np.eye(2)[labels]) == pytest.approx(-1)


@pytest.mark.parametrize("shift", [-9.0, 0.0, 1.0, 9.0])
def test_f1_is_that_of_the_second_of_two_classes(shift):
    rng = np.random.default_rng(3)
    labels, logits = rng.integers(2, size=50), rng.normal(size=(50, 2)) + np.array([0.0, shift])
    expected = f1_score(labels, logits.argmax(axis=1), zero_division=0.0)
    assert METRICS["f1"].compute(labels, logits) == pytest.approx(expected, abs=1e-15)


def test_ece_of_sure_answers_is_the_share_of_wrong_ones():
    labels, logits = np.array([0, 0, 0, 1]), np.tile([1e3, 0.0], (4, 1))
    assert METRICS["ece"].compute(labels, logits) == 0.25
    assert METRICS["ece"].compute(labels, np.zeros((4, 2))) == 0.25  # half sure, the first class taken: 3 of 4 right


def test_gaps_of_one_bin_cancel_and_of_two_bins_do_not():
    one_bin = np.log([[0.7, 0.3], [0.72, 0.28]])
    assert METRICS["ece"].compute(np.array([0, 1]), one_bin) == pytest.approx(0.21)
    two_bins = np.log([[0.7, 0.3], [0.9, 0.1]])
    assert METRICS["ece"].compute(np.array([0, 1]), two_bins) == pytest.approx((0.3 + 0.9) / 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_no_metrics(sample, bad):
    labels, logits = sample
    logits[3, 1] = bad
    assert measure(labels, logits) == dict.fromkeys(METRICS)


def test_no_rows_have_no_metrics():
    assert measure(np.zeros(0, np.int64), np.zeros((0, 2))) == dict.fromkeys(METRICS)


def test_a_frame_is_measured_on_the_last_step_of_the_split():
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    rows = [("test", 0, wrong), ("test", 9, right), ("test", 9, wrong), ("dev", 12, wrong)]
    frame = pd.DataFrame([{"split": s, "step": step, "label": 0, "logits": logits} for s, step, logits in rows])
    assert measure_frame(frame)["accuracy"] == 0.5
    assert measure_frame(frame, "dev")["accuracy"] == 0.0
    assert measure_frame(frame, "train") == dict.fromkeys(METRICS)
