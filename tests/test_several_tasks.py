"""A study of several tasks: what is planned and computed, in which order, and what is kept in memory meanwhile."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from tuneoff.checks.examine import examine_quickly
from tuneoff.checks.patient import Patient
from tuneoff.commands.plan import describe_plan
from tuneoff.commands.plan_tables import lines, tables
from tuneoff.errors import DataError, DataNotHereError
from tuneoff.evidence.results import build_results
from tuneoff.plan import make_plan
from tuneoff.reading import ReadStudy, read_study, study_from_mapping
from tuneoff.running import compute_study, prepare
from tuneoff.store import Store


@pytest.fixture
def several(study, tmp_path):
    """Return a function that reads a study of two tasks: by 'cat' or 'dog', and the same texts in three classes."""

    def read(techniques=("linear-probe",), **changes):
        one = study(techniques, **changes)
        for name in ("train", "test"):
            rows = [json.loads(row) for row in (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
            for number, row in enumerate(rows):
                row["label"] = ("short", "long", "very long")[number % 3]
            path = tmp_path / f"length-{name}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        first = one.study.task
        files = {"train": str(tmp_path / "length-train.jsonl"), "test": str(tmp_path / "length-test.jsonl")}
        second = first.model_copy(update={**files, "called": "length"})
        return ReadStudy(one.study.model_copy(update={"tasks": [first, second]}), one.base, one.source)

    return read


def alone(read, place):
    """The same study with one of its tasks alone."""
    study = read.study.model_copy(update={"tasks": [read.study.tasks[place]]})
    return ReadStudy(study, read.base, read.source)


def test_each_task_is_computed_as_if_it_were_alone(several, listener, tmp_path):
    read = several(["full", "linear-probe"], steps=2)
    store = compute_study(read, tmp_path / "both", listener())
    keys = {record.address: record.key for record in store.records()}
    assert {(one.model, one.task) for one in keys} == {("tiny-bert", "train"), ("tiny-bert", "length")}
    for place in (0, 1):
        single = compute_study(alone(read, place), tmp_path / f"single-{place}", listener())
        for record in single.records():
            assert keys[record.address] == record.key
            ours, theirs = store.predictions(record.address), single.predictions(record.address)
            assert np.array_equal(np.stack(ours["logits"].tolist()), np.stack(theirs["logits"].tolist()))


def test_a_run_directory_of_one_task_is_gone_on_with(several, listener, tmp_path):
    read = several(steps=2, eval_every=1)
    compute_study(alone(read, 0), tmp_path / "out", listener())
    quiet = listener()
    store = compute_study(read, tmp_path / "out", quiet)
    assert [record.address.task for record in quiet.records] == ["length"]
    again = listener()
    compute_study(read, tmp_path / "out", again)
    assert again.records == []
    assert len(read_study(str(store.root / "study.yaml")).study.tasks) == 2


def test_a_model_has_no_one_head_where_tasks_have_other_classes(several, listener, tmp_path):
    read = several(steps=1)
    store = compute_study(read, tmp_path / "out", listener())
    assert store.model("tiny-bert")["head_parameters"] is None
    assert [len(store.task("tiny-bert", task)["classes"]) for task in ("train", "length")] == [2, 3]
    assert [run["parameters"]["trained"] for run in build_results(store)["runs"]] == [2 * 32, 3 * 32]


def test_a_task_is_done_before_the_next_begins(several, listener):
    read = several(["full", "linear-probe"], seeds=2)
    prepared = prepare(read, listener())
    stages = make_plan(read.study, prepared.questions, None).stages
    assert [stage.address.task for stage in stages] == ["train"] * 4 + ["length"] * 4


def test_of_tasks_that_are_not_worked_at_no_rows_of_tokens_and_no_vectors_are_kept(several, listener, tmp_path):
    read = several(["linear-probe"], steps=2, eval_every=1)
    places = prepare(read, listener()).places
    tokens = {key: place.tokens() for key, place in places.items()}
    held = []

    class Watching(listener):
        def watch(self, plan, work):
            observer = super().watch(plan, work)
            return type(observer)(event=lambda stage, row: held.append(_held(self.prepared, stage)))

    import tuneoff.running as running

    quiet, prepare_ = Watching(), running.prepare

    def kept(*arguments):
        quiet.prepared = prepare_(*arguments)
        return quiet.prepared

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "prepare", kept)
        compute_study(read, tmp_path / "out", quiet)
    assert held and all(others == [] for others in held)
    for key, place in quiet.prepared.places.items():
        for split, one in tokens[key].items():  # what was put away comes back as it was
            assert all(map(np.array_equal, place.tokens()[split].ids, one.ids)) and place.tokens()[split].cut == one.cut


def _held(prepared, stage):
    """The places other than a stage's that have tokens or vectors in memory."""
    return [
        key
        for key, place in prepared.places.items()
        if key[1] != stage.address.task and (place._tokens is not None or place._features)
    ]


def test_tokens_that_were_put_away_come_back_without_a_tokenizer(several, listener, monkeypatch):
    place = next(iter(prepare(several(), listener()).places.values()))
    before, lengths = place.tokens(), {split: one.lengths.tolist() for split, one in place.read().items()}
    place.put_away()
    place.put_away()
    monkeypatch.setattr("tuneoff.training.workplace.load_tokenizer", lambda _: pytest.fail("tokenized again"))
    assert {split: one.lengths.tolist() for split, one in place.read().items()} == lengths
    for split, one in place.tokens().items():
        assert all(map(np.array_equal, one.ids, before[split].ids)) and one.ids[0].dtype == before[split].ids[0].dtype


