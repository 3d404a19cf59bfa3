"""What runs out of memory is done again in smaller parts, once, and to the same numbers."""

import numpy as np
import pytest
import torch

from tuneoff.training import shortage as module
from tuneoff.training.checkpoint import restore, save
from tuneoff.training.evaluation import predict
from tuneoff.training.inputs import VectorInputs
from tuneoff.training.loop import train
from tuneoff.training.shortage import DoesNotFit, eased, failure_of, is_shortage, smaller_budget
from tuneoff.training.state import Interrupted, TrainingState

CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4194304 bytes. Error code 12 (Cannot allocate memory)"
)
ERRORS = [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), RuntimeError(CPU), MemoryError()]
WHOLE, PARTS = 40, 20  # budgets; texts have 8 to 12 tokens, and every other batch has four of them, the rest two


def trained_by(job, state=None, optimizer=None):
    state = state or TrainingState()
    train(job, state, optimizer or job.technique.optimizer(job.trained, job.optimization))
    return state


def rows(state, *events):
    return [row for row in state.history if row["event"] in events]


def losses(state):
    return [row["loss"] for row in rows(state, "train")]


def same_numbers(first, second, jobs, tolerance):
    np.testing.assert_allclose(losses(first), losses(second), rtol=tolerance)
    for place, logits in first.logits.items():
        np.testing.assert_allclose(logits, second.logits[place], atol=1e-6)
    for name, value in jobs[0].trained.items():
        if "key.bias" not in name:  # its gradient is zero in theory, and AdamW makes steps of its rounding
            assert (value - jobs[1].trained[name]).norm() <= tolerance * value.norm(), name


def at_step(job, step, error=ERRORS[1], times=1):
    """Let the first micro-batch of a step fail so often in its backward pass, after it has added to the gradients."""
    backward, failed = job.accelerator.backward, []

    class Failing:
        device = job.accelerator.device

        def backward(self, loss):
            backward(loss)
            if job.now() == step and len(failed) < times:
                failed.append(step)
                raise error

    job.accelerator = Failing()
    return failed


def watched(make_job, **settings):
    """A job that tells how many of its steps are done: `job.now()`."""
    job = make_job(**settings)
    done = []
    after = job.technique.after_step
    job.technique.after_step = lambda classifier, step: (done.append(step), after(classifier, step))
    job.now = lambda: len(done)
    return job


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "python"])
@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_halved_at_a_step_it_ends_as_with_the_smaller_budget_throughout(make_job, family, error):
    settings = {"family": family, "double": True, "dropout": False, "steps": 6, "learning_rate": 1e-3}
    job, small = watched(make_job, budget=WHOLE, **settings), make_job(budget=PARTS, **settings)
    failed = at_step(job, 2, error)
    halved, throughout = trained_by(job), trained_by(small)
    assert failed == [2] and job.inputs.budget == PARTS
    same_numbers(throughout, halved, (small, job), 1e-10)


def test_nothing_is_done_twice(make_job):
    plain, job = (watched(make_job, budget=budget, steps=4) for budget in (PARTS, WHOLE))
    at_step(job, 0)
    optimizer = job.technique.optimizer(job.trained, job.optimization)
    expected, state = trained_by(plain), trained_by(job, optimizer=optimizer)
    assert [row["stage_step"] for row in rows(state, "train")] == [1, 2, 3, 4] and job.now() == 4
    assert state.tokens["trained"] == expected.tokens["trained"]
    assert state.tokens["evaluated"] == expected.tokens["evaluated"]
    assert {int(values["step"]) for values in optimizer.state.values()} == {4}


@pytest.mark.parametrize("technique", ["full", "lora"])
def test_dropout_is_drawn_anew_from_the_steps_own_seed(make_job, technique):
    """As if the budget had been smaller from that step on, to the bit."""
    job, by_hand = (watched(make_job, technique=technique, family="distilbert", budget=WHOLE, steps=4) for _ in "ab")
    at_step(job, 2)
    watching = by_hand.technique.after_step

    def lessen(classifier, step):
        watching(classifier, step)
        if step == 2:
            by_hand.save = lambda *_: setattr(by_hand.inputs, "budget", PARTS)  # after that step's evaluation

    by_hand.technique.after_step = lessen
    first, second = trained_by(job), trained_by(by_hand)
    assert losses(first) == losses(second)
    assert all(torch.equal(value, by_hand.trained[name]) for name, value in job.trained.items())


