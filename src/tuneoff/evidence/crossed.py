"""Means over seeds and examples at once: how far such a mean may be off, when both were drawn and cross each other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_NODES = 48
_STEPS = 60
_PRECISE = 1e-6
_TINY = 1e-300


@dataclass(frozen=True)
class Crossed:
    """The two-way analysis of variance of values (..., seeds, examples), one observation a cell.

    A value is its mean plus an effect of the seed (variance s), one of the example (e) and a rest (r). The mean squares
    expect r + examples * s (`of_seeds`), r + seeds * e (`of_examples`) and r (`rest`); the mean has the variance
    s / seeds + e / examples + r / (seeds * examples). With one seed there are no seeds to compare: `of_seeds` and
    `rest` are then 0, and `of_examples` is the variance between the examples. Searle, Casella & McCulloch (1992),
    Variance Components, chapter 4.
    """

    seeds: int
    examples: int
    mean: Floats
    square: Floats
    of_seeds: Floats
    of_examples: Floats
    rest: Floats

    @property
    def cells(self) -> int:
        """How many values a mean is over."""
        return self.seeds * self.examples

    @property
    def variance(self) -> Floats:
        """The estimated variance of the mean.

        It is never below what the examples alone or the seeds alone give, nor below that of independent values: under
        seeds that answer at random, an example's mean over them varies less than that, and says nothing.
        """
        joint = self.of_seeds + self.of_examples - self.rest
        return np.maximum(joint, np.maximum(self.of_seeds, self.least_of_examples)) / self.cells

    @property
    def least_of_examples(self) -> Floats:
        """The mean square between examples, or where that is smaller the variance of all values."""
        return np.maximum(self.of_examples, self.square - self.mean**2)

    @property
    def seed_variance(self) -> Floats:
        """The variance between seeds of the mean over all examples there could be; 0 where noise explains it all."""
        return np.maximum(self.of_seeds - self.rest, 0.0) / self.examples

    @property
    def example_variance(self) -> Floats:
        """The variance between examples of the mean over all seeds there could be; with one seed, all variance."""
        return np.maximum(self.of_examples - self.rest, 0.0) / self.seeds

    @property
    def effective_examples(self) -> Floats:
        """How many independent values hold as much as these: between `examples` and `cells`, by the examples' part."""
        scale = self.square - self.mean**2
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(self.of_examples > 0, scale * self.cells / self.of_examples, self.examples)
        return np.clip(found, self.examples, self.cells)


def crossed(values: ArrayLike) -> Crossed:
    """Return the analysis of values (..., seeds, examples); at least one seed and two examples, or ValueError."""
    cells = np.asarray(values, dtype=np.float64)
    seeds, examples = cells.shape[-2:]
    if seeds < 1 or examples < 2:
        raise ValueError(f"at least one seed and two examples are needed, not {seeds} and {examples}")
    mean, square = cells.mean((-2, -1)), np.square(cells).mean((-2, -1))
    by_example = seeds * np.square(cells.mean(-2) - mean[..., None]).sum(-1)
    by_seed = examples * np.square(cells.mean(-1) - mean[..., None]).sum(-1)
    none = np.zeros_like(mean)
    if seeds == 1:
        return Crossed(1, examples, mean, square, none, by_example / (examples - 1), none)
    rest = np.maximum(seeds * examples * (square - mean**2) - by_example - by_seed, 0.0)
    return Crossed(
        *(seeds, examples, mean, square),
        *(by_seed / (seeds - 1), by_example / (examples - 1), rest / ((seeds - 1) * (examples - 1))),
    )


