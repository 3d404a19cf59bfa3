"""What the choice costs: which techniques are on the Pareto front, and which to take with so much time and memory."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

from tuneoff.evidence.saying import said

Cost = Literal["seconds", "memory_bytes", "trained_parameters"]
COSTS: tuple[Cost, ...] = ("seconds", "memory_bytes", "trained_parameters")

SENTENCES = {
    "best_and_cheapest": "{name}: it has the highest accuracy ({accuracy:.3f}), and none of those that cannot be told "
    "apart from it is cheaper.",
    "cheapest_of_contenders": "{name} ({accuracy:.3f}): {best} has a higher accuracy ({best_accuracy:.3f}), but the "
    "two cannot be told apart, and {name} costs less. That is no proof that they are equal.",
    "only_one": "{name} ({accuracy:.3f}): no other technique is within the limits.",
    "none_fits": "No technique is known to be within the limits.",
}
SET_ASIDE = {
    "too_slow": "{name} takes {seconds:.0f} s, the limit is {limit:.0f} s.",
    "too_large": "{name} takes {gigabytes:.1f} GB, the limit is {limit:.1f} GB.",
    "cost_unknown": "{name}: its {cost} is not known.",
    "no_accuracy": "{name} has no accuracy.",
    "worse": "{name} is worse than {than}.",
}


@dataclass(frozen=True)
class Candidate:
    """A technique with its accuracy and its costs; what is unknown is None.

    `seconds` are those of all its stages, `memory_bytes` its peak.
    """

    name: str
    accuracy: float | None
    seconds: float | None
    memory_bytes: float | None
    trained_parameters: int | None


@dataclass(frozen=True)
class Limits:
    """What there is to spend: seconds and bytes (None: no limit)."""

    seconds: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True)
class Choice:
    """The technique to take (None: none fits), why, and why others were set aside: sentences with id and values.

    `contenders` are those within the limits that could not be told apart from the best, the cheapest first.
    """

    name: str | None
    why: Mapping[str, Any]
    contenders: tuple[str, ...]
    set_aside: tuple[Mapping[str, Any], ...]


def pareto_front(candidates: Sequence[Candidate], costs: Sequence[Cost] = COSTS) -> list[str]:
    """Return the names of those that no other equals or beats in accuracy and all costs, and beats in one of them.

    Accuracies are compared as they are, without their intervals. A cost that is unknown for one of two leaves the two
    incomparable; one that nobody's is known is left out. Those without an accuracy are not on the front.
    """
    known = [one for one in candidates if one.accuracy is not None]
    used = [cost for cost in costs if any(getattr(one, cost) is not None for one in known)]
    return [one.name for one in known if not any(_dominates(other, one, used) for other in known)]


def _dominates(a: Candidate, b: Candidate, costs: Sequence[Cost]) -> bool:
    ours = [-a.accuracy if a.accuracy is not None else None, *(getattr(a, cost) for cost in costs)]
    theirs = [-b.accuracy if b.accuracy is not None else None, *(getattr(b, cost) for cost in costs)]
    if None in ours or None in theirs:
        return False
    return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))


def choose(
    candidates: Sequence[Candidate],
    told_apart: Set[tuple[str, str]],
    limits: Limits | None = None,
    cheapest_by: Cost = "seconds",
) -> Choice:
    """Return the technique to take within the limits: the cheapest of those that no other is known to beat.

    `told_apart` holds (better, worse) for the pairs that the evidence tells apart. Of the techniques within the
    limits, those worse than another of them are set aside; the rest cannot be told apart from the best, and the
    cheapest is taken, by `cheapest_by`, then by the other costs, then by accuracy. A technique whose cost is
    unknown is not taken to be within a limit. Not told apart is not equal: the sentence says so.
    """
    aside: list[Mapping[str, Any]] = []
    affordable = []
    for one in candidates:
        reason = _outside(one, limits or Limits())
        affordable += [one] if reason is None else []
        aside += [reason] if reason is not None else []
    beaten = {worse: better for better, worse in sorted(told_apart) if better in {one.name for one in affordable}}
    aside += [said(SET_ASIDE, "worse", name=o.name, than=beaten[o.name]) for o in affordable if o.name in beaten]
    order = (cheapest_by, *(cost for cost in COSTS if cost != cheapest_by))
    contenders = sorted((one for one in affordable if one.name not in beaten), key=lambda one: _rank(one, order))
    if not contenders:
        return Choice(None, said(SENTENCES, "none_fits"), (), tuple(aside))
    taken = contenders[0]
    return Choice(taken.name, _why(taken, contenders, affordable), tuple(one.name for one in contenders), tuple(aside))


def _why(taken: Candidate, contenders: Sequence[Candidate], affordable: Sequence[Candidate]) -> Mapping[str, Any]:
    values = {"name": taken.name, "accuracy": taken.accuracy}
    if len(affordable) == 1:
        return said(SENTENCES, "only_one", **values)
    best = max(contenders, key=lambda one: one.accuracy or 0.0)
    if (best.accuracy or 0.0) <= (taken.accuracy or 0.0):
        return said(SENTENCES, "best_and_cheapest", **values)
    return said(SENTENCES, "cheapest_of_contenders", **values, best=best.name, best_accuracy=best.accuracy)


def _outside(one: Candidate, limits: Limits) -> Mapping[str, Any] | None:
    """Say why a technique is not known to be within the limits; None if it is."""
    if one.accuracy is None:
        return said(SET_ASIDE, "no_accuracy", name=one.name)
    if limits.seconds is not None:
        if one.seconds is None:
            return said(SET_ASIDE, "cost_unknown", name=one.name, cost="time")
        if one.seconds > limits.seconds:
            return said(SET_ASIDE, "too_slow", name=one.name, seconds=one.seconds, limit=limits.seconds)
    if limits.memory_bytes is not None:
        if one.memory_bytes is None:
            return said(SET_ASIDE, "cost_unknown", name=one.name, cost="memory")
        if one.memory_bytes > limits.memory_bytes:
            size, limit = one.memory_bytes / 1e9, limits.memory_bytes / 1e9
            return said(SET_ASIDE, "too_large", name=one.name, gigabytes=size, limit=limit)
    return None


def _rank(one: Candidate, order: Sequence[Cost]) -> tuple[float, ...]:
    """Sort key: costs in their order, unknown ones last, then the higher accuracy."""
    costs = (getattr(one, cost) for cost in order)
    return (*(float("inf") if cost is None else float(cost) for cost in costs), -(one.accuracy or 0.0))
