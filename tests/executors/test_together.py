"""One stage by several processes, on the CPU by gloo: the losses of one process, whoever computes which share."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from safetensors.torch import load_file

from tuneoff.executors import together
from tuneoff.reading import resolved_yaml
from tuneoff.store import Store

TECHNIQUES = ["full", "lora", "linear-probe+lora"]


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a study by the command, in so many processes, and returns its store."""

    def started(read, name, processes, *options, **how):
        file = tmp_path / f"{name}.yaml"
        file.write_text(resolved_yaml(read.study), encoding="utf-8")
        command = [sys.executable, "-m", "tuneoff", "run", str(file), "--out", str(tmp_path / name)]
        command += ["--processes", str(processes), *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)

    def finished(read, name, processes, *options):
        process = started(read, name, processes, *options)
        said = process.communicate(timeout=600)[0]
        assert process.returncode == 0, said
        return Store(tmp_path / name)

    finished.started, finished.folder = started, tmp_path
    return finished


def assert_alike(first, second, tolerance=2e-5):
    records = first.records()
    assert [record.key for record in records] == [record.key for record in second.records()]
    for record in records:
        ours, theirs = first.history(record.address), second.history(record.address)
        for row, other in zip(ours, theirs, strict=True):
            assert row["loss"] == pytest.approx(other["loss"], rel=tolerance), record.address.chain
            assert row.get("tokens") == other.get("tokens")
            assert row["accuracy"] == pytest.approx(other["accuracy"])
        logits = [np.stack(store.predictions(record.address)["logits"]) for store in (first, second)]
        np.testing.assert_allclose(*logits, atol=1e-3)
        weights = [load_file(store.weights(record.address)) for store in (first, second)]
        assert weights[0].keys() == weights[1].keys()
        if record.technique == "adalora":
            continue  # its singular values begin at zero, where rounding decides of AdamW's steps
        for name, value in weights[0].items():
            np.testing.assert_allclose(value, weights[1][name], atol=1e-3, err_msg=f"{record.address.chain} {name}")


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(study, run):
    """Several micro-batches a batch, on a model without dropout."""
    lora = {"name": "lora", "use": "lora", "dropout": 0.0}
    read = study(["full", lora, "linear-probe+lora"], "qwen3", micro_tokens=24)
    one, two = run(read, "one", 1), run(read, "two", 2)
    assert_alike(one, two)
    assert {record.machine["processes"] for record in one.records()} == {1}
    assert {record.machine["processes"] for record in two.records()} == {2}
    tokens = [[record.tokens for record in store.records()] for store in (one, two)]
    assert tokens[0] == tokens[1]


@pytest.mark.slow
def test_masks_of_dropout_do_not_depend_on_the_number_of_processes(study, run):
    read = study(["full"], "distilbert", micro_tokens=24)
    assert_alike(run(read, "two", 2), run(read, "three", 3))


def lived(folder):
    """The signs of life that stages under way have given so far."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("attempts.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--shard",)], ids=["whole", "split"])
def test_killed_or_stopped_it_goes_on(study, run, tmp_path, options):
    read = study(["full"], "qwen3", micro_tokens=24, steps=300, eval_every=100)
    whole = run(read, "whole", 2, *options)
    for which, status, word in (("other", 2, "one of the processes has ended"), ("stop", 130, "interrupted")):
        process = run.started(read, "cut", 2, *options, start_new_session=True)
        accounts = tmp_path / "cut" / "stages"
        before = lived(accounts)
        while lived(accounts) < before + 2 and process.poll() is None:  # it has begun, and a second has passed
            time.sleep(0.05)
        if which == "other":
            (follower,) = [one for one in psutil.Process(process.pid).children() if "tuneoff" in one.cmdline()]
            follower.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=300)[0]
        assert process.returncode == status and word in said, said
    cut = run(read, "cut", 2, *options)
    assert json.dumps([row["loss"] for row in whole.history(whole.records()[0].address)]) == json.dumps(
        [row["loss"] for row in cut.history(cut.records()[0].address)]
    )


FOLLOWER = """
import sys
from tuneoff.executors import together
together.LOOKS_EVERY = 0.05
print("looking", flush=True)
together._leave_with(int(sys.argv[1]))
"""


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "a zombie"])
def test_a_follower_leaves_with_the_first_process_also_where_that_is_not_its_parent(reaped):
    """As on Windows, where Python's launcher stands between them, and the parent's number never changes."""
    first = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", FOLLOWER, str(first.pid)], stdout=subprocess.PIPE) as follower:
        assert follower.stdout.readline() == b"looking\n"
        time.sleep(0.3)
        assert follower.poll() is None
        first.kill()
        if reaped:
            first.wait()
        assert follower.wait(10) == 1
    first.communicate()


@pytest.mark.parametrize(
    ("platform", "how"), [("win32", {"creationflags": 0x200}), ("linux", {"start_new_session": True})]
)
def test_ctrl_c_does_not_reach_the_followers(monkeypatch, platform, how):
    """0x200 is Windows' CREATE_NEW_PROCESS_GROUP: learn.microsoft.com, Process Creation Flags."""
    started = []
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **given: started.append(given))
    monkeypatch.setattr(sys, "platform", platform)
    together._start(1, {together.FIRST: "7"}, None)
    flags = {key: value for key, value in started[0].items() if key in ("creationflags", "start_new_session")}
    assert flags == how and started[0]["env"]["TUNEOFF_FIRST"] == "7" and started[0]["env"]["RANK"] == "1"


@pytest.mark.slow
def test_weights_split_among_processes_have_the_losses_of_one(study, run):
    """Gradients that come and go, rates by layer, adapters, pairs; and what cannot be split, which stays whole."""
    lora = {"name": "lora", "use": "lora", "dropout": 0.0}
    techniques = [lora, "linear-probe+full", "gradual-unfreezing", "layerwise-decay", "setfit", "adalora"]
    read = study(techniques, "qwen3", micro_tokens=24, eval_on="dev", checkpoint="best")
    one, split = run(read, "one", 1), run(read, "split", 2, "--shard")
    assert_alike(one, split)
    whole = [record.address.chain for record in split.records() if not record.machine["sharded"]]
    assert whole == ["adalora", "linear-probe"]
    tokens = [[record.tokens for record in store.records()] for store in (one, split)]
    assert tokens[0] == tokens[1]


@pytest.mark.slow
def test_weights_are_split_where_there_is_dropout_and_a_part_of_the_model_that_nothing_trains(study, run):
    read = study(["full", "bitfit", "top-layers"], "bert", micro_tokens=24, reuse_activations=False)
    split = run(read, "split", 2, "--shard")
    assert_alike(run(read, "whole", 2), split)
    assert all(record.machine["sharded"] for record in split.records())


@pytest.mark.slow
def test_a_split_stage_that_diverges_has_a_record_and_the_others_are_trained(study, run):
    wild = {"name": "wild", "use": "full", "learning_rate": 1e38}
    read = study([wild, "full"], "bert", micro_tokens=24)
    process = run.started(read, "out", 2, "--shard")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 1, said
    found = {record.address.chain: record for record in Store(run.folder / "out").records()}
    assert found["wild"].failure["reason"].startswith("the loss or its gradient was not finite")
    assert found["wild"].head_norm is None and found["full"].status == "done"
