"""What a study of several tasks tells of its techniques over all of them, model by model, in words and numbers."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tuneoff.evidence.families import holm
from tuneoff.evidence.ranks import (
    critical_difference,
    friedman,
    mean_interval,
    ranks,
    signed_rank_p,
    signed_rank_sum,
    smallest_p,
    tasks_needed,
)
from tuneoff.evidence.saying import said
from tuneoff.evidence.verdicts import ALPHA

Row = Mapping[str, Any]
MOST_NAMED = 3

RANKS = {
    "best": "Over {tasks} tasks the best mean rank is that of {techniques}: {rank:.2f}, where 1 is the best and {of} "
    "the worst.",
    "few_tasks": "With {tasks} tasks no test of ranks can tell two of {techniques} techniques apart, whatever their "
    "accuracies are: the smallest p that could come out is {smallest:.2g}, corrected for {pairs} pairs. It takes "
    "{needed} tasks. What the examples of each task tell does not depend on that.",
    "few_tasks.one": "With {tasks} tasks no test of ranks can tell two techniques apart, whatever their accuracies "
    "are: the smallest p that could come out is {smallest:.2g}. It takes {needed} tasks. What the examples of each "
    "task tell does not depend on that.",
    "better": "Over {tasks} tasks {a} does better than {b}: it does in {wins} of them (Wilcoxon's signed-rank test, "
    "p = {p:.2g}, corrected for the number of pairs).",
    "more": "{more} more pairs are told apart over the tasks.",
    "open": "Over {tasks} tasks no two techniques are told apart by their ranks (the smallest corrected p of a pair is "
    "{p:.2g}).",
    "differ": "Taken together, the ranks differ by more than chance (Friedman's test, p = {p:.2g}).",
    "differ.if": "If these tasks were independent observations, their ranks would differ by more than chance "
    "(Friedman's test, p = {p:.2g}).",
    "alike": "Taken together, chance alone may well give such ranks (Friedman's test, p = {p:.2g}).",
    "chance": "On {chance} of these tasks nothing beats guessing, and ranks there are chance. On the other {tasks} the "
    "best mean rank is that of {techniques}: {rank:.2f}.",
    "chance.differ": "On {chance} of these tasks nothing beats guessing, and ranks there are chance. On the other "
    "{tasks} the best mean rank is that of {techniques}: {rank:.2f}; the ranks there differ by more than chance "
    "(Friedman's test, p = {p:.2g}).",
    "chance.alike": "On {chance} of these tasks nothing beats guessing, and ranks there are chance. On the other "
    "{tasks} the best mean rank is that of {techniques}: {rank:.2f}, but chance alone may well give such ranks "
    "(Friedman's test, p = {p:.2g}).",
    "chance.few": "On {chance} of these {tasks} tasks nothing beats guessing, and ranks there are chance: too few "
    "others are left to rank over.",
    "shared": "{tasks} share texts, so they are fewer independent observations than they are tasks: the p-values of "
    "ranks are too small.",
    "left_out": "Not every technique has an accuracy on {tasks}, so that the ranks are without.",
}


def rank_rows(
    techniques: Sequence[Row],
    comparisons: Sequence[Row],
    chance: Mapping[str, Sequence[str]] | None = None,
    shared: Sequence[Sequence[str]] = (),
) -> list[dict[str, Any]]:
    """Return for each model what its techniques' accuracies on several tasks tell (see the schema for the fields).

    `techniques` and `comparisons` are those of results.json, `chance` has for each model the tasks on which none of
    its techniques beats guessing, `shared` sets of tasks that share texts. There is no row for a model with fewer than
    two tasks on which all its techniques have an accuracy, or fewer than two techniques.
    """
    models = dict.fromkeys(row["model"] for row in techniques)
    found = []
    for model in models:
        own = [row for row in techniques if row["model"] == model]
        at_chance = (chance or {}).get(model, ())
        row = _ranked(own, [one for one in comparisons if one["model"] == model], at_chance, shared)
        found += [{"model": model, **row}] if row else []
    return found


def _ranked(
    rows: Sequence[Row], comparisons: Sequence[Row], chance: Sequence[str], shared: Sequence[Sequence[str]]
) -> dict[str, Any] | None:
    names = list(dict.fromkeys(row["technique"] for row in rows))
    means = {(row["task"], row["technique"]): row["metrics"]["accuracy"]["mean"] for row in rows}
    asked = list(dict.fromkeys(row["task"] for row in rows))
    tasks = [task for task in asked if all(means.get((task, name)) is not None for name in names)]
    if len(tasks) < 2 or len(names) < 2:
        return None
    accuracies = np.array([[means[task, name] for name in names] for task in tasks], dtype=np.float64)
    by_task = ranks(accuracies)
    mean_ranks = by_task.mean(axis=0)
    pairs = _pairs(names, tasks, accuracies, mean_ranks, comparisons)
    table = [
        {
            "technique": name,
            "mean_rank": float(mean_ranks[place]),
            "mean_accuracy": float(accuracies[:, place].mean()),
            "accuracies": accuracies[:, place].tolist(),
            "ranks": by_task[:, place].tolist(),
        }
        for place, name in enumerate(names)
    ]
    result: dict[str, Any] = {
        "tasks": tasks,
        "left_out": [task for task in asked if task not in tasks],
        "techniques": sorted(table, key=lambda one: (one["mean_rank"], -one["mean_accuracy"])),
        "level": ALPHA,
        "friedman": friedman(accuracies).as_json(),
        "critical_difference": critical_difference(len(names), len(tasks), ALPHA),
        "smallest_p": smallest_p(len(tasks), len(pairs)),
        "tasks_needed": tasks_needed(len(pairs), ALPHA),
        "pairs": pairs,
        "at_chance": [task for task in tasks if task in chance],
        "above_chance": _above_chance(names, tasks, accuracies, chance),
        "shared_texts": [known for one in shared if len(known := [task for task in tasks if task in one]) > 1],
    }
    return {**result, "sentences": _sentences(result)}


def _above_chance(
    names: Sequence[str], tasks: Sequence[str], accuracies: Any, chance: Sequence[str]
) -> dict[str, Any] | None:
    """Return the ranks over the tasks on which something beats guessing; None for all tasks or fewer than two."""
    places = [place for place, task in enumerate(tasks) if task not in chance]
    if not 2 <= len(places) < len(tasks):
        return None
    own = accuracies[places]
    order = sorted(zip(ranks(own).mean(axis=0).tolist(), names, strict=True), key=lambda one: one[0])
    return {
        "tasks": [tasks[place] for place in places],
        "techniques": [{"technique": name, "mean_rank": rank} for rank, name in order],
        "friedman": friedman(own).as_json(),
    }


def _pairs(
    names: Sequence[str], tasks: Sequence[str], accuracies: Any, mean_ranks: Any, comparisons: Sequence[Row]
) -> list[dict[str, Any]]:
    """Return each pair, those with the smallest p first.

    In a pair, a is the one that the signed ranks speak for, which need not have the better mean rank: that depends on
    the other techniques.
    """
    found: list[dict[str, Any]] = []
    for one, other in combinations(range(len(names)), 2):
        lean = signed_rank_sum(accuracies[:, one] - accuracies[:, other])
        first = lean > 0 or (lean == 0 and mean_ranks[one] <= mean_ranks[other])
        a, b = (one, other) if first else (other, one)
        differences = np.round(accuracies[:, a] - accuracies[:, b], 10)
        bounds = [_bounds(comparisons, task, names[a], names[b]) for task in tasks]
        known = [bound for bound in bounds if bound is not None]
        low, high = mean_interval(known)[1:] if len(known) == len(tasks) else (None, None)
        found.append(
            {
                "a": names[a],
                "b": names[b],
                "rank_difference": float(mean_ranks[b] - mean_ranks[a]),
                "wins": int((differences > 0).sum()),
                "ties": int((differences == 0).sum()),
                "losses": int((differences < 0).sum()),
                "difference": float(differences.mean()),
                "low": low,
                "high": high,
                "p": signed_rank_p(differences),
            }
        )
    for pair, p in zip(found, holm([pair["p"] for pair in found]), strict=True):
        pair["p_holm"] = p
        pair["kind"] = "better" if p <= ALPHA else "open"
    return sorted(found, key=lambda pair: (pair["p_holm"], pair["p"], -pair["rank_difference"]))


def _bounds(comparisons: Sequence[Row], task: str, a: str, b: str) -> tuple[float, float, float] | None:
    """Return a's accuracy less b's on a task with its interval, from the comparison of the task's own examples."""
    for comparison in comparisons:
        for pair in comparison["pairs"] if comparison["task"] == task else ():
            if (pair["a"], pair["b"]) == (a, b):
                return pair["difference"], pair["low"], pair["high"]
            if (pair["a"], pair["b"]) == (b, a):
                return -pair["difference"], -pair["high"], -pair["low"]
    return None


