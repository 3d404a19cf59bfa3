import json
import re

import pytest

from tuneoff.checks import labels
from tuneoff.checks.labels import Labels
from tuneoff.errors import DataError

CHECK = Labels()


def the_one(not_fine, patient):
    (finding,) = not_fine(CHECK, patient)
    return finding


def test_healthy_labels_are_fine_with_evidence(patient):
    findings = list(CHECK.of_study(patient()))
    assert [one.severity for one in findings] == ["fine"] * 5
    assert all(one.evidence and one.advice is None and one.check == "labels" for one in findings)
    assert findings[0].evidence["counts"] == {"train": {"no": 30, "yes": 30}, "test": {"no": 20, "yes": 20}}
    assert findings[0].sentence == "The 60 train rows have the labels 'no' 50%, 'yes' 50%."


def test_a_class_with_nearly_all_rows(patient, rows, not_fine):
    common = rows(190, labels=["no"]) + rows(10, 5000, labels=["yes"])
    finding = the_one(not_fine, patient(common, rows(190, 7000, labels=["no"]) + rows(10, 9000, labels=["yes"])))
    assert (finding.severity, finding.about) == ("warning", "train")
    assert finding.sentence == "95.0% of the 200 train rows have the label 'no'."
    assert finding.evidence["commonest_share"] == 0.95


def test_nine_tenths_are_not_too_many_and_ten_rows_are_enough(patient, rows, not_fine):
    train = rows(90, labels=["no"]) + rows(10, 5000, labels=["yes"])
    test = rows(90, 7000, labels=["no"]) + rows(10, 9000, labels=["yes"])
    assert not_fine(CHECK, patient(train, test)) == []


def test_a_class_with_few_rows(patient, rows, not_fine):
    train = rows(60, labels=["no", "yes"]) + rows(9, 5000, labels=["maybe"])
    test = rows(40, 7000, labels=["no", "yes"]) + rows(6, 9000, labels=["maybe"])
    finding = the_one(not_fine, patient(train, test))
    assert finding.severity == "warning"
    assert finding.sentence == "Classes with fewer than 10 rows of train: 'maybe' 9."


def test_a_class_with_nearly_all_rows_beside_one_with_few(patient, rows, not_fine):
    train = rows(91, labels=["no"]) + rows(9, 5000, labels=["yes"])
    finding = the_one(not_fine, patient(train, rows(91, 7000, labels=["no"]) + rows(9, 9000, labels=["yes"])))
    assert finding.sentence == (
        "91.0% of the 100 train rows have the label 'no'; classes with fewer than 10 rows of train: 'yes' 9."
    )


@pytest.mark.parametrize("split", ["test", "dev"])
def test_a_split_with_one_label_only(patient, rows, not_fine, split):
    made = patient(**{split: rows(8, 3000, labels=["yes"])}, eval_on="dev" if split == "dev" else "test")
    finding = next(one for one in not_fine(CHECK, made) if one.severity == "error")
    assert finding.about == split and f"All 8 rows of {split} have the label 'yes'" in finding.sentence
    assert finding.evidence["counts"] == {"yes": 8}


def test_a_further_test_set_may_have_one_label_only(patient, rows, not_fine, tmp_path):
    path = tmp_path / "far.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(5, 3000, labels=["no"])))
    finding = the_one(not_fine, patient(task={"also_test": {"far": str(path)}}))
    assert (finding.severity, finding.about) == ("note", "also:far")


def test_shares_that_differ_between_train_and_test(patient, rows, not_fine):
    train = rows(100, labels=["no"]) + rows(100, 5000, labels=["yes"])
    test = rows(80, 7000, labels=["no"]) + rows(20, 9000, labels=["yes"])
    finding = the_one(not_fine, patient(train, test))
    assert (finding.severity, finding.about) == ("warning", "test")
    assert "(label 'no': 50% and 80%; chi-square p < 0.001, V 0.29)" in finding.sentence
    # The statistic of a 2 x 2 table by the formula n (ad - bc)^2 / (product of the margins).
    chi2 = 300 * (100 * 20 - 100 * 80) ** 2 / (200 * 100 * 180 * 120)
    assert finding.evidence["cramers_v"] == pytest.approx((chi2 / 300) ** 0.5)
    assert finding.evidence["gap"] == pytest.approx(0.3)


def test_shares_that_differ_by_chance_alone_are_fine(patient, rows, not_fine):
    assert not_fine(CHECK, patient(test=rows(12, 7000, labels=["no"]) + rows(6, 9000, labels=["yes"]))) == []


def test_equal_texts_with_different_labels(patient, rows, not_fine):
    train = rows(60)
    train[7] = {**train[2], "premise": f"  {train[2]['premise'].upper()}!", "label": "yes"}
    assert train[2]["label"] == "no"
    finding = the_one(not_fine, patient(train))
    assert (finding.severity, finding.about) == ("warning", "train")
    assert finding.sentence.startswith("2 of the 60 train rows (3.3%) have the same texts as another row and another ")
    assert "such as rows 2 and 7 (counted from 0): 'no' and 'yes'" in finding.sentence
    assert finding.evidence == {"rows": 2, "share": 2 / 60, "texts": 1, "examples": [[2, 7]]}


