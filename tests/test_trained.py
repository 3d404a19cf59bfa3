"""Which run is meant, and its classifier as training left it."""

import numpy as np
import pytest
import torch
import yaml

from tuneoff.describing import describe_study
from tuneoff.errors import StoreError
from tuneoff.evidence.predictions import last_evaluation
from tuneoff.executors.local import Observer, run_plan
from tuneoff.models.text import collate, load_tokenizer, tokenize
from tuneoff.plan import make_plan
from tuneoff.predicting import Predictor
from tuneoff.reading import resolved_yaml
from tuneoff.running import compute_study, prepare
from tuneoff.store import PREDICTIONS, WEIGHTS, StageAddress, Store
from tuneoff.trained import find_run, load_trained_classifier
from tuneoff.training.state import Interrupted


@pytest.fixture
def with_weights(made_up, tmp_path):
    """Return a function that makes up a run directory in which each stage has a file of weights."""

    def make(**settings):
        store = made_up(**settings).write(tmp_path / "out")
        for record in store.records():
            (store.folder(record.address) / WEIGHTS).write_bytes(b"")
        return store

    return make


def test_a_choice_that_is_left_has_to_be_made(with_weights):
    store = with_weights(techniques=("linear-probe", "lora"), seeds=2)
    with pytest.raises(StoreError, match="several techniques, name one by --technique: linear-probe, lora"):
        find_run(store)
    with pytest.raises(StoreError, match=r"'lorra' is done\. Did you mean 'lora'"):
        find_run(store, technique="lorra")
    with pytest.raises(StoreError, match="no run of seed 5 is done; seeds that are: 0, 1"):
        find_run(store, technique="lora", seed=5)
    assert find_run(store, technique="lora").seed == 0
    assert find_run(store, technique="lora", seed=1).seed == 1


def test_the_seed_is_the_first_that_has_its_weights(with_weights):
    store = with_weights(techniques=("lora",), seeds=3)
    (store.folder(find_run(store)) / WEIGHTS).unlink()
    assert find_run(store).seed == 1
    for record in store.records():
        (store.folder(record.address) / WEIGHTS).unlink(missing_ok=True)
    with pytest.raises(StoreError, match=r"weights were not kept.*keep_weights=all"):
        find_run(store)


def test_runs_of_a_task_that_the_study_had_before_are_not_meant(with_weights):
    store = with_weights(techniques=("lora",), seeds=1)
    study = store.study()
    study["task"]["called"] = "another"
    (store.root / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    assert store.records()
    with pytest.raises(StoreError, match="no run is done yet"):
        find_run(store)


def test_a_stage_whose_parent_was_computed_anew_is_refused(study, listener, tmp_path):
    compute_study(study(["top-layers+lora"], steps=3), tmp_path / "out", listener())
    Predictor(Store(tmp_path / "out"), technique="top-layers+lora")
    with pytest.raises(Interrupted):
        stopped = listener(stop_after=4)  # in the second stage
        compute_study(study(["top-layers+lora"], steps=2), tmp_path / "out", stopped)
    store = Store(tmp_path / "out")
    with pytest.raises(StoreError, match=r"it started from top-layers, which was computed anew since"):
        Predictor(store, technique="top-layers+lora")


def test_a_loaded_classifier_gives_the_logits_that_were_stored(study, listener, tmp_path):
    techniques = ["linear-probe+lora", "top-layers+full"]
    read = study(techniques, family="qwen3", model={"name": "tiny"}, seeds=[4], steps=2)
    prepared = prepare(read, listener())
    (place,) = prepared.places.values()
    store, plan = Store(tmp_path / "out"), make_plan(read.study, prepared.questions, None)
    store.create(resolved_yaml(read.study), None)
    describe_study(prepared, store)
    run_plan(plan, prepared.places, store, Observer())
    ids = tokenize(place.model, load_tokenizer(place.model), place.data.splits["test"].texts).ids
    for technique in techniques:
        trained = load_trained_classifier(store, find_run(store, technique=technique))
        assert trained.record.address == StageAddress("tiny", trained.record.address.task, technique, 4)
        assert trained.classes == ("canine", "feline") and trained.spec.name == "tiny"
        assert [stage.spec.technique for stage in trained.stages] == technique.split("+")
        assert not any(value.requires_grad for value in trained.classifier.parameters())
        with torch.no_grad():
            logits = trained.classifier(*collate(ids, 0, "right")).numpy()
        kept = last_evaluation(store.checked(trained.record.address, PREDICTIONS), "test", 2)
        np.testing.assert_allclose(logits, np.asarray(kept.logits), rtol=1e-4, atol=1e-4)


def test_a_stage_that_is_not_done_is_told(with_weights):
    store = with_weights(techniques=("lora",), seeds=1)
    address = find_run(store)
    (store.folder(address) / "DONE").unlink()
    with pytest.raises(StoreError, match="no run is done yet"):
        find_run(store)
    with pytest.raises(StoreError, match="this run is not done"):
        load_trained_classifier(store, address)
