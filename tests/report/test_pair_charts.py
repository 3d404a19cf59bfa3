from itertools import combinations

import pytest

from tuneoff.evidence import build_results
from tuneoff.report.charts import make_figure
from tuneoff.report.curves import load_curves
from tuneoff.report.style import svg_text

NAMES = ("full", "lora", "linear-probe", "top")


@pytest.fixture(scope="module")
def four(tmp_path_factory, made_up):
    techniques = ("full", "lora", "linear-probe", {"name": "top", "use": "lora"})
    store = made_up(techniques=techniques, seeds=2, steps=4, eval_every=2).write(tmp_path_factory.mktemp("four"))
    return build_results(store), load_curves(build_results(store), store)


def set_apart(results, *apart, means=(0.8, 0.7, 0.6, 0.5)):
    """The results as if only these pairs were told apart, with techniques of these accuracies."""
    rows = [
        {
            **row,
            "metrics": {**row["metrics"], "accuracy": {**row["metrics"]["accuracy"], "mean": mean}},
            "accuracy_interval": {"low": mean - 0.02, "high": mean + 0.03, "level": 0.95, "covers": "examples"},
        }
        for row, mean in zip(results["techniques"], means, strict=True)
    ]
    comparison = results["comparisons"][0]
    pairs = [{**pair, "kind": "better" if {pair["a"], pair["b"]} in apart else "open"} for pair in comparison["pairs"]]
    return {**results, "techniques": rows, "comparisons": [{**comparison, "pairs": pairs}]}


def layers_of(part, mark):
    return [layer for layer in part["layer"] if layer["mark"]["type"] == mark]


def values_of(layer, spec, above=None):
    """The data of a layer, or of the part that it stands in, where altair put all that its layers share."""
    data = layer["data"] if "data" in layer else above["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def bars_of(spec):
    """The members of each bar."""
    bars = {}
    right = spec["hconcat"][1] if len(spec["hconcat"]) > 1 else None
    for row in values_of(layers_of(right, "line")[0], spec, right) if right else []:
        bars.setdefault(row["group"], []).append(row["technique"])
    return list(bars.values())


def test_bars_join_only_what_is_not_told_apart_and_all_of_it(four):
    results, curves = four
    apart = ({"full", "lora"}, {"full", "top"})
    made = make_figure(set_apart(results, *apart), curves, "ranks")
    spec = made.chart.to_dict()
    bars = bars_of(spec)
    # full and linear-probe are no neighbours, and share a bar all the same.
    assert bars == [["full", "linear-probe"], ["lora", "linear-probe", "top"]]
    for pair in map(set, combinations(NAMES, 2)):
        assert any(pair <= set(bar) for bar in bars) == (pair not in apart)
    assert "Two without a common bar are told apart." in made.captions
    assert svg_text(made.chart).startswith("<svg")


def test_techniques_stand_by_accuracy_with_their_intervals(four):
    results, curves = four
    spec = make_figure(set_apart(results, means=(0.5, 0.8, 0.6, 0.7)), curves, "ranks").chart.to_dict()
    left = spec["hconcat"][0]
    order = ["lora", "top", "linear-probe", "full"]
    assert layers_of(left, "rule")[0]["encoding"]["y"]["scale"]["domain"] == order
    rows = values_of(layers_of(left, "rule")[0], spec)
    assert (rows[0]["technique"], rows[0]["low"]) == ("lora", pytest.approx(0.78))
    assert rows[0]["high"] == pytest.approx(0.83)
    assert bars_of(spec) == [order]


def test_no_bar_where_all_are_told_apart(four):
    results, curves = four
    made = make_figure(set_apart(results, *map(set, combinations(NAMES, 2))), curves, "ranks")
    assert bars_of(made.chart.to_dict()) == []
    assert "All techniques are told apart (Holm at 5%, pairs: 6), so no bar joins any." in made.captions


def test_pairs_that_were_not_compared_share_bars_and_it_is_said(four):
    results, curves = four
    changed = set_apart(results)
    changed["comparisons"][0]["left_out"] = [["full", "lora"]]
    assert "Pairs that could not be compared are joined like those not told apart." in (
        make_figure(changed, curves, "ranks").captions
    )


def test_too_many_bars_are_cut_and_said(four, monkeypatch):
    monkeypatch.setattr("tuneoff.report.pair_charts.MOST_BARS", 1)
    results, curves = four
    made = make_figure(set_apart(results, {"full", "lora"}, {"full", "top"}), curves, "ranks")
    assert bars_of(made.chart.to_dict()) == [["lora", "linear-probe", "top"]]
    assert "Two without a common bar are told apart." not in made.captions
    assert any(caption.startswith("Only 1 of 2 bars are drawn") for caption in made.captions)


def test_the_matrix_has_both_sides_of_each_pair_and_frames_those_told_apart(four):
    results, curves = four
    changed = set_apart(results, {"full", "top"})
    for pair in changed["comparisons"][0]["pairs"]:
        pair["superiority"] = 0.9 if pair["kind"] == "better" else 0.625
    made = make_figure(changed, curves, "superiority")
    spec = made.chart.to_dict()
    open_, framed = layers_of(spec, "rect")
    cells = {(row["a"], row["b"]): row["superiority"] for layer in (open_, framed) for row in values_of(layer, spec)}
    assert len(cells) == 12 and all(cells[a, b] == pytest.approx(1 - cells[b, a]) for a, b in cells)
    assert {(row["a"], row["b"]) for row in values_of(framed, spec)} == {("full", "top"), ("top", "full")}
    assert framed["mark"]["stroke"] == "#000" and "stroke" not in open_["mark"]
    assert open_["encoding"]["color"]["scale"]["domain"] == [0, 0.5, 1]
    assert "Framed, bold: told apart (Holm at 5%, pairs: 6)." in made.captions
    svg = svg_text(made.chart)
    assert svg.count(">0.63<") + svg.count(">0.62<") == 5 and "NaN" not in svg


def test_a_matrix_that_could_not_be_read_has_a_sentence_instead(four, tmp_path, made_up, monkeypatch):
    results, curves = four
    monkeypatch.setattr("tuneoff.report.pair_charts.MOST_TECHNIQUES", 3)
    made = make_figure(results, curves, "superiority")
    assert made.chart is None and made.skipped.startswith("With 4 techniques a matrix of pairs could not be read")
    store = made_up(techniques=("lora",), steps=4, eval_every=2).write(tmp_path)
    alone = build_results(store)
    for kind in ("ranks", "superiority"):
        made = make_figure(alone, load_curves(alone, store), kind)
        assert made.chart is None and made.skipped.startswith("No two techniques were compared")
