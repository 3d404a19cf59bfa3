"""What the page can be filtered by: models, tasks and techniques, where there are several."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuneoff.report.places import task_label
from tuneoff.report.tables import Results, model_label
from tuneoff.report.words import WORDS, Words


@dataclass(frozen=True)
class Filter:
    """A kind of thing (model, task, technique), its title, and each by its name with what readers are shown."""

    kind: str
    title: str
    values: Sequence[tuple[str, str]]


def filters(results: Results, say: Words = WORDS) -> list[Filter]:
    """Return the filters with two values or more, in the order of the study."""
    models = {model["name"]: model_label(model) for model in results["models"]}
    tasks = {task["name"]: task_label(task, say) for task in results["tasks"]}
    techniques = {technique["name"]: technique["name"] for technique in results["study"]["techniques"]}
    found = {"model": models, "task": tasks, "technique": techniques}
    titled = [Filter(kind, say(f"filter.{kind}"), list(values.items())) for kind, values in found.items()]
    return [one for one in titled if len(one.values) > 1]
