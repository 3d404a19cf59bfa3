"""Results of several tasks: those of one alone, and a table of each task as one table with a column for the task."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tuneoff.evidence.notices import tasks_at_chance
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.words import WORDS, Words

Results = Mapping[str, Any]
BY_TASK = ("tuning", "details", "runs", "techniques", "comparisons")


def task_names(results: Results) -> list[str]:
    """Return the names of a study's tasks, in its order."""
    return list(dict.fromkeys(task["name"] for task in results["tasks"]))


def several_tasks(results: Results) -> bool:
    """Return whether the study has more than one task, so that rows must name theirs."""
    return len(task_names(results)) > 1


def of_task(results: Results, task: str) -> dict[str, Any]:
    """Return the results as if the study had one of its tasks alone."""
    study = results["study"]
    asked = study.get("tasks") or [study["task"]]
    spec = dict(zip(task_names(results), asked, strict=True))[task]
    notices = [
        {key: value for key, value in notice.items() if key != "tasks"}
        for notice in study["notices"]
        if task in notice.get("tasks", [task])
    ]
    own = {part: [row for row in results[part] if row["task"] == task] for part in BY_TASK}
    return {
        **results,
        **own,
        "study": {**study, "task": spec, "tasks": [spec], "notices": notices},
        "tasks": [row for row in results["tasks"] if row["name"] == task],
        "ranks": [],
    }


def by_task(build: Callable[[Results, Words], Table], results: Results, say: Words = WORDS) -> Table:
    """Return the table that a function makes of results; of several tasks its rows task by task, which a column names.

    A column that only some tasks have is empty for the others.
    """
    if not several_tasks(results):
        return build(results, say)
    tables = {task: build(of_task(results, task), say) for task in task_names(results)}
    columns = {column.name: column for table in tables.values() for column in table.columns}
    rows, captions, group = [], [], []
    for task, table in tables.items():
        for row in table.rows:
            cells = dict(zip((column.name for column in table.columns), row, strict=True))
            rows.append([Cell(task, task), *(cells.get(name, Cell("")) for name in columns)])
            group.append(task)
        captions += [text for text in table.captions if text not in captions]
    first = next(iter(tables.values()))
    heads = [Column("task", say("column.task")), *columns.values()]
    return replace(first, columns=heads, rows=rows, explanations=captions, cautions=(), findings=(), group=group)


def task_label(task: Mapping[str, Any], say: Words = WORDS) -> str:
    """Return the name of a task that readers are shown."""
    return say.kept("task", str(task["label"] or task["name"]))


def place_label(results: Results, model: str, task: str) -> str:
    """Return how a sentence or title names a model and a task: what there are several of; empty for one of each."""
    labels = {one["name"]: str(one.get("label") or one["name"]) for one in results["models"]}
    named = [labels[model]] if len(labels) > 1 else []
    return ", ".join([*named, *([task] if several_tasks(results) else [])])


def at_chance(results: Results) -> list[str]:
    """Return the names of the tasks on which nothing beats guessing, or could."""
    return tasks_at_chance(results["study"].get("notices") or [], task_names(results))
