"""Sections of what means hide: cheap baselines, further test sets, details of each technique, accuracy by slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuneoff.report.away_tables import away_table
from tuneoff.report.formats import count, decimals, mean_spread, plain
from tuneoff.report.places import by_task, of_task, several_tasks, task_names
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words

COSINE = "cosine"
MOST_DECIMALS = 6  # of a slope; a smaller one is written with an exponent
VERDICTS = {
    "still falling": "details.falling",
    "flat or cannot be told": "details.flat",
    "rising": "details.rising",
}


@dataclass(frozen=True)
class Section:
    """A heading, what to know before reading, and tables; with several tables each has its own title."""

    title: str
    tables: Sequence[Table]
    note: str | None = None


def detail_sections(results: Results, say: Words = WORDS) -> list[Section]:
    """Return the sections that have something to show."""
    sections = [
        Section(say("html.baselines"), [by_task(baselines_table, results, say)]),
        Section(say("html.away"), [by_task(away_table, results, say)], say("html.away.note")),
        Section(say("html.details"), [by_task(details_table, results, say)]),
        Section(say("html.slices"), slice_tables(results, say), say("html.slices.note")),
    ]
    return [section for section in sections if any(table.rows for table in section.tables)]


def baselines_table(results: Results, say: Words = WORDS) -> Table:
    """Return the baselines with their accuracy, and which techniques are not above the best of them."""
    by_model = {task["model"]: task["baselines"] for task in results["tasks"] if task["baselines"]}
    # All but the cosine are of the data alone, so any model's are those of all.
    shared = [row for row in next(iter(by_model.values()), ()) if row["name"] != COSINE]
    own = [(model, row) for model, rows in by_model.items() for row in rows if row["name"] == COSINE]
    columns = [
        Column("baseline", say("column.baseline")),
        Column("accuracy", say("column.accuracy"), numeric=True),
        Column("settings", say("column.chosen")),
        Column("note", say("column.note")),
    ]
    names = {model["name"]: model_label(model) for model in results["models"]}
    titled = [(say(f"baseline.{row['name']}"), row) for row in shared]
    several = several_models(results)
    for model, row in own:
        titled.append((say("baseline.cosine.model", model=names[model]) if several else say("baseline.cosine"), row))
    cells = [[*_baseline_cells(title, row, say)] for title, row in titled]
    captions = []
    for model in by_model:
        if own and several:
            said = _against(results, by_model[model], say, model)
            captions += [say("baselines.model", model=names[model], text=text) for text in said]
    captions = captions or _against(results, [*shared, *(row for _, row in own)], say)
    if any(row["name"] == "tfidf_second" for row in shared):
        captions.append(say("baselines.second"))
    if own:
        captions.append(say("baselines.cosine"))
    return Table("baselines", say("html.baselines"), columns, cells, captions)


def _baseline_cells(title: str, row: Mapping[str, Any], say: Words) -> Sequence[Cell]:
    chosen = ", ".join(f"{name} {plain(value, say)}" for name, value in row["chosen"].items())
    note = "; ".join(say.kept("reason", text) for text in (row["reason"], row["note"]) if text)
    return (
        Cell(title, row["name"]),
        Cell(mean_spread(row["accuracy"], None, say), row["accuracy"]),
        Cell(chosen or say("value.unknown"), chosen or None),
        Cell(note, note or None),
    )


def _against(results: Results, rows: Sequence[Mapping[str, Any]], say: Words, model: str | None = None) -> list[str]:
    """Say which techniques, of one model if one is given, are not above the best of the baselines."""
    known = [row for row in rows if row["accuracy"] is not None]
    techniques = [row for row in results["techniques"] if row["metrics"]["accuracy"]["mean"] is not None]
    techniques = [row for row in techniques if model in (None, row["model"])]
    if not known or not techniques:
        return []
    best = max(known, key=lambda row: float(row["accuracy"]))
    named = {"baseline": say(f"baseline.{best['name']}"), "value": mean_spread(best["accuracy"], None, say)}
    below = [_named(row, results) for row in techniques if row["metrics"]["accuracy"]["mean"] <= best["accuracy"]]
    if below:
        return [say("baselines.below", techniques=", ".join(below), **named)]
    return [say("baselines.above", **named)]


def _named(row: Mapping[str, Any], results: Results) -> str:
    return f"{row['technique']} ({row['model']})" if several_models(results) else str(row["technique"])


def details_table(results: Results, say: Words = WORDS) -> Table:
    """Return for each technique what a mean over seeds hides.

    That is collapsed seeds, whether the loss still fell, calibration, scaled and not, CKA, and the norms of heads.
    """
    names = ("collapsed", "trend", "ece", "scaled_loss", "scaled_ece", "cka", "head_norm")
    columns = [
        *([Column("model", say("column.model"))] if several_models(results) else []),
        Column("technique", say("column.technique")),
        *(Column(name, say(f"column.{name}"), numeric=name not in ("collapsed", "trend")) for name in names),
    ]
    classes = {(task["model"], task["name"]): task["classes"] or [] for task in results["tasks"]}
    ece = {_key(row): row["metrics"]["ece"] for row in results["techniques"]}
    rows = []
    shown = [row for row in results["details"] if row["collapse"]["seeds"]]
    for row in shown:
        spreads = [ece[_key(row)], row["calibration"]["loss"], row["calibration"]["ece"], row["cka"]]
        cells = [
            *([Cell(row["model"], row["model"])] if several_models(results) else []),
            Cell(row["technique"], row["technique"]),
            _collapsed(row["collapse"], classes[row["model"], row["task"]], say),
            _trend(row["trend"], say),
            *(Cell(mean_spread(one["mean"], one["sd"], say), one["mean"], one["sd"]) for one in spreads),
            _head_norm(row["head_norms"], say),
        ]
        rows.append(cells)
    return Table("details", say("html.details"), columns, rows, _explained(shown, say) if shown else [])


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["model"], row["task"], row["technique"]


def _collapsed(found: Mapping[str, Any], classes: Sequence[str], say: Words) -> Cell:
    text = say("details.collapsed", collapsed=found["collapsed"], seeds=found["seeds"])
    numbers = dict.fromkeys(one["class"] for one in found["answers"])
    answers = [classes[number] if number < len(classes) else str(number) for number in numbers]
    if answers:
        text = say("details.always", share=text, answers=", ".join(answers))
    return Cell(text, found["share"])


def _head_norm(stages: Sequence[Mapping[str, Any]], say: Words) -> Cell:
    """What each stage ended with, first to last; the number is the last one's."""
    texts = [mean_spread(one["norm"]["mean"], one["norm"]["sd"], say) for one in stages]
    return Cell(" → ".join(texts), stages[-1]["norm"]["mean"], stages[-1]["norm"]["sd"])


