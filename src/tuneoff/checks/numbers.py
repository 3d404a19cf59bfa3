"""Are weights, logits and gradients numbers, and is the learning rate a usual one?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

if TYPE_CHECKING:
    from tuneoff.checks.loop import Loop
    from tuneoff.checks.patient import Patient

FAR = 30.0  # times the technique's own default, or a thirtieth of it
VANISHED = 0.5  # of a step's gradients that are exactly zero, in tensors that are used by every text


class Numbers(Check):
    """Weights, logits and gradients at the precision of training; learning rates beside the technique's own."""

    name = "numbers"
    question = "Are weights, logits and gradients finite, and are the learning rates usual ones?"
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Warn of learning rates far from the technique's own default; tuned ones are chosen from a space around it."""
        far = []
        for _, stage in patient.kinds():
            default = type(stage.spec.settings).model_fields["learning_rate"].default
            rate = stage.optimization.learning_rate
            if max(rate / default, default / rate) > FAR:
                far.append(stage.address.chain)
                yield self.finding(
                    "warning",
                    f"The learning rate {rate:g} is {_times(rate, default)} than the usual {default:g}.",
                    "Tune it (protocol.tune), or say in the paper why it is so.",
                    about=stage.address.chain,
                    evidence={"learning_rate": rate, "usual": default},
                )
        if not far:
            sentence = f"All learning rates are within {FAR:g} times the techniques' own."
            yield self.finding("fine", sentence, evidence={"factor": FAR})

    def of_loop(self, loop: "Loop") -> Iterator[Finding]:
        """Look for numbers that are not finite, and for gradients that vanish at this precision."""
        import torch

        bad = [name for name, value in loop.model.named_parameters() if not bool(torch.isfinite(value).all())]
        if bad:
            yield self.finding(
                "error",
                f"{len(bad)} tensors of weights are not finite: {bad[0]}.",
                "The checkpoint is damaged, or an earlier training diverged: take another one.",
                about=loop.about,
                evidence={"tensors": bad},
            )
            return
        # Of a table only the rows in use have a gradient.
        modules = loop.model.named_modules()
        tables = {f"{name}.weight" for name, module in modules if isinstance(module, torch.nn.Embedding)}
        overflown = not bool(torch.isfinite(loop.evaluated(loop.rows)).all())
        with loop.undone():
            for _ in loop.steps(1, 0.0):
                gradients = {name: value.grad for name, value in loop.trained.items() if value.grad is not None}
                broken = [name for name, value in gradients.items() if not bool(torch.isfinite(value).all())]
                dense = [
                    value
                    for name, value in gradients.items()
                    if value.dtype in (torch.float16, torch.bfloat16) and name not in tables
                ]
                zero = sum(int((value == 0).sum()) for value in dense)
                count = sum(value.numel() for value in dense)
        if overflown or broken:
            what = "Logits" if overflown else f"Gradients ({broken[0]})"
            yield self.finding(
                "error",
                f"{what} are not finite at this precision.",
                "Train in fp32 or bf16; fp16 needs a gradient scaler, and overflows above 65,504.",
                about=loop.about,
                evidence={"gradients": broken},
            )
        elif count and zero > VANISHED * count:
            yield self.finding(
                "warning",
                f"{zero / count:.0%} of the half-precision gradients are exactly zero: they vanish at this precision.",
                "Keep the weights in fp32 (autocast), and scale the loss where it is fp16.",
                about=loop.about,
                evidence={"zero": zero, "gradients": count},
            )
        else:
            sentence = "Weights, logits and gradients are finite at this precision."
            yield self.finding("fine", sentence, about=loop.about)


def _times(rate: float, default: float) -> str:
    """Return how many times higher or lower a rate is."""
    way = "higher" if rate > default else "lower"
    return f"{max(rate / default, default / rate):.0f} times {way}"
