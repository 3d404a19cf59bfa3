"""What a stage costs on this machine, by real steps on a few layers of the model's shape with random numbers."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuneoff.estimate import ADAM_NUMBERS, BYTES
from tuneoff.models.classifier import TextClassifier, build_random
from tuneoff.models.dropout import lighten_dropout
from tuneoff.models.resolve import ResolvedModel
from tuneoff.models.shrink import depth_of, shrink
from tuneoff.models.text import Tokens
from tuneoff.planned import PlannedStage
from tuneoff.techniques.base import Technique
from tuneoff.techniques.composition import StageSpec
from tuneoff.training.build import apply_technique, count_parameters, make_technique, sketch, trains_head_alone
from tuneoff.training.device import Precision, autocast, make_accelerator
from tuneoff.training.evaluation import predict, vectors_of
from tuneoff.training.inputs import TokenInputs, VectorInputs
from tuneoff.training.job import Budget, Execution, Job
from tuneoff.training.loop import take_step
from tuneoff.training.state import TrainingState

FEW, MORE = 1, 3  # layers of the two models whose difference is what a layer costs
ENOUGH = 1.0  # seconds that are spent on a measurement at least, but
MOST = 5  # times at most
NUMBERS = 1 << 22  # parameters on which the optimizer alone is timed
LAST = 1 << 10  # steps before the end of the budget, at which is measured
SPLIT = "train"
BY_NUMBER = ("layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern")  # peft's fields that name layers


@dataclass(frozen=True)
class Line:
    """A cost by token: `rest` and, for each layer, `layer`. Seconds or bytes."""

    rest: float
    layer: float

    def of(self, layers: float) -> float:
        """Return the cost of a token in a model of so many layers."""
        return self.rest + self.layer * layers


@dataclass(frozen=True)
class Pace:
    """What a technique costs on this machine: seconds by token, bytes by token.

    `step` is forward and backward pass and the optimizer, of whose embedding table only the first `shrink.TOKENS` rows;
    `evaluation` a forward pass; `number` the optimizer's seconds for one trained number. `on_vectors` are the seconds
    of a step of those techniques that train on vectors computed once, and 0 for others.

    `kept` is what a backward pass needs; `made` what it would need if everything were trained. On a CPU the latter
    tells the memory: what is made and not kept leaves holes that smaller tensors are put into, so that it is had anew.
    """

    step: Line
    evaluation: Line
    kept: Line
    made: Line
    number: float
    on_vectors: float


@dataclass(frozen=True)
class Circumstances:
    """How a stage would be computed."""

    execution: Execution
    device: torch.device
    precision: Precision


def measure_pace(
    stage: PlannedStage, model: ResolvedModel, n_classes: int, lengths: Sequence[int], how: Circumstances
) -> Pace:
    """Return a technique's pace, timed on one batch of random tokens with these lengths.

    Weights and data do not matter for it and need not be here. Raises what building such a model raises.
    """
    torch.set_num_threads(how.execution.threads)
    sizes = _depths(model)
    found = [_costs(stage, shrink(model, size), n_classes, lengths, how, size) for size in dict.fromkeys(sizes)]
    parts = ("step", "evaluation", "kept", "made")
    lines = {name: _line(sizes, [getattr(one, name) for one in found]) for name in parts}
    return Pace(**lines, number=_seconds_a_number(how.device), on_vectors=found[0].on_vectors)


def pilot_bytes(stage: PlannedStage, model: ResolvedModel, n_classes: int) -> int:
    """Return the bytes that measuring a technique's pace takes for weights, gradients and moments."""
    layers = max(_depths(model))
    counts = count_parameters(sketch(make_technique(_in_layers(stage.spec, layers)), shrink(model, layers), n_classes))
    return BYTES * (counts["total"] + ADAM_NUMBERS * counts["trained"])


def _depths(model: ResolvedModel) -> tuple[int, int]:
    """Return of how many layers the two models are that are measured."""
    depth = depth_of(model)
    return (FEW, MORE) if depth >= MORE else (1, depth)


@dataclass(frozen=True)
class _Costs:
    """The same for a model of some size: seconds a token, bytes a token, seconds a step."""

    step: float
    evaluation: float
    kept: float = 0.0
    made: float = 0.0
    on_vectors: float = 0.0


def _line(sizes: tuple[int, int], costs: Sequence[float]) -> Line:
    if len(costs) == 1:
        return Line(0.0, costs[0] / sizes[0])
    layer = max(0.0, (costs[1] - costs[0]) / (sizes[1] - sizes[0]))
    return Line(max(0.0, costs[0] - sizes[0] * layer), layer)


