import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tuneoff.evidence.results import build_results
from tuneoff.running import compute_study
from tuneoff.study import DEFAULT_TECHNIQUES
from tuneoff.training.state import Interrupted


def without_times(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def outcome(store):
    """All that a run directory holds of its stages, timings aside."""
    return {
        record.address: (
            record.key,
            without_times(store.history(record.address)),
            store.predictions(record.address).to_dict("list"),
            {name: value.tolist() for name, value in load_file(store.weights(record.address)).items()},
        )
        for record in store.records()
    }


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


@pytest.mark.parametrize("after", [1, 4, 7, 12])
def test_interrupted_anywhere_it_goes_on_to_the_same_bits(study, listener, tmp_path, after):
    techniques = ["full", "linear-probe+lora"]
    whole = compute_study(study(techniques, family="distilbert"), tmp_path / "whole", listener())
    with pytest.raises(Interrupted):
        compute_study(study(techniques, family="distilbert"), tmp_path / "cut", listener(stop_after=after))
    resumed = compute_study(study(techniques, family="distilbert"), tmp_path / "cut", listener())
    assert same(outcome(whole), outcome(resumed))
    assert not list((tmp_path / "cut").rglob("checkpoint*")) and not list((tmp_path / "cut").rglob(".part-*"))


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
