"""Stages of a model in 4 bits: run, stopped and gone on with, predicted with, exported."""

import numpy as np
import pytest

from tuneoff.footprint import costs_by_kind
from tuneoff.models.classifier import load_classifier
from tuneoff.plan import make_plan
from tuneoff.predicting import predict
from tuneoff.running import compute_study, prepare
from tuneoff.store import PREDICTIONS, WEIGHTS, Store
from tuneoff.training.state import Interrupted

pytest.importorskip("bitsandbytes")
TECHNIQUES = [
    "linear-probe",
    {"name": "linear-probe+lora", "learning_rate": 0.03, "dropout": 0.0},
    {"name": "lora", "layers": 1},
]
MODEL = {"name": "tiny", "load": "4bit"}


def contents(store):
    return {
        (record.address.chain, name): (store.folder(record.address) / name).read_bytes()
        for record in store.records()
        for name in (WEIGHTS, PREDICTIONS)
    }


@pytest.fixture
def read(study):
    return study(TECHNIQUES, family="wide-qwen3", model=MODEL)


def test_stopped_and_gone_on_with_it_is_the_same_bit_for_bit(read, listener, tmp_path):
    whole = compute_study(read, tmp_path / "whole", listener())
    assert {record.status for record in whole.records()} == {"done"}
    with pytest.raises(Interrupted):
        compute_study(read, tmp_path / "cut", listener(stop_after=13))
    cut = Store(tmp_path / "cut")
    assert 0 < len(cut.records()) < 3
    compute_study(read, cut.root, listener())
    assert contents(cut) == contents(whole)


def test_what_is_computed_once_changes_nothing(read, listener, tmp_path, study, stored):
    once = compute_study(read, tmp_path / "once", listener())
    slow = study(
        TECHNIQUES,
        family="wide-qwen3",
        model=MODEL,
        reuse_activations=False,
        pack_texts=False,
        compact_vocabulary=False,
    )
    each = compute_study(slow, tmp_path / "each", listener())
    for technique in ("linear-probe", "linear-probe+lora"):
        assert np.allclose(stored(once, technique), stored(each, technique), atol=1e-4)


def test_the_plan_knows_the_bytes_of_its_weights(read, listener):
    prepared = prepare(read, listener())
    (place,) = prepared.places.values()
    plan = make_plan(read.study, prepared.questions, None)
    costs = costs_by_kind(plan, {"tiny": place.model}, {plan.stages[0].address.task: 2})
    weights = list(load_classifier(place.model, ["no", "yes"], device="cpu").parameters())
    states = [value.quant_state for value in weights if hasattr(value, "quant_state")]
    held = sum(value.nbytes for value in weights)
    held += sum(state.absmax.nbytes + state.state2.absmax.nbytes for state in states)
    plain = sum(state.shape.numel() for state in states)
    whole = plain + sum(value.numel() for value in weights if not hasattr(value, "quant_state"))
    for cost in costs.values():
        assert cost.quantised == plain > 0
        added = 4 * (cost.parameters["total"] - whole)  # by the adapters
        assert cost.weight_bytes == pytest.approx(held + added, rel=2e-3)


@pytest.fixture
def stored():
    from tuneoff.evidence.predictions import last_evaluation

    def logits(store, technique):
        (record,) = [one for one in store.records() if one.address.chain == technique]
        found = last_evaluation(store.checked(record.address, PREDICTIONS), "test", record.reported_step)
        return np.asarray(found.logits)

    return logits


def test_it_predicts_as_it_was_tested(read, listener, tmp_path, stored):
    store = compute_study(read, tmp_path / "out", listener())
    found = predict(store.root, tmp_path / "test.jsonl", technique="linear-probe+lora")
    logits = stored(store, "linear-probe+lora")
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    assert np.allclose(found["probability_canine"], shares[:, 0], atol=1e-5)
