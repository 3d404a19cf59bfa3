"""A limit on memory is kept: what does not fit fails as an error of torch, and a stage goes on with less at once."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModel

from tuneoff.errors import StudyError
from tuneoff.running import prepare
from tuneoff.training import limit as module
from tuneoff.training.limit import check_limit, data_bytes, limited
from tuneoff.training.shortage import is_shortage

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts all of a process's memory")
CPU = torch.device("cpu")
MB = 10**6


@linux
def test_inside_more_cannot_be_had_and_afterwards_it_can():
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited(data_bytes() + 200 * MB, CPU):
        torch.ones(25 * MB)  # 100 MB
        with pytest.raises(RuntimeError) as caught:
            torch.ones(250 * MB)
    assert is_shortage(caught.value) and resource.getrlimit(resource.RLIMIT_DATA) == before
    torch.ones(250 * MB)


@linux
def test_it_ends_with_an_error_inside_and_leaves_a_stricter_one_alone():
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    asked = data_bytes() + 400 * MB
    with pytest.raises(ZeroDivisionError), limited(asked, CPU):
        with limited(asked + 400 * MB, CPU):
            assert resource.getrlimit(resource.RLIMIT_DATA)[0] == asked
        raise ZeroDivisionError
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_without_a_limit_nothing_is_asked_of_the_system(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "win32")
    check_limit(None, CPU)
    with limited(None, CPU):
        pass


@linux
def test_a_limit_below_what_is_taken_already_is_refused(study, listener):
    with pytest.raises(StudyError, match=r"protocol\.memory_limit: 2 MB is too little: this process takes [\d.]+ .B"):
        prepare(study(memory_limit="2 MB"), listener())


@pytest.mark.parametrize(("platform", "device"), [("darwin", "cpu"), ("win32", "cpu"), ("darwin", "mps")])
def test_where_it_cannot_be_kept_it_is_refused(monkeypatch, platform, device):
    monkeypatch.setattr(module.sys, "platform", platform)
    with pytest.raises(StudyError, match=r"protocol\.memory_limit: it cannot be kept on (darwin|win32|mps), only"):
        check_limit(10**12, torch.device(device))


def test_on_a_gpu_it_is_a_share_of_the_gpus_memory(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: type("", (), {"total_memory": 16 * 10**9}))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, _: asked.append(share))
    for limit in (4 * 10**9, 10**12):
        with limited(limit, torch.device("cuda")):
            asked.append("inside")
    assert asked == [0.25, "inside", 1.0, 1.0, "inside", 1.0]


CODE = """
import json, sys
from pathlib import Path
import numpy as np
from safetensors.torch import load_file
from tuneoff.executors.local import Observer
from tuneoff.reading import ReadStudy, study_from_mapping
from tuneoff.running import compute_study
from tuneoff.training.limit import data_bytes

class Quiet:
    watch = lambda self, plan, work: Observer()
    features = announce = note = lambda self, *_: None

mapping, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
import tuneoff.models.classifier, torch
import sklearn.feature_extraction.text, sklearn.linear_model, transformers.models.bert.modeling_bert
torch.zeros(2**20).add_(1)
limit = f"{(data_bytes() + 180_000_000) // 10**6} MB"
told, weights = {}, []
for name, more in (("limited", {"memory_limit": limit}), ("free", {})):
    protocol = mapping["protocol"] | more
    read = ReadStudy(study_from_mapping(mapping | {"protocol": protocol}), folder, "tests")
    store = compute_study(read, folder / name, Quiet())
    (record,) = store.records()
    assert record.status == "done", record.failure
    weights.append(load_file(store.weights(record.address)))
    history = store.history(record.address)
    told[name] = {
        "status": record.status,
        "machine": dict(record.machine),
        "peak": record.peak_memory["bytes"],
        "losses": [row["loss"] for row in history if row["event"] == "train"],
        "events": [row["event"] for row in history],
    }
first, second = weights
differences = [float((first[name] - second[name]).norm() / second[name].norm()) for name in second if "key" not in name]
print(json.dumps(told | {"difference": max(differences)}))
"""


@linux
@pytest.mark.slow
def test_a_real_limit_halves_the_budget_and_ends_with_the_same_weights(
    tiny_config, tiny_tokenizer, write_rows, tmp_path, monkeypatch
):
    """A batch of 32 texts of 400 tokens keeps more than 180 MB at once, which are left for everything."""
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    sizes = {"hidden_size": 64, "intermediate_size": 256, "max_position_embeddings": 512}
    config = tiny_config("bert", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes)
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path / "model")
    tiny_tokenizer("bert").save_pretrained(tmp_path / "model")
    files = {}
    for split, count, seed in (("train", 40, 1), ("test", 16, 6)):
        path = write_rows(f"{split}.jsonl", count, seed=seed)
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        longer = [row | {"premise": f"{row['premise']} " * (380 // (row["premise"].count(" ") + 1))} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in longer), encoding="utf-8")
        files[split] = str(path)
    mapping = {
        "model": {"id": str(tmp_path / "model"), "max_length": 400},
        "task": {**files, "text": ["premise", "hypothesis"], "label": "label"},
        "techniques": [{"name": "full", "learning_rate": 1e-3}],
        "protocol": {
            "steps": 3,
            "batch_size": 32,
            "eval_every": 3,
            "seeds": 1,
            "eval_on": "test",
            "micro_tokens": 1_000_000,
            "weight_decay": 0.0,
            "schedule": "constant",
            "warmup": 0.0,
        },
    }
    code = [sys.executable, "-c", CODE, json.dumps(mapping), str(tmp_path)]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    narrow, free = told["limited"], told["free"]
    assert narrow["status"] == free["status"] == "done"
    assert narrow["machine"]["micro_tokens"] == free["machine"]["micro_tokens"] == 1_000_000
    assert narrow["machine"]["halved"] and narrow["machine"]["halved"][-1]["micro_tokens"] < 32 * 400
    assert "budget" in narrow["events"] and "budget" not in free["events"] and free["machine"]["halved"] == []
    assert narrow["losses"] == pytest.approx(free["losses"], abs=1e-5) and told["difference"] < 1e-3
    assert narrow["peak"] < free["peak"]
