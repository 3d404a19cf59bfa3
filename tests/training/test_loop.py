from collections.abc import Mapping

import numpy as np
import pytest
import torch

from tuneoff.techniques.full import Full, FullSettings
from tuneoff.techniques.linear_probe import LinearProbe, LinearProbeSettings
from tuneoff.training.inputs import VectorInputs
from tuneoff.training.loop import train
from tuneoff.training.order import batch_rows
from tuneoff.training.state import Divergence, Interrupted, TrainingState


def trained_by(job):
    state = TrainingState()
    optimizer = job.technique.optimizer(job.trained, job.optimization)
    train(job, state, optimizer)
    return state


def snapshot(classifier):
    return {name: value.detach().clone() for name, value in classifier.named_parameters()}


def losses(state):
    return [row["loss"] for row in state.history if row["event"] == "train"]


@pytest.mark.parametrize("family", ["bert", "qwen3"])
@pytest.mark.parametrize("budget", [8, 40])
def test_micro_batches_change_nothing(make_job, family, budget):
    whole = make_job(family=family, double=True, dropout=False, steps=20, learning_rate=1e-3)
    parts = make_job(family=family, double=True, dropout=False, steps=20, learning_rate=1e-3, budget=budget)
    first, second = trained_by(whole), trained_by(parts)
    np.testing.assert_allclose(losses(first), losses(second), rtol=1e-9)
    for name, value in whole.trained.items():
        if "key.bias" in name:
            continue  # its gradient is zero in theory, and AdamW makes steps of its rounding
        difference = (value - parts.trained[name]).norm() / value.norm()
        assert difference < 1e-9, name


def test_the_loop_is_the_plain_loop(make_job):
    """Against a loop written out: one padded batch, transformers' own forward, torch's AdamW and clipping."""
    job = make_job(dropout=False, steps=4, learning_rate=1e-2)
    job.optimization = type(job.optimization)(1e-2, "constant", 0.0, 0.01, 0.05)
    plain = make_job(dropout=False, steps=4, learning_rate=1e-2)
    optimizer = torch.optim.AdamW(plain.classifier.parameters(), lr=1e-2, weight_decay=0.01)
    expected = []
    for step in range(4):
        rows = batch_rows(6, 4, 1, step)
        ids = [torch.from_numpy(plain.inputs.ids["train"][row].astype(np.int64)) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in ids], batch_first=True)
        types = (padded == 3).cumsum(1).sub((padded == 3).long()).clamp(max=1) * mask
        hidden = plain.classifier.backbone(input_ids=padded, attention_mask=mask, token_type_ids=types)[0]
        vectors = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        logits = vectors @ plain.classifier.head.weight.T
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(plain.labels["train"][rows]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.classifier.parameters(), 0.05)
        optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(losses(trained_by(job)), expected, atol=1e-5)


@pytest.mark.parametrize("technique", ["full", "linear-probe", "lora"])
@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_what_is_frozen_stays_and_what_is_trained_moves(make_job, technique, family):
    job = make_job(technique, family, steps=3)
    before = snapshot(job.classifier)
    trained_by(job)
    moved = {name for name, value in snapshot(job.classifier).items() if not torch.equal(value, before[name])}
    assert moved <= job.trained.keys()
    unmoved = {name for name in job.trained.keys() - moved if "key.bias" not in name and "k_proj.bias" not in name}
    assert not {name for name in unmoved if "embeddings" not in name}  # a row of no text does not move


def test_dropout_is_off_in_what_is_frozen(make_job):
    job = make_job("lora", dropout=True, family="distilbert", steps=1)
    job.technique.train_mode(job.classifier)
    on = {
        name
        for name, module in job.classifier.named_modules()
        if isinstance(module, torch.nn.Dropout) and module.training
    }
    assert on and all("lora_dropout" in name for name in on)


def test_the_dropout_seed_changes_dropout_alone(make_job):
    runs = []
    for seed in (2, 2, 9):
        job = make_job(steps=2)
        job.seed_dropout = seed
        runs.append(losses(trained_by(job)))
    assert runs[0] == runs[1] != runs[2]


