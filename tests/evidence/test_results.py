import json
import statistics
import time
from dataclasses import replace

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from tuneoff.errors import StoreError
from tuneoff.evidence import build_results, write_results
from tuneoff.evidence.metrics import measure_frame
from tuneoff.evidence.results import SCHEMA_FILE
from tuneoff.evidence.runs import failure_text
from tuneoff.store import StageAddress, StageRecord

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def run_of(results, technique, seed=0):
    return next(run for run in results["runs"] if (run["technique"], run["seed"]) == (technique, seed))


def row_of(results, technique):
    return next(row for row in results["techniques"] if row["technique"] == technique)


def notice_ids(results):
    return [notice["id"] for notice in results["study"]["notices"]]


def valid(results):
    jsonschema.validate(results, SCHEMA)
    return results


def described(schema, where="$"):
    """Paths of the properties and items without a description."""
    if "$ref" not in schema and "description" not in schema:
        yield where
    for name, field in schema.get("properties", {}).items():
        yield from described(field, f"{where}.{name}")
    if "items" in schema:
        yield from described(schema["items"], f"{where}[]")


def test_every_field_of_the_schema_is_described():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    definitions = {name: list(described(field)) for name, field in SCHEMA["$defs"].items()}
    assert [list(described(SCHEMA)), definitions] == [[], {name: [] for name in SCHEMA["$defs"]}]


def test_a_whole_study_is_measured_from_its_predictions(tmp_path, made_up):
    store = made_up(techniques=("full", "linear-probe", "linear-probe+lora"), seeds=2).write(tmp_path)
    results = valid(json.loads(write_results(store).read_text(encoding="utf-8")))
    assert results == build_results(store)
    assert [run["status"] for run in results["runs"]] == ["done"] * 6
    for run in results["runs"]:
        frame = store.predictions(StageAddress(run["model"], run["task"], run["technique"], run["seed"]))
        assert run["metrics"] == pytest.approx(measure_frame(frame))
        assert (run["step"], run["examples"]) == (40, 60)
        assert run["source"]["files"].keys() == {"history.jsonl", "predictions.parquet"}
        assert (store.root / run["source"]["folder"] / "predictions.parquet").is_file()


def test_spread_is_that_of_a_sample_and_none_for_one_seed(tmp_path, made_up):
    results = build_results(made_up(techniques=("lora",), seeds=3).write(tmp_path / "three"))
    values = [run_of(results, "lora", seed)["metrics"]["accuracy"] for seed in range(3)]
    assert len(set(values)) > 1
    expected = (3, np.mean(values), np.std(values, ddof=1), min(values), max(values))
    assert tuple(row_of(results, "lora")["metrics"]["accuracy"].values()) == pytest.approx(expected)
    one = valid(build_results(made_up(techniques=("lora",), seeds=1).write(tmp_path / "one")))
    assert row_of(one, "lora")["metrics"]["accuracy"]["sd"] is None


def test_time_is_summed_over_the_chain_alone_and_once_over_the_study_as_run(tmp_path, made_up):
    store = made_up(techniques=("linear-probe", "linear-probe+lora")).write(tmp_path)
    results = build_results(store)
    own = {
        chain: store.record(StageAddress("small-e5", "mini-rte-ru-phenomenon", chain, 0))
        for chain in row_names(results)
    }
    probe, both = (run_of(results, name)["seconds_total"] for name in own)
    alone = {name: sum(record.seconds_alone.values()) for name, record in own.items()}
    assert both["alone"] == pytest.approx(sum(alone.values()))
    assert both["last_stage"] == pytest.approx(alone["linear-probe+lora"])
    assert probe["as_run"] + both["as_run"] == pytest.approx(sum(sum(r.seconds.values()) for r in own.values()))
    assert probe["as_run"] == pytest.approx(sum(own["linear-probe"].seconds.values()))


def test_work_that_was_done_again_stands_apart_from_all_other_times(tmp_path, made_up):
    store = made_up(techniques=("linear-probe", "linear-probe+lora")).write(tmp_path)
    before = valid(build_results(store))
    assert {run["seconds_total"]["lost"] for run in before["runs"]} == {None}  # records of before it was told
    for number, record in enumerate(store.records(), start=1):
        store.finish(
            replace(record, attempts=2, seconds_lost=100.0 * number),
            store.history(record.address),
            store.predictions(record.address),
            None,
        )
    results = valid(build_results(store))
    assert [run["seconds_total"].pop("lost") for run in results["runs"]] == [100.0, 200.0]
    assert all(run["seconds_total"].pop("lost") is None for run in before["runs"])
    assert [run["seconds_total"] for run in results["runs"]] == [run["seconds_total"] for run in before["runs"]]
    texts = [notice["text"] for notice in results["study"]["notices"]]
    assert "Runs were interrupted: 300 s of their work had to be done again, and are in none of the times." in texts


