"""One page about several studies: their techniques by task, settings that differ, pairs on the same test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tuneoff.errors import StoreError
from tuneoff.evidence.side_by_side import ReadStudy, SameTask, differing_settings, read_studies, same_tasks
from tuneoff.report.charts import Figure
from tuneoff.report.formats import count, duration, mean_spread, plain
from tuneoff.report.html import Picture, page_parts, shortened, template
from tuneoff.report.pair_charts import ranks_drawing
from tuneoff.report.pair_tables import pair_table
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.words import WORDS, Words
from tuneoff.store import Store

TEMPLATE = "side_by_side.html.j2"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class TaskPart:
    """What the page shows of a task: sentences, its techniques, the pairs, and a figure of them."""

    title: str
    notes: Sequence[str]
    table: Table
    pairs: Sequence[Table]
    pictures: Sequence[Picture]


def write_side_by_side(stores: Sequence[Store], folder: Path, say: Words = WORDS) -> tuple[Path, list[str]]:
    """Write report.html and figures of several studies into a folder; returns the page and what was found.

    What else is in the folder stays. Raises StoreError for a run directory that cannot be read, and where the folder is
    one: its own report would be written over.
    """
    from tuneoff.report import FIGURES, REPORT, write_figures

    if (folder / "study.yaml").is_file():
        raise StoreError(f"--to {folder}: is a run directory, and has a report of its own; give another folder")
    studies = read_studies(stores)
    tasks = same_tasks(studies)
    figures = [figure for task in tasks for figure in _figures(task, say)]
    svgs = write_figures(folder / FIGURES, figures, say.language)
    page, text = folder / REPORT, _render(studies, tasks, figures, svgs, say)
    _write(page, text)
    return page, _findings(tasks, say)


def _write(path: Path, text: str) -> None:
    from tuneoff.files import write_text

    write_text(path, text)


def _render(
    studies: Sequence[ReadStudy],
    tasks: Sequence[SameTask],
    figures: Sequence[Figure],
    svgs: Mapping[str, str],
    say: Words,
) -> str:
    names = [study.name for study in studies]
    pictures = [Picture.of(figure, svgs.get(figure.name), say) for figure in figures]
    parts = [_part(task, [one for one in pictures if one.figure.model == task.name], say) for task in tasks]
    short = shortened([comparison for task in tasks for comparison in task.comparisons], say)
    found = [sentence for sentence in _findings(tasks, say) if sentence not in short]
    lead = [say("side.lead", studies=_and(names, say)), *found]
    version = studies[0].results["environment"].get("tuneoff") or say("value.unknown")
    return template(TEMPLATE).render(
        say=say,
        title=say("side.title", studies=", ".join(names)),
        conclusion=[],
        lead=lead,
        parts=parts,
        settings=_settings_table(studies, say),
        folders=_folders_table(studies, say),
        filters=[],
        version=version,
        **page_parts(),
    )


def _and(names: Sequence[str], say: Words) -> str:
    return say("and").join([*([", ".join(names[:-1])] if len(names) > 1 else []), *names[-1:]])


def _findings(tasks: Sequence[SameTask], say: Words) -> list[str]:
    return [
        say(sentence["id"], **sentence["values"])
        for task in tasks
        for comparison in task.comparisons
        for sentence in comparison["sentences"]
    ]


def _part(task: SameTask, pictures: Sequence[Picture], say: Words) -> TaskPart:
    notes = [say("side.pairs.note")] if task.comparisons else []
    joined = [entry for comparison in task.comparisons for entry in comparison["joined"]]
    notes += [say("side.joined", entries="; ".join(joined))] if joined else []
    notes += [say("side.alone", studies=_and([name], say)) for name in task.alone]
    pairs = [
        pair_table(say("side.pairs", studies=_and(comparison["studies"], say)), comparison, say)
        for comparison in task.comparisons
        if comparison["pairs"]
    ]
    return TaskPart(
        say("side.task", task=say.kept("task", task.label)), notes, _techniques_table(task, say), pairs, pictures
    )


def _techniques_table(task: SameTask, say: Words) -> Table:
    models = len({row["model"] for row in task.rows}) > 1
    columns = [
        Column("study", say("column.study")),
        *([Column("model", say("column.model"))] if models else []),
        Column("technique", say("column.technique")),
        Column("accuracy", say("column.accuracy"), numeric=True),
        Column("interval", say("column.interval"), numeric=True),
        Column("loss", say("column.loss"), numeric=True),
        Column("trained", say("column.trained"), numeric=True),
        Column("time", say("column.time"), numeric=True),
        Column("seeds", say("column.seeds"), numeric=True),
    ]
    return Table(
        "side",
        say("side.task", task=say.kept("task", task.label)),
        columns,
        [_cells(row, models, say) for row in task.rows],
    )


def _cells(row: Row, models: bool, say: Words) -> list[Cell]:
    interval, unknown = row["accuracy_interval"], say("value.unknown")
    bounds = {end: say.number(f"{interval[end]:.3f}") for end in ("low", "high")} if interval else {}
    metrics = [
        mean_spread(row["metrics"][name]["mean"], row["metrics"][name]["sd"], say) for name in ("accuracy", "loss")
    ]
    return [
        Cell(row["study"], row["study"]),
        *([Cell(row["model"], row["model"])] if models else []),
        Cell(row["technique"], row["technique"]),
        Cell(metrics[0]),
        Cell(say("value.interval", **bounds) if bounds else unknown),
        Cell(metrics[1]),
        Cell(count((row["parameters"] or {}).get("trained"), say)),
        Cell(duration(row["seconds_total"]["alone"], say)),
        Cell(str(row["runs"]["done"])),
    ]


def _settings_table(studies: Sequence[ReadStudy], say: Words) -> Table:
    columns = [Column("property", say("column.property")), *(Column(study.name, study.name) for study in studies)]
    rows = [
        [Cell(name, name), *(Cell("" if value is None else _setting(value, say)) for value in values)]
        for name, values in differing_settings(studies)
    ]
    caption = say("side.settings.caption" if rows else "side.settings.none")
    return Table("settings", say("side.settings"), columns, rows, [caption])


def _setting(value: Any, say: Words) -> str:
    """A setting as text; of a file elsewhere its name alone, since folders may name a person."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_setting(inner, say)}" for name, inner in value.items())
    return _own_path(PurePath(value)) if isinstance(value, str) and PurePath(value).is_absolute() else plain(value, say)


