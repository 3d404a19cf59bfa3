"""`tuneoff plan`: what a study would compute, as far as it can be known from what is there."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from tuneoff.checks.rank import Rank
from tuneoff.commands.output import print_json
from tuneoff.commands.plan_paces import Announce, paces_by_kind
from tuneoff.commands.plan_tables import lines, tables
from tuneoff.errors import DataNotHereError
from tuneoff.estimate import Cost, estimate_work
from tuneoff.footprint import Kind, cache_bytes, costs_by_kind, kept_bytes, kind_of, stage_peak, texts_of
from tuneoff.forecast import Seconds, Texts, longest, stage_seconds, study_seconds, tokens_that_fit
from tuneoff.models.quantised import check_installed
from tuneoff.models.resolve import ResolvedModel, resolve_model
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.plan import Plan, PlannedStage, Question, make_plan
from tuneoff.proportion import check_sizes
from tuneoff.reading import ReadStudy
from tuneoff.store import Store
from tuneoff.study import MICRO_TOKENS, Protocol, Study
from tuneoff.tasks import known_labels, load_study_task, task_name
from tuneoff.tasks.data_set import TaskData
from tuneoff.training.device import choose_device, choose_precision, usable_threads
from tuneoff.training.job import Execution
from tuneoff.training.pilot import Circumstances, Line, Pace
from tuneoff.words import listed, visible

CARD = 16 << 30  # bytes of the GPU that most people without a large one have


def plan_command(read: ReadStudy, out: Path, *, as_json: bool, timed: bool) -> None:
    """Print the plan of a study; needs a model's config.json, and uses data and tokenizer if they are there.

    With `timed`, a few layers of each model are trained for some seconds, to tell how long the study will take.
    """
    told = Console(stderr=True, highlight=False)
    described = describe_plan(read, out, timed=timed, announce=lambda what: told.print(f"{what} ...", markup=False))
    if as_json:
        print_json(described)
        return
    console = Console(highlight=False)
    for table in tables(described):
        console.print(table)
    for line in [*lines(described), *described["notes"]]:
        console.print(visible(line), markup=False)


def describe_plan(
    read: ReadStudy, out: Path, *, timed: bool = False, announce: Announce = lambda _: None
) -> dict[str, Any]:
    """Return a study's plan as JSON values; what cannot be known is None, and `notes` says why.

    Times are None unless it is `timed`.
    """
    study = read.study
    for spec in study.models if timed else []:
        check_installed(spec)
    notes: list[str] = []
    device = choose_device(study.protocol)
    precision = choose_precision(study.protocol, device)
    folds = _read_tasks(read, notes)
    data = {name: next(iter(found.values()), None) for name, found in folds.items()}
    classes = _count_classes(study, data)
    models: dict[str, ResolvedModel] = {}
    questions = []
    for spec in study.models:
        model = resolve_model(spec, need_weights=False)
        models[model.name] = model
        for name, found in folds.items():
            questions += [Question(model, name, found.get(fold), precision, fold) for fold in study.protocol.fold_list]
        if model.fingerprint is None:
            notes.append(f"{model.name}: its weights are not here, so what is done already cannot be told")
    plan = make_plan(study, questions, Store(out))
    check_sizes(read, plan, questions)
    notes += [*plan.tuning_notes, *plan.round_notes]
    texts = {(model, task): _texts(models[model], data[task], notes) for model in models for task in folds}
    known_texts = {place: one for place, one in texts.items() if one is not None}
    with read.placing():
        costs = costs_by_kind(plan, models, classes)
    packed = {model: cost.quantised for (model, _, _), cost in costs.items() if cost.quantised}
    notes += [
        f"{model}: {numbers:,} of its numbers are held in 4 bits; parameters count numbers, memory their bytes"
        for model, numbers in packed.items()
    ]
    notes += _ranks_beyond(plan, models)
    if missing := [name for name in folds if name not in classes]:
        of = f" of {listed(missing)}" if len(folds) > 1 else ""
        notes.append(f"the classes{of} are unknown without the data, so parameters are not counted")
    if len(set(classes.values())) > 1:
        notes.append(f"parameters are those of {next(iter(classes))}; tasks with other classes have other heads")
    how = Circumstances(_execution(study.protocol), device, precision)
    paces = paces_by_kind(plan, models, known_texts, classes, how, announce, notes) if timed else {}
    known = {kind: _Known(costs.get(kind), paces.get(kind), texts[kind[:2]]) for kind in map(kind_of, plan.stages)}
    stages = [_stage(stage, known[kind_of(stage)], how, data[stage.address.task]) for stage in plan.stages]
    counted = all(kind in costs for kind in known)
    return {
        "study": study.name,
        "out": out.as_posix(),
        "device": device.type,
        "precision": precision,
        "stages": stages,
        "techniques": [_technique(one.name, plan, costs) for one in plan.techniques],
        "seconds_to_run": _seconds_to_run(plan, known),
        "card_bytes": CARD,
        "disk_bytes": kept_bytes(plan, costs, plan.stages) if counted else None,
        "cache_bytes": cache_bytes(costs, known_texts, plan.stages)
        if counted and len(known_texts) == len(texts)
        else None,
        "notes": notes,
    }


def _ranks_beyond(plan: Plan, models: Mapping[str, ResolvedModel]) -> list[str]:
    """Return a sentence for each rank that the layers cannot have, as the doctor's check `rank` finds it."""
    first = {(stage.address.model, stage.address.chain): stage for stage in reversed(plan.stages)}
    found = [Rank().warning(stage, models[model]) for (model, _), stage in first.items()]
    return list(dict.fromkeys(f"{one.about}: {one.sentence} {one.advice}" for one in found if one))