DIVERGED = {
    "reason": "the loss or its gradient was not finite at step 7",
    "step": 7,
    "learning_rate": 0.00123,
    "grad_norm": None,
    "last_evaluation": {"stage_step": 5, "split": "dev", "accuracy": 0.25, "loss": 1.5},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "learning rate 0.00123; gradient norm not finite; last finite evaluation at step 5 on dev: accuracy 0.250, "
            "loss 1.500",
        ),
        (
            {"grad_norm": 12.34, "last_evaluation": None},
            "learning rate 0.00123; gradient norm 12.3; no finite evaluation before",
        ),
        ({"learning_rate": None, "last_evaluation": None}, "no finite evaluation before"),
    ],
)
def test_where_training_diverged_is_told_with_all_that_is_known(changes, expected):
    assert failure_text({**DIVERGED, **changes}) == f"{DIVERGED['reason']} ({expected})"


def test_a_failure_of_another_kind_has_its_step_alone():
    assert failure_text({"reason": "out of memory", "step": 3}) == "out of memory (step 3)"
    assert failure_text({}) == "no reason was recorded"


def row_names(results):
    return [row["technique"] for row in results["techniques"]]


def test_a_shared_stage_that_is_no_technique_is_charged_to_the_first_that_uses_it(tmp_path, made_up):
    techniques = ("linear-probe+full", "linear-probe+lora")
    store = made_up(techniques=techniques).write(tmp_path)
    results = build_results(store)
    seconds = {r.address.chain: sum(r.seconds.values()) for r in store.records()}
    first, second = (run_of(results, name)["seconds_total"]["as_run"] for name in techniques)
    assert first == pytest.approx(seconds["linear-probe"] + seconds["linear-probe+full"])
    assert second == pytest.approx(seconds["linear-probe+lora"])


def test_memory_is_the_highest_of_the_chain_and_tokens_are_its_sum(tmp_path, made_up):
    results = build_results(made_up(techniques=("linear-probe", "linear-probe+full")).write(tmp_path))
    assert run_of(results, "linear-probe+full")["peak_memory"] == {"bytes": 900_000_000, "kind": "resident"}
    assert run_of(results, "linear-probe+full")["tokens"] == {"trained": 2_000, "computed": 4_000, "evaluated": 1_000}
    assert run_of(results, "linear-probe")["peak_memory"]["bytes"] == 300_000_000


def test_a_failed_stage_fails_what_stands_on_it_with_its_reason(tmp_path, made_up):
    failed = (("linear-probe", 1), ("full", 0))
    results = valid(build_results(made_up(seeds=2, failed=failed).write(tmp_path)))
    assert run_of(results, "full")["reason"] == "loss is not finite (step 12)"
    run = run_of(results, "linear-probe+lora", 1)
    assert (run["status"], run["reason"]) == ("failed", "linear-probe failed: loss is not finite (step 12)")
    assert run["seconds_total"] == {"as_run": None, "alone": None, "last_stage": None, "lost": None}
    assert run["metrics"] == dict.fromkeys(("accuracy", "loss", "macro_f1", "f1", "mcc", "ece"))
    row = row_of(results, "linear-probe+lora")
    assert row["runs"] == {"asked": 2, "done": 1, "failed": 1, "missing": 0}
    assert row["metrics"]["accuracy"]["n"] == 1
    assert {"failed": 4, "asked": 10} in [notice["values"] for notice in results["study"]["notices"]]


def test_the_chain_of_a_renamed_technique_that_is_missing_comes_from_its_use(tmp_path, made_up):
    techniques = ("linear-probe", {"name": "mine", "use": "linear-probe+lora"})
    results = build_results(made_up(techniques=techniques, missing=(("mine", 0),)).write(tmp_path))
    run = run_of(results, "mine")
    assert [stage["chain"] for stage in run["source"]["stages"]] == ["linear-probe", "mine"]
    assert run["status"] == "missing" and run["parameters"] == {"trained": None, "total": None, "total_peft": None}
    assert row_of(results, "mine")["metrics"]["accuracy"] == {
        "n": 0,
        "mean": None,
        "sd": None,
        "min": None,
        "max": None,
    }


def test_nothing_run_yet_is_a_valid_result_of_missing_rows(tmp_path, made_up):
    missing = tuple((name, 0) for name in ("full", "linear-probe", "lora", "linear-probe+full", "linear-probe+lora"))
    results = valid(build_results(made_up(missing=missing, described=False).write(tmp_path)))
    assert {run["status"] for run in results["runs"]} == {"missing"}
    assert results["models"][0]["layers"] is None and results["tasks"][0]["splits"] is None
    assert "runs_missing" in notice_ids(results)


