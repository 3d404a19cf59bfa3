import json

import numpy as np
import pandas as pd
import pytest

from tuneoff.errors import StoreError
from tuneoff.evidence import build_results
from tuneoff.report.charts import figure_names, make_figure
from tuneoff.report.curves import MOST_POINTS, load_curves, loss_limit, seed_mean, thin
from tuneoff.report.style import svg_text, technique_styles


def drawn(store, name):
    results = build_results(store)
    return make_figure(results, load_curves(results, store), name)


def texts_of(figure):
    """The title of a chart and what stands under it."""
    spec = figure.chart.to_dict()
    return " ".join([spec["title"]["text"], *spec["title"]["subtitle"]])


def data_of(layer, spec):
    """The data of a layer, wherever altair put it."""
    data = layer["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def frame_of(rows):
    return pd.DataFrame(rows, columns=["stage", "seed", "step", "loss"]).assign(seconds=1.0, accuracy=0.5, done=True)


def test_every_figure_of_a_study_is_drawn(tmp_path, made_up):
    store = made_up(techniques=("lora", "linear-probe", "linear-probe+full"), seeds=2, failed=(("lora", 1),)).write(
        tmp_path
    )
    results = build_results(store)
    curves = load_curves(results, store)
    assert list(figure_names(results)) == [
        "lora",
        "linear-probe",
        "linear-probe+full",
        "ranks",
        "superiority",
        "steps",
        "seconds",
        "time",
        "parameters",
        "memory",
        "budget",
    ]
    for name in figure_names(results):
        made = make_figure(results, curves, name)
        if name == "budget":
            assert made.chart is None and made.skipped.startswith("No settings were chosen from trials")
            continue
        svg = svg_text(made.chart)
        assert svg.startswith("<svg") and "NaN" not in svg and "undefined" not in svg


def test_the_same_chart_gives_the_same_svg(tmp_path, made_up):
    store = made_up(techniques=("linear-probe", "linear-probe+lora")).write(tmp_path)
    assert svg_text(drawn(store, "steps").chart) == svg_text(drawn(store, "steps").chart)


def test_the_second_stage_has_a_rule_at_its_start(tmp_path, made_up):
    figure = drawn(made_up(techniques=("linear-probe", "linear-probe+lora")).write(tmp_path), "linear-probe+lora")
    spec = figure.chart.to_dict()
    rules = [layer for layer in spec["vconcat"][0]["layer"] if layer["mark"]["type"] == "rule"]
    assert [data_of(rule, spec) for rule in rules] == ["step,text\n40,lora begins\n"]
    assert "lora begins" in svg_text(figure.chart)
    plain = drawn(made_up(techniques=("linear-probe",)).write(tmp_path / "plain"), "linear-probe")
    assert '"rule"' not in json.dumps(plain.chart.to_dict())


def test_a_shared_stage_is_drawn_once_with_all_techniques(tmp_path, made_up):
    spec = drawn(made_up().write(tmp_path), "steps").chart.to_dict()
    lines = next(layer for layer in spec["vconcat"][0]["layer"] if layer["mark"]["type"] == "line")
    rows = [line.split(",") for line in data_of(lines, spec).splitlines()[1:]]
    assert min(float(row[0]) for row in rows if row[2] == "linear-probe+full") == 40
    assert min(float(row[0]) for row in rows if row[2] == "linear-probe") == 0


@pytest.mark.parametrize("size", [499, 500, 501, 12_345])
def test_training_points_are_thinned_to_means_of_bins(size):
    loss = np.random.default_rng(0).normal(size=size)
    frame = frame_of({"stage": 0, "seed": 0, "step": np.arange(1, size + 1), "loss": loss})
    thinned, width = thin(frame, ["stage", "seed"])
    assert len(thinned) <= MOST_POINTS
    assert width == -(-size // MOST_POINTS)
    expected = [loss[start : start + width].mean() for start in range(0, size, width)]
    assert thinned["loss"].tolist() == pytest.approx(expected)


def test_thinning_does_not_mix_stages_or_seeds():
    rows = [(stage, seed, step, 10 * stage + seed) for stage in (0, 1) for seed in (0, 1) for step in range(1_001)]
    thinned, width = thin(frame_of(rows), ["stage", "seed"])
    assert width == 3
    assert (thinned["loss"] == 10 * thinned["stage"] + thinned["seed"]).all()


def test_the_width_of_the_bins_is_said_under_the_title(tmp_path, made_up):
    figure = drawn(made_up(techniques=("lora",), steps=1_200, eval_every=600).write(tmp_path), "lora")
    assert "Training points are means over 3 steps." in texts_of(figure)
    assert "Training points" not in texts_of(drawn(made_up(techniques=("lora",)).write(tmp_path / "short"), "lora"))


def test_the_mean_is_over_done_seeds_at_steps_that_all_have():
    rows = [(0, 0, 0, 1.0), (0, 1, 0, 3.0), (0, 2, 0, 100.0), (0, 0, 5, 2.0)]
    frame = frame_of(rows)
    frame["done"] = frame["seed"] < 2
    means = seed_mean(frame, ["stage"])
    assert means[["step", "loss"]].to_numpy().tolist() == [[0, 2.0]]


def test_a_diverged_loss_is_cut_off_and_said(tmp_path, made_up):
    assert loss_limit(pd.Series([1.0, 1.2, None, 0.9])) is None
    assert loss_limit(pd.Series([1.0] * 99 + [500.0])) == 2.0
    store = made_up(techniques=("lora",)).write(tmp_path)
    results = build_results(store)
    curves = load_curves(results, store)
    curves.loc[7, "loss"] = 1e30
    figure = make_figure(results, curves, "lora")
    domain = figure.chart.to_dict()["vconcat"][0]["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain[1] < 5 and "Losses above" in texts_of(figure)


def test_a_technique_without_history_has_a_sentence_instead(tmp_path, made_up):
    store = made_up(techniques=("full", "lora"), missing=(("lora", 0),)).write(tmp_path)
    figure = drawn(store, "lora")
    assert figure.chart is None and figure.skipped == "lora: no history is stored, so there is no figure."
    empty = made_up(techniques=("lora",), missing=(("lora", 0),)).write(tmp_path / "empty")
    names = figure_names(build_results(empty))
    assert all(drawn(empty, name).chart is None and drawn(empty, name).skipped for name in names)


def test_points_leave_out_what_is_unknown(tmp_path, made_up):
    store = made_up(techniques=("full", "lora"), seeds=2, failed=(("full", 0), ("full", 1))).write(tmp_path)
    spec = drawn(store, "time").chart.to_dict()
    circles = [data_of(layer, spec) for layer in spec["layer"] if layer["mark"]["type"] == "circle"]
    assert [[row["technique"] for row in values] for values in circles] == [["lora", "lora"], ["lora"]]
    accuracies = [row["accuracy"] for row in circles[0]]
    assert circles[1][0]["accuracy"] == pytest.approx(np.mean(accuracies))


def test_fifty_techniques_have_styles_of_their_own_and_a_label_each(tmp_path, made_up, monkeypatch):
    monkeypatch.setattr("tuneoff.evidence.results._comparisons", lambda *_: [])  # of 1225 pairs: seconds, and no figure
    techniques = tuple(f"lora-r{rank}" for rank in range(50))
    assert len(set(technique_styles(techniques).values())) == 50
    store = made_up(techniques=techniques, steps=4, eval_every=2).write(tmp_path)
    results = build_results(store)
    curves = load_curves(results, store)
    svg = svg_text(make_figure(results, curves, "parameters").chart)
    assert all(f">{name}<" in svg for name in techniques)
    lines = make_figure(results, curves, "steps").chart.to_dict()["vconcat"][0]["layer"][0]["encoding"]
    assert len(lines["color"]["scale"]["domain"]) == len(lines["strokeDash"]["scale"]["range"]) == 50


def test_a_technique_may_be_called_like_a_joint_figure(tmp_path, made_up):
    store = made_up(techniques=({"name": "time", "use": "lora"},)).write(tmp_path)
    assert drawn(store, "time-technique").technique == "time"
    assert drawn(store, "time").technique is None


def test_an_unknown_figure_is_answered_with_all_names(tmp_path, made_up):
    with pytest.raises(StoreError, match="no figure 'lorra' in this study; there are: lora, ranks, superiority, steps"):
        drawn(made_up(techniques=("lora",)).write(tmp_path), "lorra")
