"""The schema for editors accepts what `read_study` accepts, and refuses common mistakes."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from typer.testing import CliRunner

from tuneoff.cli import app
from tuneoff.reading import resolved_yaml, study_from_mapping
from tuneoff.schema import study_schema
from tuneoff.shipped import shipped_studies
from tuneoff.technique_entries import KEYS
from tuneoff.techniques import get, names
from tuneoff.yaml_source import read_yaml

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / "src/tuneoff/studies"
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


def documented():
    """Every block of YAML in the documentation that is a study, or a part of one at the top level."""
    for page in [ROOT / "README.md", ROOT / "README.ru.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)):
            found = loaded(block)
            if (
                isinstance(found, dict)
                and {"task", "tasks", "techniques", "protocol", "model", "models"} & found.keys()
            ):
                yield pytest.param(found, id=f"{page.stem}-{number}")


@pytest.mark.parametrize("study", [*documented()])
def test_the_studies_of_the_documentation_fit(study):
    """What a block leaves out is as in a small study."""
    left_out = {key: SMALL[key] for key in SMALL if not {key, f"{key}s"} & study.keys()}
    VALIDATOR.validate(left_out | study)


GOOD = [
    SMALL,
    {"models": ["a/b", {"id": "c/d", "pooling": "last"}], "task": {"train": "a.csv", "test": "b.csv", "text": "t"}},
    {"model": "org/model", "tasks": ["terra", {"name": "mini_rte", "called": "other"}]},
    {**SMALL, "techniques": ["full", "linear-probe+lora", {"name": "lora-r32", "use": "lora", "rank": 32}]},
    {**SMALL, "techniques": [{"use": "lora", "settings": {"rank": 2}}], "protocol": {"seeds": [3, 5], "steps": 10}},
    {**SMALL, "techniques": [{"use": "lora", "settings": None}, {"name": "full", "use": "full"}]},
    {**SMALL, "techniques": [{"use": "lora", "steps": None, "epochs": 2}]},
    {**SMALL, "techniques": [{"name": "v", "peft": {"type": "vera", "r": 8}}, "linear-probe+v"]},
    {**SMALL, "techniques": [{"name": "n", "peft": {"type": "Ln-Tuning"}}, {"use": "peft", "peft": {"type": "LORA"}}]},
    {**SMALL, "techniques": [{"name": "o", "use": "v", "rank": 3}, {"name": "v", "use": "lora"}]},
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
        ({"tasks": ["terra"]}, []),
        ({"task": {"name": "mini_rte", "txet": "a"}}, ["task"]),
        ({"techniques": [{"use": "lora", "rnk": 8}]}, ["techniques", 0]),
        ({"techniques": [{"use": "lora", "settings": {"rank": "many"}}]}, ["techniques", 0]),
        ({"techniques": [{"use": "lora", "settings": {"rnk": 8}}]}, ["techniques", 0]),
        ({"techniques": [{"name": "m", "peft": {"type": "verra"}}]}, ["techniques", 0]),
        ({"techniques": [{"name": "m", "peft": {"type": "vera", "rr": 8}}]}, ["techniques", 0]),
        ({"techniques": [{"name": "m", "peft": {"type": "Vera", "vera_dropout": 1}}]}, ["techniques", 0]),
        (
            {"techniques": [{"name": "m", "use": "peft", "settings": {"peft": {"type": "lora", "r": 0}}}]},
            ["techniques", 0],
        ),
        ({"task": "rucos"}, ["task"]),
    ],
)
def test_a_mistake_is_found_where_it_is(change, where):
    (error,) = VALIDATOR.iter_errors({**SMALL, **change})
    assert list(error.absolute_path) == where


# What a schema cannot say, or ours does not: what one part says of another, names of a study's own, and what only
# single built-in tasks take.
UNSAID = {
    *("a-bell-in-a-title", "half-a-surrogate-pair", "an-infinite-number", "a-number-that-overflows"),
    *("a-whole-number-of-twenty-digits", "two-models-of-one-name", "the-label-among-the-texts"),
    *("a-language-that-mini-rte-has-not", "a-label-that-mini-rte-has-not", "columns-for-a-built-in-task"),
    *("a-folder-and-a-revision-of-terra", "a-configuration-of-files", "a-language-of-a-hub-data-set"),
    *("a-further-test-set-of-an-unknown-task", "a-further-test-set-with-a-foreign-key"),
    *("an-unknown-technique-in-a-chain", "a-technique-twice", "a-plus-in-a-name-for-another-chain"),
    *("techniques-made-of-each-other", "a-composed-technique-that-comes-last", "rounds-without-more-seeds"),
    *("a-space-of-an-unknown-technique", "a-space-of-an-unknown-setting", "a-space-with-a-value-out-of-range"),
    *("a-space-of-budgets", "an-empty-space"),
}


def bad_studies():
    for case in yaml.safe_load((ROOT / "tests/bad_inputs/studies.yaml").read_text(encoding="utf-8")):
        text = case.get("study", f"model: org/model\ntask: mini_rte\n{case.get('add')}")
        source, problems = read_yaml(text.encode(case.get("encoding", "utf-8")), "study.yaml")
        if not problems and source.value is not None:
            yield case["name"], source.value


def test_the_studies_that_are_refused_do_not_fit_but_for_what_a_schema_cannot_say():
    found = dict(bad_studies())
    assert len(found) > 80 and len([*documented()]) > 10
    assert {name for name, value in found.items() if VALIDATOR.is_valid(value)} == UNSAID


def test_nothing_stands_twice_that_could_stand_once():
    """Each setting of each technique, and each field of peft, is written out in one place."""
    settings = [one for name in names() for one in SCHEMA["definitions"][name]["properties"].values()]
    written = [json.dumps(one) for one in settings if "$ref" not in one]
    assert len(written) == len(set(written)) and len(written) < len(settings) / 2
    beside = [SCHEMA["definitions"][f"entry-of-{name}"]["properties"] for name in names()]
    assert all("$ref" in one for entry in beside for key, one in entry.items() if key not in KEYS[:2] + KEYS[3:])


def at(schema):
    """Follow a reference to where it leads."""
    while "$ref" in schema:
        found = SCHEMA
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        schema = found
    return schema


@pytest.mark.parametrize("kind", ["VERA", "LORA", "OFT"])
def test_the_fields_of_peft_are_explained_by_the_installed_peft(kind):
    given = SCHEMA["definitions"][f"peft-{kind}"]["properties"]
    config = PEFT_TYPE_TO_CONFIG_MAPPING[kind].__dataclass_fields__
    for name, one in given.items():
        if name != "type":
            assert at(one)["description"].split() == "".join(config[name].metadata["help"]).split()


def test_every_technique_is_offered_with_its_settings_explained():
    text, entry = SCHEMA["properties"]["techniques"]["items"]["anyOf"]
    assert text["anyOf"][0]["enum"] == names()
    led_to = [rule["then"]["$ref"] for rule in entry["allOf"] if "$ref" in rule["then"]]
    assert {*led_to} == {f"#/definitions/entry-of-{name}" for name in names()}
    for name in names():
        settings = SCHEMA["definitions"][name]["properties"]
        assert settings.keys() == get(name).settings_class.model_fields.keys()
        assert all("description" in at(field) for field in settings.values())


def test_the_command_prints_it():
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0 and json.loads(result.stdout) == SCHEMA
