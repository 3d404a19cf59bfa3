"""Each tracker, read back by its own reader after an interruption: every point of the history, once."""

import json
import math
import os
import sqlite3
import struct
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from tuneoff.reading import resolved_yaml
from tuneoff.store import Store

# The trackers' libraries warn of things of their own, some of them as they are collected.
pytestmark = pytest.mark.filterwarnings("ignore")
PLACE = "{model}/train/{chain}/seed-0"


@pytest.fixture(autouse=True)
def nobody_to_ask(monkeypatch, tmp_path_factory):
    """No tracker's server is named, and trackio, which reads its folder once, has one for all tests."""
    for name in list(os.environ):
        if name.startswith(("WANDB", "MLFLOW", "TRACKIO")):
            monkeypatch.delenv(name)
    if "trackio" not in sys.modules:
        os.environ["TRACKIO_DIR"] = str(tmp_path_factory.mktemp("trackio"))


def tensorboard(out, _):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for place in {path.parent for path in (out / "trackers" / "tensorboard").rglob("events.*")}:
        events = EventAccumulator(str(place), size_guidance={"scalars": 0})
        events.Reload()
        assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")
        name = place.relative_to(out / "trackers" / "tensorboard").as_posix()
        scalars = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
        found[name] = [(one.step, tag, one.value) for tag, ones in scalars.items() for one in ones]
    return found, None


def mlflow(out, _):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{out / 'trackers' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    found, settings = {}, {}
    for run in client.search_runs([experiment.experiment_id]):
        assert run.info.status == "FINISHED"
        name, tags = run.info.run_name, run.data.metrics
        settings[name] = run.data.params
        found[name] = [
            (one.step, tag, one.value) for tag in tags for one in client.get_metric_history(run.info.run_id, tag)
        ]
    return found, settings


def wandb_records(path):
    """The records of a .wandb file: blocks of 32 KiB with the parts of records, as in a log of LevelDB."""
    from wandb.proto import wandb_internal_pb2

    content = path.read_bytes()
    assert content[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def wandb(out, _):
    found, settings = {}, {}
    for path in sorted((out / "trackers" / "wandb").glob("offline-run-*/*.wandb")):
        place = None
        for record in wandb_records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                place = record.run.display_name
                assert record.run.project == "tiny" and not record.run.host
                own = {one.key or ".".join(one.nested_key): one.value_json for one in record.run.config.update}
                settings[place] = {name: json.loads(value) for name, value in own.items()}
            elif kind == "history":
                step = record.history.step.num
                for item in record.history.item:
                    name = item.key or ".".join(item.nested_key)
                    if not name.startswith("_"):
                        found.setdefault(place, []).append((step, name, json.loads(item.value_json)))
    return found, settings


def trackio(_, name):
    import trackio as library

    return sqlite_points(library.utils.TRACKIO_DIR / f"{name}.db"), None


def sqlite_points(path):
    found = {}
    with sqlite3.connect(path) as file:
        for place, step, metrics in file.execute("select run_name, step, metrics from metrics"):
            for tag, value in json.loads(metrics).items():
                found.setdefault(place, []).append((step, tag, value))
    return found


SLOW = pytest.param(mlflow, marks=pytest.mark.slow)  # it makes the tables of its database for seconds


@pytest.mark.parametrize("reader", [tensorboard, SLOW, wandb, trackio])
def test_a_trackers_own_reader_finds_every_point_once(reader, told, expected, tmp_path):
    name = reader.__name__
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    told("linear-probe", "linear-probe+lora", track=[name], stop_after=11)
    store, quiet = told("linear-probe", "linear-probe+lora", track=[name])
    assert not [note for note in quiet.notes if "nothing more" in note], quiet.notes
    found, settings = reader(store.root, "tiny")
    model = store.records()[0].address.model
    for chain in ("linear-probe", "linear-probe+lora"):
        place = PLACE.format(model=model, chain=chain)
        points = {(step, tag): value for step, tag, value in found[place]}
        assert len(points) == len(found[place])
        history = {key: value for key, value in points.items() if not key[1].startswith("final/")}
        wanted = expected(store, *["linear-probe", "linear-probe+lora"][: 1 + chain.count("+")])
        assert history.keys() == wanted.keys()
        assert all(math.isclose(history[key], wanted[key], rel_tol=1e-6) for key in wanted)
        last = max(step for step, _ in points)
        assert last == 6 * (1 + chain.count("+")) and 0 <= points[last, "final/accuracy"] <= 1
        if settings is not None:
            assert settings[place]["technique"] == chain and float(settings[place]["learning_rate"]) > 0
    assert len(found) == 2


@pytest.mark.slow
@pytest.mark.parametrize("reader", [tensorboard, mlflow, wandb, trackio])
def test_a_killed_run_goes_on_and_is_told_no_step_twice(reader, study, expected, tmp_path):
    name = reader.__name__
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    steps, out, ledger = 300, tmp_path / "out", tmp_path / "out" / "trackers" / f"{name}.jsonl"
    read = study(("full",), steps=steps, eval_every=50)
    (tmp_path / "study.yaml").write_text(resolved_yaml(read.study), encoding="utf-8")
    command = [sys.executable, "-m", "tuneoff", "run", str(tmp_path / "study.yaml"), "--out", str(out)]
    command += ["--track", name]
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    while process.poll() is None and (not ledger.is_file() or len(ledger.read_bytes().splitlines()) < 40):
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read().decode()
    process.kill()
    process.communicate()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "nothing more" not in done.stderr and "rackio" not in done.stdout
    if name == "trackio":
        found = sqlite_points(tmp_path / "trackio" / "tiny.db")
    else:
        found, _ = reader(out, "tiny")
    store = Store(out)
    ((points,), wanted) = found.values(), expected(store, "full")
    keys = [(step, tag) for step, tag, _ in points if not tag.startswith("final/")]
    assert len(keys) == len(set(keys)) and set(keys) == set(wanted)
