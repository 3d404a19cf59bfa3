import numpy as np

from tuneoff.checks.rows import label_numbers, labelled, numbers, trained_data
from tuneoff.tasks.data_set import Split
from tuneoff.tasks.splits import take


def test_rows_are_named_by_their_numbers_in_the_file():
    split = Split("train", ([*"abcdefgh"],), np.arange(8) % 2, np.arange(8), [None] * 8)
    cut = take(split, [7, 5, 3, 1, 0, 2])
    assert numbers(cut, [0, 2]) == [7, 3] and numbers(cut, range(6)) == [7, 5, 3, 1, 0]  # five at most
    assert label_numbers(cut) == [1, 1, 1, 1, 0, 0]


def test_of_folds_the_first_is_trained_on(patient):
    made = patient(folds=4)
    assert trained_data(made) is made.task.by_fold[0] and trained_data(made) is not made.data
    plain = patient(eval_on="dev")
    assert trained_data(plain) is plain.data and list(labelled(plain.data)) == ["train", "dev", "test"]