def test_the_history_tells_when_and_what_became_of_it(make_job):
    job = watched(make_job, budget=WHOLE)
    job.first_step, heard = 100, []
    job.events = heard.append
    at_step(job, 2)
    state = trained_by(job)
    (row,) = rows(state, "budget")
    assert row == {"event": "budget", "micro_tokens": PARTS, "stage_step": 2, "step": 102, "seconds": row["seconds"]}
    assert [one["event"] for one in state.history].index("budget") == 4 and heard == state.history
    assert [one["seconds"] for one in state.history] == sorted(one["seconds"] for one in state.history)
    assert eased(state.history) == {"halved": [{"step": 2, "micro_tokens": PARTS}], "checkpointed": None}


def test_it_is_halved_as_often_as_it_takes(make_job):
    job = watched(make_job, budget=160)
    at_step(job, 2, times=2)
    state = trained_by(job)
    assert [row["micro_tokens"] for row in rows(state, "budget")] == [40, 20]  # 80 would cut no batch in two


@pytest.mark.parametrize("family", ["distilbert", "qwen3"])
def test_interrupted_after_it_was_halved_it_goes_on_with_that_budget(make_job, tmp_path, family):
    settings = {"family": family, "budget": WHOLE, "steps": 5}
    whole = watched(make_job, **settings)
    at_step(whole, 2)
    expected = trained_by(whole)
    path, key = tmp_path / "checkpoint.safetensors", "k" * 64
    cut = watched(make_job, **settings)
    at_step(cut, 2)
    cut.stop = lambda: cut.now() == 3
    cut.save = lambda state, optimizer, now: save(path, key, cut, state, optimizer) if now else None
    with pytest.raises(Interrupted):
        trained_by(cut)
    resumed = make_job(**settings)
    optimizer = resumed.technique.optimizer(resumed.trained, resumed.optimization)
    state = restore(path, key, resumed, optimizer)
    trained_by(resumed, state, optimizer)
    assert resumed.inputs.budget == PARTS and len(rows(state, "budget")) == 1
    assert losses(state) == losses(expected) and state.tokens == expected.tokens
    assert all(torch.equal(value, resumed.trained[name]) for name, value in whole.trained.items())


# One example alone


def full_above(job, tokens, *, unless_checkpointed=True):
    """Let every pass with gradients fail that keeps more than so many tokens."""
    plain = job.inputs.logits

    def logits(classifier, split, chosen):
        wrapped = any("forward" in vars(module) for module in classifier.backbone.modules())
        fits = job.inputs.tokens(split, chosen)[1] <= tokens or (wrapped and unless_checkpointed)
        if torch.is_grad_enabled() and not fits:
            raise torch.OutOfMemoryError("tried to allocate 3 GB")
        return plain(classifier, split, chosen)

    job.inputs.logits = logits


@pytest.mark.parametrize("technique", ["full", "lora"])
def test_where_one_example_does_not_fit_layers_are_checkpointed(make_job, tmp_path, technique):
    """To the same numbers, dropout on, and a stage that goes on does it from its first step."""
    settings = {"technique": technique, "family": "distilbert", "double": True, "steps": 4}
    plain, job = make_job(budget=1, **settings), watched(make_job, budget=1, **settings)
    full_above(job, 8)
    path, key = tmp_path / "checkpoint.safetensors", "k" * 64
    job.stop = lambda: job.now() == 2
    job.save = lambda state, optimizer, now: save(path, key, job, state, optimizer) if now else None
    with pytest.raises(Interrupted):
        trained_by(job)
    resumed = make_job(budget=1, **settings)
    full_above(resumed, 8)
    optimizer = resumed.technique.optimizer(resumed.trained, resumed.optimization)
    state = restore(path, key, resumed, optimizer)
    trained_by(resumed, state, optimizer)
    (row,) = rows(state, "budget", "checkpointing")
    assert row["event"] == "checkpointing" and eased(state.history) == {"halved": [], "checkpointed": row["stage_step"]}
    same_numbers(trained_by(plain), state, (plain, resumed), 1e-10)