def _read_tasks(read: ReadStudy, notes: list[str]) -> dict[str, Mapping[int | None, TaskData]]:
    """Return each task's data by fold, as far as they are here; what cannot be read is noted."""
    found: dict[str, Mapping[int | None, TaskData]] = {}
    for place, spec in enumerate(read.study.tasks):
        try:
            found[task_name(spec)] = load_study_task(read.study, read.base, place).by_fold
        except DataNotHereError as error:
            found[task_name(spec)] = {}
            notes.append(f"rows and tokens are unknown, the data could not be read: {error}")
    return found


def _count_classes(study: Study, data: Mapping[str, TaskData | None]) -> dict[str, int]:
    """Return the number of classes by task, where it is known."""
    found: dict[str, int] = {}
    for (name, one), spec in zip(data.items(), study.tasks, strict=True):
        labels = one.classes if one else known_labels(spec)
        found |= {name: len(labels)} if labels else {}
    return found


def _execution(protocol: Protocol) -> Execution:
    return Execution(
        protocol.micro_tokens or MICRO_TOKENS,
        protocol.threads or usable_threads(),
        protocol.compact_vocabulary,
        protocol.reuse_activations,
        protocol.pack_texts,
        protocol.light_dropout,
    )


@dataclass(frozen=True)
class _Known:
    """What is known of a stage's cost; None is not known."""

    cost: Cost | None
    pace: Pace | None
    texts: Texts | None

    def seconds(self, stage: PlannedStage) -> Seconds | None:
        if self.cost is None or self.pace is None or self.texts is None or stage.budget is None:
            return None
        return stage_seconds(stage.budget, self.cost, self.pace, self.texts)

    def _measured(self, what: Literal["kept", "made"]) -> float | None:
        """Bytes of a token between the passes."""
        if self.cost is None or self.pace is None or self.cost.head_alone:
            return None
        line: Line = getattr(self.pace, what)
        return line.of(self.cost.depth - self.cost.layers_once)

    def token_passes(self, stage: PlannedStage) -> int | None:
        if self.cost is None or self.texts is None or stage.budget is None:
            return None
        below = self.cost.layers_once / self.cost.depth
        rows, means, size = self.texts.rows, self.texts.means, stage.budget.batch_size
        work = estimate_work(self.cost.head_alone, means, rows, size, below, pairs=self.cost.pairs)
        return round(work.total(stage))

    def memory(self, stage: PlannedStage, how: Circumstances) -> int | None:
        """The peak on a CPU."""
        if self.cost is None:
            return None
        return stage_peak(stage, self.cost, self.texts, how.execution, how.device, self._measured("made"))

    def fits(self) -> int | None:
        """How many tokens at once the usual card takes; 0 where it does not take the longest text."""
        if self.cost is None or self.texts is None:
            return None
        most = longest(self.texts.lengths) + self.cost.extra
        return tokens_that_fit(self.cost, self._measured("kept"), CARD, most) or 0


def _seconds_to_run(plan: Plan, known: Mapping[Kind, _Known]) -> float | None:
    found = []
    for stage in plan.to_run:
        one = known[kind_of(stage)]
        seconds = one.seconds(stage)
        if seconds is None or one.cost is None:
            return None
        found.append((stage, one.cost, seconds))
    places = {kind_of(stage)[:2]: known[kind_of(stage)].texts for stage in plan.to_run}
    reading = sum(texts.seconds for texts in places.values() if texts)
    return round(reading + study_seconds(found), 3)


def _texts(model: ResolvedModel, data: TaskData | None, notes: list[str]) -> Texts | None:
    """Return a model's reading of the task; None, with a note, if it cannot be known."""
    if data is None:
        return None
    if model.tokenizer_fingerprint is None:
        notes.append(f"{model.name}: tokens are unknown, its tokenizer is not here")
        return None
    begun = time.perf_counter()
    tokenizer = load_tokenizer(model)
    labelled = {name: split for name, split in data.splits.items() if split.labels is not None}
    tokens = {name: tokenize(model, tokenizer, split.texts) for name, split in labelled.items()}
    return replace(texts_of(tokens), seconds=time.perf_counter() - begun)


def _stage(stage: PlannedStage, known: _Known, how: Circumstances, data: TaskData | None) -> dict[str, Any]:
    cost, texts, seconds = known.cost, known.texts, known.seconds(stage)
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
        "budget": stage.budget.as_json() if stage.budget else None,
        "train_rows": len(data.splits["train"]) if data else None,
        "optimization": asdict(stage.optimization),
        "settings": stage.spec.settings.keyed_values(),
        "token_passes": known.token_passes(stage),
        "fixed_layers": cost.layers_once if cost else None,
        "seconds": seconds.as_json() if seconds else None,
        "peak_memory_bytes": known.memory(stage, how),
        "card_tokens": known.fits(),
        "cache_bytes": cost.cached * texts.tokens if cost and texts else None,
        "key": stage.key,
    }


def _technique(name: str, plan: Plan, costs: Mapping[Kind, Cost]) -> dict[str, Any]:
    stages = [stage for stage in plan.stages if stage.address.chain == name]
    by_model = {stage.address.model: costs.get(kind_of(stage)) for stage in reversed(stages)}  # the first task's
    counts = {model: dict(cost.parameters) if cost else None for model, cost in by_model.items()}
    return {"name": name, "parameters": counts}