def test_a_mistake_in_the_data_names_its_task(several, listener, tmp_path):
    read = several()
    (tmp_path / "length-test.jsonl").unlink()
    with pytest.raises(DataNotHereError, match=r"^tasks\[1\] \(length\): task.test: there is no file"):
        prepare(read, listener())
    (tmp_path / "length-test.jsonl").write_text('{"premise": "a", "hypothesis": "b", "label": "no"}\n')
    with pytest.raises(DataError, match=r"^tasks\[1\] \(length\): .*does not occur in train"):
        prepare(read, listener())


def test_the_plan_is_by_task_and_knows_what_can_be_known(several, tmp_path):
    read = several(["linear-probe", "full"])
    found = describe_plan(read, tmp_path / "out", timed=True)
    assert [stage["task"] for stage in found["stages"]] == ["train", "train", "length", "length"]
    assert all(stage["seconds"] and stage["peak_memory_bytes"] for stage in found["stages"])
    assert found["seconds_to_run"] > 0 and found["disk_bytes"] > 0
    assert "parameters are those of train; tasks with other classes have other heads" in found["notes"]
    console = Console(file=io.StringIO(), width=140)
    for table in tables(found):
        console.print(table)
    assert "length: linear-probe" in console.file.getvalue() and any("length: full" in line for line in lines(found))
    (tmp_path / "length-train.jsonl").unlink()
    found = describe_plan(read, tmp_path / "out", timed=True)
    assert [stage["peak_memory_bytes"] is None for stage in found["stages"]] == [False, False, True, True]
    assert any(
        note.startswith("rows and tokens are unknown") and "tasks[1] (length)" in note for note in found["notes"]
    )
    assert (found["disk_bytes"], found["seconds_to_run"]) == (None, None)


def test_what_is_found_before_the_first_step_names_its_task(several, listener, tmp_path):
    read = several()
    prepared, store = prepare(read, listener()), Store(tmp_path / "out")
    found = examine_quickly(Patient(prepared, make_plan(read.study, prepared.questions, store), store))
    for check in ("leakage", "length", "labels"):
        about = [one.about for one in found if one.check == check]
        assert about and all(one.split(":")[0] in ("train", "length") for one in about), check
        assert {one.split(":")[0] for one in about} == {"train", "length"}
    assert len([one for one in found if one.check == "memory"]) == 2  # memory and disk, of the study as a whole


def test_trials_and_rounds_go_by_task(several, listener, tmp_path):
    read = several(
        ["linear-probe", {"name": "slow", "use": "linear-probe", "learning_rate": 1e-5}],
        eval_on="dev",
        steps=2,
        eval_every=2,
        seeds=2,
        tune={"trials": 2},
        until_clear={"seeds": 3},
    )
    quiet, said = listener(), []
    quiet.announce = said.append
    store = compute_study(read, tmp_path / "out", quiet)
    results = build_results(store)
    assert {(row["task"], row["chain"]) for row in results["tuning"]} == {
        (task, chain) for task in ("train", "length") for chain in ("linear-probe", "slow")
    }
    assert all(row["chosen"] is not None for row in results["tuning"])
    assert [one["task"] for one in results["comparisons"]] == ["train", "length"]
    assert all(one["race"] for one in results["comparisons"])
    assert any(what.startswith("train: ") for what in said) and any(what.startswith("length: ") for what in said)


def test_folds_are_cut_in_each_task(several, listener, tmp_path):
    store = compute_study(several(folds=2, steps=2), tmp_path / "out", listener())
    places = {(record.address.task, record.address.fold) for record in store.records()}
    assert places == {(task, fold) for task in ("train", "length") for fold in (0, 1)}
    results = build_results(store)
    assert [row["tasks"] for row in results["ranks"]] == []  # one technique: nothing to rank
    assert all(row["metrics"]["accuracy"]["n"] == 2 for row in results["techniques"])


def test_further_test_sets_belong_to_their_task(several, listener, tmp_path):
    read = several(steps=2)
    first, second = read.study.tasks
    far = str(tmp_path / "far.jsonl")
    (tmp_path / "far.jsonl").write_text(
        "".join(
            json.dumps({"premise": f"old man {n}", "hypothesis": "cat", "label": "feline"}) + "\n" for n in range(4)
        )
    )
    tasks = [first.model_copy(update={"also_test": {"far": far}}), second]
    read = ReadStudy(read.study.model_copy(update={"tasks": tasks}), read.base, read.source)
    results = build_results(compute_study(read, tmp_path / "out", listener()))
    also = {run["task"]: run["also"] for run in results["runs"]}
    assert also["train"]["far"]["accuracy"] is not None and also["length"] == {}
    assert {row["task"]: list(row["also"]) for row in results["techniques"]} == {"train": ["far"], "length": []}


def test_the_built_in_task_by_several_labels_has_several_names():
    mapping = {
        "model": "m",
        "tasks": [{"name": "mini_rte", "label": label} for label in ("label", "relation")],
    }
    from tuneoff.tasks import task_name

    study = study_from_mapping(mapping)
    assert [task_name(task) for task in study.tasks] == ["mini-rte-ru-label", "mini-rte-ru-relation"]
