"""Temperature scaling against closed forms and a grid."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from tuneoff.evidence.calibration import FOLDS, calibrate_crosswise, calibrate_on_dev, fit_temperature
from tuneoff.evidence.metrics import ece, loss, probabilities


def sample(rows, sureness, seed=0, classes=3):
    """Labels drawn from the softmax of logits, and those logits multiplied by `sureness`."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(rows, classes))
    labels = np.array([rng.choice(classes, p=row) for row in probabilities(logits)])
    return labels, logits * sureness


def test_equal_logits_have_the_temperature_of_the_closed_form():
    """A model equally sure of each answer and right in 3 of 4: calibrated where its confidence is 3/4."""
    labels = np.array([0, 0, 0, 1])
    logits = np.tile([5.0, 0.0], (4, 1))
    temperature = fit_temperature(labels, logits)
    assert temperature == pytest.approx(5 / logit(0.75), rel=1e-9)
    assert expit(5 / temperature) == pytest.approx(0.75)
    assert ece(labels, logits / temperature) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("sureness", [0.02, 1.0, 30.0])
def test_no_temperature_of_a_grid_has_a_lower_loss_and_the_true_one_is_near(sureness):
    labels, logits = sample(4_000, sureness)
    found = fit_temperature(labels, logits)
    assert found == pytest.approx(sureness, rel=0.06)
    assert loss(labels, logits / found) <= min(loss(labels, logits / t) for t in np.geomspace(1e-3, 1e3, 500))


def test_what_has_no_best_temperature_is_said():
    logits = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(np.array([0, 1]), logits) is None
    assert fit_temperature(np.array([1, 0]), logits) == 1e3
    assert fit_temperature(np.array([0]), np.array([[2.0, 2.0]])) is None
    assert fit_temperature(np.zeros(0, np.int64), np.zeros((0, 2))) is None
    calibrated = calibrate_on_dev(np.array([0, 1]), logits, *sample(50, 1.0, classes=2))
    assert (calibrated.loss, calibrated.ece) == (None, None) and "every row there is right" in calibrated.reason


def test_an_oversure_model_is_mended_on_other_rows_than_the_fit_saw():
    dev, test = sample(500, 8.0, seed=1), sample(1_000, 8.0, seed=2)
    calibrated = calibrate_on_dev(*dev, *test)
    labels, logits = test
    assert calibrated.fitted_on == "dev" and calibrated.temperatures == (fit_temperature(*dev),)
    scaled = probabilities(logits / calibrated.temperatures[0])
    assert calibrated.loss == pytest.approx(log_loss(labels, scaled))
    assert calibrated.loss < 0.5 * loss(*test) and calibrated.ece < 0.05 < ece(*test)
    across = calibrate_crosswise(*test)
    assert len(across.temperatures) == FOLDS and across.temperatures == calibrate_crosswise(*test).temperatures
    assert across.loss == pytest.approx(calibrated.loss, abs=0.01)


def test_a_row_has_no_part_in_the_temperature_it_is_scaled_with():
    """Rows of a group stay together: each group's temperature is the fit on the rows of other folds."""
    labels, logits = sample(60, 4.0)
    groups = [f"premise {row // 6}" for row in range(60)]
    before = calibrate_crosswise(labels, logits, groups)
    changed = logits.copy()
    changed[:6] *= -3  # the first group alone
    after = calibrate_crosswise(labels, changed, groups)
    assert sum(a == b for a, b in zip(before.temperatures, after.temperatures, strict=True)) == 1


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_are_said(rows):
    calibrated = calibrate_crosswise(np.zeros(rows, np.int64), np.ones((rows, 2)))
    assert calibrated.loss is None and calibrated.reason == "too few rows"


def test_global_random_state_is_left_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    calibrate_crosswise(*sample(40, 2.0))
    assert (state == np.random.get_state()[1]).all()  # noqa: NPY002
