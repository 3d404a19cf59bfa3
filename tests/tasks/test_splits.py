"""The cut of dev: groups whole, labels in proportion, the same each time; and what splits share."""

import random
from collections import Counter

import numpy as np
import pytest

from tuneoff.errors import DataError
from tuneoff.tasks.data_set import Split
from tuneoff.tasks.splits import count_shared, cut_dev, drop_overlap, overlap_notes, take


def split(labels, groups=None, texts=None, name="train"):
    n = len(labels)
    return Split(
        name=name,
        texts=(texts or [f"text {row}" for row in range(n)],),
        labels=np.array(labels, dtype=np.int64),
        rows=np.arange(n),
        source_ids=[str(row) for row in range(n)],
        groups=groups,
        columns={"length": [str(row % 7) for row in range(n)]},
    )


def mixed(n, sizes, n_classes, seed):
    """Return n labels of unequal frequency, and groups of random sizes with mixed labels."""
    rng = random.Random(seed)
    labels = [min(int(rng.expovariate(1.0)), n_classes - 1) for _ in range(n)]
    groups: list[str] = []
    while len(groups) < n:
        groups += [f"g{len(groups)}"] * rng.choice(sizes)
    return labels, groups[:n]


@pytest.mark.parametrize("n", [1000, 1001, 2616])
@pytest.mark.parametrize("sizes", [[1], [2, 3], [1, 2, 5, 20]])
def test_dev_is_a_tenth_with_whole_groups_and_each_label_in_proportion(n, sizes):
    labels, groups = mixed(n, sizes, 4, seed=n)
    train, dev = cut_dev(split(labels, groups), n_classes=4)
    assert not set(train.groups) & set(dev.groups)
    assert sorted([*train.rows, *dev.rows]) == list(range(n))
    assert n / 10 <= len(dev) < n / 10 + max(sizes)
    assert len(dev) >= 100
    for label, count in Counter(labels).items():
        assert abs(int((dev.labels == label).sum()) - count / 10) <= 1 + max(sizes) / 2


def test_rows_keep_their_order_and_all_that_belongs_to_them():
    whole = split(*mixed(200, [1, 3], 3, seed=0))
    for part in cut_dev(whole, n_classes=3):
        assert list(part.rows) == sorted(part.rows)
        for row, at in enumerate(part.rows):
            assert part.texts[0][row] == whole.texts[0][at]
            assert part.labels[row] == whole.labels[at]
            assert part.source_ids[row] == whole.source_ids[at]
            assert part.groups[row] == whole.groups[at]
            assert part.columns["length"][row] == whole.columns["length"][at]


def test_cut_depends_on_the_data_alone():
    """The same groups go to dev in any order of the rows, and the choice is not simply the first ones."""
    whole = split([0, 1] * 100, [str(row // 2) for row in range(200)])
    _, dev = cut_dev(whole, n_classes=2)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002 (the global state must not matter)
    before = random.getstate()
    _, turned = cut_dev(take(whole, range(199, -1, -1)), n_classes=2)
    assert random.getstate() == before
    assert set(turned.groups) == set(dev.groups)
    assert set(dev.groups) != {str(group) for group in range(10)}


def test_equal_texts_stay_together_without_groups():
    texts = [f"text {row % 50}" for row in range(100)]
    train, dev = cut_dev(split([row % 50 % 2 for row in range(100)], texts=texts), n_classes=2)
    assert len(dev) == 10
    assert not set(train.texts[0]) & set(dev.texts[0])


def test_many_rare_labels_still_give_a_tenth_and_all_stay_in_train():
    """With four rows a label no label has a row of its own in a tenth; the sum must be right all the same."""
    labels = [row // 4 for row in range(400)]
    train, dev = cut_dev(split(labels), n_classes=100)
    assert len(dev) == 40
    assert set(train.labels.tolist()) == set(labels)


def test_last_row_of_a_label_stays_in_train():
    labels = [0] * 50 + [1] * 49 + [2]
    for name in range(20):  # the group of three with the only 2 comes first in some of them
        groups = [f"{name}-{(row + 2) // 3}" for row in range(100)]
        train, dev = cut_dev(split(labels, groups), n_classes=3)
        assert 2 in train.labels
        assert len(dev) >= 10


@pytest.mark.parametrize("groups", [["a"] * 40, ["a", "b"] * 20])
def test_groups_too_large_to_cut_are_refused(groups):
    """One group cannot be cut; two groups, each the only one with its label, cannot either."""
    with pytest.raises(DataError, match=r"dev cannot be cut out of train.*task.dev"):
        cut_dev(split([0, 1] * 20, groups), n_classes=2)


def test_overlap_is_counted_by_group_and_by_text():
    train = split([0, 1, 0], ["a", "b", "c"], ["one", "two", "three"])
    test = split([0, 1, 0, 1], ["a", "a", "c", "d"], ["one", "x", "y", "z"], name="test")
    assert overlap_notes(train, test, ("text",), "topic") == [
        "3 of the 4 test rows share their topic with a row of train.",
        "1 of the 4 test rows stand in train with the same text.",
    ]
    assert count_shared("aab", "a") == 2
    kept = drop_overlap(train, [test])
    assert kept.groups == ["b"]
    assert overlap_notes(kept, test, ("text",), "topic") == []


def test_without_groups_the_first_of_two_texts_is_compared():
    train, test = (
        Split(name, (["p", "q"], [name, "h"]), np.array([0, 1]), np.arange(2), [None, None]) for name in ("a", "b")
    )
    assert overlap_notes(train, test, ("premise", "hypothesis"), None) == [
        "2 of the 2 b rows share their premise with a row of train.",
        "1 of the 2 b rows stand in train with the same text.",
    ]
    assert drop_overlap(train, [test]).texts == (["p"], ["a"])
