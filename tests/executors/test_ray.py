"""A study on a Ray cluster of three nodes with one CPU each, all on this machine: the same bits as in one process."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

import tuneoff
from tuneoff.errors import ExecutorError
from tuneoff.executors import cluster as connection
from tuneoff.executors import ray as subject
from tuneoff.reading import resolved_yaml
from tuneoff.running import compute_study
from tuneoff.store import Store
from tuneoff.training.state import Interrupted

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own, of its own future

TECHNIQUES = ["full", "linear-probe", "linear-probe+lora"]
LONG = 600  # steps: seconds, so that there is time to kill or to stop


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    for name, value in connection.SETTINGS.items():
        os.environ[name] = value
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    for _ in range(2):
        made.add_node(**node)
    made.wait_for_nodes()
    yield made
    made.shutdown()


class Listening:
    """Wraps a listener, and calls `heard` with each event."""

    def __init__(self, quiet, heard=lambda chain, row: None):
        self._quiet, self._heard = quiet, heard
        self.at_once, self.most_at_once = 0, 0

    def __getattr__(self, name):
        return getattr(self._quiet, name)

    def watch(self, plan, work):
        plain = self._quiet.watch(plan, work)

        def began(stage):
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            plain.began(stage)

        def event(stage, row):
            plain.event(stage, row)
            self._heard(stage.address.chain, row)

        def ended(stage, record):
            self.at_once -= 1
            plain.ended(stage, record)

        return type(plain)(began, event, ended, plain.skipped, plain.stop)


def run_on(cluster, read, out, listener):
    with subject.ray_executor(read, cluster.address) as execute:
        return compute_study(read, out, listener, execute=execute)


def same(first, second):
    return repr(first) == repr(second)


def workers():
    """The processes that compute a stage now: Ray names them after the task."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if "ray::compute_away" in " ".join(process.cmdline())]


def test_on_several_nodes_the_results_are_those_of_one_process(cluster, study, listener, outcome, tmp_path):
    read = study(TECHNIQUES, "distilbert", seeds=2, steps=40)
    here = outcome(compute_study(read, tmp_path / "here", listener()))
    heard = Listening(listener())
    store = run_on(cluster, read, tmp_path / "there", heard)
    assert same(here, outcome(store))
    assert heard.most_at_once > 1  # a node has one CPU: they were on several
    assert len(heard.records) == 6 and {record.status for record in heard.records} == {"done"}
    rows = [row for chain, row in heard.heard if chain == "full"]
    assert sorted(row["stage_step"] for row in rows if row["event"] == "train") == sorted([*range(1, 41)] * 2)
    again = listener()
    run_on(cluster, read, tmp_path / "there", again)
    assert again.records == []
    assert not (store.root / subject.TOKEN).exists()


@pytest.mark.parametrize("shared", [True, False])
def test_stopped_and_its_worker_killed_a_stage_goes_on_to_the_same_bits(
    cluster, study, listener, outcome, tmp_path, monkeypatch, shared
):
    """Without a token in the run directory workers cannot tell that they see it, and work on copies of files."""
    if not shared:
        monkeypatch.setattr(subject, "write_text", lambda *_: None)
    read = study(["full", "linear-probe+lora"], "distilbert", steps=LONG, eval_every=100)
    here = outcome(compute_study(read, tmp_path / "here", listener()))
    there = tmp_path / "there"
    quiet = listener(stop_after=10**9)

    def stop_at_step_50(chain, row):
        if chain == "full" and row["stage_step"] >= 50:
            quiet.stop_after = 0

    with pytest.raises(Interrupted):
        run_on(cluster, read, there, Listening(quiet, stop_at_step_50))
    assert list(there.rglob("full/seed-0/checkpoint.safetensors"))
    killed = []

    def kill_one(chain, row):
        if chain == "full" and not killed:
            killed.append(workers())
            for process in killed[0]:
                process.send_signal(signal.SIGKILL)

    heard = Listening(listener(), kill_one)
    store = run_on(cluster, read, there, heard)
    assert killed[0]
    assert any("its worker died" in note for note in heard.notes)
    assert same(here, outcome(store))
    assert not list(there.rglob("checkpoint*"))
    full = next(record for record in store.records() if record.address.chain == "full")
    assert full.attempts == 3 or not shared  # the account of a copy dies with its worker
    first = next(row["stage_step"] for chain, row in heard.heard if chain == "full")
    assert first > 50  # it went on, and did not begin anew


