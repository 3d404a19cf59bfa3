"""From the techniques that a study names to the stages that they are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tuneoff.errors import StudyError
from tuneoff.study import ModelSpec, Study, TechniqueSpec
from tuneoff.techniques import get
from tuneoff.techniques.base import StageSettings


@dataclass(frozen=True)
class StageSpec:
    """One stage: the chain of techniques that ends with it, the technique itself, its settings, its parent's chain."""

    chain: str
    technique: str
    settings: StageSettings
    parent: str | None
    index: int


@dataclass(frozen=True)
class ComposedTechnique:
    """A technique of the study and its stages, first to last."""

    name: str
    stages: tuple[StageSpec, ...]


def compose(study: Study) -> list[ComposedTechnique]:
    """Return the study's techniques with their stages, in the study's order.

    A part of `a+b` is the study's own technique of that name if it has one, with its settings, else the technique as
    it comes. Settings of a composed technique belong to its last stage. Raises StudyError where a part is unknown, is
    itself composed but not first, cannot be followed by another stage, or does not go with how a model is loaded.
    """
    own = {spec.name: spec for spec in study.techniques}
    found = [ComposedTechnique(spec.name, _stages(spec, own, frozenset())) for spec in study.techniques]
    loaded = [spec for spec in study.models if spec.load]
    if loaded and (problems := [problem for one in found if (problem := _in_4bit(one, loaded[0]))]):
        raise StudyError(problems)
    return found


def _in_4bit(technique: ComposedTechnique, model: ModelSpec) -> str | None:
    """Return what is wrong with training a model that is loaded in 4 bits by a technique; None where nothing is."""
    how = f"`load: {model.load}`"
    for stage in technique.stages:
        one = get(stage.technique)(stage.settings)
        if reason := one.refuses_4bit:
            return f"technique '{technique.name}': {stage.technique} does not go with {how}, {reason}"
        if stage is not technique.stages[-1] and (reason := one.ends_a_4bit_chain):
            return f"technique '{technique.name}': nothing can follow {stage.technique} with {how}, {reason}"
    return None


def _stages(spec: TechniqueSpec, own: dict[str, TechniqueSpec], seen: frozenset[str]) -> tuple[StageSpec, ...]:
    if spec.name in seen:
        raise StudyError(f"technique '{spec.name}' is made of itself; give it a name of its own and another `use`")
    seen = seen | {spec.name}
    if spec.use in own and spec.use != spec.name:
        base = own[spec.use]
        if base.name in seen:
            raise StudyError(f"technique '{spec.name}' is made of itself; give it another `use`")
        based = TechniqueSpec(name=spec.name, use=base.use, settings=_overlaid(base.settings, spec.settings))
        return _stages(based, {name: one for name, one in own.items() if name != base.name}, frozenset())
    first, plus, last = spec.use.rpartition("+")
    if not plus:
        return (StageSpec(spec.name, last, _settings(spec.name, last, spec.settings), None, 0),)
    before = _stages(own.get(first, TechniqueSpec(name=first, use=first)), own, seen)
    if reason := get(before[-1].technique)(before[-1].settings).ends_a_chain:
        raise StudyError(f"technique '{spec.name}': nothing can follow {before[-1].technique}, {reason}")
    alone = _stages(own.get(last, TechniqueSpec(name=last, use=last)), own, seen)
    if len(alone) > 1:
        raise StudyError(f"technique '{spec.name}': '{last}' is itself composed, so it can only come first")
    given = own[last].settings if last in own else {}
    settings = _settings(spec.name, alone[0].technique, _overlaid(given, spec.settings))
    return (*before, StageSpec(spec.name, alone[0].technique, settings, before[-1].chain, len(before)))


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others laid over them; a budget in steps takes the place of one in epochs, and back."""
    budget = {"steps", "epochs"}
    hidden = budget if budget & above.keys() else set()
    return {name: value for name, value in below.items() if name not in hidden} | dict(above)


def _settings(name: str, technique: str, values: dict[str, object]) -> StageSettings:
    try:
        return get(technique).settings_class.model_validate(values)
    except ValidationError as error:
        problems = [f"technique '{name}', {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise StudyError(problems) from None
