"""Equal chances: each technique the same number of trials, on dev alone, and the winner is what runs."""

import json
import math
import subprocess
import sys

import jsonschema
import pytest

from tuneoff.errors import StudyError
from tuneoff.evidence.results import SCHEMA_FILE, build_results
from tuneoff.plan import make_plan
from tuneoff.reading import study_from_mapping
from tuneoff.running import compute_study, prepare
from tuneoff.training.state import Interrupted
from tuneoff.tuning import TUNING_SEED

THREE = ["linear-probe", "lora", "linear-probe+lora"]


@pytest.fixture
def tuned(study):
    """Return a function that reads a small tuned study of a tiny model."""

    def read(techniques=THREE, trials=3, share=1.0, span=10.0, space=None, **protocol):
        tune = {"trials": trials, "share": share, "span": span, "space": space or {}}
        return study(techniques, **{"eval_on": "dev", "steps": 4, "eval_every": 2, "tune": tune} | protocol)

    return read


def names(records):
    return [(record.address.chain, record.address.tuning or record.address.seed) for record in records]


# Running


def test_each_technique_gets_its_trials_and_runs_with_what_they_chose(tuned, listener, tmp_path):
    store = compute_study(tuned(seeds=2), tmp_path / "out", listener())
    trials = [f"trial-{number}" for number in range(3)]
    assert names(store.tuning_records()) == [
        *(("linear-probe", name) for name in ["chosen", *trials]),
        *(("linear-probe+lora", name) for name in trials),
        *(("lora", name) for name in trials),
    ]
    results = build_results(store)
    jsonschema.validate(results, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    tuning = {row["chain"]: row for row in results["tuning"]}
    assert tuning.keys() == set(THREE)
    for run in results["runs"]:
        row = tuning[run["technique"]]
        best = max(row["trials"], key=lambda trial: (trial["accuracy"], -trial["loss"], -trial["trial"]))
        assert row["chosen"] == best["trial"]
        assert run["settings"]["learning_rate"] == best["settings"]["learning_rate"]
        assert run["status"] == "done" and run["seed"] in (0, 1)
    chosen = next(record for record in store.tuning_records() if record.address.tuning == "chosen")
    best = tuning["linear-probe"]["trials"][tuning["linear-probe"]["chosen"]]
    assert chosen.settings["learning_rate"] == best["settings"]["learning_rate"]
    below = [record for record in store.tuning_records() if record.address.chain == "linear-probe+lora"]
    assert {record.key_parts["parent"] for record in below} == {chosen.key}


def test_trials_see_no_test_keep_no_weights_and_have_a_seed_of_their_own(tuned, listener, tmp_path):
    store = compute_study(tuned(THREE, seeds=1), tmp_path / "out", listener())
    for record in store.tuning_records():
        assert set(store.predictions(record.address)["split"]) == {"dev"}
        assert record.test_opened is None and store.weights(record.address) is None
        assert {row["split"] for row in store.history(record.address) if row["event"] == "eval"} == {"dev"}
        assert record.address.seed == TUNING_SEED
    assert all(record.address.seed == 0 and record.test_opened for record in store.records())
    seeds = [
        {tuple(r.key_parts["seeds"].values()) for r in found} for found in (store.records(), store.tuning_records())
    ]
    assert not seeds[0] & seeds[1]


def test_again_computes_nothing_and_more_trials_keep_what_is_done(tuned, listener, tmp_path):
    compute_study(tuned(["linear-probe", "lora"]), tmp_path / "out", listener())
    quiet = listener()
    compute_study(tuned(["linear-probe", "lora"]), tmp_path / "out", quiet)
    assert quiet.records == []
    compute_study(tuned(["linear-probe", "lora"], trials=5), tmp_path / "out", quiet)
    assert [one for one in names(quiet.records) if one[1] != 0] == [
        (chain, f"trial-{number}") for chain in ("linear-probe", "lora") for number in (3, 4)
    ]


def test_another_space_does_not_redo_equal_settings(tuned, listener, tmp_path):
    """The draws have other numbers in a longer list; those that were run under another number are copied."""
    rates = [1e-3, 2e-3, 4e-3]
    first = listener()
    compute_study(
        tuned(["linear-probe"], trials=4, space={"linear-probe": {"learning_rate": rates}}), tmp_path / "o", first
    )
    quiet = listener()
    read = tuned(["linear-probe"], trials=4, space={"linear-probe": {"learning_rate": [*reversed(rates)]}})
    store = compute_study(read, tmp_path / "o", quiet)
    done = {record.settings["learning_rate"] for record in first.records}
    computed = [record for record in quiet.records if sum(record.seconds.values()) > 0 and record.address.tuning]
    assert quiet.records and not {record.settings["learning_rate"] for record in computed} & done
    assert len({record.key for record in store.tuning_records()}) == len(
        {record.settings["learning_rate"] for record in store.tuning_records()}
    )


def test_interrupted_anywhere_it_goes_on_to_the_same_choice(tuned, listener, tmp_path):
    techniques = ["linear-probe", "linear-probe+lora"]
    whole = compute_study(tuned(techniques, trials=2), tmp_path / "whole", listener())
    for after in (2, 9, 17, 15):
        with pytest.raises(Interrupted):
            compute_study(tuned(techniques, trials=2), tmp_path / "cut", listener(stop_after=after))
    resumed = compute_study(tuned(techniques, trials=2), tmp_path / "cut", listener())
    for first, second in zip(
        [*whole.tuning_records(), *whole.records()], [*resumed.tuning_records(), *resumed.records()], strict=True
    ):
        assert (first.address, first.key) == (second.address, second.key)
        frames = [store.predictions(first.address).to_dict("list") for store in (whole, resumed)]
        assert repr(frames[0]) == repr(frames[1])
    assert not list((tmp_path / "cut").rglob("checkpoint*")) and not list(
        (tmp_path / "cut").rglob("tuning/**/weights*")
    )


def test_a_trial_takes_its_share_of_the_steps(tuned, listener, tmp_path):
    store = compute_study(tuned(THREE, trials=2, share=0.5, steps=7, eval_every=None), tmp_path / "out", listener())
    steps = {record.address.tuning: record.budget["steps"] for record in store.tuning_records()}
    assert steps == {"trial-0": 4, "trial-1": 4, "chosen": 7}
    assert {record.budget["steps"] for record in store.records()} == {7}


def test_a_trial_that_diverges_is_never_chosen_and_not_run_again(tuned, listener, tmp_path):
    wild = {"schedule": "constant", "warmup": 0.0, "max_grad_norm": "off"}
    read = tuned(["full"], space={"full": {"learning_rate": [1e38]}}, **wild)
    store = compute_study(read, tmp_path / "out", listener())
    (row,) = build_results(store)["tuning"]
    assert [trial["status"] for trial in row["trials"]] == ["done", "failed", "failed"] and row["chosen"] == 0
    assert "not finite" in row["trials"][1]["reason"] and row["at_edge"] == {}
    quiet = listener()
    compute_study(read, tmp_path / "out", quiet)
    assert quiet.records == []


def test_where_every_trial_diverges_the_own_settings_stay_and_it_is_said(tuned, listener, tmp_path):
    wild = {"schedule": "constant", "warmup": 0.0, "max_grad_norm": "off"}
    read = tuned([{"name": "full", "learning_rate": 1e37}], trials=2, span=1.01, **wild)
    results = build_results(compute_study(read, tmp_path / "out", listener()))
    assert results["runs"][0]["status"] == "failed" and results["tuning"][0]["chosen"] == 0
    assert "tuning_failed" in [notice["id"] for notice in results["study"]["notices"]]


def test_a_winner_at_the_edge_is_a_notice(tuned, listener, tmp_path):
    read = tuned(["linear-probe"], trials=4, steps=12, choose_by="loss", span=100)
    results = build_results(compute_study(read, tmp_path / "out", listener()))
    (row,) = results["tuning"]
    rates = [trial["settings"]["learning_rate"] for trial in row["trials"]]
    best = rates[row["chosen"]]
    assert best in (min(rates), max(rates)), "take another span, for the best rate to be an end of those tried"
    notice = next(one for one in results["study"]["notices"] if one["id"] == "tuning_edge")
    assert notice["values"]["end"] == ("lowest" if best == min(rates) else "highest") and str(best) in notice["text"]


def test_the_same_technique_under_two_names_is_tried_once(tuned, listener, tmp_path):
    store = compute_study(tuned(["lora", {"name": "again", "use": "lora"}]), tmp_path / "out", listener())
    records = store.tuning_records()
    seconds = {
        chain: sum(sum(r.seconds.values()) for r in records if r.address.chain == chain) for chain in ("lora", "again")
    }
    assert seconds["again"] == 0 < seconds["lora"]
    assert [r.key for r in records if r.address.chain == "lora"] == [
        r.key for r in records if r.address.chain == "again"
    ]


def test_the_winners_stages_have_the_keys_of_a_study_that_names_the_settings(tuned, study, listener, tmp_path):
    store = compute_study(tuned(["lora"]), tmp_path / "out", listener())
    (record,) = store.records()
    rate = record.settings["learning_rate"]
    named = study([{"name": "lora", "learning_rate": rate}], eval_on="dev", steps=4, eval_every=2)
    (stage,) = make_plan(named.study, prepare(named, listener()).questions, store).stages
    assert stage.key == record.key and not stage.reason.runs


def test_a_plan_knows_the_trials_and_says_what_waits_for_them(tuned, listener):
    read = tuned(THREE, trials=4)
    plan = make_plan(read.study, prepare(read, listener()).questions, None)
    assert [str(stage.reason) for stage in plan.stages] == [
        "unknown: waits for the tuning of linear-probe",
        "unknown: waits for the tuning of lora",
        "unknown: waits for the tuning of linear-probe+lora",
    ]
    states = {tuning.base.chain: [str(trial.reason) for trial in tuning.trials] for tuning in plan.tuning}
    assert states["lora"] == ["missing"] * 4
    assert states["linear-probe+lora"] == ["unknown: waits for the tuning of linear-probe"] * 4
    assert len({trial.key for tuning in plan.tuning for trial in tuning.trials if trial.key}) == 8
    (note,) = plan.tuning_notes
    assert "12 trials for 3 techniques" in note and "0 are done" in note


# Refused


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"trials": 0}, "protocol.tune.trials: expected a whole number of at least 1"),
        ({"trials": 3, "share": 1.5}, "protocol.tune.share"),
        ({"trials": 3, "span": 1}, "protocol.tune.span"),
        ({}, "'trials' is missing"),
        ({"trails": 3}, "'trials'"),
        (7, r"protocol.tune: expected keys with values \(trials"),
        ({"trials": 3, "space": {"lorra": {"rank": [4]}}}, "no such technique. Did you mean 'lora'"),
        ({"trials": 3, "space": {"lora": {"rnak": [4]}}}, "lora has no such setting. Did you mean 'rank'"),
        ({"trials": 3, "space": {"lora": {"rank": [0]}}}, "space.lora.rank: 0 does not fit"),
        ({"trials": 3, "space": {"lora": {"rank": []}}}, "list at least one value"),
        ({"trials": 3, "space": {"lora": {"rank": [4, 4]}}}, "each once"),
        ({"trials": 3, "space": {"lora": {"steps": [4]}}}, "every trial has the same budget"),
    ],
)
def test_a_tuning_that_cannot_be_meant_is_refused_in_words(tune, said):
    mapping = {"model": "m", "task": "mini_rte", "techniques": ["lora"], "protocol": {"tune": tune}}
    with pytest.raises(StudyError, match=said):
        study_from_mapping(mapping)


def test_evidence_of_a_tuned_study_needs_neither_torch_nor_optuna(tuned, listener, tmp_path):
    store = compute_study(tuned(["linear-probe"], trials=2), tmp_path / "out", listener())
    code = (
        "import sys; from pathlib import Path;"
        "from tuneoff.evidence import build_results; from tuneoff.store import Store;"
        f"found = build_results(Store(Path({str(store.root)!r}))); assert len(found['tuning'][0]['trials']) == 2;"
        "assert not {'torch', 'optuna', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numbers_of_the_tuning_seed_are_not_those_of_a_run():
    assert TUNING_SEED > 10**9 and math.isfinite(TUNING_SEED)
