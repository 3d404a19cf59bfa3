"""A stage before its first step: its classifier as its technique made it, and what it is fed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from tuneoff.errors import ModelError
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.compaction import CompactVocabulary, compactable, input_embedding
from tuneoff.models.dropout import lighten_dropout
from tuneoff.planned import PlannedStage
from tuneoff.techniques.base import Technique
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
from tuneoff.training.inputs import Inputs, TokenInputs, VectorInputs
from tuneoff.training.job import Execution
from tuneoff.training.optimizer import learning_rate_at
from tuneoff.training.reuse import reuse_hidden
from tuneoff.training.shortage import SHORTAGES, is_shortage, said
from tuneoff.training.workplace import Workplace


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
    seeds = seeds_of(stage)
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


def seeds_of(stage: PlannedStage) -> Mapping[str, int]:
    """Return a stage's seeds: of initialisation, order and dropout."""
    assert stage.key_parts is not None
    seeds: Mapping[str, int] = stage.key_parts["seeds"]
    return seeds
