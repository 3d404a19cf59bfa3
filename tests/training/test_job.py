import pytest

from tuneoff.training.job import Budget


def evaluated(budget, split):
    return [step for step in range(budget.steps + 1) if split in budget.splits_at(step)]


def test_the_paper_evaluates_twenty_times():
    steps = evaluated(Budget(437, 24, 23, "test"), "test")
    assert steps == [*range(0, 437, 23), 437] and len(steps) == 20


@pytest.mark.parametrize(("steps", "every"), [(10, 3), (9, 3), (1, 5), (7, 7)])
def test_the_last_step_is_evaluated_once(steps, every):
    assert evaluated(Budget(steps, 8, every, "dev"), "dev") == sorted({*range(0, steps + 1, every), steps})


def test_test_is_opened_at_the_end_alone_where_dev_is_watched():
    assert evaluated(Budget(10, 8, 3, "dev"), "test") == [10]