def _trend(found: Mapping[str, Any], say: Words) -> Cell:
    if found["slope"] is None:
        return Cell(say("details.untold", reason=say.kept("reason", found["reason"])))
    # However small a slope is, its digits must show: zeros would deny the verdict beside them.
    places = decimals((found["high"] - found["low"]) / 2 or abs(found["slope"]), MOST_DECIMALS + 1)
    form = f"+.{places}f" if places <= MOST_DECIMALS else "+.1e"
    interval = {name: say.number(f"{found[name]:{form}}") for name in ("slope", "low", "high")}
    return Cell(say("details.slope", verdict=say(VERDICTS[found["verdict"]]), **interval), found["slope"])


def _explained(rows: Sequence[Mapping[str, Any]], say: Words) -> list[str]:
    captions = [say("details.collapse.caption"), say("details.trend.caption", split=rows[0]["trend"]["split"])]
    if any(row["trend"]["covers"] == "evaluations" for row in rows):
        captions.append(say("details.evaluations.caption"))
    on_dev = rows[0]["calibration"]["fitted_on"] == "dev"
    captions.append(say("details.dev.caption") if on_dev else say("details.crosswise.caption"))
    if any(row["cka"]["n"] for row in rows):
        captions.append(say("details.cka.caption"))
    if any(one["norm"]["n"] for row in rows for one in row["head_norms"]):
        captions.append(say("details.head_norm.caption"))
    reasons = [_reason(row, say) for row in rows if row["calibration"]["reason"]]
    return [*captions, *reasons]


def _reason(row: Mapping[str, Any], say: Words) -> str:
    runs = row["collapse"]["seeds"]
    missing = runs - row["calibration"]["loss"]["n"]
    return say(
        "details.uncalibrated",
        technique=row["technique"],
        missing=missing,
        seeds=runs,
        reason=say.kept("reason", row["calibration"]["reason"]),
    )


def slice_tables(results: Results, say: Words = WORDS) -> list[Table]:
    """Return a table for each model and slice column: values and their examples down, techniques across."""
    if several_tasks(results):
        return [
            replace(table, title=f"{table.title}, {task}")
            for task in task_names(results)
            for table in slice_tables(of_task(results, task), say)
        ]
    tables = []
    for model in results["models"]:
        rows = [row for row in results["details"] if row["model"] == model["name"] and row["slices"]]
        for column in dict.fromkeys(name for row in rows for name in row["slices"]):
            named = say.kept("slice", column)
            title = say("slices.title", column=named)
            if several_models(results):
                title = say("slices.title.model", column=named, model=model_label(model))
            table = _slice_table(title, {row["technique"]: row["slices"][column] for row in rows}, say)
            tables.append(replace(table, about={"model": model["name"]}))
    return tables


def _slice_table(title: str, found: Mapping[str, Sequence[Mapping[str, Any]]], say: Words) -> Table:
    """All techniques have the same slices, since each is measured on all test rows."""
    columns = [
        Column("value", say("column.value")),
        Column("examples", say("column.examples"), numeric=True),
        *(Column(technique, technique, numeric=True, about={"technique": technique}) for technique in found),
    ]
    rows = []
    for parts in zip(*found.values(), strict=True):
        value, examples = parts[0]["value"], parts[0]["examples"]
        cells = [Cell(_interval(part, say), part["accuracy"]) for part in parts]
        named = say.kept("slice", value) if value else say("value.unknown")
        rows.append([Cell(named, value), Cell(count(examples, say), examples), *cells])
    return Table("slices", title, columns, rows)


def _interval(part: Mapping[str, Any], say: Words) -> str:
    return say("slices.accuracy", **{name: say.number(f"{part[name]:.2f}") for name in ("accuracy", "low", "high")})
