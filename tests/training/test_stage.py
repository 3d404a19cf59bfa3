"""One stage from plan to record: what is written, what is recorded, and how it fails, stops and goes on."""

from datetime import datetime

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tuneoff.techniques as registry
import tuneoff.training.stage as module
from tuneoff.executors.local import run_plan
from tuneoff.files import sha256
from tuneoff.models.classifier import init_head, load_classifier
from tuneoff.plan import make_plan
from tuneoff.running import prepare
from tuneoff.store import CHECKPOINT, PHASES, Store
from tuneoff.techniques import get
from tuneoff.techniques.linear_probe import LinearProbe
from tuneoff.training.build import Ancestor, apply_technique, load_trained, make_technique
from tuneoff.training.stage import Watch, run_stage
from tuneoff.training.state import Interrupted


@pytest.fixture
def planned(study, listener, tmp_path):
    """Return a function that plans a study of one technique; gives its stages, its workplace and a store."""

    def plan(*techniques, out="out", **changes):
        read = study(techniques, **changes)
        prepared = prepare(read, listener())
        store = Store(tmp_path / out)
        (place,) = prepared.places.values()
        return make_plan(read.study, prepared.questions, store).stages, place, store

    return plan


def run(stages, place, store, watch=None):
    """Run stages one after another, each from those before it; returns the last record."""
    ancestors, record = [], None
    for stage in stages:
        record = run_stage(stage, place, ancestors, store, watch or Watch())
        if record.status == "done":
            ancestors.append(Ancestor(stage.spec, record.key, store.weights(stage.address)))
    return record


@pytest.mark.parametrize("technique", ["full", "linear-probe", "lora"])
def test_a_record_says_what_was_asked_what_it_became_and_what_it_cost(planned, technique):
    stages, place, store = planned(technique)
    record = run(stages, place, store)
    (stage,) = stages
    assert record == store.record(stage.address) and record.status == "done" and record.failure is None
    assert (record.key, record.key_parts, record.technique) == (stage.key, stage.key_parts, technique)
    asked = get(technique).settings_class().model_dump()
    assert asked["learning_rate"] == record.settings["learning_rate"]
    assert record.settings["schedule"] == "linear" and record.settings["weight_decay"] == 0.01
    assert record.budget == {"steps": 6, "batch_size": 8, "eval_every": 3, "eval_on": "test"}
    weights = load_file(store.weights(stage.address))
    assert record.parameters["trained"] == sum(value.numel() for value in weights.values())
    for seconds in (record.seconds, record.seconds_alone):
        assert seconds.keys() == set(PHASES) and min(seconds.values()) >= 0 and seconds["training"] > 0
    assert record.seconds["load"] > 0 and record.peak_memory["bytes"] > 10**7
    assert record.machine["threads"] == torch.get_num_threads() == 1 and record.machine["precision"] == "fp32"
    assert datetime.fromisoformat(record.started) <= datetime.fromisoformat(record.ended)
    assert record.files["weights.safetensors"] == sha256(store.weights(stage.address))


def test_tokens_are_counted_as_they_are_passed(planned):
    """By hand: six batches of eight rows of train, and test at steps 0, 3 and 6."""
    from tuneoff.training.order import batch_rows

    stages, place, store = planned("full")
    record = run(stages, place, store)
    lengths = {name: np.array([len(ids) for ids in tokens.ids]) for name, tokens in place.tokens().items()}
    order = stages[0].key_parts["seeds"]["order"]
    trained = sum(int(lengths["train"][batch_rows(41, 8, order, step)].sum()) for step in range(6))
    assert record.tokens["trained"] == trained and record.tokens["evaluated"] == 3 * lengths["test"].sum()
    assert record.tokens["computed"] >= record.tokens["trained"] + record.tokens["evaluated"]


def test_a_head_alone_passes_each_text_once_and_pays_for_its_vectors_once(planned):
    stages, place, store = planned("linear-probe", seeds=2)
    first, second = (run([stage], place, store) for stage in stages)
    texts = sum(len(ids) for split in place.tokens().values() for ids in split.ids)
    assert first.tokens == second.tokens == {"trained": 0, "computed": texts, "evaluated": 0}
    assert first.seconds["features"] > 0 and second.seconds["features"] == second.seconds["load"] == 0
    assert second.seconds_alone["features"] == first.seconds_alone["features"] == first.seconds["features"]


