import pytest

from tuneoff.report.budget_charts import budget_drawing
from tuneoff.report.words import WORDS


def row(chain, expected, fold=None):
    return {"chain": chain, "technique": chain, "fold": fold, "expected": expected}


def points(drawing):
    spec = drawing.chart.to_dict()
    values = spec["datasets"][spec["data"]["name"]]
    return [(value["technique"], value["trials"], value["expected"]) for value in values]


def test_a_line_shows_what_each_number_of_trials_is_expected_to_reach():
    rows = [row("lora", [0.5, 0.6, 0.65]), row("full", [0.4, 0.7]), row("probe", []), row("base", [0.1])]
    drawing = budget_drawing(rows, ["full", "lora", "probe"], "model", WORDS)
    assert points(drawing) == [
        ("full", 1, 0.4),
        ("full", 2, 0.7),
        ("lora", 1, 0.5),
        ("lora", 2, 0.6),
        ("lora", 3, 0.65),
    ]
    assert drawing.captions[0].endswith("It is too good, since dev chose.") and len(drawing.captions) == 1


def test_over_folds_it_is_the_mean_where_all_have_a_number():
    rows = [row("lora", [0.5, 0.6, 0.7], 0), row("lora", [0.3, 0.5], 1)]
    drawing = budget_drawing(rows, ["lora"], "model", WORDS)
    assert points(drawing) == [("lora", 1, pytest.approx(0.4)), ("lora", 2, pytest.approx(0.55))]
    assert "Means over folds." in drawing.captions


def test_without_trials_there_is_no_chart():
    assert budget_drawing([], ["lora"], "model", WORDS) is None
    assert budget_drawing([row("lora", [])], ["lora"], "model", WORDS) is None
