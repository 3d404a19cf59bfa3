"""`tuneoff plan`: what a study would compute, as far as it can be known from what is there."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tuneoff.errors import DataError
from tuneoff.estimate import Cost, Work, estimate_cost, estimate_work
from tuneoff.models.resolve import ResolvedModel, resolve_model
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.plan import Plan, PlannedStage, Question, make_plan
from tuneoff.reading import ReadStudy
from tuneoff.report.formats import count, size
from tuneoff.store import Store
from tuneoff.study import MICRO_TOKENS
from tuneoff.tasks import known_labels, load_study_task, task_name
from tuneoff.tasks.data_set import TaskData
from tuneoff.training.device import choose_device, choose_precision

UNKNOWN = "unknown"


def plan_command(read: ReadStudy, out: Path, *, as_json: bool) -> None:
    """Print the plan of a study; needs a model's config.json, and uses data and tokenizer if they are there."""
    described = describe_plan(read, out)
    if as_json:
        print(json.dumps(described, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for table in _tables(described):
        console.print(table)
    for line in [*_reasons(described), *described["notes"]]:
        console.print(line, markup=False)


def describe_plan(read: ReadStudy, out: Path) -> dict[str, Any]:
    """Return a study's plan as JSON values; what cannot be known is None, and `notes` says why."""
    study, notes = read.study, []
    device = choose_device(study.protocol)
    precision = choose_precision(study.protocol, device)
    data: TaskData | None = None
    folds: Mapping[int | None, TaskData] = {}
    try:
        folds = load_study_task(study, read.base).by_fold
        data = next(iter(folds.values()))
    except DataError as error:
        notes.append(f"rows and tokens are unknown, the data could not be read: {error}")
    classes = data.classes if data else known_labels(study.task)
    models: dict[str, ResolvedModel] = {}
    questions = []
    for spec in study.models:
        model = resolve_model(spec, need_weights=False)
        models[model.name] = model
        name = task_name(study.task)
        questions += [Question(model, name, folds.get(fold), precision, fold) for fold in study.protocol.fold_list]
        if model.fingerprint is None:
            notes.append(f"{model.name}: its weights are not here, so what is done already cannot be told")
    plan = make_plan(study, questions, Store(out))
    notes += plan.tuning_notes
    texts = {name: _texts(model, data, notes) for name, model in models.items()}
    costs = _costs(plan, models, len(classes) if classes else None)
    if not classes:
        notes.append("the classes are unknown without the data, so parameters are not counted")
    stages = [_stage(stage, costs.get(_kind(stage)), texts[stage.address.model], data) for stage in plan.stages]
    return {
        "study": study.name,
        "out": out.as_posix(),
        "device": device.type,
        "precision": precision,
        "stages": stages,
        "techniques": [_technique(one.name, plan, costs) for one in plan.techniques],
        "disk_bytes": _disk(plan, costs),
        "cache_bytes": _cache(stages),
        "notes": notes,
    }


def _kind(stage: PlannedStage) -> tuple[str, str]:
    return stage.address.model, stage.address.chain


def _costs(plan: Plan, models: Mapping[str, ResolvedModel], n_classes: int | None) -> dict[tuple[str, str], Cost]:
    if n_classes is None:
        return {}
    protocol = plan.study.protocol
    micro_tokens = protocol.micro_tokens or MICRO_TOKENS
    found: dict[tuple[str, str], Cost] = {}
    for stage in plan.stages:
        if _kind(stage) not in found:
            found[_kind(stage)] = estimate_cost(
                stage, models[stage.address.model], n_classes, micro_tokens, protocol.reuse_activations
            )
    return found


@dataclass(frozen=True)
class _Texts:
    """A task's texts as a model reads them: rows and their mean length in tokens, by split."""

    rows: Mapping[str, int]
    lengths: Mapping[str, float]

    def work(self, cost: Cost, batch_size: int) -> Work:
        return estimate_work(cost.head_alone, self.lengths, self.rows, batch_size, cost.layers_once / cost.depth)

    def tokens(self) -> int:
        return round(sum(self.rows[split] * self.lengths[split] for split in self.rows))


def _texts(model: ResolvedModel, data: TaskData | None, notes: list[str]) -> _Texts | None:
    """Return a model's reading of the task; None, with a note, if it cannot be known."""
    if data is None:
        return None
    if model.tokenizer_fingerprint is None:
        notes.append(f"{model.name}: tokens are unknown, its tokenizer is not here")
        return None
    tokenizer = load_tokenizer(model)
    labelled = {name: split for name, split in data.splits.items() if split.labels is not None}
    ids = {name: tokenize(model, tokenizer, split.texts).ids for name, split in labelled.items()}
    lengths = {name: sum(map(len, rows)) / len(rows) for name, rows in ids.items()}
    rows = {name: len(found) for name, found in ids.items()}
    return _Texts(rows, lengths)


def _stage(stage: PlannedStage, cost: Cost | None, texts: _Texts | None, data: TaskData | None) -> dict[str, Any]:
    budget = stage.budget.as_json() if stage.budget else None
    tokens = None
    if texts and cost and stage.budget:
        tokens = round(texts.work(cost, stage.budget.batch_size).total(stage))
    return {
        "model": stage.address.model,
        "task": stage.address.task,
        "chain": stage.address.chain,
        "seed": stage.address.seed,
        "fold": stage.address.fold,
        "parent": stage.parent.chain if stage.parent else None,
        "needed_by": list(stage.needed_by),
        "state": stage.reason.state,
        "reason": stage.reason.detail or None,
        "budget": budget,
        "train_rows": len(data.splits["train"]) if data else None,
        "optimization": asdict(stage.optimization),
        "settings": stage.spec.settings.keyed_values(),
        "token_passes": tokens,
        "fixed_layers": cost.layers_once if cost else None,
        "peak_memory_bytes": cost.memory if cost else None,
        "cache_bytes": cost.cached * texts.tokens() if cost and texts else None,
        "key": stage.key,
    }


def _technique(name: str, plan: Plan, costs: Mapping[tuple[str, str], Cost]) -> dict[str, Any]:
    stages = [stage for stage in plan.stages if stage.address.chain == name]
    by_model = {stage.address.model: costs.get(_kind(stage)) for stage in stages}
    counts = {model: dict(cost.parameters) if cost else None for model, cost in by_model.items()}
    return {"name": name, "parameters": counts}


def _disk(plan: Plan, costs: Mapping[tuple[str, str], Cost]) -> int | None:
    """Return the bytes of weights that the whole study will keep."""
    if not costs:
        return None
    keep, last = plan.study.protocol.keep_weights, plan.study.protocol.seed_list[-1]
    kept = [one for one in plan.stages if keep == "all" or (keep == "last-seed" and one.address.seed == last)]
    return sum(costs[_kind(stage)].disk for stage in kept)


def _cache(stages: list[dict[str, Any]]) -> int | None:
    """Return the bytes that frozen layers' activations take, once for all stages that begin at the same layer."""
    kept = {(stage["model"], stage["fixed_layers"]): stage["cache_bytes"] for stage in stages}
    return None if None in kept.values() else sum(kept.values())


def _tables(plan: Mapping[str, Any]) -> list[Table]:
    several = len({stage["model"] for stage in plan["stages"]}) > 1
    names = ("technique", "model") if several else ("technique",)
    techniques = _table(f"{plan['study']}: parameters", names, ("trained", "total", "as peft counts"))
    for one in plan["techniques"]:
        for model, counts in one["parameters"].items():
            counts = counts or {}
            numbers = [_known(count, counts.get(part)) for part in ("trained", "total")]
            peft = f"{counts['total_peft']:,}" if "total_peft" in counts else ""
            techniques.add_row(*((one["name"], model) if several else (one["name"],)), *numbers, peft)
    stages = _table("stages", ("stage", "state"), ("seeds", "steps", "serves", "token passes", "memory"))
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for stage in plan["stages"]:
        groups.setdefault((stage["model"], stage["chain"]), []).append(stage)
    for (model, chain), group in groups.items():
        first = group[0]
        steps = str(first["budget"]["steps"]) if first["budget"] else UNKNOWN
        passes, memory = _known(count, first["token_passes"]), _known(size, first["peak_memory_bytes"])
        served = len(first["needed_by"])
        stages.add_row(
            f"{model}: {chain}" if several else chain,
            _states(group),
            str(len(group)),
            steps,
            str(served),
            passes,
            memory,
        )
    cached = f", frozen activations {size(plan['cache_bytes'])} of the cache" if plan["cache_bytes"] else ""
    stages.caption = (
        f"On {plan['device']} in {plan['precision']}; kept weights take {_known(size, plan['disk_bytes'])} of disk"
        f"{cached}. "
        "Each stage is computed once a seed; serves: how many techniques use it. Token passes: tokens through the "
        "model, a training step's counted three times. Memory: estimated peak."
    )
    return [techniques, stages]


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


def _reasons(plan: Mapping[str, Any]) -> list[str]:
    """Return why stages would run again, each reason once with the stages that it holds for."""
    found: dict[str, dict[str, None]] = {}
    for stage in plan["stages"]:
        if stage["reason"]:
            found.setdefault(f"{stage['state']}: {stage['reason']}", {})[stage["chain"]] = None
    return [f"{', '.join(chains)} - {reason}" for reason, chains in found.items()]
