"""One planned stage, from its parents' weights to its record in the store."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import torch

from tuneoff.errors import ModelError
from tuneoff.evidence.representation import keep_representation
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.compaction import CompactVocabulary, compactable, input_embedding
from tuneoff.models.dropout import lighten_dropout
from tuneoff.plan import PlannedStage
from tuneoff.store import ATTEMPTS, CHECKPOINT, StageRecord, Store
from tuneoff.tasks.data_set import ALSO
from tuneoff.techniques.base import Technique
from tuneoff.training.attempts import Attempts
from tuneoff.training.budget import execution_now
from tuneoff.training.build import (
    Ancestor,
    apply_technique,
    build_classifier,
    build_head_only,
    count_parameters,
    make_technique,
    sketch,
    trainable,
    trains_head_alone,
)
from tuneoff.training.checkpoint import Checkpointer, recorded_execution, restore
from tuneoff.training.device import autocast
from tuneoff.training.inputs import Inputs, TokenInputs, VectorInputs
from tuneoff.training.job import Budget, Execution, Job
from tuneoff.training.limit import limited
from tuneoff.training.loop import train
from tuneoff.training.memory import PeakMemory, release
from tuneoff.training.moved import how_far, prepare_untouched
from tuneoff.training.optimizer import learning_rate_at
from tuneoff.training.outcome import prediction_frame, record_of
from tuneoff.training.reuse import reuse_hidden
from tuneoff.training.shortage import SHORTAGES, failure_of, is_shortage, said
from tuneoff.training.state import Divergence
from tuneoff.training.team import ALONE, Team
from tuneoff.training.workplace import Workplace


@dataclass(frozen=True)
class Watch:
    """Who is told of a stage's progress, and who may stop it."""

    events: Callable[[Mapping[str, Any]], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


def run_stage(
    stage: PlannedStage,
    place: Workplace,
    ancestors: Sequence[Ancestor],
    store: Store,
    watch: Watch,
    team: Team = ALONE,
) -> StageRecord:
    """Train a stage and write it into the store; returns its record, which says why if it failed.

    The other processes of the `team` call `follow_stage` meanwhile. Raises Interrupted, with a checkpoint written,
    where `watch.stop` asks for it.
    """
    started = datetime.now(UTC)
    failure: dict[str, Any] | None = None
    weights: dict[str, torch.Tensor] | None = None
    assert stage.key is not None
    checkpoint = store.folder(stage.address) / CHECKPOINT
    recorded = recorded_execution(checkpoint, stage.key, place.note)
    torch.set_num_threads((recorded or place.execution).threads)
    prepare_untouched(stage, place, ancestors)
    moved: dict[str, Any] | None = None
    attempts = Attempts(store.folder(stage.address) / ATTEMPTS, stage.key)
    with attempts, limited(place.limit, place.accelerator.device), PeakMemory(place.accelerator.device) as peak:
        execution = team.same(recorded or execution_now(stage, place))
        ready = _with_earlier(prepared(stage, place, ancestors, execution), attempts)
        team.wait()
        job = job_of(stage, place, ready, watch, team)
        optimizer = job.technique.optimizer(ready.trained, stage.optimization)
        state = restore(checkpoint, stage.key, job, optimizer)
        lost = attempts.seconds_lost(state.elapsed + ready.seconds_before)
        keeper = Checkpointer(checkpoint, stage.key)
        job.save = lambda state, optimizer, now: keeper.save_when_due(job, state, optimizer, now)
        try:
            train(job, state, optimizer)
            del optimizer  # its moments are not needed any more, and the whole table is to come back
            release()
            moved = how_far(stage, place, ancestors, job)
            ready.finish(stage, state.best.step if state.best else state.step)
            if not stage.address.is_trial:  # a trial is there for its numbers
                weights = {name: value.detach().cpu() for name, value in trainable(ready.classifier).items()}
        except Divergence as error:
            failure = error.facts
        except SHORTAGES as error:
            failure = failure_of(error, state.step)
    record = record_of(stage, place, ready, state, started, team)
    record = replace(record, peak_memory=peak.as_json(), failure=failure, status="failed" if failure else "done")
    record = replace(record, attempts=attempts.count, seconds_lost=lost)
    if moved is not None:
        keep_representation(store, stage.address, {**moved, "key": stage.key})
    return store.finish(record, state.history, prediction_frame(place, state), weights)


@dataclass(frozen=True)
class Ready:
    """A stage's classifier and inputs, and what making them cost: spent here, and if nothing were shared.

    `seconds_before` of `seconds` were spent by an earlier attempt.
    """

    technique: Technique
    classifier: TextClassifier
    trained: Mapping[str, torch.nn.Parameter]
    parameters: Mapping[str, int]
    inputs: Inputs
    execution: Execution
    vocabulary: CompactVocabulary | None
    feature_tokens: int
    seconds: Mapping[str, float]
    seconds_alone: Mapping[str, float]
    seconds_before: float = 0.0

    def finish(self, stage: PlannedStage, steps_taken: int) -> None:
        """Make the embedding table whole again, if it was cut down, as it is after so many steps."""
        if self.vocabulary is None:
            return
        assert stage.budget is not None
        steps, how = stage.budget.steps, stage.optimization
        table, names = self.vocabulary.name, self.trained.keys()
        decay = self.technique.rate_factor(table) * how.weight_decay
        self.vocabulary.restore(
            learning_rate_at(how, step, steps) * decay
            for step in range(steps_taken)
            if table in self.technique.trainable_at(step, steps, names)
        )


def _with_earlier(ready: Ready, attempts: Attempts) -> Ready:
    """Charge a stage with the vectors that an earlier attempt computed for it, where this one found them in the cache.

    What is computed now is noted for the attempt after this one.
    """
    now = ready.seconds.get("features", 0.0)
    if now:
        attempts.paid({"features": now})
    before = 0.0 if now else attempts.kept_before().get("features", 0.0)
    return replace(ready, seconds={**ready.seconds, "features": now + before}, seconds_before=before)


def prepared(stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], execution: Execution) -> Ready:
    """Return a stage's classifier and inputs before its first step; raises ModelError where memory does not do."""
    try:
        return _prepare(stage, place, ancestors, execution)
    except SHORTAGES as error:
        if not is_shortage(error):
            raise
        raise ModelError(
            f"model '{place.model.source}': out of memory before the first step ({said(error)}): use a smaller model, "
            "or raise protocol.memory_limit if it is set"
        ) from error


