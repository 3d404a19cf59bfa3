"""`tuneoff predict`: what it writes in each format, what it prints, and what it refuses to write."""

import csv
import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from tuneoff.cli import main
from tuneoff.predicting import predict
from tuneoff.running import compute_study


@pytest.fixture
def store(study, listener, tmp_path):
    """A run directory of one technique."""
    return compute_study(study(), tmp_path / "out", listener())


@pytest.fixture
def terra(study, listener, tmp_path):
    """A run directory whose classes are TERRa's, and a file like its test split, in another order than its numbers."""
    names = {"feline": "entailment", "canine": "not_entailment"}
    changed = study()
    for name in ("train.jsonl", "test.jsonl"):
        rows = [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        lines = [json.dumps(row | {"label": names[row["label"]]}) + "\n" for row in rows]
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    rows = [{"premise": one["premise"], "hypothesis": one["hypothesis"], "idx": n} for n, one in enumerate(rows)]
    lines = [json.dumps(row) + "\n" for row in rows[::-1]]
    (tmp_path / "unlabelled.jsonl").write_text("".join(lines), encoding="utf-8")
    return compute_study(changed, tmp_path / "out", listener())


@pytest.fixture
def tuneoff(capsys):
    """Return a function that runs a command and returns its exit status, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["predict", *map(str, arguments)])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


def test_lines_are_printed_and_files_say_the_same(store, tuneoff, tmp_path):
    test = tmp_path / "test.jsonl"
    status, out, err = tuneoff(store.root, test)
    assert status == 0 and "predicting by linear-probe, seed 0" in err
    frame = predict(store.root, test)
    assert [json.loads(line) for line in out.splitlines()] == frame.to_dict("records")
    readers = {"jsonl": lambda path: pd.read_json(path, lines=True), "csv": pd.read_csv, "parquet": pd.read_parquet}
    for suffix, read in readers.items():
        path = tmp_path / f"found.{suffix}"
        status, out, err = tuneoff(store.root, test, "--to", path)
        assert status == 0 and out == "" and f"written: {path}" in err
        pd.testing.assert_frame_equal(read(path), frame)
    assert sorted(path.name for path in tmp_path.glob("*found*")) == ["found.csv", "found.jsonl", "found.parquet"]


def test_a_format_that_is_named_is_written_whatever_the_suffix(store, tuneoff, tmp_path):
    path = tmp_path / "found.txt"
    assert tuneoff(store.root, tmp_path / "test.jsonl", "--to", path, "--format", "csv")[0] == 0
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["row", "label", "probability_canine", "probability_feline"] and len(rows) == 17


def test_the_leaderboards_file_is_sorted_by_number_and_says_the_labels(terra, tuneoff, tmp_path):
    path = tmp_path / "TERRa.jsonl"
    status, _, _ = tuneoff(terra.root, tmp_path / "unlabelled.jsonl", "--to", path, "--format", "russian-superglue")
    assert status == 0
    frame = predict(terra.root, tmp_path / "unlabelled.jsonl").sort_values("idx")
    pairs = zip(frame["idx"], frame["label"], strict=True)
    assert path.read_text(encoding="utf-8") == "".join(
        f'{{"idx": {idx}, "label": "{label}"}}\n' for idx, label in pairs
    )
    assert frame["idx"].tolist() == list(range(17)) and set(frame["label"]) == {"entailment", "not_entailment"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, r"field 'idx': the leaderboard wants each row's number"),
        ({"idx": "one"}, r"field 'idx': the leaderboard wants each row's number"),
        ({"idx": 16}, r"line 18, field 'idx': 16 is there twice"),
    ],
)
def test_the_leaderboards_file_needs_each_row_once(terra, tuneoff, tmp_path, row, message):
    with (tmp_path / "unlabelled.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"premise": "a cat", "hypothesis": "the dog", **row}) + "\n")
    path = tmp_path / "TERRa.jsonl"
    status, out, err = tuneoff(terra.root, tmp_path / "unlabelled.jsonl", "--to", path, "--format", "russian-superglue")
    assert (status, out) == (2, "") and re.search(message, err)
    assert not path.exists()


def test_the_leaderboards_file_is_terras(store, tuneoff, tmp_path):
    status, _, err = tuneoff(store.root, tmp_path / "test.jsonl", "--format", "russian-superglue")
    assert status == 2 and "is TERRa's, whose labels are entailment, not_entailment; this run's are canine" in err


def test_nothing_is_replaced_unless_forced_and_nothing_half_written_stays(store, tuneoff, tmp_path):
    path, bad = tmp_path / "found.csv", tmp_path / "bad.jsonl"
    path.write_text("mine", encoding="utf-8")
    status, _, err = tuneoff(store.root, tmp_path / "test.jsonl", "--to", path)
    assert status == 2 and f"--to {path}: is there already" in err and path.read_text(encoding="utf-8") == "mine"
    bad.write_text('{"premise": "a", "hypothesis": "cat"}\n{"premise": "a"}\n', encoding="utf-8")
    status, _, err = tuneoff(store.root, bad, "--to", path, "--force")
    assert status == 2 and "bad.jsonl, line 2, field 'hypothesis'" in err
    assert path.read_text(encoding="utf-8") == "mine" and not list(tmp_path.glob(".part-*"))
    assert tuneoff(store.root, tmp_path / "test.jsonl", "--to", path, "--force")[0] == 0
    assert len(pd.read_csv(path)) == 17


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "parket"], "there is no format 'parket'. Formats: jsonl, csv, parquet, russian-superglue"),
        (["--format", "parquet"], "name the file to write by --to"),
        (["--to", "found.xls"], "'.xls' does not tell what to write"),
        (["--technique", "linear-prob"], "no run of technique 'linear-prob' is done. Did you mean 'linear-probe'?"),
    ],
)
def test_what_cannot_be_meant_is_refused(store, tuneoff, tmp_path, arguments, message):
    status, out, err = tuneoff(store.root, tmp_path / "test.jsonl", *arguments)
    assert (status, out) == (2, "") and message in err and "Traceback" not in err


def test_ids_of_parquet_are_numbers_or_texts(store, tuneoff, tmp_path):
    rows = [{"id": number, "premise": "a cat", "hypothesis": "the dog"} for number in (5, 3)]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "new.csv").write_text("id,premise,hypothesis\n05,a cat,the dog\n", encoding="utf-8")
    (tmp_path / "large.jsonl").write_text(json.dumps(rows[0] | {"id": 2**63}) + "\n", encoding="utf-8")
    for name, expected in (("new.jsonl", [5, 3]), ("new.csv", ["05"]), ("large.jsonl", [str(2**63)])):
        path = tmp_path / f"{name}.parquet"
        assert tuneoff(store.root, tmp_path / name, "--to", path)[0] == 0
        assert pd.read_parquet(path)["id"].tolist() == expected


@pytest.mark.slow
def test_who_reads_the_output_may_leave_early(store, tmp_path):
    lines = (tmp_path / "test.jsonl").read_text(encoding="utf-8")
    (tmp_path / "long.jsonl").write_text(lines * 200, encoding="utf-8")
    command = [sys.executable, "-m", "tuneoff", "predict", str(store.root), str(tmp_path / "long.jsonl")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"LC_ALL": "C"}
    )
    assert json.loads(process.stdout.readline())["row"] == 0
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0 and "Traceback" not in said and "Broken" not in said
