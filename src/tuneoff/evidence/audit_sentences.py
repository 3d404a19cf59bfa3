"""What an audit found, as sentences with an id (so that they can be said in other languages)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuneoff.evidence.saying import said
from tuneoff.evidence.verdicts import two_digits

MOST_NAMED = 5

SENTENCES = {
    "asked": "{techniques} techniques, {pairs} pairs, {n} test examples each.",
    "asked_unequal": "{techniques} techniques, {pairs} pairs, {least} to {most} test examples.",
    "none_apart": "No pair can be told apart at n = {n}: by Fisher's exact test, two-sided, with Holm's correction "
    "over {pairs} pairs, no p is {level:.0%} or less.",
    "better": "{a} is better than {b}: by {difference:.1f} points, p = {p_holm:.2g} after Holm's correction.",
    "more_better": "{count} more pairs are told apart; the table has them.",
    "rest_not_apart": "{count} of {pairs} pairs cannot be told apart.",
    "nearest": "{a} against {b} comes nearest: {difference:.1f} points, p = {p:.2g}, after Holm's correction "
    "{p_holm:.2g}.",
    "nearest_decidable": "If the predictions per example were published, {a} against {b} could be told apart: exactly "
    "one of the two is right on {least} to {most} of the {n} examples, and up to {decided} ({share:.0%}) would do.",
    "nearest_decided": "If the predictions per example were published, {a} against {b} would be told apart, whatever "
    "they are.",
    "nearest_undecidable": "No predictions per example could tell {a} and {b} apart.",
    "others_decidable": "If the two agree enough, predictions per example could also decide {named}.",
    "many_decidable": "If the two agree enough, predictions per example could also decide {count} other pairs.",
    "undecidable": "No predictions per example could tell {count} pairs apart.",
    "needed": "To find {difference:.1f} points with a power of {power:.0%} takes about {unpaired} test examples by "
    "accuracies alone; with predictions per example about {low} to {high}, if exactly one of the two is right on "
    "{share_low:.0%} to {share_high:.0%} of them.",
    "smallest_difference": "By accuracies alone, {n} test examples find {points:.0f} points with a power of "
    "{power:.0%}, and smaller differences less often.",
    "independence": "Fisher's test takes the answers of two techniques as independent. On the same examples they "
    "mostly agree more than that, and the test then errs on the careful side.",
    "same_examples": "What is said about predictions per example takes it that all were tested on the same examples.",
    "unequal_n": "Pairs with different numbers of examples have no paired values.",
    "no_seeds": "The number of seeds is not given, and taken as one: verdicts are about the trained models, not about "
    "the techniques. Other seeds may order them otherwise.",
    "one_seed": "One seed: verdicts are about the trained models, not about the techniques. Other seeds may order "
    "them otherwise.",
    "several_seeds": "Means over seeds are tested as if they were one run, since the spread between seeds is not "
    "published: p-values may be too small.",
    "rounding": "The digits given leave several counts of right answers; for each pair the two that lie closest are "
    "taken.",
    "unused_columns": "Columns not used: {columns}.",
}


def audit_sentences(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sentences about an audit's result in reading order: findings first, then what to keep in mind."""
    sentences = [*_asked(result), *_verdicts(result), *_open(result), *_cautions(result)]
    return [said(SENTENCES, name, **values) for name, values in sentences]


Sentence = tuple[str, dict[str, Any]]


def _sizes(result: Mapping[str, Any]) -> list[int]:
    return sorted({one["n"] for one in result["techniques"]})


def _asked(result: Mapping[str, Any]) -> Iterator[Sentence]:
    sizes, counts = _sizes(result), {"techniques": len(result["techniques"]), "pairs": len(result["pairs"])}
    if len(sizes) == 1:
        yield "asked", {**counts, "n": sizes[0]}
    else:
        yield "asked_unequal", {**counts, "least": sizes[0], "most": sizes[-1]}


