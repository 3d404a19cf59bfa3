"""Rank: whether the layers that adapters stand on can have the rank that is asked for."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import message

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.models.resolve import ResolvedModel
    from tuneoff.planned import PlannedStage

ENGLISH = {
    "beyond": "{setting} is {rank:,}, and {layer} has a smaller side of {side:,}: its changes have at most that rank, "
    "so what is beyond takes memory and time and makes no further change possible.",
    "lower": "Set {setting} to {side:,} or less.",
    "within": "No adapter has a rank that its layer cannot have.",
}
RUSSIAN = {
    "beyond": "{setting} равен {rank:,}, а меньшая сторона {layer} — {side:,}: ранг изменений этого слоя не выше, и "
    "всё сверх него занимает память и время, но новых изменений не даёт.",
    "lower": "Задайте {setting} не больше {side:,}.",
    "within": "Ни у одного адаптера ранг не превышает возможного для его слоя.",
}


class Rank(Check):
    """Can the layers have the rank of their adapters?

    A matrix of 384 x 1536 has a rank of 384 at most, and so has any change of it. peft makes LoRA's factors as large as
    they are asked to be; what is beyond the smaller side costs memory and time, and the step is divided among more
    columns, but no change is possible that was not before. Nothing is wrong with it, so it is a warning.
    """

    name = "rank"
    question = "Can the layers have the rank of the adapters that stand on them?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a warning for each technique whose rank is higher than a layer's, or else one finding for all."""
        found = [self.warning(stage, place.model) for place, stage in patient.alone()]
        yield from [one for one in found if one] or [self.finding("fine", "within")]

    def warning(self, stage: "PlannedStage", model: "ResolvedModel") -> Finding | None:
        """Return what is found of a stage; None where its rank is within all layers."""
        high = beyond(stage, model)
        if high is None:
            return None
        about = message("stage", technique=stage.spec.chain.rpartition("+")[2], model=model.name)
        return self.finding("warning", "beyond", "lower", about=about, values=asdict(high))


@dataclass(frozen=True)
class TooHigh:
    """A rank that a layer cannot have: the setting and its value, and the layer with its smaller side."""

    setting: str
    rank: int
    layer: str
    side: int


def beyond(stage: "PlannedStage", model: "ResolvedModel") -> TooHigh | None:
    """Return where a stage's rank is beyond a layer's smaller side; None where it is within all layers.

    From the model's shapes alone. Raises ModelError where the technique does not fit the model.
    """
    from tuneoff.models.classifier import build_meta
    from tuneoff.models.modules import smaller_side
    from tuneoff.techniques.adapter import Adapter
    from tuneoff.training.build import make_technique

    technique = make_technique(stage.spec)
    if not isinstance(technique, Adapter) or technique.highest_rank is None:
        return None
    setting, rank = technique.highest_rank
    sides = {name: smaller_side(layer) for name, layer in technique.targets(build_meta(model, 2)).items()}
    name, side = min(sides.items(), key=lambda one: one[1])
    return TooHigh(setting, rank, name.removeprefix("backbone."), side) if rank > side else None
