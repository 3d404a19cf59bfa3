"""Whether what lies below the lowest trained layer can be computed once for all steps, and doing so."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuneoff.models.activation_cache import Cost
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.depth import (
    caught_inputs,
    caught_outputs,
    drop_below,
    final_norm,
    layer_list,
    lowest_layer,
    output_form,
    replace_input,
)
from tuneoff.models.mapped_file import Put
from tuneoff.techniques.base import Technique
from tuneoff.training.build import Ancestor, trainable
from tuneoff.training.device import autocast
from tuneoff.training.hidden_inputs import HiddenInputs, attended, compute_hidden
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.order import Rows
from tuneoff.training.workplace import Workplace

TOLERANCE = 1e-5  # of the largest number; both ways make the same products, so they differ by rounding at most


def fixed_layers(technique: Technique, classifier: TextClassifier) -> int:
    """Return how many of the lowest layers are the same function of each text all through a stage; often 0.

    `classifier` is one that the technique was applied to; it may be on the meta device. A technique that looks at the
    classifier by `data_pass` or `after_step` is given the whole of it.
    """
    looks = type(technique).data_pass is not Technique.data_pass
    looks = looks or type(technique).after_step is not Technique.after_step
    if classifier.depends_on_batch or looks or technique.gradient_free:
        return 0
    return lowest_layer(classifier, trainable(classifier))


def reuse_hidden(
    place: Workplace,
    technique: Technique,
    classifier: TextClassifier,
    texts: TokenInputs,
    ancestors: Sequence[Ancestor],
) -> HiddenInputs | None:
    """Return inputs that begin at the lowest trained layer, and take what is below it out of the classifier.

    What is below is computed where nobody did so before. None, and the classifier as it was, where it cannot be
    computed once: nothing is below, or it changes from step to step, or the architecture cannot be cut there, or the
    cache cannot hold it.
    """
    layer = fixed_layers(technique, classifier)
    if layer == 0 or not _below_is_quiet(technique, classifier, layer):
        return None
    context = autocast(place.accelerator.device, place.precision)
    with context():
        cut = find_cut(classifier, texts, layer)
    if cut is None:
        return None

    def compute(put: Put) -> Cost:
        begun = time.perf_counter()
        with context():
            tokens = compute_hidden(classifier, texts, layer, cut.form, put, place.progress)
        return Cost(0.0, place.tokenize_seconds, time.perf_counter() - begun, tokens)

    before = [one for one in ancestors if lowest_layer(classifier, one.names) < layer]
    shapes = {split: (int(lengths.sum()), cut.width) for split, lengths in texts.lengths.items()}
    states = place.hidden(layer, before, shapes, cut.dtype, compute)
    if states is None:
        return None
    drop_below(classifier, layer, cut.form)
    layers = layer_list(classifier.backbone)
    assert layers is not None
    return HiddenInputs(texts, states, layers[1][layer])


@dataclass(frozen=True)
class Cut:
    """Where a classifier can be begun: a layer, the size and type of what it is given, and how layers hand it on."""

    layer: int
    width: int
    dtype: torch.dtype
    form: int | None


def find_cut(classifier: TextClassifier, texts: TokenInputs, layer: int) -> Cut | None:
    """Return how to begin a classifier at a layer, if that gives what the whole gives; tried on two texts of train.

    The classifier is in evaluation mode. Not every architecture can be cut: the first layer may give later ones more
    than hidden states (T5's positions), or something trained may reach the layers below by another way.
    """
    found = layer_list(classifier.backbone)
    assert found is not None
    layers = found[1]
    lengths = texts.lengths["train"]
    by_length = np.argsort(lengths, kind="stable")
    rows: Rows = np.unique(by_length[[0, len(by_length) // 2]]).astype(np.int64)
    with caught_inputs(layers[layer]) as given, caught_outputs(layers[layer - 1]) as handed:
        whole = _top(classifier, texts, layers[-1], rows)
    if len(given) != 1 or given[0].requires_grad or given[0].ndim != 3:
        return None
    hidden = given[0].detach()
    cut = Cut(layer, hidden.shape[-1], hidden.dtype, output_form(handed[0]))
    where = attended(hidden.shape, lengths[rows]).to(hidden.device)
    undo = drop_below(classifier, layer, cut.form)
    hook = replace_input(layers[layer], lambda _: hidden.masked_fill(~where[..., None], 0))
    try:
        begun = _top(classifier, texts, layers[-1], rows)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return None  # the architecture reads more of its layers, or of its table, than what they return
    finally:
        hook.remove()
        undo()
    apart = (whole - begun)[where].abs().max() if whole.shape == begun.shape else torch.tensor(torch.inf)
    return cut if bool(apart <= TOLERANCE * whole[where].abs().max()) else None


def _top(classifier: TextClassifier, texts: TokenInputs, last: torch.nn.Module, rows: Rows) -> Tensor:
    """Return what the last layer gives, [B, T, H]; with gradients on, so that what is trained can be seen in inputs."""
    with caught_outputs(last) as outputs:
        texts.logits(classifier, "train", rows)
    output: Any = outputs[-1]
    top: Tensor = output[0] if isinstance(output, tuple) else output
    return top.detach()


def _below_is_quiet(technique: Technique, classifier: TextClassifier, layer: int) -> bool:
    """Return whether a technique trains with everything below a layer in evaluation mode: no dropout there."""
    found, norm = layer_list(classifier.backbone), final_norm(classifier.backbone)
    assert found is not None
    above = [*found[1][layer:], *([norm[1]] if norm else []), *([classifier.head] if classifier.head else [])]
    loud_above = {id(module) for part in above for module in part.modules()}
    technique.train_mode(classifier)
    loud = {id(module) for module in classifier.modules() if module.training}
    classifier.eval()
    return loud <= loud_above
