import json
from dataclasses import replace
from itertools import combinations

import jsonschema
import numpy as np
import pytest
import yaml

from tuneoff.evidence import build_results
from tuneoff.evidence.results import SCHEMA_FILE
from tuneoff.store import StageAddress

TASK = "mini-rte-ru-phenomenon"
TRIALS = [(0.5, 0.9), (0.7, 0.8), None, (0.7, 0.6), (0.6, 0.7)]  # accuracy and loss on dev; one failed


@pytest.fixture
def tuned(tmp_path, made_up):
    """Return a function that makes up a tuned study with these trials and gives its row of `tuning`."""

    def make(trials, choose_by="accuracy"):
        store = made_up(techniques=("lora",), eval_on="dev").write(tmp_path)
        study = store.study()
        study["protocol"]["tune"] = {"trials": len(trials)}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
        settings = [{"learning_rate": 1e-4 * (n + 1)} for n in range(len(trials))]
        asked = {"technique": "lora", "space": {}, "choose_by": choose_by, "share": 1.0, "seed": 77, "trials": settings}
        store.describe_tuning("small-e5", TASK, "lora", asked)
        record = store.record(StageAddress("small-e5", TASK, "lora", 0))
        for number, found in enumerate(trials):
            address = StageAddress("small-e5", TASK, "lora", 77, None, f"trial-{number}")
            row = {"event": "eval", "split": "dev", "stage_step": 40, "step": 40, "seconds": 1.0}
            if found is None:
                failed = replace(record, address=address, status="failed", failure={"reason": "not finite"})
                store.finish(failed, [], None, None)
            else:
                row |= {"accuracy": found[0], "loss": found[1]}
                store.finish(replace(record, address=address), [row], None, None)
        results = build_results(store)
        jsonschema.validate(results, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
        (row,) = results["tuning"]
        return row

    return make


@pytest.mark.parametrize("by", ["accuracy", "loss"])
def test_the_expected_accuracy_is_the_mean_over_all_choices_of_so_many_trials(tuned, by):
    done = [trial for trial in TRIALS if trial is not None]

    def chosen(trials):
        key = (lambda one: (one[0], -one[1])) if by == "accuracy" else (lambda one: (-one[1], one[0]))
        return max(trials, key=key)[0]

    expected = [np.mean([chosen(some) for some in combinations(done, k)]) for k in range(1, len(done) + 1)]
    row = tuned(TRIALS, by)
    assert row["expected"] == pytest.approx(expected)
    assert row["expected"][-1] == pytest.approx(row["trials"][row["chosen"]]["accuracy"])


def test_no_trial_that_ended_well_gives_no_expectation(tuned):
    assert tuned([None, None])["expected"] == []
