"""What to choose: the technique to take with no limit, and with limits of time and memory that matter in the study."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from tuneoff.evidence.choice import Candidate, Limits, choose
from tuneoff.report.formats import duration, listed, size
from tuneoff.report.places import at_chance, by_task, task_names
from tuneoff.report.sentences import guessing
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words

HOUR, EIGHT_GB = 3600.0, 8e9
STEPS = {
    "seconds": (86400.0, 21600.0, 3600.0, 1800.0, 600.0, 300.0, 60.0, 30.0, 10.0, 5.0, 1.0),
    "memory_bytes": tuple(digit * 10.0**power for power in range(12, 5, -1) for digit in (5, 1)),
}
APART = {"seconds": 1.5, "memory_bytes": 1.1}
"""Costs that differ by a smaller factor are taken for alike: the same work has taken half as long again another time,
on the same machine; memory is steadier."""


def choices(results: Results, say: Words = WORDS) -> Table:
    """Return what to choose on every task: limits under which the answer is one share a row.

    Tasks on which nothing beats guessing have no row of their own, since no choice there is better than another: one
    row names them all.
    """
    table = by_task(choice_table, results, say)
    chance = at_chance(results)
    rows = [row for row in _joined(table, say) if _task(table, row) not in chance]
    if len(chance) == len(task_names(results)):
        rows = []
    elif chance:
        texts = {"task": ", ".join(chance), "limit": say("choice.no_limit"), "take": say("value.none")}
        texts["why"] = say("choice.at_chance")
        rows.append([Cell(texts.get(column.name, "")) for column in table.columns])
    explanations = [*(table.explanations if rows else ()), *guessing(results, say)]
    return replace(table, rows=rows, explanations=explanations, group=())


def _task(table: Table, row: Sequence[Cell]) -> str | None:
    return next(
        (str(cell.value) for column, cell in zip(table.columns, row, strict=True) if column.name == "task"), None
    )


def _joined(table: Table, say: Words) -> list[list[Cell]]:
    """Rows that differ in their limit alone, as one."""
    place = [column.name for column in table.columns].index("limit")
    alike: dict[tuple[str, ...], list[Sequence[Cell]]] = {}
    for row in table.rows:
        alike.setdefault(tuple(cell.text for at, cell in enumerate(row) if at != place), []).append(row)
    found = []
    for rows in alike.values():
        limits = listed([row[place].text for row in rows], say)
        found.append([*rows[0][:place], Cell(limits, limits), *rows[0][place + 1 :]])
    return found


def choice_table(results: Results, say: Words = WORDS) -> Table:
    """Return for each model and limit the technique to take and why (`choice.choose`); no rows where none is done."""
    columns = [
        *([Column("model", say("column.model"))] if several_models(results) else []),
        Column("limit", say("column.limit")),
        Column("take", say("column.take")),
        Column("why", say("column.why")),
    ]
    rows = []
    for model in results["models"]:
        own = candidates(results, model["name"])
        apart = _told_apart(results, model["name"])
        label = [Cell(model_label(model), model["name"])] if several_models(results) else []
        rows += [[*label, *_cells(own, apart, limits, say)] for limits in limits_of(own)]
    caption = say("choice.caption", seconds=APART["seconds"], memory=APART["memory_bytes"])
    return Table("choices", say("html.choices"), columns, rows, [caption])


def candidates(results: Results, model: str) -> list[Candidate]:
    """Return a model's techniques that have an accuracy, with their mean costs: all stages, peak, trained parameters.

    Peaks that were measured in different ways do not compare, and are taken as unknown.
    """
    rows = [row for row in results["techniques"] if row["model"] == model]
    rows = [row for row in rows if row["metrics"]["accuracy"]["mean"] is not None]
    comparable = len({row["peak_memory"]["kind"] for row in rows if row["peak_memory"]}) == 1
    return [
        Candidate(
            row["technique"],
            row["metrics"]["accuracy"]["mean"],
            row["seconds_total"]["alone"],
            row["peak_memory"]["bytes"] if comparable and row["peak_memory"] else None,
            (row["parameters"] or {}).get("trained"),
        )
        for row in rows
    ]


def limits_of(own: Sequence[Candidate]) -> list[Limits]:
    """Return no limit first, then limits of time and of memory, each of which some techniques keep and some do not."""
    if not own:
        return []
    times = [one.seconds for one in own if one.seconds is not None]
    peaks = [one.memory_bytes for one in own if one.memory_bytes is not None]
    return [
        Limits(),
        *(Limits(seconds=limit) for limit in dividing(times, STEPS["seconds"], HOUR, APART["seconds"])),
        *(
            Limits(memory_bytes=limit)
            for limit in dividing(peaks, STEPS["memory_bytes"], EIGHT_GB, APART["memory_bytes"])
        ),
    ]


def dividing(costs: Sequence[float], steps: Sequence[float], usual: float, apart: float = 1.0) -> list[float]:
    """Return round limits, rising, that lie between costs: at about a third and two thirds of them, and the `usual`.

    Each is a multiple of the largest of the `steps` that has one between the two costs; a limit that no technique
    or every one keeps is left out, and one between costs of which the higher is less than `apart` times the lower. Two
    limits that the same techniques keep are one: the usual, else the first.
    """
    ordered = sorted(set(costs))
    gaps = [(low, high) for low, high in pairwise(ordered) if high >= apart * low]
    rounds = [limit for low, high in gaps if (limit := _round_between(low, high, steps)) is not None]
    places = {round((len(rounds) - 1) * share / 3) for share in (1, 2)} if rounds else set()
    usuals = [usual] if any(low <= usual < high for low, high in gaps) else []
    kept: dict[int, float] = {}
    for limit in (*usuals, *(rounds[place] for place in sorted(places))):
        kept.setdefault(sum(cost <= limit for cost in costs), limit)
    return sorted(kept.values())


def _round_between(low: float, high: float, steps: Sequence[float]) -> float | None:
    """The roundest number from low to below high, None where even the smallest step has none."""
    multiples = (math.ceil(low / step) * step for step in steps)
    return next((multiple for multiple in multiples if low <= multiple < high), None)


def _told_apart(results: Results, model: str) -> set[tuple[str, str]]:
    pairs = [pair for one in results["comparisons"] if one["model"] == model for pair in one["pairs"]]
    return {(pair["a"], pair["b"]) for pair in pairs if pair["kind"] == "better"}


def _cells(own: Sequence[Candidate], apart: set[tuple[str, str]], limits: Limits, say: Words) -> list[Cell]:
    choice = choose(own, apart, limits)
    limit = say("choice.no_limit")
    if limits.seconds is not None:
        limit = say("choice.time", limit=duration(limits.seconds, say))
    if limits.memory_bytes is not None:
        limit = say("choice.memory", limit=size(round(limits.memory_bytes), say))
    why = say(f"choice.why.{choice.why['id']}", **choice.why["values"])
    return [Cell(limit, limit), Cell(choice.name or say("value.none"), choice.name), Cell(why, choice.why["id"])]