def _own_path(path: PurePath) -> str:
    """A path below the folder that the command was given in; of any other its last part."""
    return path.name if path.is_absolute() or ".." in path.parts else path.as_posix()


def _folders_table(studies: Sequence[ReadStudy], say: Words) -> Table:
    columns = [Column("study", say("column.study")), Column("folder", say("column.folder"))]
    rows = [[Cell(study.name), Cell(_own_path(study.store.root))] for study in studies]
    return Table("folders", say("side.folders"), columns, rows)


def _figures(task: SameTask, say: Words) -> list[Figure]:
    """The accuracies of each set of studies with the same test rows; of the task's name as model, for the page."""
    found = []
    for number, comparison in enumerate(task.comparisons, start=1):
        own = [row for row in task.rows if row["study"] in comparison["studies"]]
        # Of runs that gave the same answers one is drawn: the first.
        rows = list({row["entry"]: {**row, "technique": row["entry"]} for row in reversed(own)}.values())[::-1]
        place = say("side.figure", task=say.kept("task", task.label), studies=_and(comparison["studies"], say))
        drawing = ranks_drawing(rows, comparison, [row["technique"] for row in rows], place, say)
        if drawing is not None:
            name = f"{task.name}-{number}"
            found.append(
                Figure(name, say("side.ranks"), None, task.name, drawing.chart, drawing.captions, data=drawing.data)
            )
    return found
