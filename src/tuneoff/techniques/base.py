"""What a technique is: settings that can be checked without torch, and hooks into the one training loop."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from tuneoff.section import Section, keyed, unkeyed
from tuneoff.study import Schedule
from tuneoff.values import Norm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from tuneoff.models.classifier import TextClassifier

#: Why nothing can follow a stage that reads two texts each by itself.
PAIR_HEAD = "for with `features: pair` its head takes the vectors of two texts, not of one"


class StageSettings(Section):
    """Settings that every technique has. What is left out is taken from the protocol."""

    learning_rate: float = keyed(doc="Of all that the stage trains.", gt=0)
    schedule: Schedule | None = unkeyed(None, doc="Of the rate after warm-up: constant, linear or cosine.")
    warmup: float | None = unkeyed(None, doc="Share of the steps in which the rate rises from 0.", ge=0, lt=1)
    weight_decay: float | None = unkeyed(None, doc="Of AdamW.", ge=0)
    max_grad_norm: Norm | None = unkeyed(None, doc="Gradients are clipped to this norm.")
    steps: int | None = unkeyed(None, doc="Optimizer steps of this stage, instead of the protocol's.", ge=1)
    epochs: float | None = unkeyed(None, doc="Passes over train of this stage, instead of the protocol's.", gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> StageSettings:
        if isinstance(self.max_grad_norm, float) and self.max_grad_norm <= 0:
            raise ValueError("max_grad_norm: give a positive number, or off")
        return self


@dataclass(frozen=True)
class Optimization:
    """A stage's optimizer, everything resolved: AdamW (betas 0.9/0.999, eps 1e-8) under a schedule."""

    learning_rate: float
    schedule: Schedule
    warmup: float
    weight_decay: float
    max_grad_norm: float | Literal["off"]


class Technique:
    """One way of fine-tuning, as one stage. A subclass gives what differs; the loop knows no technique's name.

    The order of the calls: `apply`, `data_pass`, `optimizer`, `hear_train`, then either `fit` once (where
    `gradient_free`) or, in each step, `partners`, `trainable_at`, `train_mode`, `loss` (or `pair_loss`), the
    optimizer's own step and `after_step`. `merge` comes before a next stage.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    settings_class: ClassVar[type[StageSettings]]
    gradient_free: ClassVar[bool] = False
    #: Whether a stage begins with the logits that the one before it ended with: what it adds is nothing at first.
    keeps_logits: bool = True
    #: Whether `fit` is called before each evaluation, on train's vectors as the backbone then stands.
    fits_head: ClassVar[bool] = False
    #: Whether the groups of train's rows, which `hear_train` tells, change the result; they are in its key then.
    uses_groups: ClassVar[bool] = False
    #: Why no stage can follow this one; None where one can. It may depend on the settings.
    ends_a_chain: str | None = None
    #: Whether it changes weights of the model itself, as it trains or when a next stage begins.
    changes_weights: ClassVar[bool] = True

    def __init__(self, settings: StageSettings) -> None:
        self.settings = settings

    @property
    def reads_pairs(self) -> bool:
        """Whether the two texts of a task are read each by itself, and their vectors u and v as [u; v; |u-v|; u*v]."""
        return False

    @property
    def virtual_tokens(self) -> int:
        """Positions that are taken beside those of a text."""
        return 0

    @property
    def refuses_4bit(self) -> str | None:
        """Why it cannot train a model that is loaded in 4 bits (`load: 4bit`); None where it can."""
        return (
            "for it trains weights of the model itself, and in 4 bits they are frozen" if self.changes_weights else None
        )

    @property
    def ends_a_4bit_chain(self) -> str | None:
        """Why no stage can follow it on such a model; None where one can."""
        return None

    def apply(self, classifier: TextClassifier) -> None:
        """Make trainable what this technique trains, adding modules if it has any; everything else is frozen.

        Random numbers come from torch's global generator, which the caller has seeded for initialisation. Works on a
        classifier on the meta device too, for counting.
        """
        raise NotImplementedError

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on the dropout of what is trained; everything frozen stays in evaluation mode."""
        classifier.eval()

    def data_pass(self, classifier: TextClassifier, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Look at the training texts once before training (for initialisation from data)."""

    def optimizer(self, parameters: Mapping[str, Parameter], optimization: Optimization) -> Optimizer:
        """Return the optimizer of the trainable parameters; the loop sets the learning rate of each group."""
        from tuneoff.training.optimizer import adamw

        return adamw(parameters, optimization, self.rate_factor)

    def hear_train(self, labels: NDArray[np.int64], groups: Sequence[str] | None) -> None:
        """Hear the class numbers of train's rows [N], and the values that keep rows together (None: no groups).

        Called each time that a stage begins or goes on; what is kept of it changes nothing but what it is asked for.
        """

    def rate_factor(self, name: str) -> float:
        """Return the share of the learning rate that AdamW takes for a parameter, in every step."""
        return 1.0

    def trainable_at(self, step: int, steps: int, names: Collection[str]) -> Collection[str]:
        """Return which of the trainable parameters get a gradient at a step (0 .. steps - 1)."""
        return names

    def partners(self, rows: NDArray[np.int64], seed: int) -> NDArray[np.int64] | None:
        """Return for each row of a step (numbers of train) the one that it is held against; then `pair_loss` counts.

        `seed` is the step's own. None: there are no pairs.
        """
        return None

    def pair_loss(self, first: Tensor, second: Tensor, alike: Tensor) -> Tensor:
        """Return the loss of each pair, [B] from pooled vectors [B, H] and whether the labels are equal [B]."""
        raise NotImplementedError

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each example, [B] from logits [B, C] and class numbers [B]."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, labels, reduction="none")

    def after_step(self, classifier: TextClassifier, step: int) -> None:
        """Run after the optimizer's step number `step` (1 .. steps)."""

    def fit(self, classifier: TextClassifier, vectors: Tensor, labels: Tensor) -> None:
        """Fit without gradients, from vectors [N, H] and class numbers [N]; where `gradient_free` or `fits_head`."""
        raise NotImplementedError

    def merge(self, classifier: TextClassifier) -> None:
        """Fold what was added into the backbone's own weights, so that a next stage starts from a plain model."""
