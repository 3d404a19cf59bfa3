"""Is exactly what should be trained trained, and nothing else?"""

import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.loop import Loop

STEPS = 3  # LoRA's A has no gradient at the first, as its B is zero
RATE = 1e-3
SHOWN = 3
# The softmax of attention does not change when every key gets the same addition: the gradient is zero but for rounding.
KEY_BIASES = ("key.bias", "k_proj.bias", "k_lin.bias", "key_proj.bias", "k.bias")


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

    def of_loop(self, loop: Loop) -> Iterator[Finding]:
        """Take three steps on the examples, look at the gradients and the weights of all parameters; undo the steps."""
        parameters = dict(loop.model.named_parameters())
        problems = [*self._by_name(loop), *self._by_steps(loop, parameters, observe(loop, parameters))]
        yield from problems
        if not problems:
            trained = _numbers(parameters, loop.trained)
            sentence = (
                f"{STEPS} steps changed the {trained:,} numbers that are trained and none of the "
                f"{_numbers(parameters, parameters) - trained:,} others."
            )
            yield self.finding("fine", sentence, about=loop.about, evidence={"trained": trained})

    def _by_name(self, loop: Loop) -> Iterator[Finding]:
        """Yield an error where the optimizer gets other parameters than it is meant to get."""
        if loop.expected is None:
            return
        surplus, missing = sorted(loop.trained.keys() - loop.expected), sorted(loop.expected - loop.trained.keys())
        for names, what in ((surplus, "are trained and should not be"), (missing, "should be trained and are not")):
            if names:
                yield self.finding(
                    "error",
                    f"{len(names)} tensors {what}: {_some(names)}.",
                    "Give the optimizer exactly what is to be trained.",
                    about=loop.about,
                    evidence={"tensors": names},
                )

    def _by_steps(self, loop: Loop, parameters: Mapping[str, nn.Parameter], seen: Observed) -> Iterator[Finding]:
        """Yield an error for gradients that nobody uses, for those that never come, and for weights that change alone.

        The first is the linear probe of 2025: its backbone was never frozen, and each step paid for its backward pass.
        """
        trained = frozenset(loop.trained)
        stray = sorted(seen.with_gradient - trained)
        if stray:
            yield self.finding(
                "error",
                f"Each step computes gradients of {_numbers(parameters, stray):,} numbers that are not trained "
                f"({_numbers(parameters, trained):,} are): {_some(stray)}.",
                "Call requires_grad_(False) on what is frozen: its backward pass costs about twice a forward pass.",
                about=loop.about,
                evidence={"tensors": len(stray), "numbers": _numbers(parameters, stray)},
            )
        dead = sorted(name for name in trained - seen.with_nonzero - loop.late if not name.endswith(KEY_BIASES))
        dead = [] if loop.fit else dead  # fitted, without a gradient
        if dead:
            yield self.finding(
                "error",
                f"{len(dead)} trained tensors get no gradient in {STEPS} steps: {_some(dead)}.",
                "The loss does not depend on them: leave them out, or look where the graph is cut (detach, no_grad).",
                about=loop.about,
                evidence={"tensors": dead},
            )
        drifting = sorted(seen.changed - trained)
        if drifting:
            yield self.finding(
                "error",
                f"{len(drifting)} frozen tensors changed in {STEPS} steps: {_some(drifting)}.",
                "Something other than the optimizer writes into them, or the optimizer has more than is trained.",
                about=loop.about,
                evidence={"tensors": drifting},
            )
        still = sorted(trained - seen.changed - loop.late - set(dead))
        if still := [name for name in still if not name.endswith(KEY_BIASES)]:
            yield self.finding(
                "error",
                f"{len(still)} trained tensors did not change in {STEPS} steps: {_some(still)}.",
                "Look whether the optimizer has them, and whether their numbers are too coarse for such a step.",
                about=loop.about,
                evidence={"tensors": still},
            )


def observe(loop: Loop, parameters: Mapping[str, nn.Parameter]) -> Observed:
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


def checksum(value: Tensor) -> int:
    """Return a number that tells two states of a tensor apart."""
    import torch

    return zlib.crc32(value.detach().contiguous().view(torch.uint8).cpu().numpy().data)


def _numbers(parameters: Mapping[str, nn.Parameter], names: Collection[str]) -> int:
    return sum(parameters[name].numel() for name in names)


def _some(names: list[str]) -> str:
    """Return the first names, and that there are more."""
    return ", ".join(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
