import json
import time

import numpy as np
import pytest

from tuneoff.checks import leakage
from tuneoff.checks.leakage import Leakage
from tuneoff.study import TaskSpec
from tuneoff.tasks import load_task

CHECK = Leakage()


def shouted(row):
    """A row whose texts are the same but for case, spaces and punctuation."""
    return {**row, "premise": row["premise"].upper() + " !", "hypothesis": row["hypothesis"].replace(" ", ",  ")}


@pytest.fixture
def leaking(patient, rows):
    """Return a function that prepares a study whose test (or dev) has four of its 40 rows from train."""

    def made(copied=shouted, split="test", **changes):
        train, content = rows(60), rows(40, 1000)
        content[10:14] = [copied(row) for row in train[20:24]]
        return patient(train=train, **{split: content}, **changes)

    return made


def test_healthy_splits_are_fine_with_evidence(patient):
    findings = list(CHECK.of_study(patient()))
    assert [(one.severity, one.about) for one in findings] == [("fine", "test")] * 3
    assert all(one.evidence["rows"] == 0 and one.evidence["of"] == 40 and not one.advice for one in findings)


def test_equal_rows_in_test_are_an_error(leaking, not_fine):
    (finding,) = not_fine(CHECK, leaking())
    assert (finding.severity, finding.about) == ("error", "test")
    assert finding.sentence == (
        "4 of the 40 test rows (10%) stand in train with the same texts, such as row 10 of test and row 20 of train "
        "(counted from 0)."
    )
    assert "task.drop_overlap: true" in finding.advice
    assert finding.evidence == {"rows": 4, "of": 40, "share": 0.1, "examples": [[n, n + 10] for n in range(10, 14)]}


def test_equal_rows_in_a_dev_of_ones_own_are_an_error(leaking, not_fine):
    (finding,) = not_fine(CHECK, leaking(split="dev", eval_on="dev"))
    assert (finding.severity, finding.about) == ("error", "dev")


def test_rows_written_alike_go_by_drop_overlap_and_there_is_nothing_to_report(leaking, not_fine):
    found = not_fine(CHECK, leaking(copied=dict))
    assert [one.severity for one in found] == ["error", "warning"]  # the rows, and their premises
    made = leaking(copied=dict, task={"drop_overlap": True})
    assert len(made.data.splits["train"]) == 56 and not_fine(CHECK, made) == []
    (equal, *_) = CHECK.of_study(made)
    assert "task.drop_overlap removed such rows" in equal.sentence


def test_what_drop_overlap_left_is_a_warning_that_says_why(leaking, not_fine):
    (finding,) = not_fine(CHECK, leaking(task={"drop_overlap": True}))
    assert finding.severity == "warning" and "written differently" in finding.advice


def test_equal_rows_in_a_further_test_set_are_a_warning(patient, rows, not_fine, tmp_path):
    path = tmp_path / "far.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows(9, 3000), rows(1, 7)[0]]))
    (finding,) = not_fine(CHECK, patient(task={"also_test": {"far": str(path)}}))
    assert (finding.severity, finding.about) == ("warning", "also:far") and finding.evidence["rows"] == 1


def test_a_dev_that_is_cut_out_keeps_equal_rows_together_and_copies_of_them_are_a_warning(patient, rows, not_fine):
    assert not_fine(CHECK, patient(train=[*rows(60), *rows(60)], eval_on="dev")) == []
    copied = patient(train=[*rows(60), *map(shouted, rows(60))], eval_on="dev")
    (finding,) = not_fine(CHECK, copied)
    here, there = ([text.split()[4] for text in copied.data.splits[name].texts[0]] for name in ("dev", "train"))
    assert finding.evidence["rows"] == sum(number in there for number in here) > 0
    assert (finding.severity, finding.about) == ("warning", "dev") and "task.group" in finding.advice


