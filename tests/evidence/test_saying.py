"""Sentences with ids."""

import pytest

from tuneoff.evidence.saying import said


def test_a_sentence_has_its_id_its_values_and_its_text():
    found = said({"best": "{name} is {prefix}."}, "best", "race.", name="lora", prefix="first")
    assert found == {"id": "race.best", "values": {"name": "lora", "prefix": "first"}, "text": "lora is first."}


def test_a_value_that_is_missing_is_no_sentence():
    with pytest.raises(KeyError):
        said({"best": "{name}"}, "best")
