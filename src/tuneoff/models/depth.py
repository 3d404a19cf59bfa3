"""A backbone's layers by depth: which list holds them, which is the lowest trained, and running without those below."""

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tuneoff.errors import ModelError
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.compaction import input_embedding

# What architectures call the normalization of the last layer's output.
_FINAL_NORMS = {"norm", "norm_f", "ln_f", "final_norm", "final_layer_norm", "final_layernorm"}
_FINAL_NORMS |= {"layer_norm", "layernorm", "LayerNorm", "emb_layer_norm_after"}


def layer_list(backbone: nn.Module) -> tuple[str, nn.ModuleList] | None:
    """Return the name and the list of the transformer's layers; None where there is no such list, or more than one.

    It is the list, in no other list, that is as long as the config says the model is deep. Where the config does not
    say, the longest of those whose elements are of one class.
    """
    lists: dict[str, nn.ModuleList] = {}
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in lists):
            lists[name] = module
    config: Any = getattr(backbone, "config", None)
    depth = getattr(config.get_text_config(), "num_hidden_layers", None) if config is not None else None
    if depth is None:
        lists = {name: layers for name, layers in lists.items() if len({type(one) for one in layers}) == 1}
        depth = max(map(len, lists.values()), default=0)
    found = [(name, layers) for name, layers in lists.items() if len(layers) == depth]
    return found[0] if len(found) == 1 else None


def top_layers(backbone: nn.Module, count: int, technique: str) -> dict[int, nn.Module]:
    """Return the last layers by their number; raises ModelError, naming the technique, where there are not so many."""
    found = layer_list(backbone)
    if found is None:
        raise ModelError(
            f"{technique}: which of this model's modules are its layers is not known, so none can be chosen."
        )
    _, layers = found
    if count > len(layers):
        raise ModelError(f"{technique}: layers is {count}, but the model has {len(layers)}: choose fewer.")
    return {number: layers[number] for number in range(len(layers) - count, len(layers))}


def final_norm(backbone: nn.Module) -> tuple[str, nn.Module] | None:
    """Return the name and the module that normalizes the last layer's output; None where the last layer does it."""
    found = layer_list(backbone)
    around = found[0] if found else ""
    while around:
        around = around.rpartition(".")[0]
        owner = backbone.get_submodule(around)
        for name, module in owner.named_children():
            # DeBERTa's has the usual name, but normalizes the positions that all layers read.
            if name in _FINAL_NORMS and not hasattr(owner, "rel_embeddings"):
                return f"{around}.{name}".removeprefix("."), module
    return None


def lowest_layer(classifier: TextClassifier, names: Collection[str]) -> int:
    """Return the lowest layer that has one of these parameters: what is below it is the same whatever they are.

    0 where a parameter may stand before the layers, or where they are not known: then nothing is below. Parameters of
    the final norm and of the head count as the last layer's.
    """
    found, norm = layer_list(classifier.backbone), final_norm(classifier.backbone)
    if found is None:
        return 0
    above = set(classifier.head_parameters())
    if norm:
        above |= {f"backbone.{norm[0]}.{name}" for name, _ in norm[1].named_parameters()}
    path, layers = found
    inside = re.compile(rf"backbone\.{re.escape(path)}\.(\d+)\.")
    lowest = len(layers) - 1
    for name in names:
        if name not in above:
            layer = inside.match(name)
            lowest = min(lowest, int(layer[1]) if layer else 0)
    return max(lowest, 0)


def levels(classifier: TextClassifier, technique: str) -> dict[str, int]:
    """Return how high each parameter stands: 0 before the layers, k in the k-th from below, and above them one more.

    Above are the final norm, the head, and a pooler between them. Raises ModelError, naming the technique, where it is
    not known which modules are the layers.
    """
    found, norm = layer_list(classifier.backbone), final_norm(classifier.backbone)
    if found is None:
        raise ModelError(
            f"{technique}: which of this model's modules are its layers is not known, so they cannot be ordered."
        )
    path, layers = found
    inside = re.compile(rf"backbone\.{re.escape(path)}\.(\d+)\.")
    above = set(classifier.head_parameters())
    if norm:
        above |= {f"backbone.{norm[0]}.{name}" for name, _ in norm[1].named_parameters()}
    order: dict[str, int] = {}
    for name, _ in classifier.named_parameters():
        if name in above or "pooler" in name.split("."):
            order[name] = len(layers) + 1
        else:
            layer = inside.match(name)
            order[name] = int(layer[1]) + 1 if layer else 0
    return order


