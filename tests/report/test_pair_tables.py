"""Pairs as tables: what readers see, and all of it for programs."""

import csv
import io

import pytest

from tuneoff.evidence.results import build_results
from tuneoff.report.pair_tables import (
    p_text,
    pair_table,
    pair_tables,
    raw_pairs_table,
    short_pair_table,
    superiority_kinds,
)
from tuneoff.report.table import csv_text


@pytest.fixture(scope="module")
def results(tmp_path_factory, made_up):
    return build_results(
        made_up(techniques=("full", "lora", "linear-probe"), seeds=2).write(tmp_path_factory.mktemp("p"))
    )


def names(table):
    return [column.name for column in table.columns]


def test_a_row_a_pair_with_its_verdict_in_words(results):
    (table,) = pair_tables(results)
    pairs = results["comparisons"][0]["pairs"]
    assert len(table.rows) == len(pairs) == 3
    cells = dict(zip(names(table), table.rows[0], strict=True))
    assert (cells["higher"].text, cells["lower"].text) == (pairs[0]["a"], pairs[0]["b"])
    assert cells["verdict"].text == pairs[0]["verdict"]["text"]
    assert cells["difference"].text.startswith(f"{100 * pairs[0]['difference']:.1f} (")
    assert cells["seeds_won"].text == ", ".join(str(pairs[0][name]) for name in ("wins", "ties", "losses"))


def test_one_seed_wins_nothing(tmp_path, made_up):
    one = build_results(made_up(techniques=("full", "lora")).write(tmp_path))
    assert "seeds_won" not in names(pair_tables(one)[0])
    assert "exact McNemar" in pair_tables(one)[0].captions[0]


def test_with_one_seed_nothing_is_said_of_training_once_more(tmp_path, made_up, results):
    """The variance between seeds is not known then: P(A > B) is about the two models that there are."""
    one = build_results(made_up(techniques=("full", "lora")).write(tmp_path))
    (table,) = pair_tables(one)
    assert not any("trained once more" in caption for caption in table.captions)
    assert any("about these trained models alone" in caption for caption in table.captions)
    (several,) = pair_tables(results)
    assert any("trained once more" in caption for caption in several.captions)
    assert not any("trained models alone" in caption for caption in several.captions)
    mixed = [{"seeds": 1}, {"seeds": 3}]
    assert superiority_kinds(mixed) == ["", ".examples"]


def test_a_long_table_is_cut_and_says_where_all_is(results):
    (table,) = pair_tables(results, most=2)
    assert len(table.rows) == 2 and "The first 2 of 3 pairs; all are in tables/pairs.csv." in table.captions


def test_a_terminal_gets_all_pairs_with_the_verdict_in_a_word_or_two(results):
    comparison = results["comparisons"][0]
    table = short_pair_table(comparison)
    assert [row[-1].value for row in table.rows] == [pair["kind"] for pair in comparison["pairs"]]
    assert {row[-1].text for row in table.rows} <= {"better", "equal", "not told apart"}
    kept = ["higher", "lower", "difference", "p_holm", "verdict"]
    assert [column.name for column in table.columns if not column.droppable] == kept


def test_one_technique_has_no_pairs(tmp_path, made_up):
    assert pair_tables(build_results(made_up(techniques=("lora",)).write(tmp_path)))[0].rows == []


def test_programs_get_unrounded_shares(results):
    rows = list(csv.DictReader(io.StringIO(csv_text(raw_pairs_table(results)))))
    pair = results["comparisons"][0]["pairs"][0]
    assert float(rows[0]["difference"]) == pair["difference"] and float(rows[0]["p_holm"]) == pair["p_holm"]
    assert rows[0]["p_equal"] == "" and rows[0]["kind"] == pair["kind"]


def test_p_values_are_never_shown_as_zero():
    assert [p_text(p) for p in (0.0, 0.0004, 0.0005, 0.0312, 1.0)] == ["<0.001", "<0.001", "0.001", "0.031", "1.000"]


def test_a_difference_of_nearly_nothing_has_no_negative_zero(results):
    pair = {**results["comparisons"][0]["pairs"][0], "difference": 0.05, "low": -0.0001, "high": 0.099}
    comparison = {**results["comparisons"][0], "pairs": [pair, {**pair, "low": -0.05}]}
    table = pair_table("pairs", comparison)
    assert [row[names(table).index("difference")].text for row in table.rows] == [
        "5.0 (0.0 to 9.9)",
        "5.0 (−5.0 to 9.9)",
    ]
