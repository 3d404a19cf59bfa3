"""Techniques by tasks: accuracies with mean ranks, and pairs of techniques over the tasks."""

from collections.abc import Mapping
from typing import Any

from tuneoff.report.formats import listed
from tuneoff.report.pair_tables import p_text
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words

RAW = ("rank_difference", "wins", "ties", "losses", "difference", "low", "high", "p", "p_holm", "kind")
MOST_SHOWN = 100


def over_tasks_tables(results: Results, say: Words = WORDS) -> list[Table]:
    """Return for each model the accuracies of its techniques on each task with mean ranks; none for a single task."""
    labels = {model["name"]: model_label(model) for model in results["models"]}
    found = []
    for row in results.get("ranks") or []:
        title = say("html.over_tasks")
        if several_models(results):
            title = say("html.over_tasks.model", model=labels[row["model"]])
        found.append(_accuracies(title, row, results, say))
    return found


def _accuracies(title: str, row: Mapping[str, Any], results: Results, say: Words) -> Table:
    above = {one["technique"]: one["mean_rank"] for one in (row["above_chance"] or {"techniques": ()})["techniques"]}
    columns = [
        Column("technique", say("column.technique")),
        Column("mean_rank", say("column.mean_rank"), numeric=True, better="low"),
        *([Column("rank_above", say("column.rank_above"), numeric=True, better="low")] if above else []),
        Column("mean_accuracy", say("column.mean_accuracy"), numeric=True, better="high"),
        *(
            Column(task, task, numeric=True, better="high", droppable=len(row["tasks"]) - place)
            for place, task in enumerate(row["tasks"])
        ),
    ]
    rows = []
    for one in row["techniques"]:
        name, rank, mean = one["technique"], one["mean_rank"], one["mean_accuracy"]
        of_ranks = [Cell(say.number(f"{one:.2f}"), one) for one in (rank, *([above[name]] if above else []))]
        cells = [Cell(name, name), *of_ranks, Cell(say.number(f"{mean:.3f}"), mean)]
        rows.append([*cells, *(Cell(say.number(f"{value:.3f}"), value) for value in one["accuracies"])])
    findings = [say(sentence["id"], **sentence["values"]) for sentence in row["sentences"]]
    findings += within_tasks(results, row["model"], say)
    chance = set(row["at_chance"])
    unmarked = listed([task for task in row["tasks"] if task in chance], say)
    but = say("over_tasks.unmarked", tasks=unmarked) if unmarked else ""
    captions = [say("over_tasks.caption", techniques=len(rows), but=but)]
    if chance == set(row["tasks"]):  # then the means are of luck alone
        chance |= {"mean_rank", "mean_accuracy"}
    return Table("tasks", title, columns, rows, captions, findings=findings).marked().unmarked(chance)


def within_tasks(results: Results, model: str, say: Words = WORDS) -> list[str]:
    """Return in a sentence how many pairs the examples of each task tell apart; none where none was compared."""
    counts = [
        say(
            "over_tasks.within.count",
            task=one["task"],
            apart=sum(pair["kind"] == "better" for pair in one["pairs"]),
            pairs=len(one["pairs"]),
        )
        for one in results["comparisons"]
        if one["model"] == model and one["pairs"]
    ]
    if not counts:
        return []
    text = say("over_tasks.within", counts=", ".join(counts))
    if several_models(results):
        label = next(model_label(one) for one in results["models"] if one["name"] == model)
        text = say("pairs.model", model=label, text=text)
    return [text]


def over_tasks_pairs(results: Results, say: Words = WORDS) -> list[Table]:
    """Return for each model the pairs of its techniques over the tasks, those with the smallest p first."""
    labels = {model["name"]: model_label(model) for model in results["models"]}
    found = []
    for row in results.get("ranks") or []:
        title = say("over_tasks.pairs")
        if several_models(results):
            title = say("over_tasks.pairs.model", model=labels[row["model"]])
        names = ("higher", "lower", "tasks_won", "rank_difference", "p", "p_holm", "over_these", "verdict")
        columns = [Column(name, say(f"column.{name}"), numeric=name not in _TEXTS) for name in names]
        rows = [[_pair_cell(name, pair, say) for name in names] for pair in row["pairs"][:MOST_SHOWN]]
        captions = [say("over_tasks.pairs.caption", pairs=len(row["pairs"])), say("over_tasks.pairs.these")]
        found.append(Table("over_tasks_pairs", title, columns, rows, captions))
    return found


_TEXTS = ("higher", "lower", "verdict")


def _pair_cell(name: str, pair: Mapping[str, Any], say: Words) -> Cell:
    if name in ("higher", "lower"):
        technique = pair["a" if name == "higher" else "b"]
        return Cell(technique, technique)
    if name == "tasks_won":
        return Cell(say("pairs.counts", **{key: pair[key] for key in ("wins", "ties", "losses")}), pair["wins"])
    if name == "rank_difference":
        return Cell(say.number(f"{pair[name]:.2f}"), pair[name])
    if name in ("p", "p_holm"):
        return Cell(say.number(p_text(pair[name])), pair[name])
    if name == "verdict":
        return Cell(say(f"kind.{pair['kind']}"), pair["kind"])
    value = say.number(f"{100 * pair['difference']:.1f}")
    if pair["low"] is None:
        return Cell(value, pair["difference"])
    bounds = {key: say.number(f"{100 * pair[key]:.1f}") for key in ("low", "high")}
    return Cell(say("pairs.interval", value=value, **bounds), pair["difference"])


def raw_over_tasks(results: Results) -> Table:
    """Return a row for each model, technique and task with accuracy and rank, for programs; always the same columns."""
    names = ("model", "technique", "task", "accuracy", "rank", "mean_rank", "mean_accuracy")
    rows = [
        [Cell("", value) for value in (row["model"], one["technique"], task, accuracy, rank, *_means(one))]
        for row in results.get("ranks") or []
        for one in row["techniques"]
        for task, accuracy, rank in zip(row["tasks"], one["accuracies"], one["ranks"], strict=True)
    ]
    return Table("tasks", "", [Column(name, name) for name in names], rows)


def _means(one: Mapping[str, Any]) -> tuple[float, float]:
    return one["mean_rank"], one["mean_accuracy"]


def raw_over_tasks_pairs(results: Results) -> Table:
    """Return all pairs of all models over the tasks with raw values, for programs; always the same columns."""
    names = ("model", "a", "b", *RAW)
    rows = [
        [Cell("", value) for value in (row["model"], *(pair[name] for name in names[1:]))]
        for row in results.get("ranks") or []
        for pair in row["pairs"]
    ]
    return Table("over_tasks_pairs", "", [Column(name, name) for name in names], rows)
