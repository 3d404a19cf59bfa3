import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tuneoff.errors import StoreError
from tuneoff.evidence.results import build_results
from tuneoff.running import compute_study
from tuneoff.study import DEFAULT_TECHNIQUES
from tuneoff.training.state import Interrupted


def same(first, second):
    return repr(first) == repr(second)


def test_five_techniques_end_to_end_and_a_second_run_computes_nothing(study, listener, tmp_path):
    first = listener()
    store = compute_study(study(DEFAULT_TECHNIQUES), tmp_path / "out", first)
    assert [record.address.chain for record in first.records] == [
        "full",
        "linear-probe",
        "lora",
        "linear-probe+full",
        "linear-probe+lora",
    ]
    assert all(record.status == "done" for record in store.records())
    again = listener()
    compute_study(study(DEFAULT_TECHNIQUES), tmp_path / "out", again)
    assert again.records == [] and again.heard == []


def test_the_linear_probe_runs_once_for_three_techniques(study, listener, tmp_path):
    quiet = listener()
    compute_study(study(["linear-probe", "linear-probe+full", "linear-probe+lora"]), tmp_path / "out", quiet)
    assert [record.address.chain for record in quiet.records].count("linear-probe") == 1


@pytest.mark.parametrize("last", ["full", "lora"])
@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_a_second_stage_starts_with_the_logits_of_the_first(study, listener, tmp_path, last, family):
    store = compute_study(study(["linear-probe", f"linear-probe+{last}"], family), tmp_path / "out", listener())
    by_chain = {record.address.chain: record.address for record in store.records()}
    probe = store.predictions(by_chain["linear-probe"])
    child = store.predictions(by_chain[f"linear-probe+{last}"])
    ended = np.stack(probe[probe["step"] == 6]["logits"])
    began = np.stack(child[child["step"] == 0]["logits"])
    np.testing.assert_allclose(began, ended, atol=1e-5)
    assert child["step"].max() == 6
    assert store.history(by_chain[f"linear-probe+{last}"])[0]["step"] == 6  # cumulative over the stages


def test_interrupted_anywhere_it_goes_on_to_the_same_bits(study, listener, tmp_path, outcome):
    techniques = ["full", "linear-probe+lora"]
    whole = outcome(compute_study(study(techniques, family="distilbert"), tmp_path / "whole", listener()))
    for after in (1, 4, 7, 12):
        cut = tmp_path / f"cut after {after}"
        with pytest.raises(Interrupted):
            compute_study(study(techniques, family="distilbert"), cut, listener(stop_after=after))
        resumed = compute_study(study(techniques, family="distilbert"), cut, listener())
        assert same(whole, outcome(resumed)), after
        assert not list(cut.rglob("checkpoint*")) and not list(cut.rglob(".part-*")), after


def test_a_changed_setting_recomputes_only_what_depends_on_it(study, listener, tmp_path):
    compute_study(study(["full", "linear-probe", "linear-probe+lora"]), tmp_path / "out", listener())
    quiet = listener()
    changed = [{"name": "linear-probe", "learning_rate": 0.5}, "full", "linear-probe+lora"]
    compute_study(study(changed), tmp_path / "out", quiet)
    assert [record.address.chain for record in quiet.records] == ["linear-probe", "linear-probe+lora"]


def test_more_seeds_keep_what_is_done(study, listener, tmp_path):
    compute_study(study(seeds=1), tmp_path / "out", listener())
    quiet = listener()
    compute_study(study(seeds=3), tmp_path / "out", quiet)
    assert [record.address.seed for record in quiet.records] == [1, 2]


def test_one_technique_under_two_names_is_computed_once(study, listener, tmp_path):
    quiet = listener()
    store = compute_study(study(["lora", {"name": "lora-again", "use": "lora"}]), tmp_path / "out", quiet)
    first, second = store.records()
    assert len([row for chain, row in quiet.heard if chain == "lora-again"]) == 0
    assert first.key == second.key
    assert sum(second.seconds.values()) == 0 < sum(second.seconds_alone.values())
    assert store.predictions(first.address).equals(store.predictions(second.address))