def _verdicts(result: Mapping[str, Any]) -> Iterator[Sentence]:
    pairs, sizes = result["pairs"], _sizes(result)
    better = [pair for pair in pairs if pair["verdict"] == "better"]
    for pair in better[:MOST_NAMED]:
        yield "better", {**_named(pair), "p_holm": pair["unpaired"]["p_holm"]}
    if len(better) > MOST_NAMED:
        yield "more_better", {"count": len(better) - MOST_NAMED}
    if not better:
        size = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        yield "none_apart", {"n": size, "pairs": len(pairs), "level": result["level"]}
    elif len(better) < len(pairs):
        yield "rest_not_apart", {"count": len(pairs) - len(better), "pairs": len(pairs)}


def _open(result: Mapping[str, Any]) -> Iterator[Sentence]:
    """Tell of the pairs that are not told apart: the nearest, what could decide them, what it would take."""
    undecided = [pair for pair in result["pairs"] if pair["verdict"] != "better"]
    if not undecided:
        return
    nearest, others = undecided[0], [pair for pair in undecided[1:] if pair["paired"]]
    yield "nearest", {**_named(nearest), **nearest["unpaired"]}
    if nearest["paired"]:
        yield from _nearest_paired(nearest, result["level"])
    yield from _others_paired(others, result["level"])
    if needed := nearest["examples_needed"]:
        low, high = (share for share in needed if share != "unpaired")
        yield (
            "needed",
            {
                "difference": 100 * nearest["difference"],
                "power": result["power"],
                "unpaired": two_digits(needed["unpaired"]),
                "low": two_digits(needed[low]),
                "high": two_digits(needed[high]),
                "share_low": float(low.rstrip("%")) / 100,
                "share_high": float(high.rstrip("%")) / 100,
            },
        )
    if result["smallest_difference"] is not None:
        points = 100 * result["smallest_difference"]
        yield "smallest_difference", {"n": _sizes(result)[0], "points": points, "power": result["power"]}


def _decidable(pair: Mapping[str, Any], level: float) -> bool:
    """Tell whether the predictions that part the two most, for this and all other pairs, would decide it."""
    return bool(pair["paired"]["smallest"]["p_holm"] <= level)


def _nearest_paired(pair: Mapping[str, Any], level: float) -> Iterator[Sentence]:
    names = {"a": pair["a"], "b": pair["b"]}
    least, most = (pair["paired"][name]["discordant"] for name in ("smallest", "largest"))
    decided, n = pair["decided_up_to"], pair["n"][0]
    if not _decidable(pair, level):
        yield "nearest_undecidable", names
    elif decided == most:
        yield "nearest_decided", names
    elif decided is not None:
        values = {"least": least, "most": most, "n": n, "decided": decided, "share": decided / n}
        yield "nearest_decidable", {**names, **values}


def _others_paired(pairs: Sequence[Mapping[str, Any]], level: float) -> Iterator[Sentence]:
    decidable = [pair for pair in pairs if _decidable(pair, level)]
    if len(decidable) > MOST_NAMED:
        yield "many_decidable", {"count": len(decidable)}
    elif decidable:
        yield "others_decidable", {"named": "; ".join(f"{pair['a']} / {pair['b']}" for pair in decidable)}
    if len(decidable) < len(pairs):
        yield "undecidable", {"count": len(pairs) - len(decidable)}


def _cautions(result: Mapping[str, Any]) -> Iterator[Sentence]:
    techniques = result["techniques"]
    yield "independence", {}
    if any(pair["paired"] for pair in result["pairs"]):
        yield "same_examples", {}
    if len(_sizes(result)) > 1:
        yield "unequal_n", {}
    seeds = [one["seeds"] for one in techniques]
    if any(count is not None and count > 1 for count in seeds):
        yield "several_seeds", {}
    else:
        yield ("no_seeds" if None in seeds else "one_seed"), {}
    if any(one["fewest"] < one["most"] for one in techniques):
        yield "rounding", {}
    if result["unused_columns"]:
        yield "unused_columns", {"columns": ", ".join(result["unused_columns"])}


def _named(pair: Mapping[str, Any]) -> dict[str, Any]:
    return {"a": pair["a"], "b": pair["b"], "difference": 100 * pair["difference"]}