@contextlib.contextmanager
def caught_inputs(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Catch the hidden states that a layer is given, call by call."""
    caught: list[Tensor] = []

    def catch(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        caught.append(_hidden(args, kwargs))

    hook = layer.register_forward_pre_hook(catch, with_kwargs=True)
    try:
        yield caught
    finally:
        hook.remove()


@contextlib.contextmanager
def caught_outputs(layer: nn.Module) -> Iterator[list[Any]]:
    """Catch what a layer returns, call by call."""
    caught: list[Any] = []
    hook = layer.register_forward_hook(lambda _layer, _args, output: caught.append(output))
    try:
        yield caught
    finally:
        hook.remove()


def replace_input(layer: nn.Module, replace: Callable[[Tensor], Tensor]) -> RemovableHandle:
    """Give a layer what `replace` makes of the hidden states that it would be given; the rest stays as it is."""

    def swap(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        hidden = replace(_hidden(args, kwargs))
        return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})

    return layer.register_forward_pre_hook(swap, with_kwargs=True)


def output_form(output: Any) -> int | None:
    """Return how a layer hands on its hidden states: as the first of so many values, or by themselves (None)."""
    return len(output) if isinstance(output, tuple) else None


@contextlib.contextmanager
def without_layers(layers: nn.ModuleList, which: range, form: int | None) -> Iterator[None]:
    """Leave some layers out while inside: each hands on what it is given."""
    undo = _stand_in(layers, which, form)
    try:
        yield
    finally:
        undo()


def drop_below(classifier: TextClassifier, layer: int, form: int | None) -> Callable[[], None]:
    """Take the layers below one out of the classifier, and the table of its tokens; returns what puts them back.

    Names of what stays do not change. What the layer is given is then nothing, in the right shape: see
    `replace_input`.
    """
    found = layer_list(classifier.backbone)
    assert found is not None
    put_layers_back = _stand_in(found[1], range(layer), form)
    backbone: Any = classifier.backbone
    table = input_embedding(classifier)
    if table is None:
        return put_layers_back
    backbone.set_input_embeddings(_Nothing(table))

    def undo() -> None:
        put_layers_back()
        backbone.set_input_embeddings(table)

    return undo


class _HandsOn(nn.Module):
    """Stands where a layer was: returns the hidden states that it is given, in the form in which the layer did."""

    def __init__(self, layer: nn.Module, form: int | None) -> None:
        super().__init__()
        self.form = form
        # What models read of their layers besides calling them: the kind of attention, and the like.
        plain = {name: value for name, value in vars(layer).items() if not name.startswith("_") and not callable(value)}
        vars(self).update(plain)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor | tuple[Tensor | None, ...]:
        hidden = _hidden(args, kwargs)
        return hidden if self.form is None else (hidden, *[None] * (self.form - 1))


class _Nothing(nn.Module):
    """Stands where a table of embeddings was whose result nobody reads: zeros of the same shape."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.width, self.dtype = table.embedding_dim, table.weight.dtype

    def forward(self, ids: Tensor) -> Tensor:
        return torch.zeros(*ids.shape, self.width, dtype=self.dtype, device=ids.device)


def _stand_in(layers: nn.ModuleList, which: range, form: int | None) -> Callable[[], None]:
    real: Mapping[int, nn.Module] = {number: layers[number] for number in which}
    for number, layer in real.items():
        layers[number] = _HandsOn(layer, form).eval()

    def undo() -> None:
        for number, layer in real.items():
            layers[number] = layer

    return undo


def _hidden(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Return the hidden states among a layer's arguments, where transformers' layers have them."""
    hidden: Tensor = args[0] if args else kwargs["hidden_states"]
    return hidden
