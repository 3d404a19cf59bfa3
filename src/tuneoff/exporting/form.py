"""What an exported folder can hold: a class that gives the logits itself or a bare model, whole or as an adapter."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneoff.errors import ModelError
from tuneoff.trained import TrainedClassifier

if TYPE_CHECKING:
    from tuneoff.training.build import Ancestor

POOLINGS = {
    "mean": "the mean of its last hidden states",
    "first": "the last hidden state of its first token",
    "last": "the last hidden state of its last token",
}


class NotExportableError(ModelError):
    """A form that does not fit a classifier; the message is a sentence that says why."""


@dataclass(frozen=True)
class Form:
    """What a folder holds.

    `classifies`: the class that loads it gives the logits; else it is a bare model, and the head lies beside it.
    `adapter`: the weights are an adapter's, and the base is loaded from elsewhere. `bare` is transformers' auto class
    of the bare model.
    """

    classifies: bool
    adapter: bool
    bare: str

    @property
    def library(self) -> str:
        """The library whose class loads the folder."""
        return "peft" if self.adapter else "transformers"

    @property
    def loader(self) -> str:
        """The class that loads the folder."""
        if self.adapter:
            return f"AutoPeftModelFor{'SequenceClassification' if self.classifies else 'FeatureExtraction'}"
        return "AutoModelForSequenceClassification" if self.classifies else self.bare


@dataclass(frozen=True)
class Forms:
    """The forms that may fit a classifier, the best first, and why better ones do not."""

    possible: list[Form]
    reasons: list[str]


def forms(trained: TrainedClassifier, *, merge: bool) -> Forms:
    """Return the forms that may fit, the best first: a class that classifies, an adapter if it was trained as one.

    With `merge` no adapter is among them. Raises NotExportableError where none can fit.
    """
    _check_exportable(trained)
    bare = "AutoModelForTextEncoding" if trained.model.config.is_encoder_decoder else "AutoModel"
    no_class = why_no_class(trained)
    if trained.model.load:
        return _forms_in_4bit(trained, no_class, bare, merge=merge)
    no_adapter = why_no_adapter(trained)
    adapter = has_adapter(trained) and not merge and no_adapter is None
    kinds = [classifies for classifies in (True, False) if not (classifies and no_class)]
    if trained.model.head == "native":
        kinds = [True]
    reasons = [no_class] if no_class else []
    if no_adapter and has_adapter(trained) and not merge:
        reasons.append(no_adapter)
    if has_adapter(trained) and (reason := trained.technique.ends_a_chain) is not None:
        if not adapter:
            raise NotExportableError(f"{trained.technique.name} cannot be merged into its base, {reason}.")
        return Forms([Form(kind, True, bare) for kind in kinds], reasons)
    whole = [Form(kind, False, bare) for kind in kinds]
    return Forms([*(Form(kind, True, bare) for kind in kinds if adapter), *whole], reasons)


def _forms_in_4bit(trained: TrainedClassifier, no_class: str | None, bare: str, *, merge: bool) -> Forms:
    """Return the forms of a classifier whose base is in 4 bits: an adapter's, since the base is written nowhere."""
    what = f"model '{trained.model.source}' was trained in 4 bits"
    if merge:
        raise NotExportableError(f"{what}: folding an adapter into such weights rounds it away; leave --merge out.")
    if not has_adapter(trained):
        raise NotExportableError(
            f"{what}, and {trained.technique.name} leaves no adapter: a folder of the whole model would be one in 4 "
            "bits, which is not written. Use `tuneoff predict`."
        )
    if reason := why_no_adapter(trained):
        raise NotExportableError(f"{what}, so the adapter is written by itself or not at all. {reason}")
    kinds = [True] if trained.model.head == "native" else [kind for kind in (True, False) if not (kind and no_class)]
    note = (
        "The base is loaded in 4 bits (nf4, double quantisation), as it was in training: this needs bitsandbytes. On a "
        "base in full precision the adapter gives other logits."
    )
    return Forms([Form(kind, True, bare) for kind in kinds], [*([no_class] if no_class else []), note])


def has_adapter(trained: TrainedClassifier) -> bool:
    """Return whether the last stage's weights stand in the backbone as one of peft's adapters."""
    return bool(getattr(trained.classifier.backbone, "peft_config", None))


def why_no_form(trained: TrainedClassifier) -> str | None:
    """Return why neither transformers nor peft has a folder for what a technique made; None where one may have."""
    from torch import nn

    if trained.technique.reads_pairs:
        return "its head takes the vectors of two texts that are read each by itself"
    if not isinstance(trained.classifier.head, nn.Linear | None):
        return "rows of train stand in the place of a head"
    if trained.classifier.virtual_tokens:
        return "its virtual tokens are kept as peft has them, but no folder of peft's is written for them yet"
    return None


def why_no_class(trained: TrainedClassifier) -> str | None:
    """Return why no class of transformers computes the same logits as the classifier; None where one may."""
    from transformers import AutoModelForSequenceClassification

    from tuneoff.exporting.tokenizer import padding_token

    model = trained.model
    if model.head == "native":
        return None
    if not model.is_decoder or model.pooling != "last":
        return (
            "No class of transformers computes these logits: the head is one linear layer without bias on "
            f"{POOLINGS[model.pooling]}, and the classes for classification have other heads for this model."
        )
    if type(model.config) not in AutoModelForSequenceClassification._model_mapping:
        return f"transformers has no class that classifies with a model of the type {model.config.model_type}."
    try:
        padding_token(model)
    except ModelError as error:
        return f"transformers' class finds a text's last token by the padding token, and none is free: {error}"
    return None


def why_no_adapter(trained: TrainedClassifier) -> str | None:
    """Return why a trained adapter has to be merged into its base; None where it may stand alone."""
    config = trained.model.config
    if config.is_encoder_decoder:
        return "The adapter is merged: peft's class would load the decoder, too, of which only the encoder is used."
    if trained.model.adapter is not None:
        return (
            "The adapter is merged: the run started from another one, merged into its base, which is nowhere by itself."
        )
    earlier = [stage for stage in trained.stages[:-1] if changes_backbone(trained, stage)]
    if earlier:
        names = " and ".join(stage.spec.technique for stage in earlier)
        return (
            f"The adapter is merged: it was trained over a base that {names} had changed before, so it would need that "
            "base beside it."
        )
    return None


def changes_backbone(trained: TrainedClassifier, stage: "Ancestor") -> bool:
    """Return whether a stage trained more than the head."""
    return not set(stage.names) <= trained.classifier.head_parameters().keys()


def _check_exportable(trained: TrainedClassifier) -> None:
    if trained.classifier.depends_on_batch:
        raise NotExportableError(
            f"model '{trained.model.source}': `pooling: misindexed` makes a text's logits depend on its batch; it is "
            "there to replicate an experiment, and is not exported."
        )
    if reason := why_no_form(trained):
        raise NotExportableError(f"{trained.technique.name} is not exported: {reason}.")
    if trained.model.trust_remote_code:
        raise NotExportableError(
            f"model '{trained.model.source}' comes with code of its own, which is not copied, so it is not exported."
        )
