"""The audit of published numbers: its tests against scipy and statsmodels, its promises against exact power."""

import json
from bisect import bisect_right
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, binomtest, fisher_exact
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from tuneoff.evidence.audit import SHARES, audit, examples_paired, examples_unpaired, mcnemar_p
from tuneoff.evidence.published import PublishedAccuracy, PublishedTable, read_published

PAPER = Path(__file__).parents[2] / "examples" / "audit" / "terra-2025.csv"


def table(*counts, n=307, seeds=1, slack=0):
    """A table of techniques a, b, c, ... with these counts of right answers."""
    sizes = n if isinstance(n, tuple) else (n,) * len(counts)
    return PublishedTable(
        [
            PublishedAccuracy(name, count / size, size, seeds, max(count - slack, 0), count, min(count + slack, size))
            for name, count, size in zip("abcdefgh", counts, sizes, strict=False)
        ],
        [],
    )


def ids(result):
    return [sentence["id"] for sentence in result["sentences"]]


def text(result, name):
    return next(sentence["text"] for sentence in result["sentences"] if sentence["id"] == name)


@pytest.fixture(scope="module")
def paper():
    return audit(read_published(PAPER))


def test_the_papers_table_tells_no_pair_apart_and_lora_against_the_probe_comes_nearest(paper):
    assert {pair["verdict"] for pair in paper["pairs"]} == {"cannot be told apart"}
    assert (paper["pairs"][0]["a"], paper["pairs"][0]["b"]) == ("lora", "linear-probe")
    assert "No pair can be told apart at n = 307" in text(paper, "none_apart")
    assert "lora against linear-probe could be told apart" in text(paper, "nearest_decidable")
    assert {"needed", "smallest_difference", "one_seed"} <= set(ids(paper))
    json.dumps(paper, allow_nan=False)


def test_unpaired_values_are_fishers_with_holm(paper):
    counts = {"full": 171, "linear-probe": 165, "lora": 193, "linear-probe+full": 186, "linear-probe+lora": 182}
    p = [
        fisher_exact([[counts[pair["a"]], 307 - counts[pair["a"]]], [counts[pair["b"]], 307 - counts[pair["b"]]]])[1]
        for pair in paper["pairs"]
    ]
    assert [pair["unpaired"]["p"] for pair in paper["pairs"]] == pytest.approx(p)
    assert [pair["unpaired"]["p_holm"] for pair in paper["pairs"]] == pytest.approx(multipletests(p, method="holm")[1])
    assert p == sorted(p)


def test_paired_values_are_exact_mcnemar_at_a_discordance_that_the_counts_allow(paper):
    for pair in paper["pairs"]:
        (right_a, right_b), n = pair["right"], 307
        for share, name in ((None, "smallest"), (0.20, "20%"), (0.35, "35%"), (None, "largest")):
            scenario = pair["paired"][name]
            b = (scenario["discordant"] + right_a - right_b) // 2
            c = scenario["discordant"] - b
            both = right_a - b
            cells = [[both, b], [c, n - both - b - c]]
            assert np.min(cells) >= 0 and b - c == right_a - right_b and both + c == right_b
            assert scenario["p"] == pytest.approx(mcnemar(cells, exact=True).pvalue)
            if name == "smallest":
                assert c == 0
            elif name == "largest":
                assert both == 0 or n - both - b - c == 0
            else:
                assert abs(scenario["discordant"] - share * n) <= 1
    for name in ("smallest", "20%", "35%", "largest"):
        family = [pair["paired"][name] for pair in paper["pairs"]]
        expected = multipletests([entry["p"] for entry in family], method="holm")[1]
        assert [entry["p_holm"] for entry in family] == pytest.approx(expected)


def test_a_share_that_the_counts_do_not_allow_becomes_the_nearest_that_they_do():
    (pair,) = audit(table(90, 30, n=100))["pairs"]  # 60 answers apart: at least 60 discordant
    assert [pair["paired"][name]["discordant"] for name in ("smallest", "20%", "35%", "largest")] == [60, 60, 60, 80]


def test_mcnemar_without_discordance_or_difference_is_one():
    assert list(mcnemar_p(np.array([0, 2, 40]), 0)) == [1.0, 1.0, 1.0]
    assert mcnemar_p(np.array([6]), 6) == pytest.approx(2 / 2**6)


