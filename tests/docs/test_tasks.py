"""The page on tasks has each of them, with its texts, classes and group."""

import re
from pathlib import Path

import pytest

from tuneoff.study import TaskSpec
from tuneoff.tasks.benchmark import DECLARED
from tuneoff.tasks.registry import built_in_tasks, refused_tasks

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
ROWS = {cells[0].strip(" `"): cells for cells in (line.strip("|").split("|") for line in PAGE.splitlines())}


@pytest.mark.parametrize("name", built_in_tasks())
def test_each_task_stands_in_a_table_with_what_it_declares(name):
    task, row = built_in_tasks()[name], ROWS[name]
    if name == "mini_rte":
        return
    assert ", ".join(task.classes(TaskSpec(name=name))) in {cell.strip() for cell in row}
    if task.further_of:
        assert task.further_of[0] in row[1]
        return
    assert row[1].strip().startswith(f"{task.about.title}: ")
    assert all(text in row[2] for text in DECLARED[name].texts)
    assert row[4].strip() == (DECLARED[name].group or "equal texts")


def test_folders_and_refused_tasks_are_named():
    folders = {task.folder for task in DECLARED.values()}
    assert all(re.search(rf"`{folder}[`/]", PAGE) for folder in folders)
    assert all(f"`{name}`" in PAGE for name in refused_tasks())
