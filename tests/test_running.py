"""From a study to a run directory: what is checked before the first step, and what the directory says of itself."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import torch
import yaml

from tuneoff.errors import DataError, ModelError, StoreError, StudyError
from tuneoff.evidence.results import build_results, read_results
from tuneoff.models.text import load_tokenizer
from tuneoff.plan import make_plan
from tuneoff.reading import read_study, resolved_yaml
from tuneoff.running import compute_study, expected_work, prepare, run_study
from tuneoff.store import Store
from tuneoff.training.device import usable_threads
from tuneoff.training.state import Interrupted


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_run_directory_explains_itself(study, listener, tmp_path):
    read = study(["linear-probe"], steps=2, eval_every=1)
    quiet, said = listener(), []
    quiet.announce = said.append
    store = run_study(read, tmp_path / "out", quiet)
    assert said == [
        "reading the task",
        f"checking {read.study.models[0].id}",
        "computing baselines from the words of the texts",
        "comparing the texts of each pair by tiny-bert, untrained",
        "writing results and report",
    ]
    stage = "stages/tiny-bert/train/linear-probe/seed-0/"
    written = files(store.root)
    assert {"study.yaml", "environment.json", "results.json", "report.html"} <= written
    assert {"stages/tiny-bert/model.json", "stages/tiny-bert/train/task.json"} <= written
    assert {f"tasks/train/{name}" for name in ("test.parquet", "baselines.json", "baselines.parquet")} <= written
    assert {name.removeprefix(stage) for name in written if name.startswith(stage)} == {
        *("stage.json", "history.jsonl", "predictions.parquet", "weights.safetensors", "representation.json", "DONE")
    }
    assert any(name.startswith("figures/") for name in written) and "tables/table.md" in written
    assert not [name for name in written if ".part-" in name]
    assert len(read_results(store)["runs"]) == 1


def test_the_resolved_study_asks_for_the_same(study, listener, tmp_path):
    read = study(["linear-probe", {"name": "wide", "use": "lora", "rank": 4}], steps=1, eval_every=1, seeds=2)
    store = compute_study(read, tmp_path / "out", listener())
    again = read_study(str(store.root / "study.yaml"))
    assert again.study.techniques == read.study.techniques and again.study.protocol == read.study.protocol
    assert again.study.models[0].name == "tiny-bert"  # the name that the folders have
    assert yaml.safe_load(resolved_yaml(again.study)) == store.study()


def test_model_and_task_are_described_as_they_are(study, listener, resolve, tmp_path):
    store = compute_study(study(steps=1, eval_every=1), tmp_path / "out", listener())
    model, task = store.model("tiny-bert"), store.task("tiny-bert", "train")
    from transformers import AutoModel

    whole = AutoModel.from_pretrained(resolve("bert").path, add_pooling_layer=False).num_parameters()
    assert model["parameters"] == whole and model["head_parameters"] == 2 * 32
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    tokenizer = load_tokenizer(resolve("bert"))
    lengths = [len(tokenizer(row["premise"], row["hypothesis"])["input_ids"]) for row in rows]
    tokens = task["splits"]["train"]["tokens"]
    assert tokens == {
        "mean": pytest.approx(np.mean(lengths)),
        "median": np.median(lengths),
        "max": max(lengths),
        "cut": 0,
    }


def test_cut_texts_are_counted(study, listener, tmp_path):
    store = compute_study(study(model={"max_length": 8}, steps=1, eval_every=1), tmp_path / "out", listener())
    tokens = store.task("tiny-bert", "train")["splits"]["train"]["tokens"]
    assert tokens["max"] == 8 and 0 < tokens["cut"] < 41


def test_baselines_are_computed_once_for_the_same_data(study, listener, tmp_path):
    store = compute_study(study(steps=1, eval_every=1), tmp_path / "out", listener())
    (task,) = build_results(store)["tasks"]
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    train = [json.loads(line)["label"] for line in (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    commonest = max(sorted(set(train)), key=train.count)
    majority = task["baselines"][0]
    assert majority["name"] == "majority" and majority["examples"] == len(rows)
    assert majority["accuracy"] == pytest.approx(np.mean([row["label"] == commonest for row in rows]))
    quiet, said = listener(), []
    quiet.announce = said.append
    compute_study(study(steps=1, eval_every=1), tmp_path / "out", quiet)
    assert not [what for what in said if "baselines" in what]


def test_dev_is_cut_out_where_it_is_watched_and_not_else(study, listener):
    watched = prepare(study(eval_on="dev"), listener()).questions[0].data.splits
    all_of_it = prepare(study(), listener()).questions[0].data.splits
    assert len(all_of_it["train"]) == 41 and "dev" not in all_of_it
    assert len(watched["train"]) + len(watched["dev"]) == 41 and len(watched["dev"]) > 0


def test_the_expected_work_is_that_of_the_tokens(study, listener):
    read = study(["full", "linear-probe"])
    prepared = prepare(read, listener())
    work = {a.chain: one for a, one in expected_work(make_plan(read.study, prepared.questions, None), prepared).items()}
    tokens = {
        name: sum(map(len, split.ids)) for name, split in prepared.places["tiny-bert", "train", None].tokens().items()
    }
    assert work["linear-probe"].before == pytest.approx(sum(tokens.values())) and work["linear-probe"].per_step == 0
    assert work["full"].before == 0 and work["full"].per_step == pytest.approx(3 * 8 * tokens["train"] / 41)
    assert work["full"].per_evaluation == pytest.approx({"test": tokens["test"]})


def test_done_stages_are_no_work(study, listener, tmp_path):
    read = study(steps=1, eval_every=1)
    store = compute_study(read, tmp_path / "out", listener())
    prepared = prepare(read, listener())
    assert expected_work(make_plan(read.study, prepared.questions, store), prepared) == {}


def test_weights_that_are_no_longer_wanted_go_when_there_is_nothing_to_compute(study, listener, tmp_path):
    compute_study(study(steps=1, eval_every=1), tmp_path / "out", listener())
    quiet = listener()
    store = compute_study(study(steps=1, eval_every=1, keep_weights="none"), tmp_path / "out", quiet)
    (record,) = store.records()
    assert record.status == "done" and store.weights(record.address) is None and quiet.records == []


def test_the_studys_threads_are_used(study, listener):
    before = torch.get_num_threads()
    try:
        prepare(study(threads=1), listener())
        assert torch.get_num_threads() == 1
        prepare(study(threads=None), listener())
        assert torch.get_num_threads() == usable_threads()
    finally:
        torch.set_num_threads(before)


def test_tokenizing_is_charged_once_whichever_stage_comes_first(study, listener, tmp_path):
    techniques = ["full", "lora", "linear-probe"]
    store = compute_study(study(techniques, steps=1, eval_every=1), tmp_path / "out", listener())
    spent = {record.address.chain: record.seconds["tokenize"] for record in store.records()}
    alone = {record.address.chain: record.seconds_alone["tokenize"] for record in store.records()}
    assert spent["full"] > 0 and spent["lora"] == spent["linear-probe"] == 0
    assert set(alone.values()) == {spent["full"]}


# What is wrong is told before the first step


def test_a_missing_file_a_missing_model_and_a_missing_device(study, listener, tmp_path):
    read = study()
    (tmp_path / "test.jsonl").unlink()
    with pytest.raises(DataError, match=r"test\.jsonl"):
        compute_study(read, tmp_path / "a", listener())
    with pytest.raises(ModelError, match="no such folder"):
        compute_study(study(model={"id": str(tmp_path / "none")}), tmp_path / "b", listener())
    if not torch.cuda.is_available():
        with pytest.raises(StudyError, match=r"protocol\.device: torch finds no cuda here; use auto or cpu"):
            compute_study(study(device="cuda"), tmp_path / "c", listener())
    for out in ("a", "b", "c"):
        assert not (tmp_path / out / "study.yaml").exists() and not (tmp_path / out / "stages").exists()


def test_a_clock_that_is_set_back_all_the_time_reaches_no_number(study, listener, tmp_path, monkeypatch):
    class Back(datetime):
        """A time of day that is an hour earlier whenever it is asked for."""

        current = datetime(2026, 5, 1, tzinfo=UTC)

        @classmethod
        def now(cls, tz=None):
            cls.current -= timedelta(hours=1)
            return cls.current.astimezone(tz)

    read = study(["lora", "linear-probe+lora"])
    whole = build_results(compute_study(read, tmp_path / "whole", listener()))
    monkeypatch.setattr("tuneoff.training.stage.datetime", Back)
    monkeypatch.setattr("tuneoff.training.outcome.datetime", Back)
    monkeypatch.setattr("tuneoff.training.evaluation.datetime", Back)
    with pytest.raises(Interrupted):
        compute_study(read, tmp_path / "out", listener(stop_after=5))
    results = build_results(compute_study(read, tmp_path / "out", listener()))
    assert [run["metrics"] for run in results["runs"]] == [run["metrics"] for run in whole["runs"]]
    for record in Store(tmp_path / "out").records():
        assert record.ended < record.started  # the clock did go back
        seconds = [*record.seconds.values(), *record.seconds_alone.values(), record.seconds_lost]
        assert min(seconds) >= 0 and sum(seconds) < 3000
        times = [row["seconds"] for row in Store(tmp_path / "out").history(record.address)]
        assert times == sorted(times)


def test_a_directory_in_which_another_works_is_left_alone(study, listener, tmp_path):
    with Store(tmp_path / "out").lock(), pytest.raises(StoreError, match="another tuneoff is working here"):
        compute_study(study(), tmp_path / "out", listener())
    assert files(tmp_path / "out") == {".lock"}


def test_after_an_error_the_directory_is_free_again(study, listener, tmp_path):
    read = study()
    (tmp_path / "test.jsonl").rename(tmp_path / "away.jsonl")
    with pytest.raises(DataError):
        compute_study(read, tmp_path / "out", listener())
    (tmp_path / "away.jsonl").rename(tmp_path / "test.jsonl")
    assert len(compute_study(read, tmp_path / "out", listener()).records()) == 1
