"""A model that is about to be trained, as the checks see it: some examples, their logits, and what gets trained."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tuneoff.checks.messages import Message

Rows = Sequence[int]
Optimizers = Callable[[float], torch.optim.Optimizer]


@dataclass
class Loop:
    """A model, a few labelled examples, and how both are used in training.

    `logits` gives [B, C] of the examples with these numbers, computed together in one batch as training computes them;
    `shortened` those [1, C] of one example without its last token (None where that cannot be told). `labels` are class
    numbers [N]. `trained` are the parameters that the optimizer gets, by name; `expected` the names that it is meant to
    get (None: not known), and `late` those that get no gradient in the first steps, on purpose. `head` is the weight of
    the classifier's last layer, where it is known. `train_mode` and `eval_mode` switch dropout as the loop does; `loss`
    is the mean one of logits and labels; `optimizer` makes the loop's own from a learning rate, else it is AdamW;
    `after_step` runs after the optimizer's step number 1, 2, .... `fit` takes the place of steps where there are no
    gradients. With `batch_matters_on_purpose` a text's logits are
    meant to depend on its batch. `rates` are those to fit the examples at, if not the check's own. `tolerance` is how
    far two ways of computing the same logits may lie apart, relative to their size. `seed` seeds dropout.
    """

    about: str | Message | None
    model: nn.Module
    labels: Tensor
    classes: int
    logits: Callable[[Rows], Tensor]
    trained: Mapping[str, nn.Parameter]
    expected: frozenset[str] | None = None
    late: frozenset[str] = frozenset()
    shortened: Callable[[int], Tensor] | None = None
    head: Tensor | None = None
    train_mode: Callable[[], object] = lambda: None
    eval_mode: Callable[[], object] = lambda: None
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy
    optimizer: Optimizers | None = None
    after_step: Callable[[int], None] = lambda _: None
    fit: Callable[[], None] | None = None
    batch_matters_on_purpose: bool = False
    tolerance: float = 1e-3
    seed: int = 0
    rates: tuple[float, ...] = field(default=())

    @property
    def rows(self) -> list[int]:
        """The numbers of all examples."""
        return list(range(len(self.labels)))

    @property
    def exact(self) -> bool:
        """Whether the same computation gives the same bits: on a CPU it does."""
        return self.labels.device.type == "cpu"

    def evaluated(self, rows: Rows) -> Tensor:
        """Return float64 logits [B, C] of examples in evaluation mode, without gradients, on the CPU."""
        self.eval_mode()
        with torch.no_grad():
            return self.logits(rows).double().cpu()

    def steps(self, count: int, rate: float, *, as_it_is: bool = False) -> Iterator[float]:
        """Train on all examples at a constant rate, and yield each step's loss while its gradients stand.

        The optimizer steps when the next loss is asked for. What is not trained gets no gradient, unless the loop is to
        be taken as it is. Dropout is drawn from `seed`, and torch's global random state is put back afterwards.
        Without gradients a step is to fit anew.
        """
        if self.fit is not None:
            for _ in range(count):
                yield float(self.loss(self.evaluated(self.rows), self.labels.cpu()))
                self.fit()
            return
        if not as_it_is:
            for name, parameter in self.model.named_parameters():
                parameter.requires_grad_(name in self.trained)
        optimizer = (self.optimizer or self._adamw)(rate)
        devices = [self.labels.device] if self.labels.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            for step in range(count):
                torch.manual_seed(self.seed + step)
                self.train_mode()
                loss = self.loss(self.logits(self.rows), self.labels)
                loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
                yield float(loss.detach())
                optimizer.step()
                self.model.zero_grad(set_to_none=True)
                self.after_step(step + 1)
        self.eval_mode()

    def train(self, count: int, rate: float) -> None:
        """Take some steps, which stay."""
        for _ in self.steps(count, rate):
            pass

    def _adamw(self, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.trained.values(), lr=rate, weight_decay=0.0)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Put every parameter and buffer back as it was, with what needs a gradient, when the block ends."""
        state = {name: value.detach().clone() for name, value in self._tensors().items()}
        needed = {name: value.requires_grad for name, value in self.model.named_parameters()}
        try:
            yield
        finally:
            self.model.zero_grad(set_to_none=True)
            with torch.no_grad():
                for name, value in self._tensors().items():
                    if value.shape == state[name].shape:
                        value.copy_(state[name])
                    else:  # rows of train that were kept
                        value.data = state[name]
            for name, parameter in self.model.named_parameters():
                parameter.requires_grad_(needed[name])
            self.eval_mode()

    def _tensors(self) -> dict[str, Tensor]:
        return {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}


def distance(one: Tensor, other: Tensor) -> float:
    """Return the norm of the difference of two tensors over the norm of the first, or infinity if it is not a number.

    A first tensor of almost nothing counts as one of norm 1e-6.
    """
    found = float((one - other).norm() / one.norm().clamp(min=1e-6))
    return found if found == found else float("inf")
