"""Tuning: which settings a technique's trials have, and which of them is chosen.

Trials are drawn independently of each other, not led by the results of those before. So each is known before any is
run and stays what it was when more are asked for, and the best of k trials can be estimated without bias from n
(Dodge et al. 2019, arXiv 1909.03004). No trial is cut short while it runs (pruned): all get the same budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tuneoff.choosing import ChooseBy, merit
from tuneoff.errors import StudyError
from tuneoff.study import Study, Tune
from tuneoff.techniques import get
from tuneoff.techniques.base import StageSettings
from tuneoff.techniques.composition import StageSpec, compose
from tuneoff.training.seeds import derive
from tuneoff.words import listed, near

TUNING_SEED = derive("tuning")  # of every trial, and of no run that is reported
BUDGET = ("steps", "epochs")  # the same for all trials, so no part of a space
DIGITS = 3  # of a rate that is drawn
LEAST_TRIED = 3  # different values, for one of them to be called the edge

Space = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a trial did on dev, at the evaluation that its weights are of."""

    step: int
    accuracy: float
    loss: float


def space_of(tune: Tune, spec: StageSpec) -> dict[str, Any]:
    """Return what a stage's trials vary: settings with the values that they may have, as JSON.

    The learning rate is in it unless the stage has none (it is fitted without gradients): between the stage's own
    divided and multiplied by `span`, or one of those that the study lists. A list that the study gives for a technique
    holds wherever the technique is the last stage; one that it gives for an entry of its own goes before.
    """
    space: dict[str, Any] = {}
    if not get(spec.technique).gradient_free:
        rate = spec.settings.learning_rate
        space["learning_rate"] = {"low": _rounded(rate / tune.span), "high": _rounded(rate * tune.span), "log": True}
    for name in (spec.technique, spec.chain):
        space |= tune.space.get(name, {})
    return space


def draw_trials(tune: Tune, spec: StageSpec) -> list[dict[str, Any]]:
    """Return the settings of each trial, by name, as far as the space has them; the first are the stage's own.

    Draw number n depends on n and the space alone: techniques with like spaces get the same multiples of their own
    rates. Where there is nothing to vary there is one trial.
    """
    space = space_of(tune, spec)
    own = {name: getattr(spec.settings, name) for name in space}
    count = tune.trials if space else 1
    return [own, *(_draw(space, spec.settings, tune.span, number) for number in range(1, count))]


def _draw(space: Space, own: StageSettings, span: float, number: int) -> dict[str, Any]:
    import optuna

    def distribution(values: Any) -> optuna.distributions.BaseDistribution:
        if isinstance(values, list):
            return optuna.distributions.IntDistribution(0, len(values) - 1)  # lists may hold what optuna cannot
        return optuna.distributions.FloatDistribution(1 / span, span, log=True)

    told = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce each study
    try:
        sampler = optuna.samplers.RandomSampler(seed=derive("tuning", number) % 2**32)
        drawn = optuna.create_study(sampler=sampler).ask({name: distribution(v) for name, v in space.items()}).params
    finally:
        optuna.logging.set_verbosity(told)
    return {
        name: values[drawn[name]] if isinstance(values, list) else _rounded(getattr(own, name) * drawn[name])
        for name, values in space.items()
    }


def with_settings(settings: StageSettings, changes: Mapping[str, Any]) -> StageSettings:
    """Return settings with some of them changed, checked."""
    return type(settings).model_validate({**settings.model_dump(), **changes})


def choose_trial(outcomes: Sequence[Outcome | None], by: ChooseBy) -> int:
    """Return the number of the best trial on dev (see `choosing.merit`); of equal ones the first.

    A trial that failed has no outcome and is never the best; where all failed, the technique's own settings stay.
    """
    done = [(number, outcome) for number, outcome in enumerate(outcomes) if outcome is not None]
    if not done:
        return 0
    return max(done, key=lambda one: (*merit(one[1].accuracy, one[1].loss, by), -one[0]))[0]


def outcome_of(history: Sequence[Mapping[str, Any]], split: str, step: int) -> Outcome | None:
    """Return how a trial did at a step, from its history; None where that evaluation is not in it."""
    for row in history:
        if row["event"] == "eval" and row["split"] == split and row["stage_step"] == step and row["loss"] is not None:
            return Outcome(step, row["accuracy"], row["loss"])
    return None


def edges(trials: Sequence[Mapping[str, Any]], chosen: int) -> dict[str, str]:
    """Return the numeric settings of which the chosen trial has the lowest or the highest value that was tried.

    Where fewer than three different values were tried, none of them is an edge.

    >>> edges([{"rate": 2.0}, {"rate": 1.0}, {"rate": 3.0}], 2)
    {'rate': 'highest'}
    """
    found = {}
    for name, value in trials[chosen].items():
        tried = {trial[name] for trial in trials if _is_number(trial[name])}
        if _is_number(value) and len(tried) >= LEAST_TRIED and value in (min(tried), max(tried)):
            found[name] = "lowest" if value == min(tried) else "highest"
    return found


def check_spaces(study: Study) -> None:
    """Raise StudyError with all that is wrong in `protocol.tune.space`: unknown techniques, settings and values."""
    if study.protocol.tune is None:
        return
    specs = {spec.chain: spec for technique in compose(study) for spec in technique.stages}
    known = {**{spec.technique: spec for spec in specs.values()}, **specs}
    problems = []
    for name, space in study.protocol.tune.space.items():
        where = f"protocol.tune: space.{name}"
        if name not in known:
            problems.append(f"{where}: this study has no such technique.{near(name, known)} It has: {listed(known)}")
            continue
        problems += _wrong_in(space, known[name], where)
    if problems:
        raise StudyError(problems)


def _wrong_in(space: Mapping[str, list[Any]], spec: StageSpec, where: str) -> list[str]:
    found = []
    allowed = [field for field in type(spec.settings).model_fields if field not in BUDGET]
    for setting, values in space.items():
        if setting in BUDGET:
            found.append(f"{where}.{setting}: every trial has the same budget (tune.share of a run's); leave it out")
        elif setting not in allowed:
            hint = near(setting, allowed)
            found.append(f"{where}.{setting}: {spec.technique} has no such setting.{hint} It has: {listed(allowed)}")
        elif not values or any(value in values[:place] for place, value in enumerate(values)):
            found.append(f"{where}.{setting}: list at least one value, and each once")
        else:
            found += [f"{where}.{setting}: {why}" for value in values if (why := _refused(spec, setting, value))]
    return found


def _refused(spec: StageSpec, setting: str, value: Any) -> str | None:
    try:
        with_settings(spec.settings, {setting: value})
    except ValidationError as error:
        return f"{value!r} does not fit ({error.errors()[0]['msg']})"
    return None


def _rounded(rate: float) -> float:
    return float(f"{rate:.{DIGITS}g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
