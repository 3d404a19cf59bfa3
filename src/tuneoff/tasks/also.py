"""Further test sets of a task, for what its models do away from their training data: `task.also_test`.

Fine-tuning can be better than a linear probe on test and worse away from it (Kumar et al. 2022, Fine-tuning can distort
pretrained features and underperform out-of-distribution, ICLR), which one test set cannot show.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tuneoff.errors import DataError, StudyError
from tuneoff.study import TaskSpec
from tuneoff.tasks.data_set import ALSO
from tuneoff.tasks.files import find_file, read_table
from tuneoff.tasks.raw import RawTask
from tuneoff.tasks.registry import BuiltIn, built_in_tasks, why_refused
from tuneoff.tasks.table import Table
from tuneoff.words import listed, near


def problems(spec: TaskSpec) -> list[str]:
    """Return what is wrong with the further test sets of a task and can be seen without reading data, a line each."""
    found = []
    for name, given in spec.also_test.items():
        if not isinstance(given, str):
            try:
                _meant(name, given, spec)
            except StudyError as error:
                found += error.problems
    return found


def with_also_tests(task: RawTask, spec: TaskSpec, base: Path) -> RawTask:
    """Return the task with a table for each further test set, under the split `also:<name>`.

    Those that are splits of the hub are there already. Raises DataError for what cannot be read.
    """
    tables, notes = dict(task.tables), list(task.notes)
    for name, given in spec.also_test.items():
        if ALSO + name in tables:
            continue
        if isinstance(given, str):
            table = _from_file(name, given, base)
        else:
            found = _from_built_in(name, given, spec, base)
            table = _as_in(task, found, name)
            notes += [f"{name}: {note}" for note in found.notes]
        _refuse_twice(name, table, tables)
        tables[ALSO + name] = table
    return replace(task, tables=tables, notes=tuple(notes))


def _from_file(name: str, given: str, base: Path) -> Table:
    return read_table(find_file(given, base, f"task.also_test.{name}"), given)


def _from_built_in(name: str, given: Mapping[str, str], spec: TaskSpec, base: Path) -> RawTask:
    built_in, meant = _meant(name, given, spec)
    return built_in.read(meant, base)


def _as_in(task: RawTask, found: RawTask, name: str) -> Table:
    """Return the test rows of a task under the column names of another; texts are matched by their order."""
    table = found.tables["test"]
    if len(found.text_columns) != len(task.text_columns):
        raise DataError(
            f"task.also_test.{name}: {found.label} has the texts {listed(found.text_columns)}, but the study's task "
            f"has {listed(task.text_columns)}: give a test set with as many texts."
        )
    named = dict(zip(found.text_columns, task.text_columns, strict=True)) | {found.label_column: task.label_column}
    taken = {*named.values()} - {*named}  # names that no column beside texts and label may have
    kept = {column: named.get(column, column) for column in table.columns if column not in taken}
    rows = [{new: row[old] for old, new in kept.items() if old in row} for row in table.rows]
    return replace(table, columns=tuple(kept.values()), rows=rows, class_names={})


def _meant(name: str, given: Mapping[str, str], spec: TaskSpec) -> tuple[BuiltIn, TaskSpec]:
    """Return the built-in task that a mapping means and its description, by the label of the study's task."""
    tasks = built_in_tasks()
    task = tasks.get(given.get("name", ""))
    if task is None and (reason := why_refused(given.get("name"))):
        raise StudyError(f"task.also_test: '{name}': {given['name']} is not offered: it is {reason}.")
    if task is None:
        hint = near(given.get("name", ""), tasks)
        raise StudyError(
            f"task.also_test: '{name}' names no built-in task.{hint} Give a file, or one of these: "
            f"{{name: mini_rte, language: en}}. Built-in tasks: {listed(tasks)}."
        )
    allowed = ("name", *(key for key in task.takes if key != "label"))
    if unknown := [key for key in given if key not in allowed]:
        raise StudyError(f"task.also_test: '{name}' has {listed(unknown)}; {task.name} takes {listed(allowed)} here.")
    label = {"label": spec.label} if "label" in task.takes else {}
    meant = TaskSpec.model_validate({**given, **label})
    if found := task.problems(meant):
        raise StudyError([f"task.also_test: '{name}': {problem}" for problem in found])
    return task, meant


def _refuse_twice(name: str, table: Table, tables: Mapping[str, Table]) -> None:
    for split, other in tables.items():
        if other.origin == table.origin:
            raise DataError(f"task.also_test.{name} and {split} are the same, {table.origin}: give other rows.")