def test_a_diverged_stage_is_a_failed_record_and_the_rest_goes_on(study, listener, tmp_path):
    quiet = listener()
    wild = {"name": "wild", "use": "full", "learning_rate": 1e38}
    techniques = [wild, "wild+lora", "linear-probe"]
    store = compute_study(
        study(techniques, schedule="constant", warmup=0.0, max_grad_norm="off"), tmp_path / "out", quiet
    )
    records = {record.address.chain: record for record in store.records()}
    assert records["wild"].status == "failed"
    assert "not finite" in records["wild"].failure["reason"] and records["wild"].failure["step"] >= 1
    assert records["wild"].failure["last_evaluation"]["stage_step"] == 0
    assert quiet.skipped == [("wild+lora", "wild failed")]
    assert records["linear-probe"].status == "done"
    rows = {run["technique"]: run for run in build_results(store)["runs"]}
    assert rows["wild"]["status"] == rows["wild+lora"]["status"] == "failed"
    assert "wild" in rows["wild+lora"]["reason"]


def test_weights_are_kept_as_asked_and_remade_when_a_child_needs_them(study, listener, tmp_path):
    store = compute_study(study(["linear-probe"], seeds=2, keep_weights="last-seed"), tmp_path / "out", listener())
    assert [store.weights(record.address) is not None for record in store.records()] == [False, True]
    quiet = listener()
    compute_study(study(["linear-probe", "linear-probe+lora"], seeds=2, keep_weights="none"), tmp_path / "out", quiet)
    assert [(r.address.chain, r.address.seed) for r in quiet.records] == [
        ("linear-probe", 0),
        ("linear-probe+lora", 0),
        ("linear-probe+lora", 1),
    ]
    assert all(store.weights(record.address) is None for record in store.records())


def test_global_random_state_is_left_alone(study, listener, tmp_path):
    read = study(["full", "lora", "linear-probe"])
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 (the legacy global state is what is tested)
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    compute_study(read, tmp_path / "out", listener())
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_seeds_are_used(study, listener, tmp_path):
    store = compute_study(study(["lora"], seeds=2), tmp_path / "out", listener())
    first, second = (store.history(record.address) for record in store.records())
    assert [row["loss"] for row in first] != [row["loss"] for row in second]


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_a_compact_vocabulary_gives_the_same_weights(study, listener, tmp_path, family):
    weights = []
    for compact in (True, False):
        read = study(["full"], family, compact_vocabulary=compact, steps=4, schedule="linear", weight_decay=0.1)
        store = compute_study(read, tmp_path / str(compact), listener())
        (record,) = store.records()
        assert record.parameters["trained"] == record.parameters["total"]
        weights.append(load_file(store.weights(record.address)))
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        np.testing.assert_allclose(value, weights[1][name], atol=2e-6, err_msg=name)


TOP = {"name": "top", "use": "top-layers", "layers": 1}
LORA = {"name": "lora-top", "use": "lora", "layers": 1, "dropout": 0.0}


@pytest.mark.parametrize("family", ["qwen3", "gemma3"])
def test_activations_computed_once_give_the_same_as_texts(study, listener, tmp_path, family, outcome):
    """On models without dropout. What is counted is the same too, and names of weights are."""
    techniques = ["linear-probe", TOP, LORA, "lora-top+top", "top+linear-probe"]
    outcomes = []
    for reuse in (True, False):
        store = compute_study(study(techniques, family, reuse_activations=reuse), tmp_path / str(reuse), listener())
        outcomes.append({record.address.chain: (record, outcome(store)[record.address]) for record in store.records()})
    for chain, (first, (key, history, predictions, weights)) in outcomes[0].items():
        second, (other_key, other_history, other_predictions, other_weights) = outcomes[1][chain]
        assert first.machine["reuse_activations"] and not second.machine["reuse_activations"]
        assert (key, first.parameters) == (other_key, second.parameters) and second.seconds["features"] == 0
        for row, other in zip(history, other_history, strict=True):
            assert row["loss"] == pytest.approx(other["loss"], rel=1e-4), chain
        np.testing.assert_allclose(np.stack(predictions["logits"]), np.stack(other_predictions["logits"]), atol=1e-4)
        assert weights.keys() == other_weights.keys()
        for name, value in weights.items():
            np.testing.assert_allclose(value, other_weights[name], atol=1e-4, err_msg=f"{chain} {name}")


