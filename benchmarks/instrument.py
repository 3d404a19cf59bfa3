"""Is the instrument right? Studies with a known truth, and how often intervals, verdicts and promised power hold.

`python -m benchmarks.instrument` runs the whole grid (tens of minutes), `--short` a part of it; `--accuracies` measures
the intervals of accuracies alone, in the designs of the results that are there, and keeps what else they hold.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.instrument_table import as_markdown
from benchmarks.simulated import Truth
from tuneoff.evidence.answers import Answers as Answered
from tuneoff.evidence.crossed import crossed, half_width
from tuneoff.evidence.families import holm
from tuneoff.evidence.intervals import bounds, wilson
from tuneoff.evidence.pairs import p_value, steadied
from tuneoff.evidence.power import Design, power, smallest_difference
from tuneoff.evidence.race import race, seeds_by_round

Answers = NDArray[np.bool_]
Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]

TECHNIQUES, LEVEL = 5, 0.05
AT_ONCE = 20_000_000
SEED_SD = {1: (0.0,), 5: (0.0, 0.01, 0.03)}
EXAMPLES = (30, 100, 300, 1000, 3000)
ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.97)


@dataclass(frozen=True)
class Cell:
    """A design, a truth without differences, and what was found: shares of studies, techniques or pairs."""

    seeds: int
    examples: int
    accuracy: float
    seed_sd: float
    studies: int
    false_verdicts: float
    accuracy_covered: float
    difference_covered: float


def grid(short: bool) -> Iterator[Truth]:
    """Yield the truths to simulate: one seed and five over everything, other counts of seeds over a part."""
    examples, accuracies = (EXAMPLES[:3], ACCURACIES[::2]) if short else (EXAMPLES, ACCURACIES)
    for seeds, spreads in SEED_SD.items():
        for n, accuracy, seed_sd in product(examples, accuracies, spreads):
            yield Truth(seeds, n, (accuracy,) * TECHNIQUES, seed_sd)
    for seeds, n, accuracy, seed_sd in product((2, 3, 10, 20), (30, 300), (0.6, 0.9), (0.0, 0.02)):
        if not short or seeds in (3, 10):
            yield Truth(seeds, n, (accuracy,) * TECHNIQUES, seed_sd)


def simulate(truth: Truth, studies: int, seed: int = 0) -> Cell:
    """Draw studies whose techniques are all alike, and count what the instrument says of them."""
    verdicts, differences = [], []
    for answers in _drawn(truth, studies, np.random.default_rng(seed)):
        verdicts.append(false_verdicts(answers))
        differences.append(covered(difference_bounds(answers), 0.0))
    return Cell(
        seeds=truth.seeds,
        examples=truth.examples,
        accuracy=truth.accuracies[0],
        seed_sd=truth.seed_sd,
        studies=studies,
        false_verdicts=float(np.concatenate(verdicts).mean()),
        accuracy_covered=accuracy_covered(truth, studies, seed),
        difference_covered=float(np.concatenate(differences).mean()),
    )


def accuracy_covered(truth: Truth, studies: int, seed: int = 0) -> float:
    """Draw the same studies, and return how many of the techniques' intervals enclose the accuracy."""
    drawn = _drawn(truth, studies, np.random.default_rng(seed))
    found = [covered(bounds(crossed(answers)), truth.accuracies[0]) for answers in drawn]
    return float(np.concatenate(found).mean())


