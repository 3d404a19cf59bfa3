import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from tuneoff.training.evaluation import evaluate, predict
from tuneoff.training.state import Divergence, TrainingState


def test_logits_are_in_row_order_however_the_split_is_cut(make_job):
    whole, parts = make_job(budget=10_000), make_job(budget=6)
    first, second = (predict(job, TrainingState(), "test") for job in (whole, parts))
    np.testing.assert_allclose(first, second, atol=1e-5)
    alone = [predict(one_text(make_job(), row), TrainingState(), "test")[0] for row in range(6)]
    np.testing.assert_allclose(first, alone, atol=1e-5)


def one_text(job, row):
    job.inputs.ids = {"test": [job.inputs.ids["test"][row]]}
    job.inputs.lengths = {"test": job.inputs.lengths["test"][[row]]}
    job.labels = {"test": job.labels["test"][[row]]}
    return job


def test_loss_and_accuracy_are_scikit_learns(make_job):
    job, state = make_job(), TrainingState()
    evaluate(job, state, "test", 0)
    logits = torch.from_numpy(state.logits["test", 0]).double()
    assert state.history[-1]["loss"] == pytest.approx(log_loss(job.labels["test"], logits.softmax(1).numpy()), rel=1e-9)
    assert state.history[-1]["accuracy"] == pytest.approx((logits.argmax(1).numpy() == job.labels["test"]).mean())


def test_a_loss_that_is_not_finite_is_divergence(make_job):
    job = make_job()
    with torch.no_grad():
        job.classifier.head.weight.fill_(float("nan"))
    with pytest.raises(Divergence) as caught:
        evaluate(job, TrainingState(), "test", 0)
    assert caught.value.facts["step"] == 0 and caught.value.facts["last_evaluation"] is None


def test_evaluation_has_no_dropout(make_job):
    job = make_job(family="distilbert")
    job.classifier.train()
    np.testing.assert_array_equal(*(predict(job, TrainingState(), "test") for _ in range(2)))
