import numpy as np
import pytest

from tuneoff.report.placing import LINE, Label, count_ticks, padded, padded_log, place_labels, time_ticks


@pytest.mark.parametrize("span", [0.3, 8, 55, 437, 5_000, 40_000, 900_000])
@pytest.mark.parametrize("log", [False, True])
def test_time_ticks_are_inside_and_neither_too_few_nor_too_many(span, log):
    low = span / 50 if log else 0.0
    ticks = time_ticks(low, span, log)
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(ticks) and low <= ticks[0] and ticks[-1] <= span


@pytest.mark.parametrize(("low", "high"), [(2_000, 6e8), (100_000, 200_000), (50, 5_000)])
def test_count_ticks_are_round_and_inside(low, high):
    ticks = count_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert all(low <= tick <= high and f"{tick:.0e}"[0] in "125" for tick in ticks)


def test_ranges_have_a_width_even_for_one_value():
    assert padded([0.5]) == (0.49, 0.51)
    low, high = padded_log([3_072.0])
    assert low < 3_072 < high


@pytest.mark.parametrize("seed", range(5))
def test_labels_never_overlap_and_stay_inside(seed):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(1, 40))
    width, height = 350.0, LINE * (number + 1)
    x = rng.choice([20.0, 200.0, 340.0], number) if seed % 2 else rng.uniform(0, width, number)
    labels = [Label(f"technique-{place}", float(x[place]), float(rng.uniform(0, height))) for place in range(number)]
    placed = place_labels(labels, width, height)
    assert [label.text for label in placed] == [label.text for label in labels]
    for place, label in enumerate(placed):
        assert LINE / 2 - 1e-6 <= label.y <= height - LINE / 2 + 1e-6
        assert 0 <= label.covers()[1] <= width
        for other in placed[:place]:
            (a, b), (c, d) = label.covers(), other.covers()
            assert abs(label.y - other.y) >= LINE - 1e-6 or b <= c or d <= a


def test_a_label_alone_stays_where_it_is():
    assert place_labels([Label("full", 20, 100)], 350, 300) == [Label("full", 20, 100)]


def test_a_label_does_not_stand_on_another_point():
    labels = [Label("linear-probe", 70, 100), Label("lora", 130, 100), Label("full", 300, 100)]
    first, second, third = place_labels(labels, 350, 300)
    assert abs(first.y - 100) >= LINE / 2 + 6  # above or below: on the left there is no room, on the right a point
    assert (second.left, second.y) == (False, 100)
    assert third.y == 100


def test_labels_of_one_crowded_point_are_all_placed():
    labels = [Label(f"lora-r{rank}", 175, 40) for rank in range(30)]
    placed = place_labels(labels, 350, LINE * 31)
    assert len({(label.left, label.y) for label in placed}) == 30
