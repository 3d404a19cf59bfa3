"""The report of a study of several tasks: overview, pairs over the tasks, the chart, and every table by task."""

import csv
import io
import re

import pytest

from tuneoff.errors import StoreError
from tuneoff.evidence import build_results
from tuneoff.evidence.over_tasks import rank_rows
from tuneoff.report import write_report
from tuneoff.report.charts import figure_names, make_figure
from tuneoff.report.choice_table import choice_table
from tuneoff.report.curves import load_curves
from tuneoff.report.detail_tables import details_table, slice_tables
from tuneoff.report.html import render
from tuneoff.report.pair_tables import pair_tables
from tuneoff.report.places import by_task, of_task, place_label, task_names
from tuneoff.report.rank_tables import over_tasks_pairs, over_tasks_tables, raw_over_tasks, raw_over_tasks_pairs
from tuneoff.report.sentences import lead
from tuneoff.report.setting_tables import data_table, trained_table
from tuneoff.report.style import svg_text
from tuneoff.report.table import csv_text
from tuneoff.report.tables import cautions, results_table
from tuneoff.report.terminal import TerminalTable

TASKS = tuple({"name": "mini_rte", "label": label} for label in ("label", "phenomenon", "relation"))
NAMES = [f"mini-rte-ru-{task['label']}" for task in TASKS]
TECHNIQUES = ("full", "linear-probe", "lora")


@pytest.fixture(scope="module")
def three(tmp_path_factory, made_up):
    """A study of three tasks: its store and results."""
    store = made_up(techniques=TECHNIQUES, seeds=2, tasks=TASKS).write(tmp_path_factory.mktemp("three"))
    return store, build_results(store)


@pytest.fixture(scope="module")
def nine(tmp_path_factory, made_up):
    """A study of two models, with the ranks of nine tasks, on each of which lora is the best and full the worst."""
    made = made_up(techniques=TECHNIQUES, tasks=TASKS[:2], models=("a", "b"))
    store = made.write(tmp_path_factory.mktemp("nine"))
    accuracies = {"full": 0.3, "linear-probe": 0.5, "lora": 0.7}
    rows = [
        {
            "model": model,
            "task": f"task-{n}",
            "technique": name,
            "metrics": {"accuracy": {"mean": value + n * value / 50}},
        }
        for model in ("a", "b")
        for n in range(9)
        for name, value in accuracies.items()
    ]
    results = build_results(store)
    return store, {**results, "ranks": rank_rows(rows, results["comparisons"])}


def test_techniques_by_tasks_have_the_means_of_the_results_and_the_best_of_each_task_marked(three):
    _, results = three
    (table,) = over_tasks_tables(results)
    assert [column.name for column in table.columns] == ["technique", "mean_rank", "mean_accuracy", *NAMES]
    means = {(row["technique"], row["task"]): row["metrics"]["accuracy"]["mean"] for row in results["techniques"]}
    for row in table.rows:
        for name, cell in zip(NAMES, row[3:], strict=True):
            best = max(means[technique, name] for technique in TECHNIQUES)
            assert cell.value == means[row[0].text, name] and cell.best == (cell.value == best)
    ranks = [row[1].value for row in table.rows]
    assert ranks == sorted(ranks) and sum(ranks) == pytest.approx(6)


def test_the_first_sentences_are_about_all_tasks_and_those_of_each_stand_with_its_pairs(three):
    _, results = three
    said = " ".join(lead(results, results_table(results)))
    assert said.startswith("3 ways of fine-tuning small-e5 (made up) on mini_rte (phenomenon); made up")
    assert "With 3 tasks no test of ranks can tell two of 3 techniques apart" in said
    assert "Within single tasks, by their own examples, pairs told apart: mini-rte-ru-label 0 of 3," in said
    assert "The highest mean accuracy on test" not in said
    tables = pair_tables(results)
    assert [table.title for table in tables] == [f"Pairs of techniques: {name}" for name in NAMES]
    assert all(table.captions[0] == "No two of the 3 techniques can be told apart." for table in tables)


