"""Any type of peft's adapters, by peft's own names for its settings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import field_validator, model_validator

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter
from tuneoff.techniques.base import StageSettings
from tuneoff.words import listed

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import nn

    from tuneoff.models.classifier import TextClassifier

PLAIN = {"type": "LORA"}
NARROWING = ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern")
WHERE = (*NARROWING, "feedforward_modules")
DECOMPOSED = ("pissa", "olora", "mica")  # LoRA's first numbers that are parts of a layer's own weights


class PeftSettings(StageSettings):
    """Settings of an adapter by peft's own names; kinds differ in their best rate by a factor of a thousand."""

    learning_rate: float = keyed(2e-4, doc="Of all that the stage trains.", gt=0)
    peft: dict[str, Any] = keyed(
        PLAIN, doc="The type, and fields of peft's config by their own names: {type: vera, r: 64}."
    )

    @field_validator("peft", mode="after")
    @classmethod
    def _type_as_peft_writes_it(cls, given: dict[str, Any]) -> dict[str, Any]:
        from tuneoff.techniques.peft_fields import written_type

        kind = given.get("type")
        return {**given, "type": written_type(kind)} if isinstance(kind, str) else given

    @model_validator(mode="after")
    def _known_to_peft(self) -> PeftSettings:
        if self.peft != PLAIN:  # the check needs peft, and the default needs no check
            from tuneoff.techniques.peft_check import complaint

            if problem := complaint(self.peft):
                raise ValueError(f"peft: {problem}")
        return self


class Peft(Adapter):
    """Train adapters of any type that peft has for a classifier, and the head."""

    name = "peft"
    summary = "train adapters of any type of peft, by peft's own names for its settings, and the head"
    settings_class = PeftSettings

    def __init__(self, settings: StageSettings) -> None:
        from tuneoff.techniques.peft_fields import NOT_MERGED

        super().__init__(settings)
        assert isinstance(settings, PeftSettings)
        self.peft_type = settings.peft["type"]
        self.ends_a_chain = NOT_MERGED.get(self.peft_type)
        self.given = {name: value for name, value in settings.peft.items() if name != "type"}

    @property
    def highest_rank(self) -> tuple[str, int] | None:
        """LoRA's and LoHa's `r`, where the study gives one."""
        rank = self.given.get("r")
        return ("peft.r", rank) if self.peft_type in ("LORA", "LOHA") and isinstance(rank, int) else None

    def targets(self, classifier: TextClassifier) -> dict[str, nn.Module]:
        """Return the modules that peft would put adapters on, the head's aside.

        Where a study names none: what the technique of that type takes, or the projections of queries and values.
        Raises ModelError where a name fits no module, or nothing is left.
        """
        from tuneoff.errors import ModelError
        from tuneoff.models.modules import last_names, linear_layers, outside_head

        wanted, inside, linear = self.given.get("target_modules"), outside_head(classifier), linear_layers(classifier)
        known = ", ".join(last_names(linear))
        named = wanted if isinstance(wanted, list) else []
        if unknown := [one for one in named if not any(f".{name}".endswith(f".{one}") for name in inside)]:
            raise ModelError(f"{self.name}: target_modules {unknown} do not fit; the linear layers are {known}")
        if wanted == "all-linear" or not wanted:
            names = self._usual(classifier) if not wanted else list(linear)
            # Where peft is given whole names it does not look at the numbers of layers, so it is asked about last ones.
            inside = {name: inside[name] for name in inside if any(f".{name}".endswith(f".{one}") for one in names)}
            wanted = last_names(inside)
        fields = {**self.given, "target_modules": wanted, **self._layers_named(classifier)}
        found = self._matching(fields, inside)
        if not found:
            narrowed = [f"`{name}: {self.given[name]}`" for name in NARROWING if self.given.get(name) is not None]
            raise ModelError(f"{self.name}: no layer is left with {listed(narrowed)}; the linear layers are {known}")
        numbers = self.given.get("layers_to_transform")
        for number in numbers if isinstance(numbers, list) else []:  # peft passes over those that there are not
            if not self._matching({**fields, "layers_to_transform": [number]}, inside):
                raise ModelError(
                    f"{self.name}: `layers_to_transform: {numbers}`: there is no layer {number} with such modules; "
                    "layers are numbered from 0"
                )
        return found

    def _layers_named(self, classifier: TextClassifier) -> dict[str, Any]:
        """Return what the model calls its list of layers, where they are chosen by number and a study does not say.

        peft finds the number in the names by itself, but not where they begin with the list.
        """
        from tuneoff.models.depth import layer_list

        layers = layer_list(classifier.backbone)
        if self.given.get("layers_to_transform") is None or self.given.get("layers_pattern") or layers is None:
            return {}
        return {"layers_pattern": layers[0].rpartition(".")[2]}

    def _matching(self, fields: Mapping[str, Any], inside: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """Return those of some modules that peft would adapt, given the fields of its config."""
        from peft.tuners.tuners_utils import check_target_module_exists

        config: Any = self._config(fields)
        return {name: module for name, module in inside.items() if _chosen(check_target_module_exists, config, name)}

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return the fields that the study gives, but for the layers, and those that must not be left to chance."""
        from tuneoff.models.modules import feed_forward_names
        from tuneoff.techniques.olora import refuse_transposed
        from tuneoff.techniques.pissa import refuse_high_rank

        fields = {name: value for name, value in self.given.items() if name not in WHERE}
        if fields.get("init_lora_weights") == "olora":
            refuse_transposed(targets, self.name)
        if fields.get("init_lora_weights") in DECOMPOSED:
            refuse_high_rank(targets, fields, self.name)
        if self.peft_type == "SHIRA":
            fields.setdefault("random_seed", 0)
        if self.peft_type == "IA3":
            wanted = self.given.get("feedforward_modules")
            inputs = feed_forward_names(targets) if wanted is None else _ending(targets, wanted)
            fields["feedforward_modules"] = inputs
        return fields

    def _usual(self, classifier: TextClassifier) -> list[str]:
        """Return where adapters of this type go if nobody says."""
        from tuneoff.models.families import lora_targets
        from tuneoff.techniques import get, names

        for name in names():
            one = get(name)
            if name != self.name and getattr(one, "peft_type", None) == self.peft_type and self.peft_type != "LORA":
                return list(one(one.settings_class()).targets(classifier))  # type: ignore[attr-defined]
        return lora_targets(classifier.backbone)

    def _config(self, fields: Mapping[str, Any]) -> PeftConfig:
        from tuneoff.techniques.peft_fields import config_class

        kind: Any = config_class(self.peft_type)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the random numbers, which are seeded when the adapters are made
            config: PeftConfig = kind(**fields)
        return config


def _chosen(matches: Any, config: Any, name: str) -> bool:
    """Return whether peft would adapt a module of this name."""
    return bool(matches(config, name))


def _ending(names: Mapping[str, Any], wanted: str | list[str]) -> list[str]:
    import re

    if isinstance(wanted, str):
        return [name for name in names if re.fullmatch(wanted, name)]
    return [name for name in names if any(f".{name}".endswith(f".{one}") for one in wanted)]
