"""Rank: whether the layers that adapters stand on can have the rank that is asked for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.models.classifier import build_meta
from tuneoff.models.modules import smaller_side
from tuneoff.models.resolve import ResolvedModel
from tuneoff.planned import PlannedStage
from tuneoff.techniques.adapter import Adapter
from tuneoff.training.build import make_technique

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient


class Rank(Check):
    """Can the layers have the rank of their adapters?

    A matrix of 384 x 1536 has a rank of 384 at most, and so has any change of it. peft makes LoRA's factors as large as
    they are asked to be; what is beyond the smaller side costs memory and time, and the step is divided among more
    columns, but no change is possible that was not before. Nothing is wrong with it, so it is a warning.
    """

    name = "rank"
    question = "Can the layers have the rank of the adapters that stand on them?"
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a warning for each technique whose rank is higher than a layer's, or else one finding for all."""
        found = [beyond(stage, place.model) for place, stage in patient.alone()]
        warnings = [one for one in found if one is not None]
        for about, sentence, advice in warnings:
            yield self.finding("warning", sentence, advice, about=about)
        if not warnings:
            yield self.finding("fine", "No adapter has a rank that its layer cannot have.")


def beyond(stage: PlannedStage, model: ResolvedModel) -> tuple[str, str, str] | None:
    """Return what a rank is beyond, and what to do: the stage, a sentence, advice. None where it is within all layers.

    From the model's shapes alone. Raises ModelError where the technique does not fit the model.
    """
    technique = make_technique(stage.spec)
    if not isinstance(technique, Adapter) or technique.highest_rank is None:
        return None
    setting, rank = technique.highest_rank
    sides = {name: smaller_side(layer) for name, layer in technique.targets(build_meta(model, 2)).items()}
    name, side = min(sides.items(), key=lambda one: one[1])
    if rank <= side:
        return None
    about = f"{stage.spec.chain.rpartition('+')[2]} on {model.name}"
    sentence = (
        f"{setting} is {rank:,}, and {name.removeprefix('backbone.')} has a smaller side of {side:,}: its changes have "
        f"at most that rank, so what is beyond takes memory and time and makes no further change possible."
    )
    return about, sentence, f"Set {setting} to {side:,} or less."