def test_equal_premises_are_a_warning_with_the_share(patient, rows, not_fine):
    train, test = rows(60), rows(40, 1000)
    for place in range(5, 15):
        test[place]["premise"] = train[place // 2]["premise"]
    (finding,) = not_fine(CHECK, patient(train, test))
    assert (finding.severity, finding.about) == ("warning", "test")
    assert finding.sentence == "10 of the 40 test rows (25%) share their premise with a row of train."
    assert finding.evidence["share"] == 0.25 and finding.evidence["examples"] == [5, 6, 7, 8, 9]


def test_equal_groups_are_found_by_the_studys_column(patient, rows, not_fine):
    train = [{**row, "source": f"book {number % 20}"} for number, row in enumerate(rows(60))]
    test = [{**row, "source": f"book {number % 20 + 15}"} for number, row in enumerate(rows(40, 1000))]
    (finding,) = not_fine(CHECK, patient(train, test, task={"group": "source"}))
    assert finding.sentence == "10 of the 40 test rows (25%) share their source with a row of train."
    assert not_fine(CHECK, patient(train, test, task={"group": "source", "drop_overlap": True})) == []


def test_premises_that_a_cut_or_folds_tear_apart_are_told_with_the_remedy(patient, rows, not_fine):
    train = [{**row, "premise": f"premise {number // 2}"} for number, row in enumerate(rows(100))]
    for change in ({"eval_on": "dev"}, {"folds": 4}):
        (finding,) = not_fine(CHECK, patient(train, **change))
        assert finding.severity == "warning" and "Set task.group: premise" in finding.advice
        assert not_fine(CHECK, patient(train, task={"group": "premise"}, **change)) == []


def long_texts(rows):
    for row in rows:
        own = np.random.default_rng(int(row["premise"].split()[-1]))
        row["premise"] = " ".join(map(str, own.integers(0, 10**6, 40)))
    return rows


def test_near_duplicates_are_a_warning(patient, rows, not_fine):
    train, test = long_texts(rows(60)), long_texts(rows(40, 1000))
    test[3] = {**train[50], "premise": train[50]["premise"] + " indeed"}
    (finding,) = not_fine(CHECK, patient(train, test))
    assert (finding.severity, finding.about) == ("warning", "test")
    assert finding.sentence.startswith("1 of the 40 test rows (2.5%) are near-duplicates of rows of train, such as row")
    assert finding.evidence["examples"] == [[3, 50]] and finding.evidence["train_rows_looked_at"] == 60


def test_an_equal_premise_alone_makes_no_near_duplicate(patient, rows, not_fine):
    train, test = long_texts(rows(60)), long_texts(rows(40, 1000))
    test[3]["premise"] = train[50]["premise"]
    (finding,) = not_fine(CHECK, patient(train, test))
    assert "share their premise" in finding.sentence


def test_of_many_rows_some_are_compared_and_it_is_said(patient, rows, monkeypatch):
    monkeypatch.setattr(leakage, "MOST_TRAIN", 30)
    monkeypatch.setattr(leakage, "MOST_OTHER", 10)
    train, test = long_texts(rows(60)), long_texts(rows(40, 1000))
    for place in range(40):
        test[place] = {**train[place], "premise": train[place]["premise"] + " indeed"}
    near = list(CHECK.of_study(patient(train, test)))[-1]
    assert (near.evidence["of"], near.evidence["train_rows_looked_at"]) == (10, 30)
    assert "(of 10 held against 30 of train, evenly spaced)" in near.sentence and 0 < near.evidence["rows"] <= 10


def test_a_task_of_one_text_has_no_premises(patient, rows, not_fine):
    made = patient(task={"text": "hypothesis"})
    assert [one.severity for one in CHECK.of_study(made)] == ["fine"] * 2
    test = rows(40, 1000)
    test[0]["hypothesis"] = rows(1)[0]["hypothesis"]
    (finding,) = not_fine(CHECK, patient(test=test, task={"text": "hypothesis"}))
    assert finding.severity == "error"


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_packaged_task_has_nothing_to_report(patient, not_fine, language, tmp_path):
    data = load_task(TaskSpec(name="mini_rte", language=language), need_dev=True, base=tmp_path)
    content = {
        name: [
            {"premise": a, "hypothesis": b, "label": data.classes[label]}
            for a, b, label in zip(*split.texts, split.labels, strict=True)
        ]
        for name, split in data.splits.items()
    }
    assert not_fine(CHECK, patient(**content)) == []


def test_twenty_thousand_rows_take_seconds(patient, rows):
    made = patient()
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(5000)])

    def text(count, length):
        return [" ".join(one) for one in words[rng.integers(0, 5000, (count, length))]]

    data = made.data
    for name, count in (("train", 20_000), ("test", 3_000)):
        split = data.splits[name]
        object.__setattr__(split, "texts", (text(count, 40), text(count, 10)))
        object.__setattr__(split, "labels", np.arange(count) % 2)
        object.__setattr__(split, "rows", np.arange(count))
    begun = time.process_time()
    assert {one.severity for one in CHECK.of_study(made)} == {"fine"}
    assert time.process_time() - begun < 6  # a slow machine's; two seconds on a usual one