def _drawn(truth: Truth, studies: int, rng: np.random.Generator) -> Iterator[Answers]:
    at_once = max(1, AT_ONCE // (len(truth.accuracies) * truth.seeds * truth.examples))
    for start in range(0, studies, at_once):
        yield truth.draw(min(at_once, studies - start), rng)


def pairs_of(answers: Answers) -> NDArray[np.float64]:
    """Return the differences (studies, pairs, seeds, examples) of answers (studies, techniques, seeds, examples)."""
    pairs = list(combinations(range(answers.shape[1]), 2))
    return np.stack([answers[:, a].astype(np.float32) - answers[:, b] for a, b in pairs], axis=1)


def false_verdicts(answers: Answers) -> NDArray[np.bool_]:
    """Return for each study whether any pair is told apart, after Holm's correction."""
    return np.array([min(holm(list(p))) <= LEVEL for p in p_value(pairs_of(answers))])


def difference_bounds(answers: Answers) -> Bounds:
    """Return the 95% bounds of all pairs' differences, (studies, pairs)."""
    parts = crossed(pairs_of(answers))
    centre, extra = steadied(parts)
    half = half_width(1 - LEVEL, parts, extra)
    return centre - half, centre + half


def covered(found: Bounds, truth: float) -> NDArray[np.bool_]:
    """Return where bounds enclose the truth."""
    return (found[0] <= truth) & (truth <= found[1])


def all_answers_independent(answers: Answers) -> Bounds:
    """Return Wilson's interval over seeds times examples, as if each answer were a new example: a wrong method."""
    n = answers.shape[-1] * answers.shape[-2]
    return wilson(answers.mean((-2, -1)), n, 1.96)


def t_over_seeds(answers: Answers) -> Bounds:
    """Return Student's interval over the seeds' accuracies, as if the examples were all there are: a wrong method."""
    from scipy.stats import t

    seeds = answers.mean(-1)
    half = t.ppf(0.975, seeds.shape[-1] - 1) * seeds.std(-1, ddof=1) / np.sqrt(seeds.shape[-1])
    return seeds.mean(-1) - half, seeds.mean(-1) + half


def bootstrap_over_both(answers: Answers, draws: int = 200, seed: int = 0) -> Bounds:
    """Return percentile intervals from resampled seeds and examples: few seeds cover too little."""
    rng = np.random.default_rng(seed)
    *_, seeds, examples = answers.shape
    means = []
    for _ in range(draws):
        of_seeds = np.bincount(rng.integers(seeds, size=seeds), minlength=seeds) / seeds
        of_examples = np.bincount(rng.integers(examples, size=examples), minlength=examples) / examples
        means.append(np.einsum("...se,s,e->...", answers, of_seeds, of_examples))
    low, high = np.quantile(np.array(means), [0.025, 0.975], axis=0)
    return low, high


def bootstrap_over_seeds(answers: Answers, draws: int = 1000, seed: int = 0) -> Bounds:
    """Return percentile intervals from resampled seeds: a wrong method, the more so the fewer seeds."""
    rng = np.random.default_rng(seed)
    means, seeds = answers.mean(-1), answers.shape[-2]
    drawn = means[..., rng.integers(seeds, size=(draws, seeds))].mean(-1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=-1)
    return low, high


WRONG: dict[str, Callable[[Answers], Bounds]] = {
    "each answer taken as a new example": all_answers_independent,
    "Student's t over seeds, examples left out": t_over_seeds,
    "bootstrap over seeds and examples": bootstrap_over_both,
    "bootstrap over seeds": bootstrap_over_seeds,
}


def wrong_methods(studies: int) -> list[dict[str, Any]]:
    """Return what other methods cover where 95% is meant: five seeds, accuracy 0.7, examples or seeds that decide."""
    rows = []
    for examples, seed_sd in ((300, 0.0), (3000, 0.03)):
        truth = Truth(5, examples, (0.7,) * TECHNIQUES, seed_sd)
        answers = truth.draw(studies, np.random.default_rng(1))
        methods = {"ours": lambda found: bounds(crossed(found)), **WRONG}
        rows += [
            {
                "method": name,
                "examples": examples,
                "seed_sd": seed_sd,
                "covered": float(covered(method(answers), 0.7).mean()),
            }
            for name, method in methods.items()
        ]
    return rows


def promises(studies: int, short: bool) -> list[dict[str, Any]]:
    """Return for designs the smallest difference promised, and in how many studies one of that size is found."""
    rows = []
    designs = [(1, 307, 0.0), (3, 1000, 0.01), (5, 307, 0.01), (5, 3000, 0.02), (10, 300, 0.01), (20, 300, 0.02)]
    for (seeds, examples, seed_sd), level in product(designs[:3] if short else designs, (LEVEL, LEVEL / 10)):
        rng = np.random.default_rng(seeds)
        gap = smallest_difference(measured(Truth(seeds, examples, (0.7, 0.7), seed_sd), rng), level)
        if gap is None or gap > 0.5:
            continue
        truth = Truth(seeds, examples, (0.7 - gap / 2, 0.7 + gap / 2), seed_sd)
        promised = power(measured(truth, rng), gap, level)
        found = [p_value(pairs_of(answers)) <= level for answers in _drawn(truth, studies, rng)]
        reached = float(np.concatenate(found).mean())
        design = {"seeds": seeds, "examples": examples, "seed_sd": seed_sd, "level": level}
        rows.append({**design, "smallest_difference": gap, "promised": promised, "found": reached})
    return rows


def measured(truth: Truth, rng: np.random.Generator, studies: int = 400) -> Design:
    """Return the design of two techniques with the variances of a truth, averaged over studies."""
    found = crossed(pairs_of(truth.draw(studies, rng))[:, 0])
    means = {name: float(getattr(found, name).mean()) for name in ("square", "seed_variance", "example_variance")}
    return Design(
        truth.seeds,
        truth.examples,
        means["square"],
        *(means["seed_variance"], means["example_variance"], float(found.rest.mean())),
        difference=abs(truth.accuracies[1] - truth.accuracies[0]),
    )


def races(studies: int) -> list[dict[str, Any]]:
    """Return what rounds of 5, 10 and 20 seeds decide where nothing differs, and where one technique is best."""
    rows = []
    rounds = seeds_by_round(range(5), 20)
    for accuracies in ((0.7,) * TECHNIQUES, (0.6, 0.68, 0.72, 0.74, 0.8)):
        names = [f"{place}" for place in range(TECHNIQUES)]
        false, best, runs = 0, 0, 0
        for answers in Truth(20, 300, accuracies, 0.015).draw(studies, np.random.default_rng(0)):
            found = {
                name: Answered(tuple(range(20)), np.arange(300), one) for name, one in zip(names, answers, strict=True)
            }
            result = race(names, found, rounds)
            pairs = [pair for one in result.rounds for pair in one.better]
            false += any(accuracies[int(better)] <= accuracies[int(worse)] for better, worse in pairs)
            best += result.left == (names[-1],)
            racing = [TECHNIQUES, *(len(one.left) for one in result.rounds)]
            before = [0, *(one.seeds for one in result.rounds)]
            runs += sum(n * (one.seeds - done) for n, one, done in zip(racing, result.rounds, before, strict=False))
        shares = {"false_verdicts": false / studies, "best_found": best / studies, "runs": runs / studies}
        rows.append({"accuracies": list(accuracies), "studies": studies, **shares, "runs_at_most": 20 * TECHNIQUES})
    return rows


def main() -> None:
    """Run the grid with progress on the error stream; write instrument.json and print and write instrument.md."""
    from rich.console import Console
    from rich.progress import track

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a part of the grid")
    parser.add_argument("--accuracies", action="store_true", help="only the accuracies' intervals of former results")
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies in a cell")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for JSON and Markdown")
    asked = parser.parse_args()
    start = time.monotonic()
    progress = partial(track, description="simulating", console=Console(stderr=True))
    if asked.accuracies:
        result = json.loads((asked.out / "instrument.json").read_text(encoding="utf-8"))
        for cell in progress(result["cells"]):
            truth = Truth(cell["seeds"], cell["examples"], (cell["accuracy"],) * TECHNIQUES, cell["seed_sd"])
            cell["accuracy_covered"] = accuracy_covered(truth, cell["studies"])
        result["wrong_methods"] = wrong_methods(min(result["studies"], 1000))
    else:
        result = {
            "studies": asked.studies,
            "techniques": TECHNIQUES,
            "cells": [asdict(simulate(truth, asked.studies)) for truth in progress(list(grid(asked.short)))],
            "promises": promises(asked.studies, asked.short),
            "races": races(min(asked.studies, 500)),
            "wrong_methods": wrong_methods(min(asked.studies, 1000)),
            "seconds": round(time.monotonic() - start),
        }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "instrument.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = as_markdown(result)
    (asked.out / "instrument.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
