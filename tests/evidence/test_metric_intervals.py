"""Intervals of F1 and Matthews' correlation: against closed forms, scipy's bootstrap, scikit-learn, and by coverage."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import f1_score, matthews_corrcoef

from tuneoff.evidence.intervals import accuracy_interval
from tuneoff.evidence.metric_intervals import INTERVALS, _around, metric_interval, metric_intervals

SKLEARN = {
    "mcc": matthews_corrcoef,
    "f1": f1_score,
    "macro_f1": lambda labels, given: f1_score(labels, given, average="macro", zero_division=0.0),
}


def answers(n, classes, seed, seeds=1, right=0.7):
    """Labels of unequal classes, and answers that are right with a probability."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    other = rng.integers(0, classes, (seeds, n))
    return labels, np.where(rng.random((seeds, n)) < right, labels, other)


@pytest.mark.parametrize(("name", "classes"), [("mcc", 2), ("mcc", 4), ("f1", 2), ("macro_f1", 2), ("macro_f1", 5)])
def test_it_is_as_wide_as_resampling_the_examples_makes_it(name, classes):
    labels, given = answers(600, classes, 3)
    found = metric_interval(name, labels, given)
    resampled = bootstrap(
        (labels, given[0]),
        SKLEARN[name],
        paired=True,
        vectorized=False,
        n_resamples=1500,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    width = resampled.high - resampled.low
    assert found.high - found.low == pytest.approx(width, rel=0.08)
    assert (found.low, found.high) == pytest.approx((resampled.low, resampled.high), abs=0.12 * width)
    assert (found.level, found.covers) == (0.95, "examples")


def test_the_influences_on_a_fourfold_table_have_the_variance_of_phi():
    """Bishop, Fienberg & Holland (1975), Discrete Multivariate Analysis, equation 11.3-12."""
    labels, given = answers(500, 2, 1)
    values = _around(INTERVALS["mcc"][0], labels, given[0], 2)
    shares = np.histogram2d(labels, given[0], bins=2)[0] / 500
    phi = np.corrcoef(labels, given[0])[0, 1]
    (r1, r2), (c1, c2) = shares.sum(axis=1), shares.sum(axis=0)
    skew = (r1 - r2) * (c1 - c2) / np.sqrt(r1 * r2 * c1 * c2)
    ends = (r1 - r2) ** 2 / (r1 * r2) + (c1 - c2) ** 2 / (c1 * c2)
    assert values.mean() == pytest.approx(phi)
    assert values.var() == pytest.approx(1 - phi**2 + phi * (1 + phi**2 / 2) * skew - 0.75 * phi**2 * ends)


@pytest.mark.parametrize(("name", "classes"), [("mcc", 3), ("f1", 2), ("macro_f1", 3)])
def test_an_influence_is_what_leaving_the_example_out_does(name, classes):
    labels, given = answers(2000, classes, 2)
    values = _around(INTERVALS[name][0], labels, given[0], classes)
    whole = SKLEARN[name](labels, given[0])
    assert values.mean() == pytest.approx(whole)
    for row in range(0, 2000, 97):
        rest = np.arange(2000) != row
        assert values[row] - whole == pytest.approx(
            1999 * (whole - SKLEARN[name](labels[rest], given[0][rest])), rel=0.01, abs=1e-3
        )


def test_with_balanced_classes_and_errors_it_is_the_accuracys_on_another_scale():
    """MCC is then 2 * accuracy - 1, and for many examples the two intervals are one."""
    labels = np.arange(4000) % 2
    given = np.where(np.arange(4000) // 2 % 10 < 2, 1 - labels, labels)[None]
    accuracy, found = accuracy_interval(given == labels), metric_interval("mcc", labels, given)
    ends = (2 * accuracy.low - 1, 2 * accuracy.high - 1)
    assert (found.low, found.high) == pytest.approx(ends, abs=2e-3)


@pytest.mark.parametrize("seeds", [1, 5])
@pytest.mark.parametrize("name", ["mcc", "f1"])
def test_it_covers_what_it_should(name, seeds):
    """Seeds differ in how often they are right; the truth is the mean over many."""
    rng = np.random.default_rng(5)

    def draw(examples, seeds):
        labels = (rng.random(examples) < 0.35).astype(int)
        hard = 0.12 * rng.normal(size=examples)
        of_seed = (0.03 if seeds > 1 else 0.0) * rng.normal(size=(seeds, 1))
        right = rng.random((seeds, examples)) < 0.75 + hard + of_seed
        return labels, np.where(right, labels, 1 - labels)

    labels, given = draw(20_000, 200 if seeds > 1 else 1)
    truth = np.mean([SKLEARN[name](labels, one) for one in given])
    if seeds == 1:
        labels, given = draw(2_000_000, 1)
        truth = SKLEARN[name](labels, given[0])
    found = [metric_interval(name, *draw(200, seeds)) for _ in range(400)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.92 <= covered <= 0.99


def test_seeds_that_differ_make_it_wider():
    labels, same = answers(400, 2, 7)
    alike = metric_interval("mcc", labels, np.repeat(same, 4, axis=0))
    apart = np.concatenate([answers(400, 2, 7, right=right)[1] for right in (0.5, 0.6, 0.8, 0.9)])
    wider = metric_interval("mcc", labels, apart)
    assert wider.covers == "seeds and examples" and wider.high - wider.low > 1.3 * (alike.high - alike.low)


def test_what_no_example_tells_is_unknown_and_not_of_no_width():
    labels = np.arange(30) % 2
    always, perfect = np.zeros((1, 30), dtype=int), labels[None]
    for name in INTERVALS:
        assert metric_interval(name, labels, perfect) is None
        assert metric_interval(name, labels[:1], perfect[:, :1]) is None
    assert metric_interval("mcc", labels, always) is None and metric_interval("f1", labels, always) is None
    found = metric_intervals({"mcc": 0.3, "f1": None}, *answers(100, 3, 0))
    assert found["mcc"] and (found["f1"], found["macro_f1"]) == (None, None)
    assert metric_intervals({"mcc": 0.3}, None, None)["mcc"] is None
