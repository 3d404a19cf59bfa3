"""Folds: each row held out once, groups whole, labels in proportion, the same each time."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tuneoff.errors import DataError
from tuneoff.reading import study_from_mapping
from tuneoff.tasks import load_study_task
from tuneoff.tasks.data_set import Split
from tuneoff.tasks.folds import cut_folds, pooled


def split(labels, groups=None, name="train", ids=None):
    n = len(labels)
    return Split(
        name=name,
        texts=([f"{name} text {row}" for row in range(n)],),
        labels=np.array(labels, dtype=np.int64),
        rows=np.arange(n),
        source_ids=ids or [str(row) for row in range(n)],
        groups=groups,
        columns={"length": [str(row % 7) for row in range(n)]},
    )


def mixed(n, sizes, seed, n_classes=3):
    random = np.random.default_rng(seed)
    labels = random.choice(n_classes, n, p=[0.6, 0.3, 0.1]).tolist()
    groups: list[str] = []
    while len(groups) < n:
        groups += [f"g{len(groups)}"] * int(random.choice(sizes))
    return split(labels, groups[:n])


@pytest.mark.parametrize("folds", [2, 5, 10])
@pytest.mark.parametrize("sizes", [[1], [2, 3], [1, 2, 5, 20]])
def test_each_row_is_in_one_fold_with_its_group_and_labels_are_in_proportion(folds, sizes):
    whole = mixed(603, sizes, seed=folds)
    parts = cut_folds(whole, folds, classes="abc")
    assert sorted(row for part in parts for row in part) == list(range(603))
    assert all(part == sorted(part) for part in parts)
    where = {row: fold for fold, part in enumerate(parts) for row in part}
    for group in set(whole.groups):
        assert len({where[row] for row, one in enumerate(whole.groups) if one == group}) == 1
    sizes_found = [len(part) for part in parts]
    assert max(sizes_found) - min(sizes_found) <= (1 if sizes == [1] else max(sizes))
    for label, count in Counter(whole.labels.tolist()).items():
        for part in parts:
            assert abs(int((whole.labels[part] == label).sum()) - count / folds) <= 1 + max(sizes) / 2


def test_the_cut_is_a_matter_of_the_data_and_not_of_their_order():
    whole = mixed(200, [1, 3], seed=1)
    order = np.random.default_rng(2).permutation(200)
    shuffled = replace(
        whole,
        texts=([whole.texts[0][row] for row in order],),
        labels=whole.labels[order],
        groups=[whole.groups[row] for row in order],
    )
    first, second = cut_folds(whole, 4, classes="abc"), cut_folds(shuffled, 4, classes="abc")
    assert first == cut_folds(whole, 4, classes="abc")
    assert [{whole.groups[row] for row in part} for part in first] == [
        {shuffled.groups[row] for row in part} for part in second
    ]


def test_what_cannot_be_cut_is_refused_in_words():
    with pytest.raises(DataError, match="are 3 groups, which do not fill 4 folds"):
        cut_folds(split([0, 1, 0, 1, 0, 1], ["a", "a", "b", "b", "c", "c"]), 4, classes=["no", "yes"])
    with pytest.raises(DataError, match=r"the label 'yes' would occur in fold \d alone"):
        cut_folds(split([0, 0, 0, 0, 1, 1], ["a", "b", "c", "d", "e", "e"]), 2, classes=["no", "yes"])


def test_rows_of_all_splits_are_laid_end_to_end_and_keep_what_they_are():
    train, test = split([0, 1], ["a", "b"], ids=["7", None]), split([1], ["a"], name="test", ids=["7"])
    pool = pooled([train, test], prefixed=())
    assert pool.source_ids == ["train:7", "train:1", "test:7"] and pool.rows.tolist() == [0, 1, 2]
    assert pool.labels.tolist() == [0, 1, 1] and pool.groups == ["a", "b", "a"]
    assert pool.texts[0] == [*train.texts[0], *test.texts[0]]
    prefixed = replace(test, source_ids=["val:7"])
    assert pooled([train, prefixed], prefixed=("test",)).source_ids == ["train:7", "train:1", "val:7"]


@pytest.mark.parametrize("eval_on", ["dev", "test"])
def test_each_fold_is_a_task_of_its_own(eval_on):
    study = study_from_mapping({"model": "m", "task": "mini_rte", "protocol": {"folds": 3, "eval_on": eval_on}})
    task = load_study_task(study, Path())
    assert list(task.by_fold) == [0, 1, 2] and len(task.whole.splits["test"]) == 700
    held_out = [set(fold.splits["test"].source_ids) for fold in task.by_fold.values()]
    assert set.union(*held_out) == set(task.whole.splits["test"].source_ids) and sum(map(len, held_out)) == 700
    for fold in task.by_fold.values():
        parts = [split for name, split in fold.splits.items()]
        assert sum(map(len, parts)) == 700 and ("dev" in fold.splits) == (eval_on == "dev")
        groups = [set(part.groups) for part in parts]
        assert sum(map(len, groups)) == len(set.union(*groups))
        assert any(note.startswith("Cross-validation: the 700 labelled rows") for note in fold.notes)
        assert not any("share their" in note for note in fold.notes)
    assert len({fold.fingerprint for fold in [*task.by_fold.values(), task.whole]}) == 4
