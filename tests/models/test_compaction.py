import numpy as np
import pytest
import torch

from tuneoff.models.compaction import CompactVocabulary, compactable, input_embedding
from tuneoff.training.loop import train
from tuneoff.training.optimizer import learning_rate_at
from tuneoff.training.state import TrainingState

FAMILIES = ["bert", "electra", "distilbert", "roberta", "xlm-roberta", "qwen3", "gemma3", "llama", "gpt2"]


def trained(job, compact):
    vocabulary = CompactVocabulary(job.classifier, job.inputs.ids["train"]) if compact else None
    job.trained = {name: value for name, value in job.classifier.named_parameters() if value.requires_grad}
    state = TrainingState()
    train(job, state, job.technique.optimizer(job.trained, job.optimization))
    if vocabulary:
        steps = job.budget.steps
        rates = [learning_rate_at(job.optimization, step, steps) for step in range(steps)]
        vocabulary.restore([rate * job.optimization.weight_decay for rate in rates])
    losses = [row["loss"] for row in state.history]
    return losses, {name: value.detach().clone() for name, value in job.classifier.named_parameters()}


@pytest.mark.parametrize("family", FAMILIES)
def test_twenty_steps_give_the_same_losses_and_weights(make_job, family):
    results = []
    for compact in (False, True):
        job = make_job(family=family, double=True, dropout=False, steps=20)
        assert compactable(job.classifier)
        job.optimization = type(job.optimization)(1e-3, "linear", 0.2, 0.1, 1.0)
        results.append(trained(job, compact))
    (plain, weights), (compacted, others) = results
    np.testing.assert_allclose(plain, compacted, rtol=1e-9)
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        if "key.bias" in name or "k_lin.bias" in name:
            continue  # its gradient is zero in theory, and AdamW makes steps of its rounding
        # Factors are rounded to float32, so rows that only decay agree to float32's precision times the steps.
        tolerance = 1e-9 if value.shape != weights_of_table(job) else 20 * 6e-8
        assert (value - others[name]).norm() <= tolerance * value.norm(), name


def weights_of_table(job):
    return input_embedding(job.classifier).weight.shape


def test_rows_in_use_are_few_and_the_table_comes_back_whole(make_job):
    job = make_job()
    module = input_embedding(job.classifier)
    before = module.weight.detach().clone()
    ids = job.inputs.ids["train"]
    batch = torch.from_numpy(ids[0].astype(np.int64))[None]
    expected = job.classifier(batch, torch.ones_like(batch))
    vocabulary = CompactVocabulary(job.classifier, ids)
    assert len(module.weight) == len(np.unique(np.concatenate([*ids, [job.classifier.pad_id]]))) < len(before)
    assert torch.equal(job.classifier(batch, torch.ones_like(batch)), expected)
    vocabulary.restore([])
    assert torch.equal(module.weight, before) and module.num_embeddings == len(before)
    assert torch.equal(job.classifier(batch, torch.ones_like(batch)), expected)


def test_a_frozen_table_comes_back_as_it_was(make_job):
    job = make_job("lora")
    module = input_embedding(job.classifier)
    before = module.weight.detach().clone()
    batch = torch.tensor([[2, 5, 3]])
    expected = job.classifier(batch, torch.ones_like(batch))
    vocabulary = CompactVocabulary(job.classifier, [np.array([2, 3, 5])])
    assert len(module.weight) < len(before) and not module.weight.requires_grad
    assert torch.equal(job.classifier(batch, torch.ones_like(batch)), expected)
    vocabulary.restore([0.5])
    assert torch.equal(module.weight, before)


def test_a_table_that_two_modules_look_up_in_is_left_alone(make_job):
    assert not compactable(make_job("full", family="t5").classifier)


def test_a_table_that_something_else_reads_too_is_left_alone(make_job):
    job = make_job("full")
    job.classifier.tied = torch.nn.Linear(32, 10, bias=False)
    job.classifier.tied.weight = input_embedding(job.classifier).weight
    assert not compactable(job.classifier)


def test_where_there_is_no_room_for_a_file_the_table_waits_in_memory(make_job, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    job = make_job()
    module = input_embedding(job.classifier)
    before = module.weight.detach().clone()
    vocabulary = CompactVocabulary(job.classifier, job.inputs.ids["train"])
    assert len(module.weight) < len(before)
    vocabulary.restore([0.5])
    used = np.unique(np.concatenate([*job.inputs.ids["train"], [job.classifier.pad_id]]))
    others = np.setdiff1d(np.arange(len(before)), used)
    assert torch.equal(module.weight[used], before[used]) and torch.equal(module.weight[others], before[others] / 2)