def test_enough_tasks_give_verdicts_and_a_chart_with_bars_and_ruler(nine):
    store, results = nine
    first, second = over_tasks_pairs(results)
    assert (first.title, second.title) == tuple(
        f"Pairs of techniques over the tasks: {model['label']}" for model in results["models"]
    )
    assert {row[-1].value for row in first.rows} == {"better"} and first.rows[0][2].text == "9, 0, 0"
    curves = load_curves(results, store)
    figure = make_figure(results, curves, "a.tasks")
    assert "All techniques are told apart" in figure.captions[1] and "critical difference" in figure.captions[2]
    svg = svg_text(figure.chart)
    assert "CD 1.10" in svg and "NaN" not in svg  # 2.343 sqrt(3 * 4 / (6 * 9)), Demšar (2006), table 5 (a)
    said = " ".join(lead(results, results_table(results)))
    assert "Over 9 tasks lora does better than full: it does in 9 of them" in said


def test_with_few_tasks_the_chart_has_no_ruler_and_says_why(three):
    store, results = three
    figure = make_figure(results, load_curves(results, store), "tasks")
    assert figure.captions[-1] == "3 tasks are too few for any pair to be told apart by ranks: it takes 7."
    svg = svg_text(figure.chart)
    assert "CD " not in svg and all(name in svg for name in TECHNIQUES)


def test_figures_are_named_by_their_places(three, nine):
    store, results = three
    names = list(figure_names(results))
    assert names[0] == "tasks" and "mini-rte-ru-label.lora" in names and "mini-rte-ru-relation.ranks" in names
    assert len(names) == 1 + 3 * (3 + 8)
    assert list(figure_names(nine[1]))[:2] == ["a.tasks", "b.tasks"]
    assert f"b.{NAMES[1]}.steps" in figure_names(nine[1])
    curves = load_curves(results, store)
    made = make_figure(results, curves, "mini-rte-ru-relation.steps")
    assert "made up, mini-rte-ru-relation" in str(made.chart.to_dict()["title"])
    with pytest.raises(StoreError, match=r"no figure 'lora' in this study; there are: tasks, mini-rte-ru-label\.full"):
        make_figure(results, curves, "lora")


def test_the_results_name_the_task_of_each_row_and_mark_the_best_of_each(three):
    table = results_table(three[1])
    assert [column.name for column in table.columns][:2] == ["task", "technique"]
    place = [column.name for column in table.columns].index("accuracy")
    for name in NAMES:
        rows = [row for row in table.rows if row[0].text == name]
        assert len(rows) == 3 and any(row[place].best for row in rows)


@pytest.mark.parametrize("build", [choice_table, details_table, trained_table, data_table])
def test_other_tables_are_by_task(three, build):
    _, results = three
    table = by_task(build, results)
    assert table.columns[0].name == "task" and list(dict.fromkeys(row[0].value for row in table.rows)) == NAMES
    alone = build(of_task(results, NAMES[1]))
    rows = [[cell.text for cell in row[1:]] for row in table.rows if row[0].value == NAMES[1]]
    assert rows == [[cell.text for cell in row] for row in alone.rows]
    assert set(alone.captions) <= set(table.captions) and len(table.captions) == len(set(table.captions))


def test_a_study_of_one_task_has_its_tables_as_they_were(tmp_path, made_up):
    results = build_results(made_up(techniques=("full", "lora")).write(tmp_path))
    assert by_task(details_table, results) == details_table(results)
    assert (over_tasks_tables(results), over_tasks_pairs(results)) == ([], [])
    assert place_label(results, "small-e5", "mini-rte-ru-phenomenon") == ""
    assert task_names(results) == ["mini-rte-ru-phenomenon"]
    older = {key: value for key, value in results.items() if key != "ranks"}
    assert over_tasks_tables(older) == []


