"""From a checked study to a finished run directory: prepare, plan, compute, report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tuneoff.describing import describe_study
from tuneoff.environment import describe_environment
from tuneoff.errors import StudyError
from tuneoff.estimate import Cost, Work, estimate_cost, estimate_work
from tuneoff.evidence.cosine import keep_cosine
from tuneoff.evidence.results import rows_disagreed_on
from tuneoff.evidence.task_files import keep_task_files, keep_texts
from tuneoff.executors.local import Executor, Observer, Place, run_plan
from tuneoff.models.activation_cache import tidy_cache
from tuneoff.models.quantised import check_installed
from tuneoff.models.resolve import resolve_model
from tuneoff.models.starting import starting_notes
from tuneoff.plan import Plan, Question, make_plan
from tuneoff.proportion import check_sizes
from tuneoff.store import StageAddress, Store
from tuneoff.study import GPU_FORWARD_TOKENS, MICRO_TOKENS
from tuneoff.tasks import StudyTask, load_study_task, task_name
from tuneoff.training.device import choose_device, choose_precision, make_accelerator, usable_threads
from tuneoff.training.job import Execution
from tuneoff.training.limit import check_limit
from tuneoff.training.memory import keep_freed_memory, return_freed_memory
from tuneoff.training.untouched import pair_cosines
from tuneoff.training.workplace import Workplace
from tuneoff.tuning_plan import described as describe_tuning

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy
    from tuneoff.study import Study


@dataclass(frozen=True)
class Prepared:
    """A study whose models and data were found and checked: questions for the plan, places for the work.

    `execute` is what computes the stages of its plans.
    """

    read: "ReadStudy"
    tasks: Mapping[str, StudyTask]
    questions: list[Question]
    places: Mapping[Place, Workplace]
    execute: Executor = run_plan

    def of_task(self, name: str) -> "Prepared":
        """Return the same as if the study had this task alone."""
        spec = self.read.study.tasks[list(self.tasks).index(name)]
        read = replace(self.read, study=self.read.study.model_copy(update={"tasks": [spec]}))
        questions = [question for question in self.questions if question.task_name == name]
        places = {key: place for key, place in self.places.items() if key[1] == name}
        return Prepared(read, {name: self.tasks[name]}, questions, places)


class Hearer(Protocol):
    """Who is told what is done beside the stages, and of a stage what is in no history."""

    def features(self, split: str, done: int, total: int) -> None:
        """Hear how many tokens of a split have been turned into vectors."""
        ...

    def announce(self, what: str) -> None:
        """Hear what is done between the stages."""
        ...

    def note(self, what: str) -> None:
        """Hear what went otherwise than usual inside a stage, and changes no result."""
        ...


class Listener(Hearer, Protocol):
    """Who is told what a study does."""

    def watch(self, plan: Plan, work: Mapping[StageAddress, Work]) -> Observer:
        """Return who observes the stages of a plan, given the work that each is expected to be."""
        ...


def prepare(read: "ReadStudy", hearer: Hearer) -> Prepared:
    """Load and check all that a study needs before its first step; raises TuneoffError for what is wrong with it."""
    study = read.study
    for spec in study.models:
        check_installed(spec)
    torch.set_num_threads(study.protocol.threads or usable_threads())
    limit = study.protocol.memory_limit_bytes
    if limit is None:
        keep_freed_memory()
    else:
        return_freed_memory()
    device = choose_device(study.protocol)
    check_limit(limit, device)
    precision = choose_precision(study.protocol, device)
    tasks = {}
    for number, asked in enumerate(study.tasks):
        name = task_name(asked)
        hearer.announce(f"reading {name}" if len(study.tasks) > 1 else "reading the task")
        tasks[name] = load_study_task(study, read.base, number)
    accelerator = make_accelerator(device)
    protocol = study.protocol
    micro_tokens = protocol.micro_tokens or (GPU_FORWARD_TOKENS if device.type == "cuda" else MICRO_TOKENS)
    execution = Execution(
        micro_tokens,
        torch.get_num_threads(),
        protocol.compact_vocabulary,
        protocol.reuse_activations,
        protocol.pack_texts,
        protocol.light_dropout,
    )
    automatic = protocol.micro_tokens is None and device.type == "cuda"
    questions, places = [], {}
    for spec in study.models:
        hearer.announce(f"checking {spec.id}")
        model = resolve_model(spec, need_weights=True)
        notes = [note for task in tasks.values() for note in starting_notes(model, task.whole.classes)]
        for note in dict.fromkeys(notes):
            hearer.note(note)
        told = hearer.features, hearer.note
        for name, task in tasks.items():
            for fold, data in task.by_fold.items():
                questions.append(Question(model, name, data, precision, fold))
                places[model.name, name, fold] = Workplace(
                    model, data, accelerator, precision, execution, *told, automatic_budget=automatic, limit=limit
                )
    return Prepared(read, tasks, questions, places)


def run_study(
    read: "ReadStudy",
    out: Path,
    listener: Listener,
    forced: Sequence[str] = (),
    language: str = "en",
    execute: Executor = run_plan,
) -> Store:
    """Compute what is missing of a study and write results and report in a language; returns its run directory.

    `execute` computes the stages. Raises TuneoffError for bad input, before any training, also where the doctor finds
    an error that is not `forced` by the name of its check; and Interrupted where the listener asked to stop.
    """
    from tuneoff.report import write_report

    store = Store(out)
    prepared = replace(prepare(read, listener), execute=execute)
    with store.lock(), read.placing():
        _compute(prepared, store, listener, forced)
        listener.announce("writing results and report")
        write_report(store, language)
    return store


def compute_study(
    read: "ReadStudy", out: Path, listener: Listener, forced: Sequence[str] = (), execute: Executor = run_plan
) -> Store:
    """Compute what is missing of a study, and no report; returns its run directory. Raises as `run_study` does."""
    store = Store(out)
    prepared = replace(prepare(read, listener), execute=execute)
    with store.lock(), read.placing():
        _compute(prepared, store, listener, forced)
    return store


def _compute(prepared: Prepared, store: Store, listener: Listener, forced: Sequence[str]) -> None:
    """Compute what is missing of a study in a run directory that this process holds."""
    from tuneoff.reading import resolved_yaml

    read = prepared.read
    tidy_cache()
    plan = make_plan(read.study, prepared.questions, store)
    check_sizes(read, plan, prepared.questions)
    environment = describe_environment(read.base) if plan.to_run or plan.tuning_to_run else None
    store.create(resolved_yaml(_with_model_names(prepared)), environment)
    describe_study(prepared, store)
    if plan.to_run or plan.tuning_to_run:
        _look_first(prepared, plan, store, forced)
    if plan.tuning:
        plan = _choose_settings(plan, prepared, store, listener).without_waiting()
    prepared.execute(plan, prepared.places, store, listener.watch(plan, expected_work(plan, prepared)))
    # What techniques are held against takes up to a minute, and no stage needs it: training begins without it.
    for name, task in prepared.tasks.items():
        keep_task_files(store, name, task, listener.announce)
    _keep_cosines(prepared, store, listener)
    if read.study.protocol.until_clear is not None:
        from tuneoff.rounds import run_rounds

        run_rounds(plan, prepared, store, listener)
    _keep_texts(prepared, store)


def _look_first(prepared: Prepared, plan: Plan, store: Store, forced: Sequence[str]) -> None:
    """Make the doctor's quick checks and keep what they find; raises StudyError for errors that are not forced."""
    from tuneoff.checks.examine import errors, examine_quickly
    from tuneoff.checks.kept import keep_findings
    from tuneoff.checks.patient import Patient

    found = examine_quickly(Patient(prepared, plan, store))
    keep_findings(store, found, forced)
    if stopping := errors(found, forced):
        names = " ".join(f"--force {name}" for name in dict.fromkeys(one.check for one in stopping))
        raise StudyError([*map(str, stopping), f"To run it nevertheless, and have the report say so: {names}"])


