"""A stage counts when it is whole; what cannot be read says what to do; one process works in a run directory."""

import json
import re
from dataclasses import fields, replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tuneoff.errors import StoreError
from tuneoff.files import sha256
from tuneoff.records import LATER
from tuneoff.store import (
    ATTEMPTS,
    CHECKPOINT,
    CHECKSUM,
    DONE,
    HISTORY,
    PREDICTIONS,
    RECORD,
    WEIGHTS,
    StageAddress,
    StageRecord,
    Store,
)

ADDRESS = StageAddress("small", "rte", "linear-probe+lora", 3)
HISTORY_ROWS = [{"event": "train", "step": 1, "loss": 0.5}, {"event": "eval", "step": 1, "loss": None, "split": "да"}]
FRAME = pd.DataFrame(
    {"split": ["test", "test"], "row": [0, 5], "source_id": ["a", None], "step": [1, 1], "label": [0, 1]}
    | {"logits": [[0.5, -1.0], [2.0, 0.25]]}
)
WEIGHT = {"head.weight": torch.tensor([[0.1, 0.2], [0.3, 0.4]])}


def record(address=ADDRESS, **changes):
    known = StageRecord(
        address=address,
        status="done",
        parent="linear-probe",
        technique="lora",
        key="k" * 64,
        key_parts={"model": {"weights": "w"}, "seeds": {"init": 2**62 + 1}},
        settings={"rank": 8},
        budget={"steps": 4, "batch_size": 2, "eval_every": 2, "eval_on": "test"},
        parameters={"trained": 4, "total": 40},
        seconds={"training": 1.25},
        seconds_alone={"training": 1.25},
        tokens={"trained": 7},
        peak_memory={"bytes": 5, "kind": "resident"},
        machine={"device": "cpu"},
        started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:00:01+00:00",
    )
    return replace(known, **changes)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


def finish(store, one=None, history=HISTORY_ROWS, predictions=FRAME, weights=WEIGHT):
    return store.finish(one or record(), history, predictions, weights)


def test_what_is_finished_reads_back(store):
    written = finish(store)
    assert store.record(ADDRESS) == written and store.records() == list(store) == [written]
    assert replace(written, files=None) == record()
    assert store.history(ADDRESS) == HISTORY_ROWS
    pd.testing.assert_frame_equal(
        store.predictions(ADDRESS).assign(logits=lambda frame: frame["logits"].map(list)), FRAME, check_dtype=False
    )
    assert torch.equal(load_file(store.weights(ADDRESS))["head.weight"], WEIGHT["head.weight"])


def test_the_folder_is_named_by_what_it_is_and_holds_open_formats_alone(store):
    finish(store)
    finish(store, record(replace(ADDRESS, fold=2)))
    folder = store.root / "stages/small/rte/linear-probe+lora"
    assert sorted(path.name for path in folder.iterdir()) == ["seed-3", "seed-3-fold-2"]
    names = sorted(path.name for path in (folder / "seed-3").iterdir())
    assert names == sorted([DONE, HISTORY, PREDICTIONS, RECORD, WEIGHTS])
    written = json.loads((folder / "seed-3" / RECORD).read_text(encoding="utf-8"))
    assert {name: sha256(folder / "seed-3" / name) for name in (HISTORY, PREDICTIONS, WEIGHTS)} == written["files"]
    assert (folder / "seed-3" / DONE).read_text() == "k" * 64 + "\n"


@pytest.mark.parametrize("mark", [None, "", "another key\n"])
def test_without_its_mark_a_stage_does_not_count(store, mark):
    finish(store)
    done = store.folder(ADDRESS) / DONE
    done.unlink() if mark is None else done.write_text(mark)
    assert store.record(ADDRESS) is None and store.records() == []


@pytest.mark.parametrize("part", [HISTORY, PREDICTIONS, WEIGHTS, RECORD, DONE])
def test_killed_while_a_stage_is_written_again_it_does_not_count(store, part, monkeypatch):
    """The mark of the first time must not stand beside files of the second."""
    finish(store)
    import tuneoff.store as module

    def until(path, *rest, writer):
        if path.name == part:
            raise KeyboardInterrupt
        return writer(path, *rest)

    for name in ("write_text", "write_atomically", "write_json", "write_tensors"):
        writer = getattr(module, name)
        monkeypatch.setattr(module, name, lambda path, *rest, writer=writer: until(path, *rest, writer=writer))
    with pytest.raises(KeyboardInterrupt):
        finish(store, record(key="n" * 64))
    assert store.record(ADDRESS) is None


def turn_a_digit(path):
    """Change one digit of a file, as a bad disk or a curious editor might, and nothing of its form."""
    content = bytearray(path.read_bytes())
    place = next(at for at in range(len(content) - 1, -1, -1) if content[at] in b"1234")
    content[place] += 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [HISTORY, PREDICTIONS, WEIGHTS])
@pytest.mark.parametrize("how", ["altered", "torn"])
def test_a_file_that_is_not_what_was_written_is_not_read(store, name, how):
    finish(store)
    path = store.folder(ADDRESS) / name
    assert store.checked(ADDRESS, name) == path
    if how == "altered":
        turn_a_digit(path)
    else:
        path.write_bytes(path.read_bytes()[:-1])
    read = {HISTORY: store.history, PREDICTIONS: store.predictions, WEIGHTS: lambda at: store.checked(at, WEIGHTS)}
    expected = rf"{re.escape(str(path))}: not what was written .*delete its folder and run the study again"
    with pytest.raises(StoreError, match=expected):
        read[name](ADDRESS)


