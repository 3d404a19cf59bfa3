"""What a benchmark came to: one JSON object, and a table to read."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.arithmetic import (
    MEMORY,
    UTILISATION,
    Part,
    Whole,
    goals,
    pairs,
    scaled,
    tokens_per_second,
    utilisation,
)
from benchmarks.parts import ROOT
from benchmarks.setting import OURS, Setting
from tuneoff.environment import describe_environment
from tuneoff.report.formats import duration, size

FORMAT = 1
COMPUTED = ("features", "training", "evaluation")


def summarize(setting: Setting, whole: Whole, parts: Sequence[Part], task: str, model: str) -> dict[str, Any]:
    """Return the results as JSON values; each part is in them, so all else can be computed again."""
    listed = goals(parts, whole)
    return {
        "format": FORMAT,
        "model": model,
        "task": task,
        "setting": setting.described(),
        "whole": asdict(whole),
        "environment": describe_environment(ROOT),
        "threads": setting.threads,
        "matmul_flops_per_second": statistics.median(
            rate for part in parts for rate in part["matmul_flops_per_second"]
        ),
        "notes": notes(setting, whole, parts),
        "goals": [{**asdict(goal), "met": goal.met} for goal in listed],
        "rows": rows(parts, whole),
        "parts": [{key: value for key, value in part.items() if key != "setting"} for part in parts],
    }


def rows(parts: Iterable[Part], whole: Whole) -> list[dict[str, Any]]:
    """Return a row a work and peer: seconds, tokens, utilisation, memory, and how many times more than ours.

    Our own rows are the medians of our turns; a peer is divided by ours of its own turn.
    """
    parts = list(parts)
    paired = pairs(parts)
    grouped: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        grouped.setdefault((part["work"], part["peer"]), []).append(part)
    listed = []
    for (work, peer), turns in grouped.items():
        numbers = [_numbers(part, whole) for part in turns]
        row: dict[str, Any] = {"work": work, "peer": peer, "turns": len(turns)}
        for name in numbers[0]:
            values = [value for one in numbers if (value := one[name]) is not None]
            row[name] = statistics.median(values) if values else None
        pair = paired.get((work, peer))
        for name in ("total_seconds", "step_seconds", "peak_bytes"):
            row[f"{name}_ratio"] = None
            if peer == OURS:
                row[f"{name}_ratio"] = 1.0
            elif pair is not None:
                mine, theirs = _numbers(pair.ours, whole)[name], _numbers(pair.peer, whole)[name]
                row[f"{name}_ratio"] = theirs / mine if theirs and mine else None
        listed.append(row)
    return listed


def _numbers(part: Part, whole: Whole) -> dict[str, float | None]:
    cost = scaled(part, whole)
    found: dict[str, float | None] = {
        "total_seconds": cost.total,
        "once_seconds": cost.once,
        "features_seconds": cost.features,
        "step_seconds": cost.training / whole.steps,
        "measured_step_median_seconds": statistics.median(part["steps"]),
        "evaluation_seconds": cost.evaluation / whole.evaluations,
        "further_seed_seconds": part["further_seed"],
        "peak_bytes": part["peak"],
        "stage_peak_bytes": part["stage_peak"],
    }
    for phase in COMPUTED:
        found[f"{phase}_tokens_per_second"] = tokens_per_second(part, phase)
        found[f"{phase}_utilisation"] = utilisation(part, phase)
    return found


def notes(setting: Setting, whole: Whole, parts: Sequence[Part]) -> list[str]:
    """Return what a reader must know of these numbers."""
    measured = next((part for part in parts if part["peer"] != OURS), parts[0])
    listed = [
        f"Measured over {len(measured['steps'])} steps and {len(measured['evaluations'])} evaluations, scaled by steps "
        f"and by evaluations (and the real tokens of each) to {whole.steps} steps and {whole.evaluations} evaluations; "
        "what is paid once, also in the first step, is added once.",
        f"Batches of {setting.batch_size}, {setting.precision}, {setting.threads} CPU threads; one process each, in "
        "turn.",
    ]
    if any(part["peer"] == OURS and part["work"] == "linear-probe" for part in parts):
        listed.append("tuneoff's linear probe is measured whole; a further seed includes its planning and report.")
    if setting.limit:
        listed.append(f"Only the first {setting.limit} rows of each split were read.")
    if len({(part["git"] or {}).get("commit") for part in parts}) > 1:
        listed.append("The parts come from different commits: the benchmark was interrupted and went on.")
    return listed


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown: one table of the works, one of the goals."""
    lines = [
        f"**{results['model']}** on {results['task']}; {_machine(results)}, "
        f"{results['matmul_flops_per_second'] / 1e9:,.0f} GFLOP/s in matrix products",
        "",
        *(f"- {note}" for note in results["notes"]),
        "",
        "| work | by | whole | of ours | a step | tokens/s | utilisation | peak memory |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in results["rows"]:
        phase = "features" if row["features_tokens_per_second"] else "training"
        cells = [
            row["work"],
            row["peer"],
            duration(row["total_seconds"]),
            f"{row['total_seconds_ratio']:.1f}×" if row["total_seconds_ratio"] and row["peer"] != OURS else "",
            duration(row["step_seconds"]),
            f"{row[f'{phase}_tokens_per_second']:,.0f}" if row[f"{phase}_tokens_per_second"] else "",
            f"{row[f'{phase}_utilisation']:.0%}" if row[f"{phase}_utilisation"] else "",
            size(round(row["peak_bytes"])),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| goal | against | wanted | reached |", "|---|---|---:|---:|"]
    for goal in results["goals"]:
        wanted = "" if goal["goal"] is None else _goal_text(goal["what"], goal["goal"])
        mark = {True: " ✓", False: "", None: ""}[goal["met"]]
        against = "" if goal["peer"] == OURS else goal["peer"]
        lines.append(f"| {goal['what']} | {against} | {wanted} | {_goal_text(goal['what'], goal['reached'])}{mark} |")
    return "\n".join(lines) + "\n"


def _machine(results: dict[str, Any]) -> str:
    environment = results["environment"]
    if results["setting"]["device"] == "cuda":
        return f"{environment['gpus'][0]['name']}, {results['setting']['precision']}"
    return f"{environment['cpu']}, {results['threads']} threads"


def _goal_text(what: str, value: float) -> str:
    if what in (UTILISATION, MEMORY):
        return f"{value:.0%}"
    return f"{value:.3g}×"