def _keep_cosines(prepared: Prepared, store: Store, listener: "Listener") -> None:
    """Keep the baseline that each untrained model gives for pairs of texts; there is none with folds."""
    for (model, task, fold), place in prepared.places.items():
        if fold is not None:
            continue

        def cosines(texts: tuple[list[str], list[str]], place: Workplace = place) -> NDArray[np.float64] | str:
            listener.announce(f"comparing the texts of each pair by {place.model.name}, untrained")
            return pair_cosines(place, texts)

        keyed = {**place.model.keyed(), "precision": place.precision}
        keep_cosine(store, (model, task), place.data, keyed, cosines)


def _keep_texts(prepared: Prepared, store: Store) -> None:
    """Keep the texts of the test rows on which techniques disagree, for the report; no others are kept."""
    shown = rows_disagreed_on(store) if prepared.read.study.protocol.keep_texts else {}
    for name, task in prepared.tasks.items():
        keep_texts(store, name, task.whole, shown.get(name, []))


def _choose_settings(plan: Plan, prepared: Prepared, store: Store, listener: Listener) -> Plan:
    """Run the trials of a tuned study and return its plan with the settings that they led to.

    A technique's trials wait for the settings of those that it starts from, so there is a round for each length.
    """
    for tuning in plan.tuning:
        address = tuning.trials[0].address
        store.describe_tuning(address.model, address.task, address.chain, describe_tuning(tuning, plan.study))
    for index in range(plan.depth):
        ahead = plan.trials_after(index)
        if ahead.to_run:
            listener.announce("choosing settings by trials")
            prepared.execute(ahead, prepared.places, store, listener.watch(ahead, expected_work(ahead, prepared)))
            plan = make_plan(plan.study, prepared.questions, store)
            listener.announce("going on with the settings chosen")
    for tuning in plan.tuning:
        if tuning.start:
            store.drop_weights(tuning.start.address)
    return plan


def expected_work(plan: Plan, prepared: Prepared) -> dict[StageAddress, Work]:
    """Return the work of each stage that would be computed, from the tokens that it will read."""
    found: dict[StageAddress, Work] = {}
    protocol = plan.study.protocol
    costs: dict[Any, Cost] = {}
    for stage in plan.to_run:
        place = prepared.places[stage.address.place]
        kind = (stage.address.model, stage.address.chain, len(place.data.classes))
        if kind not in costs:
            costs[kind] = estimate_cost(stage, place.model, len(place.data.classes), protocol.reuse_activations)
        cost = costs[kind]
        read = place.read()
        lengths = {split: one.mean for split, one in read.items()}
        rows = {split: len(one.lengths) for split, one in read.items()}
        below = cost.layers_once / cost.depth
        found[stage.address] = estimate_work(
            cost.head_alone, lengths, rows, protocol.batch_size, below, pairs=cost.pairs
        )
    return found


def _with_model_names(prepared: Prepared) -> "Study":
    """Return the study with the names that its models' folders have."""
    study = prepared.read.study
    names = dict.fromkeys(question.model.name for question in prepared.questions)
    models = [spec.model_copy(update={"name": name}) for spec, name in zip(study.models, names, strict=True)]
    return study.model_copy(update={"models": models})