def test_history_is_in_order_with_cumulative_steps(make_job):
    job = make_job(steps=3)
    job.first_step = 100
    heard = []
    job.events = heard.append
    state = trained_by(job)
    assert [(row["event"], row["stage_step"], row["step"]) for row in state.history] == [
        ("eval", 0, 100),
        ("train", 1, 101),
        ("train", 2, 102),
        ("eval", 2, 102),
        ("train", 3, 103),
        ("eval", 3, 103),
    ]
    assert heard == state.history
    seconds = [row["seconds"] for row in state.history]
    assert seconds == sorted(seconds) and seconds[-1] == pytest.approx(state.elapsed)


def test_training_loss_and_accuracy_are_those_of_the_batch(make_job):
    job = make_job("linear-probe", steps=1, learning_rate=1e-9)
    state = trained_by(job)
    rows = batch_rows(6, 4, 1, 0)
    logits, labels = state.logits["test", 1][rows], job.labels["train"][rows]
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    row = next(row for row in state.history if row["event"] == "train")
    assert row["loss"] == pytest.approx(expected.item(), abs=1e-6)
    assert row["accuracy"] == pytest.approx((logits.argmax(1) == labels).mean())
    assert row["tokens"] == job.inputs.lengths["train"][rows].sum()


def test_divergence_tells_where(make_job):
    job = make_job(steps=50, learning_rate=1e38)
    with pytest.raises(Divergence) as caught:
        trained_by(job)
    assert caught.value.facts["step"] >= 1
    assert caught.value.facts["last_evaluation"]["stage_step"] == 0


def test_asked_to_stop_it_saves_and_stops(make_job):
    job = make_job(steps=50)
    saved = []
    job.stop = lambda: bool(saved) and len(saved) > 3
    job.save = lambda state, optimizer, now: saved.append((state.step, now))
    with pytest.raises(Interrupted):
        trained_by(job)
    assert saved[-1] == (4, True) and [now for _, now in saved[:-1]] == [False] * 4


class Gradual(Full):
    """Trains the head first, then everything; counts its hooks."""

    settings_class = FullSettings

    def __init__(self, settings):
        super().__init__(settings)
        self.steps_seen, self.batches_seen = [], 0

    def trainable_at(self, step, steps, names):
        return names if step >= 2 else [name for name in names if name.startswith("head.")]

    def loss(self, logits, labels):
        return 2 * super().loss(logits, labels)

    def after_step(self, classifier, step):
        self.steps_seen.append(step)

    def optimizer(self, parameters: Mapping[str, torch.nn.Parameter], optimization):
        head = [value for name, value in parameters.items() if name.startswith("head.")]
        rest = [value for name, value in parameters.items() if not name.startswith("head.")]
        groups = [{"params": head, "rate_factor": 0.5}, {"params": rest, "rate_factor": 1.0}]
        return torch.optim.SGD(groups, lr=1.0)


def test_a_technique_may_change_what_it_trains_its_loss_and_its_optimizer(make_job):
    technique = Gradual(FullSettings(learning_rate=1e-3))
    plain = losses(trained_by(make_job(dropout=False, steps=1)))
    job = make_job(technique, dropout=False, steps=2)
    before = snapshot(job.classifier)
    state = TrainingState()
    optimizer = technique.optimizer(job.trained, job.optimization)
    train(job, state, optimizer)
    moved = {name for name, value in snapshot(job.classifier).items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight"}
    assert technique.steps_seen == [1, 2]
    assert losses(state)[0] == pytest.approx(2 * plain[0], rel=1e-5)
    assert [group["lr"] for group in optimizer.param_groups] == [pytest.approx(0.5e-3), pytest.approx(1e-3)]


class Means(LinearProbe):
    """Fits the head without gradients: each class's mean vector is its row."""

    settings_class = LinearProbeSettings
    gradient_free = True

    def fit(self, classifier, vectors, labels):
        with torch.no_grad():
            for number in range(classifier.head.weight.shape[0]):
                classifier.head.weight[number] = vectors[labels == number].mean(0)


def test_a_stage_without_gradients_is_fitted_once(make_job):
    job = make_job(Means(LinearProbeSettings()), steps=1)
    vectors = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    job.inputs = VectorInputs({"train": vectors, "test": vectors})
    state = trained_by(job)
    expected = torch.stack([vectors[torch.from_numpy(job.labels["train"]) == number].mean(0) for number in (0, 1)])
    assert torch.equal(job.classifier.head.weight, expected)
    np.testing.assert_allclose(state.logits["test", 1], (vectors @ expected.T).numpy(), atol=1e-6)
