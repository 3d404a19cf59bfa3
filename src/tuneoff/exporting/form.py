"""What an exported folder can hold: a class that gives the logits itself or a bare model, whole or as an adapter."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneoff.errors import ModelError
from tuneoff.trained import TrainedClassifier

if TYPE_CHECKING:
    from tuneoff.training.build import Ancestor

BASE = "base"  # the folder of a base that lies beside its adapter
POOLINGS = {
    "mean": "the mean of its last hidden states",
    "first": "the last hidden state of its first token",
    "last": "the last hidden state of its last token",
}


IN_4BIT = (
    "The base is loaded in 4 bits (nf4, double quantisation), as it was in training: this needs bitsandbytes. On a "
    "base in full precision the adapter gives other logits."
)


class NotExportableError(ModelError):
    """A form that does not fit a classifier; the message is a sentence that says why."""


@dataclass(frozen=True)
class Form:
    """What a folder holds.

    `classifies`: the class that loads it gives the logits; else it is a bare model, and the head lies beside it.
    `adapter`: the weights are an adapter's, and the base is loaded from elsewhere, or, `beside`, from the folder BASE
    in this one. `bare` is transformers' auto class of the bare model.
    """

    classifies: bool
    adapter: bool
    bare: str
    beside: bool = False

    @property
    def base(self) -> "Form":
        """The form of an adapter's base."""
        return Form(self.classifies, False, self.bare)

    @property
    def library(self) -> str:
        """The library whose class loads the folder."""
        return "peft" if self.adapter else "transformers"

    @property
    def loader(self) -> str:
        """The class that loads the folder."""
        if self.beside:
            return "PeftModel"
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
    _check_exportable(trained, merge=merge)
    bare = "AutoModelForTextEncoding" if trained.model.config.is_encoder_decoder else "AutoModel"
    no_class = why_no_class(trained)
    if trained.classifier.virtual_tokens:
        return _forms_of_virtual_tokens(trained, no_class, bare)
    if trained.model.load:
        return _forms_in_4bit(trained, no_class, bare, merge=merge)
    moved = why_no_base(trained)
    no_adapter = f"The adapter is merged: {moved}." if moved else None
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
    if reason := why_no_base(trained):
        raise NotExportableError(f"{what}, so the adapter is written by itself or not at all, but {reason}.")
    kinds = [True] if trained.model.head == "native" else [kind for kind in (True, False) if not (kind and no_class)]
    return Forms([Form(kind, True, bare) for kind in kinds], [*([no_class] if no_class else []), IN_4BIT])


def _forms_of_virtual_tokens(trained: TrainedClassifier, no_class: str | None, bare: str) -> Forms:
    """Return the forms of a classifier whose virtual tokens stand beside a text's own: peft's folder in any case."""
    reasons = [no_class] if no_class else []
    moved = why_no_base(trained)
    if trained.model.load:
        if moved:
            raise NotExportableError(
                f"model '{trained.model.source}' was trained in 4 bits, so its virtual tokens are written by "
                f"themselves or not at all, but {moved}."
            )
        reasons.append(IN_4BIT)
    elif moved:
        reasons.append(f"The base is written too, in the folder {BASE}: {moved}.")
    return Forms(
        [Form(kind, True, bare, moved is not None) for kind in (True, False) if not (kind and no_class)], reasons
    )


def has_adapter(trained: TrainedClassifier) -> bool:
    """Return whether the last stage's weights stand in the backbone as one of peft's adapters."""
    return bool(getattr(trained.classifier.backbone, "peft_config", None))


def has_neighbours(trained: TrainedClassifier) -> bool:
    """Return whether rows of train vote in the place of a head."""
    from tuneoff.models.neighbours import Neighbours

    return isinstance(trained.classifier.head, Neighbours)


def is_prefix(trained: TrainedClassifier) -> bool:
    """Return whether the virtual tokens are keys and values of every layer, not inputs."""
    from peft.tuners.prefix_tuning import PrefixEncoder

    return isinstance(trained.classifier.prompt, PrefixEncoder)


def why_no_class(trained: TrainedClassifier) -> str | None:
    """Return why no class of transformers computes the same logits as the classifier; None where one may."""
    from transformers import AutoModelForSequenceClassification

    from tuneoff.exporting.tokenizer import padding_token

    model, classifier = trained.model, trained.classifier
    if model.head == "native":
        return None
    if has_neighbours(trained):
        return "No class of transformers lets rows of train vote in the place of a head."
    if trained.technique.reads_pairs:
        return "No class of transformers reads the two texts of a row each by itself and classifies their vectors."
    if not model.is_decoder or model.pooling != "last":
        return (
            "No class of transformers computes these logits: the head is one linear layer without bias on "
            f"{POOLINGS[model.pooling]}, and the classes for classification have other heads for this model."
        )
    if type(model.config) not in AutoModelForSequenceClassification._model_mapping:
        return f"transformers has no class that classifies with a model of the type {model.config.model_type}."
    if classifier.virtual_tokens and not is_prefix(trained):
        return (
            "No class of transformers computes these logits: it finds a text's last token by the tokens' numbers, and "
            "peft hands it virtual and real ones as vectors alone, so it would take what stands last, padding included."
        )
    try:
        padding_token(model)
    except ModelError as error:
        return f"transformers' class finds a text's last token by the padding token, and none is free: {error}"
    return None


def why_no_base(trained: TrainedClassifier) -> str | None:
    """Return why an outsider would not find, elsewhere, the base that an adapter was trained over; None where he may.

    It is a clause that follows a colon.
    """
    if trained.model.config.is_encoder_decoder:
        return "peft's class would load the decoder, too, of which only the encoder is used"
    if trained.model.adapter is not None:
        return "the run started from another one, merged into its base, which is nowhere by itself"
    earlier = [stage for stage in trained.stages[:-1] if changes_backbone(trained, stage)]
    if earlier:
        names = " and ".join(stage.spec.technique for stage in earlier)
        return f"{trained.technique.name} was trained over a base that {names} had changed before"
    return None


def changes_backbone(trained: TrainedClassifier, stage: "Ancestor") -> bool:
    """Return whether a stage trained more than the head."""
    return not set(stage.names) <= trained.classifier.head_parameters().keys()


def _check_exportable(trained: TrainedClassifier, *, merge: bool) -> None:
    name = trained.technique.name
    if trained.classifier.depends_on_batch:
        raise NotExportableError(
            f"model '{trained.model.source}': `pooling: misindexed` makes a text's logits depend on its batch; it is "
            "there to replicate an experiment, and is not exported."
        )
    if trained.model.trust_remote_code:
        raise NotExportableError(
            f"model '{trained.model.source}' comes with code of its own, which is not copied, so it is not exported."
        )
    if merge and trained.classifier.virtual_tokens:
        raise NotExportableError(
            f"{name} cannot be merged into its base, {trained.technique.ends_a_chain}: leave --merge out."
        )
    if merge and (trained.technique.reads_pairs or has_neighbours(trained)):
        raise NotExportableError(f"{name} leaves no adapter, so there is nothing to merge: leave --merge out.")
    if is_prefix(trained) and "past_key_values" not in trained.classifier.accepted:
        kind = type(trained.classifier.backbone).__name__
        raise NotExportableError(
            f"{name} is not exported: peft hands a model the keys and values of a prefix as past_key_values, and "
            f"{kind} takes none. Use `tuneoff predict`, or train prompt, which is exported."
        )
