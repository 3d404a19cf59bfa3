"""The schema for editors accepts what `read_study` accepts, and refuses common mistakes."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from tuneoff.cli import app
from tuneoff.reading import resolved_yaml, shipped_studies, study_from_mapping
from tuneoff.schema import study_schema
from tuneoff.techniques import names

STUDIES = Path(__file__).parents[1] / "src/tuneoff/studies"
SCHEMA = study_schema()
VALIDATOR = Draft7Validator(SCHEMA)
SMALL = {"model": "org/model", "task": "mini_rte"}


def loaded(text):
    """Read YAML as editors do (version 1.2), to which 2e-4 is a number."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    number = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
    loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    return yaml.load(text, loader)


def test_it_is_a_schema():
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_the_shipped_studies_fit(name):
    VALIDATOR.validate(loaded((STUDIES / f"{name}.yaml").read_text(encoding="utf-8")))


GOOD = [
    SMALL,
    {"models": ["a/b", {"id": "c/d", "pooling": "last"}], "task": {"train": "a.csv", "test": "b.csv", "text": "t"}},
    {"model": "org/model", "tasks": ["terra", {"name": "mini_rte", "called": "other"}]},
    {**SMALL, "techniques": ["full", "linear-probe+lora", {"name": "lora-r32", "use": "lora", "rank": 32}]},
    {**SMALL, "techniques": [{"use": "lora", "settings": {"rank": 2}}], "protocol": {"seeds": [3, 5], "steps": 10}},
    {**SMALL, "protocol": {"seeds": 5, "max_grad_norm": "off", "tune": {"trials": 4}, "memory_limit": "12 GB"}},
]


@pytest.mark.parametrize("study", GOOD)
def test_what_can_be_read_fits_and_so_does_how_it_is_stored(study):
    VALIDATOR.validate(study)
    VALIDATOR.validate(loaded(resolved_yaml(study_from_mapping(study))))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"modle": "x"}, []),
        ({"protocol": {"step": 5}}, ["protocol"]),
        ({"protocol": {"batch_size": 0}}, ["protocol", "batch_size"]),
        ({"protocol": {"schedule": "steps"}}, ["protocol", "schedule"]),
        ({"techniques": []}, ["techniques"]),
        ({"techniques": ["Full"]}, ["techniques", 0]),
        ({"techniques": [{"use": "linear-probe+lora", "rank": "many"}]}, ["techniques", 0]),
        ({"models": ["x"]}, []),
        ({"tasks": ["x"]}, []),
        ({"task": {"txet": "a"}}, ["task"]),
    ],
)
def test_a_mistake_is_found_where_it_is(change, where):
    (error,) = VALIDATOR.iter_errors({**SMALL, **change})
    assert list(error.absolute_path) == where


def test_every_technique_is_offered_with_its_settings_explained():
    text, entry = SCHEMA["properties"]["techniques"]["items"]["anyOf"]
    assert text["examples"] == names()
    explained = {rule["if"]["required"][0]: rule["then"]["properties"] for rule in entry["allOf"]}
    assert all("description" in field for fields in explained.values() for field in fields.values())


def test_the_command_prints_it():
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0 and json.loads(result.stdout) == SCHEMA