def test_the_page_has_the_overview_first_and_cautions_name_their_task(three):
    _, results = three
    page = render(results, [])
    assert page.index("<h2>Over all tasks</h2>") < page.index("<h2>Results</h2>")
    assert "Pairs of techniques over the tasks" in page
    text = re.sub(r"<[^>]+>", "", page)
    assert "Accuracy is measured on 60 test examples." in text
    assert f"{NAMES[0]}: Classes, in the order of their numbers: yes, no, may be." in text
    assert text.count("3 premises stand in train and in test.") == 1  # it holds for all three
    some = {"id": "test_examples", "values": {"examples": 7}, "text": "", "tasks": NAMES[1:]}
    changed = {**results, "study": {**results["study"], "notices": [some]}}
    assert cautions(changed) == [f"{NAMES[1]}, {NAMES[2]}: Accuracy is measured on 7 test examples."]
    assert (cautions(of_task(changed, NAMES[0])), len(cautions(of_task(changed, NAMES[1])))) == ([], 1)


def test_slices_say_of_which_task_they_are(three, monkeypatch):
    _, results = three
    part = {"value": "x", "examples": 3, "accuracy": 0.5, "low": 0.1, "high": 0.9}
    for row in results["details"]:
        monkeypatch.setitem(row, "slices", {"kind": [part]})
    assert [table.title for table in slice_tables(results)] == [f"By slice: kind, {name}" for name in NAMES]


def test_nothing_beats_guessing_only_where_it_does_not(three):
    _, results = three
    notices = [notice for notice in results["study"]["notices"] if notice["id"] != "guessing"]
    guess = {
        "id": "guessing",
        "values": {"examples": 60, "techniques": 3, "needed": 0.5},
        "text": "",
        "tasks": NAMES[:1],
    }
    changed = {**results, "study": {**results["study"], "notices": [*notices, guess]}}
    assert any(one.startswith(f"On {NAMES[0]} nothing beats guessing") for one in lead(changed, results_table(changed)))
    every = [*notices, *({**guess, "tasks": [name]} for name in NAMES)]
    changed = {**results, "study": {**results["study"], "notices": every}}
    assert any(one.startswith("Nothing here beats guessing") for one in lead(changed, results_table(changed)))


def test_where_all_tasks_are_at_chance_no_mean_is_marked(three):
    _, results = three
    (row,) = results["ranks"]

    def marked(chance):
        (table,) = over_tasks_tables({**results, "ranks": [{**row, "at_chance": chance}]})
        return {table.columns[place].name for cells in table.rows for place, cell in enumerate(cells) if cell.best}

    assert {"mean_rank", "mean_accuracy"} < marked(NAMES[:1]) and NAMES[0] not in marked(NAMES[:1])
    assert marked(NAMES) <= {"rank_above"}


def test_programs_get_the_same_numbers_unrounded(three):
    _, results = three
    rows = list(csv.DictReader(io.StringIO(csv_text(raw_over_tasks(results)))))
    assert len(rows) == 9 and {row["task"] for row in rows} == set(NAMES)
    one = results["ranks"][0]["techniques"][0]
    assert [float(row["accuracy"]) for row in rows[:3]] == one["accuracies"]
    pairs = list(csv.DictReader(io.StringIO(csv_text(raw_over_tasks_pairs(results)))))
    assert [float(row["p"]) for row in pairs] == [pair["p"] for pair in results["ranks"][0]["pairs"]]


@pytest.mark.usefixtures("no_figures")
def test_the_tables_over_tasks_are_written_and_go_with_the_tasks(tmp_path, made_up):
    made = made_up(techniques=("full", "lora"), tasks=TASKS[:2])
    store = made.write(tmp_path)
    write_report(store)
    written = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {f"{name}.{suffix}" for name in ("tasks", "tasks-pairs") for suffix in ("md", "csv", "tex")} <= written
    made_up(techniques=("full", "lora"), task=TASKS[0]).write(tmp_path)
    write_report(store)
    assert not list((tmp_path / "tables").glob("tasks*"))


def test_the_overview_fits_a_terminal(nine):
    from rich.console import Console

    console = Console(file=io.StringIO(), width=80)
    console.print(TerminalTable(over_tasks_tables(nine[1])[0]))
    shown = console.file.getvalue()
    assert "mean" in shown and "Not shown for lack of room:" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
