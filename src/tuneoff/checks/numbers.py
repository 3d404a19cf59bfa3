"""Are weights, logits and gradients numbers, and is the learning rate a usual one?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

if TYPE_CHECKING:
    from tuneoff.checks.loop import Loop
    from tuneoff.checks.patient import Patient

FAR = 30.0  # times the technique's own default, or a thirtieth of it
VANISHED = 0.5  # of a step's gradients that are exactly zero, in tensors that are used by every text

ENGLISH = {
    "high": "The learning rate {rate:g} is {times:.0f} times higher than the usual {usual:g}.",
    "low": "The learning rate {rate:g} is {times:.0f} times lower than the usual {usual:g}.",
    "tune": "Tune it (protocol.tune), or say in the paper why it is so.",
    "usual": "All learning rates are within {factor:g} times the techniques' own.",
    "weights": "{count} tensors of weights are not finite: {first}.",
    "other_weights": "The checkpoint is damaged, or an earlier training diverged: take another one.",
    "logits": "Logits are not finite at this precision.",
    "gradients": "Gradients ({first}) are not finite at this precision.",
    "other_precision": "Train in fp32 or bf16; fp16 needs a gradient scaler, and overflows above {limit:,}.",
    "vanished": "{part:.0%} of the half-precision gradients are exactly zero: they vanish at this precision.",
    "keep_fp32": "Keep the weights in fp32 (autocast), and scale the loss where it is fp16.",
    "finite": "Weights, logits and gradients are finite at this precision.",
}
RUSSIAN = {
    "high": "Темп обучения {rate:g} намного выше обычного ({usual:g}): отношение {times:.0f} : 1.",
    "low": "Темп обучения {rate:g} намного ниже обычного ({usual:g}): отношение 1 : {times:.0f}.",
    "tune": "Подберите его (protocol.tune) или объясните в статье, почему он таков.",
    "usual": "Все темпы обучения отличаются от собственных темпов способов не более чем в {factor:g} раз.",
    "weights": "Тензоров весов, где есть бесконечность или NaN: {count}, например {first}.",
    "other_weights": "Файл весов повреждён, или прежнее обучение разошлось: возьмите другой.",
    "logits": "При такой точности вычислений среди логитов есть бесконечность или NaN.",
    "gradients": "При такой точности вычислений среди градиентов ({first}) есть бесконечность или NaN.",
    "other_precision": "Обучайте в fp32 или bf16: при fp16 нужно масштабировать градиенты (gradient scaler), и он "
    "переполняется выше {limit:,}.",
    "vanished": "{part:.0%} градиентов половинной точности в точности равны нулю: при такой точности вычислений они "
    "исчезают.",
    "keep_fp32": "Держите веса в fp32 (autocast), а если вычисления идут в fp16, масштабируйте потери.",
    "finite": "Веса, логиты и градиенты при такой точности вычислений конечны.",
}


class Numbers(Check):
    """Weights, logits and gradients at the precision of training; learning rates beside the technique's own."""

    name = "numbers"
    question = "Are weights, logits and gradients finite, and are the learning rates usual ones?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}
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
                    "high" if rate > default else "low",
                    "tune",
                    about=stage.address.chain,
                    evidence={"learning_rate": rate, "usual": default},
                    values={"rate": rate, "usual": default, "times": max(rate / default, default / rate)},
                )
        if not far:
            yield self.finding("fine", "usual", evidence={"factor": FAR}, values={"factor": FAR})

    def of_loop(self, loop: "Loop") -> Iterator[Finding]:
        """Look for numbers that are not finite, and for gradients that vanish at this precision."""
        import torch

        bad = [name for name, value in loop.model.named_parameters() if not bool(torch.isfinite(value).all())]
        if bad:
            yield self.finding(
                "error",
                "weights",
                "other_weights",
                about=loop.about,
                evidence={"tensors": bad},
                values={"count": len(bad), "first": bad[0]},
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
            values = {"limit": int(torch.finfo(torch.float16).max), **({"first": broken[0]} if broken else {})}
            yield self.finding(
                "error",
                "logits" if overflown else "gradients",
                "other_precision",
                about=loop.about,
                evidence={"gradients": broken},
                values=values,
            )
        elif count and zero > VANISHED * count:
            yield self.finding(
                "warning",
                "vanished",
                "keep_fp32",
                about=loop.about,
                evidence={"zero": zero, "gradients": count},
                values={"part": zero / count},
            )
        else:
            yield self.finding("fine", "finite", about=loop.about)
