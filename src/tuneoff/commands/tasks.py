"""`tuneoff tasks`: the built-in tasks, those that are out of scope, and what stands in their place."""

from tuneoff.study import TaskSpec
from tuneoff.tasks.registry import BuiltIn, built_in_tasks, refused_tasks
from tuneoff.words import listed

WIDTH = 16  # of the column of names


def tasks_command() -> None:
    """Print a line for each task, under what it is of; then those that are refused, with the reason."""
    by_family: dict[str, list[BuiltIn]] = {}
    for task in built_in_tasks().values():
        by_family.setdefault(task.about.family, []).append(task)
    for family, tasks in by_family.items():
        print(family)
        for task in tasks:
            print(_line(task))
        print()
    print("Not offered, as they are no classes of a text or of a pair of texts")
    for name, reason in refused_tasks().items():
        print(f"  {name:{WIDTH}} {reason}")
    print("\nIn a study: task: NAME, or task: {name: NAME, data: DIR}. Data of your own: docs/tasks.md")


def _line(task: BuiltIn) -> str:
    about, classes = task.about, listed(task.classes(TaskSpec(name=task.name)))
    use = f"; a further test set (also_test) for {listed(task.further_of)}" if task.further_of else ""
    return f"  {task.name:{WIDTH}} {about.title}: {listed(about.texts)} -> {classes}; {about.splits}{use}"
