"""Further test sets as tables: beside test for readers, and all of it for programs."""

import csv
import io

import pytest

from tuneoff.evidence.results import build_results
from tuneoff.report.away_tables import away_table, raw_away_table
from tuneoff.report.table import csv_text

SPREAD = {"n": 2, "mean": 0.5, "sd": 0.1, "min": 0.4, "max": 0.6}
UNKNOWN = {"n": 0, "mean": None, "sd": None, "min": None, "max": None}


@pytest.fixture
def results(made_up, tmp_path):
    """Two techniques with a further set; the first has an interval on test and a drop, the second was not measured."""
    found = build_results(made_up(techniques=("lora", "full"), seeds=2).write(tmp_path))
    for row, spread in zip(found["techniques"], (SPREAD, UNKNOWN), strict=True):
        metrics = dict.fromkeys(row["metrics"], spread)
        row["also"] = {
            "far": {
                "metrics": metrics,
                "accuracy_interval": None,
                "metric_intervals": dict.fromkeys(("macro_f1", "f1", "mcc")),
                "drop": spread,
            }
        }
    row = found["techniques"][0]
    row["metrics"]["accuracy"] = {**SPREAD, "mean": 0.51234, "sd": 0.02}
    row["accuracy_interval"] = {"low": 0.4, "high": 0.6, "level": 0.95, "covers": "seeds and examples"}
    row["also"]["far"]["drop"] = {**SPREAD, "mean": 0.1234, "sd": 0.05}
    return found


def test_the_table_sets_test_and_further_sets_side_by_side(results):
    table = away_table(results)
    assert [column.title for column in table.columns] == ["technique", "test", "far", "drop, points"]
    assert [cell.text for cell in table.rows[0]] == ["lora", "0.512 (0.400 to 0.600)", "0.50 ± 0.10", "12.3 ± 5.0"]


def test_a_further_set_that_has_a_metric_of_its_own_shows_it_with_its_interval(results):
    results["tasks"][0]["also_metrics"] = {"far": "mcc"}
    results["techniques"][0]["also"]["far"]["metric_intervals"]["mcc"] = {"low": 0.123, "high": 0.789}
    table = away_table(results)
    assert [column.title for column in table.columns][4:] == ["far, Matthews' correlation"]
    assert [row[4].text for row in table.rows] == ["0.500 (0.123 to 0.789)", "—"]
    row, _ = csv.DictReader(io.StringIO(csv_text(raw_away_table(results))))
    assert (row["mcc"], row["mcc_low"], row["mcc_high"], row["f1_low"]) == ("0.5", "0.123", "0.789", "")


def test_programs_get_a_row_for_each_technique_and_set_with_unrounded_shares(results):
    first = results["techniques"][0]["also"]
    first["near"] = {**first["far"], "accuracy_interval": {"low": 0.41, "high": 0.59}}
    rows = list(csv.DictReader(io.StringIO(csv_text(raw_away_table(results)))))
    assert [(row["technique"], row["set"], row["runs"]) for row in rows] == [
        ("lora", "far", "2"),
        ("lora", "near", "2"),
        ("full", "far", "0"),
    ]
    assert (rows[0]["drop"], rows[0]["drop_sd"], rows[0]["macro_f1"]) == ("0.1234", "0.05", "0.5")
    assert rows[0]["accuracy_low"] == "" and (rows[1]["accuracy_low"], rows[1]["accuracy_high"]) == ("0.41", "0.59")
    assert rows[2]["accuracy"] == rows[2]["drop"] == ""


def test_the_columns_are_the_same_where_there_is_nothing_to_tell(results):
    columns = [column.name for column in raw_away_table(results).columns]
    assert [column.name for column in raw_away_table({**results, "techniques": []}).columns] == columns
