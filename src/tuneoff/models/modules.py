"""Which modules of a backbone a technique may take hold of: linear layers, normalizations, the parts of a layer."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from torch import nn
from transformers.pytorch_utils import Conv1D

from tuneoff.errors import ModelError
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.depth import layer_list, top_layers

# What architectures call the projections of keys and values, and the layer that leads out of the feed-forward part.
_KEY_VALUE = (
    ("k_proj", "v_proj"),
    ("key", "value"),
    ("k_lin", "v_lin"),
    ("key_proj", "value_proj"),
    ("k_head", "v_head"),
    ("k", "v"),
)
_FUSED = ("query_key_value", "qkv_proj", "c_attn", "Wqkv", "qkv", "att_proj", "in_proj")
_FEED_FORWARD_OUT = (
    *("down_proj", "output.dense", "lin2", "mlp.c_proj", "fc2", "dense_4h_to_h", "fc_out", "w2", "wo"),
    *("mlp.Wo", "layer_2"),
)
_OF_ATTENTION = ("attention.", "attn.", "SelfAttention.")


def linear_layers(classifier: TextClassifier) -> dict[str, nn.Module]:
    """Return the backbone's linear layers by name (GPT-2's Conv1D is one), those of a head aside."""
    return {name: module for name, module in outside_head(classifier).items() if isinstance(module, nn.Linear | Conv1D)}


def norm_layers(classifier: TextClassifier) -> dict[str, nn.Module]:
    """Return the backbone's normalizations that have weights, by name: LayerNorm, RMSNorm and their kin."""
    return {
        name: module
        for name, module in outside_head(classifier).items()
        if "norm" in type(module).__name__.lower() and list(module.parameters(recurse=False))
    }


def key_value_names(names: Collection[str]) -> list[str]:
    """Return those of some layers' names that project to keys and values, or to these and queries together."""
    for wanted in (*_KEY_VALUE, *((one,) for one in _FUSED)):
        found = [[name for name in names if _ends(name, [one])] for one in wanted]
        if all(found):
            return sorted(name for some in found for name in some)
    return []


def feed_forward_names(names: Collection[str]) -> list[str]:
    """Return those of some layers' names that lead out of a feed-forward part."""
    for one in _FEED_FORWARD_OUT:
        found = [name for name in names if _ends(name, [one]) and not any(part in name for part in _OF_ATTENTION)]
        if found:
            return sorted(found)
    return []


def chosen_layers(
    classifier: TextClassifier, wanted: Sequence[str] | None, top: int | None, technique: str
) -> dict[str, nn.Module]:
    """Return linear layers of the backbone by name: those whose names end with one of `wanted` (all if None).

    `top` takes those in so many of the last transformer layers alone. Raises ModelError, naming the technique and the
    linear layers that there are, where one of `wanted` names none.
    """
    found = linear_layers(classifier)
    known = ", ".join(last_names(found))
    if wanted is not None:
        if unknown := [one for one in wanted if not any(_ends(name, [one]) for name in found)]:
            raise ModelError(f"{technique}: target_modules {unknown} do not fit; the linear layers are {known}")
        found = {name: module for name, module in found.items() if _ends(name, wanted)}
    found = only_top(classifier, found, top, technique)
    if not found:
        raise ModelError(f"{technique}: no layer is left to put an adapter on; the linear layers are {known}")
    return found


def only_top(
    classifier: TextClassifier, modules: Mapping[str, nn.Module], top: int | None, technique: str
) -> dict[str, nn.Module]:
    """Return those of some modules that are in the last `top` transformer layers (all, if it is None).

    Raises ModelError, naming the technique, where the model has fewer layers.
    """
    if top is None:
        return dict(modules)
    numbers = list(top_layers(classifier.backbone, top, technique))
    layers = layer_list(classifier.backbone)
    assert layers is not None
    inside = tuple(f"{layers[0]}.{number}." for number in numbers)
    return {name: module for name, module in modules.items() if name.startswith(inside)}


def last_names(names: Iterable[str]) -> list[str]:
    """Return the distinct last parts of some modules' names, sorted."""
    return sorted({name.rpartition(".")[2] for name in names})


def sizes(layer: nn.Module) -> tuple[int, int]:
    """Return how many numbers a linear layer takes and gives."""
    if isinstance(layer, Conv1D):
        taken, given = layer.weight.shape
        return taken, given
    assert isinstance(layer, nn.Linear)
    return layer.in_features, layer.out_features


def smaller_side(layer: nn.Module) -> int:
    """Return how many rows or columns a layer's matrix has, whichever are fewer: the highest rank that it can have."""
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    return min(len(weight), weight[0].numel())


def block_size(numbers: Iterable[int], asked: int | None, at_most: int, technique: str) -> int:
    """Return the size of the blocks that some layers' inputs or outputs are cut into: the one asked for, if they fit.

    Otherwise the largest up to a limit that divides all these numbers, even where there is an even one. Raises
    ModelError, naming the technique, where the size asked for leaves a rest.
    """
    numbers = sorted(set(numbers))
    if asked is not None:
        if any(number % asked for number in numbers):
            raise ModelError(
                f"{technique}: {asked} does not divide all of {numbers}, which its layers have: choose another"
            )
        return asked
    shared = math.gcd(*numbers)
    divisors = [one for one in range(1, min(at_most, shared) + 1) if shared % one == 0]
    return max([one for one in divisors if one % 2 == 0] or divisors)


def _ends(name: str, wanted: Iterable[str]) -> bool:
    """Return whether a module's name is one of some names, or ends with one, in whole parts."""
    return any(name == one or name.endswith(f".{one}") for one in wanted)


def outside_head(classifier: TextClassifier) -> dict[str, nn.Module]:
    """Return the modules of the backbone by name, but those that hold parameters of the head themselves."""
    head = {id(value) for value in classifier.head_parameters().values()}
    return {
        name: module
        for name, module in classifier.backbone.named_modules()
        if name and not any(id(value) in head for value in module.parameters(recurse=False))
    }