def test_a_command_that_was_killed_is_gone_on_with(cluster, study, listener, outcome, tmp_path):
    read = study(["full", "linear-probe+lora"], "distilbert", seeds=2, steps=LONG, eval_every=100)
    here = outcome(compute_study(read, tmp_path / "here", listener()))
    file, there = tmp_path / "study.yaml", tmp_path / "there"
    file.write_text(resolved_yaml(read.study), encoding="utf-8")
    command = [sys.executable, "-m", "tuneoff", "run", str(file), "--out", str(there)]
    command += ["--executor", "ray", "--address", cluster.address]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 300
    while not list(there.rglob("DONE")) and time.monotonic() < until and first.poll() is None:
        time.sleep(0.05)
    first.kill()
    said = first.communicate()[0]
    assert 0 < len(list(there.rglob("DONE"))) < 6, said
    second = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert second.returncode == 0, second.stdout
    assert same(here, outcome(Store(there)))


def test_a_failed_stage_is_a_record_and_what_starts_from_it_is_skipped(cluster, study, listener, tmp_path):
    wild = {"name": "wild", "use": "full", "learning_rate": 1e38}
    read = study([wild, "wild+lora", "linear-probe"], schedule="constant", warmup=0.0, max_grad_norm="off")
    quiet = listener()
    store = run_on(cluster, read, tmp_path / "out", quiet)
    assert {record.address.chain: record.status for record in store.records()} == {
        "wild": "failed",
        "linear-probe": "done",
    }
    assert quiet.skipped == [("wild+lora", "wild failed")]


def test_equal_stages_are_computed_once_and_trials_too(cluster, study, listener, outcome, tmp_path):
    techniques = ["lora", {"name": "lora-again", "use": "lora"}]
    read = study(techniques, eval_on="dev", tune={"trials": 2, "share": 0.5})
    here = outcome(compute_study(read, tmp_path / "here", listener()))
    assert same(here, outcome(run_on(cluster, read, tmp_path / "there", listener())))


def test_data_that_differ_are_told(cluster, study, listener, tmp_path, monkeypatch):
    read = study(["linear-probe"])
    from tuneoff.executors import ray as module

    other = tmp_path / "other.jsonl"
    other.write_text((tmp_path / "test.jsonl").read_text(encoding="utf-8") * 2, encoding="utf-8")
    task = read.study.task.model_copy(update={"test": str(other)})
    elsewhere = type(read)(read.study.model_copy(update={"tasks": [task]}), read.base, read.source)
    with module.ray_executor(elsewhere, cluster.address) as execute, pytest.raises(ExecutorError, match="data differ"):
        compute_study(read, tmp_path / "out", listener(), execute=execute)


def test_python_gets_the_same_from_ray_as_without_it(cluster, study, outcome, tmp_path, no_figures):
    read = study(["linear-probe", "linear-probe+lora"], "distilbert")
    few = read.study.task.model_copy(update={"limit": 20, "called": "few"})
    parts = {"model": read.study.models[0], "task": [read.study.task, few], "techniques": read.study.techniques}
    parts |= {"steps": 6, "eval_on": "test", "seeds": 1, "threads": 1, "quiet": True}
    here = tuneoff.run(**parts, out=tmp_path / "here")
    there = tuneoff.run(**parts, out=tmp_path / "there", executor="ray", address=cluster.address, cpus=1)
    assert len(there.results["runs"]) == 4 and same(outcome(here.store), outcome(there.store))
    assert {record.address.task for record in there.store.records()} == {"train", "few"}


def test_what_is_connected_already_is_left_as_it_is(cluster, study):
    import ray

    ray.init(address=cluster.address, logging_level="ERROR")
    try:
        with pytest.raises(ExecutorError, match=r"ray\.shutdown\(\)"), subject.ray_executor(study(), cluster.address):
            pass
        assert ray.is_initialized()
    finally:
        ray.shutdown()


LISTENING = """
import os, psutil, sys
{first}
from tuneoff.executors.cluster import ON_THIS_MACHINE, SETTINGS
from tuneoff.executors.ray import ray_executor
from tuneoff.reading import read_study
with ray_executor(read_study(sys.argv[1])):
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        for one in process.net_connections("tcp"):
            if one.status == "LISTEN":
                print(one.laddr.ip)
assert not {{*ON_THIS_MACHINE, *SETTINGS}} & set(os.environ)
"""


@pytest.mark.parametrize("first", ["", "import ray"])
def test_started_here_it_listens_on_this_machine_alone(study, tmp_path, first):
    pytest.importorskip("ray")
    file = tmp_path / "study.yaml"
    file.write_text(resolved_yaml(study().study), encoding="utf-8")
    command = [sys.executable, "-c", LISTENING.format(first=first), str(file)]
    surroundings = {name: value for name, value in os.environ.items() if name not in connection.SETTINGS}
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, env=surroundings)
    addresses = {line.removeprefix("::ffff:") for line in told.stdout.split()}
    assert addresses == {"127.0.0.1"} and told.returncode == 0, told.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", f"{'x' * 70}:1"])
def test_where_no_cluster_answers_it_is_said(study, address):
    pytest.importorskip("ray")
    with pytest.raises(ExecutorError, match="no Ray cluster answers"), subject.ray_executor(study(), address):
        pass