def _sentences(result: Row) -> list[dict[str, Any]]:
    """Return the verdict: what can be told, what is told, and by how much ranks differ at all."""
    tasks, pairs, first = len(result["tasks"]), result["pairs"], result["techniques"][0]
    of = len(result["techniques"])
    best = [one["technique"] for one in result["techniques"] if one["mean_rank"] == first["mean_rank"]]
    found = [_said("best", tasks=tasks, techniques=", ".join(best), rank=first["mean_rank"], of=of)]
    better = [pair for pair in pairs if pair["kind"] == "better"]
    if result["smallest_p"] > result["level"]:
        name = "few_tasks" if len(pairs) > 1 else "few_tasks.one"
        values = {"smallest": result["smallest_p"], "needed": result["tasks_needed"], "pairs": len(pairs)}
        found.append(_said(name, tasks=tasks, techniques=of, **values))
    elif better:
        for pair in better[:MOST_NAMED]:
            values = {"a": pair["a"], "b": pair["b"], "wins": pair["wins"], "p": pair["p_holm"]}
            found.append(_said("better", tasks=tasks, **values))
        found += [_said("more", more=len(better) - MOST_NAMED)] if len(better) > MOST_NAMED else []
    else:
        found.append(_said("open", tasks=tasks, p=pairs[0]["p_holm"]))
    if of > 2:
        p = result["friedman"]["p"]
        differ = "differ.if" if result["shared_texts"] else "differ"
        found.append(_said(differ if p <= result["level"] else "alike", p=p))
    found += _about_chance(result)
    found += [_said("shared", tasks=", ".join(names)) for names in result["shared_texts"]]
    if result["left_out"]:
        found.append(_said("left_out", tasks=", ".join(result["left_out"])))
    return found


def _about_chance(result: Row) -> list[dict[str, Any]]:
    """Say on how many tasks ranks are chance, and what they are on the others."""
    chance, above = len(result["at_chance"]), result["above_chance"]
    if not chance:
        return []
    if above is None:
        return [_said("chance.few", chance=chance, tasks=len(result["tasks"]))]
    first = above["techniques"][0]["mean_rank"]
    best = ", ".join(one["technique"] for one in above["techniques"] if one["mean_rank"] == first)
    values = {"chance": chance, "tasks": len(above["tasks"]), "techniques": best, "rank": first}
    if len(above["techniques"]) < 3:
        return [_said("chance", **values)]
    p = above["friedman"]["p"]
    return [_said("chance.differ" if p <= result["level"] else "chance.alike", p=p, **values)]


def _said(name: str, **values: Any) -> dict[str, Any]:
    return said(RANKS, name, "ranks.", **values)
