"""What the techniques of peft have in common: where adapters go, what is trained, and how they are folded in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique
from tuneoff.techniques.peft_warnings import PeftWarning, warnings_as_errors

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import nn

    from tuneoff.models.classifier import TextClassifier

ADAPTER = "default"  # peft's own name for the one adapter that there is
# Types of adapters whose layers take a 4-bit base, and leave it as it is (a test tries each), and how LoRA may start.
ON_4BIT = {"LORA", "ADALORA", "BOFT", "FOURIERFT", "IA3", "LN_TUNING", "MISS", "OFT", "RANDLORA"}
ON_4BIT |= {"ROAD", "SHIRA", "VERA"}
STARTS_ON_4BIT = {"gaussian", "eva"}
# Types that compute with numbers as they are made, which weights without any do not have.
MADE_OF_NUMBERS = {"BOFT", "UNILORA"}


class AdapterSettings(StageSettings):
    """Where adapters are put."""

    learning_rate: float = keyed(2e-4, doc="Of all that the stage trains.", gt=0)
    target_modules: list[str] | Literal["all-linear"] | None = keyed(
        None,
        doc="Names of the layers with an adapter, or all-linear for every linear layer but the head; the projections "
        "of queries and values if left out.",
    )
    layers: int | None = keyed(
        None, doc="Transformer layers with adapters, counted from the top; all if left out.", ge=1
    )


class Adapter(Technique):
    """Train adapters of one of peft's types, and the head. A subclass gives the type and the fields of its config.

    The adapters are put in place without peft's wrapper model, so every name in the backbone stays what it was. What
    is trained, and so stored, is what peft makes trainable: all else that an adapter holds must follow from the
    settings and the base weights alone, since a stage is rebuilt from them.
    """

    peft_type: str
    #: Settings that are fields of peft's config, each with peft's name for it.
    renamed: ClassVar[Mapping[str, str]] = {}
    #: Further fields of peft's config, which make the technique what it is.
    fixed: ClassVar[Mapping[str, Any]] = {}
    #: The same, as a study gives them by peft's own names.
    given: Mapping[str, Any] = {}

    @property
    def refuses_4bit(self) -> str | None:
        """Why its adapters cannot stand on 4-bit layers; None where they can."""
        if self.peft_type not in ON_4BIT:
            return f"for peft has no {self.peft_type} that was seen to work on 4-bit layers"
        start = {**self.fixed, **self.given}.get("init_lora_weights", True)
        if isinstance(start, str) and start not in STARTS_ON_4BIT:
            return (
                f"for adapters that start as '{start}' change the weights they stand on, and in 4 bits these are frozen"
            )
        return None

    @property
    def ends_a_4bit_chain(self) -> str | None:
        """Why no stage can follow: merging, peft unpacks a layer, adds the adapter and packs the sum anew."""
        return "for an adapter that is folded into 4-bit weights is rounded, and the logits would change between stages"

    @property
    def highest_rank(self) -> tuple[str, int] | None:
        """The setting that says how high the rank of a change may be, and its value; None where none does."""
        return None

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return the fields of peft's config, the names of the layers with an adapter aside.

        `targets` are these layers by name. Raises ModelError where a setting does not fit them.
        """
        return {**self.fixed, **{theirs: getattr(self.settings, ours) for ours, theirs in self.renamed.items()}}

    def targets(self, classifier: TextClassifier) -> dict[str, nn.Module]:
        """Return the modules of the backbone that get an adapter, by name.

        Raises ModelError where the architecture's projections are unknown, no layer has the names given, or there are
        fewer layers than asked for.
        """
        from tuneoff.models.families import lora_targets
        from tuneoff.models.modules import chosen_layers

        settings = self.settings
        assert isinstance(settings, AdapterSettings)
        wanted: list[str] | None
        match settings.target_modules:
            case None:
                wanted = lora_targets(classifier.backbone)
            case "all-linear":
                wanted = None
            case names:
                wanted = list(names)
        return chosen_layers(classifier, wanted, settings.layers, self.name)

    def apply(self, classifier: TextClassifier) -> None:
        """Add the adapters, in fp32 on any base, and make them and the head trainable.

        Raises ModelError where they do not fit; see `targets` too.
        """
        import torch

        classifier.requires_grad_(False)
        targets = self.targets(classifier)
        add_adapters(classifier.backbone, self.peft_config(targets), self.name)
        for layer in adapters(classifier).values():
            for part, parameter in layer.named_parameters():
                if part.startswith("ranknum."):  # a constant of AdaLoRA, which peft makes trainable on a GPU
                    parameter.requires_grad_(False)
                if parameter.requires_grad and not part.startswith("base_layer."):
                    parameter.data = parameter.data.to(torch.float32)
        for parameter in classifier.head_parameters().values():
            parameter.requires_grad_(True)

    def peft_config(self, targets: Mapping[str, nn.Module]) -> PeftConfig:
        """Return peft's config of the adapters on some modules; ModelError for fields that peft does not take."""
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
        from peft.utils import PeftType
        from transformers.pytorch_utils import Conv1D

        from tuneoff.errors import ModelError

        kind: Any = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(self.peft_type)]
        fields = {"target_modules": list(targets), **self.peft_fields(targets)}
        # GPT-2's layers hold their weights transposed.
        if "fan_in_fan_out" in kind.__dataclass_fields__:
            fields["fan_in_fan_out"] = any(isinstance(module, Conv1D) for module in targets.values())
        try:
            with warnings_as_errors():
                config: PeftConfig = kind(**fields)
        except (ValueError, TypeError) as error:
            raise ModelError(f"{self.name}: peft's {kind.__name__} does not take its settings: {error}") from error
        return config

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on the adapters' own dropout alone."""
        classifier.eval()
        for layer in adapters(classifier).values():
            layer.training = True  # some kinds leave out whole adapters at random, by this mark
            for name, part in layer.named_children():
                if name != "base_layer":
                    part.train()

    def merge(self, classifier: TextClassifier) -> None:
        """Fold each adapter into the layer that it stands on, as peft does, and take it out.

        Raises ModelError where peft cannot fold it in.
        """
        import torch

        from tuneoff.errors import ModelError

        for name, layer in adapters(classifier).items():
            kinds = {part: value.dtype for part, value in layer.get_base_layer().named_parameters()}
            try:
                with torch.no_grad():
                    layer.merge()
            except (ValueError, NotImplementedError) as error:
                raise ModelError(f"{self.name}: the adapter on {name} cannot be folded in: {error}") from error
            plain = layer.get_base_layer()
            for part, value in plain.named_parameters():
                value.data = value.data.to(kinds[part])
            parent, _, last = name.rpartition(".")
            setattr(classifier.get_submodule(parent), last, plain)
        # peft's note of the adapters; with it, those of a next stage would be taken for a second set.
        del classifier.backbone.peft_config


