"""A plan for the terminal: tables, and the lines below them."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tuneoff.report.formats import count, duration, size

UNKNOWN = "unknown"
TIMED = "Time (of one seed, alone) and memory at the peak are predicted."
COUNTED = "Token passes: tokens through the model, a training step's counted three times. Memory: predicted peak."


def tables(plan: Mapping[str, Any]) -> list[Table]:
    """Return a plan's tables: parameters of the techniques, and the stages."""
    several = _several(plan, "model")
    names = ("technique", "model") if several else ("technique",)
    techniques = _table(f"{plan['study']}: parameters", names, ("trained", "total", "as peft counts"))
    for one in plan["techniques"]:
        for model, counts in one["parameters"].items():
            counts = counts or {}
            numbers = [_known(count, counts.get(part)) for part in ("trained", "total")]
            peft = f"{counts['total_peft']:,}" if "total_peft" in counts else ""
            techniques.add_row(*((one["name"], model) if several else (one["name"],)), *numbers, peft)
    timed = any(stage["seconds"] for stage in plan["stages"])
    work = "time" if timed else "token passes"
    stages = _table("stages", ("stage", "state"), ("seeds", "steps", "serves", work, "memory"))
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for stage in plan["stages"]:
        groups.setdefault((stage["model"], stage["task"], stage["chain"]), []).append(stage)
    for group in groups.values():
        first = group[0]
        steps = str(first["budget"]["steps"]) if first["budget"] else UNKNOWN
        memory = _known(size, first["peak_memory_bytes"])
        seconds = first["seconds"]["total"] if first["seconds"] else None
        served = len(first["needed_by"])
        stages.add_row(
            _titled(first, plan),
            _states(group),
            str(len(group)),
            steps,
            str(served),
            _known(duration, seconds) if timed else _known(count, first["token_passes"]),
            memory,
        )
    cached = f", frozen activations {size(plan['cache_bytes'])} of the cache" if plan["cache_bytes"] else ""
    stages.caption = (
        f"On {plan['device']} in {plan['precision']}; kept weights take {_known(size, plan['disk_bytes'])} of disk"
        f"{cached}. "
        f"Each stage is computed once a seed; serves: how many techniques use it. {TIMED if timed else COUNTED}"
    )
    return [techniques, stages]


def _several(plan: Mapping[str, Any], what: str) -> bool:
    """Return whether a plan is of several models, or tasks."""
    return len({stage[what] for stage in plan["stages"]}) > 1


def _titled(stage: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return a stage's chain, with its model and task where there are several."""
    place = ", ".join(str(stage[what]) for what in ("model", "task") if _several(plan, what))
    return f"{place}: {stage['chain']}" if place else str(stage["chain"])


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, title_style="bold", caption_justify="left")
    for column in (*texts, *numbers):
        table.add_column(column, justify="left" if column in texts else "right", no_wrap=column == texts[0])
    return table


def _known(form: Any, value: Any) -> str:
    return UNKNOWN if value is None else str(form(value))


def _states(group: list[dict[str, Any]]) -> str:
    """Return how many seeds of a stage are in which state."""
    counts: dict[str, int] = {}
    for stage in group:
        counts[stage["state"]] = counts.get(stage["state"], 0) + 1
    return ", ".join(f"{number} {state}" if len(group) > 1 else state for state, number in counts.items())


def lines(plan: Mapping[str, Any]) -> list[str]:
    """Return what is said below the tables: the time in all, what a usual card takes, and why stages run again."""
    return [*_time(plan), *_card(plan), *_reasons(plan)]


def _time(plan: Mapping[str, Any]) -> list[str]:
    seconds = plan["seconds_to_run"]
    return [f"In all about {duration(seconds)} on this machine, with nothing beside it."] if seconds else []


def _card(plan: Mapping[str, Any]) -> list[str]:
    """Return how many tokens at once a usual GPU takes in each stage, where that is not what this study runs on."""
    tokens = {_titled(stage, plan): stage["card_tokens"] for stage in plan["stages"]}
    if plan["device"] == "cuda" or None in tokens.values():
        return []
    fits = [f"{chain} {number:,}" for chain, number in tokens.items() if number]
    too_large = [chain for chain, number in tokens.items() if not number]
    said = f"A GPU of {plan['card_bytes'] >> 30} GB"
    found = [f"{said} takes, in tokens at once: {', '.join(fits)}."] if fits else []
    return [*found, *([f"{said} does not take: {', '.join(too_large)}."] if too_large else [])]


def _reasons(plan: Mapping[str, Any]) -> list[str]:
    """Return why stages would run again, each reason once with the stages that it holds for."""
    found: dict[str, dict[str, None]] = {}
    for stage in plan["stages"]:
        if stage["reason"]:
            found.setdefault(f"{stage['state']}: {stage['reason']}", {})[_titled(stage, plan)] = None
    return [f"{', '.join(chains)} - {reason}" for reason, chains in found.items()]
