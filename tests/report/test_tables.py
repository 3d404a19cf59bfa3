import pytest

from tuneoff.evidence import build_results
from tuneoff.report.rank_tables import over_tasks_tables
from tuneoff.report.setting_tables import data_table, hardware_table, model_table, runs_table, trained_table
from tuneoff.report.tables import cautions, results_table


def texts(table, name):
    place = [column.name for column in table.columns].index(name)
    return [row[place].text for row in table.rows]


def names(table):
    return [column.name for column in table.columns]


@pytest.fixture(scope="module")
def five(tmp_path_factory, made_up):
    return build_results(made_up(seeds=3).write(tmp_path_factory.mktemp("five")))


def test_the_columns_are_the_papers_in_its_order(five):
    assert names(results_table(five))[:6] == [
        "technique",
        "accuracy",
        "interval",
        "loss",
        "trained_parameters",
        "seconds",
    ]
    assert texts(results_table(five), "technique") == [t["name"] for t in five["study"]["techniques"]]
    assert texts(results_table(five), "trained_parameters")[0] == "21,000,000"


def test_the_last_stages_time_and_the_seeds_have_columns_only_where_they_say_something(tmp_path, made_up, five):
    assert {"last_stage_seconds", "seeds_done"} <= set(names(results_table(five)))
    plain = build_results(made_up(techniques=("full", "lora")).write(tmp_path))
    assert names(results_table(plain))[6:] == ["macro_f1", "peak_memory_bytes"]
    assert names(results_table(plain, whole=True)) == names(results_table(five, whole=True))


@pytest.mark.parametrize(
    ("task", "metric", "title"),
    [
        ("cola", "mcc", "Matthews' correlation"),
        ("mrpc", "f1", "F1 of the second class"),
        ("rcb", "macro_f1", "macro F1"),
    ],
)
def test_a_benchmarks_own_metric_has_a_column_with_its_interval(tmp_path, made_up, task, metric, title):
    classes = ("a", "b") if metric != "macro_f1" else ("a", "b", "c")
    made = made_up(techniques=("full", "lora"), seeds=2, task={"name": task}, classes=classes)
    results = build_results(made.write(tmp_path))
    table = results_table(results)
    place = names(table).index(metric)
    assert names(table)[place - 2 : place + 2] == ["accuracy", "interval", metric, f"{metric}_interval"]
    assert [column.title for column in table.columns[place : place + 2]] == [title, f"95% interval of {title}"]
    assert any(title in caption and "benchmark" in caption for caption in table.captions)
    whole = results_table(results, whole=True).records()
    for row, shown, raw in zip(results["techniques"], table.rows, whole, strict=True):
        mean, interval = row["metrics"][metric]["mean"], row["metric_intervals"][metric]
        assert interval["covers"] == "seeds and examples" and interval["low"] < mean < interval["high"]
        assert shown[place].value == raw[metric] == mean
        written = f"{interval['low']:.3f} to {interval['high']:.3f}"
        assert shown[place + 1].text == written.replace("-", "\u2212")
        assert (raw[f"{metric}_low"], raw[f"{metric}_high"]) == (interval["low"], interval["high"])


def test_tasks_that_are_reported_by_accuracy_alone_have_no_such_column(tmp_path, made_up):
    tasks = ({"name": "cola"}, {"name": "rte"})
    results = build_results(made_up(techniques=("lora",), tasks=tasks, classes=("a", "b")).write(tmp_path))
    assert [task["metric"] for task in results["tasks"]] == ["mcc", None]
    texts_of_mcc = texts(results_table(results), "mcc_interval")
    assert " to " in texts_of_mcc[0] and texts_of_mcc[1] == ""


def test_cells_are_means_with_spread(five):
    table = results_table(five)
    row = five["techniques"][2]["metrics"]["accuracy"]
    assert texts(table, "accuracy")[2] == f"{row['mean']:.3f} ± {row['sd']:.3f}"
    assert table.records()[2]["accuracy_sd"] == row["sd"]


def test_what_failed_or_is_missing_has_its_row_and_a_reason(tmp_path, made_up):
    made = made_up(
        seeds=2,
        failed=(("full", 0), ("lora", 0), ("lora", 1)),
        missing=(("linear-probe+full", 0), ("linear-probe+full", 1)),
    )
    table = results_table(build_results(made.write(tmp_path)))
    notes = dict(zip(texts(table, "technique"), texts(table, "note"), strict=True))
    assert notes == {
        "full": "1 of 2 failed: loss is not finite (step 12)",
        "linear-probe": "",
        "lora": "failed: loss is not finite (step 12)",
        "linear-probe+full": "not run yet",
        "linear-probe+lora": "",
    }
    assert texts(table, "accuracy")[2:4] == ["failed", "not run yet"]
    assert texts(table, "seeds_done") == ["1", "2", "0", "0", "2"]
    assert texts(table, "trained_parameters")[2] == "—"


