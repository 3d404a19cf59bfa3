"""The report's sentences: what was compared and what came out, and the protocol in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.report.formats import listed, plain
from tuneoff.report.method_training import fitted, rate_of, trained_stages, trained_steps, with_earlier_stages
from tuneoff.report.places import at_chance, several_tasks, task_label, task_names
from tuneoff.report.rank_tables import within_tasks
from tuneoff.report.said_once import said_by_place
from tuneoff.report.table import Table
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words


def lead(results: Results, table: Table, say: Words = WORDS, concluded: bool = False) -> list[str]:
    """Return what was compared, the verdicts, and which technique has the highest mean accuracy in the table.

    The last is left out where it has been said above: after a conclusion.
    """
    study = results["study"]
    names = [technique["name"] for technique in study["techniques"]]
    models = listed([model_label(model) for model in results["models"]], say)
    labels = {task["name"]: task_label(task, say) for task in results["tasks"]}
    task = listed(list(labels.values()), say) if labels else say("value.unknown")
    on = say("methods.on.many" if len(labels) > 1 else "methods.on", tasks=task)
    asked = {"models": models, "on": on, "seeds": _seeds(results, say)}
    if len(names) == 1:
        first = say("lead.one", technique=names[0], **asked)
    else:
        first = say("lead.compared", techniques=len(names), **asked)
    if not any(run["status"] == "done" for run in results["runs"]):
        return [first, say("lead.none")]
    found = [first, *guessing(results, say), *table.findings]
    if not several_tasks(results):
        return [*found, *([] if concluded else _outcome(results, table, say))]
    return [*found, *(text for model in results["models"] for text in within_tasks(results, model["name"], say))]


def guessing(results: Results, say: Words = WORDS) -> list[str]:
    """Say where nothing beats guessing: everywhere, or on some of several tasks; nothing where all are above it."""
    names = at_chance(results)
    if not names:
        return []
    if len(names) == len(task_names(results)):
        return [say("lead.guessing")]
    return [say("lead.guessing.tasks", tasks=listed(names, say))]


def _seeds(results: Results, say: Words) -> str:
    """How many seeds techniques were asked for; more for some where seeds were added in rounds."""
    asked: dict[tuple[str, str, str], set[int]] = {}
    for run in results["runs"]:
        asked.setdefault((run["model"], run["task"], run["technique"]), set()).add(run["seed"])
    counts = [len(seeds) for seeds in asked.values()] or [len(results["study"]["seeds"])]
    if min(counts) < max(counts):
        return say("lead.seeds.range", least=min(counts), most=max(counts))
    return say("lead.seeds.one") if max(counts) == 1 else say("lead.seeds.many", n=max(counts))


def _outcome(results: Results, table: Table, say: Words) -> list[str]:
    place = [column.name for column in table.columns].index("accuracy")
    cells = [(row, cells[place]) for row, cells in zip(results["techniques"], table.rows, strict=True)]
    if len(results["techniques"]) == 1:
        return [say("lead.reached", value=cell.text) for _, cell in cells if cell.value is not None]
    found = []
    for model in results["models"]:
        best = [(row["technique"], cell.text) for row, cell in cells if cell.best and row["model"] == model["name"]]
        if best:
            message = "lead.best" if len(results["study"]["seeds"]) > 1 else "lead.best.one_seed"
            said = {"technique": listed([name for name, _ in best], say), "value": best[0][1]}
            if several_models(results):
                message, said = "lead.best.model", {"model": model_label(model), **said}
            found.append(say(message, **said))
    return found


def protocol_sentences(results: Results, say: Words = WORDS) -> list[str]:
    """Return the protocol as sentences; what is not known is left out."""
    study = results["study"]
    protocol, rows = study["protocol"], trained_stages(results)
    return [
        *fitted(results, say),
        *_budget(results, say),
        *(_optimizer(protocol, say) if rows else ()),
        *_rates(results, say),
        *(_evaluation(protocol, rows, say) if rows else ()),
        say("protocol.reported"),
        say("protocol.seeds", seeds=plain(sorted({run["seed"] for run in results["runs"]}), say)),
    ]


def _budget(results: Results, say: Words) -> list[str]:
    protocol, steps = results["study"]["protocol"], trained_steps(results)
    if not steps or not protocol.get("batch_size"):
        return []
    message = "protocol.steps" if len(steps) == 1 else "protocol.stage_steps"
    message = "protocol.other_steps" if fitted(results, say) else message
    return [say(message, steps=listed([plain(n, say) for n in steps], say), batch_size=protocol["batch_size"])]


def _optimizer(protocol: Mapping[str, Any], say: Words) -> list[str]:
    found = []
    if protocol.get("weight_decay") is not None:
        found.append(say("protocol.optimizer", weight_decay=plain(protocol["weight_decay"], say)))
    if protocol.get("schedule") and protocol.get("warmup") is not None:
        message = "protocol.schedule" if protocol["warmup"] else "protocol.schedule.no_warmup"
        name = say.get(f"schedule.name.{protocol['schedule']}", protocol["schedule"])
        found.append(say(message, schedule=name, warmup=protocol["warmup"]))
    if (norm := protocol.get("max_grad_norm")) is not None:
        found.append(say("protocol.no_clip") if norm in ("off", False) else say("protocol.clip", norm=plain(norm, say)))
    return found


def _rates(results: Results, say: Words) -> list[str]:
    rates = said_by_place(
        with_earlier_stages(results),
        rate_of,
        lambda name, rate: say("methods.of", value=plain(rate, say), technique=name),
        say,
    )
    return [say("protocol.rates", rates=rates)] if rates else []


def _evaluation(protocol: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], say: Words) -> list[str]:
    budgets = [row["budget"] or {} for row in rows]
    every = protocol.get("eval_every") or next((b["eval_every"] for b in budgets if b.get("eval_every")), None)
    if not every or not protocol.get("eval_on"):
        return []
    return [say("protocol.evaluation", split=protocol["eval_on"], every=every)]
