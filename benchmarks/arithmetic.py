"""From measured parts to a whole study's cost, to ratios and to goals: all of the benchmark's sums, and nothing else.

A part is the JSON of one process: `work`, `peer`, `turn`, `wall` and what `measure.Measurement` holds.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.setting import OURS

Part = Mapping[str, Any]


@dataclass(frozen=True)
class Whole:
    """What parts are scaled to: steps and evaluations, the mean real tokens of each, and those of every text."""

    steps: int
    evaluations: int
    step_tokens: float
    evaluation_tokens: int
    feature_tokens: int


@dataclass(frozen=True)
class Cost:
    """Seconds of a whole work: `once` is paid once (start, loading, tokenizing, report), the rest was scaled."""

    once: float
    features: float
    training: float
    evaluation: float

    @property
    def total(self) -> float:
        """Seconds in all."""
        return self.once + self.features + self.training + self.evaluation


def scaled(part: Part, whole: Whole) -> Cost:
    """Return what the whole work costs, from a part that measured some of its steps and evaluations.

    Steps and evaluations are scaled by their number and by the real tokens of each, so that a peer that happened to
    draw long texts is not charged for them, nor one that saw the first rows of a split alone. What costs no tokens
    (training on stored vectors) is scaled by number. The first step allocates what the others use again, so it is
    counted once.
    """
    seconds, tokens = part["seconds"], part["tokens"]
    once = part["wall"] - sum(seconds[name] for name in ("apart", "features", "training", "evaluation"))
    return Cost(
        once=once,
        features=seconds["features"] * _share(whole.feature_tokens, tokens["features"]),
        training=_all_steps(part["steps"], whole.steps)
        * (_share(whole.step_tokens * len(part["steps"]), tokens["training"]) or 1.0),
        evaluation=seconds["evaluation"]
        * (
            _share(whole.evaluations * whole.evaluation_tokens, tokens["evaluation"])
            or _share(whole.evaluations, len(part["evaluations"]))
        ),
    )


def _all_steps(measured: Sequence[float], steps: int) -> float:
    """Return the seconds of all steps: the first as it was, the others at their mean."""
    first, *others = measured
    return first + statistics.mean(others or measured) * (steps - 1)


def _share(whole: float, measured: float) -> float:
    return whole / measured if measured else 0.0


def utilisation(part: Part, phase: str) -> float | None:
    """Return useful operations over what large matrix products would have done meanwhile; None where none were done."""
    flops, seconds = part["flops"][phase], part["seconds"][phase]
    if not flops or not seconds:
        return None
    return float(flops / (seconds * statistics.mean(part["matmul_flops_per_second"])))


def tokens_per_second(part: Part, phase: str) -> float | None:
    """Return real tokens a second; None where no tokens were computed."""
    tokens, seconds = part["tokens"][phase], part["seconds"][phase]
    return float(tokens / seconds) if tokens and seconds else None


@dataclass(frozen=True)
class Pair:
    """A peer's part, and ours that was measured beside it."""

    peer: Part
    ours: Part


def pairs(parts: Iterable[Part]) -> dict[tuple[str, str], Pair]:
    """Return by (work, peer) the peer's part with ours of the same turn; what has no counterpart is left out."""
    parts = list(parts)
    ours = {(part["work"], part["turn"]): part for part in parts if part["peer"] == OURS}
    return {
        (part["work"], part["peer"]): Pair(part, ours[part["work"], part["turn"]])
        for part in parts
        if part["peer"] != OURS and (part["work"], part["turn"]) in ours
    }


@dataclass(frozen=True)
class Goal:
    """What is to be reached against a peer. `more` says whether the reached number should be at least the goal's."""

    what: str
    peer: str
    goal: float | None
    reached: float
    more: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.reached >= self.goal if self.more else self.reached <= self.goal


PROBE, FURTHER, FULL, LORA = "linear probe, one seed", "linear probe, each further seed", "full", "LoRA"
FIVE, MEMORY, UTILISATION = "the five techniques", "peak memory, full", "utilisation, full"
SPEED_GOALS: Mapping[str, Mapping[str, float]] = {
    PROBE: {"notebook": 25, "trainer": 10},
    FURTHER: {"notebook": 500, "trainer": 200},
    FULL: {"notebook": 4, "trainer": 4},
    LORA: {"notebook": 3, "trainer": 3},
    FIVE: {"notebook": 4, "trainer": 3.5},
}
MEMORY_GOALS: Mapping[str, float] = {"notebook": 1 / 3, "trainer": 1 / 3}
UTILISATION_GOAL = 0.65


def goals(parts: Iterable[Part], whole: Whole) -> list[Goal]:
    """Return each goal beside what was reached, as far as its parts are there."""
    parts = list(parts)
    found = pairs(parts)
    listed: list[Goal] = []
    for peer in dict.fromkeys(part["peer"] for part in parts if part["peer"] != OURS):
        of = {work: pair for (work, other), pair in found.items() if other == peer}
        reached = _speeds(of, whole)
        listed += [Goal(what, peer, SPEED_GOALS[what].get(peer), value) for what, value in reached.items()]
        if "full" in of:
            memory = of["full"].ours["peak"] / of["full"].peer["peak"]
            listed.append(Goal(MEMORY, peer, MEMORY_GOALS.get(peer), memory, more=False))
    used = [utilisation(part, "training") for part in parts if part["peer"] == OURS and part["work"] == "full"]
    if values := [value for value in used if value is not None]:
        listed.append(Goal(UTILISATION, OURS, UTILISATION_GOAL, statistics.median(values)))
    return listed


def _speeds(of: Mapping[str, Pair], whole: Whole) -> dict[str, float]:
    """Return how many times faster we are than one peer, by work."""
    peer = {work: scaled(pair.peer, whole).total for work, pair in of.items()}
    ours = {work: scaled(pair.ours, whole).total for work, pair in of.items()}
    names = {"linear-probe": PROBE, "full": FULL, "lora": LORA}
    reached = {names[work]: peer[work] / ours[work] for work in names if work in of}
    if "linear-probe" in of and of["linear-probe"].ours.get("further_seed"):
        reached[FURTHER] = peer["linear-probe"] / of["linear-probe"].ours["further_seed"]
    if names.keys() <= of.keys():
        reached[FIVE] = five_techniques(peer) / five_techniques(ours)
    return reached


def five_techniques(totals: Mapping[str, float]) -> float:
    """Return the seconds of all five, from those of three: the probe runs once, and both others start twice."""
    return totals["linear-probe"] + 2 * totals["full"] + 2 * totals["lora"]