def test_upper_layers_alone_count_as_the_whole_and_pay_for_the_layers_below_once(planned):
    """Tokens through the upper layers are counted as tokens, beside those that were passed through the lower once."""
    top = {"name": "top", "use": "top-layers", "layers": 1}
    stages, place, store = planned(top, seeds=2)
    first, second = (run([stage], place, store) for stage in stages)
    stages, place, store = planned(top, out="plain", reuse_activations=False)
    plain = run(stages, place, store)
    texts = sum(len(ids) for split in place.tokens().values() for ids in split.ids)
    assert first.tokens == {**plain.tokens, "computed": plain.tokens["computed"] + texts}
    assert second.tokens["evaluated"] == first.tokens["evaluated"] and first.parameters == plain.parameters
    assert first.seconds["features"] > 0 == second.seconds["features"] and second.seconds["load"] > 0
    assert second.seconds_alone["features"] == first.seconds_alone["features"] == first.seconds["features"]


@pytest.mark.parametrize("technique", ["full", "linear-probe", "lora", "top-layers"])
def test_the_last_predictions_are_the_written_weights_own(planned, technique):
    """The weights, loaded into transformers' model anew, give the logits in the predictions."""
    stages, place, store = planned(technique)
    (stage,) = stages
    run(stages, place, store)
    frame = store.predictions(stage.address)
    assert set(frame["step"]) == {0, 3, 6} and set(frame["split"]) == {"test"} and len(frame) == 3 * 17
    last = frame[frame["step"] == 6]
    split = place.data.splits["test"]
    assert last["label"].tolist() == split.labels.tolist() and last["row"].tolist() == split.rows.tolist()
    classifier = load_classifier(place.model, place.data.classes, device="cpu")
    init_head(classifier, 1)
    apply_technique(make_technique(stage.spec), classifier, 1)
    load_trained(classifier, store.weights(stage.address))
    classifier.eval()
    for row, logits in enumerate(last["logits"]):
        ids = torch.from_numpy(place.tokens()["test"].ids[row].astype(np.int64))[None]
        with torch.no_grad():
            expected = classifier(ids, torch.ones_like(ids))[0].numpy()
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_history_and_predictions_agree(planned):
    stages, place, store = planned("full", eval_on="dev")
    run(stages, place, store)
    history, frame = store.history(stages[0].address), store.predictions(stages[0].address)
    evaluations = [row for row in history if row["event"] == "eval"]
    assert [(row["split"], row["stage_step"]) for row in evaluations] == [
        ("dev", 0),
        ("dev", 3),
        ("dev", 6),
        ("test", 6),
    ]
    for row in evaluations:
        seen = frame[(frame["split"] == row["split"]) & (frame["step"] == row["stage_step"])]
        right = np.stack(seen["logits"]).argmax(1) == seen["label"]
        assert row["accuracy"] == pytest.approx(right.mean())


def test_the_seeds_of_head_order_and_dropout_are_used_apart(planned):
    """Changing one of the three alone changes the result; none of them changes nothing."""
    from dataclasses import replace

    stages, place, store = planned("lora", family="distilbert", steps=2)
    (stage,) = stages
    results = []
    for change in ({}, {}, {"init": 1}, {"order": 1}, {"dropout": 1}):
        parts = dict(stage.key_parts) | {"seeds": dict(stage.key_parts["seeds"]) | change}
        run([replace(stage, key_parts=parts)], place, store)
        results.append([row["loss"] for row in store.history(stage.address)])
    plain, again, *others = results
    assert plain == again and all(other != plain for other in others)


def test_execution_changes_time_and_memory_alone(planned):
    """On a model without dropout, whose masks are drawn a micro-batch at a time."""
    results = []
    for name, changes in {"a": {"micro_tokens": 20}, "b": {"compact_vocabulary": False}}.items():
        stages, place, store = planned("full", family="qwen3", out=name, **changes)
        record = run(stages, place, store)
        results.append((record, np.stack(store.predictions(stages[0].address)["logits"])))
    (first, ours), (second, theirs) = results
    assert first.key == second.key and first.parameters == second.parameters
    assert first.machine["micro_tokens"] == 20 and second.machine["compact_vocabulary"] is False
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


# Failing


