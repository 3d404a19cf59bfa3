"""From a planned stage to a classifier that starts where its parents ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tuneoff.errors import MisfitError, ModelError, StoreError
from tuneoff.models.backbones import head_modules, numbered
from tuneoff.models.classifier import TextClassifier, build_meta, init_head, load_classifier
from tuneoff.models.quantised import count_to_quantise, numel
from tuneoff.models.resolve import ResolvedModel
from tuneoff.techniques import get
from tuneoff.techniques.base import Technique
from tuneoff.techniques.composition import StageSpec

HEAD = "head."  # begins the names of our head's parameters


@dataclass(frozen=True)
class Ancestor:
    """A stage that ended before the one to build: what it was, its key, and the file with the weights it trained."""

    spec: StageSpec
    key: str
    weights: Path

    @property
    def names(self) -> list[str]:
        """The names of the parameters that it trained."""
        with safe_open(self.weights, framework="pt") as file:
            return list(file.keys())

    @property
    def changes_backbone(self) -> bool:
        """Whether it trained more than our head."""
        return any(not name.startswith(HEAD) for name in self.names)


def make_technique(spec: StageSpec) -> Technique:
    """Return a stage's technique with its settings."""
    return get(spec.technique)(spec.settings)


@contextmanager
def fitting(spec: StageSpec, model: ResolvedModel) -> Iterator[None]:
    """Say of a ModelError which stage of the study it is about, and which model: of one technique there may be many."""
    try:
        yield
    except MisfitError:
        raise
    except ModelError as error:
        why = str(error).removeprefix(f"{spec.technique}: ")
        raise MisfitError(spec.chain, f"technique '{spec.chain}' on {model.name}: {why}") from error


def trainable(classifier: TextClassifier) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that a technique has made trainable, by name."""
    return {name: value for name, value in classifier.named_parameters() if value.requires_grad}


def build_classifier(
    model: ResolvedModel,
    classes: Sequence[str],
    ancestors: Sequence[Ancestor],
    device: torch.device,
    head_seed: int,
) -> TextClassifier:
    """Return the pre-trained classifier with all ancestors' weights in place, nothing trainable yet.

    The head is initialised from `head_seed`; an ancestor that trained it overwrites it.
    """
    classifier = load_classifier(model, classes, device=device)
    init_head(classifier, head_seed)
    for ancestor in ancestors:
        put_back(classifier, ancestor).merge(classifier)
    classifier.eval()
    return classifier.requires_grad_(False)


def put_back(classifier: TextClassifier, stage: Ancestor) -> Technique:
    """Apply a finished stage's technique to a classifier that stands where the stage began, and load what it trained.

    Returns the technique; what it added to the backbone is not merged.
    """
    technique = make_technique(stage.spec)
    with torch.random.fork_rng():
        technique.apply(classifier)
    load_trained(classifier, stage.weights)
    return technique


def build_head_only(
    model: ResolvedModel, classes: Sequence[str], ancestors: Sequence[Ancestor], device: torch.device, head_seed: int
) -> TextClassifier:
    """Return a classifier whose backbone has shapes but no numbers, for stages that train on vectors computed once."""
    classifier = build_meta(model, len(classes))
    assert isinstance(classifier.head, torch.nn.Linear)
    classifier.head.to_empty(device=device)
    init_head(classifier, head_seed)
    for ancestor in ancestors:
        weight = load_file(ancestor.weights, device=str(device)).get("head.weight")
        if weight is not None:
            with torch.no_grad():
                classifier.head.weight.copy_(weight)
    return classifier


def load_trained(classifier: TextClassifier, path: Path) -> None:
    """Copy a stage's trained weights into a classifier that the same technique was applied to, and to nothing else.

    Raises StoreError if the file does not hold exactly the parameters that are trainable.
    """
    weights = load_file(path)
    expected = trainable(classifier)
    if weights.keys() != expected.keys():
        odd = sorted(weights.keys() ^ expected.keys())
        raise StoreError(f"{path}: not the weights that this stage trains ({odd[0]} ...); delete its folder to redo it")
    for name, parameter in expected.items():
        put(parameter, weights[name])


def put(parameter: torch.nn.Parameter, value: torch.Tensor) -> None:
    """Give a parameter some numbers.

    One without any takes them in whatever shape: it stands for rows of train, whose number is known when it is fitted.
    """
    if parameter.numel() == 0:
        parameter.data = value.to(parameter.device, parameter.dtype, copy=True)
        return
    with torch.no_grad():
        parameter.copy_(value)


def apply_technique(
    technique: Technique, classifier: TextClassifier, seed: int, batches: Iterable[Mapping[str, torch.Tensor]] = ()
) -> dict[str, torch.nn.Parameter]:
    """Apply a technique and let it look at the training batches, its random numbers drawn from `seed`.

    Returns what it made trainable.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        technique.apply(classifier)
        technique.data_pass(classifier, batches)
    _check_vectors(technique, classifier)
    return trainable(classifier)


def sketch(technique: Technique, model: ResolvedModel, n_classes: int) -> TextClassifier:
    """Return a classifier without numbers, on the meta device, with a technique applied: for names and counts."""
    classifier = build_meta(model, n_classes)
    with torch.random.fork_rng():
        technique.apply(classifier)
    _check_vectors(technique, classifier)
    return classifier


def _check_vectors(technique: Technique, classifier: TextClassifier) -> None:
    """Raise ModelError where a technique that fits the head has no vectors to fit it on."""
    without = classifier.head is None or classifier.depends_on_batch
    if (technique.fits_head and without) or (technique.gradient_free and not trains_head_alone(classifier)):
        raise ModelError(
            f"{technique.name} is fitted on vectors, one a text, and there are none with `head: native` or "
            "`pooling: misindexed`: use `head: linear` and another pooling."
        )


def trains_head_alone(classifier: TextClassifier) -> bool:
    """Return whether vectors computed once are all that training needs: it trains our head and nothing below."""
    if classifier.head is None or classifier.depends_on_batch:
        return False
    return trainable(classifier).keys() <= classifier.head_parameters().keys()


def count_quantised(model: ResolvedModel, n_classes: int) -> int:
    """Return how many of a classifier's numbers are held in 4 bits: those of the backbone's linear layers, or none."""
    if not model.load:
        return 0
    skipped = head_modules(model, numbered(n_classes))
    return count_to_quantise(build_meta(model, n_classes).backbone, skipped)


def count_parameters(classifier: TextClassifier) -> dict[str, int]:
    """Return trained and total parameters of a classifier that a technique was applied to, whatever bits they take.

    `total_peft` is as peft counts a sequence classifier: with a frozen copy of the head beside the trained one.
    """
    total = sum(numel(value) for value in classifier.parameters())
    trained = sum(value.numel() for value in classifier.parameters() if value.requires_grad)
    counts = {"trained": trained, "total": total}
    if any(".lora_" in name for name, _ in classifier.named_parameters()):
        counts["total_peft"] = total + sum(value.numel() for value in classifier.head_parameters().values())
    return counts
