"""What may be said of two techniques after all corrections, as sentences with an id (to be said in other languages)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from tuneoff.evidence.saying import Sentence, said

Kind = Literal["better", "equal", "open"]
Row = Mapping[str, Any]

ALPHA = 0.05
MOST_NAMED = 5

VERDICTS = {
    "better": "{a} is better than {b} by {low:.1f} to {high:.1f} points.",
    "better_up_to": "{a} is better than {b}, by up to {high:.1f} points.",
    "better_within_margin": "{a} is better than {b} by {low:.1f} to {high:.1f} points, which is within your margin of "
    "{margin:g} points.",
    "equal": "{a} and {b} are equal within your margin of {margin:g} points; {difference:.1f} points were measured.",
    "identical": "{a} and {b} gave the same answers to all {examples} examples, so nothing tells them apart.",
    "too_few_discordant": "{a} and {b} cannot be told apart: exactly one of the two is right on {discordant} of "
    "{examples} examples, and even if all of them spoke for one, {needed} would be needed.",
    "open": "{a} and {b} cannot be told apart: this design finds differences of {smallest:.1f} points or more; "
    "{difference:.1f} points were measured.",
    "open_examples": "{a} and {b} cannot be told apart: this design finds differences of {smallest:.1f} points or "
    "more; the {difference:.1f} points measured would need about {examples:,} examples.",
    "open_seeds": "{a} and {b} cannot be told apart: this design finds differences of {smallest:.1f} points or more; "
    "the {difference:.1f} points measured would need about {seeds} seeds.",
    "open_both": "{a} and {b} cannot be told apart: this design finds differences of {smallest:.1f} points or more; "
    "the {difference:.1f} points measured would need about {examples:,} examples or {seeds} seeds.",
    "open_neither": "{a} and {b} cannot be told apart: this design finds differences of {smallest:.1f} points or "
    "more; neither more seeds alone nor more examples alone would show the {difference:.1f} points measured.",
    "open_unable": "{a} and {b} cannot be told apart: this design finds no difference reliably, however large; more "
    "seeds are needed.",
}

SUMMARIES = {
    "none_apart": "No two of the {techniques} techniques can be told apart.",
    "pair_not_apart": "The two techniques cannot be told apart.",
    "all_apart": "All {pairs} pairs are told apart.",
    "some_apart": "{apart} of {pairs} pairs are told apart; of the others it is not known which is better.",
    "more": "{count} more verdicts are in the report.",
    "equal": "{equal} of {pairs} pairs are equal within your margin of {margin:g} points.",
    "finds": "With {examples} examples and {seeds} seeds, this design finds differences of {least:.1f} to {most:.1f} "
    "points or more (power {power:.0%}, corrected for {pairs} pairs).",
    "finds_one_seed": "With {examples} examples, this design finds differences of {least:.1f} to {most:.1f} points or "
    "more between two trained models (power {power:.0%}, corrected for {pairs} pairs).",
    "finds_one": "With {examples} examples and {seeds} seeds, this design finds differences of {least:.1f} points or "
    "more (power {power:.0%}, corrected for {pairs} pairs).",
    "finds_one_one_seed": "With {examples} examples, this design finds differences of {least:.1f} points or more "
    "between two trained models (power {power:.0%}, corrected for {pairs} pairs).",
    "finds_pair": "With {examples} examples and {seeds} seeds, this design finds differences of {least:.1f} points or "
    "more (power {power:.0%}).",
    "finds_pair_one_seed": "With {examples} examples, this design finds differences of {least:.1f} points or more "
    "between two trained models (power {power:.0%}).",
    "finds_nothing": "With {examples} examples and {seeds} seeds, this design finds no difference reliably, however "
    "large: add seeds.",
    "one_seed": "One seed: these verdicts are about the trained models, not about the techniques; other seeds may "
    "order them otherwise.",
}


def kind(pair: Row) -> Kind:
    """Return what the corrected p-values of a pair allow: `better`, `equal` within the margin, or neither: `open`."""
    if pair["p_holm"] <= ALPHA:
        return "better"
    return "equal" if pair["p_equal_holm"] is not None and pair["p_equal_holm"] <= ALPHA else "open"


def verdict(pair: Row, level: float, margin: float | None) -> Sentence:
    """Return the verdict on a pair whose a has the higher accuracy.

    `level` is what the smallest p must reach, and `margin` the share below which a difference does not matter.
    """
    points = {name: 100 * pair[name] for name in ("low", "high", "difference")}
    named = {"a": pair["a"], "b": pair["b"]}
    margins = {} if margin is None else {"margin": 100 * margin}
    if pair["kind"] == "better":
        bounds = {"low": points["low"], "high": points["high"]}
        if pair["low"] <= 0:
            return _said(VERDICTS, "better_up_to", **named, high=points["high"])
        within = pair["p_equal_holm"] is not None and pair["p_equal_holm"] <= ALPHA
        return _said(VERDICTS, "better_within_margin" if within else "better", **named, **bounds, **margins)
    if pair["kind"] == "equal":
        return _said(VERDICTS, "equal", **named, **margins, difference=points["difference"])
    return _open(pair, level, named)


def _open(pair: Row, level: float, named: Mapping[str, str]) -> Sentence:
    if pair["discordance"] == 0:
        return _said(VERDICTS, "identical", **named, examples=pair["examples"])
    discordant, needed = round(pair["discordance"] * pair["examples"]), least_discordant(level)
    if pair["seeds"] == 1 and discordant < needed:
        counts = {"discordant": discordant, "examples": pair["examples"], "needed": needed}
        return _said(VERDICTS, "too_few_discordant", **named, **counts)
    if pair["smallest_difference"] is None:
        return _said(VERDICTS, "open_unable", **named)
    sizes = {"smallest": 100 * pair["smallest_difference"], "difference": 100 * pair["difference"]}
    more = {
        name: two_digits(pair[f"{name}_needed"])
        for name in ("examples", "seeds")
        if pair[f"{name}_needed"] is not None and pair[f"{name}_needed"] > pair[name]
    }
    if pair["difference"] >= pair["smallest_difference"] or pair["difference"] < 0.0005 or not pair["needs_known"]:
        return _said(VERDICTS, "open", **named, **sizes)
    if not more:
        # With one seed nothing is known of what more seeds would show.
        return _said(VERDICTS, "open" if pair["seeds"] == 1 else "open_neither", **named, **sizes)
    name = "open_both" if len(more) == 2 else f"open_{next(iter(more))}"
    return _said(VERDICTS, name, **named, **sizes, **more)


def least_discordant(level: float) -> int:
    """Return on how many examples two models must differ, all in one's favour, for McNemar's exact test to see it."""
    count = 1
    while 2.0 ** (1 - count) > level:
        count += 1
    return count


def summary(comparison: Row) -> list[Sentence]:
    """Return what came out of all pairs together, in reading order, with the most certain verdicts named."""
    return list(_summary(comparison)) if comparison["pairs"] else []


def _summary(comparison: Row) -> Iterator[Sentence]:
    pairs = comparison["pairs"]
    better = [pair for pair in pairs if pair["kind"] == "better"]
    equal = [pair for pair in pairs if pair["kind"] == "equal"]
    if not better and len(equal) < len(pairs):
        yield _none_apart(pairs)
    for pair in better[:MOST_NAMED]:
        yield pair["verdict"]
    if len(better) > MOST_NAMED:
        yield _said(SUMMARIES, "more", count=len(better) - MOST_NAMED)
    if len(pairs) > 1 and better:
        name = "all_apart" if len(better) == len(pairs) else "some_apart"
        yield _said(SUMMARIES, name, pairs=len(pairs), apart=len(better))
    if equal:
        yield _said(SUMMARIES, "equal", equal=len(equal), pairs=len(pairs), margin=100 * comparison["margin"])
    if len(better) + len(equal) < len(pairs):
        yield _finds(comparison)
    if pairs[0]["seeds"] == 1:
        yield _said(SUMMARIES, "one_seed")


def _none_apart(pairs: Sequence[Row]) -> Sentence:
    if len(pairs) == 1:
        return _said(SUMMARIES, "pair_not_apart")
    return _said(SUMMARIES, "none_apart", techniques=len({pair[side] for pair in pairs for side in "ab"}))


def _finds(comparison: Row) -> Sentence:
    """Say what the design can find, by the pairs that vary least and most."""
    pairs = comparison["pairs"]
    seeds, examples = pairs[0]["seeds"], pairs[0]["examples"]
    smallest = [pair["smallest_difference"] for pair in pairs if pair["smallest_difference"] is not None]
    if not smallest:
        return _said(SUMMARIES, "finds_nothing", examples=examples, seeds=seeds)
    alike = f"{100 * min(smallest):.1f}" == f"{100 * max(smallest):.1f}"
    span = "_pair" if len(pairs) == 1 else "_one" if alike else ""
    name = f"finds{span}{'_one_seed' if seeds == 1 else ''}"
    reach = {"least": 100 * min(smallest), "most": 100 * max(smallest), "power": comparison["power"]}
    return _said(SUMMARIES, name, examples=examples, seeds=seeds, pairs=len(pairs), **reach)


def two_digits(count: int) -> int:
    """Round a count to two digits, which is all that a forecast from measured variances promises."""
    return int(float(f"{count:.2g}"))


def _said(texts: Mapping[str, str], name: str, **values: Any) -> Sentence:
    return said(texts, name, "verdict." if texts is VERDICTS else "summary.", **values)
