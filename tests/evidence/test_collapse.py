import numpy as np

from tuneoff.evidence.collapse import collapse


def test_only_seeds_that_never_change_their_answer_have_collapsed():
    predictions = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0], [2, 2, 2, 2]])
    found = collapse(predictions)
    assert (found.seeds, found.collapsed, found.share) == (4, 3, 0.75)
    assert found.answers == {0: 1, 2: 0, 3: 2}


def test_no_seed_has_no_share_and_one_example_shows_nothing():
    assert collapse(np.zeros((0, 5), np.int64)).share is None
    assert collapse(np.zeros((3, 1), np.int64)).collapsed == 0
