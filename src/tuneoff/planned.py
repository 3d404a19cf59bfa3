"""One planned stage: its settings and budget, the key of its result, and why it would run."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.choosing import ChooseBy
from tuneoff.errors import StudyError
from tuneoff.files import digest
from tuneoff.store import StageAddress, StageRecord, Store
from tuneoff.study import Protocol
from tuneoff.techniques import get
from tuneoff.techniques.base import Optimization
from tuneoff.techniques.composition import StageSpec

if TYPE_CHECKING:
    from tuneoff.models.resolve import ResolvedModel
    from tuneoff.tasks.data_set import TaskData

KEY_VERSION = 1
DIGEST_LENGTH = 64  # of a sha256, which says nothing to a reader
SEMANTICS = 2  # raised when training gives other results for the same settings
DEFAULT_EPOCHS = 4.0
DEFAULT_EVALUATIONS = 20


@dataclass(frozen=True)
class Reason:
    """Why a stage would run, or that it would not. Prints itself."""

    state: Literal["done", "missing", "incomplete", "failed", "changed", "needed", "unknown"]
    detail: str = ""

    @property
    def runs(self) -> bool:
        """Whether the stage would be computed."""
        return self.state != "done"

    def __str__(self) -> str:
        return f"{self.state}: {self.detail}" if self.detail else self.state


@dataclass(frozen=True)
class PlannedStage:
    """A stage to compute: where it goes, what it does, what its result depends on, and why it would run.

    `budget` and `key` are None where the data or the weights that they depend on are not there.
    """

    address: StageAddress
    spec: StageSpec
    parent: StageAddress | None
    optimization: Optimization
    budget: "StageBudget | None"
    key: str | None
    key_parts: Mapping[str, Any] | None
    reason: Reason
    needed_by: tuple[str, ...] = ()
    first_step: int = 0


@dataclass(frozen=True)
class StageBudget:
    """Steps of a stage, when it is evaluated, and by what its weights are chosen (None: they are the last step's).

    Stages that are run to choose settings do not open test.
    """

    steps: int
    batch_size: int
    eval_every: int
    eval_on: Literal["dev", "test"]
    chosen_by: ChooseBy | None = None
    opens_test: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the budget for keys and records; what is not used is left out, so that older keys stay valid."""
        unused = {"chosen_by": None, "opens_test": True}
        return {name: value for name, value in asdict(self).items() if name not in unused or value != unused[name]}


@dataclass(frozen=True)
class Question:
    """One model on one task (or fold of it), as far as they are there: what a stage's key is made of."""

    model: "ResolvedModel"
    task_name: str
    data: "TaskData | None"
    precision: str
    fold: int | None = None

    @property
    def place(self) -> tuple[str, str, int | None]:
        """The model, the task and the fold."""
        return self.model.name, self.task_name, self.fold


def plan_stage(
    protocol: Protocol, question: Question, spec: StageSpec, address: StageAddress, parent: PlannedStage | None
) -> PlannedStage:
    """Return a stage with the key of its result, as far as what that depends on is known; its reason is not known yet.

    Its seeds depend on the address's seed; a stage that is run to choose settings (see `StageAddress`) opens no test.
    """
    from tuneoff.training.seeds import derive

    reads_pairs = get(spec.technique)(spec.settings).reads_pairs
    if reads_pairs and question.data and len(question.data.text_fields) != 2:
        raise StudyError(
            f"technique '{spec.chain}': `features: pair` wants a task of two texts, and {question.task_name} has "
            f"{len(question.data.text_fields)}: leave it out"
        )
    optimization = resolve_optimization(protocol, spec)
    budget = resolve_budget(protocol, spec, len(question.data.splits["train"]) if question.data else None)
    if budget and address.tuning is not None:
        budget = _of_tuning(budget, protocol, address)
    parts: dict[str, Any] | None = None
    unknown_parent = parent is not None and parent.key is None
    if budget and question.data and question.model.fingerprint and not unknown_parent:
        seeds = {purpose: derive(address.seed, purpose, spec.index) for purpose in ("init", "order", "dropout")}
        parts = {
            "key_version": KEY_VERSION,
            "semantics": SEMANTICS,
            "model": question.model.keyed(),
            "task": question.data.fingerprint,
            "technique": spec.technique,
            "settings": spec.settings.keyed_values(),
            "optimization": asdict(optimization),
            "budget": budget.as_json(),
            "seeds": seeds,
            "precision": question.precision,
            "parent": digest(training_parts(parent.key_parts)) if parent and parent.key_parts else None,
        }
        groups = question.data.splits["train"].groups
        if groups and get(spec.technique).uses_groups:  # left out elsewhere, so that older keys stay valid
            parts["groups"] = digest(list(groups))
        if question.data.also and budget.opens_test:  # left out where there is none, so that older keys stay valid
            parts["also_test"] = dict(question.data.also)
    return PlannedStage(
        address=address,
        spec=spec,
        parent=parent.address if parent else None,
        optimization=optimization,
        budget=budget,
        key=digest(parts) if parts else None,
        key_parts=parts,
        reason=Reason("unknown"),
        first_step=parent.first_step + parent.budget.steps if parent and parent.budget else 0,
    )


def training_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a key's parts determines the trained weights: further test sets are only evaluated."""
    return {name: value for name, value in parts.items() if name != "also_test"}


def resolve_optimization(protocol: Protocol, spec: StageSpec) -> Optimization:
    """Return a stage's optimizer settings: its own, else the protocol's."""
    own = spec.settings
    return Optimization(
        learning_rate=own.learning_rate,
        schedule=own.schedule or protocol.schedule,
        warmup=protocol.warmup if own.warmup is None else own.warmup,
        weight_decay=protocol.weight_decay if own.weight_decay is None else own.weight_decay,
        max_grad_norm=own.max_grad_norm or protocol.max_grad_norm,
    )


def resolve_budget(protocol: Protocol, spec: StageSpec, rows: int | None) -> StageBudget | None:
    """Return a stage's budget, its own or else the protocol's; None where it depends on unknown data.

    A stage without gradients is fitted once, which counts as one step, and leaves nothing to choose.
    """
    if get(spec.technique).gradient_free:
        return StageBudget(1, protocol.batch_size, 1, protocol.eval_on)
    steps, epochs = spec.settings.steps, spec.settings.epochs
    if steps is None and epochs is None:
        steps, epochs = protocol.steps, protocol.epochs
    if steps is None:
        if rows is None:
            return None
        steps = max(1, round((epochs or DEFAULT_EPOCHS) * math.ceil(rows / protocol.batch_size)))
    every = protocol.eval_every or default_interval(steps)
    chosen_by = protocol.choose_by if protocol.checkpoint == "best" else None
    return StageBudget(steps, protocol.batch_size, every, protocol.eval_on, chosen_by)


def _of_tuning(budget: StageBudget, protocol: Protocol, address: StageAddress) -> StageBudget:
    """Return the budget of a stage that is run to choose settings: no test, and of a trial a share of the steps."""
    budget = replace(budget, opens_test=False)
    if not address.is_trial or protocol.tune is None or protocol.tune.share == 1:
        return budget
    steps = max(1, round(budget.steps * protocol.tune.share))
    return replace(budget, steps=steps, eval_every=protocol.eval_every or default_interval(steps))


def default_interval(steps: int) -> int:
    """Return the steps between evaluations where a study does not say: 20 evaluations at most."""
    return max(1, math.ceil(steps / (DEFAULT_EVALUATIONS - 1)))


def reason_of(stage: PlannedStage, record: StageRecord | None, store: Store | None) -> Reason:
    """Return why a stage would run, from what the store has of it.

    A trial that diverged is done: that is what its settings do, and again would do.
    """
    if stage.key is None:
        return Reason("unknown", "its weights or data are not here")
    if record is None:
        begun = store is not None and store.folder(stage.address).is_dir()
        return Reason("incomplete", "begun, not finished") if begun else Reason("missing")
    if record.key != stage.key:
        return Reason("changed", ", ".join(_differences(record.key_parts, stage.key_parts or {})))
    if record.status == "failed" and not (stage.address.is_trial and record.diverged):
        return Reason("failed", str((record.failure or {}).get("reason", "")))
    return Reason("done")


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Return what differs between two nested mappings, as 'path: old -> new'."""
    found: list[str] = []
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _differences(before, after, f"{path}{name}.")
        elif before != after:
            is_digest = any(isinstance(value, str) and len(value) == DIGEST_LENGTH for value in (before, after))
            found.append(f"{path}{name}" if is_digest else f"{path}{name} {before} -> {after}")
    return found


def with_needed_parents(planned: dict[StageAddress, PlannedStage], store: Store | None) -> list[PlannedStage]:
    """Mark done stages that must run again because a stage after them needs weights that were not kept."""
    for stage in list(planned.values()):
        before = stage.parent if stage.reason.runs else None
        while before is not None:
            parent = planned[before]
            if not parent.reason.runs and (store is None or store.weights(before) is None):
                reason = Reason("needed", f"its weights were not kept, and {stage.address.chain} starts from them")
                planned[before] = replace(parent, reason=reason)
            before = parent.parent
    return list(planned.values())
