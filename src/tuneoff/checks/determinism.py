"""Does the same computation give the same numbers?"""

from collections.abc import Iterator

import torch

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.loop import Loop, distance

STEPS, RATE = 3, 1e-4


class Determinism(Check):
    """Two evaluations, and two runs of a few steps."""

    name = "determinism"
    question = "Do two evaluations, and two runs of a few steps, give the same numbers?"

    def of_loop(self, loop: Loop) -> Iterator[Finding]:
        """Evaluate twice and train twice from the same state; on a CPU the results must be the same bit for bit."""
        first, again = loop.evaluated(loop.rows), loop.evaluated(loop.rows)
        losses, ends = [], []
        for _ in range(2):
            with loop.undone():
                losses.append(list(loop.steps(STEPS, RATE)))
                ends.append(loop.evaluated(loop.rows))
        evaluations, runs = distance(first, again), distance(*ends)
        evidence = {"between_evaluations": evaluations, "between_runs": runs, "steps": STEPS}
        same = torch.equal(first, again), torch.equal(*ends) and losses[0] == losses[1]
        limit = 0.0 if loop.exact else loop.tolerance
        for value, equal, what, why in (
            (evaluations, same[0], "Two evaluations", "Dropout may still be on: call eval() before evaluating."),
            (runs, same[1], f"Two runs of {STEPS} steps", "Seed dropout and data order before each run."),
        ):
            if not equal and not 0 < value <= limit:
                sentence = f"{what} from the same state give other logits: they differ by {value:.2g} of their size."
                yield self.finding("error", sentence, why, about=loop.about, evidence=evidence)
        if all(same):
            sentence = f"Two evaluations and two runs of {STEPS} steps give the same bits."
            yield self.finding("fine", sentence, about=loop.about, evidence=evidence)
        elif max(evaluations, runs) <= limit:
            sentence = f"Two evaluations agree to {evaluations:.1g} and two runs of {STEPS} steps to {runs:.1g}."
            yield self.finding("fine", sentence, about=loop.about, evidence={**evidence, "tolerance": limit})
