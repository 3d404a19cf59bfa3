"""`tuneoff watch`: what is served, to whom, and what is said of a running stage."""

import http.client
import json
import os
import threading

import numpy as np
import pytest
from safetensors.numpy import save_file

from tuneoff.errors import StoreError
from tuneoff.evidence.running_now import running_stages
from tuneoff.report.live import HOST, LivePage, make_server, serve
from tuneoff.store import ATTEMPTS, CHECKPOINT, StageAddress

ADDRESS = StageAddress("small-e5", "mini-rte-ru-phenomenon", "full", 0)


@pytest.fixture
def store(tmp_path, made_up):
    """One stage is done, one has begun."""
    store = made_up(techniques=("lora", "full"), missing=(("full", 0),)).write(tmp_path / "run")
    folder = store.folder(ADDRESS)
    folder.mkdir(parents=True)
    lines = [{"key": "k", "attempt": 1, "lived": 9.0}, {"key": "k", "attempt": 2, "lived": 75.0}]
    (folder / ATTEMPTS).write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"key": "k", "att')
    return store


def checkpoint(store, history):
    facts = {"step": 12, "history": history}
    save_file({"x": np.zeros(1)}, store.folder(ADDRESS) / CHECKPOINT, {"state": json.dumps(facts)})


@pytest.fixture
def served(store):
    page = LivePage(store, lambda _: "<p>drawn</p>")
    page.refresh()
    server = make_server(page, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(path="/", method="GET", **headers):
        connection = http.client.HTTPConnection(HOST, server.server_port)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        return found

    yield ask, server
    server.shutdown()
    server.server_close()


def test_the_page_and_its_state_are_served_and_nothing_else(served, store):
    ask, _ = served
    assert ask() == (200, "<p>drawn</p>")
    state = json.loads(ask("/state")[1])
    assert state["text"] == f"{ADDRESS.folder} is running, for 1 min 15 s now." and len(state["version"]) == 64
    for path in ("/../study.yaml", "/study.yaml", "/figures/../../x", "//etc/passwd", "/%2e%2e/study.yaml", "/?x", ""):
        assert ask(path or "/x")[0] == 404, path
    assert ask(method="POST")[0] == 501 and ask(method="DELETE")[0] == 501


def test_a_foreign_page_gets_nothing_and_no_other_machine_can_ask(served):
    ask, server = served
    assert ask(Host="evil.example")[0] == ask(Host=f"evil.example:{server.server_port}")[0] == 403
    assert ask(Host=f"localhost:{server.server_port}")[0] == 200
    assert server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_said(served):
    with pytest.raises(StoreError, match="give another --port"):
        make_server(LivePage(None, str), served[1].server_port)


def test_a_checkpoint_tells_the_step_and_the_last_evaluation(store):
    checkpoint(store, [])
    page = LivePage(store, str)
    assert page.state()["text"].endswith("for 1 min 15 s now; step 12 is saved.")
    checkpoint(store, [{"event": "eval", "split": "dev", "accuracy": 0.51}, {"event": "train"}])
    assert page.state()["text"].endswith("step 12 is saved, accuracy on dev so far 0.510.")


def test_a_stage_without_a_sign_of_life_does_not_run(store):
    path = store.folder(ADDRESS) / ATTEMPTS
    assert [one.folder for one in running_stages(store)] == [ADDRESS.folder]
    os.utime(path, (0, 0))
    assert running_stages(store) == [] and LivePage(store, str).state()["text"] == ""


def test_a_file_that_is_gone_just_now_is_reported_and_does_not_end_the_watch(store):
    said = []

    def draw(_):
        raise FileNotFoundError(2, "No such file", "predictions.parquet")

    def report(text):
        said.append(text)
        raise KeyboardInterrupt

    page = LivePage(store, draw)
    with pytest.raises(KeyboardInterrupt):
        serve(page, make_server(page, 0), report)
    assert "predictions.parquet" in said[0]


def test_the_page_is_drawn_when_a_stage_has_ended_and_not_otherwise(store, made_up, monkeypatch):
    drawn = []
    page = LivePage(store, lambda _: drawn.append(1) or "page")
    monkeypatch.setattr("tuneoff.report.live.SHARE", 1.0)  # no rest after it was drawn
    page.refresh()
    first = page.version
    page.refresh()
    assert len(drawn) == 1 and page.version == first
    made_up(techniques=("lora", "full")).write(store.root)
    page.refresh()
    assert len(drawn) == 2 and page.version != first
