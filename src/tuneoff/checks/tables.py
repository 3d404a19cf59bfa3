"""Whether rows of counts have the same shares: Pearson's chi-square test, with the size of the difference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Table = NDArray[np.float64]

LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class ChiSquare:
    """The test's p-value and Cramér's V: how strongly rows and columns go together, from 0 (not) to 1."""

    p: float
    v: float


def chi_square(counts: ArrayLike) -> ChiSquare:
    """Return the test of independence of a table of counts (rows, columns), without continuity correction.

    Pearson (1900, Philosophical Magazine 50, 157-175); V is Cramér's (1946, Mathematical Methods of Statistics, 21.9).
    Columns that are too rare for the approximation, with fewer than 5 expected somewhere, are counted as one. Where
    less than two rows or columns are left, nothing is known to differ: p = 1, V = 0.
    """
    from scipy.special import chdtrc

    table = np.asarray(counts, dtype=np.float64)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    if min(table.shape) < 2:
        return ChiSquare(1.0, 0.0)
    table = _without_rare(table)
    rows, columns = table.shape
    if columns < 2:
        return ChiSquare(1.0, 0.0)
    expected = _expected(table)
    statistic = float(((table - expected) ** 2 / expected).sum())
    v = float(np.sqrt(statistic / (table.sum() * (min(rows, columns) - 1))))
    return ChiSquare(float(chdtrc((rows - 1) * (columns - 1), statistic)), v)


def _without_rare(table: Table) -> Table:
    """Return the table with its rare columns added up to one."""
    rare = _expected(table).min(axis=0) < LEAST_EXPECTED
    if rare.sum() < 2:
        return table
    return np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])


def _expected(table: Table) -> Table:
    expected: Table = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return expected
