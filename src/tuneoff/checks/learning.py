"""Does the model learn at all?"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

if TYPE_CHECKING:
    import torch

    from tuneoff.checks.loop import Loop

STEPS = 40  # at each rate
FITTED = 0.5  # of the loss at the start, with every answer right
RATES_FEW, RATES_ALL = (1e-2, 1e-3, 1e-1), (1e-4, 1e-3, 1e-2)
CLOSE = 1e-3  # in nats

ENGLISH = {
    "fitted": "{right} examples are fitted in {steps} steps at rate {rate:g}: loss {before:.3f} -> {after:.3f}.",
    "fitted_at_once": "Fitted, {right} of {examples} examples are right: loss {before:.3f} -> {after:.3f}.",
    "not_fitted": "{examples} examples cannot be fitted: at best {right} are right after {steps} steps (rate {rate:g}, "
    "loss {before:.3f} -> {after:.3f}).",
    "look_at_gradients": "Look whether labels and texts belong together, whether gradients reach what is trained, and "
    "whether the vector that is classified depends on the text.",
    "not_finite": "The loss is not finite before the first step.",
    "look_at_weights": "Look for weights that are not finite, and for a precision that overflows.",
    "zero_head": "With a zero head the loss is {loss:.4f}, and should be ln({classes}) = {expected:.4f}.",
    "look_at_loss": "Something beside the head moves the logits, or the loss is not the mean cross-entropy.",
}
RUSSIAN = {
    "fitted": "Примеры ({right}) выучены: шагов {steps}, темп обучения {rate:g}; потери {before:.3f} -> {after:.3f}.",
    "fitted_at_once": "После подгонки верных ответов на примеры: {right} из {examples}; потери {before:.3f} -> "
    "{after:.3f}.",
    "not_fitted": "Выучить примеры ({examples}) не удаётся: верных ответов не больше {right} (шагов: {steps}, темп "
    "обучения {rate:g}, потери {before:.3f} -> {after:.3f}).",
    "look_at_gradients": "Проверьте, соответствуют ли метки текстам, доходят ли градиенты до того, что обучается, и "
    "зависит ли классифицируемый вектор от текста.",
    "not_finite": "До первого шага потери бесконечны или равны NaN.",
    "look_at_weights": "Поищите бесконечность или NaN среди весов и переполнение при такой точности вычислений.",
    "zero_head": "При нулевой голове потери равны {loss:.4f}, а должны быть ln({classes}) = {expected:.4f}.",
    "look_at_loss": "Логиты сдвигает что-то помимо головы, или потери — не средняя перекрёстная энтропия.",
}


class Learning(Check):
    """The loss before the first step, and whether a few examples can be learned by heart."""

    name = "learning"
    question = "Is the loss what it must be at the start, and can a few examples be fitted?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

    def of_loop(self, loop: "Loop") -> Iterator[Finding]:
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
                values = {"right": right, "steps": steps, "rate": rate, "before": first, "after": last}
                yield self.finding("fine", "fitted", about=loop.about, evidence={"tried": tried}, values=values)
                return
        best = max(tried, key=lambda one: (one["right"], -one["loss_after"]))
        yield self.finding(
            "error",
            "not_fitted",
            "look_at_gradients",
            about=loop.about,
            evidence={"tried": tried},
            values={
                "examples": len(loop.labels),
                "right": int(best["right"]),
                "steps": STEPS,
                "rate": best["rate"],
                "before": best["loss_before"],
                "after": best["loss_after"],
            },
        )

    def _fitted(self, loop: "Loop") -> Finding:
        """Return how well the examples are known after a fit without gradients, which need not be by heart."""
        with loop.undone():
            first = next(loop.steps(1, 0.0))
            assert loop.fit is not None
            loop.fit()
            logits = loop.evaluated(loop.rows)
            last = float(loop.loss(logits, loop.labels.cpu()))
        right = int((logits.argmax(dim=1) == loop.labels.cpu()).sum())
        evidence = {"loss_before": first, "loss_after": last, "right": right}
        values = {"right": right, "examples": len(loop.labels), "before": first, "after": last}
        return self.finding("fine", "fitted_at_once", about=loop.about, evidence=evidence, values=values)

    def _start(self, loop: "Loop") -> Iterator[Finding]:
        """Yield an error where the loss is not ln(classes) with a zero head, or not finite with the real one."""
        import torch

        real = float(self._loss(loop))
        if not math.isfinite(real):
            yield self.finding("error", "not_finite", "look_at_weights", about=loop.about)
            return
        if loop.head is None:
            return
        with torch.no_grad():
            kept = loop.head.detach().clone()
            loop.head.zero_()
            zero = float(self._loss(loop))
            loop.head.copy_(kept)
        found = {"loss": zero, "expected": math.log(loop.classes)}
        if abs(zero - found["expected"]) > CLOSE:
            values = {**found, "classes": loop.classes}
            yield self.finding("error", "zero_head", "look_at_loss", about=loop.about, evidence=found, values=values)

    def _loss(self, loop: "Loop") -> "torch.Tensor":
        return loop.loss(loop.evaluated(loop.rows), loop.labels.cpu())

    def _rates(self, loop: "Loop") -> tuple[float, ...]:
        everything = sum(value.numel() for value in loop.model.parameters())
        trained = sum(value.numel() for value in loop.trained.values())
        return RATES_ALL if 2 * trained > everything else RATES_FEW

    def _fit(self, loop: "Loop", rate: float) -> tuple[float, float, int, int]:
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
