"""What the page shows of errors: counts by slice, the examples that techniques disagree on, confusion matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneoff.report.formats import count
from tuneoff.report.places import task_label
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words

SHADES = 9
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """A class that was given to an example, whether that is right, and which techniques gave it, with what is shown."""

    text: str
    right: bool
    techniques: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Example:
    """A test example that techniques disagree on: its row, label, texts by field, slices, and the answers given."""

    row: str
    label: str
    texts: Sequence[tuple[str, str]]
    slices: Sequence[str]
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Matrix:
    """A technique's confusion matrix: for each label its cells, each a text and a shade from 0 to SHADES."""

    technique: str
    title: str
    rows: Sequence[tuple[str, Sequence[tuple[str, int]]]]


@dataclass(frozen=True)
class ErrorPart:
    """The errors of one model on one task."""

    about: Mapping[str, str]
    title: str | None
    sentences: Sequence[str]
    slices: Sequence[Table]
    examples: Sequence[Example]
    choices: Sequence[str]
    notes: Sequence[str]
    classes: Sequence[str]
    matrices: Sequence[Matrix]


def error_parts(results: Results, say: Words = WORDS) -> list[ErrorPart]:
    """Return the errors of each model and task that has a finished run."""
    tasks = {(task["model"], task["name"]): task for task in results["tasks"]}
    several = several_models(results) or len({task["name"] for task in results["tasks"]}) > 1
    return [
        _part(results, part, tasks[part["model"], part["task"]], several, say)
        for part in results["error_analysis"]
        if part["confusion"]
    ]


def _part(results: Results, part: Row, task: Row, several: bool, say: Words) -> ErrorPart:
    classes = [str(name) for name in task["classes"] or ()]
    about = {"model": part["model"], "task": part["task"]}
    model = next(model_label(model) for model in results["models"] if model["name"] == part["model"])
    named = say("errors.title.place", model=model, task=task_label(task, say))
    examples = [_example(one, task, classes, say) for one in part["shown"]]
    compared = len(part["techniques"]) > 1
    return ErrorPart(
        about=about,
        title=named if several else None,
        sentences=_sentences(part, say) if compared else [],
        slices=[_slice_table(name, rows, about, say) for name, rows in part["slices"].items()] if compared else [],
        examples=examples,
        choices=list(dict.fromkeys(sorted(text for one in examples for text in one.slices))),
        notes=_notes(part, say),
        classes=classes,
        matrices=[_matrix(name, found, classes, say) for name, found in part["confusion"].items() if found],
    )


def _sentences(part: Row, say: Words) -> list[str]:
    names = ("examples", "all_right", "none_right", "disagreed")
    found = [say("errors.counts", **{name: count(part[name], say) for name in names})]
    several = any(found and found["seeds"] > 1 for found in part["confusion"].values())
    return [*found, *([say("errors.majority")] if several else [])]


def _notes(part: Row, say: Words) -> list[str]:
    notes = [say("errors.shown", shown=len(part["shown"]), disagreed=count(part["disagreed"], say))]
    return [*notes, *([say("errors.no_texts")] if any(one["texts"] is None for one in part["shown"]) else [])]


def _slice_table(name: str, rows: Sequence[Row], about: Mapping[str, str], say: Words) -> Table:
    numbers = ("examples", "disagreed", "none_right")
    columns = [Column("value", say("column.value")), *(Column(n, say(f"column.{n}"), numeric=True) for n in numbers)]
    cells = [
        [
            Cell(say.kept("slice", row["value"]) if row["value"] else say("value.unknown"), row["value"]),
            *(Cell(count(row[n], say), row[n]) for n in numbers),
        ]
        for row in rows
    ]
    return Table("errors", say("errors.slices", column=say.kept("slice", name)), columns, cells, about=about)


def _example(one: Row, task: Row, classes: Sequence[str], say: Words) -> Example:
    fields = task["text_fields"] or []
    texts = list(zip(fields, one["texts"] or [], strict=False))
    slices = [
        say("errors.slice.value", column=say.kept("slice", name), value=say.kept("slice", value))
        for name, value in one["slices"].items()
    ]
    given: dict[int, list[tuple[str, str]]] = {}
    for technique, answers in one["answers"].items():
        seeds = sum(answers.values())
        for answer, times in answers.items():
            text = say("errors.seeds", technique=technique, given=times, seeds=seeds) if seeds > 1 else technique
            given.setdefault(int(answer), []).append((technique, text))
    # The right answer first, then those that most techniques gave.
    order = sorted(given, key=lambda answer: (answer != one["label"], -len(given[answer]), answer))
    answers = [
        Answer(say("errors.answer", answer=_named(answer, classes)), answer == one["label"], given[answer])
        for answer in order
    ]
    label = say("errors.label", label=_named(one["label"], classes))
    return Example(say("errors.row", row=one["row"]), label, texts, slices, answers)


def _named(number: int, classes: Sequence[str]) -> str:
    return classes[number] if number < len(classes) else str(number)


def _matrix(technique: str, found: Row, classes: Sequence[str], say: Words) -> Matrix:
    title = say("errors.confusion.title", technique=technique, seeds=say("chart.seeds", n=found["seeds"]))
    rows = [(name, _shaded(counts, say)) for name, counts in zip(classes, found["counts"], strict=True)]
    return Matrix(technique, title, rows)


def _shaded(counts: Sequence[int], say: Words) -> list[tuple[str, int]]:
    whole = sum(counts) or 1
    return [(count(n, say), round(SHADES * n / whole)) for n in counts]
