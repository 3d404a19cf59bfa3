"""A task in numbers, against counting by hand."""

import json

from tuneoff.study import TaskSpec
from tuneoff.tasks import describe, load_task


def test_numbers_are_those_of_the_rows(write, tmp_path):
    train = [
        {"a": "x" * length, "b": "yy", "label": label}
        for length, label in ((1, "no"), (2, "no"), (400, "yes"), (9, "no"), (10, "no"))
    ]
    write("train.jsonl", train)
    write("test.jsonl", train[2:3])
    data = load_task(
        TaskSpec(name="Mine", train="train.jsonl", test="test.jsonl", text=["a", "b"]), need_dev=False, base=tmp_path
    )
    described = json.loads(json.dumps(describe(data), allow_nan=False))
    assert described["splits"]["train"] == {
        "rows": 5,
        "labels": {"no": 4, "yes": 1},
        "characters": {
            "a": {"mean": 84.4, "median": 9.0, "max": 400},
            "b": {"mean": 2.0, "median": 2.0, "max": 2},
        },
    }
    assert described["splits"]["test"]["labels"] == {"no": 0, "yes": 1}
    assert described["classes"] == ["no", "yes"]
    assert described["examples"][0] == {"texts": {"a": "x", "b": "yy"}, "label": "no"}
    assert len(described["examples"]) == 2
    assert {key: described[key] for key in ("name", "label", "source", "fingerprint")} == {
        "name": "mine",
        "label": "Mine",
        "source": "files train.jsonl, test.jsonl",
        "fingerprint": data.fingerprint,
    }
    assert described["notes"] == list(data.notes) != []


def test_examples_are_cut_and_unlabelled_splits_have_no_counts(write, tmp_path):
    rows = [
        {"premise": "p" * 301 + str(n // 2), "hypothesis": "h" * 300, "label": label}
        for n, label in enumerate(["entailment", "not_entailment"] * 5)
    ]
    for name in ("train", "val", "test"):
        write(f"{name}.jsonl", rows)
    described = describe(load_task(TaskSpec(name="terra", data="."), need_dev=False, base=tmp_path))
    assert described["splits"]["unlabelled"]["labels"] is None
    assert described["examples"][0]["texts"] == {"premise": "p" * 299 + "…", "hypothesis": "h" * 300}
