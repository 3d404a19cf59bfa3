"""Collapsed runs: models that answer every test example alike, whatever it says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Collapse:
    """How many seeds of a technique collapsed; `answers` has the class that each of them always gives, by its place.

    `share` is None where there are no seeds.
    """

    seeds: int
    collapsed: int
    answers: dict[int, int]

    @property
    def share(self) -> float | None:
        """The share of seeds that collapsed."""
        return self.collapsed / self.seeds if self.seeds else None


def collapse(predictions: NDArray[np.int64]) -> Collapse:
    """Count the seeds whose predicted class is the same for all examples; predictions (seeds, examples).

    Fine-tuning of small data ends so in some seeds, at the accuracy of the commonest class, and a mean over seeds
    hides it (Mosbach et al. 2021, On the Stability of Fine-tuning BERT, ICLR). One example cannot show it, so fewer
    than two give no collapse.
    """
    seeds, examples = predictions.shape
    if examples < 2:
        return Collapse(seeds, 0, {})
    constant = (predictions == predictions[:, :1]).all(axis=1)
    answers = {int(seed): int(predictions[seed, 0]) for seed in np.flatnonzero(constant)}
    return Collapse(seeds, len(answers), answers)
