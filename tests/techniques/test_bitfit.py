"""BitFit: which parameters are biases in which family, and that a model without any is refused with the reason."""

import pytest
import torch

from tuneoff.errors import ModelError
from tuneoff.training.loop import train
from tuneoff.training.state import TrainingState

WITH_BIASES = ["bert", "roberta", "distilbert", "electra", "gpt2"]


@pytest.mark.parametrize("family", WITH_BIASES)
def test_all_vectors_that_are_added_are_trained_and_no_matrix_but_the_head(family, applied):
    """Against the modules: what torch's layers and norms, and GPT-2's Conv1D, call their bias."""
    _, classifier, trained = applied("bitfit", family)
    modules = {name: module for name, module in classifier.named_modules() if name}
    added = {f"{name}.bias" for name, one in modules.items() if isinstance(getattr(one, "bias", None), torch.Tensor)}
    assert trained.keys() == added | {"head.weight"}
    assert {value.ndim for name, value in trained.items() if name != "head.weight"} == {1}


@pytest.mark.parametrize("family", ["qwen3", "llama", "gemma3", "t5"])
def test_a_model_without_biases_is_refused_with_the_reason(family, load, make_technique):
    with pytest.raises(ModelError, match=r"bitfit: \w+ has no biases, so nothing but the head .*linear-probe"):
        make_technique("bitfit").apply(load(family))


def test_steps_move_the_biases_alone(make_job):
    job = make_job("bitfit", steps=2, learning_rate=1e-2)
    before = {name: value.detach().clone() for name, value in job.classifier.named_parameters()}
    train(job, TrainingState(), job.technique.optimizer(job.trained, job.optimization))
    moved = {name for name, value in job.classifier.named_parameters() if not torch.equal(value, before[name])}
    assert moved and moved <= job.trained.keys() and "head.weight" in moved
