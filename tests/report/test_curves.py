from dataclasses import replace

import pytest

from tuneoff.evidence import build_results
from tuneoff.report import write_report
from tuneoff.report.curves import COLUMNS, load_curves
from tuneoff.store import StageAddress


def curves_of(store):
    return load_curves(build_results(store), store)


def test_a_composed_technique_has_the_rows_of_all_its_stages_on_one_axis(tmp_path, made_up):
    store = made_up(techniques=("linear-probe", "linear-probe+lora")).write(tmp_path)
    curves = curves_of(store)
    rows = curves[curves["technique"] == "linear-probe+lora"]
    assert list(rows.columns) == list(COLUMNS)
    assert rows.groupby("stage")["step"].agg(["min", "max"]).to_numpy().tolist() == [[0, 40], [40, 80]]
    assert rows["stage_name"].unique().tolist() == ["linear-probe", "lora"]
    own = [
        store.history(StageAddress("small-e5", "mini-rte-ru-phenomenon", chain, 0)) for chain in rows["chain"].unique()
    ]
    assert rows["accuracy"].tolist() == [row["accuracy"] for history in own for row in history]


def test_seconds_end_near_the_time_of_the_table(tmp_path, made_up):
    store = made_up(techniques=("linear-probe", "linear-probe+lora")).write(tmp_path)
    results = build_results(store)
    curves = load_curves(results, store)
    for run in results["runs"]:
        rows = curves[curves["technique"] == run["technique"]]
        alone = store.record(StageAddress("small-e5", "mini-rte-ru-phenomenon", run["technique"], 0)).seconds_alone
        history = store.history(StageAddress("small-e5", "mini-rte-ru-phenomenon", run["technique"], 0))
        missing = alone["training"] + alone["evaluation"] - history[-1]["seconds"]
        assert rows["seconds"].iloc[-1] == pytest.approx(run["seconds_total"]["alone"] - missing)
        assert rows["seconds"].is_monotonic_increasing
        assert rows["seconds"].iloc[0] == 3.0  # loading and tokenizing come first


def test_only_the_watched_split_is_evaluation(tmp_path, made_up):
    store = made_up(techniques=("lora",), eval_on="dev").write(tmp_path)
    address = StageAddress("small-e5", "mini-rte-ru-phenomenon", "lora", 0)
    history = [
        *store.history(address),
        {"event": "eval", "split": "test", "stage_step": 40, "step": 40, "seconds": 9.0},
    ]
    store.finish(store.record(address), history, None, None)
    curves = curves_of(store)
    assert curves["series"].value_counts().to_dict() == {"training": 40, "evaluation": 5}


def test_memory_that_ran_out_is_no_point_of_a_curve(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    address = StageAddress("small-e5", "mini-rte-ru-phenomenon", "lora", 0)
    before = curves_of(store)
    history = store.history(address)
    position = {name: history[3][name] for name in ("stage_step", "step", "seconds")}
    history[4:4] = [{"event": "budget", "micro_tokens": 750, **position}, {"event": "checkpointing", **position}]
    record = store.record(address)
    machine = dict(record.machine) | {"halved": [{"step": 3, "micro_tokens": 750}], "checkpointed": 3}
    store.finish(replace(record, machine=machine), history, store.predictions(address), None)
    assert curves_of(store).equals(before)
    write_report(store)
    (run,) = build_results(store)["runs"]
    assert run["machine"]["halved"] == [{"step": 3, "micro_tokens": 750}]


def test_a_loss_that_is_null_is_unknown_and_the_stage_not_done(tmp_path, made_up):
    curves = curves_of(made_up(techniques=("lora",), seeds=2, failed=(("lora", 1),)).write(tmp_path))
    failed = curves[curves["seed"] == 1]
    assert failed["loss"].isna().sum() == 1 and not failed["done"].any()
    assert curves[curves["seed"] == 0]["done"].all()


def test_nothing_stored_gives_no_rows_but_all_columns(tmp_path, made_up):
    curves = curves_of(made_up(techniques=("lora",), missing=(("lora", 0),)).write(tmp_path))
    assert len(curves) == 0 and {name: str(kind) for name, kind in curves.dtypes.items()} == COLUMNS
