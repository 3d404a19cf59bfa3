import re

import numpy as np
import pytest

from tuneoff.evidence import build_results
from tuneoff.evidence.task_files import keep_baselines, keep_test_columns
from tuneoff.report import write_report
from tuneoff.report.detail_tables import baselines_table, detail_sections, details_table, slice_tables
from tuneoff.report.words import Words
from tuneoff.tasks import Split, TaskData

TASK = "mini-rte-ru-phenomenon"
TITLES = ("Against cheap baselines", "Details of each technique", "By slice")


@pytest.fixture
def data():
    """A task of 60 test rows whose second text gives the class away."""
    labels = np.arange(60) % 3
    texts = (["the cat sat"] * 60, [f"word{label} here" for label in labels])
    kinds = {"kind": ["<i>x</i>"] * 20 + ["y"] * 40}
    test = Split("test", texts, labels, np.arange(60), [None] * 60, columns=kinds)
    train = Split("train", texts, labels, np.arange(60), [None] * 60)
    splits = {"train": train, "test": test}
    return TaskData(TASK, TASK, ("yes", "no", "may be"), ("premise", "hypothesis"), splits, "f" * 64, "made up")


@pytest.fixture
def known(tmp_path, made_up, data):
    """Return a function that makes up a run directory with all that can be kept of its task."""

    def make(**settings):
        store = made_up(**{"techniques": ("lora", "full"), "seeds": 2} | settings).write(tmp_path)
        keep_baselines(store, TASK, data, lambda _: None)
        keep_test_columns(store, TASK, data, folded=False)
        return store

    return make


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_the_sections_stand_in_the_page_with_texts_escaped(known, no_figures):
    page = write_report(known()).read_text(encoding="utf-8")
    assert [page.count(f"<h2>{title}</h2>") for title in TITLES] == [1, 1, 1]
    assert "<h3>By slice: kind</h3>" in page and "&lt;i&gt;x&lt;/i&gt;" in page and "<i>x" not in page


def test_a_directory_of_an_earlier_version_has_what_its_predictions_give(tmp_path, made_up, no_figures):
    page = write_report(made_up(techniques=("lora",)).write(tmp_path)).read_text(encoding="utf-8")
    assert [page.count(f"<h2>{title}</h2>") for title in TITLES] == [0, 1, 0]


def test_nothing_done_has_no_section(tmp_path, made_up):
    results = build_results(made_up(techniques=("lora",), missing=(("lora", 0),)).write(tmp_path))
    assert detail_sections(results) == []


def test_baselines_show_their_accuracy_and_who_is_not_above_the_best(known):
    results = build_results(known())
    for row, mean in zip(results["techniques"], (1.0, 0.4), strict=True):
        row["metrics"]["accuracy"]["mean"] = mean
    table = baselines_table(results)
    rows = texts(table)
    assert [row[:2] for row in rows] == [
        ["commonest class of train", "0.333"],
        ["words and pairs of words (TF-IDF)", "1.000"],
        ["words of the second text alone (TF-IDF)", "1.000"],
    ]
    assert rows[0][2] == "—" and re.fullmatch(r"C (0\.1|1|10)", rows[1][2])
    assert table.captions[0] == (  # equal is not above
        "Not above the best of them (words and pairs of words (TF-IDF), 1.000) by their mean accuracy: lora, full."
    )
    for task in results["tasks"]:
        task["baselines"] = task["baselines"][:1]
    assert baselines_table(results).captions == [
        "The mean accuracy of each technique is above the best of them (commonest class of train, 0.333)."
    ]
    results["techniques"][1]["metrics"]["accuracy"]["mean"] = 0.3
    assert baselines_table(results).captions[0].endswith("by their mean accuracy: full.")


def test_a_baseline_without_a_number_has_its_reason(known):
    results = build_results(known())
    results["tasks"][0]["baselines"][1] |= {"accuracy": None, "reason": "train has no words", "chosen": {}}
    assert texts(baselines_table(results))[1][1:] == ["—", "—", "train has no words"]


def test_collapsed_seeds_are_counted_with_the_answer_they_give(known):
    store = known()
    record = next(record for record in store.records() if (record.address.chain, record.address.seed) == ("lora", 1))
    frame = store.predictions(record.address)
    frame["logits"] = [[0.0, 1.0, 0.5]] * len(frame)
    store.finish(record, store.history(record.address), frame, None)
    rows = texts(details_table(build_results(store)))
    assert [row[:2] for row in rows] == [["lora", "1 of 2 (always no)"], ["full", "0 of 2"]]


