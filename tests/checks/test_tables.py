import numpy as np
import pytest
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association

from tuneoff.checks.tables import chi_square


@pytest.mark.parametrize("table", [[[30, 10], [20, 40]], [[50, 60, 70], [70, 60, 50]], [[9, 8], [20, 31], [44, 12]]])
def test_it_is_scipys_test_and_cramers_v(table):
    found = chi_square(table)
    assert found.p == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    assert found.v == pytest.approx(association(np.array(table), method="cramer"))


def test_rare_columns_count_as_one():
    table = [[500, 480, 2, 1, 3, 2], [400, 390, 1, 2, 1, 2]]
    assert chi_square(table) == chi_square([[500, 480, 8], [400, 390, 6]])


def test_classes_that_nobody_has_change_nothing():
    assert chi_square([[30, 0, 10], [20, 0, 40], [0, 0, 0]]) == chi_square([[30, 10], [20, 40]])


@pytest.mark.parametrize("table", [[[5, 0], [9, 0]], [[4, 9]], [[0, 0], [3, 4]]])
def test_what_cannot_differ_does_not(table):
    assert (chi_square(table).p, chi_square(table).v) == (1.0, 0.0)
