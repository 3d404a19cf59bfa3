import pytest

from tuneoff.checks.padding import Padding

FAMILIES = ["bert", "electra", "distilbert", "roberta", "xlm-roberta", "qwen3", "gemma3", "llama", "gpt2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_healthy_models_of_every_family_are_fine(loop, family):
    (found,) = Padding().of_loop(loop("full", family))
    assert found.severity == "fine" and found.evidence["largest_difference"] < 1e-4


def test_a_pooling_that_depends_on_the_company_is_found_with_its_size(loop):
    sick = loop("full", "qwen3")
    whole = sick.logits
    sick.logits = lambda rows: whole(rows) * (1 + 0.01 * (len(rows) > 1))
    (found,) = Padding().of_loop(sick)
    assert found.severity == "error" and "8 of 8 texts" in found.sentence
    assert found.evidence["largest_difference"] == pytest.approx(0.01 / 1.0, rel=0.02)


def test_the_misindexed_pooling_of_2025_is_a_warning_where_the_study_asks_for_it(loop):
    (found,) = Padding().of_loop(loop("full", "qwen3", model={"pooling": "misindexed"}))
    assert found.severity == "warning" and "as the study asks for" in found.sentence


def test_a_last_token_that_nobody_reads_is_found(loop):
    sick = loop("full", "qwen3")
    sick.shortened = lambda row: sick.evaluated([row])
    (found,) = Padding().of_loop(sick)
    assert found.severity == "error" and found.sentence.startswith("The last token of a text changes nothing")
