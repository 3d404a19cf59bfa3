"""Chance and the best baseline as lines in charts of accuracy, and no mark where nothing is above chance."""

import pytest

from tuneoff.evidence import build_results
from tuneoff.report.charts import make_figure
from tuneoff.report.curves import load_curves
from tuneoff.report.html import render
from tuneoff.report.references import references
from tuneoff.report.tables import results_table
from tuneoff.report.words import WORDS

ACCURACIES = {"majority": 0.05, "tfidf": 0.9, "cosine": None}
SAID = [
    "Dotted: always the commonest class of train (0.050).",
    "Dashed: the best cheap baseline, words and pairs of words (TF-IDF) (0.900).",
]


@pytest.fixture
def drawn(tmp_path, made_up):
    def make(name, eval_on="test"):
        store = made_up(techniques=("full", "lora"), eval_on=eval_on).write(tmp_path)
        results = build_results(store)
        results["tasks"][0]["baselines"] = [{"name": name, "accuracy": value} for name, value in ACCURACIES.items()]
        return make_figure(results, load_curves(results, store), name)

    return make


def rules_of(part):
    return [layer["mark"]["strokeDash"] for layer in part["layer"] if layer["mark"].get("strokeDash")]


def test_ranks_and_curves_of_test_have_both_lines_inside(drawn):
    for name, part, axis in (("ranks", "hconcat", "x"), ("steps", "vconcat", "y"), ("seconds", "vconcat", "y")):
        figure = drawn(name)
        panel = figure.chart.to_dict()[part][0]
        assert rules_of(panel) == [[2, 3], [7, 4]] and list(figure.captions[-2:]) == SAID
        low, high = panel["layer"][0]["encoding"][axis]["scale"]["domain"]
        assert low < 0.05 < 0.9 < high


def test_curves_of_dev_have_none_since_baselines_answer_test(drawn):
    figure = drawn("steps", "dev")
    assert rules_of(figure.chart.to_dict()["vconcat"][0]) == [] and SAID[0] not in figure.captions


def test_a_baseline_that_is_not_above_chance_is_no_line_of_its_own():
    assert references({"baselines": None}, WORDS) == []
    equal = [{"name": name, "accuracy": 0.5} for name in ("majority", "tfidf")]
    (only,) = references({"baselines": equal}, WORDS)
    assert only.accuracy == 0.5 and only.caption.startswith("Dotted")


def test_where_nothing_beats_guessing_no_accuracy_is_marked_and_costs_are(tmp_path, made_up):
    results = build_results(made_up(techniques=("full", "lora")).write(tmp_path))
    marked = {column.name for row in _cells(results) for column, cell in row if cell.best}
    assert {"accuracy", "trained_parameters"} <= marked
    results["study"]["notices"] = [{"id": "guessing", "values": {"examples": 60, "techniques": 1, "needed": 0.5}}]
    marked = {column.name for row in _cells(results) for column, cell in row if cell.best}
    assert "trained_parameters" in marked and not marked & {"accuracy", "loss", "macro_f1"}
    assert "(test examples: 60, techniques: 1)" in render(results, [])


def _cells(results):
    table = results_table(results)
    return [list(zip(table.columns, row, strict=True)) for row in table.rows]


def test_the_report_says_what_is_highest_once_and_sends_to_no_other_report(tmp_path, made_up):
    results = build_results(made_up(techniques=("full", "lora", "linear-probe")).write(tmp_path))
    results["study"]["notices"] = []
    more = {"id": "summary.more", "values": {"count": 2}, "text": "2 more verdicts are in the report."}
    results["comparisons"][0]["sentences"].append(more)
    page = render(results, [])
    assert "is the most accurate" in page and "The highest accuracy" not in page and more["text"] not in page
    assert more["text"] in results_table(results).captions  # a terminal's table is no report
