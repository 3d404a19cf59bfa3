"""SetFit: which pairs are drawn, their loss against its definition, the head that is fitted, stops and chains."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tuneoff.running import compute_study
from tuneoff.training.logistic import fit_logistic
from tuneoff.training.loop import take_step, train
from tuneoff.training.order import batch_rows
from tuneoff.training.seeds import derive
from tuneoff.training.state import Interrupted, TrainingState

LABELS = np.array([0, 1, 1, 0, 1, 0, 2], dtype=np.int64)


@pytest.fixture
def technique(make_technique):
    made = make_technique("setfit")
    made.hear_train(LABELS, None)
    return made


def test_every_second_partner_has_the_label_of_its_row_and_none_is_the_row_itself(technique):
    rows = np.array([0, 1, 2, 3, 4, 5])
    for seed in range(20):
        found = technique.partners(rows, seed)
        assert (LABELS[found] == LABELS[rows]).tolist() == [True, False] * 3
        assert not (found == rows).any()


def test_partners_are_drawn_from_the_seed_alone(technique):
    rows = np.arange(6)
    assert np.array_equal(technique.partners(rows, 3), technique.partners(rows, 3))
    assert any(not np.array_equal(technique.partners(rows, 3), technique.partners(rows, seed)) for seed in range(4, 8))


def test_a_row_alone_with_its_label_gets_one_of_another(technique):
    (partner,) = technique.partners(np.array([6]), 0)
    assert LABELS[partner] != 2


def first_step(make_job, budget):
    job = make_job("setfit", family="qwen3", double=True, dropout=False, steps=1, budget=budget, learning_rate=1e-3)
    job.technique.hear_train(job.labels["train"], None)
    job.optimization = replace(job.optimization, learning_rate=0.0)
    state = TrainingState()
    gradients = {}
    optimizer = torch.optim.SGD(job.trained.values(), lr=0.0)
    optimizer.register_step_pre_hook(lambda *_: gradients.update({n: v.grad for n, v in job.trained.items()}))
    take_step(job, state, optimizer)
    return job, float(state.pending[0][1]), gradients


@pytest.mark.parametrize("budget", [10_000, 30])
def test_a_step_is_the_mean_squared_distance_of_cosines_however_it_is_cut(make_job, budget):
    """The definition, text by text, and autograd's gradient of it."""
    job, loss, gradients = first_step(make_job, budget)
    rows = batch_rows(6, 4, job.seed_order, 0)
    partners = job.technique.partners(rows, derive(job.seed_order, "partners", 0))
    assert len(job.inputs.parts("train", np.stack([rows, partners]))) == (1 if budget > 30 else 4)
    labels = job.labels["train"]
    job.classifier.zero_grad()
    expected = 0.0
    for row, other in zip(rows, partners, strict=True):
        one, two = (job.inputs.vectors(job.classifier, "train", np.array([place])) for place in (row, other))
        cosine = (one * two).sum() / (one.norm() * two.norm())
        expected = expected + (cosine - float(labels[row] == labels[other])) ** 2 / len(rows)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-9)
    assert gradients["head.weight"] is None
    for name, value in job.trained.items():
        if name != "head.weight":
            torch.testing.assert_close(gradients[name], value.grad, rtol=1e-7, atol=1e-10)


def test_training_brings_texts_of_a_label_together(make_job):
    job = make_job("setfit", dropout=False, steps=12, learning_rate=3e-3)
    job.budget = replace(job.budget, eval_every=12)

    def apart():
        with torch.no_grad():
            vectors = torch.nn.functional.normalize(job.inputs.vectors(job.classifier, "train", np.arange(6)), dim=1)
        alike = torch.from_numpy(job.labels["train"])[:, None] == torch.from_numpy(job.labels["train"])
        cosines = vectors @ vectors.T
        return (cosines[alike].mean() - cosines[~alike].mean()).item()

    before = apart()
    train(job, TrainingState(), job.technique.optimizer(job.trained, job.optimization))
    assert apart() > before + 0.3
    vectors = job.inputs.vectors(job.classifier.eval(), "train", np.arange(6)).detach()
    expected, _ = fit_logistic(vectors.double().numpy(), job.labels["train"], 2)
    torch.testing.assert_close(
        job.classifier.head.weight.detach(), torch.from_numpy(expected).float(), rtol=1e-3, atol=1e-4
    )


def test_it_begins_as_logistic_regression_is_handed_on_and_goes_on_where_it_stopped(study, listener, tmp_path):
    techniques = ["setfit", "logistic-regression", "setfit+lora"]  # stopped within setfit
    stores = []
    for place, after in (("whole", None), ("stopped", 3)):
        read = study(techniques, family="qwen3")
        try:
            store = compute_study(read, tmp_path / place, listener(stop_after=after))
        except Interrupted:
            store = compute_study(read, tmp_path / place, listener())
        stores.append(store)
    records = {record.address.chain: record for record in stores[0].records()}
    assert {record.status for record in records.values()} == {"done"}
    setfit, regression, lora = (stores[0].history(records[name].address) for name in techniques)
    losses = [[row["loss"] for row in rows if row["event"] == "eval"] for rows in (setfit, regression, lora)]
    assert losses[0][0] == pytest.approx(losses[1][-1], rel=1e-4)
    assert losses[2][0] == pytest.approx(losses[0][-1], rel=1e-4)
    for record in stores[0].records():
        frames = [store.predictions(record.address) for store in stores]
        np.testing.assert_array_equal(*(np.stack(frame["logits"].to_list()) for frame in frames))