def tail(distance: ArrayLike, parts: Crossed, extra: ArrayLike = 0.0, degrees: ArrayLike | None = None) -> Floats:
    """Return the two-sided p-value of a mean that lies `distance` (...,) away from what is supposed.

    With one seed it is the normal tail. With several it is the generalised p-value of Tsui & Weerahandi (1989, Journal
    of the American Statistical Association 84, 602-607): the tail is averaged over the variances between seeds that
    the measured one leaves possible (seeds - 1 degrees of freedom), which a plug-in or Satterthwaite's degrees of
    freedom forget; the examples' part counts with `degrees` (...,) of freedom, examples - 1 if left out. `extra` is
    added to the mean's variance.
    """
    from scipy.special import ndtr, stdtr

    away = np.abs(np.asarray(distance, dtype=np.float64))[..., None]
    variance, weights = _possible_variances(parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = away / np.sqrt(variance + np.asarray(extra, dtype=np.float64)[..., None])
    ratio = np.where(away == 0, 0.0, ratio)
    tails = 2 * ndtr(-ratio) if parts.seeds == 1 else 2 * stdtr(_degrees(parts, degrees)[..., None], -ratio)
    return np.asarray(np.clip((tails * weights).sum(-1), 0.0, 1.0))


def half_width(level: float, parts: Crossed, extra: ArrayLike = 0.0, degrees: ArrayLike | None = None) -> Floats:
    """Return the distance (...,) whose p-value is 1 - level: half of the confidence interval that `tail` belongs to."""
    from scipy.special import ndtri, stdtrit

    variance = _possible_variances(parts)[0] + np.asarray(extra, dtype=np.float64)[..., None]
    # The tail is a mean of tails with these variances, so that of the smallest and the largest enclose it.
    far = ndtri((1 + level) / 2) if parts.seeds == 1 else stdtrit(_degrees(parts, degrees), (1 + level) / 2)
    smallest, largest = variance.min(-1), variance.max(-1)
    if parts.seeds == 1 or not (largest > 0).any():
        return np.asarray(far * np.sqrt(largest))
    return _solved(lambda x: tail(x, parts, extra, degrees), 1 - level, far * np.sqrt(smallest), far * np.sqrt(largest))


def _degrees(parts: Crossed, degrees: ArrayLike | None) -> Floats:
    return np.asarray(parts.examples - 1 if degrees is None else degrees, dtype=np.float64)


def _solved(falling: Callable[[Floats], Floats], value: float, low: Floats, high: Floats) -> Floats:
    """Return where a falling function has a value, by the Illinois method (Dowell & Jarratt 1971, BIT 11, 168-174).

    On logarithms of both, since tails far out are nearly powers. `low` and `high` enclose it; where both are 0, so is
    it.
    """
    x = [np.log(np.maximum(end, _TINY)) for end in (low, high)]
    y = [np.log(np.maximum(falling(np.exp(end)), _TINY) / value) for end in x]
    found = x[1]
    for _ in range(_STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(y[0] == y[1], x[1], x[1] - y[1] * (x[1] - x[0]) / (y[1] - y[0]))
        error = np.log(np.maximum(falling(np.exp(found)), _TINY) / value)
        if np.all((np.abs(error) < _PRECISE) | (high <= _TINY)):
            break
        crossing = error * y[1] < 0
        x[0], y[0] = np.where(crossing, x[1], x[0]), np.where(crossing, y[1], y[0] / 2)
        x[1], y[1] = found, error
    return np.where(high <= _TINY, 0.0, np.exp(found))


def _possible_variances(parts: Crossed) -> tuple[Floats, Floats]:
    """Return the variances of the mean (..., k) that are possible, and their weights (k,).

    Below, they are held at half of the examples' part: draws of a small variance between seeds would go under zero.
    """
    if parts.seeds == 1:
        return parts.of_examples[..., None] / parts.cells, np.ones(1)
    quantiles, weights = _chi_square_nodes(parts.seeds - 1)
    joint = parts.of_seeds[..., None] * quantiles + (parts.of_examples - parts.rest)[..., None]
    return np.maximum(joint, parts.least_of_examples[..., None] / 2) / parts.cells, weights


@lru_cache(maxsize=64)
def _chi_square_nodes(degrees: int) -> tuple[Floats, Floats]:
    """Return degrees / chi-square at the nodes of a quadrature over its probability, dense where it is small."""
    from scipy.special import gammaincinv

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    places = (nodes + 1) / 2
    return degrees / (2 * gammaincinv(degrees / 2, places**3)), weights / 2 * 3 * places**2
