import numpy as np
import pytest
from scipy.stats import binomtest

from tuneoff.evidence.slices import SEEN, UNSEEN, accuracy_by_slice, seen_in_train, slice_columns


@pytest.fixture
def right():
    return np.random.default_rng(0).random((1, 90)) < 0.7


def test_each_slice_has_its_own_examples_and_wilsons_interval(right):
    column = ["b"] * 60 + ["a"] * 25 + ["c"] * 5
    found = accuracy_by_slice(right, column)
    assert list(found) == ["a", "b", "c"]
    for value, rows in (("b", slice(0, 60)), ("a", slice(60, 85)), ("c", slice(85, 90))):
        expected = binomtest(int(right[0, rows].sum()), right[0, rows].size).proportion_ci(0.95, method="wilson")
        one = found[value]
        assert (one.examples, one.accuracy) == (right[0, rows].size, pytest.approx(right[0, rows].mean()))
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high))


def test_seeds_add_no_examples(right):
    one = accuracy_by_slice(right, ["a"] * 90)["a"]
    five = accuracy_by_slice(np.repeat(right, 5, axis=0), ["a"] * 90)["a"]
    assert vars(five) == pytest.approx(vars(one))


def test_a_slice_that_is_all_right_has_no_zero_width():
    one = accuracy_by_slice(np.ones((2, 3), bool), ["a", "a", "a"])["a"]
    assert one.low < 0.5 and one.high == pytest.approx(1)


def test_a_column_of_another_length_is_refused(right):
    with pytest.raises(ValueError, match="90 examples, but the column has 3"):
        accuracy_by_slice(right, ["a", "b", "c"])


def test_columns_with_few_values_that_occur_again_are_slices():
    columns = {
        "phenomenon": ["a", "b"] * 50,
        "same": ["a"] * 100,
        "text": list(map(str, range(100))),
        "twenty": [str(n % 20) for n in range(100)],
        "many": [str(n % 21) for n in range(100)],
    }
    assert slice_columns(columns) == ["phenomenon", "twenty"]
    assert slice_columns({"id": ["a", "b", "c"]}) == []


def test_premises_of_train_are_known():
    assert seen_in_train(["p", "q", "p"], ["r", "p"]) == [SEEN, UNSEEN, SEEN]
