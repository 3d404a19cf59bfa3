"""The run directory: made, known, described, held by one process at a time."""

import json
import subprocess
import sys

import pytest

from tuneoff.errors import StoreError
from tuneoff.store import (
    HISTORY,
    RECORD,
    Store,
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


def test_descriptions_read_back(store):
    asked = {"name": "tiny", "models": [{"id": "a/small"}], "techniques": [{"name": "full"}], "protocol": {"steps": 3}}
    store.create(json.dumps(asked), {"python": "3.11"})
    store.describe_model("small", {"label": "Small"})
    store.describe_task("small", "rte", {"classes": ["yes", "no"]})
    assert store.study() == asked and store.environment() == {"python": "3.11"}
    assert store.model("small") == {"label": "Small"} and store.task("small", "rte") == {"classes": ["yes", "no"]}
    assert store.records() == []


def test_create_removes_what_a_killed_process_left(store):
    leftover = store.root / "stages/small/.part-abc-stage.json"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    store.create("name: tiny\n", {})
    assert not leftover.exists()


def test_existing_knows_a_run_directory_and_names_those_beside(tmp_path):
    with pytest.raises(StoreError, match=r"nowhere: not a run directory.*tuneoff run demo"):
        Store.existing(tmp_path / "runs" / "nowhere")
    for name in ("terra", "demo"):
        Store(tmp_path / "runs" / name).create("name: x\n", {})
    (tmp_path / "runs" / "empty").mkdir()
    with pytest.raises(StoreError, match=r"empty: not a run directory .*: demo, terra$"):
        Store.existing(tmp_path / "runs" / "empty")
    assert Store.existing(tmp_path / "runs" / "demo").root == tmp_path / "runs" / "demo"


def test_a_file_in_the_way_is_a_plain_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=r"cannot be written .*another --out"):
            Store(root).lock()
        with pytest.raises(StoreError, match=r"cannot be written .*another --out"):
            Store(root).create("name: x\n", {})
    assert (tmp_path / "file").read_text() == "mine"


# The lock

HOLD = """
import pathlib, sys
from tuneoff.store import Store
with Store(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(store):
    """A process that holds the lock of the store."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(store.root)], **pipes)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_second_process_is_refused_and_a_dead_holders_lock_is_free(store, holder):
    with pytest.raises(StoreError, match=r"another tuneoff is working here.*another --out"):
        store.lock()
    holder.kill()
    holder.wait()
    with store.lock():
        pass


def test_the_lock_is_free_once_its_context_is_left(store):
    first = store.lock()
    with first, pytest.raises(StoreError):
        store.lock()
    with store.lock():
        pass
    with pytest.raises(ZeroDivisionError), store.lock():
        raise ZeroDivisionError
    with store.lock():
        pass


def test_a_torn_history_or_study_is_a_store_error(made_up, tmp_path):
    store = made_up(techniques=("lora",)).write(tmp_path)
    (record,) = store.records()
    (store.folder(record.address) / HISTORY).write_text('{"event": "tr', encoding="utf-8")
    with pytest.raises(StoreError, match=r"history.jsonl: not what was written"):
        store.history(record.address)
    (store.folder(record.address) / RECORD).unlink()  # of a stage without a record it is not known what was written
    with pytest.raises(StoreError, match=r"history.jsonl: not valid JSON lines"):
        store.history(record.address)
    for text in ("a: [", "- a list"):
        (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(StoreError, match=r"study.yaml: not"):
            store.study()