def _costs(
    stage: PlannedStage,
    model: ResolvedModel,
    n_classes: int,
    lengths: Sequence[int],
    how: Circumstances,
    layers: int,
) -> _Costs:
    technique = make_technique(_in_layers(stage.spec, layers))
    job = _job(stage, technique, build_random(model, n_classes, how.device), lengths, how)
    tokens = sum(lengths)
    state = TrainingState(step=job.budget.steps - LAST)  # where layers join one by one, all have joined
    with torch.random.fork_rng(devices=[how.device] if how.device.type == "cuda" else []):
        # Each text of a pair that is read by itself costs its tokens, as ever, and the head next to nothing.
        evaluate = vectors_of if technique.reads_pairs else predict
        evaluation = _seconds(lambda: evaluate(job, state, SPLIT), how.device)
        if technique.gradient_free:
            return _Costs(0.0, evaluation / tokens)
        optimizer = technique.optimizer(job.trained, stage.optimization)
        if how.execution.reuse_activations and trains_head_alone(job.classifier):
            job = replace(job, inputs=_vectors(job))
            on_vectors = _seconds(lambda: take_step(job, state, optimizer), how.device)
            return _Costs(0.0, evaluation / tokens, on_vectors=on_vectors)
        step = _seconds(lambda: take_step(job, state, optimizer), how.device)
        kept = _kept_by_token(job)
        for value in job.classifier.parameters():
            value.requires_grad_(value.is_floating_point())  # those in 4 bits cannot
        return _Costs(step / tokens, evaluation / tokens, kept, _kept_by_token(job))


def _vectors(job: Job) -> VectorInputs:
    assert isinstance(job.classifier.head, torch.nn.Linear)
    size = len(job.labels[SPLIT]), job.classifier.head.in_features
    return VectorInputs({SPLIT: torch.zeros(size, device=job.device)})


def _in_layers(spec: StageSpec, layers: int) -> StageSpec:
    """Return a stage that trains all of so few layers, where it trains a number of them."""
    update: dict[str, Any] = {}
    if getattr(spec.settings, "layers", None) is not None:
        update["layers"] = layers
    if given := getattr(spec.settings, "peft", None):
        update["peft"] = {name: value for name, value in given.items() if name not in BY_NUMBER}
    return replace(spec, settings=spec.settings.model_copy(update=update))


def _job(
    stage: PlannedStage, technique: Technique, classifier: TextClassifier, lengths: Sequence[int], how: Circumstances
) -> Job:
    numbers = np.random.default_rng(0)
    vocabulary = int(_config(classifier).vocab_size)
    ids = [numbers.integers(vocabulary, size=length).astype(np.int32) for length in lengths]
    inputs = TokenInputs(
        {SPLIT: Tokens(ids, 0)},
        how.execution.micro_tokens,
        how.device,
        packed=how.execution.packs(classifier),
        as_one=classifier.depends_on_batch,
    )
    trained = apply_technique(technique, classifier, 0, inputs.batches(classifier, SPLIT))
    inputs.suit(classifier, how.execution.packs(classifier))
    if how.execution.light_dropout:
        lighten_dropout(classifier)
    labels = np.zeros(len(lengths), dtype=np.int64)
    technique.hear_train(labels, None)
    return Job(
        technique=technique,
        classifier=classifier,
        trained=trained,
        inputs=inputs,
        labels={SPLIT: labels},
        optimization=stage.optimization,
        budget=Budget(1 << 30, len(lengths), 1 << 30, SPLIT, reported=()),
        seed_order=0,
        seed_dropout=0,
        accelerator=make_accelerator(how.device),
        execution=how.execution,
        autocast=autocast(how.device, how.precision),
    )


def _config(classifier: TextClassifier) -> Any:
    backbone: Any = classifier.backbone
    return backbone.config.get_text_config()


def _kept_by_token(job: Job) -> float:
    """Return the bytes that the largest micro-batch keeps for its backward pass, by token; weights do not count."""
    rows = np.arange(len(job.labels[SPLIT]), dtype=np.int64)
    part = max((rows[one] for one in job.inputs.parts(SPLIT, rows)), key=lambda one: job.inputs.tokens(SPLIT, one)[1])
    weights = {value.untyped_storage().data_ptr() for value in job.classifier.parameters()}
    kept: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    job.technique.train_mode(job.classifier)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value), job.autocast():
        logits = job.inputs.logits(job.classifier, SPLIT, part)
        total = sum(kept.values())
    del logits
    return total / job.inputs.tokens(SPLIT, part)[1]


def _seconds_a_number(device: torch.device) -> float:
    """Return what AdamW takes for one number, weight, gradient and moments being too many for the caches."""
    value = torch.nn.Parameter(torch.zeros(NUMBERS, device=device))
    value.grad = torch.ones_like(value)
    optimizer = torch.optim.AdamW([value], fused=True)
    return _seconds(optimizer.step, device) / NUMBERS


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    """Return the median time of a call, after one that is not counted."""
    times: list[float] = []
    for _ in range(MOST + 1):
        begun = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
        if len(times) > 1 and sum(times[1:]) >= ENOUGH:
            break
    return statistics.median(times[1:])
