"""From a classifier with one of peft's adapters in its backbone to peft's own model of the untouched base."""

import copy
from typing import TYPE_CHECKING, Any

from tuneoff.exporting.form import Form, NotExportableError
from tuneoff.trained import TrainedClassifier

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER = "default"  # peft's name for an only adapter
OF_PEFT = "base_model.model."  # what peft puts before the names of the model that it wraps
SAVED = f"modules_to_save.{ADAPTER}."
SHOWN = 1e-4


def adapter_model(trained: TrainedClassifier, form: Form, base: str, settings: dict[str, Any]) -> Any:
    """Return peft's model: the pre-trained base as it is loaded from its files, with the trained adapter and head.

    `base` is where an outsider loads the base from, `settings` how. Any type of adapter that peft knows will do. Raises
    NotExportableError where peft's model is not made of the same weights.
    """
    import peft

    from tuneoff.models import backbones

    backbone: Any = trained.classifier.backbone
    if set(backbone.peft_config) != {ADAPTER}:
        raise NotExportableError("The adapter is merged: it stands in the model under a name that peft's loader drops.")
    config: Any = copy.deepcopy(backbone.peft_config[ADAPTER])
    config.task_type = "SEQ_CLS" if form.classifies else "FEATURE_EXTRACTION"
    config.base_model_name_or_path, config.revision = base, trained.model.revision
    plain = plain_base(trained, form, settings)
    prefix = ""
    if form.classifies:
        config.modules_to_save = head_names(plain)
        prefix = "" if trained.classifier.head is None else f"{plain.base_model_prefix}."
    _reach(config, prefix)
    wrapper = peft.PeftModelForSequenceClassification if form.classifies else peft.PeftModelForFeatureExtraction
    try:
        with backbones.quiet(), backbones.random_state_kept():
            model = wrapper(plain, config).eval()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotExportableError(f"The adapter is merged: peft cannot put it on the plain class ({error}).") from error
    _fill(model, trained, prefix)
    return model


def plain_base(trained: TrainedClassifier, form: Form, settings: dict[str, Any]) -> Any:
    """Return the pre-trained model as an outsider's class loads it."""
    import transformers

    from tuneoff.models import backbones

    auto = getattr(transformers, "AutoModelForSequenceClassification" if form.classifies else form.bare)
    with backbones.quiet(), backbones.random_state_kept():
        return auto.from_pretrained(trained.model.path, use_safetensors=True, local_files_only=True, **settings)


def head_names(plain: Any) -> list[str]:
    """Return the names of the modules that a class for classification adds to its base model."""
    from tuneoff.models.backbones import own_modules

    own = own_modules(plain)
    return [name for name, module in plain.named_children() if any(module is one for one in own)]


def _reach(config: Any, prefix: str) -> None:
    """Let patterns of layers' names, which peft matches as a whole, allow for what stands before them in the class."""
    for field in ("target_modules", "exclude_modules", "feedforward_modules"):
        pattern = getattr(config, field, None)
        if prefix and isinstance(pattern, str) and pattern != "all-linear":
            setattr(config, field, f"(?:{prefix[:-1]}\\.)?(?:{pattern})")


def _fill(model: Any, trained: TrainedClassifier, prefix: str) -> None:
    """Copy the adapter and the head into peft's model, and see that all else is the base as it was pre-trained."""
    import torch

    own = {name: value.detach() for name, value in trained.classifier.backbone.state_dict().items()}
    head = trained.classifier.head
    copied: set[str] = set()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            inner = name.removeprefix(OF_PEFT)
            if ".original_module." in inner:
                continue
            if SAVED in inner:
                key = inner.replace(SAVED, "")
                if head is None:
                    value.copy_(own[key])
                elif key.endswith(".bias"):
                    value.zero_()
                else:
                    assert isinstance(head, torch.nn.Linear)
                    _copy(value, head.weight, key)
                continue
            key = inner.removeprefix(prefix)
            if key not in own:
                _check_unread(key, inner, prefix)
            elif f".{ADAPTER}" in key:
                _copy(value, own[key], key)
                copied.add(key)
            elif not _alike(value, own[key]):
                raise NotExportableError(
                    f"The adapter is merged: beside it the base's own weights were changed ({key} ...)."
                )
    if left := [key for key in own if f".{ADAPTER}" in key and key not in copied]:
        raise NotExportableError(f"The adapter is merged: peft's class has no place for {left[0]}.")


def _alike(value: "Tensor", own: "Tensor") -> bool:
    """Return whether two weights are the same but for rounding; those in 4 bits are packed into whole numbers."""
    import torch

    if not own.is_floating_point():
        return torch.equal(value, own)
    return torch.allclose(value, own, rtol=SHOWN, atol=SHOWN * float(own.abs().max()))


def _check_unread(key: str, inner: str, prefix: str) -> None:
    """Raise for a part of peft's model that the classifier lacks, but for poolers, and what peft shares by itself."""
    if "pooler" in key.split(".") or (prefix and not inner.startswith(prefix)) or inner.startswith("base_model."):
        return
    raise NotExportableError(f"The adapter is merged: peft's class has a part that was not trained ({key}).")


def _copy(target: "Tensor", source: "Tensor", key: str) -> None:
    if target.shape != source.shape:
        raise NotExportableError(f"The adapter is merged: peft's class makes {key} in another shape.")
    target.copy_(source)