def test_decided_up_to_is_the_last_discordance_below_the_level(paper):
    pair = paper["pairs"][0]
    p = {m: binomtest((m + 28) // 2, m, 0.5).pvalue for m in range(28, 257, 2)}
    assert pair["decided_up_to"] == max(m for m, value in p.items() if value <= 0.05 / 10)
    assert [pair["decided_up_to"] for pair in paper["pairs"]][-3:] == [None] * 3


def test_a_clear_difference_is_told_and_equal_numbers_are_not():
    result = audit(table(250, 150, 150))
    assert [pair["verdict"] for pair in result["pairs"]] == ["better", "better", "cannot be told apart"]
    assert [i for i in ids(result) if i in ("better", "none_apart", "rest_not_apart")] == [
        *("better", "better", "rest_not_apart")
    ]
    last = result["pairs"][-1]
    assert last["unpaired"] == {"p": 1.0, "p_holm": 1.0} and last["examples_needed"] is None
    assert "nearest_undecidable" in ids(result) and "needed" not in ids(result)


def test_all_told_apart_leaves_no_nearest():
    assert "nearest" not in ids(audit(table(300, 150, 5)))


def test_rounding_never_makes_a_verdict():
    """The counts that lie closest are tested, so wider rounding can only raise p; ranges that overlap are equal."""
    p = [audit(table(190, 150, slack=slack))["pairs"][0]["unpaired"]["p"] for slack in (0, 5, 10, 20, 30)]
    assert p == sorted(p) and p[0] < 0.01 and p[-2:] == [1.0, 1.0]
    assert "rounding" in ids(audit(table(190, 150, slack=5)))


def test_unequal_numbers_of_examples_have_no_paired_values_but_a_verdict():
    result = audit(table(250, 60, n=(307, 150)))
    (pair,) = result["pairs"]
    assert pair["paired"] is None and pair["decided_up_to"] is None and pair["verdict"] == "better"
    assert ids(result)[:2] == ["asked_unequal", "better"] and "unequal_n" in ids(result)
    assert "same_examples" not in ids(result)
    mixed = audit(table(200, 160, 70, n=(307, 307, 150)))["pairs"]
    paired = next(pair for pair in mixed if pair["paired"])["paired"]["20%"]
    assert paired["p_holm"] == pytest.approx(3 * paired["p"])  # Holm over all three pairs


def test_seeds_are_said():
    assert "no_seeds" in ids(audit(table(200, 150, seeds=None)))
    assert "several_seeds" in ids(audit(table(200, 150, seeds=5)))


def test_large_tables_are_quick_and_stay_in_bounds():
    result = audit(table(*range(500_000, 500_800, 100), n=1_000_000))
    assert len(result["pairs"]) == 28 and all(0 <= pair["unpaired"]["p"] <= 1 for pair in result["pairs"])


# The promised power, exactly


def likely(n, rate):
    """The counts out of n that matter."""
    low, high = binom.ppf([1e-5, 1 - 1e-5], n, rate).astype(int)
    return np.arange(low, high + 1)


def fisher_power(high, low, n, level):
    """The probability that Fisher's test of two binomial counts finds the higher rate higher."""
    total = 0.0
    for a in likely(n, high):
        beaten = bisect_right(range(a), level, key=lambda b: fisher_exact([[a, n - a], [b, n - b]])[1])
        total += binom.pmf(a, n, high) * binom.cdf(beaten - 1, n, low)
    return float(total)


def mcnemar_power(share, difference, n, level):
    """The probability that exact McNemar is significant: over the discordant count, then over its two kinds."""
    total = 0.0
    for m in likely(n, share):
        kinds = np.arange(m + 1)
        p = np.minimum(1, 2 * binom.cdf(np.minimum(kinds, m - kinds), m, 0.5))
        total += binom.pmf(m, n, share) * binom.pmf(kinds, m, (1 + difference / share) / 2)[p <= level].sum()
    return float(total)


@pytest.mark.parametrize(
    ("mean", "difference", "level"), [(0.58, 0.2, 0.005), (0.7, 0.25, 0.05), (0.86, 0.16, 0.005), (0.5, 0.3, 0.05)]
)
def test_examples_needed_unpaired_give_the_power_promised(mean, difference, level):
    n = examples_unpaired(mean, difference, level)
    assert fisher_power(mean + difference / 2, mean - difference / 2, n, level) == pytest.approx(0.8, abs=0.03)


def test_near_one_the_formula_asks_for_rather_more_examples():
    assert 0.8 < fisher_power(0.99, 0.87, examples_unpaired(0.93, 0.12, 0.005), 0.005) < 0.9


@pytest.mark.parametrize(
    ("share", "difference", "level"),
    [(0.2, 0.092, 0.005), (0.35, 0.092, 0.005), (0.2, 0.03, 0.05), (0.35, 0.2, 0.05), (0.1, 0.05, 0.05 / 45)],
)
def test_examples_needed_paired_give_the_power_promised(share, difference, level):
    n = examples_paired(share, difference, level)
    assert mcnemar_power(share, difference, n, level) == pytest.approx(0.8, abs=0.03)


def test_the_smallest_difference_is_the_one_that_n_examples_are_needed_for(paper):
    found = paper["smallest_difference"]
    mean = np.mean([one["accuracy"] for one in paper["techniques"]])
    assert abs(examples_unpaired(mean, found, 0.005) - 307) <= 2
    assert audit(table(2, 1, n=3))["smallest_difference"] is None


def test_false_verdicts_are_rare_where_there_is_no_difference():
    """150 simulated tables of five equal techniques on independent examples: at most 5% may name a better one."""
    rng = np.random.default_rng(7)
    counts = rng.binomial(100, 0.6, size=(150, 5)).tolist()
    pairs = [audit(table(*row, n=100))["pairs"] for row in counts]
    wrong = sum(any(pair["verdict"] == "better" for pair in found) for found in pairs)
    unadjusted = sum(any(pair["unpaired"]["p"] <= 0.05 for pair in found) for found in pairs)
    # 7.5 are expected at exactly 5%, and more than 17 then have a probability below 0.001.
    assert wrong <= 17 < unadjusted


def test_shares_are_named_as_they_are():
    assert [f"{share:.0%}" for share in SHARES] == ["20%", "35%"]