def add_adapters(backbone: nn.Module, config: PeftConfig, technique: str) -> None:
    """Put adapters into a backbone, in place.

    Raises ModelError, naming the technique, where peft cannot, or warns that it does something else than was asked.

    peft's `inject_adapter_in_model` is for types whose layers share nothing; the class of a type does the same for all.
    """
    import torch
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
    from peft.utils import PeftType

    from tuneoff.errors import ModelError

    made_where: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if next(backbone.parameters()).is_meta:
        _shapes_alone(config)
        if config.peft_type not in MADE_OF_NUMBERS:  # peft would make adapters on the CPU first, whatever their size
            made_where = torch.device("meta")
    if config.peft_type == PeftType.SHIRA:  # torch's default, which it warns of where nobody said so
        torch.sparse.check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]  # torch leaves it so
    kind = PeftType(config.peft_type)
    try:
        with made_where, _nothing_compiled(), warnings_as_errors():
            PEFT_TYPE_TO_TUNER_MAPPING[kind](backbone, config, ADAPTER)
    except PeftWarning as error:
        raise ModelError(
            f"{technique}: peft would put {kind.value} on this model otherwise than was asked: {error}. Ask for what "
            "it can do."
        ) from error
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ModelError(f"{technique}: peft cannot put {kind.value} on this model: {error}") from error


def _shapes_alone(config: Any) -> None:
    """Let a config give adapters of the right shapes on weights without numbers, of which nothing can be computed."""
    if getattr(config, "init_lora_weights", None) in ("pissa", "olora", "orthogonal"):
        config.init_lora_weights = True
    if hasattr(config, "mask_fn"):  # SHiRA's choice of weights
        config.mask_fn = None


@contextlib.contextmanager
def _nothing_compiled() -> Iterator[None]:
    """Keep peft from compiling a program for BOFT where it finds a compiler: that takes minutes and is not needed."""
    from peft.tuners.boft import layer as boft

    layer: Any = boft
    before, layer._FBD_CUDA = layer._FBD_CUDA, False
    try:
        yield
    finally:
        layer._FBD_CUDA = before


def adapters(classifier: TextClassifier) -> dict[str, Any]:
    """Return the layers that have an adapter (peft's BaseTunerLayer, and modules), by name in the classifier."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: module for name, module in classifier.named_modules() if isinstance(module, BaseTunerLayer)}


class HeadRateSettings(AdapterSettings):
    """Where adapters are put, and how much slower the head learns than they do."""

    head_rate: float = keyed(1.0, doc="The head's learning rate as a share of the adapters'.", gt=0, le=1)


class HeadRateAdapter(Adapter):
    """Adapters that want a rate at which a head would not stay: the head has one of its own."""

    def apply(self, classifier: TextClassifier) -> None:
        """Add the adapters as all are; see `Adapter.apply`."""
        super().apply(classifier)
        self._head_names = frozenset(classifier.head_parameters())

    def rate_factor(self, name: str) -> float:
        """Return the share of the learning rate that a parameter is trained at."""
        assert isinstance(self.settings, HeadRateSettings)
        return self.settings.head_rate if name in self._head_names else 1.0
