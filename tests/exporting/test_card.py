"""The model card of what is exported says what the run directory knows of the run, and no more."""

import json

import yaml

from tuneoff.evidence.results import build_results
from tuneoff.exporting import export
from tuneoff.exporting.facts import facts_of


def test_the_card_says_what_the_results_say(finished, tmp_path):
    store = finished(["linear-probe"], seeds=[1, 0])
    found = export(store.root, tmp_path / "to")
    assert found.address.seed == 1  # the study's first
    front, _, body = (found.path / "README.md").read_text(encoding="utf-8")[4:].partition("\n---\n")
    results = build_results(store)
    (run,) = [one for one in results["runs"] if one["seed"] == 1]
    (model,) = yaml.safe_load(front)["model-index"]
    (result,) = model["results"]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["accuracy"] == run["metrics"]["accuracy"] and values["f1"] == run["metrics"]["macro_f1"]
    names = [metric["name"] for metric in result["metrics"]]
    (record,) = [one for one in store.records() if one.address.seed == 1]
    of_f1 = facts_of(store, record).intervals["macro_f1"]
    low, high = f"{of_f1['low']:.3f}", f"{of_f1['high']:.3f}"
    assert f"Macro F1 (95% interval {low} to {high})" in names
    assert f"| Macro F1 | {run['metrics']['macro_f1']:.3f} | 95%: {low} to {high} |" in body
    assert result["dataset"]["split"] == "test" and result["task"]["type"] == "text-classification"
    assert "license" not in yaml.safe_load(front) and "base_model" not in yaml.safe_load(front)
    (row,) = results["techniques"]
    interval = row["accuracy_interval"]
    assert f"95% interval over seeds and examples: {interval['low']:.3f} to {interval['high']:.3f}" in body
    assert "Seed 1." in body and "3 steps of 8 rows" in body and "canine 20, feline 21" in body
    assert str(store.root) not in body


def test_a_fit_without_gradients_has_no_optimizer_in_its_card(finished, tmp_path):
    entries = [{"name": "knn"}, {"name": "logistic-regression", "c": 2.0}]
    store = finished(entries)
    told_of = {"knn": "features text, neighbours 10, smoothing 1", "logistic-regression": "c 2, features text"}
    for name, settings in told_of.items():
        folder = export(store.root, tmp_path / name, technique=name).path
        card = (folder / "README.md").read_text(encoding="utf-8")
        (line,) = [line for line in card.splitlines() if line.startswith(f"1. `{name}`: ")]
        told, _, rest = line.partition("without gradients; ")
        assert told.endswith("fitted on all rows of train at once, ") and "steps" not in line
        assert sorted(rest.partition(". ")[0].split(", ")) == sorted(settings.split(", "))


def test_f1_is_of_the_second_of_two_classes_and_of_no_more(finished, tmp_path):
    lines = {}
    for classes in (2, 3):
        rows = [{"premise": "the cat", "hypothesis": f"a {n}", "label": f"class {n % classes}"} for n in range(24)]
        for name, some in (("some", rows[:15]), ("others", rows[15:])):
            path = tmp_path / f"{name}-{classes}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")
        task = {"train": str(tmp_path / f"some-{classes}.jsonl"), "test": str(tmp_path / f"others-{classes}.jsonl")}
        store = finished(["linear-probe"], out=f"out-{classes}", task=task)
        folder = export(store.root, tmp_path / f"to-{classes}").path
        lines[classes] = (folder / "README.md").read_text(encoding="utf-8").splitlines()
        assert not any("unknown" in line for line in lines[classes])
    assert [line.split("|")[1].strip() for line in lines[2] if line.startswith("| F1")] == ["F1 of the second class"]
    assert not [line for line in lines[3] if line.startswith(("| F1", "| f1"))]


def test_one_runs_interval_is_that_of_a_study_of_one_seed(finished, tmp_path):
    store = finished(["linear-probe"])
    card = (export(store.root, tmp_path / "to").path / "README.md").read_text(encoding="utf-8")
    (row,) = build_results(store)["techniques"]
    interval = row["accuracy_interval"]
    assert interval["covers"] == "examples"
    assert f"| Accuracy | {row['metrics']['accuracy']['mean']:.3f} | 95%: {interval['low']:.3f} to " in card


def test_labels_are_data(finished, tmp_path, run_snippet):
    """Whatever a label is made of, it stands in card, config and snippet as it is, and means nothing there."""
    labels = ["```\n# <b>|`_*_", 'it\'s "so" \\ {0}\u202e']
    for name in ("odd-train.jsonl", "odd-test.jsonl"):
        rows = [{"premise": "the cat", "hypothesis": f"a {n}", "label": labels[n % 2]} for n in range(20)]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {"train": str(tmp_path / "odd-train.jsonl"), "test": str(tmp_path / "odd-test.jsonl")}
    store = finished(["linear-probe"], family="llama", task=task, model={"name": "tiny"})
    folder = export(store.root, tmp_path / "to").path
    assert sorted(run_snippet(folder)["labels"]) == sorted(labels)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert sorted(config["label2id"]) == sorted(labels)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.count("\n```") == 2 and "\n# <" not in card and "\u202e" not in card
    assert r"\<b\>\|\`\_\*\_" in card
