"""From a trained classifier to a plain model of transformers with the same weights, adapters merged."""

import copy
from typing import TYPE_CHECKING, Any

from tuneoff.exporting.form import Form, NotExportableError, has_adapter
from tuneoff.trained import TrainedClassifier

if TYPE_CHECKING:
    import torch


def labelled_config(trained: TrainedClassifier, form: Form, pad_id: int) -> Any:
    """Return a copy of the model's config with the names of the labels, and the padding that the class looks for."""
    config: Any = copy.deepcopy(trained.model.config)
    config.id2label = dict(enumerate(trained.classes))
    config.label2id = {name: number for number, name in enumerate(trained.classes)}
    config.problem_type = "single_label_classification"
    if form.classifies and trained.model.is_decoder:
        config.pad_token_id = pad_id
    return config


def plain_model(trained: TrainedClassifier, form: Form, pad_id: int) -> Any:
    """Return transformers' own model of a form, with the classifier's weights; an adapter of it is merged for good.

    Raises NotExportableError where the class has other weights than the classifier.
    """
    import torch
    import transformers

    from tuneoff.models import backbones

    merge(trained)
    config = labelled_config(trained, form, pad_id)
    auto = getattr(transformers, form.loader)
    extra = {} if form.classifies else backbones.auto_class(trained.model)[1]
    with torch.device("meta"), backbones.quiet(), backbones.random_state_kept():
        model = backbones.from_config(auto, config, trained.model, **extra)
    weights = dict(trained.classifier.backbone.state_dict())
    if form.classifies and trained.classifier.head is not None:
        weights = {f"{model.base_model_prefix}.{name}": value for name, value in weights.items()}
        weights |= head_weights(trained, model)
    problems = model.load_state_dict(weights, strict=False, assign=True)
    if odd := [*problems.missing_keys, *problems.unexpected_keys]:
        raise NotExportableError(f"{type(model).__name__} has other weights than the trained model ({odd[0]} ...).")
    return model.eval()


def head_weights(trained: TrainedClassifier, model: Any) -> dict[str, "torch.Tensor"]:
    """Return the linear head's weight under the name that the class for classification has for it.

    Raises NotExportableError where the class has another head than one linear layer of this shape.
    """
    import torch

    from tuneoff.models.backbones import own_modules

    assert isinstance(trained.classifier.head, torch.nn.Linear)
    weight = trained.classifier.head.weight.detach()
    own = own_modules(model)
    names = [name for name, module in model.named_children() if any(module is one for one in own)]
    only = own[0] if len(own) == 1 else None
    if not isinstance(only, torch.nn.Linear) or only.weight.shape != weight.shape:
        raise NotExportableError(f"{type(model).__name__} has another head than one linear layer.")
    found = {f"{names[0]}.weight": weight}
    if only.bias is not None:
        found[f"{names[0]}.bias"] = torch.zeros(len(weight), dtype=weight.dtype)
    return found


def merge(trained: TrainedClassifier) -> None:
    """Fold an adapter into the backbone's own weights; nothing happens where there is none, or not any more."""
    import torch

    if has_adapter(trained):
        with torch.no_grad():
            trained.technique.merge(trained.classifier)
        if has_adapter(trained):
            raise NotExportableError(f"{trained.technique.name} cannot be merged into its base.")