def test_a_stage_that_is_written_again_meanwhile_is_read_as_it_then_is(store, monkeypatch):
    """`tuneoff report` beside a command that is running: what was compared with the old record belongs to the new."""
    finish(store)
    path, hashed = store.folder(ADDRESS) / HISTORY, []

    def late(path, size, changed):
        if not hashed:
            finish(store, history=HISTORY_ROWS[:1])
        hashed.append(path)
        return sha256(path)

    monkeypatch.setattr("tuneoff.store.unchanged_sha256", late)
    assert store.history(ADDRESS) == HISTORY_ROWS[:1] and hashed == [path, path]


@pytest.mark.parametrize("status", ["done", "failed"])
def test_a_record_of_which_a_number_was_changed_is_not_believed(store, status):
    finish(store, record(status=status, failure=None if status == "done" else {"reason": "diverged"}))
    path = store.folder(ADDRESS) / RECORD
    text = path.read_text(encoding="utf-8")
    assert text.count('"training": 1.25') == 2
    path.write_text(text.replace('"training": 1.25', '"training": 1.15', 1), encoding="utf-8")
    with pytest.raises(StoreError, match=rf"{re.escape(str(path))}: not what was written .*delete its folder"):
        store.records()


def test_a_finished_stage_has_no_checkpoint_and_an_unfinished_one_keeps_it(store):
    checkpoint = store.folder(ADDRESS) / CHECKPOINT
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"state")
    finish(store, record(status="failed", failure={"reason": "out of memory"}), predictions=None, weights=None)
    assert checkpoint.is_file()
    finish(store)
    assert not checkpoint.exists()


def test_what_a_process_killed_just_after_the_mark_left_can_be_dropped(store):
    finish(store)
    for name in (CHECKPOINT, ATTEMPTS):
        (store.folder(ADDRESS) / name).touch()
    store.drop_unfinished(ADDRESS)
    store.drop_unfinished(ADDRESS)
    assert {path.name for path in store.folder(ADDRESS).iterdir()} == {DONE, HISTORY, PREDICTIONS, RECORD, WEIGHTS}


def test_a_failed_stage_says_why_and_has_nothing_of_the_attempt_before(store):
    finish(store)
    failure = {"reason": "the loss was not finite at step 2", "step": 2}
    finish(store, record(status="failed", failure=failure), HISTORY_ROWS[:1], None, None)
    (found,) = store.records()
    assert found.status == "failed" and found.failure == failure and found.files.keys() == {HISTORY}
    assert store.weights(ADDRESS) is None and store.history(ADDRESS) == HISTORY_ROWS[:1]
    assert sorted(path.name for path in store.folder(ADDRESS).iterdir()) == [HISTORY, RECORD]


def test_weights_can_be_dropped_and_the_rest_stays(store):
    written = finish(store)
    store.drop_weights(ADDRESS)
    store.drop_weights(ADDRESS)
    assert store.weights(ADDRESS) is None and store.record(ADDRESS) == written
    assert store.history(ADDRESS) == HISTORY_ROWS and len(store.predictions(ADDRESS)) == 2


def test_a_history_with_nan_is_refused(store):
    with pytest.raises(ValueError):
        finish(store, history=[{"loss": float("nan")}])
    assert store.record(ADDRESS) is None


def test_there_is_no_history_before_a_stage_ran(store):
    assert store.history(ADDRESS) == [] and store.record(ADDRESS) is None and store.records() == []


def test_records_come_in_the_order_of_their_addresses(store):
    asked = [
        StageAddress(model, "rte", chain, seed, fold)
        for model in ("a", "b")
        for chain in ("linear-probe", "linear-probe+lora")
        for seed in (2, 10)
        for fold in (None, 2, 11)
    ]
    for address in reversed(asked):
        finish(store, record(address), [], None, None)
    assert [one.address for one in store.records()] == asked


def rewritten(store, change):
    path = store.folder(ADDRESS) / RECORD
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    value.pop(CHECKSUM)  # as the first records were, which had none
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@pytest.mark.parametrize("version", [0, 2, None])
def test_a_record_of_another_version_is_not_guessed_at(store, version):
    finish(store)
    path = rewritten(store, lambda value: value.update(record_version=version))
    with pytest.raises(StoreError, match=rf"{re.escape(str(path))}: record version {version}.*reads 1.*another --out"):
        store.records()


@pytest.mark.parametrize("name", sorted({field.name for field in fields(StageRecord)} - {"record_version", *LATER}))
def test_a_record_that_lacks_a_field_is_named_with_the_field(store, name):
    finish(store)
    path = rewritten(store, lambda value: value.pop(name))
    with pytest.raises(StoreError, match=rf"{re.escape(str(path))}: .*\b{name} missing; delete the folder"):
        store.record(ADDRESS)


def test_a_record_of_before_a_field_was_there_is_read(store):
    finish(store)
    rewritten(store, lambda value: [value.pop(name) for name in LATER])
    found = store.record(ADDRESS)
    assert (found.chosen, found.test_opened) == (None, None) and found.key == record().key


@pytest.mark.parametrize("text", ['{"record_version": 1, "addr', "", "\ufeff", "[1, 2]", "null", "7"])
def test_a_torn_record_says_what_to_do(store, text):
    finish(store)
    path = store.folder(ADDRESS) / RECORD
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=rf"{re.escape(str(path))}: not .*; delete it and run the study again"):
        store.record(ADDRESS)


@pytest.mark.parametrize("ask", [Store.environment, lambda s: s.model("small"), lambda s: s.task("small", "rte")])
def test_a_description_that_is_missing_says_what_to_do(store, ask):
    with pytest.raises(StoreError, match=r"\.json: missing; run the study again"):
        ask(store)
