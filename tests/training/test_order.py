import numpy as np
import pytest

from tuneoff.training.order import batch_rows, micro_batches, packed_batches, steps_per_epoch


@pytest.mark.parametrize(("rows", "batch"), [(48, 24), (49, 24), (5, 24), (1, 1), (107, 10)])
def test_an_epoch_has_each_row_exactly_once(rows, batch):
    for epoch in range(3):
        first = epoch * steps_per_epoch(rows, batch)
        seen = np.concatenate([batch_rows(rows, batch, 1, first + i) for i in range(steps_per_epoch(rows, batch))])
        assert sorted(seen) == list(range(rows))


def test_epochs_and_seeds_differ_and_repeat():
    first, second = (batch_rows(100, 100, 7, step) for step in (0, 1))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, batch_rows(100, 100, 8, 0))
    np.testing.assert_array_equal(first, batch_rows(100, 100, 7, 0))


@pytest.mark.parametrize("budget", [1, 30, 100, 10_000])
def test_micro_batches_hold_each_example_once_within_the_budget(budget):
    lengths = np.random.default_rng(0).integers(1, 90, size=57)
    groups = micro_batches(lengths, budget)
    assert sorted(np.concatenate(groups)) == list(range(57))
    for group in groups:
        assert len(group) == 1 or lengths[group].max() * len(group) <= budget


def test_micro_batches_of_like_length_waste_little():
    lengths = np.random.default_rng(0).integers(10, 90, size=240)
    computed = sum(int(lengths[group].max()) * len(group) for group in micro_batches(lengths, 1500))
    assert lengths.sum() <= computed < 1.1 * lengths.sum() < 0.7 * lengths.max() * len(lengths)


@pytest.mark.parametrize("budget", [10, 64, 100, 1500, 10_000])
@pytest.mark.parametrize("count", [1, 2, 24, 307])
def test_packed_batches_hold_each_row_once_within_the_budget_and_are_few(count, budget):
    lengths = np.random.default_rng(count).integers(1, 60, count)
    parts = packed_batches(lengths, budget)
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    sizes = [lengths[part].sum() for part in parts]
    assert all(size <= budget or len(part) == 1 for size, part in zip(sizes, parts, strict=True))
    longest = lengths.max()
    if budget > 2 * longest:
        assert len(parts) <= np.ceil(lengths.sum() / (budget - longest))
    order = lengths[np.concatenate(parts)]
    assert (np.diff(order) <= 0).all()


def test_packed_batches_are_of_about_one_size():
    lengths = np.full(24, 80)
    assert [len(part) for part in packed_batches(lengths, 1500)] == [12, 12]
