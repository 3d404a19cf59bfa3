import pytest
from scipy.stats import binomtest

from tuneoff.checks.shortcut import Shortcut
from tuneoff.evidence import baselines
from tuneoff.evidence.task_files import keep_baselines

CHECK = Shortcut()
OTHER = {"no": "yes", "yes": "no"}


def told_by(field, content, lies=0):
    """The rows with one text that is a word and tells the label, the wrong one in the first `lies` of them."""
    for place, row in enumerate(content):
        label = OTHER[row["label"]] if place < lies else row["label"]
        row[field] = {"no": "never", "yes": "always"}[label]
    return content


def by_severity(findings):
    return {finding.severity: finding for finding in findings}


def test_texts_that_do_not_tell_are_fine_with_evidence(patient):
    second, words = CHECK.of_study(patient())
    assert second.severity == words.severity == "fine"
    for finding in (second, words):
        assert finding.evidence["examples"] == 40 and finding.evidence["commonest_share"] == 0.5
        assert finding.evidence["accuracy"] == finding.evidence["right"] / 40


def test_a_second_text_that_tells_the_label_is_a_warning(patient, rows):
    test = told_by("hypothesis", rows(40, 1000), lies=6)
    second, words = CHECK.of_study(patient(told_by("hypothesis", rows(60)), test))
    assert (second.severity, second.about) == ("warning", "hypothesis") and words.severity == "note"
    assert second.evidence["right"] == 34
    assert second.evidence["p"] == pytest.approx(binomtest(34, 40, 0.5, alternative="greater").pvalue)
    assert "tells 0.850 of test's labels, and always giving the commonest class 0.500; p < 0.001" in second.sentence


def test_a_first_text_that_tells_the_label_is_a_note_alone(patient, rows):
    made = patient(told_by("premise", rows(60)), told_by("premise", rows(40, 1000)))
    second, words = CHECK.of_study(made)
    assert second.severity == "fine" and words.severity == "note"
    assert words.sentence.endswith(f"a technique must beat {words.evidence['accuracy']:.3f}.")
    assert words.evidence["accuracy"] > 0.8


def test_what_is_right_as_often_as_the_commonest_class_is_fine(patient, rows):
    test = rows(36, 1000, labels=["yes"]) + rows(4, 2000, labels=["no"])
    made = patient(told_by("hypothesis", rows(60)), told_by("hypothesis", test, lies=3))
    second, _ = CHECK.of_study(made)
    assert second.severity == "fine" and second.evidence["right"] == 37  # of 40: 36 by the commonest class


def test_files_that_number_their_classes_differently(patient, rows):
    """Both files have 0 and 1, and mean the opposite: nothing but what is learned can tell."""
    train = told_by("premise", rows(60))
    test = [{**row, "label": OTHER[row["label"]]} for row in told_by("premise", rows(40, 1000))]
    number = {"no": 0, "yes": 1}
    made = patient(*([{**row, "label": number[row["label"]]} for row in content] for content in (train, test)))
    _, words = CHECK.of_study(made)
    assert (words.severity, words.about) == ("warning", "test")
    assert "less than always giving the rarest class (0.500; p < 0.001)" in words.sentence
    right = words.evidence["right"]
    assert right < 10 and words.evidence["p_below"] == pytest.approx(
        binomtest(right, 40, 0.5, alternative="less").pvalue
    )


def test_what_a_run_has_kept_is_read_and_not_computed_again(patient, rows, monkeypatch):
    made = patient(told_by("hypothesis", rows(60)), told_by("hypothesis", rows(40, 1000)))
    computed = list(CHECK.of_study(made))
    assert not made.store.root.exists()  # a check writes nothing
    keep_baselines(made.store, made.task_name, made.data, lambda _: None)
    monkeypatch.setattr(baselines, "text_baselines", lambda _: pytest.fail("computed again"))
    assert list(CHECK.of_study(made)) == computed


def test_what_was_kept_for_other_data_is_not_read(patient, rows):
    other = patient()
    keep_baselines(other.store, other.task_name, other.data, lambda _: None)
    made = patient(told_by("hypothesis", rows(60)), told_by("hypothesis", rows(40, 1000)))
    assert made.store.root == other.store.root and made.task_name == other.task_name
    assert next(CHECK.of_study(made)).severity == "warning"


def test_of_one_text_there_is_no_second(patient):
    (words,) = CHECK.of_study(patient(task={"text": "hypothesis"}))
    assert words.severity == "fine"


def test_texts_without_words_have_the_reason(patient, rows):
    train = [{**row, "premise": "?", "hypothesis": "!" * (place + 1)} for place, row in enumerate(rows(60))]
    for finding in CHECK.of_study(patient(train)):
        assert finding.severity == "fine" and "train has no words" in finding.sentence


def test_with_folds_what_is_held_out_is_not_learned(patient, rows):
    """The whole task's test has all rows: learned by heart, they would all be right."""
    second, words = CHECK.of_study(patient(folds=4))
    assert words.evidence["examples"] == 25 and second.severity == words.severity == "fine"
