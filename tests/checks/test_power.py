import math

import pytest

from tuneoff.checks.power import Power
from tuneoff.evidence.power import Design, power

CHECK = Power()
FIVE = ["full", "linear-probe", "lora", "linear-probe+full", "linear-probe+lora"]


@pytest.fixture
def of(patient, rows):
    """Return a function that gives the finding on a study with so many test rows."""

    def made(examples, techniques=("full", "lora"), **protocol):
        (finding,) = CHECK.of_study(patient(test=rows(examples, 1000), techniques=techniques, **protocol))
        return finding

    return made


def test_one_technique_has_nothing_to_be_compared_with(of):
    finding = of(40, ["full"])
    assert finding.severity == "fine" and finding.sentence == "There is one technique, so nothing is compared."


def test_one_seed_and_two_techniques_find_what_card_et_al_say(of):
    # Card et al. 2020 by the project's facts: 307 examples at discordance 0.3 find 9.0 points.
    finding = of(307)
    assert finding.severity == "note" and 100 * finding.evidence["smallest_difference"] == pytest.approx(9.0, abs=0.05)
    assert finding.sentence == (
        "With 307 examples, this design finds differences of 9.0 points or more between two trained models (power 80%; "
        "supposing that two techniques differ on 30% of the answers); 3 points would need about 2,700 examples."
    )
    assert finding.evidence["supposed"] == {"discordance": 0.3} and finding.evidence["level"] == 0.05


def test_more_techniques_find_less_which_is_a_warning(of):
    finding = of(307, FIVE)
    assert finding.severity == "warning" and finding.evidence["smallest_difference"] > 0.1
    assert (finding.evidence["pairs"], finding.evidence["level"]) == (10, 0.005)
    assert "corrected for 10 pairs" in finding.sentence and "larger test" in finding.advice


def test_what_it_finds_it_finds_with_the_power_that_it_says(of):
    for seeds in (1, 5):
        found = of(200, seeds=seeds).evidence
        design = Design(1, 200, 0.3) if seeds == 1 else Design(5, 200, 0.3, 0.025**2, 0.15, 0.15)
        assert power(design, found["smallest_difference"], 0.05) == pytest.approx(0.8, abs=0.005)


def test_several_seeds_are_supposed_to_differ_and_it_is_said(of):
    finding = of(307, seeds=10)
    assert finding.severity == "note"
    assert finding.evidence["supposed"] == {"discordance": 0.3, "seed_sd": 0.025, "lasting": 0.5}
    assert finding.sentence.startswith("With 307 examples and 10 seeds, this design finds differences of ")
    assert "their difference by 2.5 points (SD) between seeds" in finding.sentence
    assert finding.evidence["needed_for_3_points"]["seeds"] is None  # 307 examples alone are too few for any seeds
    assert finding.evidence["needed_for_3_points"]["examples"] > 307


def test_where_neither_would_do_it_is_said(of):
    finding = of(307, FIVE, seeds=5)
    assert finding.evidence["needed_for_3_points"] == {"examples": None, "seeds": None}
    assert finding.sentence.endswith("neither more seeds alone nor more examples alone would show 3 points.")


def test_two_seeds_and_few_examples_find_nothing(of):
    finding = of(17, FIVE, seeds=2)
    assert finding.severity == "warning" and finding.evidence["smallest_difference"] is None
    assert "finds no difference reliably, however large" in finding.sentence and "more seeds" in finding.advice


def test_seeds_that_may_be_added_count(of):
    finding = of(307, until_clear={"seeds": 12}, seeds=3)
    assert finding.evidence["seeds"] == 12 and "up to 12 seeds" in finding.sentence
    assert finding.evidence["smallest_difference"] == of(307, seeds=12).evidence["smallest_difference"]


def test_with_folds_all_labelled_rows_are_examples(of):
    assert of(40, folds=4).evidence["examples"] == 100


def test_a_large_test_needs_no_more(of):
    finding = of(3500)
    assert finding.severity == "note" and finding.evidence["smallest_difference"] < 0.03
    assert "needed_for_3_points" not in finding.evidence and finding.advice is None
    assert math.isclose(finding.evidence["power"], 0.8)