def test_the_budget_is_halved_first(make_job):
    job = make_job(budget=1000, steps=1)
    full_above(job, 8)
    state = trained_by(job)
    assert [row["event"] for row in rows(state, "budget", "checkpointing")][-1] == "checkpointing"
    assert all(row["micro_tokens"] >= 8 for row in rows(state, "budget")) and rows(state, "budget")


def test_where_not_even_that_fits_it_fails_with_the_reason_and_what_to_do(make_job):
    job = watched(make_job, budget=WHOLE, steps=3)
    full_above(job, 8, unless_checkpointed=False)
    state = TrainingState()
    with pytest.raises(DoesNotFit) as caught:
        trained_by(job, state)
    failure = failure_of(caught.value, state.step)
    assert failure["reason"].startswith("out of memory: tried to allocate 3 GB; ")
    assert "max_length" in failure["reason"] and "lora" not in failure["reason"] and failure["step"] == state.step
    assert job.now() == state.step and all(value.grad is None for value in job.trained.values())


def test_vectors_have_no_smaller_parts(make_job):
    job = make_job("linear-probe")
    vectors = torch.randn(6, 32)
    job.inputs = VectorInputs({"train": vectors, "test": vectors})
    job.inputs.logits = lambda *_: (_ for _ in ()).throw(MemoryError())
    with pytest.raises(DoesNotFit):
        predict(job, TrainingState(), "test")


def test_a_batch_that_must_stay_together_is_not_cut(make_job):
    job = make_job(budget=WHOLE)
    job.inputs.as_one = True
    assert smaller_budget(job.inputs, "train", np.arange(6)) is None and job.inputs.budget == WHOLE


# Evaluation


def test_evaluation_goes_on_from_the_part_that_did_not_fit(make_job):
    plain, job = (make_job(budget=budget) for budget in (PARTS, WHOLE))
    first, second = TrainingState(), TrainingState()
    expected = predict(plain, first, "test")
    inner, seen = job.inputs.logits, []

    def logits(classifier, split, chosen):
        seen.append(chosen)
        if len(seen) == 2:
            raise RuntimeError(CPU)
        return inner(classifier, split, chosen)

    job.inputs.logits = logits
    np.testing.assert_allclose(predict(job, second, "test"), expected, atol=1e-6)
    computed = np.concatenate([chosen for number, chosen in enumerate(seen, 1) if number != 2])
    assert sorted(computed) == list(range(6)) and len(seen[0]) > 1
    assert second.tokens["evaluated"] == first.tokens["evaluated"]
    assert [row["event"] for row in second.history] == ["budget"] and job.inputs.budget == PARTS


def test_evaluation_knows_nothing_more_than_smaller_parts(make_job):
    job = make_job(budget=WHOLE)
    job.inputs.logits = lambda *_: (_ for _ in ()).throw(MemoryError())
    with pytest.raises(DoesNotFit, match="MemoryError; "):
        predict(job, TrainingState(), "test")


# Other errors


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("no")])
def test_another_error_is_not_taken_for_a_shortage(make_job, error):
    job = watched(make_job, budget=WHOLE)
    at_step(job, 2, error)
    assert not is_shortage(error)
    with pytest.raises(type(error), match=str(error)) as caught:
        trained_by(job)
    assert job.inputs.budget == WHOLE
    with pytest.raises(type(error)):
        failure_of(caught.value, 1)


def test_a_step_of_the_optimizer_is_not_repeated(make_job):
    job, state = make_job(budget=WHOLE), TrainingState()
    optimizer = job.technique.optimizer(job.trained, job.optimization)
    optimizer.step = lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("full"))
    with pytest.raises(torch.OutOfMemoryError):
        train(job, state, optimizer)
    assert state.step == 0 and not rows(state, "budget")
    assert failure_of(torch.OutOfMemoryError("full\nmore"), 0)["reason"].startswith("out of memory: full; use a ")


@pytest.mark.parametrize("limited", [True, False])
def test_onednn_says_it_in_its_own_way_which_counts_under_a_limit_alone(monkeypatch, limited):
    monkeypatch.setattr(module, "is_limited", lambda: limited)
    assert is_shortage(RuntimeError("could not create a primitive")) == limited


def test_what_the_allocator_says_is_told_without_its_place_in_torch():
    assert failure_of(RuntimeError(CPU), 2)["reason"].startswith("out of memory: can't allocate memory: you tried")
