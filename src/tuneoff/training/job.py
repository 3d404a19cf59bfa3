"""A stage, ready to be trained: everything the loop needs, and nothing of where it came from."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from tuneoff.choosing import ChooseBy
from tuneoff.models.classifier import TextClassifier
from tuneoff.techniques.base import Optimization, Technique
from tuneoff.training.inputs import Inputs
from tuneoff.training.state import TrainingState
from tuneoff.training.team import ALONE, Team


@dataclass(frozen=True)
class Budget:
    """How long a stage trains and when it is evaluated: `watched` on the way, `reported` splits once at the end.

    `chosen_by` says by which number of `watched` the reported weights are chosen; None: they are the last step's.
    """

    steps: int
    batch_size: int
    eval_every: int
    watched: str
    chosen_by: ChooseBy | None = None
    reported: tuple[str, ...] = ("test",)

    def splits_at(self, step: int) -> list[str]:
        """Return the splits that are evaluated after `step` steps (0, k, 2k, ... and the last)."""
        last = step == self.steps
        splits = [self.watched] if last or step % self.eval_every == 0 else []
        return [*splits, *self.reported_after] if last else splits

    @property
    def reported_after(self) -> list[str]:
        """The splits that are opened when training is over, and not before."""
        return [split for split in self.reported if split != self.watched]


@dataclass(frozen=True)
class Execution:
    """How a stage is computed: time, memory and chance alone. Fixed when a stage starts, and kept when it resumes.

    `micro_tokens` (which also decide the dropout masks that are drawn) are computed at once, on `threads` CPU threads;
    `compact_vocabulary` trains only the embedding rows in use; `reuse_activations` computes frozen layers once;
    `pack_texts` puts texts into one row where the model allows it; `light_dropout` draws masks in a cheaper way.
    """

    micro_tokens: int
    threads: int
    compact_vocabulary: bool = True
    reuse_activations: bool = True
    pack_texts: bool = True
    light_dropout: bool = True

    def packs(self, classifier: TextClassifier) -> bool:
        """Return whether a classifier is computed on packed texts: on a CPU, where it is the quicker way."""
        device = next(classifier.parameters()).device
        return self.pack_texts and classifier.packable and device.type == "cpu"


@dataclass
class Job:
    """What the loop works on.

    `trained` are the parameters that the technique made trainable, by name. `labels` are class numbers by split, and
    `groups` the values that keep rows of train together (None: no groups).
    `first_step` is the number of steps of the stages before. `events` gets each row of history as it becomes known;
    `save` is called at each step's beginning with the state, the optimizer and whether it must save now; `stop` tells
    whether the user asked to stop. `team` are the processes that share the work.
    """

    technique: Technique
    classifier: TextClassifier
    trained: Mapping[str, torch.nn.Parameter]
    inputs: Inputs
    labels: Mapping[str, NDArray[np.int64]]
    optimization: Optimization
    budget: Budget
    seed_order: int
    seed_dropout: int
    accelerator: Accelerator
    execution: Execution
    first_step: int = 0
    groups: Sequence[str] | None = None
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    events: Callable[[Mapping[str, Any]], None] = lambda _: None
    save: Callable[[TrainingState, torch.optim.Optimizer, bool], None] = lambda *_: None
    stop: Callable[[], bool] = lambda: False
    team: Team = ALONE

    @property
    def device(self) -> torch.device:
        """Where the classifier is."""
        device: torch.device = self.accelerator.device
        return device
