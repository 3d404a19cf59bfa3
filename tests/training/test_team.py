"""What a process does alone of what several share; several at work are in tests/executors/test_together.py."""

import numpy as np
import torch

from tuneoff.training.team import ALONE, Team


def team_of(size, index):
    made = Team()
    made.size, made.index = size, index
    return made


def test_alone_it_has_all_and_changes_nothing():
    parts = [np.array([0, 1]), np.array([2])]
    assert [part.number for part in ALONE.share(parts)] == [0, 1]
    parameter = torch.nn.Parameter(torch.ones(2))
    ALONE.add_gradients([parameter])
    ALONE.add(tensor := torch.ones(1))
    assert parameter.grad is None and tensor.item() == 1
    assert ALONE.total(3, 4) == [3, 4] and ALONE.most(5) == 5 and ALONE.same("x") == "x"
    assert ALONE.any(True) and not ALONE.any(False)


def test_every_part_is_computed_by_exactly_one_process():
    parts = [np.array([row]) for row in range(7)]
    for size in (2, 3, 9):
        taken = [team_of(size, index).share(parts) for index in range(size)]
        assert sorted(part.number for one in taken for part in one) == list(range(7))
        assert all(part.counts and part.rows is parts[part.number] for one in taken for part in one)
        assert max(map(len, taken)) - min(map(len, taken)) <= 1
