"""Table 4: the results of a study, with the paper's columns in its order."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuneoff.evidence.metrics import METRICS
from tuneoff.report.findings import of_doctor
from tuneoff.report.formats import count, duration, listed, mean_spread, size
from tuneoff.report.places import at_chance, several_tasks, task_names
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.words import WORDS, Words

Results = Mapping[str, Any]


def model_label(model: Mapping[str, Any]) -> str:
    """Return the name of a model that readers are shown."""
    return str(model.get("label") or model["name"])


def several_models(results: Results) -> bool:
    """Return whether the study has more than one model, so that rows must name theirs."""
    return len(results["models"]) > 1


def results_table(results: Results, say: Words = WORDS, whole: bool = False) -> Table:
    """Return table 4: for each technique accuracy, loss, trained parameters and time, then F1, memory and seeds.

    A task whose benchmark reports another metric than the accuracy has that one too, with its interval. Times are those
    of all stages as if run alone. A technique that failed or has not been run has its row and a note.
    Columns that say nothing in this study are left out, unless the table is to be `whole`.
    """
    rows = results["techniques"]
    columns = [
        Column("model", say("column.model")),
        Column("task", say("column.task")),
        Column("technique", say("column.technique")),
        _metric_column("accuracy", 0, say),
        *_interval_columns(whole, say),
        *_own_columns(results, whole, say),
        _metric_column("loss", 1, say),
        Column("trained_parameters", say("column.trained"), numeric=True, better="low", droppable=2),
        Column("seconds", say("column.time"), numeric=True, better="low"),
        Column("last_stage_seconds", say("column.last_stage"), numeric=True, better="low", droppable=6),
        *([] if whole or "macro_f1" in own_metrics(results) else [_metric_column("macro_f1", 5, say)]),
        Column("peak_memory_bytes", say("column.peak_memory"), numeric=True, better="low", droppable=4),
        Column("seeds_done", say("column.seeds"), numeric=True, droppable=3),
        Column("note", say("column.note"), droppable=7),
    ]
    cells = [[_result_cell(column, row, results, say) for column in columns] for row in rows]
    group = [f"{row['model']}/{row['task']}" for row in rows]
    table = Table("results", _title(results, say), columns, cells, group=group).marked()
    # Where nothing beats guessing, the highest accuracy is the luckiest.
    guessed = at_chance(results)
    table = table.unmarked(METRICS, [f"{row['model']}/{row['task']}" for row in rows if row["task"] in guessed])
    if not whole:
        table = table.without(_idle_columns(results, say))
    return replace(
        table,
        findings=findings(results, say),
        explanations=_explanations(table, results, say),
        cautions=cautions(results, say),
    )


def _interval_columns(whole: bool, say: Words) -> list[Column]:
    """The bounds apart for programs, together for readers."""
    if whole:
        return [Column("accuracy_low", "", numeric=True), Column("accuracy_high", "", numeric=True)]
    return [Column("interval", say("column.interval"), numeric=True)]


OWN = ("macro_f1", "f1", "mcc")
"""The metrics beside the accuracy that benchmarks report, and that have intervals."""


def own_metrics(results: Results) -> list[str]:
    """Return the metrics, beside the accuracy, by which benchmarks report tasks of the study."""
    asked = {task.get("metric") for task in results["tasks"]}
    return [name for name in OWN if name in asked]


def _own_columns(results: Results, whole: bool, say: Words) -> list[Column]:
    """For programs all of them with their bounds; for readers those that a task of the study is reported by."""
    columns = []
    for name in OWN if whole else own_metrics(results):
        columns.append(_metric_column(name, 0, say))
        if whole:
            columns += [Column(f"{name}_{end}", "", numeric=True) for end in ("low", "high")]
        else:
            title = say("column.interval.of", metric=say(f"column.{name}"))
            columns.append(Column(f"{name}_interval", title, numeric=True, droppable=1))
    return columns


def _idle_columns(results: Results, say: Words) -> list[str]:
    rows = results["techniques"]
    noted = [_note(row, say) for row in rows if row["runs"]["missing"] < row["runs"]["asked"]]
    needed = {
        "model": several_models(results),
        "task": several_tasks(results),
        "last_stage_seconds": any(row["stages"] > 1 for row in rows),
        "seeds_done": len(results["study"]["seeds"]) > 1,
        "note": any(noted),
    }
    return [name for name, is_needed in needed.items() if not is_needed]


def _metric_column(name: str, droppable: int, say: Words) -> Column:
    better = METRICS[name].higher_is_better
    title = say(f"column.{name}")
    return Column(name, title, numeric=True, better="high" if better else "low", spread=True, droppable=droppable)


def _result_cell(column: Column, row: Mapping[str, Any], results: Results, say: Words) -> Cell:
    done = row["runs"]["done"] > 0
    if column.name == "accuracy" and not done:
        return Cell(say("cell.failed" if row["runs"]["failed"] else "cell.missing"))
    metric, _, kind = column.name.rpartition("_")
    if kind in ("low", "high") or column.name == "interval":
        metric = metric or "accuracy"
        interval = row["accuracy_interval"] if metric == "accuracy" else row["metric_intervals"][metric]
        return _interval_cell(kind, interval if done else None, say)
    if kind == "interval":
        own = _task_of(row, results).get("metric") == metric
        return _interval_cell(kind, row["metric_intervals"][metric] if done else None, say) if own else Cell("")
    if column.name in METRICS:
        spread = row["metrics"][column.name]
        return Cell(mean_spread(spread["mean"], spread["sd"], say), spread["mean"], spread["sd"])
    if column.name == "model":
        return Cell(
            next(model_label(model) for model in results["models"] if model["name"] == row["model"]), row["model"]
        )
    if column.name in ("task", "technique"):
        return Cell(row[column.name], row[column.name])
    if column.name == "trained_parameters":
        trained = (row["parameters"] or {}).get("trained") if done else None
        return Cell(count(trained, say), trained)
    if column.name in ("seconds", "last_stage_seconds"):
        seconds = row["seconds_total"]["alone" if column.name == "seconds" else "last_stage"]
        return Cell(duration(seconds, say), seconds)
    if column.name == "peak_memory_bytes":
        used = (row["peak_memory"] or {}).get("bytes")
        return Cell(size(used, say), used)
    if column.name == "seeds_done":
        return Cell(str(row["runs"]["done"]), row["runs"]["done"])
    note = _note(row, say)
    return Cell(note, note or None)


def _task_of(row: Mapping[str, Any], results: Results) -> Mapping[str, Any]:
    return next(task for task in results["tasks"] if (task["model"], task["name"]) == (row["model"], row["task"]))


def _interval_cell(name: str, interval: Mapping[str, Any] | None, say: Words) -> Cell:
    if interval is None:
        return Cell(say("value.unknown"))
    if name == "interval":
        text = say("value.interval", **{end: say.number(f"{interval[end]:.3f}") for end in ("low", "high")})
        return Cell(text, text)
    value = interval[name]
    return Cell(say.number(f"{value:.3f}"), value)


def _note(row: Mapping[str, Any], say: Words) -> str:
    """Say what became of the runs that are not done; empty if all are and nothing is amiss."""
    runs, reason = row["runs"], say.kept("reason", row["reason"] or "")
    if runs["failed"] == runs["asked"]:
        return say("status.failed", reason=reason)
    if runs["missing"] == runs["asked"]:
        return say("status.missing")
    notes = []
    if runs["failed"]:
        notes.append(say("status.some_failed", failed=runs["failed"], asked=runs["asked"], reason=reason))
    if runs["missing"]:
        notes.append(say("status.some_missing", missing=runs["missing"], asked=runs["asked"]))
    return "; ".join(notes) or reason


def _title(results: Results, say: Words) -> str:
    study = results["study"]
    return str(study["title"] or study["name"] or say("table.results"))


def findings(results: Results, say: Words = WORDS) -> list[str]:
    """Return what the comparison of the techniques gave, as sentences; with several models each names its model.

    Of several tasks they are about all of them; what was found in each stands with its pairs.
    """
    labels = {model["name"]: model_label(model) for model in results["models"]}
    found = []
    if several_tasks(results):
        for row in results["ranks"]:
            for sentence in row["sentences"]:
                text, model = say(sentence["id"], **sentence["values"]), labels[row["model"]]
                found.append(say("pairs.model", model=model, text=text) if several_models(results) else text)
        return found
    for comparison in results["comparisons"]:
        for sentence in comparison["sentences"]:
            text = say(sentence["id"], **sentence["values"])
            model = labels[comparison["model"]]
            found.append(say("pairs.model", model=model, text=text) if several_models(results) else text)
    return found


def cautions(results: Results, say: Words = WORDS) -> list[str]:
    """Return what a reader must know beside the numbers, as sentences."""
    found = []
    for notice in results["study"]["notices"]:
        values, tasks = notice["values"], notice.get("tasks")
        if "findings" in values:
            values = of_doctor(values, results, say)
        if "end" in values:
            values = {**values, "end": say.kept("end", values["end"])}
        text = say(f"notice.{notice['id']}", **values)
        found.append(say("pairs.model", model=", ".join(tasks), text=text) if tasks else text)
    return found


def _best(results: Results, say: Words) -> str:
    guessed, names = at_chance(results), task_names(results)
    if not guessed:
        return say("table.best")
    on = listed([name for name in names if name in guessed], say) if len(guessed) < len(names) else ""
    return say("table.best.guessed", tasks=say("table.best.on", tasks=on) if on else "")


def _explanations(table: Table, results: Results, say: Words) -> list[str]:
    captions = [say("table.time")]
    if any(cell.best for row in table.rows for cell in row):
        captions.insert(0, _best(results, say))
    if len(results["study"]["seeds"]) > 1:
        captions.append(say("table.spread"))
    known = [row["accuracy_interval"]["covers"] for row in results["techniques"] if row["accuracy_interval"]]
    if known:
        captions.append(say("table.interval.examples" if "examples" in known else "table.interval"))
    if own := [column.name for column in table.columns if column.name.endswith("_interval")]:
        names = [say(f"column.{name.removesuffix('_interval')}") for name in own]
        captions.append(say("table.own", metrics=listed(names, say)))
    return captions
