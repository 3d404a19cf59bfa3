import pytest

from tuneoff.checks.length import Length

CHECK = Length()


@pytest.fixture
def of(patient, rows):
    """Return a function that prepares texts with given numbers of long ones, for a model that reads 40 tokens."""

    def made(long_train=(), long_test=(), family=None, **changes):
        train, test = rows(100), rows(40, 1000)
        for content, places in ((train, long_train), (test, long_test)):
            for place in places:
                content[place]["premise"] += " rain" * 60
        model = {"max_length": 40} | ({} if family is None else {"id": str(family)})
        (finding,) = CHECK.of_study(patient(train, test, model=model, **changes))
        return finding

    return made


def test_texts_that_fit_are_fine(of):
    finding = of()
    assert (finding.severity, finding.about) == ("fine", "tiny-bert")
    longest = finding.evidence["longest"]
    assert longest < 40
    assert finding.sentence == f"No text is longer than the 40 tokens that are read; the longest has {longest}."
    assert finding.evidence["cut"] == {"train": 0.0, "test": 0.0}


def test_a_twentieth_of_a_split_is_a_warning_and_less_a_note(of):
    warned, noted = of(range(5)), of(range(4))
    assert (warned.severity, noted.severity) == ("warning", "note")
    assert "their ends cut off: 5.0% of train." in warned.sentence and warned.advice
    assert warned.evidence["cut"] == {"train": 0.05, "test": 0.0}
    assert noted.evidence["cut_rows"] == {"train": 4, "test": 0}
    assert of([], [3, 4]).severity == "warning"  # 2 of 40


def test_the_label_that_suffers_is_told(of):
    finding = of(range(0, 40, 2), [1])  # rows with an even number have the label 'no'
    assert "20% of train, 2.5% of test; label 'no' suffers most" in finding.sentence
    assert "with 40% of its train rows at the limit, 'yes' least, with 0% (chi-square p < 0.001)" in finding.sentence
    assert finding.evidence["at_limit_by_label"] == {"no": 0.4, "yes": 0.0} and finding.evidence["p"] < 0.001


def test_labels_that_suffer_alike_are_not_told(of):
    finding = of(range(20))
    assert "suffers" not in finding.sentence
    assert finding.evidence["at_limit_by_label"] == {"no": 0.2, "yes": 0.2} and finding.evidence["p"] == 1.0


def test_a_decoders_texts_too(of, model_folder):
    finding = of(range(0, 40, 2), family=model_folder("qwen3"))
    assert (finding.severity, finding.about) == ("warning", "tiny-qwen3") and finding.evidence["cut"]["train"] == 0.2


def test_with_folds_it_is_the_first_folds(of):
    finding = of(range(5), folds=4)
    assert finding.severity in ("warning", "note") and sum(finding.evidence["cut_rows"].values()) == 5