def _prepare(stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], execution: Execution) -> Ready:
    technique = make_technique(stage.spec)
    seeds = _seeds(stage)
    device = place.accelerator.device
    classes = place.data.classes
    inputs: Inputs
    vocabulary, feature_tokens = None, 0
    reuse = execution.reuse_activations or technique.gradient_free  # the latter is fitted on vectors in any case
    if reuse and trains_head_alone(sketch(technique, place.model, len(classes))):
        features = place.pair_features(ancestors) if technique.reads_pairs else place.features(ancestors)
        cost = {"load": features.cost.load, "tokenize": features.cost.tokenize, "features": features.cost.features}
        paid = cost if features.computed_now else {}
        feature_tokens = features.cost.tokens
        classifier = build_head_only(place.model, classes, ancestors, device, seeds["init"])
        inputs = VectorInputs({name: vectors.to(device) for name, vectors in features.vectors.items()})
        apply_technique(technique, classifier, seeds["init"])
        parameters = count_parameters(classifier)
    else:
        tokens = place.tokens()
        begun = time.perf_counter()
        classifier = build_classifier(place.model, classes, ancestors, device, seeds["init"])
        cost = paid = {"load": time.perf_counter() - begun, "tokenize": place.tokenize_seconds}
        inputs = texts = TokenInputs(
            tokens,
            execution.micro_tokens,
            device,
            packed=execution.packs(classifier),
            as_one=classifier.depends_on_batch,
        )
        apply_technique(technique, classifier, seeds["init"], texts.batches(classifier, "train"))
        texts.suit(classifier, execution.packs(classifier))
        if execution.light_dropout:
            lighten_dropout(classifier)
        parameters = count_parameters(classifier)
        if reuse and (upper := reuse_hidden(place, technique, classifier, texts, ancestors)):
            inputs, below = upper, upper.states
            cost = {**cost, "features": below.cost.features}
            paid = cost if below.computed_now else paid
            feature_tokens = below.cost.tokens
        elif execution.compact_vocabulary and _rows_only_decay(technique, classifier):
            vocabulary = CompactVocabulary(classifier, [ids for split in texts.ids.values() for ids in split])
    paid = {**paid, "tokenize": place.tokenizing_to_charge()}
    trained = trainable(classifier)
    return Ready(technique, classifier, trained, parameters, inputs, execution, vocabulary, feature_tokens, paid, cost)


def _rows_only_decay(technique: Technique, classifier: TextClassifier) -> bool:
    """Return whether an embedding row that no text uses changes by weight decay alone, in every step, or not at all."""
    table = input_embedding(classifier)
    frozen = table is not None and not table.weight.requires_grad
    return (frozen or type(technique).optimizer is Technique.optimizer) and compactable(classifier)


def _seeds(stage: PlannedStage) -> Mapping[str, int]:
    assert stage.key_parts is not None
    seeds: Mapping[str, int] = stage.key_parts["seeds"]
    return seeds


def job_of(stage: PlannedStage, place: Workplace, ready: Ready, watch: Watch, team: Team = ALONE) -> Job:
    """Return what the loop works on; the splits that it is reported on are test and the task's further test sets."""
    assert stage.budget is not None
    budget = stage.budget
    labels = {name: place.data.splits[name].labels for name in place.splits}
    return Job(
        technique=ready.technique,
        classifier=ready.classifier,
        trained=ready.trained,
        inputs=ready.inputs,
        labels={name: values for name, values in labels.items() if values is not None},
        optimization=stage.optimization,
        budget=Budget(
            budget.steps,
            budget.batch_size,
            budget.eval_every,
            budget.eval_on,
            budget.chosen_by,
            ("test", *(ALSO + name for name in place.data.also)) if budget.opens_test else (),
        ),
        seed_order=_seeds(stage)["order"],
        seed_dropout=_seeds(stage)["dropout"],
        accelerator=place.accelerator,
        execution=ready.execution,
        first_step=stage.first_step,
        groups=place.data.splits["train"].groups,
        autocast=autocast(place.accelerator.device, place.precision),
        events=watch.events,
        stop=watch.stop,
        team=team,
    )