def test_equal_texts_with_equal_labels_are_no_contradiction(patient, rows, not_fine):
    train = rows(60)
    assert not_fine(CHECK, patient([*train, *train[:10]])) == []


def long_rows(rows):
    """Healthy rows whose row 30 is row 11 but for one word of forty, with the other label."""
    train = rows(60)
    for number, row in enumerate(train):
        row["premise"] = row["hypothesis"] = " ".join(str(1000 * number + place) for place in range(40))
    train[30]["premise"], train[30]["hypothesis"] = train[11]["premise"], train[11]["hypothesis"][:-1] + "x"
    return train


def test_near_duplicates_with_different_labels_are_a_note(patient, rows, not_fine):
    train = long_rows(rows)
    finding = the_one(not_fine, patient(train))
    assert (finding.severity, finding.about) == ("note", "train")
    assert (
        finding.sentence.startswith("Near-duplicates with different labels: 1 pair of train rows, ")
        and "11 and 30" in finding.sentence
    )
    assert finding.evidence == {"pairs": 1, "rows_looked_at": 60, "examples": [[11, 30]]}
    train[31]["premise"], train[31]["hypothesis"] = train[30]["premise"], train[30]["hypothesis"] + " leaf"
    said = the_one(not_fine, patient(train)).sentence
    assert re.search(r"different labels: [23] pairs of train rows, such as rows 11 and 30", said)
    train[31] = {**train[31], "premise": rows(1, 3000)[0]["premise"]}
    train[30]["label"] = train[11]["label"]
    assert not_fine(CHECK, patient(train)) == []


def test_of_many_rows_some_are_held_against_each_other_and_it_is_said(patient, rows, monkeypatch):
    monkeypatch.setattr(labels, "MOST_ROWS", 20)
    finding = list(CHECK.of_study(patient(long_rows(rows))))[-1]
    assert finding.evidence["rows_looked_at"] == 20 and "of 20 rows looked at, evenly spaced" in finding.sentence


@pytest.mark.parametrize(("one", "other"), [("yes", "Yes"), ("yes", " yes"), ("1", "01"), ("1", "1.0")])
def test_class_names_that_mean_the_same(patient, rows, not_fine, one, other):
    classes = ["no", one, other]
    finding = the_one(not_fine, patient(rows(60, labels=classes), rows(60, 1000, labels=classes)))
    assert finding.severity == "warning" and finding.evidence["alike"] == [sorted([one, other])]
    assert repr(one) in finding.sentence and repr(other) in finding.sentence


def test_class_names_that_look_alike_and_mean_different_things(patient, rows, not_fine):
    classes = ["1", "10", "nan", "inf", "-1", "1000001", "1000002", "12345678901234567890", "12345678901234567891"]
    assert not_fine(CHECK, patient(rows(99, labels=classes), rows(99, 1000, labels=classes))) == []


def test_names_are_data_and_come_out_short_and_harmless(patient, rows):
    bad = ["a" * 200, "\x1b[31mred", "\u202eyes"]
    findings = list(CHECK.of_study(patient(rows(60, labels=bad), rows(40, 1000, labels=bad[:1]))))
    assert {one.severity for one in findings} == {"fine", "error", "warning"}
    for finding in findings:
        assert len(finding.sentence) < 500 and finding.sentence.isprintable()


# Names in different order between splits


@pytest.mark.parametrize(
    ("train", "test"), [(["no", "yes"], [0, 1]), ([0, 1], ["no", "yes"]), ([False, True], [0, 1]), ([0, 1], [1, 2])]
)
def test_labels_that_another_file_writes_otherwise_are_refused_when_the_task_is_read(patient, rows, train, test):
    with pytest.raises(DataError, match=r"own-test.jsonl, line \d+, field 'label'.* does not occur in train"):
        patient(rows(60, labels=train), rows(40, 1000, labels=test))


def test_files_that_number_their_classes_in_different_order_are_read_by_name(patient, rows, not_fine, tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    for name, first, names in (("train", 0, ["no", "yes"]), ("test", 1000, ["yes", "no"])):
        content = [{**row, "label": names.index(row["label"])} for row in rows(40, first)]
        kinds = dict.fromkeys(("premise", "hypothesis"), Value("string")) | {"label": ClassLabel(names=names)}
        Dataset.from_list(content, features=Features(kinds)).to_parquet(tmp_path / f"{name}.parquet")
    made = patient(task={name: str(tmp_path / f"{name}.parquet") for name in ("train", "test")})
    assert not_fine(CHECK, made) == []
    for name, first in (("train", 0), ("test", 1000)):
        split = made.data.splits[name]
        assert [made.data.classes[label] for label in split.labels] == [row["label"] for row in rows(40, first)]


def test_with_folds_it_looks_at_what_the_first_one_trains_on(patient, not_fine):
    made = patient(folds=4)
    assert not_fine(CHECK, made) == []
    counts = next(iter(CHECK.of_study(made))).evidence["counts"]
    assert sum(counts["train"].values()) == 75 and sum(counts["test"].values()) == 25
