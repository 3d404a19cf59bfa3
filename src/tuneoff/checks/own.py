"""The doctor for a training loop of one's own: `tuneoff.doctor(model, tokenizer, examples)`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tuneoff.checks import all_checks
from tuneoff.checks.finding import Finding, worst_first
from tuneoff.checks.loop import Loop, Rows
from tuneoff.errors import DataError
from tuneoff.words import listed

Example = tuple[str, Any] | tuple[str, str, Any]
Forward = Callable[[Any, Any], Any]
LEAST = 2


@dataclass(frozen=True)
class Diagnosis:
    """What the checks of a loop found, errors first. Prints itself, a finding a line."""

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> list[Finding]:
        """The findings that make results wrong, or that pay for nothing."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def healthy(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def __repr__(self) -> str:
        return "\n".join(f"[{finding.severity}] {finding}" for finding in self.findings)


def doctor(
    model: nn.Module,
    tokenizer: Any,
    examples: Sequence[Example],
    *,
    forward: Forward | None = None,
    trains: Collection[str] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    checks: Collection[str] | None = None,
) -> Diagnosis:
    """Check a model and a way of training it, as a loop of one's own has them, and return what was found.

    `examples` are a few rows (text, label) or (text, text, label) of unlike lengths; labels are class numbers or any
    values. `forward(model, batch)` gives logits [B, C] of the tokenizer's batch, padded as the tokenizer pads; left
    out, it is `model(**batch).logits`. `trains` are names of parameters that are meant to be trained, or beginnings
    of names (such as "head."); left out, whatever is trained is taken to be meant. `optimizer` is the loop's own: what
    it holds is what is trained; without one it is all that needs a gradient. `checks` are names of the checks to make;
    left out, all that look at a loop. The model's weights, and what needs a gradient, are afterwards as before.

    Raises DataError for examples that cannot be used, and ValueError for a check that there is not.

    >>> tuneoff.doctor(model, tokenizer, [("a text", 0), ("another one", 1)])  # doctest: +SKIP
    """
    loop = _loop(model, tokenizer, _checked(examples), forward or _logits_of, trains, optimizer)
    known = {check.name: check for check in all_checks()}
    if unknown := set(checks or ()) - known.keys():
        raise ValueError(f"there is no check {listed(sorted(unknown))}; there are: {listed(known)}")
    training = model.training
    try:
        found = [one for check in all_checks() if not checks or check.name in checks for one in check.of_loop(loop)]
    finally:
        model.train(training)
    return Diagnosis(tuple(worst_first(found)))


def _checked(examples: Sequence[Example]) -> Sequence[Example]:
    if len(examples) < LEAST:
        raise DataError(f"examples: {len(examples)} given; at least {LEAST} of unlike lengths are needed")
    width = len(examples[0])
    for number, example in enumerate(examples, start=1):
        texts = example[:-1]
        if width not in (2, 3) or len(example) != width or not all(isinstance(text, str) for text in texts):
            raise DataError(f"examples, number {number}: give (text, label) or (text, text, label), all alike")
    if len({example[-1] for example in examples}) < LEAST:
        raise DataError("examples: all have the same label; at least two labels are needed")
    return examples


def _logits_of(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    logits: Tensor = model(**batch).logits
    return logits


def _loop(
    model: nn.Module,
    tokenizer: Any,
    examples: Sequence[Example],
    forward: Forward,
    trains: Collection[str] | None,
    optimizer: torch.optim.Optimizer | None,
) -> Loop:
    device = next(model.parameters()).device
    values = sorted({example[-1] for example in examples}, key=lambda value: (str(type(value)), value))
    numbers = {value: place for place, value in enumerate(values)}
    if all(isinstance(value, int) for value in values):
        numbers = {value: value for value in values}
    parameters = dict(model.named_parameters())
    held = {id(one) for group in optimizer.param_groups for one in group["params"]} if optimizer else None
    trained = {
        name: value
        for name, value in parameters.items()
        if (value.requires_grad if held is None else id(value) in held)
    }

    def batch_of(rows: Rows) -> Any:
        columns = [[examples[row][place] for row in rows] for place in range(len(examples[0]) - 1)]
        return tokenizer(*columns, padding=True, truncation=True, return_tensors="pt").to(device)

    def logits(rows: Rows) -> Tensor:
        return _as_logits(forward(model, batch_of(rows)), len(rows))

    def shortened(row: int) -> Tensor:
        batch = batch_of([row])
        for name, value in list(batch.items()):
            batch[name] = value[:, :-1]
        with torch.no_grad():
            return _as_logits(forward(model, batch), 1)

    with torch.no_grad():
        classes = logits([0]).shape[1]
    return Loop(
        about=None,
        model=model,
        labels=torch.tensor([numbers[example[-1]] for example in examples], device=device),
        classes=classes,
        logits=logits,
        shortened=shortened,
        trained=trained,
        expected=None if trains is None else frozenset(_named(parameters, trains)),
        train_mode=model.train,
        eval_mode=model.eval,
        tolerance=1e-3 if next(model.parameters()).dtype == torch.float32 else 5e-2,
    )


def _as_logits(value: Any, rows: int) -> Tensor:
    """Return logits in float32; raises DataError for anything that is not [B, C]."""
    if not isinstance(value, Tensor) or value.dim() != 2 or len(value) != rows:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise DataError(f"forward: logits [{rows}, classes] are wanted, and it gave {shape}")
    return value.float()


def _named(parameters: Mapping[str, nn.Parameter], trains: Collection[str]) -> list[str]:
    found = [name for name in parameters if name.startswith(tuple(trains))]
    if not found:
        raise DataError(f"trains: no parameter's name begins with {listed(sorted(trains))}")
    return found
