"""How long a study will take on this machine, from what its stages read and the pace of a few of their layers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.estimate import Cost
from tuneoff.models.shrink import TOKENS
from tuneoff.planned import PlannedStage, StageBudget
from tuneoff.tasks.data_set import ALSO
from tuneoff.training.order import epoch_rows, micro_batches, packed_batches, steps_per_epoch
from tuneoff.training.pilot import Pace


@dataclass(frozen=True)
class Texts:
    """A task's texts as a model reads them.

    `lengths` are in tokens, an array [rows] for each labelled split; `used` is how many different tokens occur;
    `seconds` is what reading them took.
    """

    lengths: Mapping[str, NDArray[np.int64]]
    used: int
    seconds: float

    @property
    def rows(self) -> dict[str, int]:
        """Rows by split."""
        return {split: len(lengths) for split, lengths in self.lengths.items()}

    @property
    def means(self) -> dict[str, float]:
        """Mean tokens of a row, by split."""
        return {split: float(lengths.mean()) for split, lengths in self.lengths.items()}

    @property
    def tokens(self) -> int:
        """Tokens of all splits."""
        return int(sum(lengths.sum() for lengths in self.lengths.values()))

    def usual_batch(self, batch_size: int) -> list[int]:
        """Return the lengths of a batch as it is in the middle: train's quantiles, one for each of its rows."""
        size = min(batch_size, len(self.lengths["train"]))
        places = (np.arange(size) + 0.5) / size
        return [round(one) for one in np.quantile(self.lengths["train"], places)]


@dataclass(frozen=True)
class Seconds:
    """What a stage takes: `before` its first step (which stages may share), in its steps, and in its evaluations."""

    before: float
    training: float
    evaluation: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.before + self.training + self.evaluation

    def as_json(self) -> dict[str, float]:
        """Return the parts and the whole, rounded to milliseconds."""
        parts = {"before": self.before, "training": self.training, "evaluation": self.evaluation, "total": self.total}
        return {name: round(value, 3) for name, value in parts.items()}


def stage_seconds(budget: StageBudget, cost: Cost, pace: Pace, texts: Texts) -> Seconds:
    """Return how long a stage takes, loading and saving left out."""
    below = cost.depth if cost.head_alone else cost.layers_once
    before = texts.tokens * pace.evaluation.of(below) if below else 0.0
    if cost.head_alone:
        return Seconds(before, budget.steps * pace.on_vectors, 0.0)
    rows = texts.rows["train"]
    a_step = rows / steps_per_epoch(rows, budget.batch_size) * texts.means["train"]
    above = cost.depth - below
    training = budget.steps * (a_step * pace.step.of(above) + _table_numbers(cost, texts) * pace.number)
    splits = evaluations(budget, [split for split in texts.lengths if split.startswith(ALSO)])
    if cost.pairs:
        splits += ["train"] * splits.count(budget.eval_on)
    evaluated = sum(int(texts.lengths[split].sum()) for split in splits if split in texts.lengths)
    return Seconds(before, training, evaluated * pace.evaluation.of(above))


def evaluations(budget: StageBudget, further: Sequence[str] = ()) -> list[str]:
    """Return the splits that a stage evaluates, one entry for each time; `further` ones are opened with test."""
    times = len({*range(0, budget.steps, budget.eval_every), budget.steps})
    last = [split for split in ("test", *further) if split != budget.eval_on] if budget.opens_test else []
    return [budget.eval_on] * times + last


def _table_numbers(cost: Cost, texts: Texts) -> int:
    """Return how many more numbers of a trained embedding table there are than the pace was measured with."""
    table = cost.table
    if table is None or not table.trained:
        return 0
    return table.rows * table.width - table.spared(texts.used) - min(table.rows, TOKENS) * table.width


def study_seconds(stages: Iterable[tuple[PlannedStage, Cost, Seconds]]) -> float:
    """Return how long stages take one after another.

    What is computed before the first step counts once for all that share it: those that no stage before has changed the
    layers in question of.
    """
    total = 0.0
    changed: dict[Any, bool] = {}
    paid: set[Any] = set()
    for stage, cost, seconds in stages:
        behind = changed.get(stage.parent, False)
        changed[stage.address] = behind or not cost.head_alone
        layer = cost.depth if cost.head_alone else cost.layers_once
        shared = (stage.address.place, layer, stage.parent if behind else None)
        total += seconds.training + seconds.evaluation + (0.0 if shared in paid else seconds.before)
        paid.add(shared)
    return total


def tokens_that_fit(cost: Cost, kept: float | None, card: int, longest: int) -> int | None:
    """Return how many tokens at once a card of so many bytes takes, by the rule that a stage goes by there.

    None where it does not take the longest text.
    """
    from tuneoff.training.budget import MOST_TOKENS, SHARE_OF_FREE

    per_token = cost.per_token if kept is None else kept
    room = SHARE_OF_FREE * card - cost.fixed
    tokens = int(min(room / per_token if per_token else MOST_TOKENS, MOST_TOKENS)) if room > 0 else 0
    return tokens if tokens >= longest else None


def largest_part(
    texts: Texts, budget: StageBudget, micro_tokens: int, order_seed: int, *, packed: bool, extra: int = 0
) -> int:
    """Return the tokens, padding included, of the largest micro-batch that a stage computes in its first epoch.

    Each text has `extra` tokens beside its own.
    """
    lengths, found, size = texts.lengths["train"] + extra, 0, budget.batch_size
    order = epoch_rows(len(lengths), order_seed, 0)
    for step in range(min(budget.steps, steps_per_epoch(len(lengths), size))):
        batch = lengths[order[step * size : (step + 1) * size]]
        if packed:
            sizes = [batch[part].sum() for part in packed_batches(batch, micro_tokens)]
        else:
            sizes = [batch[part].max() * len(part) for part in micro_batches(batch, micro_tokens)]
        found = max(found, *map(int, sizes))
    return found


def longest(lengths: Mapping[str, Sequence[int] | NDArray[np.int64]]) -> int:
    """Return the length of the longest text."""
    return max(int(np.max(one)) for one in lengths.values())