def test_out_of_memory_is_a_failed_record_that_says_so_and_leaves_no_weights(planned, monkeypatch):
    def full_up(job, state, optimizer):
        state.step = 2
        raise torch.OutOfMemoryError("tried to allocate 3 GB\nwith details")

    monkeypatch.setattr(module, "train", full_up)
    stages, place, store = planned("full")
    record = run(stages, place, store)
    assert record.status == "failed"
    reason = "out of memory: tried to allocate 3 GB; use a technique that trains fewer weights, or a smaller model"
    assert record.failure == {"reason": reason, "step": 2}
    assert store.weights(stages[0].address) is None and store.record(stages[0].address) == record


def test_divergence_keeps_what_was_seen_before_it(planned):
    wild = {"name": "wild", "use": "full", "learning_rate": 1e38}
    stages, place, store = planned(wild, schedule="constant", warmup=0.0, max_grad_norm="off")
    record = run(stages, place, store)
    history, frame = store.history(stages[0].address), store.predictions(stages[0].address)
    assert record.status == "failed" and record.failure["learning_rate"] == 1e38
    assert history[0]["event"] == "eval" and history[0]["loss"] is not None and history[-1]["loss"] is None
    assert 0 in set(frame["step"]) and "weights.safetensors" not in record.files


def test_any_other_error_comes_out(planned, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(module, "train", broken)
    stages, place, store = planned("full")
    with pytest.raises(ZeroDivisionError):
        run(stages, place, store)
    assert store.records() == []


# Stopping


def stop_at(step):
    seen = []
    return Watch(events=seen.append, stop=lambda: bool(seen) and seen[-1]["stage_step"] >= step)


def test_interrupted_it_has_a_checkpoint_and_no_record(planned):
    stages, place, store = planned("full")
    with pytest.raises(Interrupted):
        run(stages, place, store, stop_at(2))
    assert (store.folder(stages[0].address) / CHECKPOINT).is_file() and store.record(stages[0].address) is None


def test_going_on_the_times_add_up_and_the_way_of_computing_stays(planned):
    stages, place, store = planned("full", micro_tokens=30)
    with pytest.raises(Interrupted):
        run(stages, place, store, stop_at(4))
    seen = []
    stages, place, store = planned("full", micro_tokens=3000)
    record = run(stages, place, store, Watch(events=seen.append))
    assert record.machine["micro_tokens"] == 30
    assert [row["stage_step"] for row in seen if row["event"] == "train"] == [5, 6]
    seconds = [row["seconds"] for row in store.history(stages[0].address)]
    assert seconds == sorted(seconds) and len(seconds) == 6 + 3
    assert record.seconds["training"] + record.seconds["evaluation"] == pytest.approx(seconds[-1], abs=0.5)


def test_asked_to_stop_at_the_very_end_the_stage_is_finished(planned):
    """Finishing it is quicker than saving it; the wish is heard before the next stage."""
    stages, place, store = planned("full")
    assert run(stages, place, store, stop_at(6)).status == "done"


def test_asked_to_stop_between_stages_the_next_is_not_begun(study, listener, tmp_path):
    read = study(["full", "lora"])
    prepared = prepare(read, listener())
    store = Store(tmp_path / "out")
    plan = make_plan(read.study, prepared.questions, store)
    quiet = listener(stop_after=9)  # six steps and three evaluations of the first stage
    with pytest.raises(Interrupted):
        run_plan(plan, prepared.places, store, quiet.watch(plan, {}))
    assert [record.address.chain for record in store.records()] == ["full"]
    assert not store.folder(plan.stages[1].address).exists()


# A stage without gradients


def test_a_technique_without_gradients_is_one_step_whatever_the_budget(planned, monkeypatch):
    class Means(LinearProbe):
        name = "means"
        gradient_free = True

        def fit(self, classifier, vectors, labels):
            with torch.no_grad():
                for number in range(len(classifier.head.weight)):
                    classifier.head.weight[number] = vectors[labels == number].mean(0)

    get("full")
    monkeypatch.setattr(registry, "_registry", registry._registry | {"means": Means})
    stages, place, store = planned("means", "means+lora")
    run(stages, place, store)
    probe, child = (store.predictions(stage.address) for stage in stages)
    assert set(probe["step"]) == {0, 1}
    vectors, labels = place.features([]).vectors, place.data.splits["train"].labels
    means = torch.stack([vectors["train"][torch.from_numpy(labels) == number].mean(0) for number in (0, 1)])
    fitted = np.stack(probe[probe["step"] == 1]["logits"])
    np.testing.assert_allclose(fitted, (vectors["test"] @ means.T).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.stack(child[child["step"] == 0]["logits"]), fitted, atol=1e-5)
