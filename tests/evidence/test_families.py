"""Holm's correction, against statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from tuneoff.evidence.families import holm


@pytest.mark.parametrize("count", [1, 2, 10, 45])
def test_adjusted_values_are_those_of_statsmodels_in_the_same_order(count):
    p = np.random.default_rng(count).uniform(size=count) ** 3
    assert holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)


def test_equal_values_share_their_correction_and_none_is_above_one():
    assert holm([0.01, 0.01, 0.9]) == pytest.approx([0.03, 0.03, 0.9])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
