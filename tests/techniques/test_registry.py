"""Techniques are found by their files, each under one name; an unknown name is answered with the near ones."""

import importlib

import pytest

import tuneoff.techniques as registry
from tuneoff.errors import StudyError
from tuneoff.techniques import StageSettings, Technique, get, names, register, settings_of


@pytest.fixture
def own_registry(monkeypatch):
    """A registry that forgets after the test what was registered in it."""
    names()
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))


def a_technique(name):
    return type("Another", (Technique,), {"name": name, "summary": "x", "settings_class": StageSettings})


def test_the_three_are_there_in_order():
    assert names() == sorted(names()) and {"full", "linear-probe", "lora"} <= set(names())


def test_a_registered_technique_is_found(own_registry):
    mine = register(a_technique("mine"))
    assert get("mine") is mine and "mine" in names() and settings_of("mine") is StageSettings
    assert register(mine) is mine  # its module may be imported again


def test_a_name_that_is_taken_is_refused_and_its_owner_stays(own_registry):
    owner = get("lora")
    with pytest.raises(ValueError, match=r"'lora' is taken by tuneoff\.techniques\.lora\.Lora"):
        register(a_technique("lora"))
    assert get("lora") is owner


@pytest.mark.parametrize(
    ("given", "near"), [("loar", "lora"), ("linear_probe", "linear-probe"), ("fulll", "full"), ("LoRA", None)]
)
def test_an_unknown_name_is_answered_with_near_names_and_all(given, near):
    with pytest.raises(StudyError) as caught:
        get(given)
    assert f"'{given}' is unknown" in str(caught.value) and ", ".join(names()) in str(caught.value)
    assert near is None or f"did you mean {near}" in str(caught.value)


def test_a_name_like_no_other_has_no_near_one():
    with pytest.raises(StudyError) as caught:
        settings_of("zzz")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_each_technique_has_a_file_a_summary_and_settings_whose_defaults_hold(name):
    technique = get(name)
    module = importlib.import_module(f"tuneoff.techniques.{name.replace('-', '_')}")
    assert technique.__module__ == module.__name__ and technique.name == name
    assert technique.__doc__ and technique.summary and technique.summary == technique.summary.strip(" .")
    assert issubclass(technique.settings_class, StageSettings)
    settings = technique.settings_class()
    assert settings.learning_rate > 0
    assert technique.settings_class.model_validate(settings.model_dump()) == settings
    assert technique(settings).settings is settings
    assert technique.ends_a_chain is None or technique.ends_a_chain


def test_settings_can_be_checked_without_torch():
    import subprocess
    import sys

    code = (
        "import sys, tuneoff.techniques as t\n"
        "[t.settings_of(name)() for name in t.names()]\n"
        "print(sorted({'torch', 'transformers', 'peft'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
