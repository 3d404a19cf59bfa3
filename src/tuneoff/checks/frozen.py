"""Is exactly what should be trained trained, and nothing else?"""

import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import message

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tuneoff.checks.loop import Loop

STEPS = 3  # LoRA's A has no gradient at the first, as its B is zero
RATE = 1e-3
SHOWN = 3
# The softmax of attention does not change when every key gets the same addition: the gradient is zero but for rounding.
KEY_BIASES = ("key.bias", "k_proj.bias", "k_lin.bias", "key_proj.bias", "k.bias")

ENGLISH = {
    "exact": "{steps} steps changed the {trained:,} numbers that are trained and none of the {rest:,} others.",
    "surplus": "{count} tensors are trained and should not be: {names}{more}.",
    "missing": "{count} tensors should be trained and are not: {names}{more}.",
    "give_exactly": "Give the optimizer exactly what is to be trained.",
    "stray": "Each step computes gradients of {stray:,} numbers that are not trained ({trained:,} are): {names}{more}.",
    "freeze": "Call requires_grad_(False) on what is frozen: its backward pass costs about twice a forward pass.",
    "dead": "{count} trained tensors get no gradient in {steps} steps: {names}{more}.",
    "leave_out": "The loss does not depend on them: leave them out, or look where the graph is cut (detach, no_grad).",
    "drifting": "{count} frozen tensors changed in {steps} steps: {names}{more}.",
    "who_writes": "Something other than the optimizer writes into them, or the optimizer has more than is trained.",
    "still": "{count} trained tensors did not change in {steps} steps: {names}{more}.",
    "in_optimizer": "Look whether the optimizer has them, and whether their numbers are too coarse for such a step.",
    "and_others": " and others",
}
RUSSIAN = {
    "exact": "Шагов сделано {steps}: изменились все обучаемые числа ({trained:,}) и ни одно из остальных ({rest:,}).",
    "surplus": "Тензоров, которые обучаются, хотя не должны: {count} ({names}{more}).",
    "missing": "Тензоров, которые должны обучаться, но не обучаются: {count} ({names}{more}).",
    "give_exactly": "Передайте оптимизатору ровно то, что нужно обучать.",
    "stray": "На каждом шаге вычисляются градиенты чисел, которые не обучаются: {stray:,}, тогда как обучаемых чисел "
    "{trained:,}. Это {names}{more}.",
    "freeze": "Вызовите requires_grad_(False) для всего замороженного: обратный проход по нему стоит примерно двух "
    "прямых.",
    "dead": "Шагов сделано {steps}, обучаемых тензоров без градиента {count}: {names}{more}.",
    "leave_out": "Потери от них не зависят: уберите их из обучаемых или найдите, где обрывается граф (detach, "
    "no_grad).",
    "drifting": "Шагов сделано {steps}, замороженных тензоров изменилось {count}: {names}{more}.",
    "who_writes": "В них пишет что-то помимо оптимизатора, или оптимизатору передано больше, чем обучается.",
    "still": "Шагов сделано {steps}, обучаемых тензоров не изменилось {count}: {names}{more}.",
    "in_optimizer": "Проверьте, переданы ли они оптимизатору и не слишком ли грубы их числа для такого шага.",
    "and_others": " и другие",
}


@dataclass(frozen=True)
class Observed:
    """Names of the parameters that had a gradient, that had one other than zero, and that changed, in some steps."""

    with_gradient: frozenset[str]
    with_nonzero: frozenset[str]
    changed: frozenset[str]


class Frozen(Check):
    """Gradients and changes of every tensor over three steps."""

    name = "frozen"
    question = "Does training change exactly what it should, and is a gradient computed for nothing else?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

    def of_loop(self, loop: "Loop") -> Iterator[Finding]:
        """Take three steps on the examples, look at the gradients and the weights of all parameters; undo the steps."""
        parameters = dict(loop.model.named_parameters())
        problems = [*self._by_name(loop), *self._by_steps(loop, parameters, observe(loop, parameters))]
        yield from problems
        if not problems:
            trained = _numbers(parameters, loop.trained)
            values = {"steps": STEPS, "trained": trained, "rest": _numbers(parameters, parameters) - trained}
            yield self.finding("fine", "exact", about=loop.about, evidence={"trained": trained}, values=values)

    def _by_name(self, loop: "Loop") -> Iterator[Finding]:
        """Yield an error where the optimizer gets other parameters than it is meant to get."""
        if loop.expected is None:
            return
        surplus, missing = sorted(loop.trained.keys() - loop.expected), sorted(loop.expected - loop.trained.keys())
        for names, what in ((surplus, "surplus"), (missing, "missing")):
            if names:
                evidence = {"tensors": names}
                yield self.finding(
                    "error", what, "give_exactly", about=loop.about, evidence=evidence, values=_some(names)
                )

    def _by_steps(self, loop: "Loop", parameters: "Mapping[str, nn.Parameter]", seen: Observed) -> Iterator[Finding]:
        """Yield an error for gradients that nobody uses, for those that never come, and for weights that change alone.

        The first is the linear probe of 2025: its backbone was never frozen, and each step paid for its backward pass.
        """
        trained = frozenset(loop.trained)
        stray = sorted(seen.with_gradient - trained)
        if stray:
            yield self.finding(
                "error",
                "stray",
                "freeze",
                about=loop.about,
                evidence={"tensors": len(stray), "numbers": _numbers(parameters, stray)},
                values={
                    "stray": _numbers(parameters, stray),
                    "trained": _numbers(parameters, trained),
                    **_some(stray),
                },
            )
        dead = sorted(name for name in trained - seen.with_nonzero - loop.late if not name.endswith(KEY_BIASES))
        dead = [] if loop.fit else dead  # fitted, without a gradient
        drifting = sorted(seen.changed - trained)
        still = sorted(trained - seen.changed - loop.late - set(dead))
        still = [name for name in still if not name.endswith(KEY_BIASES)]
        for names, what, advice in (
            (dead, "dead", "leave_out"),
            (drifting, "drifting", "who_writes"),
            (still, "still", "in_optimizer"),
        ):
            if names:
                values = {"steps": STEPS, **_some(names)}
                yield self.finding("error", what, advice, about=loop.about, evidence={"tensors": names}, values=values)


def observe(loop: "Loop", parameters: "Mapping[str, nn.Parameter]") -> Observed:
    """Return what some training steps did to each parameter; the steps are undone."""
    with_gradient, with_nonzero = set(), set()
    with loop.undone():
        before = {name: checksum(value) for name, value in parameters.items()}
        for _ in loop.steps(STEPS, RATE, as_it_is=True):
            for name, value in parameters.items():
                if value.grad is not None:
                    with_gradient.add(name)
                    if bool(value.grad.any()):
                        with_nonzero.add(name)
        changed = {name for name, value in parameters.items() if checksum(value) != before[name]}
    return Observed(frozenset(with_gradient), frozenset(with_nonzero), frozenset(changed))


def checksum(value: "Tensor") -> int:
    """Return a number that tells two states of a tensor apart."""
    import torch

    return zlib.crc32(value.detach().contiguous().view(torch.uint8).cpu().numpy().data)


def _numbers(parameters: "Mapping[str, nn.Parameter]", names: Collection[str]) -> int:
    return sum(parameters[name].numel() for name in names)


def _some(names: list[str]) -> dict[str, Any]:
    """Return the number of names, the first of them, and whether there are more, as values of a message."""
    more = message("and_others") if len(names) > SHOWN else ""
    return {"count": len(names), "names": names[:SHOWN], "more": more}
