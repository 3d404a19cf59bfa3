"""Power: the smallest difference that a study can find, before the hours are spent."""

from collections.abc import Iterator, Mapping
from functools import cache
from math import comb
from typing import TYPE_CHECKING, Any

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.evidence.power import POWER, Design, examples_needed, seeds_needed, smallest_difference
from tuneoff.evidence.verdicts import ALPHA, two_digits

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.study import Protocol

DISCORDANCE = 0.3
"""The share of answers on which exactly one of two techniques is right, as it is supposed; 0.2 to 0.4 is usual."""

LASTING = 0.5
"""How much of the discordance is supposed to be of the examples, and the same in every seed."""

BETWEEN_SEEDS = 0.025
"""The standard deviation of the difference between two techniques over seeds, as it is supposed."""

TOO_LARGE, WANTED = 0.10, 0.03


class Power(Check):
    """What is the smallest difference between two techniques that this design can find?

    Found means with a power of 80% at 5%, corrected for all pairs of techniques (by Bonferroni, which is Holm's first
    step). Nothing is measured yet, so it is supposed that two techniques differ on 30% of the answers (Card et al.
    2020, With Little Power Comes Great Responsibility, EMNLP) and, with several seeds, that their difference has a
    standard deviation of 2.5 points between seeds and that half of the answers on which they differ are the same in
    every seed. With one seed it is about the two trained models. Seeds that `until_clear` may add count, as if the
    results were looked at once, when all are there. The report says what the design did find, by what was measured.

    A warning above 10 points: most of what is claimed of fine-tuning techniques is smaller.
    """

    name = "power"
    question = "What is the smallest difference that this design can find?"
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield the one finding; all models of a study have the same design."""
        protocol = patient.prepared.read.study.protocol
        techniques = len(patient.plan.techniques)
        examples = len(patient.data.splits["test"])
        pairs = comb(techniques, 2)
        if not pairs:
            yield self.finding(
                "fine", "There is one technique, so nothing is compared.", evidence={"techniques": techniques}
            )
            return
        seeds = _seeds(protocol)
        level = ALPHA / pairs
        smallest, needed = _reach(seeds, examples, level)
        evidence: dict[str, Any] = {
            "examples": examples,
            "seeds": seeds,
            "pairs": pairs,
            "level": level,
            "power": POWER,
            "smallest_difference": smallest,
            "supposed": {"discordance": DISCORDANCE},
        }
        supposed = f"supposing that two techniques differ on {DISCORDANCE:.0%} of the answers"
        if seeds > 1:
            evidence["supposed"] |= {"seed_sd": BETWEEN_SEEDS, "lasting": LASTING}
            supposed += f" and their difference by {100 * BETWEEN_SEEDS:g} points (SD) between seeds"
        of = f"{examples:,} examples" + ("" if seeds == 1 else f" and {_most(protocol)}{seeds} seeds")
        corrected = f", corrected for {pairs} pairs" if pairs > 1 else ""
        terms = f"(power {POWER:.0%}{corrected}; {supposed})"
        if smallest is None:
            yield self.finding(
                "warning",
                f"With {of}, this design finds no difference reliably, however large {terms}.",
                _advice(seeds),
                evidence=evidence,
            )
            return
        models = " between two trained models" if seeds == 1 else ""
        sentence = f"With {of}, this design finds differences of {100 * smallest:.1f} points or more{models} {terms}"
        if smallest > WANTED:
            evidence["needed_for_3_points"] = dict(needed)
            sentence += f"; {_needed(needed)}"
        large = smallest > TOO_LARGE
        yield self.finding(
            "warning" if large else "note", sentence + ".", _advice(seeds) if large else None, evidence=evidence
        )


def _seeds(protocol: "Protocol") -> int:
    """Return the seeds that techniques have at the end, those that rounds may add included."""
    return len(protocol.seed_list) if protocol.until_clear is None else protocol.until_clear.seeds


def _most(protocol: "Protocol") -> str:
    return "" if protocol.until_clear is None else "up to "


@cache
def _reach(seeds: int, examples: int, level: float) -> tuple[float | None, Mapping[str, int | None]]:
    """Return the smallest difference that a design finds, and the examples and the seeds that 3 points would need."""
    design = _design(seeds, examples)
    smallest = smallest_difference(design, level)
    if smallest is None or smallest <= WANTED:
        return smallest, {}
    needed = examples_needed(design, WANTED, level), seeds_needed(design, WANTED, level)
    return smallest, dict(zip(("examples", "seeds"), needed, strict=True))


def _design(seeds: int, examples: int) -> Design:
    """Return the design as it is supposed to be."""
    if seeds == 1:
        return Design(seeds, examples, DISCORDANCE)
    lasting = LASTING * DISCORDANCE
    return Design(seeds, examples, DISCORDANCE, BETWEEN_SEEDS**2, lasting, DISCORDANCE - lasting)


def _needed(needed: Mapping[str, int | None]) -> str:
    """Return what 3 points would take, in words."""
    ways = [f"{two_digits(count):,} {name}" for name, count in needed.items() if count is not None]
    points = f"{100 * WANTED:g} points"
    if ways:
        return f"{points} would need about {' or '.join(ways)}"
    return f"neither more seeds alone nor more examples alone would show {points}"


def _advice(seeds: int) -> str:
    more = "more seeds" if seeds > 1 else "several seeds, for what holds of the techniques"
    return f"Test on more examples (a larger test, or protocol.folds), compare fewer techniques, or run {more}."