def test_a_study_with_hardly_any_keys_is_read(tmp_path):
    from tuneoff.store import Store

    store = Store(tmp_path)
    (tmp_path / "study.yaml").write_text(
        "models: [{id: org/Some-Model}]\ntask: {name: mini_rte}\ntechniques: [{name: lora}]\n"
    )
    results = valid(build_results(store))
    assert results["models"][0]["name"] == "some-model" and results["environment"] == {}
    assert results["runs"][0]["source"]["folder"] == "stages/some-model/mini-rte-ru-label/lora/seed-0"


def test_notices_say_what_the_protocol_cannot_tell(tmp_path, made_up):
    two = ("full", "lora")
    on_test = build_results(made_up(techniques=two, seeds=1).write(tmp_path / "a"))
    assert notice_ids(on_test) == ["curves_on_test", "test_examples", "commonest_class"]
    on_dev = build_results(made_up(techniques=two, seeds=2, eval_on="dev").write(tmp_path / "b"))
    assert notice_ids(on_dev) == ["test_examples", "commonest_class"]
    assert notice_ids(build_results(made_up(techniques=("lora",)).write(tmp_path / "c")))[:2] == [
        "curves_on_test",
        "test_examples",
    ]


def test_seeds_of_unequal_settings_or_machines_are_noticed(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=2).write(tmp_path)
    record = store.record(StageAddress("small-e5", "mini-rte-ru-phenomenon", "lora", 1))
    changed = record.to_json() | {"settings": {"learning_rate": 2e-4}, "machine": {**record.machine, "threads": 8}}
    store.finish(StageRecord.from_json({**changed, "address": vars(record.address)}, tmp_path), [], None, None)
    assert {"settings_differ", "machines_differ"} <= set(notice_ids(valid(build_results(store))))


def test_metrics_are_of_the_last_step_where_the_record_expects_another(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    address = StageAddress("small-e5", "mini-rte-ru-phenomenon", "lora", 0)
    record = store.record(address)
    frame = store.predictions(address)
    budget = {**record.budget, "steps": 99}
    store.finish(
        StageRecord.from_json({**record.to_json(), "address": vars(address), "budget": budget}, tmp_path),
        [],
        frame,
        None,
    )
    assert run_of(build_results(store), "lora")["metrics"] == pytest.approx(measure_frame(frame))


def test_a_done_run_without_predictions_says_so(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    path = store.folder(StageAddress("small-e5", "mini-rte-ru-phenomenon", "lora", 0)) / "predictions.parquet"
    path.unlink()
    run = run_of(valid(build_results(store)), "lora")
    assert (run["status"], run["reason"]) == ("done", "no predictions of test are stored")
    path.write_bytes(b"no parquet")
    with pytest.raises(StoreError, match=r"predictions\.parquet: not what was written"):
        build_results(store)


def test_models_are_kept_apart(tmp_path, made_up):
    results = valid(build_results(made_up(models=("a", "b"), techniques=("lora",), seeds=2).write(tmp_path)))
    assert [(row["model"], row["metrics"]["accuracy"]["n"]) for row in results["techniques"]] == [("a", 2), ("b", 2)]
    assert [run["model"] for run in results["runs"]] == ["a", "a", "b", "b"]


def test_two_hundred_evaluations_of_many_runs_are_read_quickly(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=8, steps=200, eval_every=1, examples=300).write(tmp_path)
    begun = time.process_time()  # which other work on the machine does not lengthen
    results = build_results(store)
    assert time.process_time() - begun < 4
    assert statistics.fmean(run["metrics"]["accuracy"] for run in results["runs"]) > 1 / 3


def test_rows_of_unequal_width_are_refused(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    address = StageAddress("small-e5", "mini-rte-ru-phenomenon", "lora", 0)
    frame = pd.DataFrame({"split": "test", "step": 40, "label": [0, 0], "logits": [[1.0, 2.0], [1.0]]})
    store.finish(store.record(address), [], frame, None)
    with pytest.raises(StoreError, match="different numbers of logits"):
        build_results(store)


@pytest.mark.parametrize(
    ("task", "message"),
    [({"name": 3}, r"study\.yaml: task\.name: .*string"), ({"nam": "x"}, r"study\.yaml: task\.nam: ")],
)
def test_a_task_of_study_yaml_that_is_none_is_told(tmp_path, made_up, task, message):
    store = made_up(techniques=("lora",)).write(tmp_path)
    study = yaml.safe_load((tmp_path / "study.yaml").read_text(encoding="utf-8"))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**study, "task": task}), encoding="utf-8")
    with pytest.raises(StoreError, match=message):
        build_results(store)