def test_cautions_stand_under_the_table(five, tmp_path, made_up):
    assert results_table(five).captions[-len(cautions(five)) :] == cautions(five)
    one = results_table(build_results(made_up().write(tmp_path)))
    assert any(caption.startswith("One seed: these verdicts are about the trained models") for caption in one.captions)


def test_the_interval_stands_beside_the_accuracy_its_bounds_apart_for_programs(five):
    low, high = (five["techniques"][0]["accuracy_interval"][name] for name in ("low", "high"))
    assert texts(results_table(five), "interval")[0] == f"{low:.3f} to {high:.3f}"
    record = results_table(five, whole=True).records()[0]
    assert (record["accuracy_low"], record["accuracy_high"]) == (low, high)


def test_verdicts_come_first_under_the_table_and_name_the_model_where_there_are_several(five, tmp_path, made_up):
    assert results_table(five).captions[0] == five["comparisons"][0]["sentences"][0]["text"]
    results = build_results(made_up(models=("a", "b"), techniques=("full", "lora")).write(tmp_path))
    for model in results["models"]:
        model["label"] = f"{model['name']} (made up)"
    starts = [caption.split(":")[0] for caption in results_table(results).findings]
    assert set(starts) == {"a (made up)", "b (made up)"}


def test_the_caption_on_marks_leaves_out_what_guessing_reaches(tmp_path, made_up):
    tasks = tuple({"name": "mini_rte", "label": "phenomenon", "called": name} for name in ("easy", "hard"))
    values = {"examples": 60, "techniques": 2, "needed": 0.5}
    results = build_results(made_up(techniques=("full", "lora"), tasks=tasks).write(tmp_path))
    for named, plain in (
        ([], "The best value of a column is marked."),
        (["hard"], "marked, but for accuracy, loss and F1, which guessing reaches too on hard."),
        (["easy", "hard"], "marked, but for accuracy, loss and F1, which guessing reaches too."),
    ):
        results["study"]["notices"] = [{"id": "guessing", "values": values, "tasks": named}] if named else []
        results["ranks"][0]["at_chance"] = named
        table = results_table(results)
        marked = [row[names(table).index("accuracy")].best for row in table.rows]
        assert table.explanations[0].endswith(plain) and sum(marked) == 2 - len(named)
        caption = over_tasks_tables(results)[0].captions[-1]
        but = f"marked, but for {' and '.join(named)}, where guessing reaches it too. Ranks"
        assert (but if named else "the best of each task is marked. Ranks") in caption


def test_several_models_are_named_and_marked_apart(tmp_path, made_up):
    results = build_results(made_up(models=("a", "b"), techniques=("full", "lora")).write(tmp_path))
    table = results_table(results)
    assert table.records()[0]["model"] == "a"
    place = names(table).index("trained_parameters")
    assert [row[place].best for row in table.rows] == [False, True, False, True]


def test_model_and_trained_model_are_described(five):
    rows = dict(zip(texts(model_table(five), "property"), texts(model_table(five), "small-e5"), strict=True))
    assert (rows["hidden size"], rows["size of the weights"], rows["tied embeddings"]) == ("384", "470 MB", "yes")
    trained = trained_table(five)
    assert texts(trained, "share")[1] == "0.0145%"
    assert texts(trained, "settings")[2] == "learning_rate 0.0001; schedule linear; rank 8; targets query, value"
    assert "head of 1,152 parameters" in trained.captions[0]


def test_data_are_described_by_split_without_making_up_what_is_unknown(five):
    table = data_table(five)
    assert texts(table, "split") == ["train", "test", "unlabelled"]
    assert texts(table, "classes") == ["yes 20, no 20, may be 20"] * 2 + ["—"]
    assert texts(table, "characters")[0] == "premise 91.2 (400); hypothesis 40.5 (120)"
    assert texts(table, "cut") == ["1%", "1%", "—"]


def test_hardware_and_origin_lead_to_machine_and_folder(five):
    rows = {row[0].text: row[1].text for row in hardware_table(five).rows}
    assert rows["commit"] == f"{'a' * 12} with changes" and rows["computed on"] == "a processor, fp32, threads: 2"
    runs = runs_table(five)
    assert texts(runs, "folder")[0] == "stages/small-e5/mini-rte-ru-phenomenon/full/seed-0"
    assert len(runs.rows) == 15 and len(texts(runs, "key")[0]) == 12


def test_tables_of_a_study_of_which_nothing_is_known(tmp_path, made_up):
    missing = tuple((name, 0) for name in ("full", "lora"))
    results = build_results(made_up(techniques=("full", "lora"), missing=missing, described=False).write(tmp_path))
    results["environment"] = {}
    assert texts(results_table(results), "accuracy") == ["not run yet"] * 2
    assert texts(trained_table(results), "trained") == ["—", "—"]
    assert (data_table(results).rows, hardware_table(results).rows) == ([], [])
