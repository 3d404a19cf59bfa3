"""CKA against the definition by kernels, and the file that keeps it."""

import numpy as np
import pytest

from tuneoff.evidence.representation import hand_on, keep_representation, linear_cka, representation
from tuneoff.store import StageAddress, Store


def by_kernels(x, y):
    """Kornblith et al. (2019), eq. 3: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), K = XX', centred by H."""
    h = np.eye(len(x)) - 1 / len(x)

    def hsic(k, m):
        return np.trace(k @ h @ m @ h)

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@pytest.mark.parametrize(("rows", "sizes"), [(50, (8, 8)), (50, (8, 3)), (7, (20, 30))])
def test_it_is_the_alignment_of_the_centred_kernels(rows, sizes):
    rng = np.random.default_rng(rows)
    x, y = (rng.exponential(size=(rows, size)) for size in sizes)
    y[:, 0] += x[:, 0]
    assert linear_cka(x, y) == pytest.approx(by_kernels(x, y), rel=1e-9) == linear_cka(y, x)
    assert 0 < linear_cka(x, y) < 1


def test_rotation_shift_and_one_factor_change_nothing_and_scaling_a_column_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert linear_cka(x, 3 * x @ turn + 7) == pytest.approx(1.0)
    assert linear_cka(x, x * [10, 1, 1, 1, 1]) < 0.99
    assert linear_cka(x, x) <= 1.0


def test_what_cannot_be_told_is_none():
    x = np.arange(6.0).reshape(3, 2)
    assert linear_cka(x, np.ones((3, 2))) is None and linear_cka(x[:1], x[:1]) is None
    assert linear_cka(x, np.where(x == 5, np.nan, x)) is None


def test_it_is_kept_for_its_key_alone_and_handed_on(tmp_path):
    store, one, other = Store(tmp_path), StageAddress("m", "t", "a", 0), StageAddress("m", "t", "b", 0)
    keep_representation(store, one, {"cka": 0.5, "rows": 3, "reason": None, "key": "k"})
    assert representation(store, one, "k")["cka"] == 0.5 and representation(store, one, "l") is None
    hand_on(store, one, "k", other, "l")
    assert representation(store, other, "l") == {"cka": 0.5, "rows": 3, "reason": None, "key": "l"}
    hand_on(store, one, "stale", StageAddress("m", "t", "c", 0), "l")
    assert representation(store, StageAddress("m", "t", "c", 0), "l") is None
