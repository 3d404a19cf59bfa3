"""`tuneoff techniques peft`: peft's types, and the fields of one in peft's own words."""

import dataclasses
import json

import pytest
from peft import VeraConfig
from typer.testing import CliRunner

from tuneoff.cli import app


def said(*arguments):
    result = CliRunner().invoke(app, ["techniques", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_types_are_listed():
    (one,) = json.loads(said("peft", "--json"))["techniques"]
    assert len(one["types"]) > 30 and {"lora", "vera", "ln_tuning"} < {*one["types"]} and "adalora" not in one["types"]
    assert f"Types: {', '.join(one['types'])}" in said("peft")
    assert "types" not in json.loads(said("lora", "--json"))["techniques"][0]


@pytest.mark.parametrize("written", ["vera", "VERA"])
def test_the_fields_of_a_type_are_explained_in_pefts_words(written):
    (one,) = json.loads(said("peft", "--type", written, "--json"))["techniques"]
    theirs = {field.name: field for field in dataclasses.fields(VeraConfig)}
    assert one["type"] == "vera" and {"d_initial", "vera_dropout", "r"} < one["fields"].keys()
    assert "task_type" not in one["fields"] and "peft_type" not in one["fields"]
    for name, field in one["fields"].items():
        assert field["default"] == theirs[name].default
        assert field["meaning"].split() == theirs[name].metadata["help"].split()
    shown = said("peft", "--type", written)
    assert "d_initial: Initial init value for d vector. Default: 0.1" in shown
    assert "vera_dropout: Vera dropout. Default: 0.0" in shown
