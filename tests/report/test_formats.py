import pytest

from tuneoff.report.formats import (
    chance,
    count,
    duration,
    listed,
    mean_spread,
    plain,
    short_count,
    short_duration,
    size,
)
from tuneoff.report.words import Words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0.0432, "0.043 s"),
        (4.24, "4.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.7, "1 h 00 min 00 s"),
        (22171, "6 h 09 min 31 s"),
    ],
)
def test_durations_read_as_in_the_paper(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "0.5 s"), (90, "1.5 min"), (7200, "2 h"), (100, "100 s")])
def test_axis_times_use_their_largest_whole_unit(seconds, text):
    assert short_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (999, "999 B"), (999_600, "1 MB"), (1_190_000_000, "1.19 GB"), (512_345_678, "512 MB")],
)
def test_sizes_have_three_digits(value, text):
    assert size(value) == text


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (None, None, "—"),
        (0.43712, None, "0.437"),
        (0.43712, 0.0, "0.437 ± 0.000"),
        (0.43712, 0.0123, "0.437 ± 0.012"),
        (0.43712, 0.123, "0.44 ± 0.12"),
        (0.43712, 0.00012, "0.4371 ± 0.0001"),
        (3.2, 1.7, "3.20 ± 1.70"),
    ],
)
def test_decimals_follow_the_spread(mean, spread, text):
    assert mean_spread(mean, spread) == text


def test_values_of_descriptions_are_readable():
    assert [plain(value) for value in (None, True, 595_779_584, 2e-6, ["a", 1], "x", [])] == [
        "—",
        "yes",
        "595,779,584",
        "2e-06",
        "a, 1",
        "x",
        "none",
    ]
    assert count(0) == "0"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9951, ">0.99"), (1.0, ">0.99"), (0.994, "0.99"), (0.5, "0.50"), (0.0049, "<0.01"), (0, "<0.01")],
)
def test_no_probability_is_shown_as_certain(share, text):
    assert chance(share) == text


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a, x", "b", "c"], "a, x; b; and c"),
    ],
)
def test_lists_in_sentences(names, text):
    assert listed(names) == text


def test_axes_count_in_the_language_of_the_report():
    values = (200, 10_000, 1_500_000, 2_000_000_000)
    assert [short_count(value) for value in values] == ["200", "10k", "1.5M", "2B"]
    assert [short_count(value, Words("ru")) for value in values] == ["200", "10 тыс.", "1,5 млн", "2 млрд"]


@pytest.mark.parametrize(
    ("written", "english", "russian"),
    [
        ("-0.0", "0.0", "0,0"),
        ("+0.00", "0.00", "0,00"),
        ("-0.00 ± 0.10", "0.00 ± 0.10", "0,00 ± 0,10"),
        ("-0", "0", "0"),
        ("-1.5", "−1.5", "−1,5"),
        ("-0.05", "−0.05", "−0,05"),
        ("+0.5", "+0.5", "+0,5"),
        ("1e-05", "1e-05", "1e-05"),
        ("-inf", "−inf", "−inf"),
        ("-.0", ".0", ",0"),
    ],
)
def test_a_negative_number_has_a_minus_and_a_zero_no_sign(written, english, russian):
    assert (Words().number(written), Words("ru").number(written)) == (english, russian)