def test_seeds_techniques_and_studies_share_what_is_below(study, listener, tmp_path, monkeypatch):
    """The lowest layer trained is the same for all five, and is the first that any of them changes."""
    techniques = [TOP, LORA, "top+lora-top", "linear-probe+top", "lora-top+top"]
    store = compute_study(study(techniques, seeds=2), tmp_path / "out", listener())
    records = {(record.address.chain, record.address.seed): record for record in store.records()}
    paid = [key for key, record in records.items() if record.seconds["features"]]
    assert paid == [("linear-probe", 0), ("top", 0)]
    below = {key: record for key, record in records.items() if record.technique != "linear-probe"}
    alone = {record.seconds_alone["features"] for record in below.values()}
    assert len(alone) == 1 and alone.pop() == records["top", 0].seconds["features"] > 0
    assert len(list((tmp_path / "cache" / "hidden").iterdir())) == 1
    monkeypatch.setattr("tuneoff.training.reuse.compute_hidden", None)
    compute_study(study([TOP], steps=9), tmp_path / "other", listener())


def test_what_an_earlier_stage_changed_below_is_computed_anew(study, listener, tmp_path):
    store = compute_study(study(["lora", "lora+top", TOP], "qwen3"), tmp_path / "out", listener())
    assert len(list((tmp_path / "cache" / "hidden").iterdir())) == 2
    by_chain = {record.address.chain: record.address for record in store.records()}
    frames = [store.predictions(by_chain[chain]) for chain in ("lora", "lora+top")]
    ended, began = (np.stack(frame[frame["step"] == at]["logits"]) for frame, at in zip(frames, (6, 0), strict=True))
    np.testing.assert_allclose(began, ended, atol=1e-5)


def test_interrupted_it_goes_on_to_the_same_bits_though_the_cache_was_emptied(study, listener, tmp_path, outcome):
    whole = outcome(compute_study(study([TOP, LORA], micro_tokens=60), tmp_path / "whole", listener()))
    for after in (1, 4, 9):
        cut = tmp_path / f"cut after {after}"
        shutil.rmtree(tmp_path / "cache")
        with pytest.raises(Interrupted):
            compute_study(study([TOP, LORA], micro_tokens=60), cut, listener(stop_after=after))
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        resumed = compute_study(study([TOP, LORA], micro_tokens=60), cut, listener())
        assert same(whole, outcome(resumed)), after


def test_a_stage_that_began_without_reuse_goes_on_without(study, listener, tmp_path):
    with pytest.raises(Interrupted):
        compute_study(study([TOP], reuse_activations=False), tmp_path / "out", listener(stop_after=3))
    store = compute_study(study([TOP]), tmp_path / "out", listener())
    (record,) = store.records()
    assert record.machine["reuse_activations"] is False and not (tmp_path / "cache" / "hidden").exists()


def test_a_cache_too_small_is_told_and_the_texts_are_computed(study, listener, tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE_LIMIT", "1 kB")
    quiet = listener()
    store = compute_study(study([TOP]), tmp_path / "out", quiet)
    (record,) = store.records()
    assert record.status == "done" and record.seconds["features"] == 0
    assert len(quiet.notes) == 1 and "TUNEOFF_CACHE_LIMIT" in quiet.notes[0]


def test_a_limit_that_is_no_size_is_refused_before_any_training(study, listener, tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE_LIMIT", "some")
    with pytest.raises(StoreError, match="TUNEOFF_CACHE_LIMIT"):
        compute_study(study([TOP]), tmp_path / "out", listener())


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "qwen3", "llama"])
def test_a_classs_own_head_runs_through_all_techniques(study, listener, tmp_path, family):
    read = study(DEFAULT_TECHNIQUES, family, model={"head": "native"}, steps=2, eval_every=1)
    store = compute_study(read, tmp_path / "out", listener())
    records = {record.address.chain: record for record in store.records()}
    assert {record.status for record in records.values()} == {"done"} and len(records) == 5
    probe = load_file(store.weights(records["linear-probe"].address))
    assert sum(value.numel() for value in probe.values()) == records["linear-probe"].parameters["trained"]
    ended = store.predictions(records["linear-probe"].address)
    began = store.predictions(records["linear-probe+lora"].address)
    first, last = (np.stack(frame[frame["step"] == at]["logits"]) for frame, at in ((began, 0), (ended, 2)))
    np.testing.assert_allclose(first, last, atol=1e-5)


def test_the_defect_of_2025_can_be_replicated_and_is_labelled(study, listener, tmp_path):
    read = study(["linear-probe", "lora"], "qwen3", model={"pooling": "misindexed"}, steps=2)
    store = compute_study(read, tmp_path / "out", listener())
    assert [record.status for record in store.records()] == ["done", "done"]
    notices = {notice["id"] for notice in build_results(store)["study"]["notices"]}
    assert "misindexed" in notices