def test_the_details_show_the_numbers_of_results(known):
    results = build_results(known())
    row, technique = results["details"][0], results["techniques"][0]
    row["trend"] |= {"slope": -0.0312, "low": -0.05, "high": -0.011, "verdict": "still falling"}
    row["calibration"]["loss"] |= {"mean": 0.9876, "sd": 0.02}
    row["calibration"]["ece"] |= {"mean": 0.1234, "sd": 0.03}
    row["cka"] |= {"mean": 0.8765, "sd": 0.02}
    norms = ({"n": 2, "mean": 1.0, "sd": None}, {"n": 2, "mean": 1.25, "sd": 0.1})
    row["head_norms"] = [{"chain": chain, "norm": norm} for chain, norm in zip(("a", "a+b"), norms, strict=True)]
    technique["metrics"]["ece"] |= {"mean": 0.25, "sd": None}
    cells = texts(details_table(results))[0]
    assert cells[2:] == [
        "still falling: −0.031 (−0.050 to −0.011)",
        "0.250",
        "0.988 ± 0.020",
        "0.123 ± 0.030",
        "0.876 ± 0.020",
        "1.000 → 1.25 ± 0.10",
    ]
    assert any(
        "The norm of the head at the end of each stage" in caption for caption in details_table(results).captions
    )
    row["head_norms"] = [{"chain": "lora", "norm": row["head_norms"][0]["norm"] | {"n": 0, "mean": None}}]
    assert texts(details_table(results))[0][-1] == "—"
    russian = texts(details_table(results, Words("ru")))[0]
    assert russian[2] == "ещё падают: −0,031 (от −0,050 до −0,011)"
    row["trend"] |= {"slope": -2e-5, "low": -3e-5, "high": -1e-5}
    assert texts(details_table(results))[0][2] == "still falling: −0.000020 (−0.000030 to −0.000010)"
    row["trend"] |= {"slope": -2e-9, "low": -3.1e-9, "high": -1e-9}
    assert texts(details_table(results))[0][2] == "still falling: −2.0e-09 (−3.1e-09 to −1.0e-09)"
    row["trend"] |= {"slope": -2e-5, "low": -2e-5, "high": -2e-5}
    assert texts(details_table(results))[0][2] == "still falling: −0.000020 (−0.000020 to −0.000020)"
    row["trend"] |= {"slope": None, "reason": "a slope with an interval needs 3 evaluations"}
    row["calibration"] |= {"reason": "too few rows"}
    row["calibration"]["loss"] |= {"n": 1}
    table = details_table(results)
    assert texts(table)[0][2] == "not known: a slope with an interval needs 3 evaluations"
    assert table.captions[-1] == "lora: no temperature for 1 of 2 (too few rows)."


@pytest.mark.parametrize(("seeds", "eval_on"), [(1, "test"), (2, "dev")])
def test_the_captions_say_what_the_numbers_are_of(known, seeds, eval_on):
    captions = " ".join(details_table(build_results(known(seeds=seeds, eval_on=eval_on))).captions)
    assert f"the loss on {eval_on}" in captions
    assert ("With one seed" in captions) == (seeds == 1)
    assert ("fitted on dev" in captions, "for want of dev" in captions) == (eval_on == "dev", eval_on == "test")


def test_slices_stand_down_and_techniques_across(known):
    results = build_results(known())
    (table,) = slice_tables(results)
    assert [column.title for column in table.columns] == ["value", "examples", "lora", "full"]
    assert [row[:2] for row in texts(table)] == [["<i>x</i>", "20"], ["y", "40"]]
    found = {row["technique"]: row["slices"]["kind"] for row in results["details"]}
    for place, row in enumerate(table.rows):
        for cell, technique in zip(row[2:], ("lora", "full"), strict=True):
            part = found[technique][place]
            assert cell.text == f"{part['accuracy']:.2f} ({part['low']:.2f} to {part['high']:.2f})"


def test_models_are_told_apart(known):
    results = build_results(known(models=("a", "b"), techniques=("lora",)))
    assert [table.title.partition(": ")[2].split(", ")[0] for table in slice_tables(results)] == ["kind", "kind"]
    assert all(row[0].text == name for row, name in zip(details_table(results).rows, "ab", strict=True))
    results["techniques"][1]["metrics"]["accuracy"]["mean"] = 1.1
    assert baselines_table(results).captions[0].endswith(": lora (a).")
