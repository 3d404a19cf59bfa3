"""Logistic regression: against the definition of its minimum, and which rows the penalty is chosen on."""

import numpy as np
import pytest
import torch

from tuneoff.training import logistic
from tuneoff.training.logistic import CHOICES, choose_penalty, fit_logistic


def rows(count, classes, seed=0, width=6):
    numbers = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % classes
    centres = numbers.normal(size=(classes, width))
    return centres[labels] + 2.0 * numbers.normal(size=(count, width)) + 1.0, labels


@pytest.mark.parametrize("classes", [2, 3])
def test_the_gradient_of_the_penalised_loss_is_zero_at_the_weights(classes):
    """The definition in the docstring, differentiated by torch."""
    vectors, labels = rows(60, classes)
    c = 0.7
    weights, _ = fit_logistic(vectors, labels, classes, c)
    scale = np.sqrt((vectors**2).sum(axis=1).mean())
    w = torch.tensor(weights * scale, requires_grad=True)
    logits = torch.from_numpy(vectors / scale) @ w.T
    loss = c * torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="sum") + (w**2).sum() / 2
    (gradient,) = torch.autograd.grad(loss, w)
    assert gradient.abs().max() < 1e-4 * weights.size


def test_the_size_of_vectors_means_nothing():
    vectors, labels = rows(40, 2)
    small, large = (fit_logistic(factor * vectors, labels, 2) for factor in (1e-3, 1e3))
    assert small[1] == large[1] and small[0] == pytest.approx(1e6 * large[0], rel=1e-4)


def test_a_class_that_train_lacks_has_no_weights_and_is_never_the_answer():
    vectors, labels = rows(40, 2)
    weights, _ = fit_logistic(vectors, np.where(labels == 1, 2, 0), 3, 1.0)
    assert not weights[1].any() and set((vectors @ weights.T).argmax(axis=1)) == {0, 2}


def test_the_penalty_is_the_best_on_rows_held_out():
    """Labels without a cause want the strongest penalty, labels with a sharp one a weak one."""
    vectors, labels = rows(60, 2)
    chance = np.random.default_rng(1).permutation(labels)
    assert choose_penalty(vectors, chance, 2, None) == CHOICES[0]
    centred = vectors - vectors.mean(axis=0)
    told = (centred @ np.arange(6) > 0).astype(np.int64)
    assert choose_penalty(centred, told, 2, None) > 1


def test_rows_of_one_group_stay_on_one_side():
    _, labels = rows(30, 2)
    groups = [f"premise {number // 2}" for number in range(30)]
    folds = list(logistic._folds(labels, groups))
    assert len(folds) == logistic.FOLDS
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(30))
    for seen, held in folds:
        assert not {groups[row] for row in seen} & {groups[row] for row in held}


def test_where_rows_are_copies_groups_keep_the_penalty_from_looking_weak():
    """Each row stands ten times: without groups the copies give the answer away, and weights may grow."""
    vectors, labels = rows(12, 2)
    chance = np.random.default_rng(3).permutation(labels)
    copies, their = np.repeat(vectors, 10, axis=0), np.repeat(chance, 10)
    groups = [str(row) for row in np.repeat(np.arange(12), 10)]
    assert choose_penalty(copies, their, 2, None) > choose_penalty(copies, their, 2, groups)


@pytest.mark.parametrize(("labels", "groups"), [([0, 1], None), ([0, 1, 0, 1], ["a"] * 4)])
def test_too_few_rows_or_groups_to_fold_take_the_usual_penalty(labels, groups):
    vectors = np.random.default_rng(0).normal(size=(len(labels), 3))
    assert choose_penalty(vectors, np.array(labels), 2, groups) == 1.0
