"""Does the model learn at all?"""

import math
from collections.abc import Iterator

import torch

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.loop import Loop

STEPS = 40  # at each rate
FITTED = 0.5  # of the loss at the start, with every answer right
RATES_FEW, RATES_ALL = (1e-2, 1e-3, 1e-1), (1e-4, 1e-3, 1e-2)
CLOSE = 1e-3  # in nats


class Learning(Check):
    """The loss before the first step, and whether a few examples can be learned by heart."""

    name = "learning"
    question = "Is the loss what it must be at the start, and can a few examples be fitted?"

    def of_loop(self, loop: Loop) -> Iterator[Finding]:
        """Look at the loss with a zero head and with the real one, then fit the examples at rates of the check's own.

        Karpathy, "A Recipe for Training Neural Networks" (2019): verify the loss at the start, overfit one batch.
        """
        problems = list(self._start(loop))
        yield from problems
        if problems:
            return
        if loop.fit is not None:
            yield self._fitted(loop)
            return
        tried: list[dict[str, float]] = []
        for rate in loop.rates or self._rates(loop):
            first, last, steps, right = self._fit(loop, rate)
            tried.append({"rate": rate, "loss_before": first, "loss_after": last, "steps": steps, "right": right})
            if right == len(loop.labels) and last < FITTED * first:
                sentence = (
                    f"{right} examples are fitted in {steps} steps at rate {rate:g}: loss {first:.3f} -> {last:.3f}."
                )
                yield self.finding("fine", sentence, about=loop.about, evidence={"tried": tried})
                return
        best = max(tried, key=lambda one: (one["right"], -one["loss_after"]))
        yield self.finding(
            "error",
            f"{len(loop.labels)} examples cannot be fitted: at best {best['right']:.0f} are right after {STEPS} steps "
            f"(rate {best['rate']:g}, loss {best['loss_before']:.3f} -> {best['loss_after']:.3f}).",
            "Look whether labels and texts belong together, whether gradients reach what is trained, and whether the "
            "vector that is classified depends on the text.",
            about=loop.about,
            evidence={"tried": tried},
        )

    def _fitted(self, loop: Loop) -> Finding:
        """Return how well the examples are known after a fit without gradients, which need not be by heart."""
        with loop.undone():
            first = next(loop.steps(1, 0.0))
            assert loop.fit is not None
            loop.fit()
            logits = loop.evaluated(loop.rows)
            last = float(loop.loss(logits, loop.labels.cpu()))
        right = int((logits.argmax(dim=1) == loop.labels.cpu()).sum())
        evidence = {"loss_before": first, "loss_after": last, "right": right}
        sentence = f"Fitted, {right} of {len(loop.labels)} examples are right: loss {first:.3f} -> {last:.3f}."
        return self.finding("fine", sentence, about=loop.about, evidence=evidence)

    def _start(self, loop: Loop) -> Iterator[Finding]:
        """Yield an error where the loss is not ln(classes) with a zero head, or not finite with the real one."""
        real = float(self._loss(loop))
        if not math.isfinite(real):
            yield self.finding(
                "error",
                "The loss is not finite before the first step.",
                "Look for weights that are not finite, and for a precision that overflows.",
                about=loop.about,
            )
            return
        if loop.head is None:
            return
        with torch.no_grad():
            kept = loop.head.detach().clone()
            loop.head.zero_()
            zero = float(self._loss(loop))
            loop.head.copy_(kept)
        if abs(zero - math.log(loop.classes)) > CLOSE:
            yield self.finding(
                "error",
                f"With a zero head the loss is {zero:.4f}, and should be ln({loop.classes}) = "
                f"{math.log(loop.classes):.4f}.",
                "Something beside the head moves the logits, or the loss is not the mean cross-entropy.",
                about=loop.about,
                evidence={"loss": zero, "expected": math.log(loop.classes)},
            )

    def _loss(self, loop: Loop) -> torch.Tensor:
        return loop.loss(loop.evaluated(loop.rows), loop.labels.cpu())

    def _rates(self, loop: Loop) -> tuple[float, ...]:
        everything = sum(value.numel() for value in loop.model.parameters())
        trained = sum(value.numel() for value in loop.trained.values())
        return RATES_ALL if 2 * trained > everything else RATES_FEW

    def _fit(self, loop: Loop, rate: float) -> tuple[float, float, int, int]:
        """Return the loss before and after training on the examples, the steps taken, and how many are right then."""
        with loop.undone():
            first = last = float(self._loss(loop))
            right, steps = 0, 0
            for loss in loop.steps(STEPS, rate):
                if not math.isfinite(loss):
                    return first, math.inf, steps, 0
                steps += 1
                if loss < FITTED * first or steps == STEPS:
                    logits = loop.evaluated(loop.rows)
                    last = float(loop.loss(logits, loop.labels.cpu()))
                    right = int((logits.argmax(dim=1) == loop.labels.cpu()).sum())
                    if right == len(loop.labels) and last < FITTED * first:
                        break
        return first, last, steps, right
