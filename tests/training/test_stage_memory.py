"""Memory that runs out in a whole stage: what its record says, and how it goes on."""

import pytest
import torch

import tuneoff.training.ready as ready
import tuneoff.training.workplace as workplace
from tuneoff.errors import ModelError
from tuneoff.running import compute_study
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.state import Interrupted


def full_at_first(monkeypatch, error, times=1):
    """Let the first passes with gradients fail."""
    plain, failed = TokenInputs.logits, []

    def logits(self, *given):
        if torch.is_grad_enabled() and len(failed) < times:
            failed.append(1)
            raise error
        return plain(self, *given)

    monkeypatch.setattr(TokenInputs, "logits", logits)


def test_the_record_says_what_it_started_with_and_what_memory_took(study, listener, tmp_path, monkeypatch):
    full_at_first(monkeypatch, torch.OutOfMemoryError("full"))
    store = compute_study(study(["full"], micro_tokens=48), tmp_path / "out", listener())
    (record,) = store.records()
    assert record.status == "done" and record.machine["micro_tokens"] == 48
    assert record.machine["halved"] == [{"step": 0, "micro_tokens": 24}] and record.machine["checkpointed"] is None
    assert [row["event"] for row in store.history(record.address)][:3] == ["eval", "budget", "train"]


def test_where_nothing_helps_the_record_says_why_and_the_rest_goes_on(study, listener, tmp_path, monkeypatch):
    full_at_first(monkeypatch, torch.OutOfMemoryError("full"), times=1000)
    store = compute_study(study(["lora", "linear-probe"], micro_tokens=48), tmp_path / "out", listener())
    by_chain = {record.address.chain: record for record in store.records()}
    failed = by_chain["lora"]
    assert failed.status == "failed" and "lower the model's max_length" in failed.failure["reason"]
    assert failed.machine["halved"] and failed.machine["checkpointed"] == 0
    assert by_chain["linear-probe"].status == "done"


def test_a_stage_that_goes_on_keeps_the_smaller_budget(study, listener, tmp_path, monkeypatch):
    """What failed before does not fail again; the numbers are those of a stage that was never stopped."""
    read = study(["lora"], family="distilbert", micro_tokens=48)
    with monkeypatch.context() as patch:
        full_at_first(patch, MemoryError())
        whole = compute_study(read, tmp_path / "whole", listener())
    with monkeypatch.context() as patch:
        full_at_first(patch, MemoryError())
        with pytest.raises(Interrupted):
            compute_study(read, tmp_path / "cut", listener(stop_after=4))
    cut = compute_study(read, tmp_path / "cut", listener())
    results = []
    for store in (whole, cut):
        (record,) = store.records()
        losses = [row["loss"] for row in store.history(record.address) if row["event"] == "train"]
        results.append((record.machine["halved"], record.tokens, losses))
    assert results[0] == results[1] and results[0][0] == [{"step": 0, "micro_tokens": 24}]


@pytest.mark.parametrize("technique", ["full", "linear-probe"])
def test_a_model_that_does_not_fit_is_told_before_the_first_step(study, listener, tmp_path, monkeypatch, technique):
    def full_up(*_, **__):
        raise MemoryError("cannot hold 3 GB")

    for where in (ready, workplace):
        monkeypatch.setattr(where, "build_classifier", full_up)
    with pytest.raises(ModelError, match=r"out of memory before the first step \(cannot hold 3 GB\)"):
        compute_study(study([technique]), tmp_path / "out", listener())


def test_vectors_that_do_not_fit_are_computed_in_smaller_parts(study, listener, tmp_path, monkeypatch):
    plain, stores = TokenInputs.vectors, []
    seen = []

    def vectors(self, *given):
        seen.append(1)
        if len(seen) == 2 and len(stores) == 1:
            raise MemoryError
        return plain(self, *given)

    monkeypatch.setattr(TokenInputs, "vectors", vectors)
    monkeypatch.setattr(workplace, "cached_features", lambda _, compute, note: compute())
    passes = []
    for out in ("whole", "parts"):
        seen.clear()
        stores.append(compute_study(study(["linear-probe"], micro_tokens=100), tmp_path / out, listener()))
        passes.append(len(seen))
    assert passes[1] > passes[0] + 1
    first, second = (store.predictions(store.records()[0].address)["logits"] for store in stores)
    for ours, theirs in zip(first, second, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
