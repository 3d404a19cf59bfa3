"""Does the same computation give the same numbers?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

if TYPE_CHECKING:
    from tuneoff.checks.loop import Loop

STEPS, RATE = 3, 1e-4

ENGLISH = {
    "evaluations_differ": "Two evaluations from the same state give other logits: they differ by {apart:.2g} of their "
    "size.",
    "call_eval": "Dropout may still be on: call eval() before evaluating.",
    "runs_differ": "Two runs of {steps} steps from the same state give other logits: they differ by {apart:.2g} of "
    "their size.",
    "seed_runs": "Seed dropout and data order before each run.",
    "same": "Two evaluations and two runs of {steps} steps give the same bits.",
    "close": "Two evaluations agree to {evaluations:.1g} and two runs of {steps} steps to {runs:.1g}.",
}
RUSSIAN = {
    "evaluations_differ": "Две оценки из одного и того же состояния дают разные логиты: расхождение составляет "
    "{apart:.2g} их величины.",
    "call_eval": "Возможно, дропаут не выключен: вызовите eval() перед оценкой.",
    "runs_differ": "Два прогона (шагов: {steps}) из одного и того же состояния дают разные логиты: расхождение "
    "составляет {apart:.2g} их величины.",
    "seed_runs": "Задавайте зёрна дропаута и порядка данных перед каждым прогоном.",
    "same": "Две оценки и два прогона (шагов: {steps}) совпадают до бита.",
    "close": "Две оценки совпадают с точностью до {evaluations:.1g}, два прогона (шагов: {steps}) — до {runs:.1g}.",
}


class Determinism(Check):
    """Two evaluations, and two runs of a few steps."""

    name = "determinism"
    question = "Do two evaluations, and two runs of a few steps, give the same numbers?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

    def of_loop(self, loop: "Loop") -> Iterator[Finding]:
        """Evaluate twice and train twice from the same state; on a CPU the results must be the same bit for bit."""
        import torch

        from tuneoff.checks.loop import distance

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
            (evaluations, same[0], "evaluations_differ", "call_eval"),
            (runs, same[1], "runs_differ", "seed_runs"),
        ):
            if not equal and not 0 < value <= limit:
                values = {"apart": value, "steps": STEPS}
                yield self.finding("error", what, why, about=loop.about, evidence=evidence, values=values)
        if all(same):
            yield self.finding("fine", "same", about=loop.about, evidence=evidence, values={"steps": STEPS})
        elif max(evaluations, runs) <= limit:
            evidence["tolerance"] = limit
            agreed = {"evaluations": evaluations, "runs": runs, "steps": STEPS}
            yield self.finding("fine", "close", about=loop.about, evidence=evidence, values=agreed)
