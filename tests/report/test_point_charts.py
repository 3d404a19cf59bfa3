import pytest

from tuneoff.evidence import build_results
from tuneoff.report.charts import make_figure
from tuneoff.report.curves import load_curves
from tuneoff.report.placing import Label, place_labels


@pytest.fixture(scope="module")
def made(tmp_path_factory, made_up):
    store = made_up(techniques=("full", "lora", "linear-probe"), seeds=2, steps=4, eval_every=2)
    store = store.write(tmp_path_factory.mktemp("three"))
    return build_results(store), load_curves(build_results(store), store)


def of_kind(spec, mark):
    found = [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]
    return [layer["data"].get("values") or spec["datasets"][layer["data"]["name"]] for layer in found]


def with_values(results, **changes):
    """The results with other accuracies, and peaks in MB, by technique."""
    runs = []
    for run in results["runs"]:
        accuracy, peak = changes[run["technique"].replace("-", "_")]
        peak = {"bytes": peak * 10**6, "kind": "resident"} if peak else None
        runs.append({**run, "metrics": {**run["metrics"], "accuracy": accuracy}, "peak_memory": peak})
    return {**results, "runs": runs}


def test_means_have_the_intervals_of_the_results(made):
    results, curves = made
    for kind in ("time", "parameters", "memory"):
        spec = make_figure(results, curves, kind).chart.to_dict()
        bars = of_kind(spec, "rule")[0]
        known = {row["technique"]: row["accuracy_interval"] for row in results["techniques"]}
        assert {bar["technique"]: (bar["low"], bar["high"]) for bar in bars} == {
            name: (interval["low"], interval["high"]) for name, interval in known.items()
        }
        domain = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "circle")["encoding"]["y"]["scale"]
        assert domain["domain"][0] < min(bar["low"] for bar in bars)
        assert domain["domain"][1] > max(bar["high"] for bar in bars)


def test_the_line_is_the_front_of_accuracy_and_the_one_cost(made):
    results, curves = made
    changed = with_values(results, full=(0.9, 900), lora=(0.6, 500), linear_probe=(0.7, 300))
    line = of_kind(make_figure(changed, curves, "memory").chart.to_dict(), "line")[0]
    assert [(row["technique"], row["memory_bytes"]) for row in line] == [("linear-probe", 3e8), ("full", 9e8)]
    alone = with_values(results, full=(0.5, 900), lora=(0.6, 500), linear_probe=(0.7, 300))
    figure = make_figure(alone, curves, "memory")
    assert of_kind(figure.chart.to_dict(), "line") == []
    assert not any("Pareto" in caption for caption in figure.captions)


def test_memory_that_is_unknown_or_does_not_compare_is_not_drawn(made):
    results, curves = made
    unknown = with_values(results, full=(0.5, None), lora=(0.6, None), linear_probe=(0.7, None))
    figure = make_figure(unknown, curves, "memory")
    assert figure.chart is None and figure.skipped.startswith("Peak memory is not known of any run")
    some = with_values(results, full=(0.5, None), lora=(0.6, 400), linear_probe=(0.7, 300))
    assert [row["technique"] for row in of_kind(make_figure(some, curves, "memory").chart.to_dict(), "circle")[1]] == [
        "lora",
        "linear-probe",
    ]
    some["runs"][-1]["peak_memory"] = {"bytes": 10**9, "kind": "allocated by torch"}
    assert make_figure(some, curves, "memory").chart is None


def test_labels_keep_off_what_is_drawn_and_cover_it_only_for_want_of_room():
    label = Label("lora", 20, 100)
    [free] = place_labels([label], 350, 280)
    assert (free.y, free.left) == (100, False)
    [moved] = place_labels([label], 350, 280, [(25, 60, 100, 100)])
    assert abs(moved.y - 100) >= 8
    [covered] = place_labels([label], 350, 280, [(0, 350, 0, 280)])
    assert (covered.y, covered.left) == (100, False)
