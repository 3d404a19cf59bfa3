"""Power: the smallest difference that a study can find, before the hours are spent."""

from collections.abc import Iterator, Mapping
from functools import cache
from math import comb
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import Message, message
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

ENGLISH = {
    "alone": "There is one technique, so nothing is compared.",
    "nothing": "With {design}, this design finds no difference reliably, however large {terms}.",
    "finds": "With {design}, this design finds differences of {smallest:.1f} points or more {terms}{needed}.",
    "finds_one_seed": "With {design}, this design finds differences of {smallest:.1f} points or more between two "
    "trained models {terms}{needed}.",
    "examples": "{examples:,} examples",
    "examples_and_seeds": "{examples:,} examples and {seeds} seeds",
    "examples_and_up_to": "{examples:,} examples and up to {seeds} seeds",
    "terms": "(power {power:.0%}{corrected}; {supposed})",
    "corrected": ", corrected for {pairs} pairs",
    "supposed": "supposing that two techniques differ on {discordance:.0%} of the answers",
    "supposed_seeds": "supposing that two techniques differ on {discordance:.0%} of the answers and their difference "
    "by {sd:g} points (SD) between seeds",
    "needs_examples": "; {points:g} points would need about {examples:,} examples",
    "needs_seeds": "; {points:g} points would need about {seeds:,} seeds",
    "needs_either": "; {points:g} points would need about {examples:,} examples or {seeds:,} seeds",
    "needs_both": "; neither more seeds alone nor more examples alone would show {points:g} points",
    "more_seeds": "Test on more examples (a larger test, or protocol.folds), compare fewer techniques, or run more "
    "seeds.",
    "several_seeds": "Test on more examples (a larger test, or protocol.folds), compare fewer techniques, or run "
    "several seeds, for what holds of the techniques.",
}
RUSSIAN = {
    "alone": "Способ один, поэтому сравнивать нечего.",
    "nothing": "{design}: при таком плане надёжно не обнаруживается никакая разность {terms}.",
    "finds": "{design}: при таком плане обнаруживаются разности от {smallest:.1f} п. п. {terms}{needed}.",
    "finds_one_seed": "{design}: между двумя обученными моделями при таком плане обнаруживаются разности от "
    "{smallest:.1f} п. п. {terms}{needed}.",
    "examples": "Примеров {examples:,}",
    "examples_and_seeds": "Примеров {examples:,}, зёрен {seeds}",
    "examples_and_up_to": "Примеров {examples:,}, зёрен не более {seeds}",
    "terms": "(мощность {power:.0%}{corrected}; {supposed})",
    "corrected": ", с поправкой на число пар: {pairs}",
    "supposed": "в предположении, что ответы двух способов расходятся в {discordance:.0%} случаев",
    "supposed_seeds": "в предположении, что ответы двух способов расходятся в {discordance:.0%} случаев, а стандартное "
    "отклонение их разности между зёрнами равно {sd:g} п. п.",
    "needs_examples": "; для {points:g} п. п. понадобилось бы примеров: около {examples:,}",
    "needs_seeds": "; для {points:g} п. п. понадобилось бы зёрен: около {seeds:,}",
    "needs_either": "; для {points:g} п. п. понадобилось бы примеров около {examples:,} или зёрен около {seeds:,}",
    "needs_both": "; разности в {points:g} п. п. не выявили бы ни одни лишь новые зёрна, ни одни лишь новые примеры",
    "more_seeds": "Проверяйте на большем числе примеров (test побольше или protocol.folds), сравнивайте меньше "
    "способов или добавьте зёрен.",
    "several_seeds": "Проверяйте на большем числе примеров (test побольше или protocol.folds), сравнивайте меньше "
    "способов или возьмите несколько зёрен, чтобы судить о самих способах.",
}


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
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield the one finding; all models of a study have the same design."""
        protocol = patient.prepared.read.study.protocol
        techniques = len(patient.plan.techniques)
        examples = len(patient.data.splits["test"])
        pairs = comb(techniques, 2)
        if not pairs:
            yield self.finding("fine", "alone", evidence={"techniques": techniques})
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
        if seeds > 1:
            evidence["supposed"] |= {"seed_sd": BETWEEN_SEEDS, "lasting": LASTING}
        said = {"design": _said_of(protocol, examples, seeds), "terms": _terms(seeds, pairs)}
        advice = "more_seeds" if seeds > 1 else "several_seeds"
        if smallest is None:
            yield self.finding("warning", "nothing", advice, evidence=evidence, values=said)
            return
        if smallest > WANTED:
            evidence["needed_for_3_points"] = dict(needed)
        large = smallest > TOO_LARGE
        yield self.finding(
            "warning" if large else "note",
            "finds_one_seed" if seeds == 1 else "finds",
            advice if large else None,
            evidence=evidence,
            values={**said, "smallest": 100 * smallest, "needed": _needed(needed) if smallest > WANTED else ""},
        )


def _seeds(protocol: "Protocol") -> int:
    """Return the seeds that techniques have at the end, those that rounds may add included."""
    return len(protocol.seed_list) if protocol.until_clear is None else protocol.until_clear.seeds


def _said_of(protocol: "Protocol", examples: int, seeds: int) -> Message:
    """Return the words for the examples and the seeds of a design."""
    if seeds == 1:
        return message("examples", examples=examples)
    name = "examples_and_seeds" if protocol.until_clear is None else "examples_and_up_to"
    return message(name, examples=examples, seeds=seeds)


def _terms(seeds: int, pairs: int) -> Message:
    """Return the words for what finding means, and for what is supposed."""
    supposed = message("supposed", discordance=DISCORDANCE)
    if seeds > 1:
        supposed = message("supposed_seeds", discordance=DISCORDANCE, sd=100 * BETWEEN_SEEDS)
    corrected = message("corrected", pairs=pairs) if pairs > 1 else ""
    return message("terms", power=POWER, corrected=corrected, supposed=supposed)


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


def _needed(needed: Mapping[str, int | None]) -> Message:
    """Return the words for what 3 points would take."""
    ways = {name: two_digits(count) for name, count in needed.items() if count is not None}
    points = 100 * WANTED
    if not ways:
        return message("needs_both", points=points)
    names = {"examples": "needs_examples", "seeds": "needs_seeds"}
    return message("needs_either" if len(ways) > 1 else names[next(iter(ways))], points=points, **ways)
